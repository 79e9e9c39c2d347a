"""Numeric tables in text files, with or without names of rows and columns."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

MISSING = {"", "n/a", "na", "nan", "null", "none"}


def read_numeric_text(path: Path) -> tuple[np.ndarray, list[str] | None, list[str] | None]:
    """Read a delimited numeric table as values, column names and row names (None if absent)."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not a text file ({error}); a delimited numeric table is expected. "
            "Check what wrote it, or whether its extension is right."
        ) from error
    # MRtrix and AFNI put their command line in front, behind "#".
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise ValueError(
            f"{path} is empty; a numeric table is expected. Run the step that writes it again."
        )
    delimiter = _delimiter(lines[0], path.suffix.lower())
    first = _split(lines[0], delimiter)
    header = first if _is_header(first) else None
    body = lines[1:] if header else lines
    if not body:
        raise ValueError(
            f"{path} has a header and no rows; a row per time point or ROI is expected. "
            "Run the step that writes it again."
        )
    try:
        table = pd.read_csv(
            StringIO("\n".join(body)),
            sep=r"\s+" if delimiter is None else delimiter,
            header=None,
            skipinitialspace=True,
            na_values=sorted(MISSING),
        )
    except (pd.errors.ParserError, ValueError) as error:
        raise ValueError(
            f"{path} is not a rectangular table ({error}); rows of equal length are expected. "
            "Check its delimiter, and whether it was written to the end."
        ) from error
    if delimiter is not None and body[0].rstrip(" ").endswith(delimiter):
        table = table.dropna(axis=1, how="all") if table.iloc[:, -1].isna().all() else table

    index = None
    unnamed = header is not None and header[0].lower() in {"", "unnamed: 0", "index"}
    surplus = header is not None and table.shape[1] == len(header) + 1
    if unnamed or surplus or (table.shape[1] > 1 and _is_text(table.iloc[:, 0])):
        index = [str(name) for name in table.iloc[:, 0]]
        table = table.iloc[:, 1:]
        if header is not None and not surplus:
            header = header[1:]
    if header is not None and len(header) != table.shape[1]:
        raise ValueError(
            f"{path} has {len(header)} column names over {table.shape[1]} columns; one name a "
            "column is expected. Check the header and the delimiter."
        )
    return _numbers(table, path), header, index


def _delimiter(line: str, suffix: str) -> str | None:
    """Return the delimiter that the first line shows, None for runs of white space."""
    preferred = ("\t", ",", ";") if suffix == ".tsv" else (",", ";", "\t")
    return next((candidate for candidate in preferred if candidate in line), None)


def _split(line: str, delimiter: str | None) -> list[str]:
    """Split a line into stripped fields, honouring quotes."""
    if delimiter is None:
        return [field.strip('"') for field in line.split()]
    return [field.strip() for field in next(csv.reader([line], delimiter=delimiter))]


def _is_header(fields: list[str]) -> bool:
    """Tell whether the first line names columns."""
    numbers = []
    for field in fields:
        if field.lower() in MISSING:
            numbers.append(np.nan)
            continue
        try:
            numbers.append(float(field))
        except ValueError:
            # A matrix without header may still start with the name of its first row.
            return len(fields) == 1 or not _is_row_with_name(fields)
    # pandas.DataFrame.to_csv writes 0, 1, 2, … over columns without names.
    counted = np.asarray(numbers[1:] if np.isnan(numbers[0]) else numbers)
    start = counted[0] if len(counted) else np.nan
    return len(counted) > 2 and start in (0, 1) and bool(np.all(np.diff(counted) == 1))


def _is_row_with_name(fields: list[str]) -> bool:
    """Tell whether the fields are one name followed by numbers only."""
    try:
        [float(field) for field in fields[1:]]
    except ValueError:
        return False
    # Names that count up (name, 0, 1, 2, …) are a header with a named index column.
    numbers = np.asarray([float(field) for field in fields[1:]])
    return not (len(numbers) > 2 and numbers[0] in (0, 1) and np.all(np.diff(numbers) == 1))


def _is_text(column: pd.Series) -> bool:
    """Tell whether no entry of a column is a number."""
    return bool(pd.to_numeric(column, errors="coerce").isna().all() and column.notna().all())


def _numbers(table: pd.DataFrame, path: Path) -> np.ndarray:
    """Return the table as float64, or name the first entry that is no number."""
    # pandas reads True as a number; a mask of them would not tell whether it keeps or censors.
    table = table.astype(dict.fromkeys(table.select_dtypes(bool), str))
    try:
        return table.to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        numeric = table.apply(pd.to_numeric, errors="coerce")
        row, column = np.argwhere((numeric.isna() & table.notna()).to_numpy())[0]
        raise ValueError(
            f"{path} has the entry {table.iloc[row, column]!r} in data row {row + 1}, column "
            f"{column + 1}; numbers are expected (n/a where missing). Remove text columns."
        ) from error
