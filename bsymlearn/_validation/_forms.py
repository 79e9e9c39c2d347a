"""Which of the accepted forms X has; errors for those that are none."""

from __future__ import annotations

from numbers import Number
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

MODALITIES = ("functional", "structural", "multimodal")
COLUMNS = {"timeseries": "functional", "connectome": "structural"}
READ = (*COLUMNS, "sample_mask", "t_r", "participant_id")


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
    if X.columns.nlevels > 1:
        raise ValueError(
            f"The columns of X have {X.columns.nlevels} levels, but single names are expected. "
            "Give one level: X.droplevel(1, axis=1), say."
        )
    twice = sorted({name for name in X.columns[X.columns.duplicated()] if name in READ})
    if twice:
        raise ValueError(
            f"X has {list(X.columns).count(twice[0])} columns {twice[0]!r}, but one is expected. "
            "Rename or drop the others."
        )
    wanted = [name for name, kind in COLUMNS.items() if modality in ("auto", "multimodal", kind)]
    return [name for name in wanted if name in X.columns]


def check_is_numeric(X: Any) -> None:
    """Refuse what is no collection of scans and no 2-D numbers, where scikit-learn is terse."""
    if isinstance(X, pd.DataFrame):
        other = [str(name) for name, column in X.items() if not _holds_numbers(column)]
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


def _holds_numbers(column):
    """Tell whether a column of a DataFrame is numeric, if only by what its objects are."""
    if column.dtype != object:
        return pd.api.types.is_numeric_dtype(column)
    return all(isinstance(value, Number | np.bool_) for value in column)


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
    n_arrays = sum(hasattr(item, "shape") for item in items)
    if n_arrays == len(items) and len({np.shape(item) for item in items}) > 1:
        i = next(i for i, item in enumerate(items) if getattr(item, "ndim", None) != 2)
        raise ValueError(
            f"sample {i} of X is a {type(items[i]).__name__} of shape {np.shape(items[i])}, but "
            "each must be one scan, a 2-D array (n_timepoints, n_rois). Give a series of one ROI "
            "the shape (n_timepoints, 1)."
        )
    if 0 < n_arrays < len(items):
        i = next(i for i, item in enumerate(items) if not hasattr(item, "shape"))
        raise TypeError(
            f"X holds a {type(items[i]).__name__} among arrays, sample {i}, but each element must "
            "be one scan, a 2-D array (n_timepoints, n_rois). Missing scans have a place only in a "
            "DataFrame, as None in its column 'timeseries'; otherwise drop them."
        )


def check_is_no_scan(X: Any, n_rois: int, estimator: str) -> None:
    """Refuse 2-D X for an encoder of several ROIs: it is one scan that should be in a list."""
    if n_rois > 1:
        raise ValueError(
            f"X has shape {getattr(X, 'shape', '(n, …)')}, which means one ROI a scan, but "
            f"{estimator} was fitted with {n_rois} ROIs. Give a list of scans (n_timepoints, "
            "n_rois): [X] if X is one scan."
        )
