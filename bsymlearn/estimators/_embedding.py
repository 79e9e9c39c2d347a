"""From prepared scans to vectors: what a readout learns, and its use."""

from __future__ import annotations

import numpy as np
import torch

from bsymlearn.estimators._inference import Inference, lacking
from bsymlearn.estimators._readouts import Readout, readout_kind
from bsymlearn.training import PreparedScan


def fit_readout(
    inference: Inference,
    prepared: list[PreparedScan],
    weight: np.ndarray,
    readout: str,
    spectral_power: float,
) -> Readout:
    """Learn what a readout subtracts, or puts in for what a scan lacks, over these scans."""
    config = inference.module.config
    kind = readout_kind(readout, inference.modality, config.n_rois)
    mean_latent = torch.zeros(config.n_rois, config.dim)
    shift = None
    has = _has(prepared)
    if inference.modality == "multimodal" and kind != "moments":
        mean_latent, shift = _mean_fused(inference, prepared, weight, has)
    elif kind == "moments":
        mean_latent = _mean_latents(inference, prepared, weight, has, kind).flatten(1)
    elif kind == "connectivity":
        always = np.ones((len(prepared), 1), dtype=bool)
        mean_latent = _mean_latents(inference, prepared, weight, always, kind)[:, 0]
    fitted = Readout(kind, mean_latent, spectral_power, shift)
    rows = np.flatnonzero(has[:, 0] & (weight > 0))
    if kind == "moments" and len(rows):
        similarity = embed(inference, fitted, [prepared[i] for i in rows])[:, : len(fitted.rows)]
        mean_similarity = np.average(similarity, axis=0, weights=weight[rows])
        fitted.mean_similarity.copy_(torch.from_numpy(mean_similarity))
    return fitted


def embed(inference: Inference, readout: Readout, prepared: list[PreparedScan]) -> np.ndarray:
    """Embed scans; (n_scans, n_outputs) float32."""
    embedded = np.empty((len(prepared), readout.n_outputs), dtype=np.float32)
    lacks = lacking(*torch.from_numpy(_has(prepared)).unbind(dim=1))
    with torch.inference_mode():
        for i, latents in enumerate(inference.latents(prepared, readout.kind)):
            owners = torch.zeros(len(latents), dtype=torch.long)
            embedded[i] = readout(latents, owners, 1, lacks[i].expand(len(latents)))[0].numpy()
    return embedded


def _has(prepared):
    """Tell which scans have a time series and which a connectome, (n_scans, 2)."""
    present = [(scan.timeseries is not None, scan.connectome is not None) for scan in prepared]
    return np.array(present, dtype=bool).reshape(-1, 2)


def _mean_latents(inference, prepared, weight, has, kind):
    """Average the latents of each branch over the scans that have it, (R, n_branches, D)."""
    config = inference.module.config
    shape = (config.n_rois, has.shape[1], config.dim)
    shares = torch.from_numpy(has * weight[:, None] / weight.sum())  # (n_scans, n_branches)
    total = torch.zeros(shape, dtype=torch.float64)
    for latents, share in zip(inference.latents(prepared, kind), shares, strict=True):
        total += share[:, None] * latents.double().mean(dim=0).view(shape)
    return (total / shares.sum(dim=0).clamp(min=1e-12)[:, None]).float()


def _mean_fused(inference, prepared, weight, has):
    """Average fused latents, (R, D), and what to add where a modality is missing, (3, R, D).

    Both from scans that have both: what separates people who lack a modality from others stays.
    """
    both = has.all(axis=1) & (weight > 0)
    if both.any():
        rows = np.repeat(both[:, None], 3, axis=1)
        mean = _mean_latents(inference, prepared, weight * both, rows, "all")
        fused, functional, structural = mean.unbind(dim=1)
        # Latents of who lacks the series are structural, and the other way round.
        return fused, torch.stack([fused - fused, fused - structural, fused - functional])
    rows = np.column_stack([np.ones(len(has), dtype=bool), has])
    _, functional, structural = _mean_latents(inference, prepared, weight, rows, "all").unbind(1)
    known = (has * weight[:, None]).any(axis=0)
    if not known.all():  # all scans are of one kind
        fused = functional if known[0] else structural
        return fused, torch.zeros(3, *fused.shape)
    fused = (functional + structural) / 2  # nobody has both: the kinds meet halfway
    return fused, torch.stack([fused - fused, fused - structural, fused - functional])
