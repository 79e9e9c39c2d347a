"""From X in any accepted form to checked scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bsymlearn._validation._arrays import (
    check_connectome,
    check_finite,
    check_series,
    check_usable,
)
from bsymlearn._validation._axes import check_axis_order, check_is_no_connectome
from bsymlearn._validation._cells import Cells, collect
from bsymlearn._validation._cohort import (
    check_n_rois,
    complete_names,
    find_reference,
    match_names,
    warn_of_moved,
)
from bsymlearn._validation._forms import COLUMNS
from bsymlearn._validation._timing import check_repetition_times, kept_volumes, mask_volumes


@dataclass
class Scans:
    """A cohort after the gate: what every other file works on.

    Attributes
    ----------
    timeseries : list of (ndarray of shape (n_volumes_i, n_rois) or None)
        NaN where missing or censored.
    connectomes : list of (ndarray of shape (n_rois, n_rois) or None)
        NaN where missing.
    labels : list of str
        Names of the rows, for messages.
    groups : list of hashable
        Participant of each row; rows of one participant belong together in any split.
    form : {"table", "list", "array", "univariate"}
    modality : {"functional", "structural", "multimodal"}
    n_rois : int
    roi_names : list of str or None
    order : list of (ndarray of int or None)
        Which column of X's series each ROI comes from, where names have moved any.
    rows : list of (ndarray of int or None)
        Where the time points of X are among the volumes of `timeseries`, if that has more:
        censored volumes that X lacked.
    t_r : list of (float or None)
        Repetition times in seconds.
    encoder_t_r : float or None
        The one that they are brought to.
    """

    timeseries: list
    connectomes: list
    labels: list[str]
    groups: list
    form: str
    modality: str
    n_rois: int
    roi_names: list[str] | None
    order: list
    rows: list
    t_r: list[float | None]
    encoder_t_r: float | None

    def __len__(self):
        return len(self.labels)


def check_scans(
    X: Any,
    *,
    modality: str = "auto",
    nan_policy: str = "raise",
    t_r: float | None = None,
    roi_names: Sequence[str] | None = None,
    n_rois: int | None = None,
    encoder_names: list[str] | None = None,
    encoder_t_r: float | None = None,
    estimator: str = "BrainSymphony",
    fitted: bool = False,
    minimum: int = 1,
) -> Scans:
    """Read X in any accepted form and check it.

    Parameters
    ----------
    X : DataFrame, list of arrays, ndarray of shape (n, T, R), or ndarray of shape (n, T)
    modality : {"auto", "functional", "structural", "multimodal"}
    nan_policy : {"raise", "omit"}
        What NaN is.
    t_r : float, default=None
        Repetition time in seconds of the scans that tell none.
    roi_names : sequence of str, default=None
        Names of the ROIs of scans that carry none.
    n_rois : int, default=None
        What the encoder was built for, where that is known.
    encoder_names : list of str, default=None
        Names in the order of the encoder; scans that have names are brought into it.
    encoder_t_r : float, default=None
        Repetition time in seconds of the encoder.
    estimator : str
        Name for messages.
    fitted : bool, default=False
        Whether n_rois comes from `fit` rather than from a checkpoint.
    minimum : int, default=1
        The smallest number of rows.

    Returns
    -------
    scans : Scans

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        With state, expectation and remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from bsymlearn._validation import check_scans
    >>> scans = check_scans([np.random.default_rng(0).normal(size=(30, 4))] * 2)
    >>> scans.form, scans.modality, scans.n_rois
    ('list', 'functional', 4)
    """
    cells = collect(X, modality)
    if len(cells.labels) < minimum:
        # The first words are those that scikit-learn uses, and looks for in its checks.
        few = f"Found array with {len(cells.labels)} sample(s) while a minimum of {minimum}"
        raise ValueError(
            f"{few} is required by {estimator}. Each row of X is one scan; give more scans."
        )
    modality = _resolve_modality(modality, cells, fitted)
    if modality == "functional":
        cells.connectomes = [None] * len(cells.labels)
    elif modality == "structural":
        cells.timeseries = [None] * len(cells.labels)
    for label, s, c in zip(cells.labels, cells.timeseries, cells.connectomes, strict=True):
        if s is None and c is None:
            raise ValueError(
                f"{label} has no {_describe(modality)}, but every row needs one. Drop the row, or "
                "give its data."
            )
    labels, univariate = cells.labels, cells.form == "univariate"
    masks = nan_policy == "omit"
    series, rows = [], []
    for given, sample_mask, label in zip(cells.timeseries, cells.sample_masks, labels, strict=True):
        scan, places = check_series(given, label, univariate=univariate), None
        if scan is not None:
            kept = kept_volumes(sample_mask, len(scan), label)
            check_finite(scan, label, "time series", allow_nan=masks, kept=kept)
            scan, places = mask_volumes(scan, kept)
            check_usable(scan, label, univariate=univariate)
        series.append(scan)
        rows.append(places)
    pairs = zip(cells.connectomes, labels, strict=True)
    connectomes = [check_connectome(c, label, allow_nan=masks) for c, label in pairs]
    found = check_n_rois(series, connectomes, labels, n_rois, estimator, fitted)
    own_names = _names_in_use(cells, modality)
    names = complete_names(own_names, series, connectomes, roi_names, found)
    reference = find_reference(names, encoder_names, fitted, estimator)
    order: list = [None] * len(labels)
    if reference is not None and len(reference) != found:
        reference = None  # names of something else than these ROIs
    if reference is not None:
        pretrained = encoder_names is not None and not fitted
        order = match_names(series, connectomes, names, labels, reference, pretrained)
        if roi_names is None:
            warn_of_moved(own_names, connectomes, order, labels)
    if not univariate:
        check_is_no_connectome([s for s in series if s is not None])
        # With the right number of ROIs only a square scan can still be transposed.
        check_axis_order(
            [s for s in series if s is not None and (n_rois is None or len(s) == n_rois)]
        )
    times, encoder_t_r = check_repetition_times(cells.t_r, series, labels, t_r, encoder_t_r, fitted)
    return Scans(
        timeseries=series,
        connectomes=connectomes,
        labels=labels,
        groups=cells.groups,
        form=cells.form,
        modality=modality,
        n_rois=found,
        roi_names=reference,
        order=order,
        rows=rows,
        t_r=times,
        encoder_t_r=encoder_t_r,
    )


def _names_in_use(cells, modality):
    """ROI names of what the modality reads."""
    if modality == "multimodal":
        return cells.names
    functional = modality == "functional"
    return [(s, None) if functional else (None, c) for s, c in cells.names]


def _resolve_modality(modality: str, cells: Cells, fitted: bool) -> str:
    present = {
        "functional": any(s is not None for s in cells.timeseries),
        "structural": any(c is not None for c in cells.connectomes),
    }
    if modality == "auto":
        if all(present.values()):
            return "multimodal"
        return "structural" if present["structural"] else "functional"
    # A fitted encoder of both modalities embeds scans that all lack one.
    needed = [] if fitted and modality == "multimodal" else [modality]
    if modality == "multimodal" and not fitted:
        needed = list(present)
    for column, kind in COLUMNS.items():
        if kind in needed and not present[kind]:
            raise ValueError(
                f"modality={modality!r}, but X has no {column}: the column {column!r} is missing "
                "or empty. Add it, or set modality to what X holds."
            )
    return modality


def _describe(modality: str) -> str:
    column = {"functional": "time series", "structural": "connectome"}
    return column.get(modality, "time series and no connectome")
