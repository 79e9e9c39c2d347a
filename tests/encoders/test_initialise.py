import pytest
import torch

from bsymlearn.encoders import BrainSymphony, EncoderConfig

CONFIG = EncoderConfig(
    n_rois=8, time_steps=20, dim=16, n_layers=1, mlp_dim=32, structural_layers=1, dropout=0.0
)


def test_the_seed_alone_decides():
    torch.manual_seed(0)
    model = BrainSymphony(CONFIG)
    torch.manual_seed(0)
    again = BrainSymphony(CONFIG)
    assert all(map(torch.equal, model.parameters(), again.parameters()))


@pytest.mark.parametrize("part", ["spatial", "structural"])
def test_a_silent_roi_starts_from_its_position_alone(part):
    torch.manual_seed(0)
    module = BrainSymphony(CONFIG).part(part)
    assert not module.embedding(torch.zeros(module.embedding.in_features)).any()
    positions = module.positions.table if part == "spatial" else module.positions
    assert 0.2 < positions.std() < 0.4


def test_the_streams_learn_to_fill_in_hidden_rois():
    torch.manual_seed(0)
    model = BrainSymphony(CONFIG)
    decoder = torch.nn.Linear(16, 20)
    optimizer = torch.optim.Adam([*model.parameters(), *decoder.parameters()], lr=3e-3)
    for _ in range(800):
        # Two sources, each in four ROIs: a hidden ROI is what its neighbours are.
        series = torch.randn(32, 20, 2).repeat_interleave(4, dim=2)
        hidden = (torch.rand(32, 1, 8) < 0.3).expand_as(series)
        predicted = decoder(model.streams(series, hidden=hidden, parts=("spatial",)).spatial).mT
        loss = (predicted - series)[hidden].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.5


def test_every_query_starts_at_its_own_roi():
    torch.manual_seed(0)
    config = EncoderConfig(
        n_rois=20, time_steps=30, dim=64, n_layers=1, perceiver_width=64, structural_layers=1
    )
    model = BrainSymphony(config).eval()
    attention = model(torch.randn(4, 30, 20), return_attention=True).attention["perceiver"]
    assert (attention.mean(dim=0).argmax(dim=1) == torch.arange(20)).all()


def test_the_gate_starts_with_half_of_its_dimensions_for_each_modality():
    torch.manual_seed(0)
    gate = BrainSymphony(CONFIG)(torch.randn(4, 20, 8), torch.rand(4, 8, 8)).gate
    assert gate[..., 0::2].mean() > 0.8 and gate[..., 1::2].mean() < 0.2
