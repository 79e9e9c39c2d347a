"""Tables that name the files of each scan."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from ._files import read_repetition_time
from ._mat import KEY_SEPARATOR, connectome_cell
from ._participants import index_scans

MODALITIES = ("timeseries", "connectome")


def read_paths(
    rows: pd.DataFrame, path: Path, atlas: str | None, connectome_key: str | None
) -> pd.DataFrame:
    """Check and complete a table whose cells are paths."""
    present = [name for name in MODALITIES if name in rows]
    if not present or "participant_id" not in rows:
        raise ValueError(
            f"{path} has the columns {rows.columns.tolist()}; participant_id and at least one of "
            "timeseries and connectome (paths) are expected. Add them, or point to the folder of "
            "derivatives."
        )
    if rows["participant_id"].isna().any():
        raise ValueError(
            f"{int(rows['participant_id'].isna().sum())} rows of {path} have no participant_id; "
            "every row needs one. Fill the column, or remove the rows."
        )
    rows = rows.rename(columns={"session_id": "session", "run_id": "run"})
    index = rows.reindex(columns=["participant_id", "session", "run"])
    table = rows.drop(columns=["participant_id", "session", "run"], errors="ignore")
    paths = [*present, *(["sample_mask"] if "sample_mask" in rows else [])]
    for name in paths:
        table[name] = pd.Series(_absolute(rows[name], path), index=rows.index, dtype=object)
    if connectome_key is not None or atlas is not None:
        for i, cell in table.get("connectome", pd.Series(dtype=object)).dropna().items():
            if cell.endswith(".mat"):
                table.at[i, "connectome"] = connectome_cell(Path(cell), atlas, connectome_key)
    scanned = table[present].notna().any(axis=1)
    if not scanned.any():
        raise ValueError(f"{path} names no file; fill the columns {present} with paths.")
    if not scanned.all():
        warnings.warn(
            f"{int((~scanned).sum())} of {len(table)} rows of {path.name} have no scan and are "
            "left out.",
            stacklevel=3,
        )
    if "t_r" not in table and "timeseries" in table:
        table["t_r"] = [
            read_repetition_time(cell) if isinstance(cell, str) else None
            for cell in table["timeseries"]
        ]
        table = table.drop(columns="t_r") if table["t_r"].isna().all() else table
    order = [*paths, *(["t_r"] if "t_r" in table else [])]
    table = table[[*order, *(name for name in table if name not in order)]]
    return index_scans(table[scanned].reset_index(drop=True), index[scanned].reset_index(drop=True))


def _absolute(cells: pd.Series, table: Path) -> list[str | None]:
    """Return absolute paths, None where there is none, and check that the files exist."""
    paths: list[str | None] = []
    for cell in cells:
        if pd.isna(cell):
            paths.append(None)
            continue
        name, separator, key = str(cell).partition(KEY_SEPARATOR)
        paths.append(str(table.parent / Path(name).expanduser()) + separator + key)
    absent = [p for p in paths if p and not Path(p.partition(KEY_SEPARATOR)[0]).is_file()]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} of the {cells.name} files that {table.name} names do not exist, the "
            f"first {absent[0]}. Relative paths start at the table's folder; write n/a where a "
            "subject lacks the modality."
        )
    return paths
