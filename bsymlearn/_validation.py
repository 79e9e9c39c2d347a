"""The one gate for X: every accepted form becomes `Scans`, everything else an error."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from bsymlearn.io import read_connectome, read_timeseries

MODALITIES = ("functional", "structural", "multimodal")
COLUMNS = {"timeseries": "functional", "connectome": "structural"}
_TRANSPOSE = "Samples are (n_timepoints, n_rois); transpose them if yours are (n_rois, n_timepoints)."
_UNITS_FACTOR = 50  # log-scaling counts changes their largest value by more than 1000


@dataclass
class Scans:
    """A cohort after the gate: what every other file works on.

    Attributes
    ----------
    timeseries : list of (ndarray of shape (n_timepoints_i, n_rois) or None)
    connectomes : list of (ndarray of shape (n_rois, n_rois) or None)
    labels : list of str
        Names of the rows, for messages.
    groups : list of hashable
        Participant of each row; rows of one participant belong together in any split.
    form : {"table", "list", "array", "univariate"}
    modality : {"functional", "structural", "multimodal"}
    n_rois : int
    roi_names : list of str or None
    """

    timeseries: list
    connectomes: list
    labels: list[str]
    groups: list
    form: str
    modality: str
    n_rois: int
    roi_names: list[str] | None = None

    def __len__(self):
        return len(self.labels)


def is_table(X: Any) -> bool:
    """Tell whether X is a DataFrame with a column of series or connectomes."""
    return isinstance(X, pd.DataFrame) and any(name in X.columns for name in COLUMNS)


def is_univariate(X: Any) -> bool:
    """Tell whether X is for scikit-learn's own checks: 2-D numbers, or no collection of scans."""
    if isinstance(X, pd.DataFrame):
        return not is_table(X)
    if isinstance(X, np.ndarray) and X.dtype != object:
        return X.ndim != 3
    if isinstance(X, pd.Series):
        return not _holds_scans(X)
    return not (isinstance(X, list | tuple | np.ndarray) and _holds_scans(X))


def _holds_scans(X):
    return len(X) > 0 and all(getattr(scan, "ndim", None) == 2 for scan in X)


def check_table_is_numeric(X: pd.DataFrame) -> None:
    """Refuse a DataFrame that is neither a table of scans nor 2-D numbers."""
    other = [str(name) for name in X.columns if not pd.api.types.is_numeric_dtype(X[name])]
    if other and not is_table(X):
        raise ValueError(
            f"X is a DataFrame without a column 'timeseries' or 'connectome', and its columns "
            f"{other[:5]} are not numeric. Name the column that holds the arrays, or the paths to "
            "them, 'timeseries' or 'connectome'."
        )


def check_scans(
    X: Any,
    *,
    modality: str = "auto",
    n_rois: int | None = None,
    roi_names: list[str] | None = None,
    estimator: str = "BrainSymphony",
    fitted: bool = False,
    minimum: int = 1,
) -> Scans:
    """Read X in any accepted form and check it.

    Parameters
    ----------
    X : DataFrame, list of arrays, ndarray of shape (n, T, R), or ndarray of shape (n, T)
    modality : {"auto", "functional", "structural", "multimodal"}
    n_rois : int, default=None
        What the encoder was built for, where that is known.
    roi_names : list of str, default=None
        Names in the order of the encoder; scans that carry names are brought into it.
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
    """
    series, connectomes, labels, groups, form, names = _collect(X, modality)
    if len(labels) < minimum:
        few = f"Found array with {len(labels)} sample(s) while a minimum of {minimum} is required"
        raise ValueError(f"{few} by {estimator}. Each row of X is one scan; give more scans.")
    modality = _resolve_modality(modality, series, connectomes)
    if modality == "functional":
        connectomes = [None] * len(labels)
    elif modality == "structural":
        series = [None] * len(labels)
    for label, one, other in zip(labels, series, connectomes, strict=True):
        if one is None and other is None:
            raise ValueError(
                f"{label} has no {_describe(modality)}. Drop the row, or give its data."
            )
    series = [_check_series(s, label) for s, label in zip(series, labels, strict=True)]
    connectomes = [_check_connectome(c, label) for c, label in zip(connectomes, labels, strict=True)]
    given = [s.shape[1] for s in series if s is not None]
    given += [c.shape[0] for c in connectomes if c is not None]
    _check_n_rois(given, series, connectomes, labels, n_rois, estimator, fitted)
    reference = roi_names or next((own for pair in names for own in pair if own is not None), None)
    if reference is not None and len(reference) == given[0]:
        _match_names(series, connectomes, names, labels, reference)
    if form != "univariate" and not fitted:
        _check_axis_order([s for s in series if s is not None])
    return Scans(series, connectomes, labels, groups, form, modality, given[0], reference)


