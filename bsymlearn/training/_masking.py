"""What pretraining hides: ROIs, spans of time, entries, edges."""

import torch

EDGE_RATIO = 0.2  # Paper: a fifth of the edges.


def _hide_share(candidates, ratio, generator):
    """Hide `ratio` of the True entries of each row of (B, N): one at least, never all of many."""
    noise = torch.rand(candidates.shape, generator=generator).to(candidates.device)
    noise = noise.masked_fill(~candidates, 2.0)
    rank = noise.argsort(dim=1).argsort(dim=1)  # (B, N), candidates first
    n_candidates = candidates.sum(dim=1, keepdim=True)
    n_hidden = (ratio * n_candidates).round().long()
    n_hidden = n_hidden.clamp(min=1).minimum((n_candidates - 1).clamp(min=1))
    return (rank < n_hidden) & candidates


def hide_rois(valid: torch.Tensor, ratio: float, generator=None) -> torch.Tensor:
    """Hide whole ROIs.

    Parameters
    ----------
    valid : Tensor of shape (B, T, R), bool
    ratio : float
        Share of the usable ROIs of each scan that is hidden.
    generator : torch.Generator, default=None
        On the CPU.

    Returns
    -------
    hidden : Tensor of shape (B, T, R), bool
        A subset of `valid`.
    """
    chosen = _hide_share(valid.any(dim=1), ratio, generator)  # (B, R)
    return chosen[:, None, :] & valid


def hide_spans(valid: torch.Tensor, ratio: float, generator=None) -> torch.Tensor:
    """Hide one contiguous span of time in all ROIs; shapes as in `hide_rois`.

    The span covers `ratio` of the scan's own length, its start is uniform.
    """
    seen = valid.any(dim=2)  # (B, T); gaps count in neither length nor place
    length = seen.sum(dim=1)  # (B,)
    span = (ratio * length).round().clamp(min=1)
    start = torch.rand(len(valid), generator=generator).to(valid.device) * (length - span + 1)
    place = seen.cumsum(dim=1) - 1  # (B, T), among the time points that are seen
    start = start.floor()[:, None]
    inside = (place >= start) & (place < start + span[:, None])  # (B, T)
    return inside[:, :, None] & valid


def hide_entries(valid: torch.Tensor, ratio: float, generator=None) -> torch.Tensor:
    """Hide single entries; shapes as in `hide_rois`."""
    noise = torch.rand(valid.shape, generator=generator).to(valid.device)
    return (noise < ratio) & valid


def sample_times(valid: torch.Tensor, n_times: int) -> torch.Tensor | None:
    """Draw time points of each scan (B, T, R), valid ones first; (B, n_times), None for all."""
    if n_times >= valid.shape[1]:
        return None
    noise = torch.rand(valid.shape[:2], device=valid.device)
    return noise.masked_fill(~valid.any(dim=2), 2.0).argsort(dim=1)[:, :n_times]


def hide_edges(connectome: torch.Tensor, ratio: float, generator=None) -> torch.Tensor:
    """Hide undirected edges, zero ones as well.

    Parameters
    ----------
    connectome : Tensor of shape (B, R, R)
    ratio : float
        Share of the R(R - 1)/2 edges that is hidden.

    Returns
    -------
    edges : Tensor of shape (B, R, R), bool
        Each hidden edge once, in a random orientation: the encoder hides both directions and
        decodes the one given.
    """
    n_rois = connectome.shape[-1]
    upper = torch.ones(n_rois, n_rois, dtype=torch.bool, device=connectome.device).triu(1)
    noise = torch.rand(connectome.shape, generator=generator).to(connectome.device)
    chosen = (noise < ratio) & upper
    flip = torch.rand(connectome.shape, generator=generator).to(connectome.device) < 0.5
    return (chosen & ~flip) | (chosen & flip).transpose(1, 2)
