"""The course of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bsymlearn.plotting._colours import BLUE, GREY, ORANGE, get_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SCORES = {"valid_r2": "R² of hidden entries, held-out scans", "valid_score": "validation score"}


def plot_training(history: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Plot training loss and validation score over epochs.

    Parameters
    ----------
    history : sequence of mapping
        An entry per epoch, as an estimator's ``history_``: `train_loss`; `valid_loss`,
        `valid_r2` (or `valid_score`) and `stage` where there are any. Epochs are counted through
        all stages, and a dashed line parts two stages.
    ax : Axes, default=None
        Where to draw; a new figure by default.

    Returns
    -------
    ax : Axes
        Of the losses. The score has an axis of its own on the right, ``ax.figure.axes[-1]``.

    Raises
    ------
    ValueError
        If there is no epoch, or one without `train_loss`.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from bsymlearn.plotting import plot_training
    >>> history = [
    ...     {"train_loss": 1.0, "valid_r2": 0.1, "stage": "joint"},
    ...     {"train_loss": 0.8, "valid_r2": 0.2, "stage": "joint"},
    ... ]
    >>> ax = plot_training(history)
    >>> ax.get_xlabel()
    'epoch'
    """
    if len(history) == 0:
        raise ValueError(
            "history is empty, but an entry per epoch is expected. Fit the estimator with "
            "max_epochs of 1 or more."
        )
    if not all("train_loss" in entry for entry in history):
        raise ValueError(
            f"An entry of history has the keys {sorted(history[0])}, but train_loss is expected in "
            "each. Give history_ of a fitted estimator."
        )
    ax = get_axes(ax, (6.4, 3.8))
    epochs = np.arange(1, len(history) + 1)
    few = "o" if len(history) < 3 else None  # a line through one point is invisible
    lines = ax.plot(
        epochs, _course(history, "train_loss"), color=BLUE, marker=few, label="training loss"
    )
    if any("valid_loss" in entry for entry in history):
        losses = _course(history, "valid_loss")
        lines += ax.plot(
            epochs, losses, ":", color=BLUE, marker=few, mfc="none", label="validation loss"
        )
    ax.set(xlabel="epoch", ylabel="loss")
    ax.locator_params(axis="x", integer=True)
    ax.spines["top"].set_visible(False)
    _mark_stages(ax, [str(entry.get("stage", "")) for entry in history])
    name = next((key for key in _SCORES if any(key in entry for entry in history)), None)
    if name is not None:
        right = ax.twinx()
        lines += right.plot(
            epochs, _course(history, name), color=ORANGE, marker=few, label=_SCORES[name]
        )
        right.set_ylabel("R²" if name == "valid_r2" else "score", color=ORANGE)
        right.tick_params(axis="y", colors=ORANGE)
        right.spines["top"].set_visible(False)
    ax.legend(
        handles=lines, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.04), ncols=3,
        fontsize="small",
    )  # fmt: skip
    return ax


def _course(history, name):
    """Values of all epochs, NaN where there is none."""
    return [float(entry.get(name, np.nan)) for entry in history]


def _mark_stages(ax, stages):
    """Part the stages by lines and name them, where there are several."""
    starts = [i for i, (a, b) in enumerate(pairwise(stages), start=1) if a != b]
    if not starts:
        return
    for start in starts:
        ax.axvline(start + 0.5, color=GREY, linestyle="--", linewidth=1)
    for start in [0, *starts]:
        ax.annotate(
            stages[start], (start + 0.6, 0.98), xycoords=("data", "axes fraction"),
            va="top", fontsize="small", color=GREY,
        )  # fmt: skip
