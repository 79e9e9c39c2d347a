"""Files of BIDS derivatives: which there are, what their names say, which one is meant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ._files import CONNECTOME_SUFFIXES, TIMESERIES_SUFFIXES

# Entities that tell scans of a participant apart; others (space, desc, …) tell apart versions
# of the same scan, of which one has to be chosen.
SCAN_ENTITIES = ("ses", "task", "acq", "dir", "run")
NO_SERIES = {"confounds", "carpetplot", "motion", "outliers"}
SKIPPED_FOLDERS = {"figures", "log", "logs", "freesurfer", "sourcedata", "work", "anat"}
_CONNECTOME = re.compile(r"(connectome|connectivity|connmatrix|conmat|relmat)$|^sc$", re.IGNORECASE)


@dataclass(frozen=True)
class BidsFile:
    """A file and the entities of its name."""

    path: Path
    modality: str
    extension: str
    entities: dict[str, str] = field(hash=False)

    @property
    def participant(self) -> str:
        """The participant label with its prefix."""
        return f"sub-{self.entities['sub']}"

    @property
    def atlas(self) -> str | None:
        """The parcellation, which XCP-D calls seg and earlier versions atlas."""
        return self.entities.get("seg", self.entities.get("atlas"))


def find_files(root: Path) -> list[BidsFile]:
    """Return the time series, connectomes and outliers files below a folder, in path order."""
    found = []
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders[:] = sorted(
            name for name in subfolders if name not in SKIPPED_FOLDERS and name[0] != "."
        )
        for name in sorted(names):
            file = parse_file(Path(folder) / name, root)
            if file is not None:
                found.append(file)
    return found


def parse_file(path: Path, root: Path) -> BidsFile | None:
    """Return what a file is, None if it is nothing of a participant that is read."""
    extensions = (*TIMESERIES_SUFFIXES, *CONNECTOME_SUFFIXES)
    extension = next((e for e in extensions if path.name.lower().endswith(e.lower())), None)
    if extension is None:
        return None
    *parts, suffix = path.name[: -len(extension)].split("_")
    parents = path.relative_to(root).parts[:-1]
    entities = {}
    # The folders speak where the name is silent (sub-001/timeseries.npy).
    for part in (*(p for p in parents if p.startswith(("sub-", "ses-"))), *parts, suffix):
        key, dash, value = part.partition("-")
        if dash and value:
            entities[key] = value
    if "sub" not in entities:
        return None
    if extension == ".ptseries.nii" or (
        suffix == "timeseries"
        and extension in TIMESERIES_SUFFIXES
        and entities.get("desc") not in NO_SERIES
    ):
        return BidsFile(path, "timeseries", extension, entities)
    if suffix == "outliers" and extension == ".tsv":
        return BidsFile(path, "sample_mask", extension, entities)
    # relmat and conmat in func/ are functional connectivity, as XCP-D writes it.
    if _CONNECTOME.search(suffix) and extension in CONNECTOME_SUFFIXES and "func" not in parents:
        return BidsFile(path, "connectome", extension, entities)
    return None


def choose_atlas(files: list[BidsFile], atlas: str | None) -> tuple[list[BidsFile], str | None]:
    """Return the files of one atlas, and its name as the files spell it.

    Files whose names tell no atlas stay if no file of their modality tells one.
    """
    named = sorted({file.atlas for file in files if file.atlas is not None})
    if atlas is None:
        if len({name.lower() for name in named}) > 1:
            by_modality = {
                modality: sorted({f.atlas for f in files if f.modality == modality and f.atlas})
                for modality in ("timeseries", "connectome")
            }
            raise ValueError(
                f"The derivatives hold {len(named)} atlases ({by_modality}), but series and "
                f"connectomes of one atlas are expected. Choose one: atlas={named[0]!r}. If the "
                "two modalities spell it differently, pass a table of paths instead."
            )
        return files, named[0] if named else None
    tells = {file.modality for file in files if file.atlas is not None}
    kept = [
        file
        for file in files
        if (file.atlas or "").lower() == atlas.lower() or file.modality not in tells
    ]
    if tells and not any(file.atlas for file in kept):
        raise ValueError(
            f"No file is of the atlas {atlas!r}; the derivatives hold {named}. Choose one of them."
        )
    return kept, atlas


def apply_filters(
    files: list[BidsFile], filters: Mapping[str, str | Iterable[str] | None]
) -> list[BidsFile]:
    """Keep the files whose entities have the wanted values (None: the entity is absent).

    A filter leaves a modality alone whose files never have its entity (connectomes no task), and
    each sample mask without it, since a mask goes with whichever series of its scan is kept.
    """
    for key, wanted in filters.items():
        carriers = {file.modality for file in files if key in file.entities}
        several = [wanted] if wanted is None or isinstance(wanted, str | int) else list(wanted)
        values = {value if value is None else str(value) for value in several}
        kept = [
            f
            for f in files
            if f.modality not in carriers
            or f.entities.get(key) in values
            or (f.modality == "sample_mask" and key not in f.entities)
        ]
        if not carriers or carriers - {f.modality for f in kept} - {"sample_mask"}:
            present = sorted({f.entities[key] for f in files if key in f.entities})
            raise ValueError(
                f"filters={{{key!r}: {wanted!r}}} leaves no file; the values of {key!r} are "
                f"{present}. Choose among them, or drop the filter."
            )
        files = kept
    return files


def one_per_scan(
    files: Iterable[BidsFile], scan_entities: tuple[str, ...]
) -> dict[tuple[str | None, ...], BidsFile]:
    """Return one file for each participant and combination of `scan_entities`."""
    return {key: _one_version(found) for key, found in _by_scan(files, scan_entities).items()}


def masks_of(
    series: Mapping[tuple[str | None, ...], BidsFile], masks: Iterable[BidsFile]
) -> dict[tuple[str | None, ...], BidsFile]:
    """Return the sample mask of each series, by SCAN_ENTITIES, that has one."""
    candidates = _by_scan(masks, SCAN_ENTITIES)
    chosen = {}
    for key, file in series.items():
        found = candidates.get(key, [])
        # Outputs in volume and in surface space lie in two folders, with masks of one name.
        found = [mask for mask in found if mask.path.parent == file.path.parent] or found
        # The name that XCP-D gives comes before names with further entities.
        found = [mask for mask in found if mask.entities.keys() <= {"sub", *SCAN_ENTITIES}] or found
        if found:
            chosen[key] = _one_version(found)
    return chosen


def _by_scan(
    files: Iterable[BidsFile], scan_entities: tuple[str, ...]
) -> dict[tuple[str | None, ...], list[BidsFile]]:
    """Return all files of each participant and combination of `scan_entities`."""
    scans: dict[tuple[str | None, ...], list[BidsFile]] = {}
    for file in files:
        key = (file.participant, *(file.entities.get(entity) for entity in scan_entities))
        scans.setdefault(key, []).append(file)
    return scans


def _one_version(versions: list[BidsFile]) -> BidsFile:
    """Return the only version of a scan; of formats of the same content the simplest."""
    by_content: dict[tuple[tuple[str, str], ...], list[BidsFile]] = {}
    for file in versions:
        content = {k: v for k, v in file.entities.items() if k != "den"}
        by_content.setdefault(tuple(sorted(content.items())), []).append(file)
    if len(by_content) > 1:
        keys = sorted({key for content in by_content for key, _ in content})
        values = {key: sorted({str(dict(c).get(key)) for c in by_content}) for key in keys}
        differing = {key: found for key, found in values.items() if len(found) > 1}
        key, found = next(iter(differing.items()))
        raise ValueError(
            f"{versions[0].participant} has {len(by_content)} versions of one "
            f"{versions[0].modality}, which differ in {differing}; one is expected. Choose "
            f"it, for example by filters={{{key!r}: {found[-1]!r}}}. "
            f"Files: {[str(file.path) for file in versions[:4]]}"
        )
    order = TIMESERIES_SUFFIXES if versions[0].modality == "timeseries" else CONNECTOME_SUFFIXES
    same = min(versions, key=lambda file: order.index(file.extension))
    twins = [file for file in versions if file.extension == same.extension]
    if len(twins) > 1:
        raise ValueError(
            f"{same.participant} has the same {same.modality} in {len(twins)} places: "
            f"{[str(file.path) for file in twins[:4]]}; one is expected. Point to the folder of "
            "one of them."
        )
    return same
