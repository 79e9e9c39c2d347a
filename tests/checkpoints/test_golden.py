"""The encoders reproduce the outputs of the authors' code for the same weights and inputs."""

import numpy as np
import pytest
import torch

from bsymlearn import convert_authors_checkpoint, load_checkpoint

STRUCTURAL = [
    f"{attention}_learnable_{sign}"
    for attention in ("first_hop", "multi_hop", "diffusion")
    for sign in ("signed", "unsigned")
]


def assert_golden(actual, expected):
    """Equal to 1e-5 of the largest absolute value."""
    actual = actual.detach().numpy()
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def tensors(path, *names):
    arrays = dict(np.load(path))
    return arrays, [torch.from_numpy(arrays[name]) for name in names]


def test_full_release(shared_data, tmp_path):
    source = shared_data / "golden" / "authors_full"
    convert_authors_checkpoint(source, tmp_path / "converted")
    model = load_checkpoint(tmp_path / "converted")
    expected, (timeseries, connectome) = tensors(
        source / "expected.npz", "timeseries", "connectome"
    )
    with torch.inference_mode():
        output = model(timeseries, connectome, return_attention=True)
    for name in ("spatial", "temporal", "functional", "reconstruction", "structural", "fused"):
        assert_golden(getattr(output, name), expected[name])
    assert_golden(output.gate, expected["gates"])
    assert_golden(output.attention["perceiver"], expected["perceiver_attention_roi"])


def test_gradient_positions(shared_data, tmp_path):
    source = shared_data / "golden" / "functional_gradient"
    convert_authors_checkpoint(source, tmp_path / "converted", n_heads=4, perceiver_heads=2)
    model = load_checkpoint(tmp_path / "converted")
    assert model.config.positions == "gradient"
    expected, (timeseries, gradients) = tensors(source / "expected.npz", "timeseries", "gradients")
    with torch.inference_mode():
        output = model(timeseries, gradients=gradients, return_attention=True)
    for name in ("spatial", "temporal", "reconstruction"):
        assert_golden(getattr(output, name), expected[name])
    assert_golden(output.functional, expected["latents"])
    last = output.attention["spatial"][-1].mean(dim=1)
    assert_golden(last, expected["spatial_attention_last_mean"])


@pytest.mark.parametrize("variant", STRUCTURAL)
def test_structural(shared_data, tmp_path, variant):
    folder = shared_data / "golden" / "structural"
    overrides = {"structural_attention": variant.split("_learnable")[0]}
    if overrides["structural_attention"] == "multi_hop":
        overrides["max_hops"] = 3
    source = folder / f"structural_{variant}.pth"
    convert_authors_checkpoint(source, tmp_path / "converted", structural_heads=4, **overrides)
    model = load_checkpoint(tmp_path / "converted")
    expected, (connectome,) = tensors(folder / f"structural_{variant}.npz", "connectome")
    with torch.inference_mode():
        output = model(connectome=connectome, return_attention=True)
    assert_golden(output.structural, expected["embeddings"])
    assert_golden(output.edges, expected["edge_weights"])
    assert_golden(output.attention["structural"][-1], expected["attention_last"])
