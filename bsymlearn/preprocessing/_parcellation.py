"""How far the ROIs of two parcellations share their place."""

from __future__ import annotations

from numbers import Real
from os import PathLike
from typing import Any

import nibabel as nib
import numpy as np

_REACH = 2.0  # in widths: a weight there is 2**-16 of the largest


def parcellation_overlap(labels: Any, reference: Any) -> np.ndarray:
    """Count the voxels that the ROIs of two parcellations share.

    Parameters
    ----------
    labels, reference : integer array-likes of one shape, images, or paths to images
        Label images (or surfaces) of the new parcellation and of the one that an encoder was
        pretrained on, 0 outside all ROIs. Both on one grid: resample one of them by nearest
        neighbour (`nilearn.image.resample_to_img`) where they are not.

    Returns
    -------
    overlap : ndarray of shape (n_rois_new, n_rois_reference), int64
        Numbers of common voxels. Rows and columns are in ascending order of the labels, which
        must be the order of the ROIs in the time series.

    Raises
    ------
    ValueError
        If the shapes or affines differ, labels are no whole numbers or negative, or there is no
        ROI.

    See Also
    --------
    coordinate_overlap : From centroids, where there are no label images.
    bsymlearn.adapt_parcellation : What the overlap is for.

    Examples
    --------
    >>> import numpy as np
    >>> from bsymlearn.preprocessing import parcellation_overlap
    >>> parcellation_overlap([0, 1, 1, 1, 5, 5], [7, 7, 7, 8, 8, 8]).tolist()
    [[2, 1], [0, 2]]
    """
    labels, reference = _load_image(labels), _load_image(reference)
    affines = [image.affine for image in (labels, reference) if hasattr(image, "affine")]
    if len(affines) == 2 and not np.allclose(affines[0], affines[1], atol=1e-3):
        raise ValueError(
            "labels and reference are images on different grids: their affines differ. Resample "
            "one of them to the grid of the other, by nearest neighbour."
        )
    new, old = _read_labels(labels, "labels"), _read_labels(reference, "reference")
    if new.shape != old.shape:
        raise ValueError(
            f"labels has shape {new.shape} and reference {old.shape}, but voxels are compared one "
            "by one. Resample one of them to the grid of the other, by nearest neighbour."
        )
    rows, n_rows = _positions(new)
    columns, n_columns = _positions(old)
    both = (new > 0) & (old > 0)
    pairs = rows[both] * n_columns + columns[both]
    return np.bincount(pairs, minlength=n_rows * n_columns).reshape(n_rows, n_columns)


def coordinate_overlap(coordinates: Any, reference: Any, fwhm: float = 16.0) -> np.ndarray:
    """Estimate how far the ROIs of two parcellations overlap, from their centroids.

    A Gaussian function of distance, cut off at twice its width: 1 where centroids coincide, 1/2
    at half the width.

    Parameters
    ----------
    coordinates : array-like of shape (n_rois_new, 3)
        Centroids of the new parcellation in mm, in the space of the reference (MNI, say).
    reference : array-like of shape (n_rois_reference, 3)
        Centroids of the parcellation that an encoder was pretrained on.
    fwhm : float, default=16.0
        Full width at half maximum in mm. About the diameter of a ROI: 16 mm suits atlases of a few
        hundred ROIs, larger ROIs ask for more.

    Returns
    -------
    overlap : ndarray of shape (n_rois_new, n_rois_reference), float64
        Weights from 0 to 1, 0 beyond twice `fwhm`.

    Raises
    ------
    ValueError
        If a shape is wrong, a coordinate is not finite, or a new ROI is out of reach of all
        ROIs of the reference.

    See Also
    --------
    parcellation_overlap : From label images, to be preferred where there are some.
    bsymlearn.adapt_parcellation : What the overlap is for.

    Examples
    --------
    >>> from bsymlearn.preprocessing import coordinate_overlap
    >>> coordinate_overlap([[0, 0, 0], [8, 0, 0]], [[0, 0, 0], [-40, 0, 0]]).tolist()
    [[1.0, 0.0], [0.5, 0.0]]
    """
    new = _read_coordinates(coordinates, "coordinates")
    old = _read_coordinates(reference, "reference")
    if not (isinstance(fwhm, Real) and 0 < fwhm < np.inf):
        raise ValueError(f"fwhm={fwhm!r}, but must be a positive number of mm. Give 16, say.")
    distance = np.linalg.norm(new[:, None] - old[None], axis=2)  # (R_new, R_old)
    far = np.flatnonzero(distance.min(axis=1) > _REACH * fwhm)
    if len(far):
        raise ValueError(
            f"Rows {far[:10].tolist()} of coordinates lie more than {_REACH * fwhm:g} mm from "
            "every ROI of the reference, so nothing can be told about them. Drop these ROIs, or "
            "check that both are in mm and in one space; a larger fwhm reaches further."
        )
    weights = np.exp2(-((2 * distance / fwhm) ** 2))
    return np.where(distance <= _REACH * fwhm, weights, 0.0)


def _load_image(labels):
    """Load an image from a path; all else as it is."""
    return nib.load(labels) if isinstance(labels, str | PathLike) else labels


def _read_labels(labels, name):
    """Check a label image; gives int64. Whole floats pass, as images are often read so."""
    array = np.asarray(getattr(labels, "dataobj", labels))
    if array.dtype.kind not in "biuf" or not np.array_equal(array, np.round(array)):
        raise ValueError(
            f"{name} has values of type {array.dtype} that are no whole numbers, but each ROI is "
            "an integer and 0 is background. Give a label image; a probabilistic atlas has to be "
            "cut into labels first."
        )
    if array.size and array.min() < 0:
        raise ValueError(
            f"{name} has the negative label {array.min()}, but ROIs are positive integers and 0 "
            "is background. Set what is outside to 0."
        )
    if not array.any():
        raise ValueError(f"{name} has no ROI: no label is above 0. Give a label image.")
    return array.astype(np.int64)


def _positions(labels):
    """Give each voxel the position of its label among the ROIs, -1 outside, and their number."""
    found, positions = np.unique(labels, return_inverse=True)
    background = int(found[0] == 0)
    return positions.reshape(labels.shape) - background, len(found) - background


def _read_coordinates(coordinates, name):
    """Check centroids (n_rois, 3)."""
    try:
        array = np.asarray(coordinates, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} holds something else than numbers ({error}). Give x, y, z in mm, (n_rois, 3)."
        ) from error
    if array.ndim != 2 or array.shape[1] != 3 or not len(array):
        raise ValueError(
            f"{name} has shape {array.shape}, but must be (n_rois, 3): give x, y, z in mm, one row "
            "per ROI."
        )
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise ValueError(
            f"Rows {bad[:10].tolist()} of {name} are not finite, but every ROI needs a place. "
            "Drop these ROIs, or give their centroids."
        )
    return array
