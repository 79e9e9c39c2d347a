"""The temporal stream: a transformer over time points."""

from __future__ import annotations

from torch import Tensor, nn

from ._config import EncoderConfig
from ._layers import Transformer, sinusoidal_positions


class TemporalStream(nn.Module):
    """Transformer over time points, each volume's ROI values one token.

    Parameters
    ----------
    config : EncoderConfig
        Sizes.

    Examples
    --------
    >>> import torch
    >>> from bsymlearn.encoders import EncoderConfig, TemporalStream
    >>> config = EncoderConfig(n_rois=10, time_steps=20, dim=8, n_layers=1, mlp_dim=16)
    >>> latents, _ = TemporalStream(config)(torch.randn(2, 10, 20))
    >>> latents.shape
    torch.Size([2, 20, 8])
    """

    positions: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.embedding = nn.Linear(config.n_rois, config.dim)
        self.blocks = Transformer(
            config.n_layers, config.dim, config.n_heads, config.mlp_dim, config.dropout
        )
        table = sinusoidal_positions(config.time_steps, config.dim)
        self.register_buffer("positions", table, persistent=False)

    def forward(
        self, series: Tensor, keys: Tensor | None = None, return_attention: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Embed time points.

        Parameters
        ----------
        series : Tensor of shape (B, R, T)
            Time series, 0 where invalid or hidden.
        keys : Tensor of shape (B, T), optional
            True for the time points that may be attended to; None for all.
        return_attention : bool, default=False
            Whether to return attention weights.

        Returns
        -------
        latents : Tensor of shape (B, T, D)
            Embeddings of time points.
        attention : Tensor of shape (L, B, H, T, T) or None
            Attention weights of each layer and head.
        """
        tokens = self.embedding(series.transpose(1, 2)) + self.positions  # (B, T, D)
        return self.blocks(tokens, keys, return_attention)
