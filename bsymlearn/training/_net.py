"""The skorch net that trains: optimizer, schedule, validation, early stopping, progress."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    GradientNormClipping,
    LRScheduler,
    ProgressBar,
)
from torch import nn
from torch.utils.data import Dataset

from bsymlearn.training._losses import sample_mean


@dataclass
class TrainingSettings:
    """How long, how fast and where to train.

    Attributes
    ----------
    max_epochs, batch_size : int
    lr : float
        The highest learning rate of the schedule: a linear rise, then half a cosine.
    patience : int or None
        Epochs without a better validation score before training stops and the best weights
        come back; None trains to the end and keeps the last ones.
    device : str
    verbose : int
    net_params : dict
        More arguments for the skorch net; callbacks are added to ours.
    """

    max_epochs: int = 20
    batch_size: int = 16
    lr: float = 1e-3
    patience: int | None = None
    device: str = "cpu"
    verbose: int = 0
    net_params: dict[str, Any] = field(default_factory=dict)


class Validation(Callback):
    """Score the module on held-out scans after every epoch, and record it in the history."""

    def __init__(self, evaluate: Callable[[nn.Module], dict[str, float]]):
        self.evaluate = evaluate

    def on_epoch_end(self, net, **kwargs):
        """Record each score of `evaluate` under its name."""
        training = net.module_.training
        net.module_.eval()
        with torch.inference_mode():
            for name, value in self.evaluate(net.module_).items():
                net.history.record(name, value)
        net.module_.train(training)


class Divergence(Callback):
    """Stop training as soon as an epoch's loss is no number."""

    def on_epoch_end(self, net, **kwargs):
        """Raise FloatingPointError where the loss is not finite."""
        loss = net.history[-1]["train_loss"]
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"Training diverged: the loss of epoch {len(net.history)} is {loss}, and lr is "
                f"{net.lr}. Lower lr (1e-3 is a safe start), and check that "
                "scaling is on."
            )


class WarmupCosine:
    """Share of the learning rate at each step: a linear rise, then half a cosine to zero."""

    WARMUP = 0.15

    def __init__(self, n_steps: int):
        self.n_steps = n_steps

    def __call__(self, step: int) -> float:
        n_warmup = max(1, round(self.WARMUP * self.n_steps))
        if step < n_warmup:
            return (step + 1) / n_warmup
        progress = (step - n_warmup) / max(1, self.n_steps - n_warmup)
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def history_of(net: NeuralNet, stage: str) -> list[dict[str, Any]]:
    """List the scores of each epoch, without those of single batches."""
    numbers = (int, float, bool)
    return [
        {"stage": stage}
        | {
            key: float(v) if isinstance(v, float) else v
            for key, v in epoch.items()
            if isinstance(v, numbers)
        }
        for epoch in net.history
    ]


def _criterion():
    # skorch calls its criterion once, to build it; a plain function does as the result.
    return sample_mean


def train(
    module: nn.Module,
    dataset: Dataset,
    collate: Callable,
    settings: TrainingSettings,
    *,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    monitor: str = "valid_r2",
) -> NeuralNet:
    """Train a module that returns ``{"loss": (B,)}`` on what `collate` makes of the dataset.

    Parameters
    ----------
    module : Module
        Trained in place.
    dataset : Dataset
    collate : callable
        Turns a list of items into (keyword arguments of the module, target).
    settings : TrainingSettings
    evaluate : callable, default=None
        Scores the module on held-out scans; its values go into the history.
    monitor : str
        The score that early stopping watches; higher is better.

    Returns
    -------
    net : NeuralNet
        With `history`; it holds no training data.
    """
    extra = dict(settings.net_params)
    n_batches = -(-len(dataset) // settings.batch_size)  # type: ignore[arg-type]
    callbacks: list = [("divergence", Divergence())]
    if evaluate is not None:
        callbacks.append(("validation", Validation(evaluate)))
        if settings.patience is not None:
            stopping = EarlyStopping(
                monitor,
                patience=settings.patience,
                lower_is_better=False,
                load_best=True,
                sink=lambda message: None,
            )
            callbacks.append(("early_stopping", stopping))
    schedule = LRScheduler(
        torch.optim.lr_scheduler.LambdaLR,
        lr_lambda=WarmupCosine(n_batches * settings.max_epochs),
        step_every="batch",
    )
    callbacks.append(("schedule", schedule))
    callbacks.append(("clipping", GradientNormClipping(1.0)))
    if settings.verbose:
        callbacks.append(("progress", ProgressBar(detect_notebook=False)))
    callbacks.extend(extra.pop("callbacks", []))
    arguments = {
        "criterion": _criterion,
        "optimizer": torch.optim.AdamW,
        "optimizer__weight_decay": 0.01,
        "lr": settings.lr,
        "max_epochs": settings.max_epochs,
        "batch_size": settings.batch_size,
        "iterator_train__shuffle": True,
        "iterator_train__collate_fn": collate,
        "train_split": None,
        "device": settings.device,
        "verbose": settings.verbose,
        "callbacks": callbacks,
    }
    net = NeuralNet(module, **(arguments | extra))
    net.fit(dataset)
    net.module_.eval()
    _forget_data(net)
    return net


def _forget_data(net):
    """Drop what would carry the training data, or whole copies of weights, into a pickle."""
    net.iterator_train__collate_fn = None
    for name, callback in net.callbacks_:
        if name == "validation":
            callback.evaluate = None
        if name == "early_stopping":
            callback.best_model_weights_ = None
            callback.sink = None
    net.callbacks = None
    net.optimizer_.state.clear()
