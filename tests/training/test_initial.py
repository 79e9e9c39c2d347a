import numpy as np
import pytest
import torch

from bsymlearn import BrainSymphony, EncoderConfig
from bsymlearn.training._batches import PreparedScan
from bsymlearn.training._initial import aim_queries, connectivity_positions

N_ROIS, STEPS = 12, 30


@pytest.fixture
def scans():
    rng = np.random.default_rng(0)
    prepared = []
    for _ in range(5):
        sources = rng.normal(size=(40, 3)) @ rng.normal(size=(3, N_ROIS))
        series = (sources + rng.normal(size=(40, N_ROIS))).astype(np.float32)
        prepared.append(PreparedScan(series, None))
    return prepared


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_products_of_positions_are_the_mean_connectivity(scans):
    positions = connectivity_positions([*scans, PreparedScan(None, None)], N_ROIS, 16)
    expected = np.mean([np.corrcoef(scan.timeseries.T) for scan in scans], axis=0)
    scale = 0.3**2 * 16  # every ROI has this squared length
    np.testing.assert_allclose(positions @ positions.T / scale, expected, atol=1e-5)


def test_few_dimensions_keep_the_leading_eigenvectors(scans):
    positions = connectivity_positions(scans, N_ROIS, 3).double().numpy()
    mean = np.mean([np.corrcoef(scan.timeseries.T) for scan in scans], axis=0)
    values, vectors = np.linalg.eigh(mean)
    low_rank = vectors[:, -3:] * values[-3:] @ vectors[:, -3:].T
    length = np.sqrt(np.diag(low_rank))
    expected = low_rank / np.outer(length, length)
    np.testing.assert_allclose(positions @ positions.T / (0.3**2 * 3), expected, atol=1e-5)


def test_a_roi_that_is_never_usable_has_a_position_of_its_own(scans):
    usable = np.arange(N_ROIS) != 4
    masked = [PreparedScan(np.where(usable, scan.timeseries, np.nan), None) for scan in scans]
    positions = connectivity_positions(masked, N_ROIS, 16)
    assert positions.isfinite().all()
    assert positions.norm(dim=1) == pytest.approx(0.3 * 4)


@pytest.mark.parametrize("positions", ["learnable", "gradient"])
def test_aimed_queries_attend_to_their_own_roi(positions):
    config = EncoderConfig(
        n_rois=N_ROIS, time_steps=STEPS, dim=32, n_layers=1, mlp_dim=32, dropout=0.0,
        perceiver_width=32, positions=positions, n_gradients=4,
        modules=("spatial", "temporal", "context", "perceiver"),
    )  # fmt: skip
    gradients = torch.randn(N_ROIS, 4) * 3 if positions == "gradient" else None
    encoder = BrainSymphony(config).eval()
    batches = []
    for _ in range(8):
        valid = torch.ones(16, STEPS, N_ROIS, dtype=torch.bool)
        valid[0, 10:] = False
        valid[1, :, 3] = False
        hidden = (torch.rand(16, 1, N_ROIS) < 0.5) & valid
        batches.append({"timeseries": torch.randn(valid.shape), "valid": valid, "hidden": hidden})

    def own_share():
        given = batches[0] | {"gradients": gradients, "return_attention": True}
        attention = encoder(**given).attention["perceiver"]
        return attention[2:].diagonal(dim1=1, dim2=2).mean().item()

    before = own_share()
    aim_queries(encoder, batches, gradients)
    assert own_share() > max(0.5, before)
    assert all(parameter.isfinite().all() for parameter in encoder.parameters())
