"""Resampling of time series to another repetition time."""

from fractions import Fraction

import numpy as np
from scipy.signal import resample_poly

_LARGEST_FACTOR = 1000  # of the ratio of two repetition times as a fraction


def resample_timeseries(timeseries: np.ndarray, t_r: float, new_t_r: float) -> np.ndarray:
    """Resample time series to another repetition time, without aliasing.

    A polyphase filter takes out what the slower of the two samplings cannot carry
    (`scipy.signal.resample_poly`). The first time point stays where it is.

    Parameters
    ----------
    timeseries : ndarray of shape (n_timepoints, n_rois)
        NaN where missing. For the filter, gaps are bridged by straight lines; new time points
        next to a missing one are missing.
    t_r, new_t_r : float
        Repetition times in seconds, of `timeseries` and of the result.

    Returns
    -------
    resampled : ndarray of shape (n_new_timepoints, n_rois), float32
        As many time points as fit between the first and the last given one.

    Raises
    ------
    ValueError
        If a repetition time is not positive, or the scan is shorter than `new_t_r`.

    Examples
    --------
    >>> import numpy as np
    >>> from bsymlearn.preprocessing import resample_timeseries
    >>> slow = np.sin(2 * np.pi * 0.02 * np.arange(0, 300, 0.72))[:, None]  # 0.02 Hz
    >>> resampled = resample_timeseries(slow, t_r=0.72, new_t_r=2.0)
    >>> resampled.shape
    (150, 1)
    >>> expected = np.sin(2 * np.pi * 0.02 * np.arange(0, 300, 2.0))
    >>> bool(np.abs(resampled[20:-20, 0] - expected[20:-20]).max() < 0.01)
    True
    """
    timeseries = np.asarray(timeseries, dtype=np.float64)
    last = len(timeseries) - 1
    if not (t_r > 0 and new_t_r > 0) or last * t_r < new_t_r:
        raise ValueError(
            f"{last + 1} time points, {t_r} s apart, cannot be resampled to {new_t_r} s: times "
            "must be positive, and the scan must hold two new time points. Give longer scans."
        )
    ratio = Fraction(t_r / new_t_r).limit_denominator(_LARGEST_FACTOR)
    n_new = int(last * t_r / new_t_r + 1e-6) + 1
    missing = np.isnan(timeseries)
    filtered = resample_poly(
        _bridge_gaps(timeseries, missing),
        ratio.numerator,
        ratio.denominator,
        axis=0,
        padtype="line",
    )[:n_new]  # (n_new, R)
    position = np.arange(n_new) * (new_t_r / t_r)  # in given time points
    before = np.floor(position + 1e-6).astype(int)
    after = np.minimum(np.ceil(position - 1e-6).astype(int), last)
    return np.where(missing[before] | missing[after], np.nan, filtered).astype(np.float32)


def _bridge_gaps(timeseries: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Fill missing entries on a line between their neighbours in time; 0 where there are none."""
    filled = timeseries.copy()
    time = np.arange(len(timeseries))
    for roi in np.flatnonzero(missing.any(axis=0)):
        known = ~missing[:, roi]
        values = timeseries[known, roi]
        filled[:, roi] = np.interp(time, time[known], values) if len(values) else 0.0
    return filled
