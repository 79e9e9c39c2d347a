"""Unsupervised: pretrain BrainSymphony and embed scans."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context

from bsymlearn.estimators._base import BrainSymphonyEstimator
from bsymlearn.estimators._reconstruction import (
    check_mask,
    reconstruct_like,
    score_edges,
    score_reconstruction,
)


class BrainSymphonyTransformer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BrainSymphonyEstimator
):
    """Pretrain BrainSymphony on scans without labels, and embed scans.

    Parameters
    ----------
    modality : {"auto", "functional", "structural", "multimodal"}, default="auto"
        What to read from X; "auto" takes all that is there.
    pretrained : path-like or BrainSymphony, default=None
        Checkpoint directory (see `save_checkpoint`) or module to start from. It fixes the sizes
        and the scaling: another value than the default that differs is an error. Training goes
        on from it, unless ``max_epochs=0``.
    readout : {"connectivity", "flatten", "mean", "moments"}, default="connectivity"
        From the ROI latents of all windows to one vector: similarity between ROIs (second
        order, in the order of nilearn's ``sym_matrix_to_vec(discard_diagonal=True)``), all
        latents, their mean over ROIs; or "moments", what each modality is best told by: the
        similarity of functional latents, all structural latents, both of a multimodal encoder
        (those of the branches; the other readouts take what the gate has fused).
    spectral_power : float in (0, 1], default=1.0
        Power of the eigenvalues of the similarity; below 1, what all subjects share weighs
        less.
    scaling : {"robust", None}, default="robust"
        Scaling of time series, per scan and ROI: (x - median) / interquartile range. 2-D X is
        never scaled.
    connectome_scaling : {"log10", None}, default="log10"
        Scaling of connectomes: log10(1 + w) with a zero diagonal; signed ones stay as they are.
    nan_policy : {"raise", "omit"}, default="raise"
        What NaN in X is: an error, or left out by an exact mask, as if it had not been measured.
        Constant ROIs and volumes that a column `sample_mask` censors are masked in any case.
    t_r : float, default=None
        Repetition time in seconds of the scans of X, in `fit` and later, where neither a column
        `t_r` nor sidecars of paths tell it. Scans are resampled to that of the encoder: of
        `pretrained`, or the most common one of the scans of `fit`. None: time points are taken
        as they are.
    roi_names : array-like of str of shape (n_rois,), default=None
        Names of the ROIs of X, in `fit` and later, in its order, where its arrays carry none.
        Scans are brought into the encoder's order by name.
    dim : int, default=128
        Width of all embeddings. Defaults of the sizes are those of the paper.
    n_layers, n_heads, mlp_dim : int, default=6, 4, 512
        Depth, attention heads and hidden width of the spatial and the temporal transformer.
    time_steps : int, default=200
        Length of a window in time points. Longer scans are cut into half-overlapping windows
        that are averaged; shorter ones are padded and masked.
    mask_ratio : float in (0, 1), default=0.5
        Share of the ROIs of each scan that pretraining hides.
    recipe : {"joint", "staged"}, default="joint"
        Pretrain all parts at once, or as the paper does: streams and structural branch first,
        then Perceiver and gate on top of them (`max_epochs` each).
    max_epochs : int, default=20
        Epochs of masked pretraining; 0 only loads `pretrained` (or draws random weights).
    batch_size : int, default=16
        Windows (fine-tuning: scans) in a step of training.
    lr : float, default=1e-3
        Highest learning rate, of pretraining; it rises linearly, then falls as half a cosine.
    validation_fraction : float in [0, 1), default=0.1
        Share of the participants that is held out from training to score it in `history_`.
    patience : int, default=None
        Epochs without a better validation score before training stops and the best weights
        come back. None trains to the end.
    gradients : array-like of shape (n_rois, n_gradients), default=None
        Brain gradients as positions of the ROIs, in place of learnable ones; NaN counts as 0.
    encoder : dict, default=None
        Further fields of `EncoderConfig`, for example ``{"structural_layers": 2}``.
    net_params : dict, default=None
        Further arguments of ``skorch.NeuralNet``; callbacks are added to ours.
    device : str, default="auto"
        A torch device; "auto" takes CUDA where there is one.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, masks, windows and splits. Global generators stay untouched.
    verbose : int, default=0
        Above 0, show a progress bar and the scores of each epoch.

    Attributes
    ----------
    module_ : BrainSymphony
        The encoder, in evaluation mode.
    net_ : skorch.NeuralNet
        What trained it (absent with ``max_epochs=0``).
    history_ : list of dict
        An entry per epoch of each stage: `stage`, `epoch`, `train_loss`, `dur` (seconds), and
        `valid_loss` and `valid_r2` where scans were held out: R² of their hidden ROIs (of hidden
        edges where there are no series), against the mean of each; in stage "streams" by the
        spatial stream's own decoder, later by the encoder.
    n_rois_ : int
    modality_ : str
    n_features_in_ : int
        Time points for 2-D X, ROIs for lists and 3-D X, modality columns for tables.
    feature_names_in_ : ndarray of str
        Of the modality columns, where X is a table.
    readout_ : Module
        From latents to the embedding, with the mean latent of each ROI that `fit` learned.

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
    >>> table = make_cohort(6, n_rois=8, n_timepoints=40, n_networks=2, random_state=0)
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
        nan_policy="raise",
        t_r=None,
        roi_names=None,
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
        self.nan_policy = nan_policy
        self.t_r = t_r
        self.roi_names = roi_names
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, *, groups: Any = None) -> "BrainSymphonyTransformer":
        """Pretrain by masked reconstruction, then learn the readout's means.

        Parameters
        ----------
        X : DataFrame, list of arrays (n_timepoints_i, n_rois), or ndarray
            Scans; see the user guide for all forms.
        y : None
            Ignored.
        groups : array-like of shape (n_subjects,), default=None
            Rows of one group are held out for validation together. By default the participants,
            where X is a table that tells them; else each row is a group.

        Returns
        -------
        self : BrainSymphonyTransformer

        Raises
        ------
        ValueError, TypeError, FileNotFoundError
            If X is not what an encoder can learn from; before training starts.
        """
        with self._fitting():
            scans = self._start(X, groups)
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
            n_rois * (n_rois - 1) / 2 for "connectivity", the sum of the last two for
            multimodal "moments".
        """
        return self._embed(self._prepare(self._check_new_X(X)))

    def embed_rois(self, X: Any) -> np.ndarray:
        """Embed each ROI of each scan, averaged over windows.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        latents : ndarray of shape (n_subjects, n_rois, dim), float32
            In the encoder's order of ROIs, which is that of ``module_.contract["roi_names"]``
            where there are names.
        """
        prepared = self._prepare(self._check_new_X(X))
        latents = self._inference().latents(prepared)
        return np.stack([windows.mean(dim=0).numpy() for windows in latents])

    def reconstruct(self, X: Any, mask: Any) -> Any:
        """Predict scans with entries hidden from every stream.

        Parameters
        ----------
        X : as in `fit`
        mask : bool array of shape (n_rois,) or (n_subjects, n_rois), or a list of arrays
            True where hidden, from every stream. Arrays in a list are
            (n_timepoints_i, n_rois).

        Returns
        -------
        predicted : of X's form
            All entries, hidden or not, in scaled units, at the time points and in the order of
            ROIs of X. A table comes back with a column `timeseries`. Where single entries of a
            ROI are hidden, they count in its scale no more than in what the encoder sees.

        Raises
        ------
        ValueError
            If the mask does not fit, or the encoder has no functional branch.
        """
        scans = self._check_new_X(X)
        if self.modality_ == "structural":
            raise ValueError(
                "reconstruct predicts time series, but this encoder was fitted with "
                "modality='structural'. Fit it on time series."
            )
        predicted = reconstruct_like(
            self._inference(), self._prepare, check_mask(mask, scans), scans
        )
        if scans.form == "table":
            return pd.DataFrame({"timeseries": pd.Series(predicted, X.index, dtype=object)})
        if scans.form == "list":
            return predicted
        stacked = np.stack([scan for scan in predicted if scan is not None])
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
            1 is perfect, 0 is the mean, NaN where nothing that is hidden varies.

        Raises
        ------
        ValueError
            If no row has what is scored.
        """
        prepared = self._prepare(self._check_new_X(X))
        if self.modality_ == "structural":
            return score_edges(self._inference(), prepared, self.seed_)
        return score_reconstruction(self._inference(), prepared, self.mask_ratio, self.seed_)
