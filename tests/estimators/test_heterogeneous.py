"""Scans that differ in what was measured, when and how well."""

import numpy as np
import pandas as pd
import pytest
import torch

from bsymlearn import (
    BrainSymphonyClassifier,
    BrainSymphonyRegressor,
    BrainSymphonyTransformer,
    make_cohort,
)
from bsymlearn.preprocessing import resample_timeseries, robust_scale

ALL = [BrainSymphonyTransformer, BrainSymphonyClassifier, BrainSymphonyRegressor]


def outputs(model, X):
    return model.transform(X) if hasattr(model, "transform") else model.predict(X)


def fit(cls, tiny, X, **options):
    return cls(max_epochs=1, **tiny | options).fit(X, np.arange(len(X)) % 2)


def frame(series, **columns):
    return pd.DataFrame({"timeseries": pd.Series(series, dtype=object), **columns})


@pytest.fixture
def kept():
    return np.random.default_rng(0).uniform(size=50) > 0.3


# Censored volumes, missing entries and ROIs


@pytest.mark.parametrize("cls", ALL)
def test_values_of_censored_volumes_play_no_part(tiny, series, kept, cls):
    masks = [kept[: len(s)] for s in series]
    spoilt = [np.where(m[:, None], s, 1e6) for s, m in zip(series, masks, strict=True)]
    censored = [frame(s, sample_mask=pd.Series(masks, dtype=object)) for s in (series, spoilt)]
    models = [fit(cls, tiny, X) for X in censored]
    expected = outputs(models[0], censored[0])
    np.testing.assert_array_equal(outputs(models[1], censored[1]), expected)
    as_nan = [np.where(m[:, None], s, np.nan) for s, m in zip(series, masks, strict=True)]
    masking = fit(cls, tiny, as_nan, nan_policy="omit")
    np.testing.assert_array_equal(outputs(masking, as_nan), expected)
    cut = frame([s[m] for s, m in zip(series, masks, strict=True)])
    cut["sample_mask"] = pd.Series(masks, dtype=object)
    np.testing.assert_array_equal(outputs(models[0], cut), expected)
    assert np.abs(outputs(models[0], frame(series)) - expected).max() > 1e-6  # it does something


def test_missing_entries_are_no_keys(functional, series):
    """The module, given the mask, is the oracle; the estimator averages its one window."""
    scan = series[0][:16].copy()
    scan[3:6], scan[9, 2], scan[:, 5] = np.nan, np.nan, np.nan
    model = BrainSymphonyTransformer(
        pretrained=functional.module_, nan_policy="omit", max_epochs=0
    ).fit(series)
    scaled, _ = robust_scale(scan)
    valid = torch.from_numpy(np.isfinite(scan))[None]
    with torch.inference_mode():
        given = torch.from_numpy(np.where(np.isfinite(scan), scaled, 7.0))[None].float()
        expected = model.module_(given, valid=valid).functional[0]
    np.testing.assert_allclose(model.embed_rois([scan])[0], expected, atol=1e-5)


def test_missing_edges_are_masked(tiny, cohort):
    connectomes = np.stack([c for c in cohort["connectome"] if c is not None])
    model = BrainSymphonyTransformer(
        "structural", nan_policy="omit", readout="flatten", max_epochs=2, **tiny
    ).fit(connectomes)
    holed = connectomes.copy()
    holed[:, 2, :] = holed[:, :, 2] = np.nan
    embedded = model.transform(holed)
    edges = torch.zeros(len(holed), 8, 8, dtype=torch.bool)
    edges[:, 2, :] = edges[:, :, 2] = True
    off = ~np.eye(8, dtype=bool)
    with torch.inference_mode():
        given = torch.from_numpy(connectomes * off)  # signed: not scaled
        expected = model.module_(connectome=given, edges=edges).structural
    np.testing.assert_allclose(embedded, expected.flatten(1), atol=1e-5)
    assert np.isfinite(model.fit(holed).score(holed))


@pytest.mark.parametrize("cls", ALL)
def test_nan_is_an_error_unless_masked(tiny, series, cls):
    spoilt = [s.copy() for s in series]
    spoilt[1][4, 2] = np.nan
    with pytest.raises(ValueError, match=r"sample 1.*NaN.*\(4, 2\).*nan_policy='omit'"):
        fit(cls, tiny, spoilt)
    assert np.isfinite(outputs(fit(cls, tiny, spoilt, nan_policy="omit"), spoilt)).all()


