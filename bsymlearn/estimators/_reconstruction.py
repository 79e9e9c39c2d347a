"""Masked reconstruction of whole scans with a fitted encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from bsymlearn._validation import Scans, same_t_r
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
    lengths = [
        0 if s is None else len(s) if rows is None else len(rows)
        for s, rows in zip(scans.timeseries, scans.rows, strict=True)
    ]
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


class OwnAxes:
    """From the time points and ROIs of a scan in X to those of the encoder, and back.

    Parameters
    ----------
    scans : Scans
    i : int
        The row.
    """

    def __init__(self, scans: Scans, i: int):
        self.rows, self.order = scans.rows[i], scans.order[i]
        self.n_volumes = len(scans.timeseries[i])
        t_r, encoder_t_r = scans.t_r[i], scans.encoder_t_r
        self.step = 1.0  # of the encoder, in volumes
        if t_r is not None and encoder_t_r is not None and not same_t_r(t_r, encoder_t_r):
            self.step = encoder_t_r / t_r

    def match(self, mask: np.ndarray) -> np.ndarray:
        """Bring a mask to the volumes and ROIs that passed the gate."""
        if self.order is not None:
            mask = mask[:, self.order]
        if self.rows is None:
            return mask
        whole = np.zeros((self.n_volumes, mask.shape[1]), dtype=bool)
        whole[self.rows] = mask
        whole[:, mask.all(axis=0)] = True  # a whole ROI stays one
        return whole

    def resample(self, mask: np.ndarray, n_timepoints: int) -> np.ndarray:
        """Bring a matched mask to the encoder's time points: hidden where a neighbour is."""
        if self.step == 1.0:
            return mask
        position = np.arange(n_timepoints) * self.step
        after = np.minimum(np.ceil(position - 1e-6), len(mask) - 1)
        return mask[np.floor(position + 1e-6).astype(int)] | mask[after.astype(int)]

    def restore(self, predicted: np.ndarray) -> np.ndarray:
        """Bring a prediction to X's own, in time on lines between points of the encoder."""
        if self.step != 1.0:
            wanted = np.arange(self.n_volumes) / self.step
            given = np.arange(len(predicted))
            columns = [np.interp(wanted, given, column) for column in predicted.T]
            predicted = np.stack(columns, axis=1).astype(np.float32)
        if self.rows is not None:
            predicted = predicted[self.rows]
        return predicted if self.order is None else predicted[:, np.argsort(self.order)]


def reconstruct_like(
    inference: Inference,
    prepare: Callable[[Scans], list[PreparedScan]],
    masks: list[np.ndarray],
    scans: Scans,
) -> list[np.ndarray | None]:
    """Predict every entry of every scan at the time points and ROIs of X, those of the masks.

    Single entries that are hidden are taken out before a scan is resampled and scaled, so that
    they do not come through filter, median and quartiles.
    """
    axes = [None if s is None else OwnAxes(scans, i) for i, s in enumerate(scans.timeseries)]
    matched = [m if axis is None else axis.match(m) for axis, m in zip(axes, masks, strict=True)]
    series = [
        s if s is None else np.where(mask & ~mask.all(axis=0), np.float32(np.nan), s)
        for s, mask in zip(scans.timeseries, matched, strict=True)
    ]
    prepared = prepare(replace(scans, timeseries=series))
    hidden = [
        mask if axis is None else axis.resample(mask, n_timepoints(scan))
        for axis, mask, scan in zip(axes, matched, prepared, strict=True)
    ]
    shown = [_shown(scan, mask) for scan, mask in zip(prepared, hidden, strict=True)]
    predicted = reconstruct_scans(inference, shown, hidden)
    return [
        None if axis is None or scan is None else axis.restore(scan)
        for axis, scan in zip(axes, predicted, strict=True)
    ]


def _shown(scan, hidden):
    """Let hidden entries of ROIs that are seen at other times be measured ones, of any value."""
    if scan.timeseries is None:
        return scan
    seen = np.isfinite(scan.timeseries).any(axis=0)
    gaps = hidden & seen & np.isnan(scan.timeseries)
    return replace(scan, timeseries=np.where(gaps, np.float32(0), scan.timeseries))


def reconstruct_scans(
    inference: Inference, prepared: list[PreparedScan], masks: list[np.ndarray]
) -> list[np.ndarray | None]:
    """Predict every entry of every scan with the masked ones hidden; windows are averaged.

    Returns
    -------
    predicted : list of ndarray of shape (n_timepoints_i, n_rois), float32
        In scaled units; 0, the median, where no window holds data; None where a scan has no
        time series.
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
    return [t / np.maximum(c, 1) if len(t) else None for t, c in zip(total, count, strict=True)]


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
        valid = torch.from_numpy(np.isfinite(np.asarray(scan.timeseries)))[None]  # (1, T, R)
        masks.append(hide(valid, mask_ratio, generator)[0].numpy())
    error = spread = 0.0
    predicted = reconstruct_scans(inference, scored, masks)
    for scan, mask, guess in zip(scored, masks, predicted, strict=True):
        target = np.asarray(scan.timeseries, dtype=np.float64)
        error += np.sum((np.asarray(guess) - target)[mask] ** 2)
        spread += np.sum((target - _means(target))[mask] ** 2)
    return pooled_r2(error, spread)


def _means(series):
    """Mean of each ROI over what is not missing."""
    known = np.isfinite(series)
    return np.where(known, series, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def score_edges(inference: Inference, prepared: list[PreparedScan], seed: int) -> float:
    """R² of hidden edges against the mean of each connectome's hidden edges, pooled."""
    generator = torch.Generator().manual_seed(seed)
    error = spread = 0.0
    for _, batch in inference.windows(prepared, batch_size=1):
        edges = hide_edges(batch["connectome"], EDGE_RATIO, generator) & ~batch["edges"]
        decoded = inference.forward(batch | {"edges": edges | batch["edges"]}).edges
        assert decoded is not None
        target = batch["connectome"][edges].double()
        error += float((decoded.cpu()[edges] - target).square().sum())
        spread += float((target - target.mean()).square().sum())
    return pooled_r2(error, spread)
