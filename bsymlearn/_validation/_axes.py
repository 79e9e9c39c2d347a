"""Checks of what the axes of time series are, by what is in them."""

from __future__ import annotations

import numpy as np

from bsymlearn._validation._arrays import TRANSPOSE, usable_rois

_MARGIN = 0.3
_STANDARD_ERRORS = 5
_SHORTEST_AXIS = 8


def check_axis_order(series: list[np.ndarray]) -> None:
    """Refuse scans whose second axis is the smooth one: BOLD is smooth in time.

    In all real scans tried, the lag-1 autocorrelation along time exceeds the one along the
    list of ROIs; the other way round by a wide margin, the axes are swapped.
    """
    some = [_centred(s) for s in series[:20] if min(s.shape) >= _SHORTEST_AXIS]
    if not some:
        return
    along_time = np.median([_lag_one(s) for s in some])
    along_rois = np.median([_lag_one(s.T) for s in some])
    by_chance = _STANDARD_ERRORS * np.sqrt(2 / max(sum(map(_n_effective, some)), 1))
    if along_rois - along_time > max(_MARGIN, by_chance):
        raise ValueError(
            f"The time series look transposed: neighbours along axis 1 correlate with "
            f"{along_rois:.2f}, along axis 0 with {along_time:.2f}, but BOLD is smooth in time. "
            f"Shape of the first: {some[0].shape}. {TRANSPOSE}"
        )


def check_is_no_connectome(series: list[np.ndarray]) -> None:
    """Refuse time series that all are square and symmetric: they are connectomes."""

    def symmetric(s):
        return s.shape[0] == s.shape[1] > 2 and np.array_equal(s, s.T, equal_nan=True)

    if series and all(symmetric(s) for s in series):
        raise ValueError(
            f"The time series are square and symmetric, shape {series[0].shape}, so they look like "
            "connectomes. Set modality='structural', or put them in the column 'connectome' of a "
            "DataFrame."
        )


def _centred(series):
    """Subtract each ROI's mean, then each volume's: raw signals differ in level along ROIs."""
    series = np.where(usable_rois(series), series.astype(np.float64), np.nan)
    for axis in (0, 1):
        known = np.isfinite(series)
        mean = np.where(known, series, 0.0).sum(axis, keepdims=True)
        series = series - mean / np.maximum(known.sum(axis, keepdims=True), 1)
    return series


def _n_effective(series):
    """Count entries as if they were Gaussian: of a series of a few spikes, only these count."""
    square = np.where(np.isfinite(series), series, 0.0) ** 2
    fourth = (square**2).sum()
    return 3 * square.sum() ** 2 / fourth if fourth else 0.0


def _lag_one(series):
    """Mean lag-1 autocorrelation along the first axis, over what is not missing."""
    known = np.isfinite(series)
    count = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, series, 0.0)
    centred = np.where(known, series - filled.sum(axis=0) / count, 0.0)
    power = (centred**2).sum(axis=0) / count
    usable = power > 0
    if not usable.any():
        return 0.0
    n_pairs = np.maximum((known[1:] & known[:-1]).sum(axis=0), 1)
    lagged = (centred[1:] * centred[:-1]).sum(axis=0) / n_pairs
    return float((lagged[usable] / power[usable]).mean())
