import json

import numpy as np
import pandas as pd
import pytest

from bsymlearn._validation import check_scans

N_ROIS = 4


def series(n_timepoints=30, seed=0):
    return np.random.default_rng(seed).normal(size=(n_timepoints, N_ROIS)).astype(np.float32)


def table(n_timepoints=30, **columns):
    index = pd.Index(["sub-a", "sub-b", "sub-c"], name="participant_id")
    cells = {"timeseries": [series(n_timepoints, seed) for seed in range(3)]} | columns
    return pd.DataFrame({k: pd.Series(v, index, dtype=object) for k, v in cells.items()})


def test_repetition_times_come_from_the_column_then_the_parameter():
    assert check_scans(table(t_r=[2.0, 0.8, 2.0])).t_r == [2.0, 0.8, 2.0]
    found = check_scans(table(t_r=[2.0, None, np.nan]), t_r=2.0)
    assert found.t_r == [2.0, 2.0, 2.0] and found.encoder_t_r == 2.0
    assert check_scans(table(), t_r=0.8).t_r == [0.8] * 3
    silent = check_scans(table())
    assert silent.t_r == [None] * 3 and silent.encoder_t_r is None


def test_repetition_times_come_from_the_sidecars_of_paths(tmp_path):
    paths = []
    for name, t_r in (("a", 0.72), ("b", 0.72), ("c", 2.0)):
        paths.append(str(tmp_path / f"sub-{name}_timeseries.tsv"))
        np.savetxt(paths[-1], series(), delimiter="\t", header="A\tB\tC\tD", comments="")
        sidecar = tmp_path / f"sub-{name}_timeseries.json"
        sidecar.write_text(json.dumps({"RepetitionTime": t_r}))
    found = check_scans(table(timeseries=paths))
    assert found.t_r == [0.72, 0.72, 2.0] and found.encoder_t_r == 0.72
    assert check_scans(table(timeseries=paths, t_r=[2.0] * 3)).t_r == [2.0] * 3
    assert check_scans(table(timeseries=paths, t_r=[3.0, None, np.nan])).t_r == [3.0, 0.72, 2.0]


@pytest.mark.parametrize(
    ("times", "encoder", "expected"),
    [
        ([2.0, 0.8, 2.0], None, 2.0),  # the most common
        ([2.0, 0.8, 1.5], None, 2.0),  # of several the longest
        ([2.0, 1.9999, 0.8], None, 2.0),  # rounding does not make two of one
        ([2.0, 0.8, 2.0], 3.0, 3.0),  # that of the encoder, where there is one
    ],
)
def test_scans_are_brought_to(times, encoder, expected):
    found = check_scans(table(t_r=times), encoder_t_r=encoder)
    assert found.encoder_t_r == pytest.approx(expected, rel=1e-4)


def test_rows_without_series_need_no_repetition_time():
    X = table(t_r=[2.0, None, 2.0], connectome=[1 - np.eye(N_ROIS)] * 3)
    X.at["sub-b", "timeseries"] = None
    assert check_scans(X).encoder_t_r == 2.0


@pytest.mark.parametrize(
    ("X", "options", "words"),
    [
        (table(t_r=[2000, 2000, 2000]), {}, r"row 0 \(sub-a\) is 2000.*Give seconds"),
        (table(t_r=[2.0, 0, 2.0]), {}, r"sub-b.* is 0, .*seconds above 0"),
        (table(t_r=["fast"] * 3), {}, "'fast'"),
        (table(), {"t_r": 720}, "t_r=720 s.*Give seconds"),
        (table(t_r=[2.0, None, 2.0]), {}, r"sub-b.*tell no repetition time.*Fill"),
        (table(4, t_r=[0.5] * 3), {"encoder_t_r": 3.0}, "lasts 2 s.*3 s apart. Drop"),
    ],
)
def test_repetition_times_that_cannot_be(X, options, words):
    with pytest.raises(ValueError, match=words):
        check_scans(X, **options)


def test_silence_beside_an_encoder_that_knows_is_a_warning():
    with pytest.warns(UserWarning, match=r"works at .* 0.72 s, but X tells none.*Give t_r="):
        check_scans(table(), encoder_t_r=0.72)


