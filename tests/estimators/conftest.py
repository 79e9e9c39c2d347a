import numpy as np
import pytest

from bsymlearn import BrainSymphonyTransformer, make_cohort

TINY = {
    "dim": 8,
    "n_layers": 1,
    "n_heads": 2,
    "mlp_dim": 16,
    "time_steps": 16,
    "lr": 5e-3,
    "encoder": {"structural_layers": 1},
    "random_state": 0,
    "device": "cpu",
}


@pytest.fixture(scope="session")
def tiny():
    """Small sizes for every estimator."""
    return TINY


@pytest.fixture(scope="session")
def cohort():
    """20 subjects, 8 ROIs, ragged series; two lack a connectome, one its series."""
    table = make_cohort(20, n_rois=8, n_timepoints=50, n_networks=2, random_state=0)
    series = [s[: 50 - 2 * i] for i, s in enumerate(table["timeseries"])]
    series[5], table["connectome"] = None, table["connectome"].where(np.arange(20) % 9 != 7, None)
    table["timeseries"] = series
    return table


@pytest.fixture(scope="session")
def series(cohort):
    """The ragged list of series."""
    return [s for s in cohort["timeseries"] if s is not None]


@pytest.fixture(scope="session")
def embedder(cohort):
    """A multimodal encoder, pretrained for two epochs."""
    return BrainSymphonyTransformer(max_epochs=2, **TINY).fit(cohort)


@pytest.fixture(scope="session")
def functional(series):
    """A functional encoder, pretrained for two epochs."""
    return BrainSymphonyTransformer(max_epochs=2, **TINY).fit(series)
