"""From scans to trained encoders: batches, masks, losses, the skorch net."""

from bsymlearn.training._batches import (
    PreparedScan,
    all_windows,
    collate,
    collate_windows,
    n_timepoints,
    prepare_scans,
    usable_starts,
)
from bsymlearn.training._losses import pooled_r2
from bsymlearn.training._masking import (
    EDGE_RATIO,
    hide_edges,
    hide_entries,
    hide_rois,
    hide_spans,
)
from bsymlearn.training._net import TrainingSettings, history_of, train
from bsymlearn.training._pretraining import RECIPES, pretrain

__all__ = [
    "EDGE_RATIO",
    "RECIPES",
    "PreparedScan",
    "TrainingSettings",
    "all_windows",
    "collate",
    "collate_windows",
    "hide_edges",
    "hide_entries",
    "hide_rois",
    "hide_spans",
    "history_of",
    "n_timepoints",
    "pooled_r2",
    "prepare_scans",
    "pretrain",
    "train",
    "usable_starts",
]
