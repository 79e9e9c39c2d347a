"""Scores of several methods side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bsymlearn.plotting._colours import BLUE, GREY, ORANGE, get_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_comparison(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw a forest plot of scores with their intervals.

    Parameters
    ----------
    table : DataFrame
        A row per method, named by the index and drawn from top to bottom. Columns `score`, `low`
        and `high` (its interval), optionally `fold_mean`, drawn as an open diamond.
        ``table.attrs`` may hold `chance`, where a dashed line is drawn, and `scoring`, the label
        of the axis.
    ax : Axes, default=None
        Where to draw; a new figure by default.

    Returns
    -------
    ax : Axes

    Raises
    ------
    TypeError
        If `table` is no DataFrame.
    ValueError
        If it is empty, lacks a column, or has an interval without its score.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from bsymlearn.plotting import plot_comparison
    >>> table = pd.DataFrame(
    ...     {"score": [0.72, 0.68], "low": [0.64, 0.60], "high": [0.80, 0.76]},
    ...     index=["fused embedding", "FC"],
    ... )
    >>> table.attrs = {"chance": 0.5, "scoring": "ROC AUC"}
    >>> ax = plot_comparison(table)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['fused embedding', 'FC']
    """
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"table is a {type(table).__name__}, but a DataFrame is expected.")
    needed = ["score", "low", "high"]
    missing = [name for name in needed if name not in table.columns]
    if missing or table.empty:
        raise ValueError(
            f"table has {len(table)} rows and the columns {table.columns.tolist()}, but a row per "
            f"method with the columns {needed} is expected."
        )
    score, low, high = (table[name].to_numpy(dtype=float) for name in needed)
    if np.any(low > score) or np.any(high < score):
        wrong = table.index[(low > score) | (high < score)][0]
        raise ValueError(
            f"The interval of {wrong!r} lacks its score, but low <= score <= high is expected. "
            "Give the bounds, not their distances from the score."
        )
    ax = get_axes(ax, (6.0, 0.9 + 0.42 * len(table)))
    rows = np.arange(len(table))
    ax.errorbar(
        score, rows, xerr=[score - low, high - score], fmt="o", color=BLUE, capsize=3,
        label="pooled, with interval",
    )  # fmt: skip
    folds = "fold_mean" in table.columns
    if folds:
        means = table["fold_mean"].to_numpy(dtype=float)
        ax.plot(means, rows, "D", mfc="none", mec=ORANGE, ms=8, label="mean over folds")
    chance = table.attrs.get("chance")
    if chance is not None:
        ax.axvline(chance, color=GREY, linestyle="--", linewidth=1.2, zorder=1.5, label="chance")
    if folds or chance is not None:
        handles, labels = ax.get_legend_handles_labels()
        ax.legend(
            handles[::-1],
            labels[::-1],
            frameon=False,
            fontsize="small",
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=3,
        )
    ax.set_yticks(rows, [_name(label) for label in table.index])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.set_xlabel(table.attrs.get("scoring", "score"))
    ax.grid(axis="x", color="0.92")
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def _name(label) -> str:
    return ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)
