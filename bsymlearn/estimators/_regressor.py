"""Predict numbers from scans."""

from typing import Any

import numpy as np
import torch
from sklearn.base import RegressorMixin, _fit_context
from sklearn.linear_model import Ridge
from sklearn.utils.validation import _check_y

from bsymlearn.estimators._supervised import Head, SupervisedBrainSymphony


def squared_error(outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared error of each sample."""
    return (outputs[:, 0] - target).square()


class BrainSymphonyRegressor(RegressorMixin, SupervisedBrainSymphony):
    """Predict a number, such as age, from scans with BrainSymphony.

    PARAMETERS
    """

    _target_type = torch.float32
    _sample_loss = staticmethod(squared_error)

    def __init__(
        self,
        modality="auto",
        *,
        pretrained=None,
        finetune="full",
        pretrain_epochs=0,
        alpha=0.05,
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
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "BrainSymphonyRegressor":
        """Learn to predict.

        Parameters
        ----------
        X : DataFrame, list of arrays (n_timepoints_i, n_rois), or ndarray
            Scans; see the user guide for all forms.
        y : array-like of shape (n_subjects,)
            Numbers, in any units: they are standardised inside.
        sample_weight : array-like of shape (n_subjects,), default=None

        Returns
        -------
        self : BrainSymphonyRegressor

        Raises
        ------
        ValueError, TypeError, FileNotFoundError
            If X or y is not what can be learned from; before training starts.
        """
        return self._fit(X, y, sample_weight)

    def _targets(self, y, n_scans):
        """Standardise y; returns it and a weight of 1."""
        if y is None:
            raise ValueError(
                "BrainSymphonyRegressor requires y to be passed, but the target y is None."
            )
        y = _check_y(y, y_numeric=True, estimator=self).astype(np.float64)
        if len(y) != n_scans:
            raise ValueError(f"X has {n_scans} rows, but y has {len(y)}: inconsistent numbers.")
        self._y_mean, self._y_scale = float(y.mean()), float(y.std()) or 1.0
        return (y - self._y_mean) / self._y_scale, 1.0

    def _solve_head(self, features, target, weight):
        mean, scale = self._standardise(features)
        scaled = ((features - mean) / scale).astype(np.float64)
        model = Ridge(alpha=self.alpha).fit(scaled, target, sample_weight=weight)
        return Head(mean, scale, model.coef_[None], np.atleast_1d(model.intercept_))

    def predict(self, X: Any) -> np.ndarray:
        """Predict a number for each scan.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        predicted : ndarray of shape (n_subjects,)
            In the units of y.
        """
        return self._decide(X)[:, 0].astype(np.float64) * self._y_scale + self._y_mean
