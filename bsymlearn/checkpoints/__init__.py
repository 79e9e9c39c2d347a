"""Checkpoints on disk: save, load, adapt, and convert the authors' files."""

from ._authors import convert_authors_checkpoint
from ._directory import load_checkpoint, save_checkpoint
from ._parcellation import adapt_parcellation

__all__ = [
    "adapt_parcellation",
    "convert_authors_checkpoint",
    "load_checkpoint",
    "save_checkpoint",
]
