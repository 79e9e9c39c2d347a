"""Losses: one value per sample, as plain functions."""

import torch
import torch.nn.functional as F


def hidden_error(
    predicted: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """Mean squared error over what was hidden, in units of the scan's own variance.

    Parameters
    ----------
    predicted, target : Tensor of shape (B, N, M)
    hidden : Tensor of shape (B, N, M), bool
        The entries that are scored.
    valid : Tensor of shape (B, N, M), bool
        The entries from which the variance is taken.

    Returns
    -------
    loss : Tensor of shape (B,)
        1 for a model that predicts the mean, 0 where a sample hides nothing. In units of
        the target where that does not vary.
    """
    squared = (predicted - target).square().masked_fill(~hidden, 0.0).sum(dim=(1, 2))
    n_hidden = hidden.sum(dim=(1, 2)).clamp(min=1)
    n_valid = valid.sum(dim=(1, 2)).clamp(min=1)
    known = target.masked_fill(~valid, 0.0)
    mean = known.sum(dim=(1, 2), keepdim=True) / n_valid[:, None, None]
    deviation = (target - mean).masked_fill(~valid, 0.0)  # squares of raw values would cancel
    variance = deviation.square().sum(dim=(1, 2)) / n_valid
    varies = variance > 1e-10 * known.square().sum(dim=(1, 2)) / n_valid
    return squared / n_hidden / torch.where(varies, variance, 1.0)


def connectivity_error(
    latents: torch.Tensor, timeseries: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """Mean squared difference between similarity of latents and functional connectivity.

    Reconstruction alone does not ask latents to keep which ROIs go together in this scan, which
    is what predicts.

    Parameters
    ----------
    latents : Tensor of shape (B, R, D)
    timeseries : Tensor of shape (B, T, R)
    valid : Tensor of shape (B, T, R), bool

    Returns
    -------
    loss : Tensor of shape (B,)
        Between cosines of latents and correlations of series, over pairs of usable ROIs; 0 where
        there are none.
    """
    count = valid.sum(dim=1, keepdim=True).clamp(min=1)
    known = timeseries.masked_fill(~valid, 0.0)
    centred = (known - known.sum(dim=1, keepdim=True) / count).masked_fill(~valid, 0.0)
    target = F.normalize(centred, dim=1)  # (B, T, R)
    target = target.transpose(1, 2) @ target  # (B, R, R)
    unit = F.normalize(latents, dim=2)
    usable = valid.any(dim=1)  # (B, R)
    pairs = usable[:, :, None] & usable[:, None, :]
    pairs = pairs & ~torch.eye(pairs.shape[1], dtype=torch.bool, device=pairs.device)
    squared = (unit @ unit.transpose(1, 2) - target).square().masked_fill(~pairs, 0.0)
    return squared.sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)).clamp(min=1)


def explained_sums(
    predicted: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor, valid: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the two sums of R² = 1 - error / spread over hidden entries.

    Parameters
    ----------
    predicted, target : Tensor of shape (B, T, R)
    hidden : Tensor of shape (B, T, R), bool
        The entries that are scored.
    valid : Tensor of shape (B, T, R), bool
        The entries from which each target's mean over time is taken. The mean of its few hidden
        time points would be a far stronger predictor than any that can be had.

    Returns
    -------
    error, spread : Tensor of shape (B,)
        Squared error over hidden entries of the prediction, and of each target's mean over time.
    """
    known = target.masked_fill(~valid, 0.0)
    mean = known.sum(dim=1, keepdim=True) / valid.sum(dim=1, keepdim=True).clamp(min=1)
    spread = (target - mean).square().masked_fill(~hidden, 0.0).sum(dim=(1, 2))
    error = (predicted - target).square().masked_fill(~hidden, 0.0).sum(dim=(1, 2))
    return error, spread


def sample_mean(output: dict[str, torch.Tensor], target: torch.Tensor) -> torch.Tensor:
    """Average the per-sample losses that a training module returns."""
    return output["loss"].mean()


def pooled_r2(error: float, spread: float) -> float:
    """R² from pooled sums; NaN where nothing was hidden, or it does not vary."""
    return 1 - error / spread if spread > 0 else float("nan")
