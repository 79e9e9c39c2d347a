"""Predict numbers from scans."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import RegressorMixin, _fit_context
from sklearn.linear_model import Ridge
from sklearn.utils.validation import _check_y

from bsymlearn._validation import remedied
from bsymlearn.estimators._supervised import SupervisedBrainSymphony

_HOW_TO_GIVE_Y = "Give y as one number for each row of X; drop rows whose y is unknown."


def squared_error(outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared error of each sample."""
    return (outputs[:, 0] - target).square()


class BrainSymphonyRegressor(RegressorMixin, SupervisedBrainSymphony):
    """Predict a number, such as age, from scans with BrainSymphony.

    Parameters
    ----------
    modality : {"auto", "functional", "structural", "multimodal"}, default="auto"
        What to read from X; "auto" takes all that is there.
    pretrained : path-like or BrainSymphony, default=None
        Checkpoint directory (see `save_checkpoint`) or module to start from. It fixes the sizes
        and the scaling: another value than the default that differs is an error. Training goes
        on from it.
    finetune : {"probe", "full"}, default="full"
        "probe" solves a linear model on the frozen embedding; "full" goes on from there and
        trains encoder and linear model together for `max_epochs`.
    pretrain_epochs : int, default=0
        Epochs of masked pretraining on X first, without y, at learning rate 1e-3.
    alpha : float, default=0.05
        Strength of the L2 penalty of the linear model, on features of which a row has unit
        length on average, so that it does not depend on their number.
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
        Epochs of fine-tuning.
    batch_size : int, default=16
        Windows (fine-tuning: scans) in a step of training.
    lr : float, default=1e-4
        Highest learning rate, of fine-tuning; it rises linearly, then falls as half a cosine.
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
        What trained last; absent where nothing was trained.
    history_ : list of dict
        An entry per epoch: `stage`, `train_loss`, and `valid_loss` and `valid_r2` (pretraining)
        or `valid_score` (fine-tuning, the negative loss) where scans were held out.
    readout_, head_ : Module
        From latents to features, and from features to the standardised target.
    target_mean_, target_scale_ : float
        Of y, in its units.
    n_rois_ : int
    modality_ : str
    n_features_in_ : int
        Time points for 2-D X, ROIs for lists and 3-D X, modality columns for tables.
    feature_names_in_ : ndarray of str
        Of the modality columns, where X is a table.

    See Also
    --------
    BrainSymphonyTransformer : Pretrain on scans without labels, and embed.

    Notes
    -----
    Sample weights count in the readout's mean, the linear model and fine-tuning, not in
    pretraining. With ``finetune="full"``, the scans that validate it are held out from the
    linear model, too.

    References
    ----------
    BrainSymphony, arXiv 2506.18314.

    Examples
    --------
    >>> from bsymlearn import BrainSymphonyRegressor, make_cohort
    >>> table = make_cohort(8, n_rois=8, n_timepoints=40, n_networks=2, random_state=0)
    >>> regress = BrainSymphonyRegressor(
    ...     finetune="probe", pretrain_epochs=1, dim=8, n_layers=1, n_heads=2, mlp_dim=16,
    ...     time_steps=20, encoder={"structural_layers": 1}, random_state=0,
    ... )
    >>> regress.fit(table, table["age"]).predict(table).shape
    (8,)
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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None
    ) -> "BrainSymphonyRegressor":
        """Learn to predict.

        Parameters
        ----------
        X : DataFrame, list of arrays (n_timepoints_i, n_rois), or ndarray
            Scans; see the user guide for all forms.
        y : array-like of shape (n_subjects,)
            Numbers, in any units: they are standardised inside.
        sample_weight : array-like of shape (n_subjects,), default=None
        groups : array-like of shape (n_subjects,), default=None
            Rows of one group are held out for validation together. By default the participants,
            where X is a table that tells them; else each row is a group.

        Returns
        -------
        self : BrainSymphonyRegressor

        Raises
        ------
        ValueError, TypeError, FileNotFoundError
            If X or y is not what can be learned from; before training starts.
        """
        return self._fit(X, y, sample_weight, groups)

    def _targets(self, y, sample_weight):
        """Standardise y, over what weighs something; returns it and a weight of 1."""
        if y is None:
            raise ValueError(
                "BrainSymphonyRegressor requires y to be passed, but the target y is None. Give a "
                "number for each scan."
            )
        with remedied(_HOW_TO_GIVE_Y):
            kind = pd.api.types.infer_dtype(np.asarray(y), skipna=True)
        if kind in ("string", "datetime64", "timedelta64"):
            raise ValueError(
                f"y holds {'text' if kind == 'string' else 'dates'}, but BrainSymphonyRegressor "
                "predicts numbers. Give numbers, or use BrainSymphonyClassifier for classes."
            )
        with remedied(_HOW_TO_GIVE_Y):
            y = _check_y(y, y_numeric=True, estimator=self).astype(np.float64)
        if len(y) != len(sample_weight):
            raise ValueError(
                f"X has {len(sample_weight)} rows, but y has {len(y)}: inconsistent numbers. Give "
                "one number a scan, in the same order."
            )
        self.target_mean_ = float(np.average(y, weights=sample_weight))
        variance = np.average((y - self.target_mean_) ** 2, weights=sample_weight)
        self.target_scale_ = float(np.sqrt(variance)) or 1.0
        return (y - self.target_mean_) / self.target_scale_, 1.0

    def _solve(self, features, target, weight):
        model = Ridge(alpha=self.alpha).fit(features, target, sample_weight=weight)
        return model.coef_[None], np.atleast_1d(model.intercept_)

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
        return self._decide(X)[:, 0].astype(np.float64) * self.target_scale_ + self.target_mean_
