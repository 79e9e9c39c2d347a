import pytest
import torch

import bsymlearn.encoders._perceiver as perceiver
from bsymlearn.encoders import PARTS, BrainSymphony, EncoderConfig


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = EncoderConfig(
        n_rois=10, time_steps=8, dim=8, n_layers=1, mlp_dim=16, modules=PARTS[:4]
    )
    return BrainSymphony(config).eval()


def test_attention_in_chunks_equals_attention_at_once(model, monkeypatch):
    series = torch.randn(2, 8, 10)
    valid = torch.rand(2, 8, 10) > 0.3
    whole = model(series, valid=valid, return_attention=True).attention["perceiver"]
    monkeypatch.setattr(perceiver, "_LOGITS_AT_ONCE", 1)
    parts = model(series, valid=valid, return_attention=True).attention["perceiver"]
    torch.testing.assert_close(whole, parts)


def test_asking_for_attention_agrees_with_not_asking(model):
    series = torch.randn(2, 8, 10)
    plain = model(series)
    asked = model(series, return_attention=True)
    torch.testing.assert_close(plain.reconstruction, asked.reconstruction)
    torch.testing.assert_close(plain.spatial, asked.spatial)


def test_gradients_through_attention_are_finite_where_a_roi_is_invalid(model):
    valid = torch.ones(1, 8, 10, dtype=torch.bool)
    valid[:, :, 3] = False
    model(torch.randn(1, 8, 10), valid=valid, return_attention=True).attention[
        "perceiver"
    ].square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_any_latent_can_be_decoded(model):
    series = model.part("perceiver").reconstruct(torch.randn(3, 10, 8))
    assert series.shape == (3, 8, 10)


def test_key_times_are_the_only_keys(model):
    series, valid = torch.randn(2, 8, 10), torch.rand(2, 8, 10) > 0.2
    perceiver, context = model.part("perceiver"), model.part("context")
    streams = model.streams(series, valid=valid, parts=("spatial", "temporal"))
    times = torch.tensor([[0, 3, 7], [1, 2, 5]])
    among = torch.zeros(2, 8, dtype=torch.bool).scatter(1, times, True)
    given = (streams.spatial, streams.temporal, series.mT, context, model.position_code())
    masked = perceiver(*given, valid.mT & among[:, None], True)
    chosen = perceiver(*given, valid.mT, True, times)
    for expected, result in zip(masked, chosen, strict=True):
        torch.testing.assert_close(expected, result)
    whole = model(series, valid=valid)
    every = model(series, valid=valid, key_times=torch.arange(8).flip(0).expand(2, -1))
    torch.testing.assert_close(whole.functional, every.functional)
