import numpy as np
import pandas as pd
import pytest
import torch

from bsymlearn._validation import check_scans
from bsymlearn.preprocessing import resample_timeseries, robust_scale, scale_connectome
from bsymlearn.training import (
    PreparedScan,
    all_windows,
    collate,
    collate_windows,
    prepare_scans,
    usable_starts,
)
from bsymlearn.training._batches import RandomWindows


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(length, 4)).astype(np.float32) for length in (25, 6, 10)]
    series[0][:, 1] = 3.0
    return series


@pytest.fixture
def prepared(series):
    return prepare_scans(check_scans(series), "robust", "log10")


def test_each_scan_is_scaled_by_itself(series, prepared):
    for scan, raw in zip(prepared, series, strict=True):
        scaled, usable = robust_scale(raw)
        np.testing.assert_array_equal(scan.timeseries[:, usable], scaled[:, usable])
        assert np.isnan(scan.timeseries[:, ~usable]).all()
    assert np.isnan(prepared[0].timeseries[:, 1]).all()


def test_no_scaling_keeps_values_but_empties_the_diagonal(series):
    raw = prepare_scans(check_scans(series), None, None)
    np.testing.assert_array_equal(raw[1].timeseries, series[1])
    assert np.isnan(raw[0].timeseries).all(axis=0).tolist() == [False, True, False, False]
    weights = np.full((2, 3, 3), 2.0)
    scans = check_scans(weights, modality="structural")
    np.testing.assert_array_equal(prepare_scans(scans, None, None)[0].connectome, 2 - 2 * np.eye(3))
    np.testing.assert_array_equal(
        prepare_scans(scans, None, "log10")[0].connectome, scale_connectome(weights[0])
    )


def test_univariate_series_are_never_scaled():
    X = np.random.default_rng(0).normal(size=(3, 9))
    X[0] = 0
    scans = prepare_scans(check_scans(X), "robust", "log10")
    np.testing.assert_allclose(scans[1].timeseries[:, 0], X[1], rtol=1e-6)
    assert np.isfinite(scans[0].timeseries).all()


def test_collate_pads_and_masks_exactly(prepared):
    batch = collate(prepared, [3, 0, 0], 8, 4, "functional")
    assert set(batch) == {"timeseries", "valid", "has_timeseries"}
    window = np.nan_to_num(prepared[0].timeseries[3:11])
    np.testing.assert_array_equal(batch["timeseries"][0], window)
    np.testing.assert_array_equal(batch["timeseries"][1, :6], prepared[1].timeseries)
    assert not batch["timeseries"][1, 6:].any()
    expected = np.ones((3, 8, 4), dtype=bool)
    expected[0, :, 1] = False
    expected[1, 6:] = False
    np.testing.assert_array_equal(batch["valid"], expected)


def test_collate_marks_absent_modalities(prepared):
    weights = np.ones((4, 4), dtype=np.float32)
    scans = [prepared[0], PreparedScan(None, weights)]
    batch = collate(scans, [0, 0], 8, 4, "multimodal")
    assert batch["has_timeseries"].tolist() == [True, False]
    assert batch["has_connectome"].tolist() == [False, True]
    assert not batch["valid"][1].any() and not batch["connectome"][0].any()
    structural = collate(scans[1:], [0], 8, 4, "structural")
    assert set(structural) == {"connectome", "has_connectome", "edges"}


def test_windows_come_in_one_batch_shape(prepared):
    windows = all_windows(prepared, 8)
    assert windows == [(0, s) for s in (0, 4, 8, 12, 16, 17)] + [(1, 0), (2, 0), (2, 2)]
    batches = list(collate_windows(prepared, windows, 8, 4, "functional", 4))
    assert [len(part) for part, _ in batches] == [4, 4, 1]
    assert {batch["timeseries"].shape for _, batch in batches} == {(4, 8, 4)}
    assert [window for part, _ in batches for window in part] == windows


def test_random_windows_lie_inside_their_scan_and_move(prepared):
    dataset = RandomWindows(prepared, 8, 4, "functional")
    assert dataset.owners.tolist() == [0, 0, 0, 1, 2]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = [dataset[i] for _ in range(60) for i in range(len(dataset))]
    starts = {owner: {s for o, s in drawn if o == owner} for owner in range(3)}
    assert starts == {0: set(range(18)), 1: {0}, 2: {0, 1, 2}}


def test_missing_entries_are_not_valid_and_missing_weights_are_edges():
    series = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    series[4], series[7, 1] = np.nan, np.nan
    weights = np.array([[0, 1, np.nan], [1, 0, 2], [np.nan, 2, 0]], dtype=np.float32)
    batch = collate([PreparedScan(series, weights)], [2], 8, 3, "multimodal")
    expected = np.isfinite(series[2:10])
    np.testing.assert_array_equal(batch["valid"][0], expected)
    np.testing.assert_array_equal(batch["timeseries"][0], np.nan_to_num(series[2:10]))
    np.testing.assert_array_equal(batch["edges"][0], np.isnan(weights))
    np.testing.assert_array_equal(batch["connectome"][0], np.nan_to_num(weights))


def test_windows_without_data_are_left_out():
    series = np.ones((40, 2), dtype=np.float32)
    series[8:30] = np.nan
    scan = PreparedScan(series, None)
    n_seen = np.array([np.isfinite(series[s : s + 8]).all(axis=1).sum() for s in range(33)])
    held = np.flatnonzero(n_seen >= 4).tolist()  # half of the fullest, which is complete
    assert usable_starts(scan, 8).tolist() == held
    assert all_windows([scan], 8) == [(0, 0), (0, 4), (0, 28), (0, 32)]
    dataset = RandomWindows([scan], 8, 2, "functional")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert {dataset[0][1] for _ in range(400)} == set(held)
    assert usable_starts(PreparedScan(None, np.eye(2)), 8).tolist() == [0]


def test_scans_are_brought_to_one_repetition_time_before_they_are_scaled():
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(60, 3)), rng.normal(size=(90, 3))]
    series[1][:, 2] = 5.0
    table = pd.DataFrame({"timeseries": series, "t_r": [1.5, 1.0]})
    first, second = prepare_scans(check_scans(table, encoder_t_r=1.5), "robust", "log10")
    np.testing.assert_array_equal(first.timeseries, robust_scale(series[0].astype(np.float32))[0])
    resampled = resample_timeseries(series[1].astype(np.float32), 1.0, 1.5)
    np.testing.assert_array_equal(second.timeseries[:, :2], robust_scale(resampled[:, :2])[0])
    assert np.isnan(second.timeseries[:, 2]).all()  # constant, whatever a filter makes of it


def test_nothing_left_after_resampling_is_an_error():
    series = np.random.default_rng(0).normal(size=(30, 3))
    table = pd.DataFrame(
        {"timeseries": [series] * 2, "t_r": 1.0, "sample_mask": [None, np.arange(30) % 2 == 1]}
    )
    with pytest.raises(ValueError, match=r"Nothing is left.*row 1 .*Drop the row"):
        prepare_scans(check_scans(table, encoder_t_r=2.0), "robust", "log10")
