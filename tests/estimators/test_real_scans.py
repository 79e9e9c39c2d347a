"""Scans as studies have them: outside the field of view, of many lengths, without connectomes."""

import numpy as np
import pytest

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyTransformer, read_cohort
from bsymlearn.preprocessing import resample_timeseries


def test_every_abide_scan_with_rois_outside_the_field_of_view(shared_data, tiny):
    abide = np.load(shared_data / "abide_dev" / "abide_dev_cc200.npz")
    series, offsets = abide["ts"], abide["offsets"]
    scans = [series[offsets[i] : offsets[i + 1]] for i in range(len(offsets) - 1)]
    dead = [i for i, s in enumerate(scans) if (np.ptp(s, axis=0) == 0).any()]
    lengths = [len(s) for s in scans]
    assert len(dead) == 35 and (min(lengths), max(lengths)) == (78, 316)
    chosen = sorted({*dead, lengths.index(78), lengths.index(316), 0, 599})
    X = [scans[i] for i in chosen]
    sizes = tiny | {"time_steps": 100, "encoder": {"perceiver_width": 8, "n_latent_blocks": 1}}
    model = BrainSymphonyTransformer(max_epochs=1, **sizes).fit(X)
    embedded = model.transform(X)
    assert embedded.shape == (len(X), 19900) and np.isfinite(embedded).all()
    # What lies outside the field of view is not seen, whatever constant stands there.
    model.set_params(nan_policy="omit")
    for constant in (0, 3, np.nan):
        some = [np.where(np.ptp(s, axis=0) == 0, np.float32(constant), s) for s in X[2:6]]
        np.testing.assert_allclose(model.transform(some), embedded[2:6], rtol=0, atol=1e-5)


def test_hcp_with_every_third_connectome_removed(shared_data, tiny):
    table = read_cohort(shared_data / "hcp21_derivatives", load=True)
    paths = read_cohort(shared_data / "hcp21_derivatives").iloc[1:2]
    whole = table["timeseries"].iloc[1]
    table["timeseries"] = [s[:200] for s in table["timeseries"]]
    table.loc[table.index[::3], "connectome"] = None
    assert len(table) == 21 and set(table["t_r"]) == {0.72}
    sizes = tiny | {"time_steps": 100, "encoder": {"structural_layers": 1, "n_latent_blocks": 1}}
    model = BrainSymphonyTransformer(readout="moments", max_epochs=1, **sizes).fit(table)
    embedded = model.transform(table)
    assert embedded.shape == (21, 70 * 69 // 2 + 70 * 8) and np.isfinite(embedded).all()
    assert model.module_.contract["t_r"] == pytest.approx(0.72)
    np.testing.assert_allclose(model.transform(table.iloc[[3]])[0], embedded[3], atol=1e-4)
    # The repetition time of a path stands in its sidecar.
    slow = table.iloc[[1]].assign(t_r=1.44)
    slow["timeseries"] = [resample_timeseries(whole, 0.72, 1.44)]
    model.transform(slow)
    as_paths = model.transform(paths.drop(columns="t_r"))
    slow["timeseries"], slow["t_r"] = [whole], [0.72]
    np.testing.assert_array_equal(as_paths, model.transform(slow))
    classifier = BrainSymphonyClassifier(
        pretrained=model.module_, finetune="probe", readout="moments"
    ).fit(table, np.arange(21) % 2)
    assert np.isfinite(classifier.predict_proba(table)).all()
