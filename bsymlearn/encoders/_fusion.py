"""The gate that fuses the functional and the structural embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Gate(nn.Module):
    """Adaptive gate: ``g = sigmoid(Linear([f; s]))``, fused ``= g f + (1 - g) s``.

    Parameters
    ----------
    dim : int
        Width of both embeddings.

    References
    ----------
    arXiv 2506.18314, section 3.3 (adaptive fusion gate).

    Examples
    --------
    >>> import torch
    >>> from bsymlearn.encoders import Gate
    >>> fused, gate = Gate(8)(torch.zeros(2, 10, 8), torch.ones(2, 10, 8))
    >>> fused.shape, bool(((gate > 0) & (gate < 1)).all())
    (torch.Size([2, 10, 8]), True)
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.projection = nn.Linear(2 * dim, dim)

    def forward(
        self,
        functional: Tensor,
        structural: Tensor,
        has_functional: Tensor | None = None,
        has_structural: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Fuse two embeddings.

        Parameters
        ----------
        functional, structural : Tensor of shape (B, R, D)
            Embeddings of the two modalities.
        has_functional, has_structural : Tensor of shape (B,), optional
            False where a row lacks the modality: there the gate is 0 or 1, and the fused
            embedding is the other modality's.

        Returns
        -------
        fused, gate : Tensor of shape (B, R, D)
            The fused embedding, and the share of the functional one in it.
        """
        gate = self.projection(torch.cat([functional, structural], dim=-1)).sigmoid()  # (B, R, D)
        if has_structural is not None:
            gate = torch.where(has_structural[:, None, None], gate, 1.0)
        if has_functional is not None:
            gate = torch.where(has_functional[:, None, None], gate, 0.0)
        return gate * functional + (1.0 - gate) * structural, gate
