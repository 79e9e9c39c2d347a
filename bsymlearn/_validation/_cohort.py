"""Checks that compare the scans of a cohort with each other and with an encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bsymlearn._validation._arrays import TRANSPOSE, largest_weight

if TYPE_CHECKING:
    from bsymlearn._validation._scans import Scans

_OTHER_ATLAS = (
    "For another atlas, give pretrained=bsymlearn.adapt_parcellation(encoder, overlap), with the "
    "overlap of the new ROIs with the encoder's (see preprocessing.parcellation_overlap)."
)
_UNITS_FACTOR = 50  # the logarithm lowers the largest count of a tractogram by more than that
_AXIS_MARGIN = 0.3
_SHORTEST_AXIS = 8


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
    for label, connectome in zip(scans.labels, scans.connectomes, strict=True):
        if connectome is None:
            continue
        top = largest_weight(connectome)
        if top and not largest / _UNITS_FACTOR <= top <= largest * _UNITS_FACTOR:
            raise ValueError(
                f"The connectome of {label} has weights up to {top:.4g}, but {estimator} learned "
                f"from connectomes with weights up to {largest:.4g}. Give connectomes in the same "
                "units: all raw counts, or all scaled ones (log10(1 + count), say)."
            )


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
    given = [s.shape[1] for s in series if s is not None]
    given += [c.shape[0] for c in connectomes if c is not None]
    if n_rois is not None and any(n != n_rois for n in given):
        wrong = next(n for n in given if n != n_rois)
        source = "was fitted with" if fitted else "has a pretrained encoder of"
        remedy = TRANSPOSE if fitted else f"{_OTHER_ATLAS} {TRANSPOSE}"
        raise ValueError(f"X has {wrong} ROIs, but {estimator} {source} {n_rois}. {remedy}")
    if len(set(given)) > 1:
        counts = sorted(set(given))
        lengths = {s.shape[0] for s in series if s is not None}
        guess = (
            " All have the same first axis, so they look transposed." if len(lengths) == 1 else ""
        )
        raise ValueError(
            f"Scans differ in their number of ROIs: {counts[:5]}"
            f"{' …' if len(counts) > 5 else ''}, but all must have the same.{guess} {TRANSPOSE}"
        )
    return given[0]


def match_names(
    series: list,
    connectomes: list,
    names: list,
    labels: list[str],
    reference: list[str],
    pretrained: bool = False,
) -> None:
    """Bring named scans into the order of the reference (of a pretrained encoder), in place."""
    if len(set(reference)) < len(reference):
        return  # names that are not unique cannot identify a ROI
    for i, own_names in enumerate(names):
        for kind, own in enumerate(own_names):
            if own is None or own == reference:
                continue
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
            elif kind == 1 and connectomes[i] is not None:
                connectomes[i] = connectomes[i][np.ix_(position, position)]


def check_axis_order(series: list[np.ndarray]) -> None:
    """Refuse scans whose second axis is the smooth one: BOLD is smooth in time.

    In all real scans tried, the lag-1 autocorrelation along time exceeds the one along the
    list of ROIs; the other way round by a wide margin, the axes are swapped.
    """
    some = [s for s in series[:20] if min(s.shape) >= _SHORTEST_AXIS]
    if not some:
        return
    along_time = np.median([_lag_one(s) for s in some])
    along_rois = np.median([_lag_one(s.T) for s in some])
    if along_rois - along_time > _AXIS_MARGIN:
        raise ValueError(
            f"The time series look transposed: neighbours along axis 1 correlate with "
            f"{along_rois:.2f}, along axis 0 with {along_time:.2f}, but BOLD is smooth in time. "
            f"Shape of the first: {some[0].shape}. {TRANSPOSE}"
        )


def check_is_no_connectome(series: list[np.ndarray]) -> None:
    """Refuse time series that all are square and symmetric: they are connectomes."""
    if series and all(s.shape[0] == s.shape[1] > 2 and np.array_equal(s, s.T) for s in series):
        raise ValueError(
            f"The time series are square and symmetric, shape {series[0].shape}, so they look like "
            "connectomes. Set modality='structural', or put them in the column 'connectome' of a "
            "DataFrame."
        )


def _lag_one(series):
    """Mean lag-1 autocorrelation along the first axis."""
    centred = series - series.mean(axis=0)
    power = (centred**2).mean(axis=0)
    usable = power > 0
    if not usable.any():
        return 0.0
    lagged = (centred[1:] * centred[:-1]).mean(axis=0)
    return float((lagged[usable] / power[usable]).mean())
