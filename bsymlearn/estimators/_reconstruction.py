"""Masked reconstruction of whole scans with a fitted encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bsymlearn._validation import Scans
from bsymlearn.estimators._inference import Inference
from bsymlearn.training import (
    EDGE_RATIO,
    PreparedScan,
    hide_edges,
    hide_rois,
    hide_spans,
    n_timepoints,
    pooled_r2,
)


def check_mask(mask: Any, scans: Scans) -> list[np.ndarray]:
    """Bring a mask, True where hidden, into one (n_timepoints, n_rois) array a scan."""
    lengths = [0 if s is None else len(s) for s in scans.timeseries]
    n_scans, n_rois = len(scans), scans.n_rois
    if isinstance(mask, np.ndarray | list | tuple):
        ragged = len({np.shape(m) for m in mask}) > 1
        array = None if ragged else np.asarray(mask)
        if array is not None and array.dtype == bool:
            if array.shape == (n_rois,):
                array = np.broadcast_to(array, (n_scans, n_rois))
            if array.shape == (n_scans, n_rois):
                return [np.repeat(m[None], t, axis=0) for m, t in zip(array, lengths, strict=True)]
        shapes = [(length, n_rois) for length in lengths]
        # A scan without a time series has nothing to hide, whatever its mask is.
        fits = len(mask) == n_scans and all(
            length == 0 or (np.shape(m) == shape and np.asarray(m).dtype == bool)
            for m, shape, length in zip(mask, shapes, lengths, strict=True)
        )
        if fits:
            empty = np.zeros((0, n_rois), dtype=bool)
            return [np.asarray(m) if t else empty for m, t in zip(mask, lengths, strict=True)]
    raise ValueError(
        f"mask must be boolean, True where hidden, of shape ({n_rois},), ({n_scans}, {n_rois}), or "
        f"one array (n_timepoints, n_rois) for each of the {n_scans} scans; got "
        f"{type(mask).__name__} of {_describe(mask)}. Give one of these forms."
    )


def _describe(mask):
    try:
        array = np.asarray(mask)
    except ValueError:
        return f"shapes {[np.shape(m) for m in mask]}"
    return f"shape {array.shape} and type {array.dtype}"


def reconstruct_scans(
    inference: Inference, prepared: list[PreparedScan], masks: list[np.ndarray]
) -> list[np.ndarray | None]:
    """Predict every entry of every scan with the masked ones hidden; windows are averaged.

    Returns
    -------
    predicted : list of ndarray of shape (n_timepoints_i, n_rois), float32
        In scaled units; None where a scan has no time series.
    """
    config = inference.module.config
    shapes = [(n_timepoints(scan), config.n_rois) for scan in prepared]
    total = [np.zeros(shape, dtype=np.float32) for shape in shapes]
    count = [np.zeros((length, 1), dtype=np.float32) for length, _ in shapes]
    for part, batch in inference.windows(prepared):
        hidden = torch.zeros_like(batch["valid"])
        for b, (owner, start) in enumerate(part):
            window = masks[owner][start : start + config.time_steps]
            hidden[b, : len(window)] = torch.from_numpy(window.copy())
        windows = inference.forward(batch | {"hidden": hidden}).reconstruction
        assert windows is not None  # the caller has refused encoders without a functional branch
        for (owner, start), window in zip(part, windows.cpu().numpy(), strict=False):
            stop = min(start + config.time_steps, len(total[owner]))
            total[owner][start:stop] += window[: stop - start]
            count[owner][start:stop] += 1
    return [t / c if len(t) else None for t, c in zip(total, count, strict=True)]


def score_reconstruction(
    inference: Inference, prepared: list[PreparedScan], mask_ratio: float, seed: int
) -> float:
    """R² of hidden ROIs (spans, where there is one ROI), pooled over hidden entries."""
    scored = [scan for scan in prepared if n_timepoints(scan)]
    if not scored:
        raise ValueError(
            "X has no time series, but score reconstructs hidden ROIs. Give scans with time series."
        )
    generator = torch.Generator().manual_seed(seed)
    hide = hide_spans if inference.module.config.n_rois == 1 else hide_rois
    masks = []
    for scan in scored:
        usable = np.asarray(scan.usable)
        valid = torch.from_numpy(np.tile(usable, (1, n_timepoints(scan), 1)))  # (1, T, R)
        masks.append(hide(valid, mask_ratio, generator)[0].numpy())
    error = spread = 0.0
    predicted = reconstruct_scans(inference, scored, masks)
    for scan, mask, guess in zip(scored, masks, predicted, strict=True):
        target = np.asarray(scan.timeseries, dtype=np.float64)
        error += np.sum((np.asarray(guess) - target)[mask] ** 2)
        spread += np.sum((target - target.mean(axis=0))[mask] ** 2)
    return pooled_r2(error, spread)


def score_edges(inference: Inference, prepared: list[PreparedScan], seed: int) -> float:
    """R² of hidden edges against the mean of each connectome's hidden edges, pooled."""
    generator = torch.Generator().manual_seed(seed)
    error = spread = 0.0
    for _, batch in inference.windows(prepared, batch_size=1):
        edges = hide_edges(batch["connectome"], EDGE_RATIO, generator)
        decoded = inference.forward(batch | {"edges": edges}).edges
        assert decoded is not None
        target = batch["connectome"][edges].double()
        error += float((decoded.cpu()[edges] - target).square().sum())
        spread += float((target - target.mean()).square().sum())
    return pooled_r2(error, spread)
