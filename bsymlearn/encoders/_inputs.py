"""Checks and masks of what a forward pass is given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ._config import EncoderConfig


@dataclass
class Scans:
    """Time series ready for the streams.

    Attributes
    ----------
    series : Tensor of shape (B, R, T)
        0 where invalid or hidden.
    hidden : Tensor of shape (B, R, T) or None
        True where hidden and valid.
    entries, rois, times : Tensor of shape (B, R, T), (B, R), (B, T) or None
        True for the keys that exist; None where all do.
    present : Tensor of shape (B,) or None
        False for rows without any valid entry; None where all rows have some.
    """

    series: Tensor
    hidden: Tensor | None
    entries: Tensor | None
    rois: Tensor | None
    times: Tensor | None
    present: Tensor | None


def read_scans(
    timeseries: Tensor,
    valid: Tensor | None,
    hidden: Tensor | None,
    has_timeseries: Tensor | None,
    config: EncoderConfig,
) -> Scans:
    """Check time series (B, T, R) and their masks; turn them to (B, R, T)."""
    expected = (config.time_steps, config.n_rois)
    if timeseries.ndim != 3 or timeseries.shape[1:] != expected:
        raise ValueError(
            f"timeseries has shape {tuple(timeseries.shape)}, but this encoder takes (batch, "
            f"{expected[0]} time points, {expected[1]} ROIs). Transpose it if it is (batch, ROIs, "
            "time points); cut longer scans into windows and pad shorter ones, with valid False."
        )
    series = timeseries.transpose(1, 2)  # (B, R, T)
    shape = tuple(timeseries.shape)
    if hidden is not None:
        hidden = _mask(hidden, "hidden", shape).transpose(1, 2)
    if valid is not None:
        valid = _mask(valid, "valid", shape).transpose(1, 2)
    if has_timeseries is not None:
        has = _mask(has_timeseries, "has_timeseries", shape[:1])[:, None, None]
        valid = has.expand_as(series) if valid is None else valid & has
    if valid is None:
        return Scans(_zero(series, hidden), hidden, None, None, None, None)
    series = _zero(series, ~valid if hidden is None else hidden | ~valid)
    hidden = None if hidden is None else hidden & valid
    present = valid.any(dim=2).any(dim=1)  # (B,)
    # A softmax over no keys is NaN: empty rows attend to everything, and are zeroed afterwards.
    keys = valid | ~present[:, None, None]
    missing = None if bool(present.all()) else present
    if bool(keys.all()):
        return Scans(series, hidden, None, None, None, missing)
    return Scans(series, hidden, keys, keys.any(dim=2), keys.any(dim=1), missing)


@dataclass
class Connectomes:
    """Connectomes ready for the structural branch.

    Attributes
    ----------
    weights : Tensor of shape (B, R, R)
        0 where hidden.
    hidden : Tensor of shape (B, R, R) or None
        True in both directions of every hidden edge.
    present : Tensor of shape (B,) or None
        False for rows without a connectome; None where all rows have one.
    """

    weights: Tensor
    hidden: Tensor | None
    present: Tensor | None


def read_connectomes(
    connectome: Tensor,
    edges: Tensor | None,
    has_connectome: Tensor | None,
    config: EncoderConfig,
) -> Connectomes:
    """Check connectomes (B, R, R) and their masks, and hide edges."""
    if connectome.ndim != 3 or connectome.shape[1:] != (config.n_rois, config.n_rois):
        raise ValueError(
            f"connectome has shape {tuple(connectome.shape)}, but this encoder takes (batch, "
            f"{config.n_rois} ROIs, {config.n_rois} ROIs). Use connectomes of the atlas that the "
            "encoder was built for."
        )
    hidden = None
    if edges is not None:
        edges = _mask(edges, "edges", tuple(connectome.shape))
        hidden = edges | edges.transpose(1, 2)
        connectome = _zero(connectome, hidden)
    present = None
    if has_connectome is not None:
        present = _mask(has_connectome, "has_connectome", (len(connectome),))
        connectome = _zero(connectome, ~present[:, None, None])
    return Connectomes(connectome, hidden, present)


def read_gradients(gradients: Tensor | None, n_scans: int, config: EncoderConfig) -> Tensor | None:
    """Check brain gradients (R, G) or (B, R, G)."""
    if config.positions == "learnable":
        if gradients is not None:
            raise ValueError(
                "gradients were given, but this encoder has learnable positions and would ignore "
                'them. Leave them out, or build the encoder with positions="gradient".'
            )
        return None
    shapes = ((config.n_rois, config.n_gradients), (n_scans, config.n_rois, config.n_gradients))
    if gradients is None or tuple(gradients.shape) not in shapes:
        state = "no gradients" if gradients is None else f"gradients {tuple(gradients.shape)}"
        raise ValueError(
            f"{state} given, but this encoder takes its ROI positions from brain gradients. "
            f"Pass gradients of shape {shapes[0]} or {shapes[1]}, (batch,) ROIs, gradients."
        )
    return gradients


def _mask(mask: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
    """Check a boolean mask."""
    if tuple(mask.shape) != shape or mask.dtype != torch.bool:
        raise ValueError(
            f"{name} is {mask.dtype} of shape {tuple(mask.shape)}, expected torch.bool of shape "
            f"{shape}."
        )
    return mask


def _zero(values: Tensor, where: Tensor | None) -> Tensor:
    """Set values to 0; not by a product, which would keep NaN."""
    return values if where is None else values.masked_fill(where, 0.0)
