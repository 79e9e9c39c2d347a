"""Masked pretraining: hide, reconstruct, score what was hidden; keep connectivity."""

from typing import Any

import torch
from torch import nn

from bsymlearn.encoders import BrainSymphony
from bsymlearn.training._batches import PreparedScan, RandomWindows
from bsymlearn.training._evaluation import make_evaluation
from bsymlearn.training._initial import aim_queries, connectivity_positions, draw_windows
from bsymlearn.training._losses import connectivity_error, explained_sums, hidden_error
from bsymlearn.training._masking import (
    EDGE_RATIO,
    hide_edges,
    hide_entries,
    hide_rois,
    hide_spans,
    sample_times,
)
from bsymlearn.training._net import TrainingSettings, history_of, train

RECIPES = ("joint", "staged")
SPAN_RATIO = 0.15
N_KEY_TIMES = 16  # R² after 100 steps was the same with 8, 16 and all 64
CONNECTIVITY_WEIGHT = 3.0
N_CONTEXT_ROIS = 16
MODALITY_DROPOUT = 0.25


class MaskedPretraining(nn.Module):
    """An encoder with the decoders that only its pretraining needs.

    Parameters
    ----------
    encoder : BrainSymphony
    stage : {"streams", "fusion", "joint"}
        "streams" trains spatial, temporal and context stream and the structural branch, each
        by its own decoder and mask; "fusion" freezes them and trains Perceiver and gate;
        "joint" trains everything on one mask.
    mask_ratio : float
        Share of hidden ROIs.
    gradients : Tensor of shape (R, G), default=None

    Notes
    -----
    Paper: the fMRI streams are pretrained without masks; here reconstruction is scored only
    where the encoder could not see, because what is visible is learned by copying. A further
    term, not in the paper, asks latents of the Perceiver and of the gate for the functional
    connectivity of the window (`connectivity_error`), without which they lose it. The Perceiver
    attends to a sample of the time points while it trains.

    References
    ----------
    Pretraining sections of arXiv 2506.18314.
    """

    def __init__(self, encoder: BrainSymphony, stage: str, mask_ratio: float, gradients=None):
        super().__init__()
        self.encoder = encoder
        self.stage = stage
        self.mask_ratio = mask_ratio
        self.register_buffer("gradients", gradients)
        config = encoder.config
        self.spatial_decoder = nn.Linear(config.dim, config.time_steps)
        self.temporal_decoder = nn.Linear(config.dim, config.n_rois)
        self.context_decoder = nn.Sequential(
            nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 8), nn.GELU(), nn.Linear(8, 1)
        )
        if stage == "fusion":
            for name in ("spatial", "temporal", "context", "structural"):
                if name in config.modules:
                    encoder.part(name).requires_grad_(False)

    def hide_series(self, valid, generator=None):
        """Hide ROIs and a span of time, as the Perceiver sees them; (B, T, R) bool."""
        if valid.shape[2] == 1:
            return self.hide_targets(valid, generator)
        return self.hide_targets(valid, generator) | hide_spans(valid, SPAN_RATIO, generator)

    def hide_targets(self, valid, generator=None):
        """Hide what validation scores: ROIs, a span where there is one ROI; (B, T, R) bool."""
        hide = hide_rois if valid.shape[2] > 1 else hide_spans
        return hide(valid, self.mask_ratio, generator)

    def forward(
        self,
        timeseries=None,
        valid=None,
        has_timeseries=None,
        connectome=None,
        has_connectome=None,
        edges=None,
        hidden=None,
        targets=None,
    ) -> dict[str, torch.Tensor]:
        """Hide at random (or what is given), encode, decode, score.

        Parameters
        ----------
        timeseries, valid, has_timeseries, connectome, has_connectome, edges : Tensor
            From `collate`; `edges` are the weights that are missing, None for none.
        hidden : Tensor of shape (B, T, R), bool, default=None
        targets : Tensor of shape (B, R, R), bool, default=None
            The entries and the edges to hide and to predict.

        Returns
        -------
        sums : dict
            `loss`, and `error` and `spread` of the main reconstruction, each (B,).
        """
        if timeseries is not None and hidden is None:
            hidden = self.hide_series(valid)
        if connectome is not None:
            if targets is None:
                targets = hide_edges(connectome, EDGE_RATIO)
            edges = torch.zeros_like(targets) if edges is None else edges
            targets = targets & has_connectome[:, None, None] & ~edges
        series = (timeseries, valid, hidden) if timeseries is not None else None
        weights = (connectome, targets, edges) if connectome is not None else None
        if self.stage == "streams":
            return self._score_streams(series, weights, has_connectome)
        return self._score_fusion(series, has_timeseries, weights, has_connectome)

    def _score_streams(self, series, weights, has_connectome):
        terms, sums = [], None
        if series is not None:
            timeseries, valid, hidden = series
            latents = self._stream("spatial", timeseries, valid, hidden)
            decoded = self.spatial_decoder(latents).transpose(1, 2)  # (B, T, R)
            terms.append(hidden_error(decoded, timeseries, hidden, valid))
            sums = explained_sums(decoded, timeseries, hidden, valid)
            spans = hide_spans(valid, self.mask_ratio)
            decoded = self.temporal_decoder(self._stream("temporal", timeseries, valid, spans))
            terms.append(hidden_error(decoded, timeseries, spans, valid))
            terms.append(self._score_context(timeseries, valid))
        if weights is not None:
            connectome, targets, edges = weights
            output = self.encoder(
                connectome=connectome, has_connectome=has_connectome, edges=targets | edges
            )
            terms.append(_edge_error(output.edges, *weights))
            if sums is None:
                sums = _edge_sums(output.edges, connectome, targets)
        return _result(terms, sums)

    def _score_context(self, timeseries, valid):
        """Score the convolution on a few ROIs: it is the same for all of them."""
        context = self.encoder.part("context")
        rois = torch.randperm(valid.shape[2], device=valid.device)[:N_CONTEXT_ROIS]
        timeseries, valid = timeseries[:, :, rois], valid[:, :, rois]  # (B, T, N)
        hidden = hide_entries(valid, self.mask_ratio)
        series = context.fill(timeseries.masked_fill(~valid, 0.0), hidden)
        features = context(series.transpose(1, 2))  # (B, N, T, 64)
        decoded = self.context_decoder(features).squeeze(-1).transpose(1, 2)  # (B, T, N)
        return hidden_error(decoded, timeseries, hidden, valid)

    def _score_fusion(self, series, has_timeseries, weights, has_connectome):
        timeseries, valid, hidden = series if series is not None else (None, None, None)
        connectome, targets, edges = weights if weights is not None else (None, None, None)
        if timeseries is not None and connectome is not None and self.training:
            has_timeseries, has_connectome = _drop_modality(has_timeseries, has_connectome)
        output = self.encoder(
            timeseries,
            connectome,
            gradients=self.gradients,
            valid=valid,
            hidden=hidden,
            has_timeseries=has_timeseries,
            has_connectome=has_connectome,
            edges=None if weights is None else targets | edges,
            key_times=sample_times(valid, N_KEY_TIMES) if self.training and series else None,
        )
        terms, sums = [], None
        if timeseries is not None:
            scored = hidden & has_timeseries[:, None, None]
            terms.append(hidden_error(output.reconstruction, timeseries, scored, valid))
            sums = explained_sums(output.reconstruction, timeseries, scored, valid)
            seen = valid & has_timeseries[:, None, None]
            error = connectivity_error(output.functional, timeseries, seen)
            terms.append(CONNECTIVITY_WEIGHT * error)
            if self.stage == "joint":
                decoded = self.spatial_decoder(output.spatial).transpose(1, 2)  # (B, T, R)
                terms.append(hidden_error(decoded, timeseries, scored, valid))
                decoded = self.temporal_decoder(output.temporal)  # (B, T, R)
                terms.append(hidden_error(decoded, timeseries, scored, valid))
        if connectome is not None:
            seen = targets & has_connectome[:, None, None]
            if self.stage == "joint":
                terms.append(_edge_error(output.edges, connectome, seen, edges))
            if sums is None:
                sums = _edge_sums(output.edges, connectome, seen)
        if timeseries is not None and connectome is not None:
            # The gate learns from both: fused latents must still give the hidden series, their
            # connectivity, and the hidden edges, also where only one modality is left.
            error = connectivity_error(
                output.fused, timeseries, valid & has_timeseries[:, None, None]
            )
            terms.append(CONNECTIVITY_WEIGHT * error)
            decoded = self.encoder.part("perceiver").reconstruct(output.fused)
            terms.append(hidden_error(decoded, timeseries, scored, valid))
            decoded = self.encoder.part("structural").decode_edges(output.fused, targets)
            terms.append(_edge_error(decoded, *weights))
        return _result(terms, sums)

    def _stream(self, name, timeseries, valid, hidden):
        streams = self.encoder.streams(
            timeseries, gradients=self.gradients, valid=valid, hidden=hidden, parts=(name,)
        )
        return getattr(streams, name)