def check_connectome_units(scans: Scans, largest: float, estimator: str) -> None:
    """Refuse connectomes in other units than those learned (counts for log counts, say)."""
    for label, connectome in zip(scans.labels, scans.connectomes, strict=True):
        if connectome is None or not np.any(connectome):
            continue
        top = largest_weight(connectome)
        if not largest / _UNITS_FACTOR <= top <= largest * _UNITS_FACTOR:
            raise ValueError(
                f"The connectome of {label} has weights up to {top:.4g}, but {estimator} learned "
                f"from connectomes with weights up to {largest:.4g}. Give connectomes in the same "
                "units: all raw counts, or all scaled ones (log10(1 + count), say)."
            )


def largest_weight(connectome: np.ndarray) -> float:
    """The largest absolute off-diagonal weight; the diagonal never reaches the model."""
    off_diagonal = ~np.eye(len(connectome), dtype=bool)
    return float(np.abs(connectome[off_diagonal]).max(initial=0.0))


def _collect(X, modality):
    """Read every cell; returns series, connectomes, labels, groups, form, names."""
    if is_table(X):
        table = {name: list(X[name]) if name in X else [None] * len(X) for name in COLUMNS}
        labels = [f"row {i} ({_index_text(key)})" for i, key in enumerate(X.index)]
        # Without named participants every row is a participant of its own.
        named = X.index.nlevels > 1 or not pd.api.types.is_integer_dtype(X.index)
        first = X.index.get_level_values(0)
        groups = list(first) if named else list(range(len(X)))
        series, series_names = _read_column(table["timeseries"], labels, read_timeseries)
        connectomes, connectome_names = _read_column(table["connectome"], labels, read_connectome)
        names = list(zip(series_names, connectome_names, strict=True))
        return series, connectomes, labels, groups, "table", names
    labels = [f"sample {i}" for i in range(len(X))]
    if is_univariate(X):
        if modality in ("structural", "multimodal"):
            raise ValueError(
                f"X is 2-D, a univariate series per row, but modality={modality!r} needs "
                "connectomes: give an array of shape (n_subjects, n_rois, n_rois), or a DataFrame "
                "with a column 'connectome'."
            )
        arrays = list(np.asarray(X)[:, :, None])
        form = "univariate"
    else:
        arrays = list(X)
        form = "array" if isinstance(X, np.ndarray) and X.ndim == 3 else "list"
    if modality == "multimodal":
        raise ValueError(
            "modality='multimodal' needs a DataFrame with the columns 'timeseries' and "
            f"'connectome'; X is a {type(X).__name__}, which holds one modality."
        )
    absent: list = [None] * len(arrays)
    names = [(None, None)] * len(arrays)
    groups = list(range(len(arrays)))
    if modality == "structural":
        return absent, arrays, labels, groups, form, names
    return arrays, absent, labels, groups, form, names


def _index_text(key):
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _read_column(cells, labels, read):
    """Turn cells (array, path, None or NaN) into arrays; returns arrays and ROI names."""
    arrays, names = [], []
    for cell, label in zip(cells, labels, strict=True):
        own = None
        if cell is None or (np.isscalar(cell) and pd.isna(cell)):
            cell = None
        elif isinstance(cell, str | PathLike):
            cell, own = read(cell)
        elif not hasattr(cell, "shape") and not isinstance(cell, list):
            raise TypeError(
                f"The cell of {label} is a {type(cell).__name__}. A cell holds an array, a path "
                "to one, or None where the subject lacks that modality."
            )
        if isinstance(cell, pd.DataFrame):
            own = [str(name) for name in cell.columns]
        arrays.append(cell)
        names.append(own)
    return arrays, names


def _resolve_modality(modality, series, connectomes):
    has_series = any(s is not None for s in series)
    has_connectome = any(c is not None for c in connectomes)
    present = {"functional": has_series, "structural": has_connectome}
    if modality == "auto":
        if has_series and has_connectome:
            return "multimodal"
        return "structural" if has_connectome else "functional"
    column = {kind: name for name, kind in COLUMNS.items()}
    for kind, there in present.items():
        if modality == kind and not there:
            raise ValueError(
                f"modality={modality!r}, but X has no {column[kind]}: the column "
                f"{column[kind]!r} is missing or empty."
            )
    return modality


def _describe(modality):
    column = {"functional": "time series", "structural": "connectome"}
    return column.get(modality, "time series and no connectome")


def _as_float(array, label, what):
    if isinstance(array, str | PathLike):
        raise TypeError(
            f"The {what} of {label} is a string, not an array. Paths are read from a DataFrame's "
            "columns 'timeseries' and 'connectome'."
        )
    array = np.asarray(array)
    if np.iscomplexobj(array):
        raise ValueError(
            f"The {what} of {label} is complex. Complex data not supported: give real numbers "
            "(the modulus or the real part)."
        )
    try:
        array = array.astype(np.float32, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The {what} of {label} has values of type {array.dtype} that are no numbers "
            f"({error}). Give an array of floats."
        ) from error
    if array.ndim != 2:
        raise ValueError(
            f"The {what} of {label} has shape {array.shape}, but must be 2-D: "
            "(n_timepoints, n_rois) for time series, (n_rois, n_rois) for connectomes."
        )
    bad = ~np.isfinite(array)
    if bad.any():
        kind = "NaN" if np.isnan(array).any() else "infinite"
        raise ValueError(
            f"The {what} of {label} contains {int(bad.sum())} values that are {kind}, the first "
            f"at {tuple(int(i) for i in np.argwhere(bad)[0])}. Interpolate or drop them, or set a "
            "ROI without signal to a constant: constant ROIs are masked."
        )
    return array


