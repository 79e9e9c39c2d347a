import numpy as np
import pytest
import torch

from bsymlearn import BrainSymphonyTransformer, make_cohort
from bsymlearn.inspection import gate_summary
from bsymlearn.preprocessing import robust_scale, scale_connectome, window_starts

SIZES = {
    "dim": 8,
    "n_layers": 1,
    "n_heads": 2,
    "mlp_dim": 16,
    "time_steps": 16,
    "encoder": {"structural_layers": 1},
    "random_state": 0,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def cohort():
    return make_cohort(12, n_rois=8, n_timepoints=40, n_networks=2, missing=0.5, random_state=0)


@pytest.fixture(scope="module")
def fitted(cohort):
    return BrainSymphonyTransformer(max_epochs=2, **SIZES).fit(cohort)


def test_shares_of_scans_that_lack_a_modality(fitted, cohort):
    summary = gate_summary(fitted, cohort)
    assert summary.index.equals(cohort.index)
    assert summary["has_timeseries"].equals(cohort["timeseries"].notna())
    assert summary["has_connectome"].equals(cohort["connectome"].notna())
    share = summary["functional_share"]
    assert (share[cohort["connectome"].isna()] == 1).all()
    assert (share[cohort["timeseries"].isna()] == 0).all()
    both = summary["has_timeseries"] & summary["has_connectome"]
    assert share[both].between(0, 1, inclusive="neither").all()
    assert (summary["sd_over_rois"] > 0).equals(both)


def test_share_is_the_gate_of_the_module(fitted, cohort):
    row = cohort.dropna().iloc[[0]]
    scaled = torch.from_numpy(robust_scale(row["timeseries"].iloc[0])[0])
    windows = torch.stack([scaled[s : s + 16] for s in window_starts(len(scaled), 16)])
    connectome = torch.from_numpy(scale_connectome(row["connectome"].iloc[0]))
    with torch.inference_mode():
        gate = fitted.module_(windows, connectome.expand(len(windows), -1, -1)).gate
    per_roi = gate.mean(dim=(0, 2)).numpy()
    summary = gate_summary(fitted, row).iloc[0]
    assert summary["functional_share"] == pytest.approx(per_roi.mean(), abs=1e-6)
    assert summary["sd_over_rois"] == pytest.approx(per_roi.std(), abs=1e-6)


def test_there_is_no_gate_in_an_encoder_of_one_modality(cohort):
    series = [s for s in cohort["timeseries"] if s is not None]
    model = BrainSymphonyTransformer(max_epochs=0, **SIZES).fit(series)
    with pytest.raises(ValueError, match=r"'functional', but only.*Fit it on a table"):
        gate_summary(model, series)
    assert np.isfinite(model.transform(series)).all()
