"""The structural branch: a signed graph transformer over a connectome."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._config import EncoderConfig
from ._hops import N_EIGENVECTORS, hop_matrices, laplacian_positions

# Pairs of ROIs that are decoded at once: what exists of them is 512 wide.
_PAIRS_AT_ONCE = 2**15
# Logits up to here keep the plain arithmetic of the equation; exp overflows float32 beyond 88.
_PLAIN_LOGIT = 30.0


def signed_attention(scores: Tensor, hops: list[Tensor], visible: Tensor | None) -> Tensor:
    """Attention that keeps the sign of its logits, averaged over hop matrices.

    ``a_ij = sign(z_ij) exp|z_ij| / (sum_j exp|z_ij| + 1e-10)`` with ``z = hop * scores``. Zero
    logits give no attention and still add 1 to the sum; pairs not `visible` are in neither.

    Parameters
    ----------
    scores : Tensor of shape (B, H, R, R)
        Scaled products of queries and keys.
    hops : list of Tensor of shape (B, R, R)
        Hop matrices.
    visible : Tensor of shape (B, R, R), optional
        False where a pair is hidden; None for all visible.

    Returns
    -------
    Tensor of shape (B, H, R, R)
        Signed attention.
    """
    total = torch.zeros_like(scores)
    for hop in hops:
        logits = hop[:, None] * scores  # (B, H, R, R)
        magnitude = logits.abs()
        if visible is not None:
            magnitude = magnitude.masked_fill(~visible[:, None], 0.0)
        # What the largest logit exceeds the bound by is taken out of numerator and denominator.
        largest = magnitude.detach().amax(dim=-1, keepdim=True)
        shift = (largest - _PLAIN_LOGIT).clamp_min(0.0)
        weights = (magnitude - shift).exp()
        if visible is not None:
            weights = weights.masked_fill(~visible[:, None], 0.0)
        normaliser = weights.sum(dim=-1, keepdim=True) + 1e-10 * (-shift).exp()
        total = total + logits.sign() * weights / normaliser
    return total / len(hops)


class SignedLayer(nn.Module):
    """Post-norm layer: signed attention, then a ReLU feed-forward network of width 4 D."""

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, hops: list[Tensor], visible: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Map ROIs (B, R, D) to (B, R, D) and signed attention (B, H, R, R)."""
        query, key, value = (
            projection(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for projection in (self.query, self.key, self.value)
        )  # (B, H, R, d)
        # At least float32, also under autocast: the logits are exponents, and attention jumps
        # where one changes its sign, so even the order of operations is the authors'.
        scores = query @ key.transpose(-1, -2)  # (B, H, R, R)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32)) / math.sqrt(
            query.shape[-1]
        )
        attention = signed_attention(scores, hops, visible)
        mixed = self.dropout(attention).to(value.dtype) @ value  # (B, H, R, d)
        mixed = self.output(mixed.transpose(1, 2).flatten(2))  # (B, R, D)
        x = self.norm1(x + self.dropout(mixed))
        return self.norm2(x + self.dropout(self.mlp(x))), attention


