import math

import pytest
import torch

from bsymlearn.encoders import sinusoidal_positions
from bsymlearn.encoders._layers import Block, attend


@pytest.mark.parametrize("dim", [1, 2, 7, 8])
def test_sinusoids(dim):
    table = sinusoidal_positions(11, dim)
    for t in (0, 1, 10):
        for d in range(dim):
            angle = t / 10000 ** (2 * (d // 2) / dim)
            expected = math.sin(angle) if d % 2 == 0 else math.cos(angle)
            assert table[t, d].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_with_and_without_weights_agrees(masked):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 9, 5)
    keys = torch.rand(2, 9) > 0.4 if masked else None
    plain, nothing = attend(query, key, value, keys, return_weights=False)
    again, weights = attend(query, key, value, keys, return_weights=True)
    assert nothing is None
    torch.testing.assert_close(plain, again)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 9))


def test_a_block_agrees_with_torch():
    torch.manual_seed(0)
    block = Block(12, 3, 20, dropout=0.0).eval()
    theirs = torch.nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    weights = {
        "self_attn.in_proj_weight": block.attention.qkv.weight,
        "self_attn.in_proj_bias": torch.zeros(36),
        "self_attn.out_proj.weight": block.attention.output.weight,
        "self_attn.out_proj.bias": block.attention.output.bias,
    }
    for source, target in (("mlp.0", "linear1"), ("mlp.2", "linear2")):
        weights[f"{target}.weight"] = block.get_submodule(source).weight
        weights[f"{target}.bias"] = block.get_submodule(source).bias
    for name in ("norm1", "norm2"):
        weights[f"{name}.weight"] = block.get_submodule(name).weight
        weights[f"{name}.bias"] = block.get_submodule(name).bias
    theirs.load_state_dict(weights)
    x = torch.randn(2, 7, 12)
    with torch.no_grad():
        torch.testing.assert_close(block(x)[0], theirs(x))
