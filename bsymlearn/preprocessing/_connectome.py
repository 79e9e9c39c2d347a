"""Scaling of connectomes."""

import numpy as np

from bsymlearn._validation import has_negative


def scale_connectome(connectome: np.ndarray, signed: bool | None = None) -> np.ndarray:
    """Compress streamline counts to log10(1 + w), with a zero diagonal.

    Parameters
    ----------
    connectome : ndarray of shape (n_rois, n_rois)
        Weights; counts reach 10**5, which would saturate the signed attention. NaN, where
        missing, stays.
    signed : bool, default=None
        Whether it is one of a signed kind, of which only the diagonal is set to 0. None: if it
        has a negative weight, beyond a millionth of the largest, which counts as rounding.

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
    if not (has_negative(scaled) if signed is None else signed):
        scaled = np.log10(1.0 + np.maximum(scaled, 0.0))
    return scaled.astype(np.float32)