class StructuralBranch(nn.Module):
    """Signed graph transformer: one embedding per ROI of a connectome.

    Parameters
    ----------
    config : EncoderConfig
        Sizes.

    References
    ----------
    arXiv 2506.18314, section 3.2 (signed graph transformer).

    Examples
    --------
    >>> import torch
    >>> from bsymlearn.encoders import EncoderConfig, StructuralBranch
    >>> config = EncoderConfig(n_rois=10, dim=8, structural_layers=1)
    >>> branch = StructuralBranch(config)
    >>> latents, _ = branch(torch.rand(2, 10, 10))
    >>> latents.shape, branch.decode_edges(latents).shape
    (torch.Size([2, 10, 8]), torch.Size([2, 10, 10]))
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        dim = config.dim
        self.config = config
        self.embedding = nn.Linear(config.n_rois, dim)
        if config.structural_positions == "learnable":
            self.positions = nn.Parameter(torch.zeros(config.n_rois, dim))
        else:
            self.positional_projection = nn.Linear(N_EIGENVECTORS, dim)
        self.layers = nn.ModuleList(
            SignedLayer(dim, config.structural_heads, config.dropout)
            for _ in range(config.structural_layers)
        )
        self.edge_decoder = nn.Sequential(
            nn.Linear(2 * dim, 512), nn.ReLU(), nn.Linear(512, 128), nn.ReLU(), nn.Linear(128, 1)
        )

    def forward(
        self, connectome: Tensor, hidden: Tensor | None = None, return_attention: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Embed ROIs.

        Parameters
        ----------
        connectome : Tensor of shape (B, R, R)
            Edge weights; features and adjacency alike, 0 where hidden.
        hidden : Tensor of shape (B, R, R), optional
            True for the pairs that attention must not see; symmetric.
        return_attention : bool, default=False
            Whether to return attention weights.

        Returns
        -------
        latents : Tensor of shape (B, R, D)
            The structural embedding.
        attention : Tensor of shape (L, B, H, R, R) or None
            Signed attention of each layer and head, before dropout.
        """
        x = self.embedding(connectome) + self._position_code(connectome)  # (B, R, D)
        hops = hop_matrices(connectome, self.config)
        visible = None if hidden is None else ~hidden
        collected = []
        for layer in self.layers:
            x, attention = layer(x, hops, visible)
            if return_attention:
                collected.append(attention)
        return x, torch.stack(collected) if return_attention else None

    def _position_code(self, connectome: Tensor) -> Tensor:
        """Return positions (R, D), or (B, R, D) where they come from the connectome."""
        if self.config.structural_positions == "learnable":
            return self.positions
        vectors = laplacian_positions(connectome)  # (B, R, 30)
        if self.training:
            # An eigenvector's sign means nothing: random flips keep the model from reading it.
            flips = torch.randint(2, (len(vectors), 1, N_EIGENVECTORS), device=vectors.device)
            vectors = vectors * (2 * flips - 1)
        return self.positional_projection(vectors)

    def decode_edges(self, latents: Tensor, edges: Tensor | None = None) -> Tensor:
        """Predict edge weights from pairs of ROI embeddings.

        Parameters
        ----------
        latents : Tensor of shape (B, R, D)
            ROI embeddings.
        edges : Tensor of shape (B, R, R), optional
            True for the ordered pairs to decode; None for all.

        Returns
        -------
        Tensor of shape (B, R, R)
            Edge weights, [i, j] from the pair (i, j); 0 where not decoded.
        """
        first, decode = cast(nn.Linear, self.edge_decoder[0]), self.edge_decoder[1:]
        into_source, into_target = first.weight.chunk(2, dim=1)
        # W [h_i; h_j] = W_1 h_i + W_2 h_j: the widest layer runs once a ROI, not once a pair.
        source = F.linear(latents, into_source)  # (B, R, 512)
        target = F.linear(latents, into_target, first.bias)  # (B, R, 512)
        n_rois = latents.shape[1]
        if edges is None:
            rows = max(1, _PAIRS_AT_ONCE // (len(latents) * n_rois))
            decoded = [
                decode(part[:, :, None] + target[:, None]).squeeze(-1)  # (B, n, R)
                for part in source.split(rows, dim=1)
            ]
            return torch.cat(decoded, dim=1)  # (B, R, R)
        item, i, j = edges.nonzero(as_tuple=True)  # (P,) each
        pairs = [
            decode(source[b, p] + target[b, q]).squeeze(-1)
            for b, p, q in zip(
                *(index.split(_PAIRS_AT_ONCE) for index in (item, i, j)), strict=True
            )
        ]
        values = torch.cat(pairs)  # (P,)
        decoded_edges = values.new_zeros(edges.shape)
        return decoded_edges.index_put((item, i, j), values)
