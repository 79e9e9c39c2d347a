"""Initial weights of all parts."""

from __future__ import annotations

from torch import nn

from ._perceiver import Perceiver
from ._spatial import LearnablePositions
from ._structural import StructuralBranch

_POSITION_STD = 0.02


def initialise(model: nn.Module) -> None:
    """Draw initial weights of every layer of `model` from torch's default generator.

    Linear layers keep the variance of their input (std of fan_in ** -0.5, biases 0), so that a
    standardised series gives tokens of unit scale; with biases 0, what a hidden ROI starts from
    is its position alone.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, LearnablePositions):
            nn.init.normal_(module.table, std=_POSITION_STD)
        elif isinstance(module, Perceiver):
            nn.init.normal_(module.latents, std=_POSITION_STD)
        elif isinstance(module, StructuralBranch) and hasattr(module, "positions"):
            nn.init.normal_(module.positions, std=_POSITION_STD)
