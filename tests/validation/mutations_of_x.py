"""Ways to spoil what is not in one cell: tables, collections, names, parameters."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from hypothesis import assume

from tests.validation.generated import FORMS
from tests.validation.mutations import Mutation
from tests.validation.strategies import EVERY


def _rename(change):
    """Change the names of the ROIs of one scan."""

    def spoil(cohort, row, rng):
        column = next(iter(cohort.truth))
        cells = list(cohort.cells[column])
        frame = cells[row].copy()
        frame.columns = change(list(frame.columns))
        cells[row] = frame
        return cohort.X(cohort.cells | {column: cells})

    return spoil


def _empty_row(cohort, row, rng):
    """Take all data of one row away."""
    cells = {name: list(column) for name, column in cohort.cells.items()}
    for name in cohort.truth:
        if name in ("timeseries", "connectome"):
            cells[name][row] = None
            assume(any(array is not None for array in cohort.truth[name][:row]))
    return cohort.X(cells)


def _two_levels(X):
    X = X.copy()
    X.columns = pd.MultiIndex.from_arrays([list(map(str, X.columns)), ["a"] * X.shape[1]])
    return X


def _twice(X, name):
    more = X[[name]] if name in X.columns else pd.DataFrame({name: 2.0}, index=X.index)
    return pd.concat([X, more, more], axis=1)


TABLES = {
    "no row": lambda X: X.iloc[:0],
    "column of series twice": lambda X: _twice(X, "timeseries"),
    "column of masks twice": lambda X: _twice(X, "sample_mask"),
    "column of times twice": lambda X: _twice(X, "t_r"),
    "column of participants twice": lambda X: _twice(X, "participant_id"),
    "columns in two levels": _two_levels,
    "array of objects": lambda X: X[["timeseries"]].to_numpy(),
    "dict": lambda X: X.to_dict("list"),
    "dict of dicts": lambda X: X.reset_index(drop=True).to_dict(),
    "records": lambda X: X.to_dict("records"),
    "record array": lambda X: X[["timeseries"]].reset_index(drop=True).to_records(),
    "other names": lambda X: X.rename(columns={"timeseries": "bold"}),
    "columns as rows": lambda X: X.T,
    "series of nothing": lambda X: pd.Series([None] * len(X)),
    "no data at all": lambda X: X.assign(timeseries=None),
    "text": lambda X: X.assign(timeseries="sub-01"),
}
COLLECTIONS = {
    "empty": lambda X: [],
    "array of nothing": lambda X: np.array([]),
    "in a list": lambda X: [list(X)],
    "nested lists": lambda X: [np.asarray(scan).tolist() for scan in X],
    "ragged lists": lambda X: [[1.0, 2.0], [3.0]],
    "generator": lambda X: (scan for scan in X),
    "dict": lambda X: {f"sub-{i}": scan for i, scan in enumerate(X)},
    "values of a dict": lambda X: {f"sub-{i}": scan for i, scan in enumerate(X)}.values(),
    "set": lambda X: {"sub-1", "sub-2"},
    "one is missing": lambda X: [*X, None],
    "one is text": lambda X: [*X, "sub-01.tsv"],
    "text": lambda X: "derivatives",
    "path": lambda X: Path("derivatives"),
    "paths": lambda X: ["a.tsv", Path("b.tsv")],
    "bytes": lambda X: b"derivatives",
    "number": lambda X: 3,
    "nothing": lambda X: None,
    "numbers": lambda X: [1.0, 2.0, 3.0],
    "tensor": lambda X: torch.zeros(3, 20, 5),
    "4-D": lambda X: np.zeros((3, 4, 5, 6)),
    "scalar": lambda X: np.array(3.0),
    "pairs": lambda X: list(enumerate(X)),
    "4-D elements": lambda X: [np.zeros((2, 3, 4, 5))] * 3,
}
NAMES = {
    "another ROI": lambda names: ["other", *names[1:]],
    "twice": lambda names: [names[1], *names[1:]],
    "all alike": lambda names: ["ROI"] * len(names),
    "another case": lambda names: [name.lower() for name in names],
}
# Of an estimator, for a cohort of 4 ROIs.
PARAMETERS = {
    "t_r: zero": {"t_r": 0},
    "t_r: negative": {"t_r": -1.5},
    "t_r: milliseconds": {"t_r": 1500},
    "t_r: infinite": {"t_r": np.inf},
    "t_r: NaN": {"t_r": np.nan},
    "t_r: text": {"t_r": "1.5"},
    "t_r: list": {"t_r": [1.5]},
    "roi_names: too few": {"roi_names": list("abc")},
    "roi_names: twice": {"roi_names": list("abca")},
    "roi_names: text": {"roi_names": "abcd"},
    "roi_names: set": {"roi_names": set("abcd")},
    "roi_names: 2-D": {"roi_names": np.array([["a"], ["b"], ["c"], ["d"]])},
    "roi_names: number": {"roi_names": 4},
    "roi_names: ragged": {"roi_names": [["a"], ["b", "c"], "d", "e"]},
    "nan_policy: other": {"nan_policy": "drop"},
    "modality: other": {"modality": "pet"},
    "gradients: ragged": {"gradients": [[1, 2], [1], [2], [3]]},
    "gradients: text": {"gradients": [["a"], ["b"], ["c"], ["d"]]},
    "gradients: flat": {"gradients": [1.0, 2.0, 3.0, 4.0]},
    "gradients: complex": {"gradients": np.ones((4, 2)) * 1j},
}


def _whole(change):
    return lambda cohort, row, rng: change(cohort.X())


def of_x():
    """Collect the mutations of X and of parameters, by name."""
    found = {}
    for name, change in TABLES.items():
        found[f"table: {name}"] = Mutation(
            _whole(change),
            forms=("table",),
            modalities=("functional",),
            names_row=False,
            needs={"censored": False},
        )
    for name, change in COLLECTIONS.items():
        found[f"collection: {name}"] = Mutation(
            _whole(change), forms=("list", "array"), modalities=EVERY, names_row=False
        )
    found["one row"] = Mutation(
        lambda cohort, row, rng: cohort.alone(cohort.X(), row),
        forms=FORMS,
        modalities=EVERY,
        names_row=False,
        at_transform=False,
    )
    found["row without data"] = Mutation(_empty_row, forms=("table",), modalities=EVERY)
    for name, change in NAMES.items():
        needs = {"naming": "ordered", "n_rois": 4, "n_rows": 4}
        found[f"names: {name}"] = Mutation(_rename(change), modalities=EVERY[:2], needs=needs)
    for name, options in PARAMETERS.items():
        found[f"parameter {name}"] = Mutation(
            _whole(lambda X: X),
            names_row=False,
            at_transform=False,
            needs={"n_rois": 4, "t_r": None},
            options=options,
        )
    return found
