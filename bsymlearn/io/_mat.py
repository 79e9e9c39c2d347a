"""Connectomes in MATLAB files, which may hold a matrix for each atlas and measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import loadmat, whosmat

KEY_SEPARATOR = "::"  # between the path of a file and the matrix in it


def find_mat_key(path: Path, *, atlas: str | None = None, key: str | None = None) -> str:
    """Return the name of the one square matrix that `atlas` and `key` leave.

    Only the file's directory of variables is read.
    """
    try:
        variables = whosmat(path)
    except Exception as error:  # scipy raises many kinds, also NotImplementedError for v7.3
        raise ValueError(
            f"{path} cannot be read as a MATLAB file ({error}). Save it in version 7 or earlier "
            "(save -v7), or as .csv."
        ) from error
    found = [
        name
        for name, shape, kind in variables
        if len(shape) == 2
        and shape[0] == shape[1]
        and shape[0] > 1
        and kind not in ("char", "cell")
    ]
    if not found:
        raise ValueError(
            f"{path} holds no square matrix, only {sorted(name for name, *_ in variables)}; a "
            "connectome (n_rois, n_rois) is expected. Save the matrix, or use .csv."
        )
    chosen = found
    if atlas is not None and len(chosen) > 1:
        chosen = [name for name in chosen if _of_atlas(name, atlas)] or _refuse(path, atlas, found)
    if key is not None:
        exact = [name for name in found if name == key]
        chosen = exact or [name for name in chosen if key in name] or _refuse(path, key, found)
    if len(chosen) > 1:
        raise ValueError(
            f"{path} holds {len(chosen)} matrices that may be meant: {chosen}; one is expected. "
            "Name it by atlas= and key= (connectome_key= in read_cohort)."
        )
    return chosen[0]


def connectome_cell(path: Path, atlas: str | None, key: str | None) -> str:
    """Return the cell of a connectome: its path, and in a .mat file the matrix."""
    if path.suffix != ".mat":
        return str(path)
    return f"{path}{KEY_SEPARATOR}{find_mat_key(path, atlas=atlas, key=key)}"


def read_mat_matrix(
    path: Path, *, atlas: str | None = None, key: str | None = None
) -> tuple[np.ndarray, list[str] | None]:
    """Read the matrix that `atlas` and `key` leave, and the names of its ROIs where stored."""
    name = find_mat_key(path, atlas=atlas, key=key)
    labels = [
        label
        for label, *_ in whosmat(path)
        if label.endswith("region_labels") and name.startswith(label.removesuffix("region_labels"))
    ]
    content = loadmat(path, variable_names=[name, *labels])
    matrix = np.asarray(
        content[name].todense() if hasattr(content[name], "todense") else content[name]
    )
    for label in sorted(labels, key=len, reverse=True):
        entries = np.ravel(content[label])
        if len(entries) == len(matrix):
            return matrix, [str(np.squeeze(entry)).strip() for entry in entries]
    return matrix, None


def _of_atlas(name: str, atlas: str) -> bool:
    """Tell whether a QSIRecon variable (`<atlas>_…` or `atlas_<atlas>_…`) is of this atlas."""
    return name.lower().removeprefix("atlas_").startswith(f"{atlas.lower()}_")


def _refuse(path: Path, wanted: str, found: list[str]) -> list[str]:
    """Raise the error of a choice that matches no matrix."""
    raise ValueError(
        f"{path} holds no matrix named after {wanted!r}, but these: {found}. Choose one of them by "
        "atlas= and key= (connectome_key= in read_cohort)."
    )
