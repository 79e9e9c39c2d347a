"""Readers of one file: a time series, a connectome, a repetition time."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from ._mat import KEY_SEPARATOR, read_mat_matrix
from ._text import read_numeric_text

TIMESERIES_SUFFIXES = (".tsv", ".csv", ".ptseries.nii", ".npy", ".txt", ".1D")
CONNECTOME_SUFFIXES = (".csv", ".tsv", ".npy", ".mat", ".txt")
_OF_A_RUN = ("sub", "ses", "task", "acq", "dir", "run")  # entities that images of it share


def read_timeseries(path: str | PathLike[str]) -> tuple[np.ndarray, list[str] | None]:
    r"""Read the ROI time series of one scan.

    Parameters
    ----------
    path : path-like
        A ``.tsv``, ``.csv``, ``.txt`` or ``.1D`` table of one row per time point with or without
        a header of ROI names, a parcellated CIFTI-2 ``.ptseries.nii``, or a ``.npy`` array.
        Files are never unpickled.

    Returns
    -------
    timeseries : ndarray of shape (n_timepoints, n_rois), float32
        The values as stored, in the units of the file; ``n/a`` becomes NaN.
    roi_names : list of str or None
        The ROI names where the file has them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the format is unknown, or the content is not a numeric two-dimensional table.

    See Also
    --------
    read_cohort : find the files of a whole study.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from bsymlearn.io import read_timeseries
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sub-001_timeseries.tsv"
    ...     _ = path.write_text("V1\tV2\n0.5\t1\n-0.5\t2\n1.5\t3\n")
    ...     timeseries, roi_names = read_timeseries(path)
    >>> timeseries.shape, roi_names
    ((3, 2), ['V1', 'V2'])
    """
    path = existing_file(path, "time series")
    suffix = _suffix(path, TIMESERIES_SUFFIXES, "time series")
    if suffix == ".npy":
        values, names = _read_npy(path), None
    elif suffix == ".ptseries.nii":
        values, names = _read_ptseries(path)
    else:
        values, names, _ = read_numeric_text(path)
    return _real_matrix(values, path, "(n_timepoints, n_rois)"), names


def read_connectome(
    path: str | PathLike[str], *, atlas: str | None = None, key: str | None = None
) -> tuple[np.ndarray, list[str] | None]:
    r"""Read one connectome.

    Parameters
    ----------
    path : path-like
        A ``.csv``, ``.tsv`` or ``.txt`` matrix with or without a header row and an index column
        of ROI names, a ``.npy`` array, or a MATLAB ``.mat`` file (QSIRecon writes one file with
        a matrix for each atlas and measure). ``"file.mat::key"`` names the matrix in the path.
        Files are never unpickled.
    atlas : str, optional
        For a ``.mat`` file with several matrices: the atlas whose matrix is meant.
    key : str, optional
        For a ``.mat`` file with several matrices: the variable, or a part of its name that no
        other matrix (of this atlas) has.

    Returns
    -------
    connectome : ndarray of shape (n_rois, n_rois), float32
        The values as stored. A matrix of which only one triangle is filled (MRtrix's default)
        is mirrored.
    roi_names : list of str or None
        The ROI names where the file has them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the format is unknown, the matrix is not numeric and square, or a ``.mat`` file holds
        several matrices and neither `atlas` nor `key` tells which.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from bsymlearn.io import read_connectome
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sub-001_connectome.csv"
    ...     _ = path.write_text("0,12\n12,0\n")
    ...     connectome, roi_names = read_connectome(path)
    >>> connectome.tolist()
    [[0.0, 12.0], [12.0, 0.0]]
    """
    name, _, key_in_path = str(path).partition(KEY_SEPARATOR)
    path = existing_file(name, "connectome")
    suffix = _suffix(path, CONNECTOME_SUFFIXES, "connectome")
    names: list[str] | None = None
    if suffix == ".npy":
        values = _read_npy(path)
    elif suffix == ".mat":
        values, names = read_mat_matrix(path, atlas=atlas, key=key_in_path or key)
    else:
        values, header, index = read_numeric_text(path)
        names = header or index
    connectome = _real_matrix(values, path, "(n_rois, n_rois)")
    if connectome.shape[0] != connectome.shape[1]:
        raise ValueError(
            f"{path} holds a matrix of shape {connectome.shape}, but a connectome is square, "
            "(n_rois, n_rois). Save one row and one column per ROI, in the same order."
        )
    lower, upper = np.tril(connectome, -1), np.triu(connectome, 1)
    if lower.any() != upper.any():
        connectome = connectome + lower.T + upper.T
    return connectome, names


def read_repetition_time(path: str | PathLike[str]) -> float | None:
    """Read the repetition time in seconds of a time-series file, None where nothing tells it.

    The JSON sidecar (``RepetitionTime``, or the inverse of ``SamplingFrequency``) comes first,
    then the header of a ``.ptseries.nii``, then the sidecars of images of the same run: XCP-D
    writes ``"SamplingFrequency": "TR"`` for series, and the number beside the denoised image.
    """
    path = Path(path)
    suffix = next((s for s in TIMESERIES_SUFFIXES if path.name.endswith(s)), path.suffix)
    sidecar = path.with_name(path.name.removesuffix(suffix) + ".json")
    if sidecar.is_file() and (told := _read_sidecar(sidecar)) is not None:
        return told
    if suffix == ".ptseries.nii" and path.is_file():
        series = _ptseries_axes(path)[1]
        if series.unit == "SECOND" and series.step > 0:
            return float(series.step)
    run = [part for part in path.name.split("_") if part.partition("-")[0] in _OF_A_RUN]
    images = path.parent.glob(f"{'_'.join(run)}_*bold.json") if run else ()
    found = {told for image in sorted(images) if (told := _read_sidecar(image)) is not None}
    return found.pop() if len(found) == 1 else None


def _read_sidecar(sidecar: Path) -> float | None:
    """Read the repetition time from a JSON file, None where it has no number for it."""
    try:
        fields = json.loads(sidecar.read_text(encoding="utf-8"))
        for name in ("RepetitionTime", "SamplingFrequency"):
            value = fields.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                return float(value) if name == "RepetitionTime" else 1.0 / float(value)
        if "RepetitionTime" in fields:
            raise ValueError(f"RepetitionTime is {fields['RepetitionTime']!r}")
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"The sidecar {sidecar} cannot be read ({error}); a JSON object with a numeric "
            "RepetitionTime in seconds is expected. Repair or remove it."
        ) from error
    return None


def existing_file(path: str | PathLike[str], what: str) -> Path:
    """Return the path if it is a file."""
    path = Path(path)
    try:
        found, folder = path.is_file(), path.is_dir()
    except OSError:  # the name is too long, since it is none but the data themselves, say
        found = folder = False
    if not found:
        state = "is a directory" if folder else "does not exist"
        raise FileNotFoundError(
            f"{path} {state}; a {what} file was looked for. Check the path (relative paths start "
            f"at the current directory, {Path.cwd()})."
        )
    return path


def _suffix(path: Path, known: tuple[str, ...], what: str) -> str:
    """Return the suffix that decides which reader is meant."""
    for suffix in known:
        if path.name.lower().endswith(suffix.lower()):
            return suffix
    remedy = "Save it as .tsv, or pass the array itself."
    if path.name.endswith((".dtseries.nii", ".nii.gz", ".nii")):
        remedy = "Parcellate the image first (XCP-D, or a nilearn masker)."
    raise ValueError(
        f"{path} is in no format that a {what} is read from; expected {', '.join(known)}. {remedy}"
    )


def _read_npy(path: Path) -> np.ndarray:
    """Read a .npy file without unpickling."""
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} cannot be read as a numeric .npy array ({error}). Object arrays are not "
            "unpickled, since that may run code; save a plain float array with numpy.save."
        ) from error


def _ptseries_axes(path: Path):
    """Return the image with its series and parcel axes, checked."""
    try:
        image: Any = nib.load(path)
        axes = [image.header.get_axis(i) for i in range(image.ndim)]
    except Exception as error:  # nibabel raises many kinds for broken files
        raise ValueError(
            f"{path} cannot be read as a CIFTI-2 file ({error}). Write it again, or give the "
            "series as .tsv."
        ) from error
    series = next((a for a in axes if isinstance(a, nib.cifti2.SeriesAxis)), None)
    parcels = next((a for a in axes if isinstance(a, nib.cifti2.ParcelsAxis)), None)
    if series is None or parcels is None or len(axes) != 2:
        raise ValueError(
            f"{path} has the CIFTI axes {[type(a).__name__ for a in axes]}, but a series axis and "
            "a parcels axis are expected. Parcellate it with wb_command -cifti-parcellate."
        )
    return image, series, parcels, axes[0] is parcels


def _read_ptseries(path: Path) -> tuple[np.ndarray, list[str]]:
    """Read a parcellated CIFTI-2 series as (n_timepoints, n_rois)."""
    image, _, parcels, parcels_first = _ptseries_axes(path)
    values = np.asarray(image.dataobj)
    return (values.T if parcels_first else values), [str(name) for name in parcels.name]


def _real_matrix(values: np.ndarray, path: Path, shape: str) -> np.ndarray:
    """Check that the values are a real, non-empty matrix, and return them as float32."""
    if values.dtype.kind not in "buif" or values.ndim != 2 or 0 in values.shape:
        raise ValueError(
            f"{path} holds an array of shape {values.shape} and type {values.dtype}, but a "
            f"non-empty real matrix {shape} is expected. Save such a matrix."
        )
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
        return np.ascontiguousarray(values, dtype=np.float32)