def _result(terms, sums):
    return {"loss": torch.stack(terms).sum(dim=0), "error": sums[0], "spread": sums[1]}


def _drop_modality(has_timeseries, has_connectome):
    """Hide one modality from some of the scans that have both."""
    both = has_timeseries & has_connectome
    draw = torch.rand(len(both), device=both.device)
    no_series = both & (draw < MODALITY_DROPOUT)
    no_connectome = both & (draw > 1 - MODALITY_DROPOUT)
    return has_timeseries & ~no_series, has_connectome & ~no_connectome


def _edge_error(decoded, connectome, targets, missing):
    off_diagonal = ~torch.eye(connectome.shape[-1], dtype=torch.bool, device=missing.device)
    return hidden_error(decoded, connectome, targets, off_diagonal & ~missing)


def _edge_sums(decoded, connectome, targets):
    """R² sums of hidden edges, against the mean of the connectome's hidden edges."""
    flat = [tensor.flatten(1).unsqueeze(2) for tensor in (decoded, connectome, targets)]
    return explained_sums(*flat, flat[-1])  # (B, R*R, 1): one target


def pretrain(
    encoder: BrainSymphony,
    scans: list[PreparedScan],
    held_out: list[PreparedScan],
    modality: str,
    settings: TrainingSettings,
    *,
    recipe: str = "joint",
    mask_ratio: float = 0.5,
    gradients: torch.Tensor | None = None,
    fresh: bool = True,
) -> tuple[Any, list[dict]]:
    """Pretrain an encoder in place by masked reconstruction.

    Parameters
    ----------
    encoder : BrainSymphony
    scans, held_out : list of PreparedScan
        Training scans, and those that only validate (may be empty).
    modality : {"functional", "structural", "multimodal"}
    settings : TrainingSettings
        `max_epochs` is spent in each stage.
    recipe : {"joint", "staged"}
        All parts at once, or the paper's order: streams and structural branch first, then
        Perceiver and gate on top of them.
    mask_ratio : float
    gradients : Tensor of shape (n_rois, n_gradients), default=None
    fresh : bool, default=True
        Start learnable ROI positions from the functional connectivity of `scans`, and the
        Perceiver's queries from discriminants of ROIs; False keeps what an encoder has learned
        before.

    Returns
    -------
    net : NeuralNet
        Of the last stage.
    history : list of dict
        One per epoch: `stage`, `epoch`, `train_loss`, `valid_loss` and `valid_r2`: R² of what
        was hidden in held-out scans, against the mean of each target.
    """
    config = encoder.config
    dataset = RandomWindows(scans, config.time_steps, config.n_rois, modality)
    stages = ["joint"] if recipe == "joint" else ["streams", "fusion"]
    if modality == "structural":
        stages = ["streams"]  # there is nothing to fuse
    if fresh and modality != "structural" and config.positions == "learnable":
        start = connectivity_positions(scans, config.n_rois, config.dim)
        encoder.part("spatial").positions.set_table(start)
    trainable = [parameter.requires_grad for parameter in encoder.parameters()]
    history: list[dict] = []
    net = None
    for stage in stages:
        module = MaskedPretraining(encoder, stage, mask_ratio, gradients)
        if fresh and modality != "structural" and stage != "streams":
            windows = draw_windows(module, dataset, settings)
            if windows:
                aim_queries(encoder, windows, gradients)
        evaluate = None
        if held_out:
            evaluate = make_evaluation(module, held_out, modality, settings)
        net = train(module, dataset, dataset.collate, settings, evaluate=evaluate)
        for parameter, flag in zip(encoder.parameters(), trainable, strict=True):
            parameter.requires_grad_(flag)
        history += history_of(net, stage)
    encoder.eval()
    return net, history
