"""Scaling of connectomes."""

import numpy as np

from bsymlearn._validation import is_signed


def scale_connectome(connectome: np.ndarray) -> np.ndarray:
    """Compress streamline counts to log10(1 + w), with a zero diagonal.

    Parameters
    ----------
    connectome : ndarray of shape (n_rois, n_rois)
        Weights; counts reach 10**5, which would saturate the signed attention. One with a
        negative weight is signed, and only its diagonal is set to 0. NaN, where missing, stays.

    Returns
    -------
    scaled : ndarray of shape (n_rois, n_rois), float32

    Examples
    --------
    >>> import numpy as np
    >>> scale_connectome(np.array([[5., 99.], [99., 0.]])).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    scaled = np.array(connectome, dtype=np.float64)
    np.fill_diagonal(scaled, 0.0)
    if not is_signed(scaled):
        scaled = np.log10(1.0 + scaled)
    return scaled.astype(np.float32)
