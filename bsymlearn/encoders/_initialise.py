"""Initial weights of all parts."""

from __future__ import annotations

from torch import nn

from ._perceiver import Perceiver
from ._spatial import LearnablePositions
from ._structural import StructuralBranch

# Of the order of the tokens, so that the attention tells ROIs apart from the first step. On real
# scans, masked-ROI R² of a spatial stream after 95 epochs: 0.34 with 0.02, 0.37 with 0.1, 0.38
# with 0.3 (where a fifth of the epochs suffice for 0.30, against 0.20 with 0.02).
_POSITION_STD = 0.3
_LATENT_STD = 0.02


def initialise(model: nn.Module) -> None:
    """Draw initial weights of every layer of `model` from torch's default generator.

    Linear layers are uniform with bounds of 1 / sqrt(fan_in), as torch draws them, which adds
    less than its own variance to the residual stream; their biases are 0, so that what a hidden
    ROI starts from is its position alone. Positions and latents are normal.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, LearnablePositions):
            nn.init.normal_(module.table, std=_POSITION_STD)
        elif isinstance(module, Perceiver):
            nn.init.normal_(module.latents, std=_LATENT_STD)
        elif isinstance(module, StructuralBranch) and hasattr(module, "positions"):
            nn.init.normal_(module.positions, std=_POSITION_STD)
