"""From the parcellation that an encoder was pretrained on to another one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import torch

from bsymlearn.checkpoints._directory import build, find_encoder, load_checkpoint
from bsymlearn.encoders import BrainSymphony

# What has a row per ROI, and what reads a vector over ROIs. All else is the same for every ROI.
_TABLES = ("spatial.positions.table", "perceiver.latents", "structural.positions")
_READERS = ("temporal.embedding.weight", "structural.embedding.weight")


def adapt_parcellation(
    pretrained: Any, overlap: Any, *, roi_names: Sequence[str] | None = None
) -> BrainSymphony:
    """Bring a pretrained encoder to another parcellation.

    Parameters
    ----------
    pretrained : path-like, BrainSymphony or fitted estimator
        Checkpoint directory, module, or fitted estimator of this package. It stays as it is.
    overlap : array-like of shape (n_rois_new, n_rois_old)
        How much of each new ROI lies in each ROI of the encoder, in voxels or any other
        non-negative unit: from `bsymlearn.preprocessing.parcellation_overlap` (label images) or
        `bsymlearn.preprocessing.coordinate_overlap` (centroids). Columns are in the ROI order of
        the encoder, rows in that of the new scans.
    roi_names : sequence of str, default=None
        Names of the new ROIs, by which scans that carry names are matched.

    Returns
    -------
    BrainSymphony
        A new encoder of `n_rois_new` ROIs in eval mode on the CPU, for ``pretrained=``. Its
        contract has `roi_names` as given, and an entry `adapted_from`.

    Raises
    ------
    ValueError
        If `overlap` does not fit the encoder, a new ROI has no overlap with it, or names do not
        fit.
    TypeError
        If `pretrained` holds no encoder.

    See Also
    --------
    bsymlearn.preprocessing.parcellation_overlap : The overlap, from label images.
    bsymlearn.preprocessing.coordinate_overlap : The overlap, from centroids.

    Notes
    -----
    With N the overlap with rows that sum to 1, and M the same of its transpose, positions and
    latents of new ROIs are averages of the old ones, ``N @ table``, and weights that read a vector
    over old ROIs read new ones in their place, ``weight @ M``: the series of an old ROI is taken
    to be the average of the new ones in it, and 0, its centre, where there are none. All other
    weights stay. The result is exact where ROIs are only reordered, or where each is split into
    equally many with the same series (the same rows of the connectome, with first-hop attention
    and learnable positions); otherwise it is a start that further pretraining improves.

    An encoder with gradient positions takes the gradients of the new ROIs, by ``gradients=`` of
    the estimator.

    Examples
    --------
    >>> from bsymlearn import BrainSymphony, EncoderConfig, adapt_parcellation
    >>> encoder = BrainSymphony(EncoderConfig(n_rois=3, dim=8, n_layers=1))
    >>> voxels = [[90, 10, 0], [0, 60, 60]]
    >>> adapt_parcellation(encoder, voxels, roi_names=["front", "back"]).config.n_rois
    2
    """
    if isinstance(pretrained, str | PathLike):
        encoder = load_checkpoint(pretrained)
    else:
        encoder = find_encoder(pretrained, "adapt_parcellation")
    n_old = encoder.config.n_rois
    overlap = _check_overlap(overlap, n_old)
    names = _check_names(roi_names, len(overlap))
    _check_coverage(overlap, names)
    into_new = torch.from_numpy(_shares(overlap))  # (R_new, R_old)
    into_old = torch.from_numpy(_shares(overlap.T))  # (R_old, R_new)
    weights = {name: tensor.detach().cpu() for name, tensor in encoder.state_dict().items()}
    for name in weights.keys() & set(_TABLES):
        weights[name] = into_new @ weights[name][:n_old].double()  # (R_new, D)
    for name in weights.keys() & set(_READERS):
        weights[name] = weights[name].double() @ into_old  # (D, R_new)
    config = replace(encoder.config, n_rois=len(overlap), n_positions=None)
    adapted = build(config, weights, "What adapt_parcellation made")
    adapted.contract = copy.deepcopy(encoder.contract)
    origin = {"n_rois": n_old, "roi_names": adapted.contract.get("roi_names")}
    adapted.contract |= {"roi_names": names, "adapted_from": origin}
    return adapted


def _shares(overlap):
    """Divide rows by their sums; rows of zeros stay."""
    total = overlap.sum(axis=1, keepdims=True)
    return overlap / np.where(total > 0, total, 1.0)


def _check_overlap(overlap, n_old):
    """Check an overlap (n_rois_new, n_old)."""
    try:
        array = np.asarray(overlap, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"overlap is no array of numbers ({error}). Give common volumes, (n_rois_new, {n_old})."
        ) from error
    if array.ndim != 2 or array.shape[1] != n_old or not len(array):
        turned = array.ndim == 2 and array.shape[0] == n_old
        raise ValueError(
            f"overlap has shape {array.shape}, but the encoder has {n_old} ROIs and needs "
            f"(n_rois_new, {n_old}). "
            + ("Transpose it." if turned else "Give one column for each ROI of the encoder.")
        )
    if not np.isfinite(array).all() or array.min() < 0:
        raise ValueError(
            "overlap has values that are negative or not finite, but common volumes are 0 or more. "
            "Give what parcellation_overlap or coordinate_overlap returns."
        )
    return array


def _check_names(roi_names, n_new):
    """Check names of the new ROIs; gives a list or None."""
    if roi_names is None:
        return None
    names = [roi_names] if isinstance(roi_names, str) else list(roi_names)
    if len(names) != n_new or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"roi_names holds {len(names)} names, but overlap has {n_new} rows: give one string "
            "for each new ROI."
        )
    if len(set(names)) < n_new:
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(
            f"roi_names holds {twice[:5]} more than once, but names tell ROIs apart. Give each ROI "
            "a name of its own."
        )
    return [str(name) for name in names]


def _check_coverage(overlap, names):
    """Refuse new ROIs that nothing is known about."""
    bare = np.flatnonzero(overlap.sum(axis=1) == 0)
    if len(bare):
        named = [f"row {i}" if names is None else names[i] for i in bare[:10]]
        raise ValueError(
            f"{len(bare)} new ROIs have no overlap with any ROI of the encoder: "
            f"{', '.join(named)}{' …' if len(bare) > 10 else ''}. Drop them from the scans and "
            "from overlap, or give preprocessing.coordinate_overlap, which also reaches ROIs "
            "nearby."
        )