def test_what_scans_tell_of_themselves_counts():
    with pytest.warns(UserWarning, match=r"t_r=2 s is not that of all scans: X tells 0.8 s"):
        assert check_scans(table(t_r=[2.0, 0.8, None]), t_r=2.0).t_r == [2.0, 0.8, 2.0]


KEPT = np.arange(30) % 4 != 1


@pytest.mark.parametrize("mask", [KEPT, np.flatnonzero(KEPT), KEPT.tolist()])
def test_censored_volumes_are_emptied(mask):
    X = table(sample_mask=[None, mask, np.nan])
    found = check_scans(X)
    assert np.isnan(found.timeseries[1][~KEPT]).all() and found.rows == [None] * 3
    np.testing.assert_array_equal(found.timeseries[1][KEPT], series(seed=1)[KEPT])
    np.testing.assert_array_equal(found.timeseries[0], series())
    np.testing.assert_array_equal(X.loc["sub-b", "timeseries"], series(seed=1))  # a copy


@pytest.mark.parametrize("as_indices", [False, True])
def test_volumes_that_a_series_has_lost_come_back_empty(as_indices):
    kept = np.r_[KEPT, True, True, True][:33]
    cut = [series(int(kept.sum()), seed) for seed in range(3)]
    mask = np.flatnonzero(kept) if as_indices else kept
    found = check_scans(table(timeseries=cut, sample_mask=[mask] * 3))
    for scan, given, rows in zip(found.timeseries, cut, found.rows, strict=True):
        assert scan.shape == (33, N_ROIS) and np.isnan(scan[~kept]).all()
        np.testing.assert_array_equal(scan[kept], given)
        np.testing.assert_array_equal(rows, np.flatnonzero(kept))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_censored_need_not_be_finite(value):
    spoilt = series(seed=1)
    spoilt[~KEPT] = value
    cells = [series(), spoilt, series(seed=2)]
    found = check_scans(table(timeseries=cells, sample_mask=[None, KEPT, None]))
    np.testing.assert_array_equal(found.timeseries[1][KEPT], spoilt[KEPT])
    with pytest.raises(ValueError, match=r"sub-b.*contains"):
        check_scans(table(timeseries=cells))


def test_masks_of_rows_without_series_are_not_read():
    X = table(sample_mask=[None, "absent_outliers.tsv", None], connectome=[1 - np.eye(N_ROIS)] * 3)
    X.at["sub-b", "timeseries"] = None
    assert check_scans(X).timeseries[1] is None


def test_masks_are_read_from_outliers_files(tmp_path):
    path = tmp_path / "sub-b_outliers.tsv"
    path.write_text("framewise_displacement\n" + "\n".join(map(str, (~KEPT).astype(int))) + "\n")
    found = check_scans(table(sample_mask=[None, str(path), None]))
    np.testing.assert_array_equal(np.isnan(found.timeseries[1]).all(axis=1), ~KEPT)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones(29, dtype=bool), "29 entries, 29 of them True, but its series has 30"),
        (np.r_[np.ones(20, dtype=bool), np.zeros(20, dtype=bool)], "40 entries, 20"),
        (np.arange(31), "31 indices from 0 to 30"),
        (np.array([-1, 3]), "indices from -1"),
        (np.array([3, 3, 4]), "3 indices"),
        (np.array([7, 2, 5]), "3 indices"),
        (np.r_[np.arange(29), 10**12], "30 indices from 0 to 1000000000000"),
        (np.ones((30, 2), dtype=bool), r"shape \(30, 2\)"),
        (np.ones(30), "float64"),
        (np.zeros(30, dtype=bool), "keeps 0 of 30"),
        (np.arange(30) == 3, "keeps 1 of 30"),
    ],
)
def test_masks_that_cannot_be(mask, words):
    with pytest.raises(ValueError, match=rf"sample_mask of row 1 \(sub-b\).*{words}"):
        check_scans(table(sample_mask=[None, mask, None]))


def test_what_is_kept_must_vary():
    still = series(seed=1)
    still[KEPT] = 3.0
    cells = [series(), still, series(seed=2)]
    with pytest.raises(ValueError, match=rf"sub-b.*no usable ROI.*over {KEPT.sum()} time points"):
        check_scans(table(timeseries=cells, sample_mask=[None, KEPT, None]))
