"""What the graph transformer computes from a connectome before its layers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._config import EncoderConfig

N_EIGENVECTORS = 30
_DIFFUSION_ORDER = 10


def hop_matrices(connectome: Tensor, config: EncoderConfig) -> list[Tensor]:
    """Return the matrices (B, R, R) over which signed attention is averaged.

    ``first_hop`` is {W}; ``multi_hop`` is {P_1 = W, P_k = P_{k-1} W / (norm + 1e-8)};
    ``diffusion`` is {sum over k < 10 of theta^k A^k}, A the symmetrically normalised W.
    """
    if config.structural_attention == "first_hop":
        return [connectome]
    if config.structural_attention == "multi_hop":
        hops = [connectome]
        for _ in range(1, config.max_hops):
            path = hops[-1] @ connectome
            norm = torch.linalg.matrix_norm(path, keepdim=True)
            hops.append(path / (norm + 1e-8))
        return hops
    scale = (connectome.abs().sum(dim=-1) + 1e-10).rsqrt()  # (B, R)
    step = config.diffusion_theta * scale[:, :, None] * connectome * scale[:, None, :]
    identity = torch.eye(connectome.shape[-1], dtype=step.dtype, device=step.device)
    diffusion = identity.expand_as(step)
    # Horner's scheme: I + S (I + S (...)), one product a power.
    for _ in range(1, _DIFFUSION_ORDER):
        diffusion = identity + step @ diffusion
    return [diffusion]


@torch.no_grad()
def laplacian_positions(connectome: Tensor) -> Tensor:
    """Return eigenvectors (B, R, 30) of the Laplacian of the rows' angular similarity.

    Those with the largest eigenvalues, in ascending order, the entry with the largest absolute
    value positive; zero columns first where there are fewer than 30 ROIs.
    """
    # One by one: products of a batch round by place in it, and where ROIs are alike (several
    # without any edge) the last bit decides which of equally good eigenvectors come out.
    return torch.stack([_positions(one) for one in connectome])  # (B, R, 30)


def _positions(connectome: Tensor) -> Tensor:
    """Return eigenvectors (R, 30) for one connectome (R, R)."""
    # Double precision, since arccos is steep where rows are alike; neither it nor eigh is on mps.
    device = "cpu" if connectome.device.type == "mps" else connectome.device
    rows = connectome.to(device, torch.float64, copy=True)  # as rounding depends on alignment
    norm = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    rows = rows / norm.clamp_min(torch.finfo(rows.dtype).tiny)
    cosine = (rows @ rows.T).clamp(-1.0, 1.0)  # (R, R)
    similarity = 1.0 - cosine.arccos() / math.pi
    scale = similarity.sum(dim=-1).clamp_min(1e-10).rsqrt()  # (R,)
    normalised = scale[:, None] * similarity * scale
    identity = torch.eye(len(rows), dtype=rows.dtype, device=device)
    vectors = torch.linalg.eigh(identity - normalised).eigenvectors[:, -N_EIGENVECTORS:]
    largest = vectors.abs().argmax(dim=0, keepdim=True)
    vectors = vectors * vectors.gather(0, largest).sign()
    missing = N_EIGENVECTORS - vectors.shape[1]
    return torch.nn.functional.pad(vectors, (missing, 0)).to(connectome)
