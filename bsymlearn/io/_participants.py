"""The participants table of a BIDS dataset, and how scans are matched with it."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

import pandas as pd

MISSING_LEVEL = "n/a"
IDENTIFIERS = ("participant_id", "session", "session_id", "run", "run_id")


def read_table(path: Path) -> pd.DataFrame:
    """Read a .tsv or .csv table with the identifiers as text and n/a as NaN."""
    try:
        return pd.read_csv(
            path,
            sep="," if path.suffix.lower() == ".csv" else "\t",
            dtype=dict.fromkeys(IDENTIFIERS, str),
            encoding="utf-8-sig",
        )
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(
            f"{path} cannot be read as a table ({error}); a .tsv or .csv with a header is "
            "expected. To read a single file use read_timeseries or read_connectome."
        ) from error


def find_participants(root: Path, participants: str | PathLike[str] | None) -> Path | None:
    """Return the participants table of a folder of derivatives, None if it has none."""
    if participants is not None:
        path = Path(participants).expanduser().absolute()
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist; a participants table was looked for. Check the path."
            )
        return path
    if (root / "participants.tsv").is_file():
        return root / "participants.tsv"
    # Derivatives mostly lie in <dataset>/derivatives/<pipeline>, the table in <dataset>.
    for parent in list(root.parents)[:2]:
        tsv = parent / "participants.tsv"
        if tsv.is_file() and (parent / "dataset_description.json").is_file():
            return tsv
    return None


def attach_participants(table: pd.DataFrame, path: Path | None) -> pd.DataFrame:
    """Add the columns of the participants table to the rows of its participants."""
    if path is None:
        return table
    people = read_table(path)
    if "participant_id" not in people:
        raise ValueError(
            f"{path} has the columns {people.columns.tolist()}; participant_id is expected (BIDS). "
            "Rename the column of the subjects' labels."
        )
    people["participant_id"] = [_with_prefix(str(label)) for label in people["participant_id"]]
    people = people.rename(columns={"session_id": "session"})
    keys = ["participant_id"]
    if "session" in people and "session" in table.index.names:
        people["session"] = people["session"].str.removeprefix("ses-")
        keys.append("session")
    people = people.set_index(keys)
    if not people.index.is_unique:
        twice = people.index[people.index.duplicated()][0]
        raise ValueError(
            f"{path} has several rows of {twice!r}; one row per participant (or per participant "
            "and session, with a column session) is expected. Remove the surplus rows."
        )
    others = [name for name in table.index.names if name not in keys]
    scans = table.index.droplevel(others) if others else table.index
    known = scans.isin(people.index)
    without_scan = int((~people.index.isin(scans)).sum())
    if not known.any():
        raise ValueError(
            f"No participant of {path} has a scan: the table has {list(people.index[:3])}, the "
            f"scans {list(scans[:3])}. Rename one of them, or give participants=None."
        )
    if without_scan:
        warnings.warn(
            f"{without_scan} of {len(people)} rows of {path.name} have no scan and are left out.",
            stacklevel=4,
        )
    if not known.all():
        warnings.warn(
            f"{int((~known).sum())} of {len(table)} scans belong to no row of {path.name}; their "
            "other columns are NaN.",
            stacklevel=4,
        )
    surplus = people.drop(columns=table.columns.intersection(people.columns))
    labels = surplus.reindex(scans)
    labels.index = table.index
    return pd.concat([table, labels], axis=1)


def index_scans(table: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """Index a table by the participant and by the levels that differ between scans."""
    levels = [name for name in index if index[name].nunique(dropna=False) > 1]
    names = ["participant_id", *(name for name in levels if name != "participant_id")]
    if len(names) == 1:
        table.index = pd.Index(index["participant_id"], name="participant_id")
    else:
        filled = index[names].fillna(MISSING_LEVEL).astype(str)
        table.index = pd.MultiIndex.from_frame(filled)
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise ValueError(
            f"{twice!r} has several rows; one row per scan is expected. Add a column session or "
            "run that tells the scans apart."
        )
    return table


def _with_prefix(label: str) -> str:
    """Return a participant label with its BIDS prefix."""
    return label if label.startswith("sub-") else f"sub-{label}"
