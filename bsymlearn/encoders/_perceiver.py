"""The Perceiver: one latent per ROI distils the three functional streams."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._config import EncoderConfig
from ._context import N_CHANNELS, ContextStream, windows
from ._layers import Transformer, attend

# Largest number of attention logits that exist at once.
_LOGITS_AT_ONCE = 2**26
_QUERY_BLOCK = 8


class Perceiver(nn.Module):
    """Cross-attention from ROI latents to all entries of a scan, then transformer blocks.

    The token of entry (r, t) is ``LN(W_in [A s_r; B h_t; C c_rt] + b)``, with s the spatial and
    h the temporal embeddings and c the context features. It is key and value; the query of a ROI
    is its learnable latent plus its spatial position code.

    Parameters
    ----------
    config : EncoderConfig
        Sizes.

    References
    ----------
    arXiv 2506.18314, section 3.1 (ROI-wise Perceiver).
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        dim, width = config.dim, config.perceiver_width
        self.n_heads = config.perceiver_heads
        self.latents = nn.Parameter(torch.empty(config.n_rois, dim))
        self.spatial_projection = nn.Linear(dim, width)
        self.temporal_projection = nn.Linear(dim, width)
        self.context_projection = nn.Linear(N_CHANNELS, width)
        self.input_projection = nn.Linear(3 * width, dim)
        self.input_norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        self.output_norm = nn.LayerNorm(dim)
        self.blocks = Transformer(
            config.n_latent_blocks, dim, config.perceiver_heads, 4 * dim, config.dropout
        )
        self.head = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, config.time_steps)
        )

    def keys_values(
        self, spatial: Tensor, temporal: Tensor, taps: Tensor, context: ContextStream
    ) -> tuple[Tensor, Tensor]:
        """Return keys and values of all entries, (B, H, R T, d) each; `taps` is (B, R, T, 5).

        The input projection of a concatenation is a sum of three projections, and the context
        one composes with its convolution to five taps; so the (R, T, 3 width) tensor of the
        equation never exists.
        """
        into_spatial, into_temporal, into_context = self.input_projection.weight.chunk(3, dim=1)
        per_roi = F.linear(self.spatial_projection(spatial), into_spatial)  # (B, R, D)
        per_time = F.linear(
            self.temporal_projection(temporal), into_temporal, self.input_projection.bias
        )  # (B, T, D)
        composed = into_context @ self.context_projection.weight  # (D, 64)
        kernel = composed @ context.convolution.weight[:, 0]  # (D, 5)
        assert context.convolution.bias is not None
        offset = composed @ context.convolution.bias + into_context @ self.context_projection.bias
        tokens = F.linear(taps, kernel, offset)  # (B, R, T, D)
        tokens = self.input_norm(tokens + per_roi[:, :, None] + per_time[:, None])
        tokens = tokens.flatten(1, 2)  # (B, R T, D)
        return self._heads(self.key(tokens)), self._heads(self.value(tokens))

    def _heads(self, x: Tensor) -> Tensor:
        """Cut (B, N, D) into heads, (B, H, N, d)."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def forward(
        self,
        spatial: Tensor,
        temporal: Tensor,
        series: Tensor,
        context: ContextStream,
        code: Tensor,
        keys: Tensor | None = None,
        return_attention: bool = False,
        key_times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Distil the streams into one embedding per ROI.

        Parameters
        ----------
        spatial : Tensor of shape (B, R, D)
            Embeddings of ROIs.
        temporal : Tensor of shape (B, T, D)
            Embeddings of time points.
        series : Tensor of shape (B, R, T)
            What the context convolution reads.
        context : ContextStream
            The convolution, composed here with the projection of its output.
        code : Tensor of shape (R, D) or (B, R, D)
            ROI positions.
        keys : Tensor of shape (B, R, T), optional
            True for the entries that may be attended to; None for all.
        return_attention : bool, default=False
            Whether to return attention weights.
        key_times : Tensor of shape (B, K), int, optional
            Time points of each scan that are attended to; None for all.

        Returns
        -------
        latents : Tensor of shape (B, R, D)
            The functional embedding.
        attention : Tensor of shape (B, R, R) or None
            Weights of the cross-attention, mean over heads and sum over key time.
        """
        taps = windows(series)  # (B, R, T, 5)
        if key_times is not None:
            taps = taps.take_along_dim(key_times[:, None, :, None], dim=2)  # (B, R, K, 5)
            temporal = temporal.take_along_dim(key_times[:, :, None], dim=1)  # (B, K, D)
            keys = None if keys is None else keys.take_along_dim(key_times[:, None], dim=2)
        key, value = self.keys_values(spatial, temporal, taps, context)
        query = (self.latents + code).expand(len(spatial), -1, -1)  # (B, R, D)
        query = self._heads(self.query(query))  # (B, H, R, d)
        keys = None if keys is None else keys.flatten(1)  # (B, R T)
        # Rows of zeros: with one to three queries in its last block, the CPU kernel sums over the
        # many keys in a way that costs a digit.
        padded = F.pad(query, (0, 0, 0, -query.shape[2] % _QUERY_BLOCK))  # (B, H, R + n, d)
        mixed, _ = attend(padded, key, value, keys, return_weights=False)
        mixed = mixed[:, :, : query.shape[2]]  # (B, H, R, d)
        attention = None
        if return_attention:
            attention = _attention_between_rois(query, key, keys, taps.shape[2])
        x = self.output_norm(self.output(mixed.transpose(1, 2).flatten(2)))  # (B, R, D)
        return self.blocks(x)[0], attention

    def reconstruct(self, latents: Tensor) -> Tensor:
        """Reconstruct every ROI's series from its latent.

        Parameters
        ----------
        latents : Tensor of shape (B, R, D)
            ROI embeddings.

        Returns
        -------
        Tensor of shape (B, T, R)
            Time series, in the units of the input.
        """
        return self.head(latents).transpose(1, 2)  # (B, T, R)


def _attention_between_rois(
    query: Tensor, key: Tensor, keys: Tensor | None, time_steps: int
) -> Tensor:
    """Cross-attention (B, R, R): mean over heads, sum over key time.

    The sum over time of a softmax is the softmax over ROIs of the logsumexp over time. A few
    queries at a time, to bound the memory.
    """
    per_query = key.shape[0] * key.shape[1] * key.shape[2]
    chunks = []
    for part in query.split(max(1, _LOGITS_AT_ONCE // per_query), dim=2):
        logits = part * part.shape[-1] ** -0.5 @ key.transpose(-1, -2)  # (B, H, n, R T)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if keys is not None:
            logits = logits.masked_fill(~keys[:, None, None, :], torch.finfo(logits.dtype).min)
        per_roi = logits.unflatten(-1, (-1, time_steps)).logsumexp(dim=-1)  # (B, H, n, R)
        chunks.append(per_roi.softmax(dim=-1).mean(dim=1))  # (B, n, R)
    return torch.cat(chunks, dim=1)
