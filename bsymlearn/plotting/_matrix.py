"""Matrices between ROIs, ordered by network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from bsymlearn.plotting._colours import get_axes, network_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_network_matrix(
    matrix: ArrayLike,
    networks: ArrayLike,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a matrix between ROIs, ordered by network.

    Rows and columns are sorted by network label (in the order of `names` where given), without
    changing the order inside a network. Lines part the networks, a coloured strip on the left and
    at the bottom names them.
    The diagonal is left blank, as it would dominate the colours of a similarity. Signed matrices
    have a diverging colour map that is symmetric about zero, others a sequential one; both are
    readable with colour-vision deficiency. One entry in a hundred lies beyond their range, at
    either end.

    Parameters
    ----------
    matrix : array-like of shape (n_rois, n_rois)
        Similarity or influence; [i, j] is drawn at row i and column j. NaN is left blank.
    networks : array-like of shape (n_rois,)
        Network of each ROI, as a number or a name.
    names : sequence of str, default=None
        Names of the networks, in the order of the sorted unique values of `networks`. Without
        them, the values themselves.
    ax : Axes, default=None
        Where to draw; a new figure by default.

    Returns
    -------
    ax : Axes
        Of the matrix; the colour bar is the last of ``ax.figure.axes``.

    Raises
    ------
    ValueError
        If shapes or numbers of names do not fit each other.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from bsymlearn.plotting import plot_network_matrix
    >>> matrix = np.corrcoef(np.random.default_rng(0).standard_normal((6, 50)))
    >>> ax = plot_network_matrix(matrix, [0, 1, 0, 1, 2, 2], names=["Vis", "SomMot", "Default"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['Vis', 'SomMot', 'Default']
    """
    values, labels = np.asarray(matrix, dtype=float), np.asarray(networks)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(
            f"matrix has shape {values.shape}, but (n_rois, n_rois) is expected. Average over "
            "subjects first; nilearn's vec_to_sym_matrix unfolds vectors."
        )
    if labels.shape != (len(values),):
        raise ValueError(
            f"networks has shape {labels.shape}, but matrix has {len(values)} ROIs. Give one label "
            "per ROI."
        )
    unique, codes = np.unique(labels, return_inverse=True)
    if names is not None and len(names) != len(unique):
        raise ValueError(
            f"There are {len(names)} names, but networks has {len(unique)} different labels. Give "
            "a name for each, in sorted order of the labels."
        )
    shown = [str(label) for label in (unique if names is None else names)]
    ax = get_axes(ax, (5.6, 4.8))

    order = np.argsort(codes, kind="stable")
    drawn = values[np.ix_(order, order)]
    np.fill_diagonal(drawn, np.nan)
    finite = drawn[np.isfinite(drawn)]
    finite = finite if finite.size else np.zeros(1)
    signed = bool((finite < 0).any())
    if signed:
        high = float(np.percentile(np.abs(finite), 99))
        low = -high
    else:
        low, high = (float(value) for value in np.percentile(finite, [1, 99]))
    if low == high:
        high = low + 1e-12
    colours = "RdBu_r" if signed else "viridis"
    image = ax.imshow(drawn, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, shrink=0.8, extend="both")
    _mark_networks(ax, np.bincount(codes), shown)
    return ax


def _mark_networks(ax, sizes, names):
    """Draw lines between networks, and a coloured strip with their names."""
    from matplotlib.patches import Rectangle

    edges = np.concatenate([[0], np.cumsum(sizes)])
    for edge in edges[1:-1] - 0.5:
        ax.axhline(edge, color="0.2", linewidth=0.6)
        ax.axvline(edge, color="0.2", linewidth=0.6)
    colours = network_colours(names)
    transforms = ax.get_yaxis_transform(), ax.get_xaxis_transform()
    strip = 0.025  # of the Axes
    for name, first, size in zip(names, edges[:-1], sizes, strict=True):
        style = {"facecolor": colours[name], "clip_on": False, "linewidth": 0}
        left = Rectangle((-strip, first - 0.5), strip, size, transform=transforms[0], **style)
        below = Rectangle((first - 0.5, -strip), size, strip, transform=transforms[1], **style)
        ax.add_patch(left)
        ax.add_patch(below)
    centres = (edges[:-1] + edges[1:] - 1) / 2
    ax.set_yticks(centres, names)
    ax.set_xticks(centres, names, rotation=45, ha="right", rotation_mode="anchor")
    ax.tick_params(length=0, pad=8, labelsize="small")
    for spine in ax.spines.values():
        spine.set_visible(False)
