import pytest

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib comes with the plot extra")


@pytest.fixture(autouse=True)
def closed_figures():
    import matplotlib.pyplot as plt

    with matplotlib.rc_context({"backend": "Agg"}):
        yield
        plt.close("all")


@pytest.fixture
def new_axes():
    import matplotlib.pyplot as plt

    return plt.subplots()[1]
