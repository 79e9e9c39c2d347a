"""Checks that compare the scans of a cohort with each other and with an encoder."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from bsymlearn._validation._arrays import TRANSPOSE, has_negative, largest_weight

if TYPE_CHECKING:
    from bsymlearn._validation._scans import Scans

_OTHER_ATLAS = (
    "For another atlas, fit with pretrained=bsymlearn.adapt_parcellation(encoder, overlap), with "
    "the overlap of the new ROIs with the encoder's (see preprocessing.parcellation_overlap)."
)
_UNITS_FACTOR = 50  # the logarithm lowers the largest count of a tractogram by more than that


def check_connectome_units(scans: Scans, largest: float, estimator: str) -> None:
    """Refuse connectomes in other units than those learned (counts for log counts, say).

    Parameters
    ----------
    scans : Scans
    largest : float
        The largest absolute weight that the encoder learned from, before scaling.
    estimator : str
        Name for messages.

    Raises
    ------
    ValueError
        If the largest weight of a connectome is more than 50 times larger or smaller.
    """
    pairs = zip(scans.labels, scans.connectomes, strict=True)
    tops = {label: top for label, c in pairs if c is not None and (top := largest_weight(c))}
    wrong = [
        label
        for label, top in tops.items()
        if not largest / _UNITS_FACTOR <= top <= largest * _UNITS_FACTOR
    ]
    if not wrong:
        return
    label, state = wrong[0], f"{estimator} learned from connectomes with weights up to"
    if largest == max(tops.values()):  # of these scans themselves: the odd one out is to blame
        state = "those of the others go up to"
        if 2 * len(wrong) >= len(tops):
            label, largest = max(tops, key=lambda name: tops[name]), tops[wrong[0]]
    raise ValueError(
        f"The connectome of {label} has weights up to {tops[label]:.4g}, but {state} "
        f"{largest:.4g}. Give connectomes in the same units: all raw counts, or all scaled ones "
        "(log10(1 + count), say)."
    )


def check_is_unsigned(scans: Scans, estimator: str) -> None:
    """Refuse negative weights where an encoder learned the logarithm of non-negative ones."""
    for label, connectome in zip(scans.labels, scans.connectomes, strict=True):
        if connectome is not None and has_negative(connectome):
            raise ValueError(
                f"The connectome of {label} has negative weights, but {estimator} learned from "
                "connectomes without any, of which it takes the logarithm. Give connectomes of the "
                "same kind."
            )


def check_groups(groups: Any, scans: Scans) -> list:
    """Check that there is a group for each row; by default its participant."""
    if groups is not None:
        try:
            state, shape = f"has shape {np.shape(groups)}", np.shape(groups)
        except ValueError:
            state, shape = "is a ragged list", None
        if shape != (len(scans),):
            raise ValueError(
                f"groups {state}, but X has {len(scans)} rows. Give one group (the participant, "
                "say) for each row, in the same order."
            )
    found = scans.groups if groups is None else list(groups)
    try:
        set(found)
    except TypeError as error:
        raise ValueError(
            f"Groups, or participants, are no plain values ({error}), so they cannot be told "
            "apart. Give one text or number for each row."
        ) from error
    return found


def check_n_rois(
    series: list,
    connectomes: list,
    labels: list[str],
    n_rois: int | None,
    estimator: str,
    fitted: bool,
) -> int:
    """Check that all scans have one number of ROIs, that of the encoder; gives it."""
    for label, s, c in zip(labels, series, connectomes, strict=True):
        if s is not None and c is not None and s.shape[1] != c.shape[0]:
            raise ValueError(
                f"{label} has a time series of {s.shape[1]} ROIs (shape {s.shape}) and a "
                f"connectome of {c.shape[0]}, but both must come from the same atlas, in the same "
                f"order. {TRANSPOSE}"
            )
    pairs = zip(series, connectomes, strict=True)
    given = [c.shape[0] if s is None else s.shape[1] for s, c in pairs]
    usual = Counter(given).most_common(1)[0][0] if n_rois is None else n_rois
    wrong = next((i for i, n in enumerate(given) if n != usual), None)
    if wrong is None:
        return usual
    if n_rois is not None:
        source = "was fitted with" if fitted else "has a pretrained encoder of"
        raise ValueError(
            f"X has {given[wrong]} ROIs in {labels[wrong]}, but {estimator} {source} {n_rois}. "
            f"{TRANSPOSE} {_OTHER_ATLAS}"
        )
    counts = sorted(set(given))
    lengths = {s.shape[0] for s in series if s is not None}
    guess = " All have the same first axis, so they look transposed." if len(lengths) == 1 else ""
    raise ValueError(
        f"Scans differ in their number of ROIs: {counts[:5]}{' …' if len(counts) > 5 else ''} "
        f"({given[wrong]} in {labels[wrong]}), but all must have the same.{guess} {TRANSPOSE}"
    )


def complete_names(
    names: list, series: list, connectomes: list, roi_names: Sequence[str] | None, n_rois: int
) -> list:
    """Name the ROIs of arrays that carry no names: by `roi_names`, or by the row's other array."""
    listed = [] if roi_names is None else list(roi_names)
    if isinstance(roi_names, Set | Mapping) or not all(map(np.isscalar, listed)):
        raise ValueError(
            f"roi_names is a {type(roi_names).__name__}, but must be a list of texts. Give one "
            "name for each ROI of X, in its order."
        )
    given = None if roi_names is None else [str(name) for name in listed]
    if given is not None and (len(given) != n_rois or len(set(given)) != n_rois):
        raise ValueError(
            f"roi_names has {len(given)} names, {len(set(given))} of them different, but X has "
            f"{n_rois} ROIs. Give one name for each ROI of X, in its order."
        )
    completed = []
    for (first, second), s, c in zip(names, series, connectomes, strict=True):
        # Arrays of one row are of one atlas in one order, so the names of either are of both.
        first_name = first or given or second
        second_name = second or given or first
        completed.append((None if s is None else first_name, None if c is None else second_name))
    return completed