def test_nan_policy_of_one_roi_each():
    X = np.random.default_rng(0).normal(size=(12, 20))
    X[0, 3:6], X[4, 0] = np.nan, np.nan
    model = BrainSymphonyTransformer(
        dim=8, n_layers=1, n_heads=2, mlp_dim=16, time_steps=8, max_epochs=1,
        nan_policy="omit", random_state=0,
    )  # fmt: skip
    assert np.isfinite(model.fit_transform(X)).all()
    with pytest.raises(ValueError, match="NaN"):
        model.set_params(nan_policy="raise").fit(X)


# Repetition times


def test_scans_of_another_repetition_time_are_resampled(functional, series):
    model = BrainSymphonyTransformer(pretrained=functional.module_, t_r=2.0, max_epochs=0)
    model.fit(series)
    assert model.module_.contract["t_r"] == 2.0
    faster = np.random.default_rng(0).normal(size=(90, 8)).cumsum(axis=0).astype(np.float32)
    table = frame([faster], t_r=[0.8])
    model.set_params(t_r=None)
    embedded = model.transform(table)
    by_hand = frame([resample_timeseries(faster, 0.8, 2.0)], t_r=[2.0])
    np.testing.assert_allclose(embedded, model.transform(by_hand), atol=1e-6)
    with pytest.warns(UserWarning, match="X tells none"):
        as_it_is = model.transform([faster])
    assert np.abs(as_it_is - embedded).max() > 1e-3


def test_one_signal_seen_by_scanners_of_two_speeds(functional):
    """Embeddings of a slow signal agree, whether it was sampled every 1 or every 2 s."""
    rng = np.random.default_rng(0)
    frequencies, phases = rng.uniform(0.01, 0.1, (2, 5, 8)), rng.uniform(0, 6, (5, 8))

    def scan(t_r):
        time = np.arange(0, 240, t_r)[:, None, None]
        return np.sin(2 * np.pi * frequencies[0] * time + phases).sum(axis=1)

    slow, fast = scan(2.0), scan(1.0)
    model = BrainSymphonyTransformer(
        pretrained=functional.module_, t_r=2.0, readout="flatten", max_epochs=0
    ).fit([slow] * 2)
    model.set_params(t_r=None)
    matched = model.transform(frame([slow, fast], t_r=[2.0, 1.0]))
    ignored = model.transform(frame([slow, fast], t_r=[2.0, 2.0]))
    error, error_ignored = (np.linalg.norm(a - b) for a, b in (matched, ignored))
    assert error < 0.2 * error_ignored


def test_reconstructions_come_back_at_the_time_points_of_X(functional, series):
    model = BrainSymphonyTransformer(pretrained=functional.module_, t_r=1.0, max_epochs=0)
    model.fit(series).set_params(t_r=None)
    X = frame([series[0][:40], series[1][:30]], t_r=[0.5, 1.0])
    mask = np.zeros(8, dtype=bool)
    mask[:3] = True
    predicted = model.reconstruct(X, mask)["timeseries"]
    assert [p.shape for p in predicted] == [(40, 8), (30, 8)]
    coarse = frame([resample_timeseries(series[0][:40], 0.5, 1.0)], t_r=[1.0])
    expected = model.reconstruct(coarse, mask)["timeseries"].iloc[0]
    np.testing.assert_allclose(predicted.iloc[0][::2], expected, atol=1e-5)


def test_reconstructions_leave_out_what_X_lacks(functional, series, kept):
    whole, mask = series[0], np.arange(8) < 3
    kept = kept[: len(whole)]
    cut = frame([whole[kept]], sample_mask=pd.Series([kept], dtype=object))
    censored = frame([whole], sample_mask=pd.Series([kept], dtype=object))
    predicted = functional.reconstruct(cut, mask)["timeseries"].iloc[0]
    expected = functional.reconstruct(censored, mask)["timeseries"].iloc[0]
    np.testing.assert_array_equal(predicted, expected[kept])
    by_entry = np.zeros(whole[kept].shape, dtype=bool)
    by_entry[:, :3] = True
    again = functional.reconstruct(cut, [by_entry])["timeseries"].iloc[0]
    np.testing.assert_array_equal(again, predicted)


def test_hidden_time_points_come_through_neither_filter_nor_scale(functional, series):
    model = BrainSymphonyTransformer(pretrained=functional.module_, t_r=1.0, max_epochs=0)
    model.fit(series).set_params(t_r=None)
    mask = np.zeros((45, 8), dtype=bool)
    mask[20:30, :4] = True
    for t_r in (1.0, 0.7, 2.5):
        results = []
        for value in (0.0, 1e4):
            scan = np.resize(series[0], (45, 8)).copy()
            scan[mask] += value
            X = frame([scan], t_r=[t_r])
            results.append(model.reconstruct(X, [mask])["timeseries"].iloc[0])
        np.testing.assert_array_equal(*results)


