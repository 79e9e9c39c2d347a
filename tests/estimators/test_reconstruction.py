import numpy as np
import pandas as pd
import pytest
import torch

from bsymlearn import BrainSymphonyTransformer
from bsymlearn.preprocessing import robust_scale, scale_connectome, window_starts
from bsymlearn.training import hide_edges, hide_rois
from tests.validation.cohorts import TINY, scans
from tests.validation.messages import raises

STEPS, N_ROIS = 16, 8


def by_hand(module, raw, hidden):
    """Reconstruct one scan window by window, each alone in its batch."""
    scaled, usable = robust_scale(raw)
    total, count = np.zeros_like(scaled), np.zeros((len(raw), 1))
    for start in window_starts(len(raw), STEPS):
        window = slice(start, start + STEPS)
        length = len(scaled[window])
        arrays = np.zeros((3, 1, STEPS, N_ROIS))
        arrays[0, 0, :length] = scaled[window]
        arrays[1, 0, :length] = usable
        arrays[2, 0, :length] = hidden[window]
        with torch.inference_mode():
            output = module(
                torch.from_numpy(arrays[0]).float(),
                valid=torch.from_numpy(arrays[1] > 0),
                hidden=torch.from_numpy(arrays[2] > 0),
            )
        total[window] += output.reconstruction[0, :length].numpy()
        count[window] += 1
    return total / count


def test_windows_are_averaged(functional, series):
    mask = np.arange(N_ROIS) < 3
    X = [series[0], series[-1][:10]]
    for raw, predicted in zip(X, functional.reconstruct(X, mask), strict=True):
        expected = by_hand(functional.module_, raw, np.tile(mask, (len(raw), 1)))
        np.testing.assert_allclose(predicted, expected, atol=1e-5)


def test_mask_forms_agree(functional, series):
    X = series[:3]
    mask = np.arange(N_ROIS) < 3
    forms = [mask, np.tile(mask, (3, 1)), [np.tile(mask, (len(s), 1)) for s in X]]
    results = [functional.reconstruct(X, form) for form in forms]
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_hidden_values_do_not_matter(functional, series):
    # Values within a ROI are permuted, so that the scale of the scan stays.
    mask = np.arange(N_ROIS) < 3
    other = series[0].copy()
    other[:, :3] = other[np.random.default_rng(0).permutation(len(other)), :3]
    a, b = functional.reconstruct([series[0], other], mask)
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_result_has_the_form_of_X(functional, embedder, cohort, series):
    mask = np.zeros(N_ROIS, dtype=bool)
    stacked = np.stack([s[:12] for s in series[:4]])
    assert functional.reconstruct(stacked, mask).shape == stacked.shape
    assert isinstance(functional.reconstruct(series[:2], mask), list)
    frame = embedder.reconstruct(cohort, mask)
    assert isinstance(frame, pd.DataFrame) and frame.index.equals(cohort.index)
    assert frame["timeseries"].iloc[5] is None
    assert frame["timeseries"].iloc[0].shape == cohort["timeseries"].iloc[0].shape
    masks = [None if s is None else np.zeros(s.shape, dtype=bool) for s in cohort["timeseries"]]
    pd.testing.assert_frame_equal(embedder.reconstruct(cohort, masks), frame)


def test_univariate_form(tiny):
    X = np.random.default_rng(0).normal(size=(5, 20))
    model = BrainSymphonyTransformer(max_epochs=0, **tiny).fit(X)
    mask = [np.arange(20)[:, None] < 4] * 5
    assert model.reconstruct(X, mask).shape == X.shape
    assert np.isfinite(model.score(X))


def test_structural_encoder_cannot_reconstruct_series(tiny, cohort):
    X = cohort[["connectome"]].dropna()
    model = BrainSymphonyTransformer(max_epochs=0, **tiny).fit(X)
    with pytest.raises(ValueError, match=r"structural.*Fit it on time series"):
        model.reconstruct(X, np.zeros(N_ROIS, dtype=bool))


def test_score_is_a_plain_r2(functional, series):
    generator = torch.Generator().manual_seed(functional.seed_)
    error = spread = 0.0
    for raw in series[:4]:
        scaled, usable = robust_scale(raw)
        valid = torch.from_numpy(np.tile(usable, (1, len(raw), 1)))
        hidden = hide_rois(valid, functional.mask_ratio, generator)[0].numpy()
        predicted = by_hand(functional.module_, raw, hidden)
        error += ((predicted - scaled)[hidden] ** 2).sum()
        spread += ((scaled - scaled.mean(axis=0))[hidden] ** 2).sum()
    assert functional.score(series[:4]) == pytest.approx(1 - error / spread, abs=1e-5)
    assert functional.score(series[:4]) == functional.score(series[:4])


def test_score_of_edges_is_a_plain_r2(tiny, cohort):
    X = cohort[["connectome"]].dropna()
    model = BrainSymphonyTransformer(max_epochs=1, **tiny).fit(X)
    generator = torch.Generator().manual_seed(model.seed_)
    error = spread = 0.0
    for raw in X["connectome"]:
        target = torch.from_numpy(scale_connectome(raw))[None]
        edges = hide_edges(target, 0.2, generator)
        with torch.inference_mode():
            decoded = model.module_(connectome=target, edges=edges).edges
        hidden = target[edges].double()
        error += float((decoded[edges] - hidden).square().sum())
        spread += float((hidden - hidden.mean()).square().sum())
    assert model.score(X) == pytest.approx(1 - error / spread, abs=1e-5)


@pytest.mark.parametrize(
    "mask",
    [
        np.ones(8, bool),
        np.ones((3, 9), bool),
        np.ones(9),
        [np.ones((30, 9), bool)] * 4,
        "all",
        None,
        [np.ones((n, 8), bool) for n in (30, 40, 25, 30)],
    ],
)
def test_mask_of_the_wrong_form(mask):
    fitted = BrainSymphonyTransformer(max_epochs=0, **TINY).fit(scans())
    raises(ValueError, "mask must be boolean", fitted.reconstruct, scans(), mask)
