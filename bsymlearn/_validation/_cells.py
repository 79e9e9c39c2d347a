"""X taken apart: its cells as arrays, and what it says about each of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from bsymlearn._validation._forms import READ, is_table, is_univariate, modality_columns
from bsymlearn._validation._timing import read_t_r
from bsymlearn.io import (
    read_connectome,
    read_repetition_time,
    read_sample_mask,
    read_timeseries,
)


@dataclass
class Cells:
    """What X holds, before any check of values.

    Attributes
    ----------
    timeseries, connectomes : list of (array-like or None)
    names : list of (list of str or None, list of str or None)
        ROI names of the time series and of the connectome of each row, where they carry some.
    labels : list of str
        Names of the rows, for messages.
    groups : list of hashable
        Participant of each row.
    form : {"table", "list", "array", "univariate"}
    sample_masks : list of (ndarray or None)
        The volumes of each series that count.
    t_r : list of (float or None)
        The repetition time in seconds that each row tells.
    """

    timeseries: list
    connectomes: list
    names: list
    labels: list[str]
    groups: list
    form: str
    sample_masks: list = field(default_factory=list)
    t_r: list[float | None] = field(default_factory=list)

    def __post_init__(self):
        """Fill in what nothing was told about."""
        self.sample_masks = self.sample_masks or [None] * len(self.labels)
        self.t_r = self.t_r or [None] * len(self.labels)


def collect(X: Any, modality: str) -> Cells:
    """Take X apart, and read the files that its cells name."""
    if is_table(X):
        return _collect_table(X, modality)
    labels = [f"sample {i}" for i in range(len(X))]
    if is_univariate(X):
        if modality in ("structural", "multimodal"):
            raise ValueError(
                f"X is 2-D, a univariate series per row, but modality={modality!r} needs "
                "connectomes: give an array of shape (n_subjects, n_rois, n_rois), or a DataFrame "
                "with a column 'connectome'."
            )
        arrays = list(np.asarray(X)[:, :, None])
        form = "univariate"
    else:
        arrays = list(X)
        form = "array" if isinstance(X, np.ndarray) and X.ndim == 3 else "list"
    if modality == "multimodal":
        raise ValueError(
            "modality='multimodal' needs a DataFrame with the columns 'timeseries' and "
            f"'connectome'; X is a {type(X).__name__}, which holds one modality. Give such a "
            "table, or set modality='functional'."
        )
    absent: list = [None] * len(arrays)
    names: list = [(_column_names(array), None) for array in arrays]
    groups = list(range(len(arrays)))
    if modality == "structural":
        names = [(None, own) for own, _ in names]
        arrays = [_align_rows(array, label) for array, label in zip(arrays, labels, strict=True)]
        return Cells(absent, arrays, names, labels, groups, form)
    return Cells(arrays, absent, names, labels, groups, form)


def _collect_table(X, modality):
    labels = [f"row {i} ({_index_text(key)})" for i, key in enumerate(X.index)]
    used = modality_columns(X, modality)
    _warn_of_unread(X)
    absent = [None] * len(X)
    columns = [
        _read_column(list(X[name]) if name in used else absent, labels, read)
        for name, read in (("timeseries", read_timeseries), ("connectome", read_connectome))
    ]
    (series, series_names), (connectomes, connectome_names) = columns
    connectomes = [_align_rows(c, label) for c, label in zip(connectomes, labels, strict=True)]
    names = list(zip(series_names, connectome_names, strict=True))
    cells = Cells(series, connectomes, names, labels, _participants(X), "table")
    if "timeseries" in used:
        if "sample_mask" in X.columns:
            pairs = zip(X["sample_mask"], series, strict=True)
            masks = [None if scan is None else mask for mask, scan in pairs]
            cells.sample_masks = _read_column(masks, labels, _read_mask, "sample_mask")[0]
        told = list(X["t_r"]) if "t_r" in X.columns else absent
        cells.t_r = [read_t_r(time, label) for time, label in zip(told, labels, strict=True)]
        for i, cell in enumerate(X["timeseries"]):
            if cells.t_r[i] is None and isinstance(cell, str | PathLike):
                told = _read_file(cell, labels[i], read_repetition_time)
                cells.t_r[i] = read_t_r(told, labels[i])
    return cells


def _read_mask(path):
    return read_sample_mask(path), None


def _participants(X):
    """Tell whose each row is: by "participant_id", else by text or several levels in the index."""
    if "participant_id" in X.index.names:
        return list(X.index.get_level_values(X.index.names.index("participant_id")))
    if "participant_id" in X.columns:
        return list(X["participant_id"])
    if X.index.nlevels > 1 or not pd.api.types.is_integer_dtype(X.index):
        return list(X.index.get_level_values(0))
    return list(range(len(X)))  # numbered rows: each a participant of its own


def _warn_of_unread(X):
    """Warn of columns that hold matrices under a name that is not read."""
    for i, name in enumerate(X.columns):  # by number: names may repeat
        column = X.iloc[:, i]
        cells = column.dropna() if name not in READ and column.dtype == object else []
        if len(cells) and getattr(cells.iloc[0], "ndim", 0) == 2:
            warnings.warn(
                f"The column {name!r} holds arrays, but only 'timeseries' and 'connectome' are "
                "read. Rename it if it is one of them.",
                stacklevel=2,
            )


def _index_text(key):
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _align_rows(connectome, label):
    """Bring the rows of a connectome with names into the order of its columns."""
    index, columns = getattr(connectome, "index", None), _column_names(connectome)
    if columns is None or not all(isinstance(name, str) for name in index):
        return connectome
    if list(index) == columns:
        return connectome
    if sorted(index) != sorted(columns) or len(set(columns)) < len(columns):
        raise ValueError(
            f"The connectome of {label} has rows and columns of different names. Give it the same "
            "ROIs as rows and as columns."
        )
    return connectome.loc[columns]


def _column_names(array):
    """Give the column names of a DataFrame, if they are text; numbers name nothing."""
    columns = getattr(array, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return list(columns)


def _read_file(path, label, read):
    if not str(path).strip():
        raise ValueError(f"The cell of {label} is empty text. Give a path, or None.")
    try:
        return read(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{label}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{label}: {error}") from error
    except OSError as error:
        raise ValueError(
            f"{label}: the file cannot be read ({error}). Check that you may read it, and that it "
            "is whole."
        ) from error


def _read_column(
    cells: list, labels: list[str], read: Callable, column: str | None = None
) -> tuple[list, list]:
    """Turn cells (array, path, None or NaN) into arrays; gives arrays and ROI names."""
    arrays, names = [], []
    for cell, label in zip(cells, labels, strict=True):
        own = _column_names(cell)
        if pd.api.types.is_scalar(cell) and pd.isna(cell):
            cell = None
        elif isinstance(cell, str | PathLike):
            cell, own = _read_file(cell, label, read)
        elif not hasattr(cell, "shape") and not isinstance(cell, list):
            raise TypeError(
                f"The cell of {label} is a {type(cell).__name__}, but a cell"
                f"{f' of {column!r}' if column else ''} holds an array or a path to one. Give one, "
                "or None where there is none."
            )
        arrays.append(cell)
        names.append(own)
    return arrays, names
