"""Figures: arrays in, matplotlib Axes out."""

from bsymlearn.plotting._comparison import plot_comparison
from bsymlearn.plotting._matrix import plot_network_matrix
from bsymlearn.plotting._training import plot_training

__all__ = ["plot_comparison", "plot_network_matrix", "plot_training"]
