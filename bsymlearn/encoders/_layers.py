"""Layers that the streams share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attend(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor | None, return_weights: bool
) -> tuple[Tensor, Tensor | None]:
    """Softmax attention; `keys` (B, M) is True for the keys that exist, None for all."""
    mask = None if keys is None else keys[:, None, None, :]  # (B, 1, 1, M)
    if not return_weights:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask), None
    logits = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5  # (B, H, N, M)
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf)
    weights = logits.softmax(dim=-1)
    return weights.to(value.dtype) @ value, weights  # (B, H, N, d)


class SelfAttention(nn.Module):
    """Multi-head self-attention: one projection without bias in, one with bias out."""

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.output = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, keys: Tensor | None = None, return_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Map tokens (B, N, D) to (B, N, D) and, on request, weights (B, H, N, N)."""
        qkv = self.qkv(x).unflatten(-1, (3, self.n_heads, -1))  # (B, N, 3, H, d)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (B, H, N, d) each
        mixed, weights = attend(query, key, value, keys, return_weights)
        return self.output(mixed.transpose(1, 2).flatten(2)), weights  # (B, N, D)


class Block(nn.Module):
    """Pre-norm transformer block: ``x += Drop(MHSA(LN x)); x += Drop(MLP(LN x))``."""

    def __init__(self, dim: int, n_heads: int, mlp_dim: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, n_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp_dim), nn.GELU(), nn.Linear(mlp_dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, keys: Tensor | None = None, return_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Map tokens (B, N, D) to (B, N, D) and, on request, weights (B, H, N, N)."""
        mixed, weights = self.attention(self.norm1(x), keys, return_weights)
        x = x + self.dropout(mixed)
        return x + self.dropout(self.mlp(self.norm2(x))), weights


class Transformer(nn.ModuleList):
    """Pre-norm blocks one after the other, without a final norm."""

    def __init__(self, n_layers: int, dim: int, n_heads: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(Block(dim, n_heads, mlp_dim, dropout) for _ in range(n_layers))

    def forward(
        self, x: Tensor, keys: Tensor | None = None, return_attention: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Map tokens (B, N, D) to (B, N, D) and, on request, weights (L, B, H, N, N)."""
        collected = []
        for block in self:
            x, weights = block(x, keys, return_attention)
            collected.append(weights)
        return x, torch.stack(collected) if return_attention else None


def sinusoidal_positions(n_positions: int, dim: int) -> Tensor:
    """Sinusoidal position table (n_positions, dim), sine in even and cosine in odd columns."""
    positions = torch.arange(n_positions, dtype=torch.float32)[:, None]
    even = torch.arange(0, dim, 2, dtype=torch.float32)
    angles = positions * torch.exp(even * (-torch.log(torch.tensor(10000.0)) / dim))
    table = torch.empty(n_positions, dim)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles[:, : dim // 2].cos()
    return table
