"""Checks of single time series and connectomes."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

_ROUNDING = 1e-6  # of the largest weight

TRANSPOSE = (
    "Samples are (n_timepoints, n_rois); transpose them if yours are (n_rois, n_timepoints)."
)


def usable_rois(timeseries: np.ndarray) -> np.ndarray:
    """Tell which ROIs vary at all, up to the rounding of float32.

    Parameters
    ----------
    timeseries : ndarray of shape (n_timepoints, n_rois)
        NaN where missing.

    Returns
    -------
    usable : ndarray of shape (n_rois,), bool
        False where a ROI is constant (outside the field of view, say), or missing.
    """
    # fmin and fmax pass over NaN, and give NaN, which is not greater, where there is nothing else.
    low, high = np.fmin.reduce(timeseries, axis=0), np.fmax.reduce(timeseries, axis=0)
    rounding = 8 * np.finfo(np.float32).eps * np.fmax(np.abs(low), np.abs(high))
    return high - low > rounding


def largest_weight(connectome: np.ndarray) -> float:
    """Find the largest absolute off-diagonal weight; the diagonal never reaches the model."""
    off_diagonal = np.abs(connectome[~np.eye(len(connectome), dtype=bool)])
    return float(np.fmax.reduce(off_diagonal, initial=0.0))


def has_negative(connectome: np.ndarray) -> bool:
    """Tell whether a weight off the diagonal is negative, by more than rounding."""
    off_diagonal = connectome[~np.eye(len(connectome), dtype=bool)]
    lowest = np.fmin.reduce(off_diagonal, initial=0.0)
    return bool(lowest < -_ROUNDING * largest_weight(connectome))


def check_series(series: Any, label: str, *, univariate: bool = False) -> np.ndarray | None:
    """Check the shape of one time series; gives float32 of shape (n_timepoints, n_rois)."""
    if series is None:
        return None
    series = _as_float(series, label, "time series")
    if univariate:
        if series.shape[0] < 2:
            # The first words are those that scikit-learn uses, and looks for in its checks.
            raise ValueError(
                f"Found array with {series.shape[0]} feature(s) (2-D X holds a series of one ROI "
                "in each row) while a minimum of 2 time points is required. Give longer series."
            )
        return series
    if series.shape[0] < 2 or series.shape[1] < 1:
        raise ValueError(
            f"The time series of {label} has shape {series.shape}, but at least 2 time points and "
            f"1 ROI are needed. {TRANSPOSE}"
        )
    return series


def check_usable(series: np.ndarray, label: str, *, univariate: bool = False) -> None:
    """Refuse a time series of which no ROI varies over what is kept of it."""
    usable = np.isfinite(series) if univariate else usable_rois(series)
    if not usable.any():
        n_kept = int(np.isfinite(series).any(axis=1).sum())
        raise ValueError(
            f"The time series of {label} has no usable ROI: all {series.shape[1]} are constant "
            f"over {n_kept} time points, but at least one must vary. Drop the row, or set "
            "the cell to None if the subject has a connectome."
        )


def check_connectome(connectome: Any, label: str, *, allow_nan: bool = False) -> np.ndarray | None:
    """Check one connectome; gives float32 of shape (n_rois, n_rois)."""
    if connectome is None:
        return None
    connectome = _as_float(connectome, label, "connectome")
    check_finite(connectome, label, "connectome", allow_nan=allow_nan)
    n_rows, n_columns = connectome.shape
    if n_rows != n_columns or n_rows == 0:
        raise ValueError(
            f"The connectome of {label} has shape {connectome.shape}, but must be square, "
            "(n_rois, n_rois): give one row and one column per ROI, without header or index column."
        )
    if n_rows > 1:
        known = np.nan_to_num(connectome)
        if not np.any(known[~np.eye(n_rows, dtype=bool)]):
            raise ValueError(
                f"The connectome of {label} has no edge: all off-diagonal weights are 0, but at "
                "least one is needed. Set the cell to None if the subject lacks a connectome."
            )
        if not np.any(np.tril(known, -1)) or not np.any(np.triu(known, 1)):
            raise ValueError(
                f"The connectome of {label} is triangular: its other half is empty, but both "
                "halves are read. Give the full matrix, W + W.T."
            )
    return connectome


def check_finite(
    array: np.ndarray,
    label: str,
    what: str,
    *,
    allow_nan: bool,
    kept: np.ndarray | None = None,
) -> None:
    """Refuse infinite values, and NaN unless it is allowed, in the rows that are kept."""
    bad = np.isinf(array) if allow_nan else ~np.isfinite(array)
    if kept is not None and len(kept) == len(array):
        bad &= kept[:, None]
    if bad.any():
        kind = "NaN" if np.isnan(array[bad]).any() else "infinite"
        raise ValueError(
            f"The {what} of {label} contains {int(bad.sum())} values that are {kind}, the first "
            f"at {tuple(int(i) for i in np.argwhere(bad)[0])}, but must be finite. Interpolate or "
            "drop them, set nan_policy='omit' to mask NaN, or set a ROI without signal to a "
            "constant: constant ROIs are masked."
        )


def _as_float(array, label, what):
    if isinstance(array, str | PathLike):
        raise TypeError(
            f"The {what} of {label} is a string, not an array. Paths are read from a DataFrame's "
            "columns 'timeseries' and 'connectome'."
        )
    if hasattr(array, "toarray"):
        raise TypeError(
            f"The {what} of {label} is sparse, but must be a dense array. Give its .toarray()."
        )
    if np.ma.is_masked(array):
        raise ValueError(
            f"The {what} of {label} is a masked array, whose mask would be lost. Give its "
            ".filled(numpy.nan), and set nan_policy='omit'."
        )
    try:
        array = np.asarray(array)
    except (ValueError, RuntimeError) as error:  # ragged lists; tensors with gradients
        raise ValueError(
            f"The {what} of {label} is a {type(array).__name__} that is no array ({error}). Give "
            "a 2-D array."
        ) from error
    if np.iscomplexobj(array):
        raise ValueError(
            f"The {what} of {label} is complex. Complex data not supported: give real numbers "
            "(the modulus or the real part)."
        )
    try:
        if array.dtype.kind in "mMV":
            raise TypeError("dates, durations or records")
        if array.dtype == object:  # None and pandas.NA are missing, too
            array = np.where(pd.isna(array), np.nan, array)
        with np.errstate(over="ignore"):  # what overflows is reported as infinite
            array = array.astype(np.float32, copy=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"The {what} of {label} has values of type {array.dtype} that are no numbers "
            f"({error}). Give an array of floats."
        ) from error
    if array.ndim != 2:
        raise ValueError(
            f"The {what} of {label} has shape {array.shape}, but must be 2-D: "
            "(n_timepoints, n_rois) for time series, (n_rois, n_rois) for connectomes. Reshape it; "
            "one ROI is (n_timepoints, 1)."
        )
    return array
