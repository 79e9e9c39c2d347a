import pytest
import torch

import bsymlearn.encoders._structural as structural
from bsymlearn.encoders import EncoderConfig, StructuralBranch
from bsymlearn.encoders._structural import signed_attention


def test_attention_of_huge_logits_is_finite_and_right():
    scores = torch.tensor([[[[1000.0, -999.0, 1.0]]]])
    attention = signed_attention(scores, [torch.ones(1, 1, 3)], None)
    expected = torch.tensor([1.0, -(torch.e**-1), 0.0]) / (1 + torch.e**-1)
    torch.testing.assert_close(attention[0, 0, 0], expected)


def test_zero_logits_take_their_share_and_give_none():
    attention = signed_attention(torch.ones(1, 1, 1, 3), [torch.tensor([[[2.0, 0.0, -2.0]]])], None)
    share = torch.e**2 / (2 * torch.e**2 + 1)
    torch.testing.assert_close(attention.flatten(), torch.tensor([share, 0.0, -share]))


def test_hidden_pairs_are_out_of_numerator_and_denominator():
    scores, hop = torch.randn(1, 2, 4, 4), torch.randn(1, 4, 4)
    visible = torch.ones(1, 4, 4, dtype=torch.bool)
    visible[0, :, 2] = False
    actual = signed_attention(scores, [hop], visible)
    left = [0, 1, 3]
    expected = signed_attention(scores[..., left], [hop[..., left]], None)
    torch.testing.assert_close(actual[..., left], expected)
    assert not actual[..., 2].any()


@pytest.mark.parametrize("largest", [1.0, 29.0, 31.0, 300.0])
def test_gradients_are_finite_and_agree_with_softmax(largest):
    # All logits positive: signed attention is softmax.
    scores = torch.rand(1, 1, 3, 5).double() * largest
    scores[..., 0] = largest
    ours, theirs = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    weights = torch.randn(1, 1, 3, 5).double()
    (signed_attention(ours, [torch.ones(1, 3, 5)], None) * weights).sum().backward()
    (theirs.softmax(-1) * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-9, rtol=1e-6)


def test_raw_streamline_counts_stay_finite():
    torch.manual_seed(0)
    branch = StructuralBranch(EncoderConfig(6, dim=8, structural_layers=2)).eval()
    latents, _ = branch(torch.rand(1, 6, 6) * 220650)
    assert latents.isfinite().all()


def test_a_fully_hidden_connectome_is_finite():
    branch = StructuralBranch(EncoderConfig(4, dim=8, structural_layers=1))
    latents, attention = branch(
        torch.zeros(1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool), return_attention=True
    )
    latents.sum().backward()
    assert latents.isfinite().all()
    assert not attention.any()
    assert branch.embedding.weight.grad.isfinite().all()


def test_chunks_of_pairs_change_nothing(monkeypatch):
    torch.manual_seed(0)
    branch = StructuralBranch(EncoderConfig(7, dim=8, structural_layers=1))
    latents = torch.randn(3, 7, 8)
    edges = torch.rand(3, 7, 7) > 0.5
    whole, some = branch.decode_edges(latents), branch.decode_edges(latents, edges)
    monkeypatch.setattr(structural, "_PAIRS_AT_ONCE", 5)
    torch.testing.assert_close(branch.decode_edges(latents), whole)
    torch.testing.assert_close(branch.decode_edges(latents, edges), some)
    torch.testing.assert_close(some, whole * edges)
    pair = torch.cat([latents[1, 2], latents[1, 5]])
    torch.testing.assert_close(branch.edge_decoder(pair)[0], whole[1, 2, 5])
