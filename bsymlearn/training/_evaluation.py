"""Validation of pretraining: fixed masks on held-out scans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from bsymlearn.training._batches import PreparedScan, all_windows, collate_windows
from bsymlearn.training._losses import pooled_r2
from bsymlearn.training._masking import EDGE_RATIO, hide_edges
from bsymlearn.training._net import TrainingSettings

if TYPE_CHECKING:
    from bsymlearn.training._pretraining import MaskedPretraining


def make_evaluation(
    module: MaskedPretraining,
    held_out: list[PreparedScan],
    modality: str,
    settings: TrainingSettings,
) -> Callable[[nn.Module], dict[str, float]]:
    """Prepare to score hidden ROIs (edges) of held-out scans, with masks that are fixed once.

    Parameters
    ----------
    module : MaskedPretraining
        Tells how series are hidden.
    held_out : list of PreparedScan
    modality : {"functional", "structural", "multimodal"}
    settings : TrainingSettings

    Returns
    -------
    evaluate : callable
        Takes the module, gives `valid_loss` and `valid_r2`: R² of what is hidden, pooled over
        all windows, against the mean of each target.
    """
    config = module.encoder.config
    windows = all_windows(held_out, config.time_steps)
    generator = torch.Generator().manual_seed(0)
    batches = []
    size = min(settings.batch_size, len(windows))
    for part, batch in collate_windows(
        held_out, windows, config.time_steps, config.n_rois, modality, size
    ):
        if "valid" in batch:
            batch["hidden"] = module.hide_targets(batch["valid"], generator)
        if "connectome" in batch:
            batch["targets"] = hide_edges(batch["connectome"], EDGE_RATIO, generator)
        batches.append((len(part), batch))

    def evaluate(trained: nn.Module) -> dict[str, float]:
        sums: dict[str, list] = {"loss": [], "error": [], "spread": []}
        # What the stages hide beside `hidden` is drawn inside: the same after every epoch, and
        # without a trace in the random numbers of training.
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for n_windows, batch in batches:
                moved = {name: tensor.to(settings.device) for name, tensor in batch.items()}
                output = trained(**moved)
                for name, values in sums.items():
                    values.append(output[name][:n_windows].cpu().double().numpy())
        total = {name: np.concatenate(values) for name, values in sums.items()}
        r2 = pooled_r2(float(total["error"].sum()), float(total["spread"].sum()))
        return {"valid_loss": float(total["loss"].mean()), "valid_r2": r2}

    return evaluate
