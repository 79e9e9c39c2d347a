"""Which of the accepted forms X has, and its cells as arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from bsymlearn.io import read_connectome, read_timeseries

MODALITIES = ("functional", "structural", "multimodal")
COLUMNS = {"timeseries": "functional", "connectome": "structural"}


@dataclass
class Cells:
    """What X holds, before any check of values.

    Attributes
    ----------
    timeseries, connectomes : list of (array-like or None)
    names : list of (list of str or None, list of str or None)
        ROI names of the time series and of the connectome of each row, where they carry some.
    labels : list of str
        Names of the rows, for messages.
    groups : list of hashable
        Participant of each row.
    form : {"table", "list", "array", "univariate"}
    """

    timeseries: list
    connectomes: list
    names: list
    labels: list[str]
    groups: list
    form: str


def is_table(X: Any) -> bool:
    """Tell whether X is a DataFrame with a column of series or connectomes."""
    return isinstance(X, pd.DataFrame) and any(name in X.columns for name in COLUMNS)


def is_univariate(X: Any) -> bool:
    """Tell whether X goes to scikit-learn's own checks: it is no collection of scans."""
    if isinstance(X, pd.DataFrame):
        return not is_table(X)
    if isinstance(X, np.ndarray) and X.dtype != object:
        return X.ndim != 3
    if isinstance(X, list | tuple | np.ndarray | pd.Series):
        return not (len(X) > 0 and all(getattr(scan, "ndim", None) == 2 for scan in X))
    return True


def modality_columns(X: pd.DataFrame, modality: str) -> list[str]:
    """List the columns of a table that a modality reads; "auto" reads all that are there."""
    wanted = [name for name, kind in COLUMNS.items() if modality in ("auto", "multimodal", kind)]
    return [name for name in wanted if name in X.columns]


def check_is_numeric(X: Any) -> None:
    """Refuse what is no collection of scans and no 2-D numbers, where scikit-learn is terse."""
    if isinstance(X, pd.DataFrame):
        other = [str(name) for name in X.columns if not pd.api.types.is_numeric_dtype(X[name])]
        if other:
            raise ValueError(
                f"X is a DataFrame without a column 'timeseries' or 'connectome', and its columns "
                f"{other[:5]} are not numeric. Name the column that holds the arrays, or the paths "
                "to them, 'timeseries' or 'connectome'."
            )
    elif isinstance(X, str | PathLike):
        raise TypeError(
            f"X is the path {str(X)!r}, but a table of scans is expected. Give "
            "bsymlearn.read_cohort(X)."
        )
    elif getattr(X, "ndim", 0) > 3 or (
        getattr(X, "ndim", 0) == 3 and not hasattr(X, "__array_ufunc__")
    ):
        raise ValueError(
            f"X is a {type(X).__name__} of shape {tuple(X.shape)}, but scans are a numpy array "
            "(n_subjects, n_timepoints, n_rois). Convert tensors by X.numpy(), and parcellate "
            "images first."
        )
    elif _holds_arrays(X):
        raise TypeError(
            "X is a 2-D array of objects, which has lost the names of its columns. Give the "
            "DataFrame itself, with its columns 'timeseries' and 'connectome'."
        )
    elif isinstance(X, dict):
        raise TypeError(
            f"X is a dict with the keys {[str(key) for key in X][:5]}, but a table of scans is a "
            "DataFrame: give pandas.DataFrame(X), or list(X.values()) where values are time series."
        )
    elif isinstance(X, list | tuple | pd.Series) or (isinstance(X, np.ndarray) and X.ndim == 1):
        _check_is_no_list_of_other(list(X))


def _holds_arrays(X):
    """Tell whether X is a 2-D array with arrays or paths in it."""
    cells = X.ravel()[:100] if isinstance(X, np.ndarray) and X.dtype == object else ()
    return any(isinstance(cell, np.ndarray | str | PathLike) for cell in cells) and X.ndim == 2


