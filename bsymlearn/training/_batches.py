"""From ragged scans to padded windows with exact masks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from bsymlearn._validation import Scans, usable_rois
from bsymlearn.preprocessing import robust_scale, scale_connectome, window_starts


@dataclass(frozen=True)
class PreparedScan:
    """A scan in the units of the model.

    Attributes
    ----------
    timeseries : ndarray of shape (n_timepoints, n_rois), or None
    usable : ndarray of shape (n_rois,), bool, or None
        False for constant ROIs.
    connectome : ndarray of shape (n_rois, n_rois), or None
    """

    timeseries: np.ndarray | None
    usable: np.ndarray | None
    connectome: np.ndarray | None


def prepare_scans(
    scans: Scans, scaling: str | None, connectome_scaling: str | None
) -> list[PreparedScan]:
    """Scale every scan by itself; a univariate series is never scaled."""
    prepared = []
    for series, connectome in zip(scans.timeseries, scans.connectomes, strict=True):
        usable = None
        if series is not None:
            if scans.form == "univariate":
                usable = np.ones(series.shape[1], dtype=bool)
            elif scaling == "robust":
                series, usable = robust_scale(series)
            else:
                usable = usable_rois(series)
        if connectome is not None:
            if connectome_scaling == "log10":
                connectome = scale_connectome(connectome)
            else:
                connectome = connectome * ~np.eye(len(connectome), dtype=bool)
        prepared.append(PreparedScan(series, usable, connectome))
    return prepared


def collate(
    scans: list[PreparedScan], starts: list[int], time_steps: int, n_rois: int, modality: str
) -> dict[str, torch.Tensor]:
    """Cut one window from each scan and stack them.

    Returns
    -------
    batch : dict
        The keyword arguments of `BrainSymphony.forward`: `timeseries` and `valid`
        (B, time_steps, n_rois), `connectome` (B, n_rois, n_rois), `has_*` (B,).
    """
    batch: dict[str, np.ndarray] = {}
    if modality != "structural":
        series = np.zeros((len(scans), time_steps, n_rois), dtype=np.float32)
        valid = np.zeros((len(scans), time_steps, n_rois), dtype=bool)
        for b, (scan, start) in enumerate(zip(scans, starts, strict=True)):
            if scan.timeseries is not None:
                window = scan.timeseries[start : start + time_steps]
                series[b, : len(window)] = window
                valid[b, : len(window)] = scan.usable
        batch |= {"timeseries": series, "valid": valid}
        batch["has_timeseries"] = np.array([scan.timeseries is not None for scan in scans])
    if modality != "functional":
        connectomes = np.zeros((len(scans), n_rois, n_rois), dtype=np.float32)
        for b, scan in enumerate(scans):
            if scan.connectome is not None:
                connectomes[b] = scan.connectome
        batch["connectome"] = connectomes
        batch["has_connectome"] = np.array([scan.connectome is not None for scan in scans])
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def n_timepoints(scan: PreparedScan) -> int:
    """Count the time points of a scan, 0 where it has no time series."""
    return 0 if scan.timeseries is None else len(scan.timeseries)


class RandomWindows(Dataset):
    """Random windows of scans: in an epoch, about as many as would tile each scan.

    A window is drawn anew, from torch's generator, every time it is asked for.
    """

    def __init__(self, scans: list[PreparedScan], time_steps: int, n_rois: int, modality: str):
        self.scans = scans
        self.time_steps = time_steps
        self.n_rois = n_rois
        self.modality = modality
        tiles = [max(1, round(n_timepoints(scan) / time_steps)) for scan in scans]
        self.owners = np.repeat(np.arange(len(scans)), tiles)

    def __len__(self):
        return len(self.owners)

    def __getitem__(self, item):
        owner = int(self.owners[item])
        latest = max(n_timepoints(self.scans[owner]) - self.time_steps, 0)
        return owner, int(torch.randint(latest + 1, ()))

    def collate(self, items):
        """Batch for a skorch net: the module's keyword arguments, and an unused target."""
        owners, starts = zip(*items, strict=True)
        scans = [self.scans[owner] for owner in owners]
        batch = collate(scans, list(starts), self.time_steps, self.n_rois, self.modality)
        return batch, torch.zeros(len(owners))


def all_windows(scans: list[PreparedScan], time_steps: int) -> list[tuple[int, int]]:
    """List (scan, start) of every window; a scan without a time series has one."""
    return [
        (owner, start)
        for owner, scan in enumerate(scans)
        for start in window_starts(n_timepoints(scan), time_steps)
    ]


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
