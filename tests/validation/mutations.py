"""Ways to spoil one cell of a good cohort, each of which the gate must refuse."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from hypothesis import assume
from scipy import sparse

from tests.validation.generated import ARRAYS

COLLECTIONS = ("table", "list")
STACKS = ("table", "list", "array")
SERIES = ("functional", "multimodal")
WEIGHTS = ("structural", "multimodal")


@dataclass(frozen=True)
class Mutation:
    """One way to be bad.

    Attributes
    ----------
    spoil : callable
    column : str or None
        The column whose cell of one row it replaces; None if `spoil` gives X.
    forms, modalities : tuple of str
        Of the cohorts that it applies to.
    names_row : bool
        Whether one row is to blame, so that the message must name it.
    at_transform : bool
        Whether it is as bad for a fitted encoder.
    needs : dict
        What else the cohort must be like, see `cohorts`.
    options : dict
        Parameters of the estimator that are bad.
    """

    spoil: Callable
    column: str | None = None
    forms: tuple = COLLECTIONS
    modalities: tuple = SERIES
    names_row: bool = True
    at_transform: bool = True
    needs: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)

    def X(self, cohort, row, rng):
        """Build what is bad."""
        if self.column is None:
            return self.spoil(cohort, row, rng)
        return cohort.X(cohort.cells | {self.column: self.spoil_cell(cohort.cells, row, rng)})

    def spoil_cell(self, cells, row, rng):
        """Give the column with one bad cell."""
        column = list(cells[self.column])
        is_array = self.column in ARRAYS
        column[row] = self.spoil(np.array(column[row], dtype=float) if is_array else None, rng)
        return column


def spoilt(value):
    """Put a value in one place."""

    def spoil(array, rng):
        array[tuple(rng.integers(array.shape))] = value
        return array

    return spoil


def off_diagonal(value):
    def spoil(array, rng):
        array[0, -1] = array[-1, 0] = value
        return array

    return spoil


def transposed(array, rng):
    assume(array.shape[0] != array.shape[1])
    return array.T


def hole(array, rng):
    masked = np.ma.array(array)
    masked[tuple(rng.integers(array.shape))] = np.ma.masked
    return masked


def huge_integers(array, rng):
    array = array.astype(object)
    array[-1, -1] = 10**400
    return array


def records(array, rng):
    return np.zeros(array.shape, dtype=[("a", "f4"), ("b", "i4")])


# What is neither a series nor a connectome, whatever is in it.
CELLS = {
    "flat": lambda a, rng: a.ravel(),
    "3-D": lambda a, rng: a[None],
    "4-D": lambda a, rng: a[None, None],
    "0-D": lambda a, rng: np.array(1.0),
    "infinite": spoilt(np.inf),
    "minus infinite": spoilt(-np.inf),
    "beyond float32": spoilt(1e39),
    "complex": lambda a, rng: a * 1j,
    "complex objects": lambda a, rng: (a * 1j).astype(object),
    "text": lambda a, rng: np.full(a.shape, "high"),
    "text among numbers": lambda a, rng: np.where(rng.random(a.shape) < 2, "low", a.astype(object)),
    "dates": lambda a, rng: np.full(a.shape, "2020-01-01", dtype="M8[D]"),
    "durations": lambda a, rng: np.full(a.shape, 3, dtype="m8[s]"),
    "records": records,
    "arrays in an array": lambda a, rng: np.array([[np.ones(2), None]] * 3, dtype=object),
    "nothings": lambda a, rng: np.full(a.shape, None),
    "sparse": lambda a, rng: sparse.csr_array(a),
    "masked": hole,
    "huge integers": huge_integers,
    "tensor with gradients": lambda a, rng: torch.tensor(a, requires_grad=True),
    "empty": lambda a, rng: np.empty((0, 0)),
    "no rows": lambda a, rng: a[:0],
    "no columns": lambda a, rng: a[:, :0],
    "frame of text": lambda a, rng: pd.DataFrame(np.full(a.shape, "high")),
    "series": lambda a, rng: pd.Series(a[0]),
    "dict": lambda a, rng: {"a": a},
    "set": lambda a, rng: {1.0, 2.0},
    "tuple": lambda a, rng: (a, None),
    "number": lambda a, rng: 3.5,
    "bytes": lambda a, rng: b"abc",
    "function": lambda a, rng: len,
    "object": lambda a, rng: SimpleNamespace(shape=(2, 2), ndim=2),
    "ragged list": lambda a, rng: [[1.0, 2.0], [1.0]],
    "empty list": lambda a, rng: [],
    "list of text": lambda a, rng: [["a", "b"], ["c", "d"]],
}
OF_SERIES = CELLS | {
    "constant": lambda a, rng: np.full(a.shape, rng.choice([-2.0, 0.0, 1e6])),
    "one ROI more": lambda a, rng: np.column_stack([a, a[:, 0]]),
    "one ROI fewer": lambda a, rng: a[:, 1:],
    "transposed": transposed,
    "one time point": lambda a, rng: a[:1],
}
OF_CONNECTOMES = CELLS | {
    "not square": lambda a, rng: a[:-1],
    "one ROI more": lambda a, rng: np.pad(a, (0, 1), mode="edge"),
    "one ROI fewer": lambda a, rng: a[1:, 1:],
    "lower triangle": lambda a, rng: np.tril(np.abs(a) + 1),
    "upper triangle": lambda a, rng: np.triu(np.abs(a) + 1),
    "no edge": lambda a, rng: np.eye(len(a)),
    "only zeros": lambda a, rng: np.zeros(a.shape),
    "signed and huge": off_diagonal(-1e9),
}
MASKS = {
    "too short": lambda n: np.ones(n - 1, dtype=bool),
    "too long": lambda n: np.r_[np.ones(n - 1, dtype=bool), np.zeros(3, dtype=bool)],
    "floats": lambda n: np.ones(n),
    "2-D": lambda n: np.ones((n, 2), dtype=bool),
    "negative": lambda n: np.array([-1, 0, 1]),
    "twice": lambda n: np.array([0, 0, 1]),
    "beyond": lambda n: np.array([0, n]),
    "far beyond": lambda n: np.r_[np.arange(n - 1), 10**9],
    "none kept": lambda n: np.zeros(n, dtype=bool),
    "one kept": lambda n: np.arange(n) == 0,
    "no index": lambda n: np.array([], dtype=int),
    "text": lambda n: np.array(["yes"] * n),
    "nullable": lambda n: pd.array([True] * (n - 1) + [None], dtype="boolean"),
    "ragged": lambda n: [[1], [1, 2]],
    "list of None": lambda n: [True] * (n - 1) + [None],
    "tuple": lambda n: tuple([True] * n),
    "number": lambda n: 4,
    "boolean": lambda n: True,
    "dict": lambda n: {"kept": [0, 1]},
    "0-D": lambda n: np.array(True),
    "no file": lambda n: "absent_outliers.tsv",
    "empty text": lambda n: " ",
    "huge integers": lambda n: [0, 1, 10**400],
}
TIMES = {
    "zero": 0,
    "negative": -2.0,
    "milliseconds": 2000,
    "infinite": np.inf,
    "text": "fast",
    "list": [2.0],
    "array": np.array([2.0, 2.0]),
    "complex": 2j,
    "huge": 10**400,
    "duration": pd.Timedelta("2s"),
    "dict": {},
    "boolean": True,
}


def _mask(make):
    """Give one row a series of its own, and a sample mask that does not fit."""

    def spoil(cohort, row, rng):
        n_timepoints = int(rng.integers(3, 20))
        series = list(cohort.cells["timeseries"])
        series[row] = rng.normal(size=(n_timepoints, cohort.n_rois))
        masks = list(cohort.cells.get("sample_mask", [None] * len(cohort)))
        masks[row] = make(n_timepoints)
        return cohort.X(cohort.cells | {"timeseries": series, "sample_mask": masks})

    return spoil


def of_cells():
    """Collect the mutations of cells, by name."""
    found = {}
    whole = {"censored": False}  # what is not finite in a censored volume is fine
    error, mask = whole | {"nan_policy": "raise"}, whole | {"nan_policy": "omit"}
    for name, spoil in OF_SERIES.items():
        found[f"series: {name}"] = Mutation(spoil, "timeseries", needs=whole | {"n_rows": 4})
    for name, spoil in OF_CONNECTOMES.items():
        found[f"connectome: {name}"] = Mutation(
            spoil, "connectome", modalities=WEIGHTS, needs={"n_rois": 5, "n_rows": 4}
        )
    forms = (*STACKS, "univariate")
    for name, value in {"NaN": np.nan, "infinite": np.inf, "beyond float32": -1e300}.items():
        found[f"{name} anywhere"] = Mutation(spoilt(value), "timeseries", forms, needs=error)
    found["series of NaN"] = Mutation(_nan, "timeseries", forms, needs=mask)
    found["constant series of a stack"] = Mutation(
        lambda a, rng: np.zeros(a.shape), "timeseries", ("array",)
    )
    found["connectome with NaN"] = Mutation(
        spoilt(np.nan), "connectome", STACKS, WEIGHTS, needs=error
    )
    found["connectome of NaN"] = Mutation(
        _nan, "connectome", STACKS, WEIGHTS, needs=mask | {"n_rois": 3}
    )
    for name, make in MASKS.items():
        needs = {"t_r": None, "naming": None}
        found[f"sample_mask: {name}"] = Mutation(_mask(make), forms=("table",), needs=needs)
    for name, value in (TIMES | {"of one row only": None}).items():
        found[f"t_r: {name}"] = Mutation(
            lambda cell, rng, value=value: value,
            "t_r",
            forms=("table",),
            modalities=("functional",),  # so that another row has a series
            needs={"t_r": "same", "n_rows": 3},
        )
    return found


def _nan(array, rng):
    return np.full(array.shape, np.nan)
