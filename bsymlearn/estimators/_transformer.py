"""Unsupervised: pretrain BrainSymphony and embed scans."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context

from bsymlearn.estimators._base import BrainSymphonyEstimator
from bsymlearn.estimators._reconstruction import (
    check_mask,
    reconstruct_scans,
    score_edges,
    score_reconstruction,
)


class BrainSymphonyTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BrainSymphonyEstimator
):
    """Pretrain BrainSymphony on scans without labels, and embed scans.

    PARAMETERS

    Attributes
    ----------
    module_ : BrainSymphony
        The encoder, in evaluation mode.
    net_ : skorch.NeuralNet
        What trained it (absent with ``max_epochs=0``).
    history_ : list of dict
        An entry per epoch: `train_loss`, and `valid_loss` and `valid_r2` (R² of hidden ROIs in
        held-out scans, against the mean of each) where scans were held out.
    n_rois_ : int
    modality_ : str
    n_features_in_ : int
        Time points for 2-D X, ROIs for lists and 3-D X, modality columns for tables.
    feature_names_in_ : ndarray of str
        Of the modality columns, where X is a table.

    See Also
    --------
    BrainSymphonyClassifier, BrainSymphonyRegressor : Fine-tune for prediction.
    nilearn.connectome.ConnectivityMeasure : Functional connectivity, in the same place of a
        Pipeline.

    References
    ----------
    BrainSymphony, arXiv 2506.18314.

    Examples
    --------
    >>> from bsymlearn import BrainSymphonyTransformer, make_cohort
    >>> table = make_cohort(n_subjects=6, n_rois=8, n_timepoints=40, random_state=0)
    >>> embed = BrainSymphonyTransformer(
    ...     dim=8, n_layers=1, n_heads=2, mlp_dim=16, time_steps=20, max_epochs=1,
    ...     encoder={"structural_layers": 1}, random_state=0,
    ... )
    >>> embed.fit_transform(table).shape
    (6, 28)
    """

    def __init__(
        self,
        modality="auto",
        *,
        pretrained=None,
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
        lr=1e-3,
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
    def fit(self, X: Any, y: Any = None) -> "BrainSymphonyTransformer":
        """Pretrain by masked reconstruction, then learn the readout's means.

        Parameters
        ----------
        X : DataFrame, list of arrays (n_timepoints_i, n_rois), or ndarray
            Scans; see the user guide for all forms.
        y : None
            Ignored.

        Returns
        -------
        self : BrainSymphonyTransformer

        Raises
        ------
        ValueError, TypeError, FileNotFoundError
            If X is not what an encoder can learn from; before training starts.
        """
        scans = self._start(X)
        prepared = self._prepare(scans)
        if self.max_epochs:
            self._pretrain(scans, prepared, self.max_epochs, self.lr)
        self._fit_readout(prepared)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Embed scans.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        embedding : ndarray of shape (n_subjects, n_outputs), float32
            ``n_outputs`` is dim for readout "mean", n_rois * dim for "flatten",
            n_rois * (n_rois - 1) / 2 for "connectivity".
        """
        return self._embed(self._prepare(self._check_fitted_X(X)))

    def embed_rois(self, X: Any) -> np.ndarray:
        """Embed each ROI of each scan, averaged over windows.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        latents : ndarray of shape (n_subjects, n_rois, dim), float32
        """
        prepared = self._prepare(self._check_fitted_X(X))
        return np.stack([latents.mean(dim=0).numpy() for latents in self._encode(prepared)])

    def reconstruct(self, X: Any, mask: Any) -> Any:
        """Predict scans with entries hidden from every stream.

        Parameters
        ----------
        X : as in `fit`
        mask : ndarray of bool, (n_rois,) or (n_subjects, n_rois), or list of (n_timepoints_i, n_rois)
            True where hidden.

        Returns
        -------
        predicted : of X's form
            All entries, hidden or not, in scaled units. A table comes back with a column
            `timeseries`.

        Raises
        ------
        ValueError
            If the mask does not fit, or the encoder has no functional branch.
        """
        scans = self._check_fitted_X(X)
        if self.modality_ == "structural":
            raise ValueError(
                "reconstruct predicts time series, but this encoder was fitted with "
                "modality='structural'. Fit it on time series."
            )
        predicted = reconstruct_scans(self, self._prepare(scans), check_mask(mask, scans))
        if scans.form == "table":
            return pd.DataFrame({"timeseries": pd.Series(predicted, X.index, dtype=object)})
        if scans.form == "list":
            return predicted
        stacked = np.stack(predicted)
        return stacked[:, :, 0] if scans.form == "univariate" else stacked

    def score(self, X: Any, y: Any = None) -> float:
        """R² of masked reconstruction, pooled over hidden entries.

        A share `mask_ratio` of each scan's ROIs is hidden for its whole length (masks fixed by
        `random_state`), and R² is taken against each target's mean over time. With
        ``modality="structural"``, a fifth of the edges is hidden, and R² is taken against their
        mean in each connectome.

        Parameters
        ----------
        X : as in `fit`
        y : None
            Ignored.

        Returns
        -------
        r2 : float
        """
        prepared = self._prepare(self._check_fitted_X(X))
        if self.modality_ == "structural":
            return score_edges(self, prepared, self.seed_)
        return score_reconstruction(self, prepared, self.mask_ratio, self.seed_)
