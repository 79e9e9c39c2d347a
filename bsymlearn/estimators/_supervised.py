"""What classifier and regressor share: the probe, fine-tuning, prediction."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight
from torch import nn
from torch.utils.data import Dataset

from bsymlearn._validation import Scans
from bsymlearn.estimators._base import LATENTS, BrainSymphonyEstimator, split_participants
from bsymlearn.estimators._readouts import Readout
from bsymlearn.preprocessing import window_starts
from bsymlearn.training import PreparedScan, collate, history_of, train
from bsymlearn.training._batches import n_timepoints

FINETUNE = ("probe", "full")
_PRETRAINING_LR = 1e-3
_MAX_WINDOWS = 4


class Head(nn.Module):
    """A linear model on standardised features.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_features,)
    coef : ndarray of shape (n_outputs, n_features)
    intercept : ndarray of shape (n_outputs,)
    """

    def __init__(self, mean, scale, coef, intercept):
        super().__init__()
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        self.linear = nn.Linear(coef.shape[1], coef.shape[0])
        with torch.no_grad():
            self.linear.weight.copy_(torch.as_tensor(coef))
            self.linear.bias.copy_(torch.as_tensor(intercept))

    def forward(self, features):
        """Map (n, n_features) to (n, n_outputs)."""
        return self.linear((features - self.mean) / self.scale)


class FineTuning(nn.Module):
    """Encoder, readout and head in one, with the loss of each sample."""

    def __init__(self, encoder, readout: Readout, head: Head, latents: str, loss, gradients=None):
        super().__init__()
        self.encoder = encoder
        self.readout = readout
        self.head = head
        self.latents = latents
        self.loss = loss
        self.register_buffer("gradients", gradients)

    def forward(self, target, weight, **batch):
        """Score scans; `target` and `weight` are (n,), what is in `batch` (n, n_windows, ...)."""
        n_scans, n_windows = next(iter(batch.values())).shape[:2]
        batch = {name: tensor.flatten(0, 1) for name, tensor in batch.items()}
        if "connectome" in batch:
            batch["edges"] = torch.zeros_like(batch["connectome"], dtype=torch.bool)
        output = self.encoder(**batch, gradients=self.gradients)
        latents = getattr(output, self.latents)  # (n * n_windows, R, D)
        owners = torch.arange(n_scans, device=latents.device).repeat_interleave(n_windows)
        features = self.readout(latents, owners, n_scans)
        return {"loss": weight * self.loss(self.head(features), target)}


class LabelledScans(Dataset):
    """Scans with targets and weights; the same number of windows stands for each."""

    def __init__(self, scans: list[PreparedScan], target, weight, time_steps, n_rois, modality):
        self.scans = scans
        self.target = target
        self.weight = weight
        self.sizes = (time_steps, n_rois, modality)
        longest = max(n_timepoints(scan) for scan in scans)
        self.n_windows = min(len(window_starts(longest, time_steps)), _MAX_WINDOWS)

    def __len__(self):
        return len(self.scans)

    def __getitem__(self, item):
        return item

    def collate(self, items, spread=False):
        """Batch for a skorch net: random windows of each scan, or evenly spread ones."""
        chosen = [self.scans[item] for item in items for _ in range(self.n_windows)]
        starts = [start for item in items for start in self._starts(self.scans[item], spread)]
        batch = collate(chosen, starts, *self.sizes)
        batch = {
            name: tensor.unflatten(0, (len(items), self.n_windows))
            for name, tensor in batch.items()
        }
        batch["target"] = self.target[list(items)]
        batch["weight"] = self.weight[list(items)]
        return batch, torch.zeros(len(items))

    def _starts(self, scan, spread):
        latest = max(n_timepoints(scan) - self.sizes[0], 0)
        if spread:
            return np.linspace(0, latest, self.n_windows).astype(int).tolist()
        return torch.randint(latest + 1, (self.n_windows,)).tolist()


class SupervisedBrainSymphony(BrainSymphonyEstimator):
    """Base of classifier and regressor."""

    _parameter_constraints: dict = BrainSymphonyEstimator._parameter_constraints | {
        "finetune": [StrOptions(set(FINETUNE))],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
    }

    def _fit(self, X: Any, y: Any, sample_weight: Any, scans: Scans | None = None):
        """Encode, solve the head, then fine-tune; `_targets` of the subclass reads y."""
        self._check_recipe()
        scans = self._start(X)
        target, extra_weight = self._targets(y, len(scans))
        weight = _check_sample_weight(sample_weight, np.empty((len(scans), 1)), dtype=np.float64)
        weight = weight * extra_weight
        prepared = self._prepare(scans)
        if self.pretrain_epochs:
            self._pretrain(scans, prepared, self.pretrain_epochs, _PRETRAINING_LR)
        self._fit_readout(prepared)
        features = self._embed(prepared)
        kept = weight > 0
        self.head_ = self._solve_head(features[kept], target[kept], weight[kept])
        if self.finetune == "full" and self.max_epochs:
            self._finetune(scans, prepared, target, weight)
        return self

    def _check_recipe(self):
        self._validate_params()
        if self.finetune == "probe" and self.pretrained is None and not self.pretrain_epochs:
            raise ValueError(
                f"{type(self).__name__}(finetune='probe') reads out an encoder that was never "
                "trained. Give pretrained=, or pretrain_epochs=20, or finetune='full'."
            )

    def _standardise(self, features):
        """Mean and scale that give features unit variance and rows unit length on average.

        The length makes the strength of the penalty independent of the number of features.
        """
        mean = features.mean(axis=0, dtype=np.float64)
        spread = features.std(axis=0, dtype=np.float64)
        spread[spread < 1e-7 * np.abs(mean) + 1e-12] = np.inf  # a constant carries nothing
        return mean, spread * np.sqrt(features.shape[1])

    def _finetune(self, scans: Scans, prepared, target, weight):
        """Train encoder and head together, from the probe's solution."""
        train_rows, held_out = split_participants(
            scans.groups, self.validation_fraction, self.seed_
        )
        sizes = (self.module_.config.time_steps, self.n_rois_, self.modality_)
        target = torch.as_tensor(target, dtype=self._target_type)
        weight = torch.as_tensor(weight / weight.mean(), dtype=torch.float32)

        def subset(rows):
            chosen = torch.as_tensor(rows, dtype=torch.long)
            return LabelledScans(
                [prepared[i] for i in rows], target[chosen], weight[chosen], *sizes
            )

        dataset = subset(train_rows)
        module = FineTuning(
            self.module_,
            self.readout_,
            self.head_,
            LATENTS[self.modality_],
            self._sample_loss,
            self._gradients(),
        )
        settings = self._settings(self.max_epochs, self.lr)
        evaluate = None
        if held_out:
            evaluate = _make_evaluation(subset(held_out), settings)
        with self._seeded():
            self.net_ = train(
                module, dataset, dataset.collate, settings, evaluate=evaluate, monitor="valid_score"
            )
        for part in (self.readout_, self.head_):
            part.to("cpu")
        self.history_ += history_of(self.net_, "finetune")

    def _decide(self, X: Any) -> np.ndarray:
        """Outputs of the head for new scans, (n_subjects, n_outputs)."""
        prepared = self._prepare(self._check_fitted_X(X))
        features = torch.from_numpy(self._embed(prepared))
        with torch.inference_mode():
            return np.concatenate([self.head_(row[None]).numpy() for row in features])


def _make_evaluation(dataset: LabelledScans, settings):
    batches = [
        dataset.collate(range(first, min(first + settings.batch_size, len(dataset))), spread=True)[0]
        for first in range(0, len(dataset), settings.batch_size)
    ]

    def evaluate(module):
        losses = []
        for batch in batches:
            moved = {name: tensor.to(settings.device) for name, tensor in batch.items()}
            losses.append(module(**moved)["loss"].cpu())
        loss = float(torch.cat(losses).mean())
        return {"valid_loss": loss, "valid_score": -loss}

    return evaluate
