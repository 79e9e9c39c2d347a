"""The context stream: a linear convolution over each ROI's series."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

N_CHANNELS = 64
KERNEL_SIZE = 5


class ContextStream(nn.Module):
    """Convolution over time, the same for all ROIs, without non-linearity.

    Attributes
    ----------
    mask_token : Parameter of shape (1,)
        The value that stands in for a hidden entry.

    Examples
    --------
    >>> import torch
    >>> from bsymlearn.encoders import ContextStream
    >>> ContextStream()(torch.randn(2, 10, 20)).shape
    torch.Size([2, 10, 20, 64])
    """

    def __init__(self) -> None:
        super().__init__()
        self.mask_token = nn.Parameter(torch.zeros(1))
        self.convolution = nn.Conv1d(1, N_CHANNELS, KERNEL_SIZE, padding=KERNEL_SIZE // 2)

    def fill(self, series: Tensor, hidden: Tensor | None) -> Tensor:
        """Put the learnable scalar where `series` (B, R, T) is hidden."""
        return series if hidden is None else torch.where(hidden, self.mask_token, series)

    def forward(self, series: Tensor) -> Tensor:
        """Compute the features of every entry.

        Parameters
        ----------
        series : Tensor of shape (B, R, T)
            Time series, from `fill`.

        Returns
        -------
        Tensor of shape (B, R, T, 64)
            Features.
        """
        taps = self.convolution.weight[:, 0]  # (64, 5)
        return F.linear(windows(series), taps, self.convolution.bias)  # (B, R, T, 64)


def windows(series: Tensor) -> Tensor:
    """Return the window around each entry of (B, R, T), (B, R, T, 5), zero beyond the ends."""
    return F.pad(series, (KERNEL_SIZE // 2,) * 2).unfold(-1, KERNEL_SIZE, 1)
