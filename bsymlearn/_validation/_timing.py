"""When the volumes of a scan were taken, and which of them count."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

_SLOWEST = 50.0  # seconds; a longer repetition time is one in milliseconds
_SAME = 1e-3  # relative difference of repetition times that is rounding
_MOST_CENSORED = 100  # volumes for each kept one, beyond which an index is a slip


def same_t_r(t_r: float | None, other: float | None) -> bool:
    """Tell whether two repetition times are one; an unknown one (None) is any."""
    return t_r is None or other is None or abs(t_r - other) <= _SAME * other


def read_t_r(value: Any, label: str) -> float | None:
    """Check one repetition time in seconds; None where it is missing."""
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    try:
        seconds = np.nan if isinstance(value, bool | np.bool_) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = np.nan
    if not 0 < seconds <= _SLOWEST:
        raise ValueError(
            f"The repetition time of {label} is {value!r}, but seconds above 0 and up to "
            f"{_SLOWEST:.0f} are expected. Give seconds (2.0, not 2000), or rename a column 't_r' "
            "that is something else."
        )
    return seconds


def check_repetition_times(
    own: list[float | None],
    series: list,
    labels: list[str],
    t_r: float | None,
    encoder_t_r: float | None,
    fitted: bool = False,
) -> tuple[list[float | None], float | None]:
    """Find the repetition time of each scan, and the one that they are brought to.

    Parameters
    ----------
    own : list of (float or None)
        What each row tells of itself, in seconds.
    series : list of (ndarray of shape (n_timepoints_i, n_rois) or None)
    labels : list of str
    t_r : float or None
        That of all rows that tell none.
    encoder_t_r : float or None
        That of the encoder, where it is known; otherwise the most common one of the scans, and
        the longest of several such.
    fitted : bool, default=False
        Whether the encoder has been fitted: then nothing is learned from these scans.

    Returns
    -------
    times : list of (float or None)
    encoder_t_r : float or None
        None where nothing tells any.
    """
    t_r = None if t_r is None else float(t_r)
    if t_r is not None and t_r > _SLOWEST:
        raise ValueError(
            f"t_r={t_r:g} s, but up to {_SLOWEST:.0f} s are expected. Give seconds (2.0, not 2000)."
        )
    rows = [i for i, s in enumerate(series) if s is not None]
    other = next((own[i] for i in rows if t_r and not same_t_r(own[i], t_r)), None)
    if other is not None:
        warnings.warn(
            f"t_r={t_r:g} s is not that of all scans: X tells {other:g} s of its own, which "
            "counts. t_r is for scans that tell none; all are resampled to that of the encoder.",
            stacklevel=2,
        )
    times = [own[i] if own[i] is not None or i not in rows else t_r for i in range(len(own))]
    known = [time for i in rows if (time := times[i]) is not None]
    if known and len(known) < len(rows):
        silent = next(i for i in rows if times[i] is None)
        raise ValueError(
            f"{len(rows) - len(known)} of {len(rows)} scans, {labels[silent]} first, tell no "
            f"repetition time, but others do ({known[0]:g} s). Fill the column 't_r', or set t_r "
            "to that of those without one."
        )
    if encoder_t_r is not None and rows and not known:
        warnings.warn(
            f"The encoder works at a repetition time of {encoder_t_r:g} s, but X tells none, so "
            "its scans are taken to have the same. Give t_r=, or a column 't_r' in seconds.",
            stacklevel=2,
        )
    if fitted and encoder_t_r is None and known:
        warnings.warn(
            f"X tells a repetition time of {known[0]:g} s, but the encoder was fitted on scans "
            "that told none, so time points are taken as they are. Fit with t_r=, or a column "
            "'t_r'.",
            stacklevel=2,
        )
        return [None] * len(own), None
    if encoder_t_r is None and known:
        counts = Counter(round(time, 3) for time in known)
        common = max(counts, key=lambda time: (counts[time], time))
        encoder_t_r = next(time for time in known if round(time, 3) == common)
    for i in rows:
        time = times[i]
        if time is None or encoder_t_r is None or same_t_r(time, encoder_t_r):
            continue
        if (len(series[i]) - 1) * time < encoder_t_r:
            raise ValueError(
                f"The time series of {labels[i]} lasts {len(series[i]) * time:g} s, which is less "
                f"than two time points of the encoder, {encoder_t_r:g} s apart. Drop the row."
            )
    return times, encoder_t_r


def kept_volumes(sample_mask: Any, n_timepoints: int, label: str) -> np.ndarray | None:
    """Read which volumes of a scan are kept.

    Parameters
    ----------
    sample_mask : ndarray of shape (n_volumes,) of bool, or of int, or None
        True for volumes that are kept, or their indices, as nilearn has it. It may be longer
        than the series, if that has lost the censored volumes.
    n_timepoints : int
        Of the series.
    label : str

    Returns
    -------
    kept : ndarray of shape (n_volumes,), bool, or None
        None where there is no mask.
    """
    if sample_mask is None:
        return None
    kept = _read_mask(sample_mask, n_timepoints, label)
    if kept.sum() < 2:
        raise ValueError(
            f"The sample_mask of {label} keeps {int(kept.sum())} of {len(kept)} volumes, but at "
            "least 2 are needed. Drop the row, or set the cell to None to keep all volumes."
        )
    return kept


def mask_volumes(
    series: np.ndarray, kept: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Empty the censored volumes of a scan: NaN is what does not count.

    Parameters
    ----------
    series : ndarray of shape (n_timepoints, n_rois)
        It may have lost the censored volumes; they are put back, empty.
    kept : ndarray of shape (n_volumes,), bool, or None

    Returns
    -------
    series : ndarray of shape (n_volumes, n_rois)
        A copy where anything is masked.
    rows : ndarray of int, or None
        Where the given time points are in it; None if they are all there is.
    """
    if kept is None:
        return series, None
    if len(kept) == len(series):
        return np.where(kept[:, None], series, np.float32(np.nan)), None
    rows = np.flatnonzero(kept)
    whole = np.full((len(kept), series.shape[1]), np.nan, dtype=np.float32)
    whole[rows] = series
    return whole, rows


def _read_mask(sample_mask, n_timepoints, label):
    """Read a sample mask as bool, (n_volumes,)."""
    try:
        mask = np.asarray(sample_mask)
    except ValueError:  # a ragged list
        mask = np.asarray(sample_mask, dtype=object)
    if mask.ndim == 1 and mask.dtype == bool:
        if len(mask) == n_timepoints or mask.sum() == n_timepoints:
            return mask
        state = f"has {len(mask)} entries, {int(mask.sum())} of them True"
    elif mask.ndim == 1 and mask.dtype.kind in "iu" and len(mask):
        last = int(mask.max())
        ascending = mask.min() >= 0 and bool((np.diff(mask) > 0).all())
        whole = len(mask) == n_timepoints and last < _MOST_CENSORED * n_timepoints
        if ascending and (last < n_timepoints or whole):
            kept = np.zeros(max(n_timepoints, last + 1), dtype=bool)
            kept[mask] = True
            return kept
        state = f"has {len(mask)} indices from {int(mask.min())} to {last}"
    else:
        state = f"is an array of shape {mask.shape} and type {mask.dtype}"
    raise ValueError(
        f"The sample_mask of {label} {state}, but its series has {n_timepoints} time points. Give "
        "True for each kept volume (or their ascending indices), for all volumes of the series, or "
        "of the scan that it was cut from."
    )