def test_nothing_is_learned_from_the_repetition_times_of_new_scans(functional, series):
    X = frame(series[:3], t_r=[0.8, 2.0, 2.0])
    with pytest.warns(UserWarning, match="fitted on scans that told none"):
        together = functional.transform(X)
    np.testing.assert_array_equal(together, functional.transform(series[:3]))


# Names of ROIs


def test_arrays_are_matched_by_the_names_that_come_with_them(tiny, series):
    names = list("abcdefgh")
    model = BrainSymphonyTransformer(roi_names=names, max_epochs=0, **tiny).fit(series)
    assert model.module_.contract["roi_names"] == names
    expected = model.transform(series)
    reverse = [s[:, ::-1] for s in series]
    other = BrainSymphonyTransformer(
        pretrained=model.module_, roi_names=names[::-1], max_epochs=0
    ).fit(reverse)
    np.testing.assert_array_equal(other.transform(reverse), expected)
    with pytest.warns(UserWarning, match=r"19 of 19 scans tell no names.*Give roi_names="):
        BrainSymphonyTransformer(pretrained=model.module_, max_epochs=0).fit(series)


def test_connectomes_without_names_follow_the_series_of_their_row(tiny, cohort):
    names = list("abcdefgh")
    table = cohort.dropna()
    table["timeseries"] = [pd.DataFrame(s, columns=names) for s in table["timeseries"]]
    model = BrainSymphonyTransformer(max_epochs=0, **tiny).fit(table)
    order = np.random.default_rng(0).permutation(8)
    shuffled = table.copy()
    shuffled["timeseries"] = [s.iloc[:, order] for s in table["timeseries"]]
    shuffled["connectome"] = [c[np.ix_(order, order)] for c in table["connectome"]]
    with pytest.warns(UserWarning, match=r"connectomes without names, that of row 0 \(sub-001\)"):
        np.testing.assert_array_equal(model.transform(shuffled), model.transform(table))


def test_masks_and_reconstructions_are_in_the_order_of_X(tiny, series):
    names, mask = list("abcdefgh"), np.arange(8) < 3
    model = BrainSymphonyTransformer(roi_names=names, max_epochs=1, **tiny).fit(series)
    expected = model.reconstruct(series[:2], mask)
    order = np.random.default_rng(0).permutation(8)
    frames = [pd.DataFrame(s[:, order], columns=np.array(names)[order]) for s in series[:2]]
    for given, wanted in zip(model.reconstruct(frames, mask[order]), expected, strict=True):
        np.testing.assert_array_equal(given, wanted[:, order])


def test_no_order_is_learned_from_the_names_of_new_scans(functional, series):
    names = list("abcdefgh")
    frames = [pd.DataFrame(s, columns=names) for s in series[:3]]
    np.testing.assert_array_equal(functional.transform(frames), functional.transform(series[:3]))
    frames[1] = frames[1][names[::-1]]
    with pytest.raises(ValueError, match=r"different orders.*fitted without names. Bring all"):
        functional.transform(frames)


def test_scans_without_names_among_others_are_a_warning(tiny, series):
    frames = [pd.DataFrame(s, columns=list("abcdefgh")) for s in series]
    with pytest.warns(UserWarning, match=r"1 of 19 scans tell no names.*others know them"):
        BrainSymphonyTransformer(max_epochs=0, **tiny).fit([*frames[:-1], series[-1]])


@pytest.mark.parametrize("names", [list("abcdefg"), list("aacdefgh")])
def test_names_must_be_one_a_roi(tiny, series, names):
    with pytest.raises(ValueError, match=r"roi_names has .* but X has 8 ROIs. Give one name"):
        BrainSymphonyTransformer(roi_names=names, **tiny).fit(series)


# Modalities that subjects lack


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("readout", ["connectivity", "flatten", "mean", "moments"])
def test_subjects_may_lack_a_modality_in_fit_and_predict(tiny, cls, readout):
    table = make_cohort(16, n_rois=8, n_timepoints=40, n_networks=2, missing=0.5, random_state=0)
    model = fit(cls, tiny, table, readout=readout)
    assert np.isfinite(outputs(model, table)).all()
    for column in ("timeseries", "connectome"):
        assert np.isfinite(outputs(model, table[table[column].isna()])).all()