def _check_series(series, label):
    if series is None:
        return None
    series = _as_float(series, label, "time series")
    if series.shape[0] < 2 or series.shape[1] < 1:
        raise ValueError(
            f"The time series of {label} has shape {series.shape}: too few values. {_TRANSPOSE} "
            "At least 2 time points (n_features in 2-D input) and 1 ROI are needed."
        )
    return series


def _check_connectome(connectome, label):
    if connectome is None:
        return None
    connectome = _as_float(connectome, label, "connectome")
    n_rows, n_columns = connectome.shape
    if n_rows != n_columns or n_rows == 0:
        raise ValueError(
            f"The connectome of {label} has shape {connectome.shape}, but must be square, "
            "(n_rois, n_rois): one row and one column per ROI, without header or index column."
        )
    if n_rows > 1:
        if not np.any(connectome[~np.eye(n_rows, dtype=bool)]):
            raise ValueError(
                f"The connectome of {label} has no edge (all off-diagonal weights are 0). Set the "
                "cell to None if the subject lacks one."
            )
        if not np.any(np.tril(connectome, -1)) or not np.any(np.triu(connectome, 1)):
            raise ValueError(
                f"The connectome of {label} is triangular: its other half is empty. Give the full "
                "matrix, W + W.T."
            )
    return connectome


def _check_n_rois(given, series, connectomes, labels, n_rois, estimator, fitted):
    for label, s, c in zip(labels, series, connectomes, strict=True):
        if s is not None and c is not None and s.shape[1] != c.shape[0]:
            raise ValueError(
                f"{label} has a time series of {s.shape[1]} ROIs (shape {s.shape}) and a "
                f"connectome of {c.shape[0]}. Both must come from the same atlas, in the same "
                f"order. {_TRANSPOSE}"
            )
    if n_rois is not None and any(n != n_rois for n in given):
        wrong = next(n for n in given if n != n_rois)
        source = "was fitted with" if fitted else "has a pretrained encoder of"
        raise ValueError(
            f"X has {wrong} ROIs, but {estimator} {source} {n_rois}. {_TRANSPOSE}"
        )
    if len(set(given)) > 1:
        counts = sorted(set(given))
        lengths = {s.shape[0] for s in series if s is not None}
        guess = " All have the same first axis, so they look transposed." if len(lengths) == 1 else ""
        raise ValueError(
            f"Scans differ in their number of ROIs: {counts[:5]}"
            f"{' …' if len(counts) > 5 else ''}.{guess} {_TRANSPOSE}"
        )


def _match_names(series, connectomes, names, labels, reference):
    """Bring named scans into the order of the reference, in place."""
    order = {name: position for position, name in enumerate(reference)}
    if len(order) < len(reference):
        return  # names that are not unique cannot identify a ROI
    for i, own_names in enumerate(names):
        for kind, own in enumerate(own_names):
            if own is None or own == reference:
                continue
            if set(own) != set(reference):
                alien = sorted(set(own) - set(reference))[:3]
                raise ValueError(
                    f"{labels[i]} has ROIs {alien} that the other scans, or the encoder, do not "
                    "have. All scans must come from one atlas."
                )
            position = np.array([own.index(name) for name in reference])
            if kind == 0:
                series[i] = series[i][:, position]
            else:
                connectomes[i] = connectomes[i][np.ix_(position, position)]


def _check_axis_order(series):
    """Refuse scans whose second axis is the smooth one: BOLD is smooth in time.

    In all real scans tried, the lag-1 autocorrelation along time exceeds the one along the
    list of ROIs; the other way round by a wide margin, the axes are swapped.
    """
    some = [s for s in series[:20] if min(s.shape) >= 8]
    if not some:
        return
    along_time = np.median([_lag_one(s) for s in some])
    along_rois = np.median([_lag_one(s.T) for s in some])
    if along_rois - along_time > 0.3:
        raise ValueError(
            f"The time series look transposed: neighbours along axis 1 correlate with "
            f"{along_rois:.2f}, along axis 0 with {along_time:.2f}, and BOLD is smooth in time. "
            f"Shape of the first: {some[0].shape}. {_TRANSPOSE}"
        )


def _lag_one(series):
    """Mean lag-1 autocorrelation along the first axis."""
    centred = series - series.mean(axis=0)
    power = (centred**2).mean(axis=0)
    usable = power > 0
    if not usable.any():
        return 0.0
    lagged = (centred[1:] * centred[:-1]).mean(axis=0)
    return float((lagged[usable] / power[usable]).mean())
