"""The spatial stream: a transformer over ROIs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._config import EncoderConfig
from ._layers import Transformer


class LearnablePositions(nn.Module):
    """ROI positions from a learnable table."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.n_rois = config.n_rois
        self.table = nn.Parameter(torch.empty(config.n_positions or config.n_rois, config.dim))

    def code(self, gradients: Tensor | None = None) -> Tensor:
        """Return the position code (R, D)."""
        return self.table[: self.n_rois]

    @torch.no_grad()
    def set_table(self, table: Tensor) -> None:
        """Set the positions (R, D) that training starts from."""
        self.table[: self.n_rois] = table.to(self.table)

    def forward(self, tokens: Tensor, code: Tensor) -> Tensor:
        """Place tokens (B, R, D)."""
        return tokens + code


class GradientPositions(nn.Module):
    """ROI positions from brain gradients: ``LN(e + alpha Linear(g))``."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.projection = nn.Linear(config.n_gradients, config.dim)
        self.alpha = nn.Parameter(torch.tensor(0.1))
        self.norm = nn.LayerNorm(config.dim)

    def code(self, gradients: Tensor) -> Tensor:
        """Return the position code of gradients (..., R, G), (..., R, D)."""
        # Subcortical ROIs have no cortical gradient: NaN there, and zero is the gradients' mean.
        return self.alpha * self.projection(gradients.nan_to_num(0.0))

    def forward(self, tokens: Tensor, code: Tensor) -> Tensor:
        """Place tokens (B, R, D)."""
        return self.norm(tokens + code)


class SpatialStream(nn.Module):
    """Transformer over ROIs, each ROI's series one token.

    Parameters
    ----------
    config : EncoderConfig
        Sizes.

    Examples
    --------
    >>> import torch
    >>> from bsymlearn.encoders import EncoderConfig, SpatialStream
    >>> config = EncoderConfig(n_rois=10, time_steps=20, dim=8, n_layers=1, mlp_dim=16)
    >>> spatial = SpatialStream(config)
    >>> latents, _ = spatial(torch.randn(2, 10, 20), torch.zeros(10, 8))
    >>> latents.shape
    torch.Size([2, 10, 8])
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.embedding = nn.Linear(config.time_steps, config.dim)
        learnable = config.positions == "learnable"
        self.positions = (LearnablePositions if learnable else GradientPositions)(config)
        self.blocks = Transformer(
            config.n_layers, config.dim, config.n_heads, config.mlp_dim, config.dropout
        )

    def forward(
        self,
        series: Tensor,
        code: Tensor,
        keys: Tensor | None = None,
        return_attention: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Embed ROIs.

        Parameters
        ----------
        series : Tensor of shape (B, R, T)
            Time series, 0 where invalid or hidden.
        code : Tensor of shape (R, D) or (B, R, D)
            ROI positions, from ``positions.code``.
        keys : Tensor of shape (B, R), optional
            True for the ROIs that may be attended to; None for all.
        return_attention : bool, default=False
            Whether to return attention weights.

        Returns
        -------
        latents : Tensor of shape (B, R, D)
            ROI embeddings.
        attention : Tensor of shape (L, B, H, R, R) or None
            Attention weights of each layer and head.
        """
        tokens = self.positions(self.embedding(series), code)  # (B, R, D)
        return self.blocks(tokens, keys, return_attention)
