import numpy as np
import pytest
import torch

from bsymlearn._validation import check_scans
from bsymlearn.preprocessing import robust_scale, scale_connectome
from bsymlearn.training import PreparedScan, all_windows, collate, collate_windows, prepare_scans
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
        np.testing.assert_array_equal(scan.timeseries, robust_scale(raw)[0])
        np.testing.assert_array_equal(scan.usable, robust_scale(raw)[1])
    assert not prepared[0].usable[1]


def test_no_scaling_keeps_values_but_empties_the_diagonal(series):
    raw = prepare_scans(check_scans(series), None, None)
    np.testing.assert_array_equal(raw[1].timeseries, series[1])
    assert raw[0].usable.tolist() == [True, False, True, True]
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
    assert scans[0].usable.all()


def test_collate_pads_and_masks_exactly(prepared):
    batch = collate(prepared, [3, 0, 0], 8, 4, "functional")
    assert set(batch) == {"timeseries", "valid", "has_timeseries"}
    np.testing.assert_array_equal(batch["timeseries"][0], prepared[0].timeseries[3:11])
    np.testing.assert_array_equal(batch["timeseries"][1, :6], prepared[1].timeseries)
    assert not batch["timeseries"][1, 6:].any()
    expected = np.ones((3, 8, 4), dtype=bool)
    expected[0, :, 1] = False
    expected[1, 6:] = False
    np.testing.assert_array_equal(batch["valid"], expected)


def test_collate_marks_absent_modalities(prepared):
    weights = np.ones((4, 4), dtype=np.float32)
    scans = [prepared[0], PreparedScan(None, None, weights)]
    batch = collate(scans, [0, 0], 8, 4, "multimodal")
    assert batch["has_timeseries"].tolist() == [True, False]
    assert batch["has_connectome"].tolist() == [False, True]
    assert not batch["valid"][1].any() and not batch["connectome"][0].any()
    assert set(collate(scans[1:], [0], 8, 4, "structural")) == {"connectome", "has_connectome"}


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
