"""Tables of paths turned into tables of arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ._files import read_connectome, read_timeseries
from ._outliers import read_sample_mask


def load_cells(table: pd.DataFrame, atlas: str | None) -> pd.DataFrame:
    """Replace paths by arrays, whose ROIs are in one order where files name them.

    Arrays lose the names, so they are kept in ``table.attrs["roi_names"]``. A file without names
    is taken to be in the order of the other file of its row.
    """
    readers = {
        "timeseries": read_timeseries,
        "connectome": lambda path: read_connectome(path, atlas=atlas),
        "sample_mask": lambda path: (read_sample_mask(path), None),
    }
    arrays, names = {}, {}
    for column in table.columns.intersection(list(readers)):
        read = [readers[column](c) if isinstance(c, str) else (None, None) for c in table[column]]
        arrays[column], names[column] = (list(part) for part in zip(*read, strict=True))
    series, connectomes = (names.get(c, [None] * len(table)) for c in ("timeseries", "connectome"))
    known = [own for pair in zip(series, connectomes, strict=True) for own in pair if own]
    reference = known[0] if known and len(set(known[0])) == len(known[0]) else None
    if reference is not None:
        table.attrs["roi_names"] = reference
        for i, (first, second) in enumerate(zip(series, connectomes, strict=True)):
            own = {"timeseries": first or second, "connectome": second or first}
            for column in arrays.keys() & own.keys():
                position = _positions(own[column], reference, table.index[i])
                if position is not None and arrays[column][i] is not None:
                    moved = arrays[column][i][:, position]
                    arrays[column][i] = moved if column == "timeseries" else moved[position]
    for column, cells in arrays.items():
        table[column] = pd.Series(cells, index=table.index, dtype=object)
    return table


def _positions(own: list[str] | None, reference: list[str], row: object) -> np.ndarray | None:
    """Find the columns that bring ROIs into the order of the reference; None: they are in it."""
    if own is None or own == reference:
        return None
    if sorted(own) != sorted(reference):
        alien = sorted(set(own) ^ set(reference))
        raise ValueError(
            f"The files of {row} and those before do not have the same ROIs: {alien[:3]} are in "
            "one of them only. Read one atlas at a time, by atlas= or filters=."
        )
    return np.array([own.index(name) for name in reference])
