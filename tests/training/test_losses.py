import numpy as np
import pytest
import torch

from bsymlearn.training._losses import (
    connectivity_error,
    explained_sums,
    hidden_error,
    pooled_r2,
    sample_mean,
)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    predicted, target = rng.normal(size=(2, 3, 7, 5))
    hidden = rng.random((3, 7, 5)) < 0.4
    valid = hidden | (rng.random((3, 7, 5)) < 0.7)
    return predicted, target, hidden, valid


def tensors(arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_hidden_error_in_numpy(arrays):
    expected = [((p - t)[h] ** 2).mean() / t[v].var() for p, t, h, v in zip(*arrays, strict=True)]
    np.testing.assert_allclose(hidden_error(*tensors(arrays)), expected, rtol=1e-10)


def test_a_sample_that_hides_nothing_costs_nothing(arrays):
    arrays[2][1] = False
    loss = hidden_error(*tensors(arrays))
    assert loss[1] == 0 and loss[0] > 0


def test_visible_entries_do_not_count_in_the_error(arrays):
    predicted, target, hidden, valid = tensors(arrays)
    other = torch.where(hidden, predicted, 1e6)
    np.testing.assert_array_equal(
        hidden_error(predicted, target, hidden, valid), hidden_error(other, target, hidden, valid)
    )


def test_connectivity_error_in_numpy():
    rng = np.random.default_rng(0)
    latents, series = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 9, 5))
    valid = np.ones(series.shape, dtype=bool)
    valid[0, 6:] = False  # a short scan
    valid[1, :, 2] = False  # a ROI that is missing
    lengths, rois = [6, 9], [np.arange(5), np.array([0, 1, 3, 4])]
    for known, other in ((series, latents), (np.where(valid, series, 99.0), latents)):
        loss = connectivity_error(*map(torch.from_numpy, (other, known, valid)))
        for b in range(2):
            unit = latents[b, rois[b]]
            unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
            difference = unit @ unit.T - np.corrcoef(series[b, : lengths[b], rois[b]])
            pairs = ~np.eye(len(unit), dtype=bool)
            assert loss[b].item() == pytest.approx((difference[pairs] ** 2).mean())


def test_connectivity_error_of_an_absent_scan_is_zero_and_has_a_gradient():
    latents = torch.zeros(1, 5, 4, requires_grad=True)
    series, valid = torch.zeros(1, 9, 5), torch.zeros(1, 9, 5, dtype=torch.bool)
    loss = connectivity_error(latents, series, valid)
    loss.sum().backward()
    assert loss.item() == 0 and latents.grad.isfinite().all()


def test_explained_sums_in_numpy(arrays):
    error, spread = explained_sums(*tensors(arrays))
    predicted, target, hidden, valid = arrays
    for b in range(3):
        mean = [target[b, valid[b, :, r], r].mean() for r in range(5)]
        assert float(error[b]) == pytest.approx(((predicted - target)[b][hidden[b]] ** 2).sum())
        assert float(spread[b]) == pytest.approx(((target - mean)[b][hidden[b]] ** 2).sum())


def test_pooled_r2():
    assert pooled_r2(1.0, 4.0) == 0.75
    assert np.isnan(pooled_r2(0.0, 0.0))


def test_sample_mean():
    assert sample_mean({"loss": torch.tensor([1.0, 3.0])}, torch.zeros(2)) == 2


def test_predicting_the_mean_costs_one_in_any_units():
    rng = np.random.default_rng(0)
    hidden = torch.ones(1, 50, 8, dtype=torch.bool)
    for offset, scale in ((0, 1), (0, 1e-4), (1e4, 1), (3e4, 10)):
        target = torch.from_numpy((offset + scale * rng.normal(size=(1, 50, 8))).astype("float32"))
        predicted = target.double().mean().float().expand_as(target)
        assert hidden_error(predicted, target, hidden, hidden).item() == pytest.approx(1, rel=0.02)
