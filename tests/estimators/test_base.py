import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from bsymlearn import (
    BrainSymphonyClassifier,
    BrainSymphonyRegressor,
    BrainSymphonyTransformer,
    make_cohort,
)
from bsymlearn.preprocessing import scale_connectome


def test_moments_of_a_cohort_in_which_some_lack_a_modality(tiny, cohort):
    model = BrainSymphonyTransformer(readout="moments", max_epochs=1, **tiny).fit(cohort)
    embedded = model.transform(cohort)
    assert embedded.shape == (20, 28 + 8 * 8) and np.isfinite(embedded).all()
    second, first = embedded[:, :28], embedded[:, 28:]
    has_series = cohort["timeseries"].notna().to_numpy()
    has_connectome = cohort["connectome"].notna().to_numpy()
    np.testing.assert_allclose(second[~has_series][0], second[has_series].mean(axis=0), atol=1e-5)
    for row in first[~has_connectome]:
        np.testing.assert_allclose(row, first[has_connectome].mean(axis=0), atol=1e-5)
    with torch.no_grad():
        connectome = torch.from_numpy(scale_connectome(cohort["connectome"].iloc[0]))[None]
        latents = model.module_(connectome=connectome).structural
    np.testing.assert_allclose(first[0], latents.flatten(), atol=1e-5)


@pytest.mark.parametrize("modality", ["functional", "structural"])
def test_moments_of_one_modality_are_its_own_readout(tiny, cohort, modality):
    column = {"functional": "timeseries", "structural": "connectome"}[modality]
    table = cohort[cohort[column].notna()]
    other = {"functional": "connectivity", "structural": "flatten"}[modality]
    moments, plain = (
        BrainSymphonyTransformer(modality, readout=readout, max_epochs=0, **tiny)
        .fit(table)
        .transform(table)
        for readout in ("moments", other)
    )
    np.testing.assert_array_equal(moments, plain)


def test_moments_of_one_roi(tiny):
    rng = np.random.default_rng(0)
    cells = {
        "timeseries": list(rng.normal(size=(6, 30, 1))),
        "connectome": list(np.ones((6, 1, 1))),
    }
    table = pd.DataFrame({name: pd.Series(cell, dtype=object) for name, cell in cells.items()})
    model = BrainSymphonyTransformer(readout="moments", max_epochs=0, **tiny)
    assert np.isfinite(model.fit_transform(table)).all()


def test_pretraining_with_hardly_any_series(tiny):
    table = make_cohort(12, n_rois=8, n_timepoints=40, n_networks=2, random_state=0)
    table["timeseries"] = [None] * 11 + [table["timeseries"].iloc[0]]
    for seed in range(6):  # in some of which the only series is held out
        model = BrainSymphonyTransformer(
            readout="moments", max_epochs=1, **tiny | {"random_state": seed}
        )
        assert np.isfinite(model.fit_transform(table)).all()


def test_pretraining_further_keeps_what_was_learned(tiny, functional, series):
    further = BrainSymphonyTransformer(
        pretrained=functional.module_, max_epochs=1, lr=1e-8, random_state=0
    ).fit(series)
    for name in ("spatial.positions.table", "perceiver.latents"):
        before, after = (m.module_.state_dict()[name] for m in (functional, further))
        torch.testing.assert_close(after, before, rtol=0, atol=1e-4)


def test_divergence_stops_with_what_to_do(tiny, series):
    model = BrainSymphonyTransformer(max_epochs=5, **tiny | {"lr": 1e6, "scaling": None})
    with pytest.raises(FloatingPointError, match="Lower lr"):
        model.fit([s * np.float32(1e18) for s in series])


@pytest.mark.parametrize("cls", [BrainSymphonyClassifier, BrainSymphonyRegressor])
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(tiny, series, cls):
    y = np.arange(len(series)) % 2
    model = cls(max_epochs=1, **tiny)
    bad = np.full(len(series), np.nan)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(series, bad)
    with pytest.raises(NotFittedError):
        model.predict(series)
    before, expected = dict(vars(model.fit(series, y))), model.predict(series)
    for X, target in ((series, bad), (series[:1], y[:1])):
        with pytest.raises(ValueError, match=r"NaN|1 sample"):
            model.fit(X, target)
        assert vars(model) == before
    np.testing.assert_array_equal(model.predict(series), expected)


def test_what_diverged_is_not_kept(tiny, series):
    model = BrainSymphonyTransformer(max_epochs=1, **tiny).fit(series)
    expected = model.transform(series)
    model.set_params(lr=1e6, scaling=None, max_epochs=5)
    with pytest.raises(FloatingPointError):
        model.fit([s * np.float32(1e18) for s in series])
    np.testing.assert_array_equal(model.transform(series), expected)


def test_a_refit_without_training_has_no_net(tiny, series):
    model = BrainSymphonyTransformer(max_epochs=1, **tiny).fit(series)
    assert hasattr(model, "net_")
    assert not hasattr(model.set_params(max_epochs=0).fit(series), "net_")


def test_patience_needs_someone_to_hold_out(tiny, series):
    model = BrainSymphonyTransformer(max_epochs=1, patience=1, **tiny)
    with pytest.raises(
        ValueError, match=r"needs a participant .* belong to one. Set patience=None"
    ):
        model.fit(series, groups=["a"] * len(series))
