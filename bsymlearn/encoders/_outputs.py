"""What a forward pass returns."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Streams:
    """Outputs of the three functional streams; None where a stream is absent or not asked for.

    Attributes
    ----------
    spatial : Tensor of shape (B, R, D) or None
        Embeddings of ROIs.
    temporal : Tensor of shape (B, T, D) or None
        Embeddings of time points.
    context : Tensor of shape (B, R, T, 64) or None
        Features of entries.
    """

    spatial: Tensor | None = None
    temporal: Tensor | None = None
    context: Tensor | None = None


@dataclass
class EncoderOutput:
    """Outputs of `BrainSymphony.forward`; None where inputs or parts were absent.

    Rows whose modality is missing are 0.

    Attributes
    ----------
    spatial : Tensor of shape (B, R, D) or None
        Embeddings of ROIs, from the spatial stream.
    temporal : Tensor of shape (B, T, D) or None
        Embeddings of time points, from the temporal stream.
    functional, structural, fused : Tensor of shape (B, R, D) or None
        Embeddings of ROIs: of the fMRI branch, of the structural branch, of both.
    gate : Tensor of shape (B, R, D) or None
        Share of the functional embedding in the fused one.
    reconstruction : Tensor of shape (B, T, R) or None
        Time series decoded from `functional`, in the units of the input.
    edges : Tensor of shape (B, R, R) or None
        Connectome decoded from `structural`; 0 where not asked for.
    attention : dict of str to Tensor or None
        On request: "spatial" (L, B, H, R, R), "temporal" (L, B, H, T, T), "perceiver" (B, R, R),
        "structural" (L, B, H, R, R, signed).
    """

    spatial: Tensor | None = None
    temporal: Tensor | None = None
    functional: Tensor | None = None
    structural: Tensor | None = None
    fused: Tensor | None = None
    gate: Tensor | None = None
    reconstruction: Tensor | None = None
    edges: Tensor | None = None
    attention: dict[str, Tensor] | None = None
