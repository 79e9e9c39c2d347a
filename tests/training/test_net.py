import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import TensorDataset

from bsymlearn.training import TrainingSettings, history_of, train
from bsymlearn.training._net import WarmupCosine


class Line(nn.Module):
    """Fit y = 2 x; its loss is one value a sample."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1))

    def forward(self, x, y):
        return {"loss": (self.slope * x - y).square()}


@pytest.fixture
def dataset():
    x = torch.linspace(-1, 1, 30)
    return TensorDataset(x, 2 * x)


def collate(items):
    x, y = map(torch.stack, zip(*items, strict=True))
    return {"x": x, "y": y}, torch.zeros(len(x))


def run(dataset, module=None, **settings):
    evaluate = settings.pop("evaluate", None)
    settings = TrainingSettings(**({"batch_size": 10, "max_epochs": 3, "lr": 0.1} | settings))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return train(module or Line(), dataset, collate, settings, evaluate=evaluate)


def test_fits_and_records_one_entry_an_epoch(dataset):
    module = Line()
    net = run(dataset, module, max_epochs=60)
    assert float(module.slope.detach()) == pytest.approx(2, abs=0.2)
    history = history_of(net, "joint")
    assert len(history) == 60 and history[-1]["train_loss"] < history[0]["train_loss"]
    assert all(h["stage"] == "joint" for h in history)
    assert all(isinstance(v, int | float | bool | str) for h in history for v in h.values())
    assert not module.training


def test_schedule_rises_then_falls_as_half_a_cosine():
    share = WarmupCosine(100)
    values = np.array([share(step) for step in range(101)])
    np.testing.assert_allclose(values[:15], np.arange(1, 16) / 15)
    progress = (np.arange(15, 101) - 15) / 85
    np.testing.assert_allclose(values[15:], (1 + np.cos(np.pi * progress)) / 2, atol=1e-12)
    assert WarmupCosine(1)(0) == 1


def test_early_stopping_brings_the_best_weights_back(dataset):
    scores = iter([0.1, 0.5, 0.3, 0.2, 0.1, 0.0])
    slopes = []

    def evaluate(module):
        slopes.append(float(module.slope))
        return {"valid_r2": next(scores)}

    module = Line()
    net = run(dataset, module, max_epochs=6, patience=2, evaluate=evaluate)
    assert len(net.history) < 6
    assert float(module.slope.detach()) == slopes[1] != slopes[-1]


def test_without_patience_the_last_weights_stay(dataset):
    slopes = []

    def evaluate(module):
        assert not module.training
        slopes.append(float(module.slope))
        return {"valid_r2": -len(slopes)}

    module = Line()
    net = run(dataset, module, max_epochs=4, evaluate=evaluate)
    assert float(module.slope.detach()) == slopes[-1]
    assert [h["valid_r2"] for h in history_of(net, "x")] == [-1, -2, -3, -4]


def test_net_params_and_callbacks_reach_skorch(dataset):
    class Count(Callback):
        epochs = 0

        def on_epoch_end(self, net, **kwargs):
            Count.epochs += 1

    net = run(dataset, net_params={"optimizer": torch.optim.SGD, "callbacks": [Count()]})
    assert isinstance(net.optimizer_, torch.optim.SGD) and Count.epochs == 3
    with pytest.raises((TypeError, ValueError), match="nonsense"):
        run(dataset, net_params={"nonsense": 1})


@pytest.mark.parametrize("evaluate", [None, lambda module: {"valid_r2": 0.5}])
def test_progress_bar(dataset, capfd, evaluate):
    run(dataset, verbose=1, evaluate=evaluate)
    captured = capfd.readouterr()
    assert "train_loss" in captured.out + captured.err


def test_silent_by_default(dataset, capfd):
    run(dataset, evaluate=lambda module: {"valid_r2": 0.5}, patience=1)
    assert capfd.readouterr() == ("", "")


def test_pickles_without_training_data_or_optimizer_state(dataset):
    net = run(dataset, evaluate=lambda module: {"valid_r2": len(dataset)}, patience=3)
    restored = pickle.loads(pickle.dumps(net))
    assert torch.equal(restored.module_.slope, net.module_.slope)
    assert not net.optimizer_.state and len(restored.history) == 3
