import numpy as np
import pytest
import torch

from bsymlearn.encoders import BrainSymphony, EncoderConfig
from bsymlearn.encoders._hops import hop_matrices, laplacian_positions
from tests import oracle


def connectomes(n_rois, seed=0):
    weights = torch.randn(2, n_rois, n_rois, generator=torch.Generator().manual_seed(seed))
    return (weights + weights.mT).double()


@pytest.mark.parametrize("attention", ["first_hop", "multi_hop", "diffusion"])
def test_hop_matrices_equal_the_equations(attention):
    config = EncoderConfig(9, structural_attention=attention, max_hops=4, diffusion_theta=0.3)
    weights = connectomes(9)
    for b in range(2):
        expected = oracle.hop_matrices(config, weights[b])
        actual = hop_matrices(weights, config)
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            torch.testing.assert_close(one[b], other)


def laplacian_oracle(weights):
    """Eigenvectors by ascending eigenvalue, with numpy."""
    rows = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    similarity = 1 - np.arccos(np.clip(rows @ rows.T, -1, 1)) / np.pi
    degree = np.diag(similarity.sum(1) ** -0.5)
    return np.linalg.eigh(np.eye(len(rows)) - degree @ similarity @ degree)


@pytest.mark.parametrize("n_rois", [8, 40])
def test_laplacian_positions(n_rois):
    weights = connectomes(n_rois)
    positions = laplacian_positions(weights)
    assert positions.shape == (2, n_rois, 30)
    n_vectors = min(n_rois, 30)
    assert not positions[..., : 30 - n_vectors].any()
    for b in range(2):
        vectors = laplacian_oracle(weights[b].numpy())[1][:, -n_vectors:]
        actual = positions[b, :, 30 - n_vectors :].numpy()
        np.testing.assert_allclose(np.abs((vectors * actual).sum(0)), 1, atol=1e-8)
        largest = np.abs(actual).argmax(0)
        assert (actual[largest, np.arange(n_vectors)] > 0).all()


def test_laplacian_positions_of_empty_and_repeated_rows_are_finite():
    weights = torch.zeros(2, 5, 5)
    weights[1] = 1.0
    assert laplacian_positions(weights).isfinite().all()


def test_laplacian_positions_do_not_depend_on_the_place_in_a_batch():
    # Three ROIs without any edge are alike, so rounding decides between their eigenvectors.
    weights = connectomes(7)[0].float()
    weights[4:] = weights[:, 4:] = 0
    expected = laplacian_positions(weights[None])[0]
    for place in range(4):
        batch = torch.rand(4, 7, 7, generator=torch.Generator().manual_seed(1))
        batch[place] = weights
        assert torch.equal(laplacian_positions(batch)[place], expected)


def test_signs_flip_only_in_training():
    config = EncoderConfig(
        12,
        dim=8,
        structural_positions="laplacian",
        structural_layers=1,
        dropout=0.0,
        modules="structural",
    )
    torch.manual_seed(0)
    model = BrainSymphony(config)
    weights = connectomes(12).float()
    with torch.no_grad():
        assert not torch.equal(
            model(connectome=weights).structural, model(connectome=weights).structural
        )
        model.eval()
        assert torch.equal(
            model(connectome=weights).structural, model(connectome=weights).structural
        )
