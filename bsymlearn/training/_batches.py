"""From ragged scans to padded windows with exact masks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from bsymlearn._validation import Scans, same_t_r, usable_rois
from bsymlearn.preprocessing import (
    resample_timeseries,
    robust_scale,
    scale_connectome,
    window_starts,
)


@dataclass(frozen=True)
class PreparedScan:
    """A scan in the units of the model.

    Attributes
    ----------
    timeseries : ndarray of shape (n_timepoints, n_rois), or None
        NaN where there is nothing to see: missing, censored, or a constant ROI.
    connectome : ndarray of shape (n_rois, n_rois), or None
        NaN where missing.
    """

    timeseries: np.ndarray | None
    connectome: np.ndarray | None


def prepare_scans(
    scans: Scans,
    scaling: str | None,
    connectome_scaling: str | None,
    signed: bool | None = None,
) -> list[PreparedScan]:
    """Bring every scan by itself to the encoder's repetition time and scale.

    Parameters
    ----------
    scans : Scans
    scaling : {"robust", None}
    connectome_scaling : {"log10", None}
    signed : bool, default=None
        Whether connectomes are of a signed kind; None: each by itself.

    Raises
    ------
    ValueError
        If so much of a scan is censored that nothing is left of it at that repetition time.
    """
    prepared = []
    for i, (series, connectome) in enumerate(zip(scans.timeseries, scans.connectomes, strict=True)):
        if series is not None:
            series = _prepare_series(series, i, scans, scaling)
        if connectome is not None:
            if connectome_scaling == "log10":
                connectome = scale_connectome(connectome, signed)
            else:
                connectome = np.where(np.eye(len(connectome), dtype=bool), 0, connectome)
        prepared.append(PreparedScan(series, connectome))
    return prepared


def _prepare_series(series, i, scans, scaling):
    """Empty constant ROIs, resample, scale; a univariate series is never scaled."""
    univariate = scans.form == "univariate"
    usable = np.ones(series.shape[1], dtype=bool) if univariate else usable_rois(series)
    series = np.where(usable, series, np.float32(np.nan))
    t_r, encoder_t_r = scans.t_r[i], scans.encoder_t_r
    if not same_t_r(t_r, encoder_t_r):
        series = resample_timeseries(series, t_r, encoder_t_r)
        usable = np.isfinite(series).any(axis=0) if univariate else usable_rois(series)
        if not usable.any():
            raise ValueError(
                f"Nothing is left of the time series of {scans.labels[i]} after resampling from "
                f"{t_r:g} to {encoder_t_r:g} s: each new time point lies beside a missing one. "
                "Drop the row, or censor less."
            )
    if scaling == "robust" and not univariate:
        series, usable = robust_scale(series)
    return np.where(usable, series, np.float32(np.nan))


def collate(
    scans: list[PreparedScan], starts: list[int], time_steps: int, n_rois: int, modality: str
) -> dict[str, torch.Tensor]:
    """Cut one window from each scan and stack them.

    Returns
    -------
    batch : dict
        The keyword arguments of `BrainSymphony.forward`: `timeseries` and `valid`
        (B, time_steps, n_rois), `connectome` and `edges`, True where those miss a weight,
        (B, n_rois, n_rois), `has_*` (B,).
    """
    batch: dict[str, np.ndarray] = {}
    if modality != "structural":
        series = np.full((len(scans), time_steps, n_rois), np.nan, dtype=np.float32)
        for b, (scan, start) in enumerate(zip(scans, starts, strict=True)):
            if scan.timeseries is not None:
                window = scan.timeseries[start : start + time_steps]
                series[b, : len(window)] = window
        batch["valid"] = np.isfinite(series)
        batch["timeseries"] = np.where(batch["valid"], series, np.float32(0))
        batch["has_timeseries"] = np.array([scan.timeseries is not None for scan in scans])
    if modality != "functional":
        connectomes = np.zeros((len(scans), n_rois, n_rois), dtype=np.float32)
        for b, scan in enumerate(scans):
            if scan.connectome is not None:
                connectomes[b] = scan.connectome
        batch["edges"] = np.isnan(connectomes)
        batch["connectome"] = np.where(batch["edges"], np.float32(0), connectomes)
        batch["has_connectome"] = np.array([scan.connectome is not None for scan in scans])
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def n_timepoints(scan: PreparedScan) -> int:
    """Count the time points of a scan, 0 where it has no time series."""
    return 0 if scan.timeseries is None else len(scan.timeseries)


def usable_starts(scan: PreparedScan, time_steps: int) -> np.ndarray:
    """List the start points of the windows of a scan that hold half of what the fullest does."""
    starts = np.arange(max(n_timepoints(scan) - time_steps, 0) + 1)
    if scan.timeseries is None:
        return starts
    seen = np.isfinite(scan.timeseries).any(axis=1)  # (T,)
    before = np.concatenate([[0], seen.cumsum()])
    n_seen = before[np.minimum(starts + time_steps, len(seen))] - before[starts]
    return starts[2 * n_seen >= n_seen.max()]


class RandomWindows(Dataset):
    """Random windows of scans: in an epoch, about as many as would tile each scan.

    A window is drawn anew, from torch's generator, every time it is asked for.
    """

    def __init__(self, scans: list[PreparedScan], time_steps: int, n_rois: int, modality: str):
        self.scans = scans
        self.time_steps = time_steps
        self.n_rois = n_rois
        self.modality = modality
        self.starts = [usable_starts(scan, time_steps) for scan in scans]
        tiles = [max(1, round(n_timepoints(scan) / time_steps)) for scan in scans]
        self.owners = np.repeat(np.arange(len(scans)), tiles)

    def __len__(self):
        return len(self.owners)

    def __getitem__(self, item):
        owner = int(self.owners[item])
        starts = self.starts[owner]
        return owner, int(starts[torch.randint(len(starts), ())])

    def collate(self, items):
        """Batch for a skorch net: the module's keyword arguments, and an unused target."""
        owners, starts = zip(*items, strict=True)
        scans = [self.scans[owner] for owner in owners]
        batch = collate(scans, list(starts), self.time_steps, self.n_rois, self.modality)
        return batch, torch.zeros(len(owners))


def all_windows(scans: list[PreparedScan], time_steps: int) -> list[tuple[int, int]]:
    """List (scan, start) of every usable window; a scan without a time series has one."""
    windows = []
    for owner, scan in enumerate(scans):
        usable = usable_starts(scan, time_steps)
        starts = np.intersect1d(usable, window_starts(n_timepoints(scan), time_steps))
        windows += [(owner, int(start)) for start in (starts if len(starts) else usable[:1])]
    return windows


def collate_windows(
    scans: list[PreparedScan],
    windows: list[tuple[int, int]],
    time_steps: int,
    n_rois: int,
    modality: str,
    batch_size: int,
) -> Iterator[tuple[list[tuple[int, int]], dict[str, torch.Tensor]]]:
    """Iterate over windows in batches of one fixed shape, the last one filled up.

    A fixed shape keeps results independent of the number of scans: float32 sums depend on
    the shape of a batch in their last digits.
    """
    for first in range(0, len(windows), batch_size):
        part = windows[first : first + batch_size]
        filled = part + [part[-1]] * (batch_size - len(part))
        owners, starts = zip(*filled, strict=True)
        yield (
            part,
            collate([scans[owner] for owner in owners], list(starts), time_steps, n_rois, modality),
        )
