import torch

from bsymlearn.encoders import Gate


def test_the_gate_weighs_both_modalities():
    torch.manual_seed(0)
    gate = Gate(4)
    f, s = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    fused, g = gate(f, s)
    weight, bias = gate.projection.weight, gate.projection.bias
    expected = 1 / (1 + torch.exp(-(f @ weight[:, :4].T + s @ weight[:, 4:].T + bias)))
    torch.testing.assert_close(g, expected)
    torch.testing.assert_close(fused, expected * f + (1 - expected) * s)


def test_a_missing_modality_has_no_share_in_values_or_gradients():
    gate = Gate(4)
    f = torch.randn(2, 3, 4, requires_grad=True)
    s = torch.randn(2, 3, 4, requires_grad=True)
    fused, _ = gate(f, s, torch.tensor([True, False]), torch.tensor([False, True]))
    assert torch.equal(fused[0], f[0])
    assert torch.equal(fused[1], s[1])
    fused.sum().backward()
    assert not f.grad[1].any()
    assert not s.grad[0].any()
