"""Fine-tuning: encoder, readout and head trained together on labelled scans."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from bsymlearn.encoders import BrainSymphony
from bsymlearn.estimators._inference import lacking, latents_for
from bsymlearn.estimators._readouts import Readout
from bsymlearn.preprocessing import window_starts
from bsymlearn.training import (
    PreparedScan,
    TrainingSettings,
    collate,
    n_timepoints,
    usable_starts,
)

_MAX_WINDOWS = 4


def standardise(features: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the mean and the scale that make rows of features unit length on average.

    The length makes the strength of a penalty independent of the number of features.

    Parameters
    ----------
    features : ndarray of shape (n_scans, n_features)
    weight : ndarray of shape (n_scans,)

    Returns
    -------
    mean, scale : ndarray of shape (n_features,)
        The scale of a constant is infinite: it carries nothing.
    """
    mean = np.average(features, axis=0, weights=weight)
    spread = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight))
    spread[spread < 1e-7 * np.abs(mean) + 1e-12] = np.inf
    return mean, spread * np.sqrt(features.shape[1])


class Head(nn.Module):
    """A linear model on standardised features.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_features,)
    coef : ndarray of shape (n_outputs, n_features)
    intercept : ndarray of shape (n_outputs,)
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self, mean: np.ndarray, scale: np.ndarray, coef: np.ndarray, intercept: np.ndarray
    ):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        # The initial weights are thrown away: drawing them must not move the global generator.
        self.linear = nn.utils.skip_init(nn.Linear, coef.shape[1], coef.shape[0])
        with torch.no_grad():
            self.linear.weight.copy_(torch.as_tensor(coef))
            self.linear.bias.copy_(torch.as_tensor(intercept))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (n, n_features) to (n, n_outputs)."""
        return self.linear((features - self.mean) / self.scale)


class FineTuning(nn.Module):
    """Encoder, readout and head in one, with the loss of each sample."""

    def __init__(
        self,
        encoder: BrainSymphony,
        readout: Readout,
        head: Head,
        modality: str,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        gradients: torch.Tensor | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.readout = readout
        self.head = head
        self.modality = modality
        self.loss = loss
        self.register_buffer("gradients", gradients)

    def forward(self, target, weight, **batch) -> dict[str, torch.Tensor]:
        """Score scans; `target` and `weight` are (n,), what is in `batch` (n, n_windows, ...)."""
        n_scans, n_windows = next(iter(batch.values())).shape[:2]
        batch = {name: tensor.flatten(0, 1) for name, tensor in batch.items()}  # (n*W, ...)
        output = self.encoder(**batch, gradients=self.gradients)
        latents = latents_for(output, self.modality, self.readout.kind)  # (n*W, R, D)
        owners = torch.arange(n_scans, device=latents.device).repeat_interleave(n_windows)
        lacks = None
        if self.modality == "multimodal":
            lacks = lacking(batch["has_timeseries"], batch["has_connectome"])
        features = self.readout(latents, owners, n_scans, lacks)  # (n, n_features)
        return {"loss": weight * self.loss(self.head(features), target)}


class LabelledScans(Dataset):
    """Scans with targets and weights; the same number of windows stands for each."""

    def __init__(
        self,
        scans: list[PreparedScan],
        target: torch.Tensor,
        weight: torch.Tensor,
        time_steps: int,
        n_rois: int,
        modality: str,
    ):
        self.scans = scans
        self.target = target
        self.weight = weight
        self.time_steps = time_steps
        self.n_rois = n_rois
        self.modality = modality
        self.starts = [usable_starts(scan, time_steps) for scan in scans]
        longest = max(n_timepoints(scan) for scan in scans)
        self.n_windows = min(len(window_starts(longest, time_steps)), _MAX_WINDOWS)

    def __len__(self):
        return len(self.scans)

    def __getitem__(self, item):
        return item

    def collate(self, items, spread=False):
        """Batch for a skorch net: random windows of each scan, or evenly spread ones."""
        chosen = [self.scans[item] for item in items for _ in range(self.n_windows)]
        starts = [int(start) for item in items for start in self._draw(self.starts[item], spread)]
        batch = collate(chosen, starts, self.time_steps, self.n_rois, self.modality)
        batch = {
            name: tensor.unflatten(0, (len(items), self.n_windows))
            for name, tensor in batch.items()
        }
        batch["target"] = self.target[list(items)]
        batch["weight"] = self.weight[list(items)]
        return batch, torch.zeros(len(items))

    def _draw(self, starts, spread):
        if spread:
            return starts[np.linspace(0, len(starts) - 1, self.n_windows).astype(int)]
        return starts[torch.randint(len(starts), (self.n_windows,)).numpy()]


def make_evaluation(
    dataset: LabelledScans, settings: TrainingSettings
) -> Callable[[nn.Module], dict[str, float]]:
    """Prepare to score held-out labelled scans on evenly spread windows."""
    size = settings.batch_size
    batches = [
        dataset.collate(range(first, min(first + size, len(dataset))), spread=True)[0]
        for first in range(0, len(dataset), size)
    ]

    def evaluate(module: nn.Module) -> dict[str, float]:
        losses = []
        for batch in batches:
            moved = {name: tensor.to(settings.device) for name, tensor in batch.items()}
            losses.append(module(**moved)["loss"].cpu())
        loss = float(torch.cat(losses).mean())
        return {"valid_loss": loss, "valid_score": -loss}

    return evaluate