def warn_of_moved(names: list, connectomes: list, order: list, labels: list[str]) -> None:
    """Warn of connectomes without names that were moved with the series of their row."""
    moved = [
        label
        for label, (_, own), c, position in zip(labels, names, connectomes, order, strict=True)
        if position is not None and c is not None and own is None
    ]
    if moved:
        warnings.warn(
            f"{len(moved)} connectomes without names, that of {moved[0]} first, were reordered "
            "like the series of their row, whose names are in another order. Check that they share "
            "it, or name the ROIs of connectomes as well.",
            stacklevel=3,
        )


def find_reference(
    names: list, encoder_names: list[str] | None, fitted: bool, estimator: str
) -> list[str] | None:
    """Find the order of ROIs that scans are brought into; None: all are taken as they are.

    It is the encoder's, or in `fit` that of the names that most arrays have, as the first of them
    has it. A fitted encoder without names learns none from new scans.
    """
    known = [own for pair in names for own in pair if own]
    counts = Counter(frozenset(own) for own in known)
    usual = max(known, key=lambda own: counts[frozenset(own)], default=None)
    reference = encoder_names or usual
    if reference is None:
        return None
    if encoder_names is None and fitted:
        if any(own != reference for own in known):
            raise ValueError(
                f"The scans of X name their ROIs in different orders, but {estimator} was fitted "
                "without names. Bring all scans into the order of those of fit, or fit with names."
            )
        return None
    n_silent = sum(not any(pair) for pair in names)
    if n_silent:
        whose = f"the encoder of {estimator} knows" if encoder_names else "others know"
        warnings.warn(
            f"{n_silent} of {len(names)} scans tell no names of their ROIs, but {whose} them, so "
            "these scans are taken to be in that order. Give roi_names= to match them by name.",
            stacklevel=3,
        )
    return reference


def match_names(
    series: list,
    connectomes: list,
    names: list,
    labels: list[str],
    reference: list[str],
    pretrained: bool = False,
) -> list:
    """Bring named scans into the order of the reference (of a pretrained encoder), in place.

    Returns
    -------
    order : list of (ndarray of int or None)
        Which column of its series each ROI of a row comes from; None where it has not moved.
    """
    order: list = [None] * len(labels)
    twice = sorted({name for name in reference if reference.count(name) > 1})
    for i, own_names in enumerate(names):
        for kind, own in enumerate(own_names):
            if own is None or own == reference:
                continue
            if twice:  # names that are not unique cannot identify a ROI
                raise ValueError(
                    f"{labels[i]} names its ROIs otherwise than the other scans, or the encoder, "
                    f"and these have several {twice[0]!r}, so they cannot be matched. Give each "
                    "ROI a name of its own, or all scans in one order, without names."
                )
            if set(own) != set(reference):
                alien = sorted(set(own) - set(reference)) or sorted(set(reference) - set(own))
                if pretrained:
                    raise ValueError(
                        f"{labels[i]} and the pretrained encoder do not have the same ROIs: "
                        f"{alien[:3]} are in one of them only. Rename the ROIs if only their "
                        f"names differ. {_OTHER_ATLAS}"
                    )
                raise ValueError(
                    f"{labels[i]} and the other scans, or the encoder, do not have the same ROIs: "
                    f"{alien[:3]} are in one of them only. All scans must come from one atlas; "
                    "rename the ROIs if only their names differ."
                )
            position = np.array([own.index(name) for name in reference])
            if kind == 0 and series[i] is not None:
                series[i] = series[i][:, position]
                order[i] = position
            elif kind == 1 and connectomes[i] is not None:
                connectomes[i] = connectomes[i][np.ix_(position, position)]
    return order
