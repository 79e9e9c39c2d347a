import builtins
import subprocess
import sys
from itertools import combinations

import pytest
from matplotlib.colors import to_rgb

from bsymlearn.plotting import plot_training
from bsymlearn.plotting._colours import YEO, network_colours


@pytest.mark.parametrize(
    ("one", "other"),
    [("Vis", "visual"), ("SomMot", "Somatomotor"), ("SalVentAttn", "Ventral Attention"),
     ("DMN", "Default"), ("Cont", "Frontoparietal")],
)  # fmt: skip
def test_names_of_one_network_have_one_colour(one, other):
    assert len(set(network_colours([one, other]).values())) == 1


def test_colours_of_networks_differ():
    assert len(set(YEO.values())) == len(YEO)
    assert all(sum(abs(a - b) for a, b in zip(to_rgb(x), to_rgb(y), strict=True)) > 0.2
               for x, y in combinations(YEO.values(), 2))  # fmt: skip


def test_many_labels_are_all_coloured():
    assert len(network_colours(range(40))) == 40


def test_missing_matplotlib_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **named):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "bsymlearn\[plot\]"'):
        plot_training([{"train_loss": 1.0}])


def test_importing_the_package_does_not_import_matplotlib():
    code = "import sys, bsymlearn.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
