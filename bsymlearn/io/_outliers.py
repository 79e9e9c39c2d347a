"""Sample masks: which volumes of a scan XCP-D's censoring keeps."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from ._files import existing_file
from ._text import read_numeric_text

# XCP-D's exact_<n> leave random volumes out of matrices of n volumes; nothing is wrong with them.
RANDOM_COLUMNS = "exact_"


def read_sample_mask(path: str | PathLike[str]) -> np.ndarray:
    r"""Read which volumes of a scan are kept, from XCP-D's ``*_outliers.tsv``.

    Parameters
    ----------
    path : path-like
        A table of one row per volume, 0 where it is kept and 1 where it is a high-motion outlier.
        A volume is censored where any column has 1; columns ``exact_<n>``, with which XCP-D draws
        n volumes at random, do not count.

    Returns
    -------
    sample_mask : ndarray of shape (n_volumes,), bool
        True where a volume is kept (as in nilearn's ``sample_mask``). It covers all volumes of
        the scan, also where the time series already lacks the censored ones.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no table, has no column of outliers, or holds anything but 0 and 1.

    See Also
    --------
    read_cohort : with ``censor=True`` finds the masks of a whole study.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from bsymlearn.io import read_sample_mask
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sub-001_task-rest_outliers.tsv"
    ...     _ = path.write_text("framewise_displacement\n0\n1\n0\n")
    ...     read_sample_mask(path)
    array([ True, False,  True])
    """
    path = existing_file(path, "sample mask")
    values, names, _ = read_numeric_text(path)
    wrong = np.argwhere(~np.isin(values, (0, 1)))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{path} has the entry {values[row, column]:g} in data row {row + 1}, column "
            f"{column + 1}; 0 (kept) or 1 (censored) is expected for each volume. Give the "
            "outliers file, not that of motion or confounds, and fill what is missing."
        )
    counts = [not name.startswith(RANDOM_COLUMNS) for name in names or [""] * values.shape[1]]
    if not any(counts):
        raise ValueError(
            f"{path} has the columns {names}, none of which tells outliers; a column such as "
            "framewise_displacement is expected. Run the step that writes it again."
        )
    return values[:, counts].sum(axis=1) == 0


def check_masks(table: pd.DataFrame, path: Path) -> None:
    """Raise if no time series has a sample mask, warn if some have none."""
    present = table.reindex(columns=["timeseries", "sample_mask"]).notna()
    masked = present["timeseries"] & present["sample_mask"]
    if not masked.any():
        raise ValueError(
            f"censor=True, but no time series of {path} has a sample mask. In a folder, XCP-D's "
            "<entities>_outliers.tsv with the participant, session, task, acquisition, direction "
            "and run of a time series are looked for; in a table of paths, a column sample_mask. "
            "Add them, or give censor=False to use all volumes."
        )
    n_series = int(present["timeseries"].sum())
    if masked.sum() < n_series:
        warnings.warn(
            f"{n_series - int(masked.sum())} of {n_series} time series of {path.name} have no "
            "sample mask; all their volumes are used.",
            stacklevel=3,
        )
