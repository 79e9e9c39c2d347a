import numpy as np
import pytest
import torch
from nilearn.connectome import sym_matrix_to_vec
from scipy import linalg

from bsymlearn.estimators._readouts import Readout, SpectralPower, readout_kind

N_ROIS, DIM = 6, 5


@pytest.fixture
def latents():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(7, N_ROIS, DIM)))


@pytest.fixture
def mean_latent():
    return torch.from_numpy(np.random.default_rng(1).normal(size=(N_ROIS, DIM)))


OWNERS = torch.tensor([0, 0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize("power", [1.0, 0.35])
def test_connectivity_is_its_definition(latents, mean_latent, power):
    features = Readout("connectivity", mean_latent, power)(latents, OWNERS, 3)
    for scan in range(3):
        windows = latents[scan == OWNERS].numpy() - mean_latent.numpy()
        moment = np.mean([window @ window.T for window in windows], axis=0)
        cosine = moment / np.sqrt(np.outer(np.diag(moment), np.diag(moment)))
        if power != 1:
            values, vectors = linalg.eigh(cosine)
            values = np.clip(values, 0, None) + SpectralPower.RIDGE
            cosine = vectors @ np.diag(values**power) @ vectors.T
        expected = sym_matrix_to_vec(cosine, discard_diagonal=True)
        np.testing.assert_allclose(features[scan], expected, atol=1e-9)


def test_first_order_readouts(latents, mean_latent):
    mean = Readout("mean", mean_latent)(latents, OWNERS, 3)
    flat = Readout("flatten", mean_latent)(latents, OWNERS, 3)
    for scan in range(3):
        average = latents[scan == OWNERS].mean(dim=0)
        torch.testing.assert_close(mean[scan], average.mean(dim=0))
        torch.testing.assert_close(flat[scan], average.flatten())


def test_moments_are_second_order_of_one_and_first_of_the_other_branch(latents, mean_latent):
    structural, mean_structural = latents.flip(0) + 1, mean_latent.flip(0)
    moments = Readout("moments", torch.cat([mean_latent, mean_structural], dim=1), 0.35)
    second = Readout("connectivity", mean_latent, 0.35)(latents, OWNERS, 3)
    first = Readout("flatten", mean_latent)(structural, OWNERS, 3)
    both = moments(torch.cat([latents, structural], dim=2), OWNERS, 3)
    torch.testing.assert_close(both, torch.cat([second, first], dim=1))

    moments.mean_similarity.copy_(torch.arange(15))
    latents[OWNERS == 0], structural[OWNERS == 2] = 0, 0
    lacking = moments(torch.cat([latents, structural], dim=2), OWNERS, 3)
    torch.testing.assert_close(lacking[0, :15], torch.arange(15, dtype=torch.float64))
    torch.testing.assert_close(lacking[2, 15:], mean_structural.flatten())
    torch.testing.assert_close(lacking[1], both[1])


@pytest.mark.parametrize(
    ("modality", "expected"),
    [("functional", "connectivity"), ("structural", "flatten"), ("multimodal", "moments")],
)
def test_moments_of_one_modality(modality, expected):
    assert readout_kind("moments", modality, 6) == expected
    assert readout_kind("mean", modality, 6) == "mean"
    assert readout_kind("moments", modality, 1) == "flatten"
    assert readout_kind("connectivity", modality, 1) == "flatten"


@pytest.mark.parametrize(
    ("kind", "n_rois", "expected"),
    [
        ("moments", 6, 45),
        ("mean", 6, 5),
        ("flatten", 6, 30),
        ("connectivity", 6, 15),
        ("connectivity", 2, 1),
    ],
)
def test_n_outputs(kind, n_rois, expected):
    dim = 2 * DIM if kind == "moments" else DIM
    readout = Readout(kind, torch.zeros(n_rois, dim))
    assert readout.n_outputs == expected
    assert readout(
        torch.randn(2, n_rois, dim, generator=torch.Generator().manual_seed(0)),
        torch.zeros(2, dtype=torch.long),
        1,
    ).shape == (1, expected)


def test_a_roi_without_latent_is_finite(latents, mean_latent):
    latents[:, 2] = mean_latent[2]
    features = Readout("connectivity", mean_latent, 0.5)(latents, OWNERS, 3)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("rank", [2, N_ROIS])
def test_gradient_of_the_spectral_power(rank):
    factor = np.random.default_rng(0).normal(size=(2, N_ROIS, rank))
    matrix = torch.from_numpy(factor @ factor.transpose(0, 2, 1) + 0.1 * np.eye(N_ROIS))
    matrix.requires_grad_()

    def power(given):
        # eigh reads one triangle: the function of a symmetric matrix is that of its average.
        return SpectralPower.apply((given + given.transpose(1, 2)) / 2, 0.35)

    assert torch.autograd.gradcheck(power, (matrix,), eps=1e-5, atol=1e-5)


def test_repeated_zero_eigenvalues_have_a_finite_gradient():
    matrix = torch.ones(1, N_ROIS, N_ROIS, dtype=torch.float64, requires_grad=True)
    SpectralPower.apply(matrix, 0.35).sum().backward()
    assert torch.isfinite(matrix.grad).all()


def test_power_one_is_the_matrix_plus_its_ridge(latents):
    matrix = latents @ latents.transpose(1, 2)
    expected = matrix + SpectralPower.RIDGE * torch.eye(N_ROIS)
    torch.testing.assert_close(SpectralPower.apply(matrix, 1.0), expected, atol=1e-9, rtol=0)
