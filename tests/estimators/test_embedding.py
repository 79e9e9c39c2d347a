import numpy as np
import pandas as pd
import pytest
import torch

from bsymlearn import BrainSymphonyTransformer, make_cohort
from bsymlearn.preprocessing import robust_scale, scale_connectome, window_starts


@pytest.fixture(scope="module")
def half_missing():
    """20 subjects of 8 ROIs, of whom half lack a modality."""
    return make_cohort(20, n_rois=8, n_timepoints=40, n_networks=2, missing=0.5, random_state=0)


def mean(arrays):
    return np.mean(list(arrays), axis=0)


def mean_latents(model, table):
    """Latents of each scan, mean over windows: fused, functional, structural; by hand."""
    rows = []
    for _, scan in table.iterrows():
        given = {}
        if scan["timeseries"] is not None:
            scaled = torch.from_numpy(robust_scale(scan["timeseries"])[0])
            windows = [scaled[s : s + 16] for s in window_starts(len(scaled), 16)]
            given["timeseries"] = torch.stack(windows)
        if scan["connectome"] is not None:
            n_windows = len(given.get("timeseries", [0]))
            connectome = torch.from_numpy(scale_connectome(scan["connectome"]))
            given["connectome"] = connectome.expand(n_windows, -1, -1)
        with torch.inference_mode():
            output = model.module_(**given)
        names = ("fused", "functional", "structural")
        latents = (getattr(output, name) for name in names)
        rows.append([None if x is None else x.mean(dim=0).numpy() for x in latents])
    return pd.DataFrame(rows, columns=["fused", "functional", "structural"], index=table.index)


@pytest.mark.parametrize("readout", ["flatten", "mean"])
def test_latents_of_one_modality_are_moved_to_where_fused_ones_lie(tiny, half_missing, readout):
    model = BrainSymphonyTransformer(readout=readout, max_epochs=1, **tiny).fit(half_missing)
    latents = mean_latents(model, half_missing)
    both = half_missing[["timeseries", "connectome"]].notna().all(axis=1)
    fused, functional, structural = (mean(latents.loc[both, name]) for name in latents)
    no_connectome = half_missing["connectome"].isna()
    expected = latents["fused"].copy()
    for row in half_missing.index:
        if no_connectome[row]:
            expected[row] = latents.at[row, "functional"] - functional + fused
        elif not both[row]:
            expected[row] = latents.at[row, "structural"] - structural + fused
    stacked = np.stack(list(expected))  # (n, R, D)
    wanted = stacked.mean(axis=1) if readout == "mean" else stacked.reshape(len(stacked), -1)
    np.testing.assert_allclose(model.transform(half_missing), wanted, atol=1e-5)


def test_what_is_subtracted_is_the_mean_of_complete_scans(tiny, half_missing):
    model = BrainSymphonyTransformer(max_epochs=0, **tiny).fit(half_missing)
    latents = mean_latents(model, half_missing[half_missing.notna().all(axis=1)])
    np.testing.assert_allclose(model.readout_.mean_latent, mean(latents["fused"]), atol=1e-6)


def test_nobody_has_both(tiny, half_missing):
    """Then the two modalities meet halfway."""
    table = half_missing.copy()
    for i, row in enumerate(table.index):
        if table.loc[row].notna().all():
            table.at[row, "timeseries" if i % 2 else "connectome"] = None
    model = BrainSymphonyTransformer(readout="flatten", max_epochs=1, **tiny).fit(table)
    embedded = model.transform(table)
    means = [embedded[table[name].notna()].mean(axis=0) for name in ("timeseries", "connectome")]
    np.testing.assert_allclose(means[0], means[1], atol=1e-5)


def test_complete_cohorts_need_no_shift(tiny, half_missing):
    complete = half_missing[half_missing.notna().all(axis=1)]
    model = BrainSymphonyTransformer(readout="flatten", max_epochs=0, **tiny).fit(complete)
    latents = np.stack(list(mean_latents(model, complete)["fused"]))
    np.testing.assert_allclose(
        model.transform(complete), latents.reshape(len(complete), -1), atol=1e-5
    )
    one = model.transform(complete.iloc[[0]].assign(connectome=None))
    assert np.isfinite(one).all()


def test_what_tells_groups_apart_is_not_shifted_away(tiny, half_missing):
    """The shift comes from scans with both: who lacks a connectome may differ otherwise, too."""
    complete = half_missing[half_missing[["timeseries", "connectome"]].notna().all(axis=1)]
    lacking = complete.assign(connectome=None, timeseries=list(complete["timeseries"])[::-1])
    lacking["timeseries"] = [s[::-1].cumsum(axis=0) for s in lacking["timeseries"]]
    table = pd.concat([complete, lacking])
    model = BrainSymphonyTransformer(readout="flatten", max_epochs=1, **tiny).fit(table)
    embedded = model.transform(table)
    difference = embedded[: len(complete)].mean(axis=0) - embedded[len(complete) :].mean(axis=0)
    latents = mean_latents(model, table)["functional"]
    true = mean(latents.iloc[: len(complete)]) - mean(latents.iloc[len(complete) :])
    np.testing.assert_allclose(difference, true.ravel(), atol=1e-5)
