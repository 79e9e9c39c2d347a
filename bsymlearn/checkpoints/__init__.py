"""Checkpoints on disk: save, load, and convert the authors' files."""

from ._authors import convert_authors_checkpoint
from ._directory import load_checkpoint, save_checkpoint

__all__ = ["convert_authors_checkpoint", "load_checkpoint", "save_checkpoint"]
