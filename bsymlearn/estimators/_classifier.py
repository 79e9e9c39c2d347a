"""Predict classes from scans."""

from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.linear_model import LogisticRegression
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from bsymlearn.estimators._supervised import Head, SupervisedBrainSymphony


def cross_entropy(outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each sample; two classes share one output."""
    if outputs.shape[1] == 1:
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        return loss(outputs[:, 0], target.to(outputs.dtype), reduction="none")
    return torch.nn.functional.cross_entropy(outputs, target, reduction="none")


class BrainSymphonyClassifier(ClassifierMixin, SupervisedBrainSymphony):
    """Classify scans with BrainSymphony.

    PARAMETERS
    """

    _parameter_constraints: dict = SupervisedBrainSymphony._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _target_type = torch.long
    _sample_loss = staticmethod(cross_entropy)

    def __init__(
        self,
        modality="auto",
        *,
        pretrained=None,
        finetune="full",
        pretrain_epochs=0,
        alpha=0.05,
        class_weight=None,
        readout="connectivity",
        spectral_power=1.0,
        scaling="robust",
        connectome_scaling="log10",
        dim=128,
        n_layers=6,
        n_heads=4,
        mlp_dim=512,
        time_steps=200,
        mask_ratio=0.5,
        recipe="joint",
        max_epochs=20,
        batch_size=16,
        lr=1e-4,
        validation_fraction=0.1,
        patience=None,
        gradients=None,
        encoder=None,
        net_params=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.modality = modality
        self.pretrained = pretrained
        self.finetune = finetune
        self.pretrain_epochs = pretrain_epochs
        self.alpha = alpha
        self.class_weight = class_weight
        self.readout = readout
        self.spectral_power = spectral_power
        self.scaling = scaling
        self.connectome_scaling = connectome_scaling
        self.dim = dim
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.mlp_dim = mlp_dim
        self.time_steps = time_steps
        self.mask_ratio = mask_ratio
        self.recipe = recipe
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.gradients = gradients
        self.encoder = encoder
        self.net_params = net_params
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BrainSymphonyClassifier":
        """Learn to classify.

        Parameters
        ----------
        X : DataFrame, list of arrays (n_timepoints_i, n_rois), or ndarray
            Scans; see the user guide for all forms.
        y : array-like of shape (n_subjects,)
            Classes.
        sample_weight : array-like of shape (n_subjects,), default=None

        Returns
        -------
        self : BrainSymphonyClassifier

        Raises
        ------
        ValueError, TypeError, FileNotFoundError
            If X or y is not what can be learned from; before training starts.
        """
        return self._fit(X, y, sample_weight)

    def _targets(self, y, n_scans):
        """Encode the classes; returns codes and the weights of the classes, per row."""
        if y is None:
            raise ValueError(
                "BrainSymphonyClassifier requires y to be passed, but the target y is None."
            )
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if len(y) != n_scans:
            raise ValueError(f"X has {n_scans} rows, but y has {len(y)}: inconsistent numbers.")
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: y holds only "
                f"{self.classes_[0]!r}. Give scans of at least two classes (a fold may lack one: "
                "use StratifiedKFold)."
            )
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        return codes, weights[codes]

    def _solve_head(self, features, target, weight):
        mean, scale = self._standardise(features)
        scaled = ((features - mean) / scale).astype(np.float64)
        model = LogisticRegression(C=1 / self.alpha, max_iter=1000, tol=1e-6)
        model.fit(scaled, target, sample_weight=weight)
        return Head(mean, scale, model.coef_, model.intercept_)

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds of the classes.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        scores : ndarray of shape (n_subjects,) for two classes, else (n_subjects, n_classes)
        """
        scores = self._decide(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        probabilities : ndarray of shape (n_subjects, n_classes)
            In the order of `classes_`.
        """
        scores = self._decide(X).astype(np.float64)
        if scores.shape[1] == 1:
            scores = np.hstack([np.zeros_like(scores), scores])
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the class of each scan.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        classes : ndarray of shape (n_subjects,)
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]
