"""Masked reconstruction of whole scans with a fitted encoder."""

from typing import Any

import numpy as np
import torch

from bsymlearn._validation import Scans
from bsymlearn.training import PreparedScan, hide_edges, hide_rois, hide_spans


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
        if len(mask) == n_scans and [np.shape(m) for m in mask] == shapes:
            if all(np.asarray(m).dtype == bool for m in mask):
                return [np.asarray(m) for m in mask]
    raise ValueError(
        f"mask must be boolean, True where hidden, of shape ({n_rois},), ({n_scans}, {n_rois}), or "
        f"one array (n_timepoints, n_rois) for each of the {n_scans} scans; got "
        f"{type(mask).__name__} of shape {_shape(mask)}."
    )


def _shape(mask):
    try:
        return np.shape(mask)
    except ValueError:
        return [np.shape(m) for m in mask]


def reconstruct_scans(
    estimator: Any, prepared: list[PreparedScan], masks: list[np.ndarray]
) -> list[np.ndarray | None]:
    """Predict every entry of every scan with the masked ones hidden; windows are averaged.

    Returns
    -------
    predicted : list of ndarray of shape (n_timepoints_i, n_rois), float32
        In scaled units; None where a scan has no time series.
    """
    steps = estimator.module_.config.time_steps
    gradients = estimator._gradients()
    total = [None if s.timeseries is None else np.zeros_like(s.timeseries) for s in prepared]
    count = [None if s.timeseries is None else np.zeros(len(s.timeseries)) for s in prepared]
    for part, batch in estimator._windows(prepared):
        hidden = torch.zeros_like(batch["valid"])
        for b, (owner, start) in enumerate(part):
            window = masks[owner][start : start + steps]
            hidden[b, : len(window)] = torch.from_numpy(window.copy())
        output = estimator._forward(batch | {"hidden": hidden}, gradients)
        windows = output.reconstruction.cpu().numpy()
        for (owner, start), window in zip(part, windows, strict=False):
            if total[owner] is not None:
                stop = min(start + steps, len(total[owner]))
                total[owner][start:stop] += window[: stop - start]
                count[owner][start:stop] += 1
    return [None if t is None else t / c[:, None] for t, c in zip(total, count, strict=True)]


def score_reconstruction(
    estimator: Any, prepared: list[PreparedScan], mask_ratio: float, seed: int
) -> float:
    """R² of hidden ROIs (spans, where there is one ROI), pooled over hidden entries."""
    generator = torch.Generator().manual_seed(seed)
    masks = []
    for scan in prepared:
        if scan.timeseries is None:
            masks.append(np.zeros((0, estimator.n_rois_), dtype=bool))
            continue
        valid = torch.from_numpy(np.broadcast_to(scan.usable, scan.timeseries.shape).copy())[None]
        hide = hide_spans if estimator.n_rois_ == 1 else hide_rois
        masks.append(hide(valid, mask_ratio, generator)[0].numpy())
    predicted = reconstruct_scans(estimator, prepared, masks)
    error = spread = 0.0
    for scan, mask, guess in zip(prepared, masks, predicted, strict=True):
        if scan.timeseries is not None:
            target = scan.timeseries.astype(np.float64)
            error += np.sum((guess - target)[mask] ** 2)
            spread += np.sum((target - target.mean(axis=0))[mask] ** 2)
    return float(1 - error / max(spread, 1e-12))


@torch.inference_mode()
def score_edges(estimator: Any, prepared: list[PreparedScan], seed: int) -> float:
    """R² of hidden edges against the mean of each connectome's hidden edges, pooled."""
    generator = torch.Generator().manual_seed(seed)
    error = spread = 0.0
    for part, batch in estimator._windows(prepared, batch_size=1):
        target = batch["connectome"]
        edges = hide_edges(target, 0.2, generator)
        moved = {k: t.to(estimator.device_) for k, t in (batch | {"edges": edges}).items()}
        decoded = estimator.module_(**moved).edges.cpu()
        error += float((decoded - target)[edges].double().square().sum())
        hidden = target[edges].double()
        spread += float((hidden - hidden.mean()).square().sum())
        del part
    return 1 - error / max(spread, 1e-12)
