"""Axes to draw on, and the colours that all figures share."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#7F7F7F"

# In the order, and close to the hues, of the published maps, but apart in lightness as well.
YEO = {
    "visual": "#781286",
    "somatomotor": "#4682B4",
    "dorsal attention": "#00760E",
    "ventral attention": "#C43AFA",
    "limbic": "#C8C878",
    "control": "#E69422",
    "default": "#CD3E4E",
    "subcortical": "#7F7F7F",
}
_ALIASES = {
    "visual": ("vis", "visual"),
    "somatomotor": ("sommot", "smn", "somatomotor", "somatosensory"),
    "dorsal attention": ("dorsattn", "dan", "dorsalattention"),
    "ventral attention": (
        "salventattn",
        "van",
        "ventralattention",
        "salience",
        "salienceventralattention",
    ),
    "limbic": ("limbic", "lim"),
    "control": ("cont", "control", "fpn", "frontoparietal"),
    "default": ("default", "dmn", "defaultmode"),
    "subcortical": ("subcortical", "subcortex", "sub", "tian"),
}
_YEO_OF = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
# Paul Tol's "bright" and "muted" colours, for networks that have no colour of their own.
_OTHERS = (
    "#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#332288", "#DDCC77",
    "#117733", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499",
)  # fmt: skip


def network_colours(labels: Iterable[Hashable]) -> dict[Hashable, str]:
    """Return the colour of each label, in the order of first appearance.

    Names of the seven Yeo networks keep their colour in every figure.
    """
    colours: dict[Hashable, str] = {}
    n_others = 0
    for label in dict.fromkeys(labels):
        yeo = _YEO_OF.get(re.sub(r"[^a-z]", "", str(label).lower()))
        if yeo is None:
            colours[label] = _OTHERS[n_others % len(_OTHERS)]
            n_others += 1
        else:
            colours[label] = YEO[yeo]
    return colours


def get_axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    """Return `ax`, or the Axes of a new figure."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Plotting needs matplotlib, which is not installed. "
            'Install it with: pip install "bsymlearn[plot]"'
        ) from error
    return plt.subplots(figsize=figsize, layout="constrained")[1]
