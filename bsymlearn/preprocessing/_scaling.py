"""Scaling of time series, per scan and ROI."""

import numpy as np

from bsymlearn._validation import usable_rois


def robust_scale(timeseries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre each ROI on its median and divide by its interquartile range.

    Nothing is learned across scans, so nothing can leak between folds. Units and
    offsets are lost, and with them the amplitude of the signal.

    Parameters
    ----------
    timeseries : ndarray of shape (n_timepoints, n_rois)
        Any units. NaN where missing: it counts in no statistic, and stays.

    Returns
    -------
    scaled : ndarray of shape (n_timepoints, n_rois), float32
        In interquartile ranges; 0 in ROIs that are not usable.
    usable : ndarray of shape (n_rois,), bool
        False where the series is constant (outside the field of view, say), or missing.

    References
    ----------
    Preprocessing of arXiv 2506.18314, there with statistics over all subjects of a file;
    here per scan.

    Examples
    --------
    >>> import numpy as np
    >>> scaled, usable = robust_scale(np.array([[1., 7.], [2., 7.], [3., 7.], [4., 7.], [5., 7.]]))
    >>> scaled[:, 0].tolist(), usable.tolist()
    ([-1.0, -0.5, 0.0, 0.5, 1.0], [True, False])
    """
    timeseries = np.asarray(timeseries, dtype=np.float64)
    usable = usable_rois(timeseries)
    whole = np.where(usable, timeseries, 0.0)
    gaps = np.isnan(whole).any()
    percentile, deviation = (np.nanpercentile, np.nanstd) if gaps else (np.percentile, np.std)
    low, median, high = percentile(whole, [25, 50, 75], axis=0)
    spread = high - low
    # More than half of the values may be equal (a spiky series): then the SD stands in.
    spread = np.where(spread > 0, spread, deviation(whole, axis=0))
    return ((whole - median) / np.where(usable, spread, 1.0)).astype(np.float32), usable
