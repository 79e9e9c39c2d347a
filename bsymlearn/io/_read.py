"""Tables of subjects from derivatives on disk or from a table of paths."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from os import PathLike
from os.path import abspath
from pathlib import Path

import pandas as pd

from ._bids import (
    SCAN_ENTITIES,
    apply_filters,
    choose_atlas,
    find_files,
    masks_of,
    one_per_scan,
)
from ._files import read_repetition_time
from ._load import load_cells
from ._mat import connectome_cell
from ._outliers import check_masks
from ._participants import attach_participants, find_participants, index_scans, read_table
from ._paths import MODALITIES, read_paths

LEVELS = {"ses": "session", "task": "task", "acq": "acquisition", "dir": "direction", "run": "run"}


def read_cohort(
    root_or_tsv: str | PathLike[str],
    *,
    atlas: str | None = None,
    load: bool = False,
    filters: Mapping[str, str | Iterable[str] | None] | None = None,
    connectome_key: str | None = None,
    participants: str | PathLike[str] | None = None,
    censor: bool = False,
) -> pd.DataFrame:
    r"""Read the table of a study: one row per scan, with the paths of what was measured.

    Parameters
    ----------
    root_or_tsv : path-like
        A folder of BIDS derivatives (XCP-D ``*_timeseries.tsv`` or ``*.ptseries.nii``, QSIRecon
        ``.mat`` or ``.csv`` connectomes, ``.npy`` arrays), which may hold several pipelines. Or a
        table (``.tsv``, ``.csv``) with a column ``participant_id`` and path columns
        ``timeseries`` and/or ``connectome``, and optionally ``sample_mask`` (outliers files, see
        `read_sample_mask`); relative paths start at the table's folder.
    atlas : str, optional
        The parcellation (the entity ``seg-`` or ``atlas-`` of file names, upper and lower case
        alike). Needed where there are several.
    load : bool, default=False
        Put arrays instead of paths into the cells, with ROIs in one order where files name them;
        ``table.attrs["roi_names"]`` tells it. Paths keep the table small, and parallel workers
        light.
    filters : mapping, optional
        Wanted values of further BIDS entities, as ``{"task": "rest", "space": "fsLR"}``; a value
        may be a list, or None where the entity is to be absent. Modalities whose files never
        have an entity are not filtered by it.
    connectome_key : str, optional
        Which of several matrices of a ``.mat`` connectome is meant, by a part of its name such
        as ``"sift_radius2_count"``.
    participants : path-like, optional
        The participants table. By default ``participants.tsv`` of the folder, or of the BIDS
        dataset that it lies in.
    censor : bool, default=False
        Look for the ``*_outliers.tsv`` of XCP-D, and add the column ``sample_mask``. An outliers
        file belongs to all series of its participant, session, task, acquisition, direction and
        run, whatever their atlas and space. A table of paths names its files itself: its column
        ``sample_mask`` counts whatever `censor` is, and has to be there if it is True.

    Returns
    -------
    table : DataFrame of shape (n_scans, n_columns)
        Indexed by ``participant_id``, and by ``session``, ``task``, ``acquisition``,
        ``direction`` and ``run`` where these differ between scans. Columns ``timeseries`` and
        ``connectome`` (absolute paths, None where a scan lacks the modality; a modality that
        nobody has is left out), ``sample_mask`` where asked for (the absolute path of the outliers
        file, with `load` a bool array of shape (n_volumes,), True where a volume is kept; None
        where a scan has none), ``t_r`` (seconds) where sidecars tell it, then the other columns
        of the participants table. A connectome is repeated for every scan of its participant
        (and session). ``"file.mat::name"`` is one matrix of a ``.mat`` file.

    Raises
    ------
    FileNotFoundError
        If the folder, the table, or a file that the table names does not exist.
    ValueError
        If nothing is found, several atlases or several versions of one scan are found and none
        is chosen, the table lacks its columns, or `censor` is set and no time series has a
        sample mask.

    Warns
    -----
    UserWarning
        If participants have no scan (they are left out), or scans no participant (their other
        columns are NaN), or `censor` is set and some time series have no sample mask (all their
        volumes are used).

    See Also
    --------
    make_cohort : a simulated table with known truth.
    read_sample_mask : the reader of one outliers file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from bsymlearn import read_cohort
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     func = Path(folder) / "sub-001" / "func"
    ...     func.mkdir(parents=True)
    ...     _ = (func / "sub-001_task-rest_seg-A_timeseries.tsv").write_text("a\tb\n0\t1\n")
    ...     tsv = Path(folder) / "participants.tsv"
    ...     _ = tsv.write_text("participant_id\tage\nsub-001\t31\n")
    ...     table = read_cohort(folder)
    >>> table.index.tolist(), table.columns.tolist()
    (['sub-001'], ['timeseries', 'age'])
    """
    path = Path(abspath(Path(root_or_tsv).expanduser()))
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist; a folder of derivatives or a table of paths was looked for. "
            f"Check the path (relative paths start at {Path.cwd()})."
        )
    if path.is_file():
        rows = read_table(path)
        if rows.columns.intersection(MODALITIES).empty and path.name.startswith("participants"):
            table = _read_derivatives(
                path.parent, path, atlas, filters or {}, connectome_key, censor
            )
        else:
            table = read_paths(rows, path, atlas, connectome_key)
    else:
        tsv = find_participants(path, participants)
        table = _read_derivatives(path, tsv, atlas, filters or {}, connectome_key, censor)
    if censor:
        check_masks(table, path)
    return load_cells(table, atlas) if load else table


def _read_derivatives(
    root: Path,
    participants: Path | None,
    atlas: str | None,
    filters: Mapping[str, str | Iterable[str] | None],
    connectome_key: str | None,
    censor: bool,
) -> pd.DataFrame:
    """Read the table of a folder of derivatives."""
    files = [f for f in find_files(root) if censor or f.modality in MODALITIES]
    if not any(f.modality in MODALITIES for f in files):
        raise ValueError(
            f"{root} holds no time series and no connectomes of participants; files such as "
            "sub-001_*_timeseries.tsv (XCP-D), sub-001_*.ptseries.nii or sub-001_*_connectome.csv "
            "are expected below it. Point to the derivatives, or pass a table of paths."
        )
    files = apply_filters(files, filters)
    outliers = [f for f in files if f.modality == "sample_mask"]
    files, atlas = choose_atlas([f for f in files if f.modality in MODALITIES], atlas)
    series = one_per_scan((f for f in files if f.modality == "timeseries"), SCAN_ENTITIES)
    _warn_of_combined_runs(series)
    masks = masks_of(series, outliers)
    connectomes = {
        key: connectome_cell(file.path, atlas, connectome_key)
        for key, file in one_per_scan(
            (f for f in files if f.modality == "connectome"), ("ses",)
        ).items()
    }
    rows: list[tuple] = []
    used = set()
    for key, file in series.items():
        source = _connectome_of(key[:2], connectomes)
        used.add(source)
        cell = connectomes[source] if source else None
        mask = str(masks[key].path) if key in masks else None
        rows.append((key, str(file.path), cell, mask, read_repetition_time(file.path)))
    for unused in connectomes.keys() - used:
        rows.append(((*unused, None, None, None, None), None, connectomes[unused], None, None))
    rows.sort(key=lambda row: [part or "" for part in row[0]])

    index = pd.DataFrame([row[0] for row in rows], columns=["participant_id", *LEVELS.values()])
    columns = ["timeseries", "connectome", "sample_mask"]
    table = pd.DataFrame([row[1:4] for row in rows], columns=columns, dtype=object)
    table["t_r"] = pd.Series([row[4] for row in rows], dtype=float)
    return attach_participants(index_scans(table.dropna(axis=1, how="all"), index), participants)


def _warn_of_combined_runs(series: Mapping[tuple[str | None, ...], object]) -> None:
    """Warn where a scan without a run stands beside its runs, which XCP-D has joined in it."""
    joined = {key for key in series if key[-1] is None}
    twice = {key[0] for key in series if key[-1] is not None and (*key[:-1], None) in joined}
    if twice:
        warnings.warn(
            f"{len(twice)} participants, {sorted(map(str, twice))[0]} among them, have series with "
            "and without a run, so the same volumes may count twice. Keep one kind by "
            'filters={"run": None} or filters={"run": ["1", "2"]}.',
            stacklevel=4,
        )


def _connectome_of(
    scan: tuple[str | None, ...], connectomes: Mapping[tuple[str | None, ...], str]
) -> tuple[str | None, ...] | None:
    """Return the key of the connectome that belongs to a scan (participant, session)."""
    if scan in connectomes:
        return scan
    if (scan[0], None) in connectomes:
        return (scan[0], None)
    sessions = [key for key in connectomes if key[0] == scan[0]]
    # Without a session in the series' names, only a single diffusion session is unambiguous.
    return sessions[0] if scan[1] is None and len(sessions) == 1 else None