def _check_is_no_list_of_other(items):
    if not items:
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required: X is empty. Each "
            "element of X is one scan; give more scans."
        )
    if all(isinstance(item, str | PathLike) for item in items):
        raise TypeError(
            f"X is a list of strings or paths, the first {str(items[0])!r}, but paths are read "
            "from a DataFrame: give pandas.DataFrame({'timeseries': X})."
        )
    shapes = {np.shape(item) for item in items if hasattr(item, "shape")}
    n_arrays = sum(hasattr(item, "shape") for item in items)
    if n_arrays == len(items) and len(shapes) > 1:
        raise ValueError(
            f"The elements of X have shapes {sorted(shapes, key=str)[:4]}, but each must be one "
            "scan, a 2-D array (n_timepoints, n_rois). Give a series of one ROI the shape "
            "(n_timepoints, 1)."
        )
    if 0 < n_arrays < len(items):
        other = next(item for item in items if not hasattr(item, "shape"))
        raise TypeError(
            f"X holds a {type(other).__name__} among arrays, but each element must be one scan, a "
            "2-D array (n_timepoints, n_rois). Missing scans have a place only in a DataFrame, as "
            "None in its column 'timeseries'; otherwise drop them."
        )


def check_is_no_scan(X: Any, n_rois: int, estimator: str) -> None:
    """Refuse 2-D X for an encoder of several ROIs: it is one scan that should be in a list."""
    if n_rois > 1:
        raise ValueError(
            f"X has shape {getattr(X, 'shape', '(n, …)')}, which means one ROI a scan, but "
            f"{estimator} was fitted with {n_rois} ROIs. Give a list of scans (n_timepoints, "
            "n_rois): [X] if X is one scan."
        )


def collect(X: Any, modality: str) -> Cells:
    """Take X apart, and read the files that its cells name."""
    if is_table(X):
        return _collect_table(X, modality)
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
            f"'connectome'; X is a {type(X).__name__}, which holds one modality. Give such a "
            "table, or set modality='functional'."
        )
    absent: list = [None] * len(arrays)
    names: list = [(_column_names(array), None) for array in arrays]
    groups = list(range(len(arrays)))
    if modality == "structural":
        names = [(None, own) for own, _ in names]
        return Cells(absent, arrays, names, labels, groups, form)
    return Cells(arrays, absent, names, labels, groups, form)


def _collect_table(X, modality):
    labels = [f"row {i} ({_index_text(key)})" for i, key in enumerate(X.index)]
    used = modality_columns(X, modality)
    _warn_of_unread(X)
    columns = [
        _read_column(list(X[name]) if name in used else [None] * len(X), labels, read)
        for name, read in (("timeseries", read_timeseries), ("connectome", read_connectome))
    ]
    (series, series_names), (connectomes, connectome_names) = columns
    names = list(zip(series_names, connectome_names, strict=True))
    return Cells(series, connectomes, names, labels, _participants(X), "table")


def _participants(X):
    """Tell whose each row is: by "participant_id", else by text or several levels in the index."""
    if "participant_id" in X.index.names:
        return list(X.index.get_level_values("participant_id"))
    if "participant_id" in X.columns:
        return list(X["participant_id"])
    if X.index.nlevels > 1 or not pd.api.types.is_integer_dtype(X.index):
        return list(X.index.get_level_values(0))
    return list(range(len(X)))  # numbered rows: each a participant of its own


def _warn_of_unread(X):
    """Warn of columns that hold matrices under a name that is not read."""
    for name in X.columns.difference(list(COLUMNS)):
        cells = X[name].dropna() if X[name].dtype == object else []
        if len(cells) and getattr(cells.iloc[0], "ndim", 0) == 2:
            warnings.warn(
                f"The column {name!r} holds arrays, but only 'timeseries' and 'connectome' are "
                "read. Rename it if it is one of them.",
                stacklevel=2,
            )


def _index_text(key):
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _column_names(array):
    """Give the column names of a DataFrame, if they are text; numbers name nothing."""
    columns = getattr(array, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return list(columns)


def _read_file(path, label, read):
    if not str(path).strip():
        raise ValueError(f"The cell of {label} is empty text. Give a path, or None.")
    try:
        return read(path)
    except (FileNotFoundError, ValueError) as error:
        raise type(error)(f"{label}: {error}") from error


def _read_column(cells: list, labels: list[str], read: Callable) -> tuple[list, list]:
    """Turn cells (array, path, None or NaN) into arrays; gives arrays and ROI names."""
    arrays, names = [], []
    for cell, label in zip(cells, labels, strict=True):
        own = _column_names(cell)
        if pd.api.types.is_scalar(cell) and pd.isna(cell):
            cell = None
        elif isinstance(cell, str | PathLike):
            cell, own = _read_file(cell, label, read)
        elif not hasattr(cell, "shape") and not isinstance(cell, list):
            raise TypeError(
                f"The cell of {label} is a {type(cell).__name__}, but a cell holds an array "
                "or a path to one. Give one, or None where the subject lacks that modality."
            )
        arrays.append(cell)
        names.append(own)
    return arrays, names
