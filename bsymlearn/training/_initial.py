"""Where training starts: positions that know the group's connectivity, queries that find ROIs."""

import numpy as np
import torch

from bsymlearn.encoders import BrainSymphony
from bsymlearn.training._batches import PreparedScan
from bsymlearn.training._masking import sample_times

_STD = 0.3  # that of random positions
_SHRINKAGE = 0.03  # of the covariance towards its mean variance
# Enough for a ROI among hundreds to find itself, too little for a softmax without gradient.
_LARGEST_LOGIT = 15.0
_KEYS_PER_ROI = 4  # in each window: they are alike within a ROI


def connectivity_positions(scans: list[PreparedScan], n_rois: int, dim: int) -> torch.Tensor:
    """Give ROIs positions whose scalar products are the group's functional connectivity.

    The leading eigenvectors of the mean correlation matrix of the scans, times the square roots
    of their eigenvalues, turned at random and brought to one length. Attention between positions
    then starts from what is known about hidden ROIs: which others they go with.

    Parameters
    ----------
    scans : list of PreparedScan
        Training scans; those without a time series tell nothing.
    n_rois, dim : int

    Returns
    -------
    positions : Tensor of shape (n_rois, dim)
        With a standard deviation of 0.3, as random positions have; random ones for ROIs that
        are usable in no scan.
    """
    total, count = np.zeros((n_rois, n_rois)), np.zeros((n_rois, n_rois))
    for scan in scans:
        if scan.timeseries is None or len(scan.timeseries) < 2:
            continue
        known = np.isfinite(scan.timeseries)
        usable = known.any(axis=0)
        series = np.where(known, scan.timeseries, 0.0)[:, usable]
        known = known[:, usable]
        series -= series.sum(axis=0) / known.sum(axis=0)
        series *= known
        series /= np.maximum(np.linalg.norm(series, axis=0), np.finfo(np.float32).eps)
        pairs = np.ix_(usable, usable)
        total[pairs] += series.T @ series
        count[pairs] += 1
    values, vectors = np.linalg.eigh(total / np.maximum(count, 1))
    values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
    coordinates = torch.from_numpy(vectors * np.sqrt(np.maximum(values, 0)))  # (R, min(R, D))
    turn, _ = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64))
    positions = coordinates @ turn[: coordinates.shape[1]]  # (R, D)
    length = positions.norm(dim=1, keepdim=True)
    random = torch.randn(n_rois, dim, dtype=torch.float64)
    positions = torch.where(length > 1e-6, positions, random)
    return (positions * _STD * dim**0.5 / positions.norm(dim=1, keepdim=True)).float()


def draw_windows(module, dataset, settings, n_windows=128) -> list[dict[str, torch.Tensor]]:
    """Draw training windows of scans with time series, hidden as in training."""
    module.encoder.eval()
    has = [
        i for i, owner in enumerate(dataset.owners) if dataset.scans[owner].timeseries is not None
    ]
    chosen = torch.tensor(has, dtype=torch.long)[torch.randperm(len(has))[:n_windows]]
    batches = []
    for items in chosen.split(settings.batch_size) if has else ():
        batch, _ = dataset.collate([dataset[int(item)] for item in items])
        series = {name: batch[name] for name in ("timeseries", "valid")}
        series["hidden"] = module.hide_series(batch["valid"])
        batches.append({name: tensor.to(settings.device) for name, tensor in series.items()})
    return batches


@torch.no_grad()
def aim_queries(
    encoder: BrainSymphony,
    batches: list[dict[str, torch.Tensor]],
    gradients: torch.Tensor | None = None,
) -> None:
    """Let the Perceiver's queries start as linear discriminants of the ROIs' keys.

    From random queries the attention stays near uniform for hundreds of steps, and until it does
    not, no latent is about its ROI. What a softmax over ROIs needs is the discriminant of each
    against the others: the inverse covariance of keys within ROIs, times the ROI's mean key.

    Parameters
    ----------
    encoder : BrainSymphony
        Its Perceiver's latents are set in place.
    batches : list of dict
        Training windows: `timeseries`, `valid`, `hidden` of shape (B, T, R).
    gradients : Tensor of shape (R, G), default=None
    """
    perceiver = encoder.part("perceiver")
    captured: list[torch.Tensor] = []
    hook = perceiver.key.register_forward_hook(lambda *call: captured.append(call[2].cpu()))
    exist = []
    try:
        for batch in batches:
            valid = batch["valid"]
            times = sample_times(valid, _KEYS_PER_ROI)
            encoder(**batch, gradients=gradients, key_times=times)
            seen = valid if times is None else valid.take_along_dim(times[:, :, None], dim=1)
            exist.append(seen.cpu())
    finally:
        hook.remove()
    weight = torch.cat(exist).transpose(1, 2).double()[..., None]  # (N, R, K, 1)
    keys = torch.cat(captured).double().unflatten(1, weight.shape[1:3])  # (N, R, K, D)
    count = weight.sum(dim=(0, 2)).clamp(min=1)  # (R, 1)
    mean = (keys * weight).sum(dim=(0, 2)) / count  # (R, D)
    known = weight.sum(dim=(0, 2)) > 0  # (R, 1)
    centre = mean[known[:, 0]].mean(dim=0)
    within = ((keys - mean[:, None]) * weight.sqrt()).flatten(0, 2)  # (N R K, D)
    queries = []
    for part, difference in zip(
        within.chunk(perceiver.n_heads, dim=1),
        torch.where(known, mean - centre, 0.0).chunk(perceiver.n_heads, dim=1),
        strict=True,
    ):
        covariance = part.T @ part / weight.sum()  # (d, d)
        ridge = _SHRINKAGE * covariance.trace() / len(covariance) + 1e-9
        direction = torch.linalg.solve(
            covariance + ridge * torch.eye(len(covariance)).to(covariance), difference.T
        ).T  # (R, d)
        own = (direction * difference).sum(dim=1).mean()
        scale = (_LARGEST_LOGIT / own.clamp(min=1e-9)).clamp(max=1.0)
        queries.append(scale * direction * direction.shape[1] ** 0.5)
    query = torch.cat(queries, dim=1) - perceiver.query.bias.cpu().double()
    projection = perceiver.query.weight.cpu().double()
    wanted = torch.linalg.lstsq(projection, query.T).solution.T  # (R, D)
    perceiver.latents.copy_(wanted - encoder.position_code(gradients).cpu().double())
