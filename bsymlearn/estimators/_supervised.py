"""What classifier and regressor share: the probe, fine-tuning, prediction."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

from bsymlearn._validation import is_table, remedied
from bsymlearn.estimators._base import BrainSymphonyEstimator
from bsymlearn.estimators._finetuning import (
    FineTuning,
    Head,
    LabelledScans,
    make_evaluation,
    standardise,
)
from bsymlearn.training import PreparedScan, history_of, train

FINETUNE = ("probe", "full")
_PRETRAINING_LR = 1e-3
_SPLIT_ATTEMPTS = 20


class SupervisedBrainSymphony(BrainSymphonyEstimator):
    """Base of classifier and regressor; they add what concerns the target."""

    _parameter_constraints: dict = BrainSymphonyEstimator._parameter_constraints | {
        "finetune": [StrOptions(set(FINETUNE))],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
    }
    _target_type: torch.dtype
    _sample_loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def _targets(self, y: Any, sample_weight: np.ndarray) -> tuple[np.ndarray, Any]:
        """Read y; gives numbers for the loss, and weights that y implies."""
        raise NotImplementedError

    def _solve(
        self, features: np.ndarray, target: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Solve the linear model; gives coef (n_outputs, n_features), intercept (n_outputs,)."""
        raise NotImplementedError

    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any):
        """Learn; a fit that fails leaves the estimator as it was."""
        self._check_recipe()
        for name, values in (("y", y), ("sample_weight", sample_weight), ("groups", groups)):
            _check_order(X, values, name)
        with self._fitting():
            self._learn(X, y, sample_weight, groups)
        return self

    def _learn(self, X, y, sample_weight, groups):
        """Check all, encode, solve the head, then fine-tune."""
        scans = self._start(X, groups)
        sample_weight = _check_weight(sample_weight, len(scans))
        target, implied_weight = self._targets(y, sample_weight)
        weight = sample_weight * implied_weight
        self._check_classes(target, weight)
        prepared = self._prepare(scans)
        if self.pretrain_epochs:
            self._pretrain(scans, prepared, self.pretrain_epochs, _PRETRAINING_LR)
        finetunes = self.finetune == "full" and self.max_epochs > 0
        rows, held_out = list(range(len(scans))), []
        if finetunes:
            rows, held_out = self._split_labelled(scans.groups, target, weight)
        rows = [i for i in rows if weight[i] > 0]
        known = [prepared[i] for i in rows]
        self._fit_readout(known, sample_weight[rows])
        features = self._embed(known)
        mean, scale = standardise(features, sample_weight[rows])
        solution = self._solve((features - mean) / scale, target[rows], weight[rows])
        self.head_ = Head(mean, scale, *solution)
        if finetunes:
            self._finetune(prepared, target, weight, rows, held_out)

    def _check_recipe(self):
        trains = self.finetune == "full" and self.max_epochs > 0
        if not trains and self.pretrained is None and not self.pretrain_epochs:
            state = "max_epochs=0" if self.finetune == "full" else "finetune='probe'"
            raise ValueError(
                f"{type(self).__name__}({state}) reads out an encoder that was never trained, but "
                "a probe needs a trained one. Give pretrained=, or pretrain_epochs=20, or "
                "finetune='full' with max_epochs above 0."
            )

    def _check_classes(self, target, weight):
        if self._target_type == torch.long:
            without = sorted(set(target.tolist()) - set(target[weight > 0].tolist()))
            if without:
                raise ValueError(
                    f"All scans of class {self.classes_[without[0]]!r} weigh 0, but every class "
                    "needs a scan. Drop these scans from X and y, or give them weight."
                )

    def _split_labelled(self, groups, target, weight):
        """Hold out participants such that every class remains in the training rows."""
        for attempt in range(_SPLIT_ATTEMPTS):
            rows, held_out = self._split(groups, (self.seed_ + attempt) % 2**31)
            kept = [i for i in rows if weight[i] > 0]
            classes = self._target_type == torch.long
            complete = not classes or set(target[kept]) == set(target[weight > 0])
            if kept and complete and (not held_out or weight[held_out].any()):
                return rows, held_out
        return list(range(len(groups))), []

    def _finetune(self, prepared: list[PreparedScan], target, weight, rows, held_out):
        """Train encoder and head together, from the probe's solution."""
        target = torch.as_tensor(target, dtype=self._target_type)
        weight = torch.as_tensor(weight / weight[rows].mean(), dtype=torch.float32)

        def labelled(chosen):
            picked = torch.as_tensor(chosen, dtype=torch.long)
            return LabelledScans(
                [prepared[i] for i in chosen],
                target[picked],
                weight[picked],
                self.module_.config.time_steps,
                self.n_rois_,
                self.modality_,
            )

        module = FineTuning(
            self.module_,
            self.readout_,
            self.head_,
            self.modality_,
            self._sample_loss,
            self.gradients_,
        )
        settings = self._settings(self.max_epochs, self.lr)
        evaluate = make_evaluation(labelled(held_out), settings) if held_out else None
        dataset = labelled(rows)
        with self._seeded():
            self.net_ = train(
                module, dataset, dataset.collate, settings, evaluate=evaluate, monitor="valid_score"
            )
        for part in (self.readout_, self.head_):
            part.to("cpu")
        self.history_ += history_of(self.net_, "finetune")

    def _decide(self, X: Any) -> np.ndarray:
        """Give the outputs of the head for new scans, (n_subjects, n_outputs)."""
        features = torch.from_numpy(self._embed(self._prepare(self._check_new_X(X))))
        with torch.inference_mode():
            # Row by row: float32 sums depend on the shape of a batch in their last digits.
            return np.concatenate([self.head_(row[None]).numpy() for row in features])


def _check_weight(sample_weight, n_scans):
    """Give a weight a scan, of which at least one is positive."""
    with remedied("Give sample_weight as one finite number for each row of X, or None."):
        weight = _check_sample_weight(
            sample_weight, np.empty((n_scans, 1)), dtype=np.float64, ensure_non_negative=True
        )
    if not weight.any():
        raise ValueError(
            "sample_weight is 0 for all scans, but at least one must weigh something. Give "
            "positive weights, or None."
        )
    return weight


def _check_order(X, values, name):
    """Refuse a Series of the same rows as X in another order: it would be used by position."""
    if not (is_table(X) and isinstance(values, pd.Series)) or X.index.equals(values.index):
        return
    if len(X) == len(values) and X.index.is_unique and values.index.isin(X.index).all():
        raise ValueError(
            f"{name} has the rows of X in another order, but rows are matched by position. Give "
            f"{name}.loc[X.index]."
        )
