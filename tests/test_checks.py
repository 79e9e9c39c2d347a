import copy
import functools

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from bsymlearn import (
    BrainSymphonyClassifier,
    BrainSymphonyRegressor,
    BrainSymphonyTransformer,
    make_cohort,
)
from tests.common_checks import CHECKS, assert_close, assert_same, assert_same_fit, outputs

N_SCANS = 6
SIZES = {
    "dim": 8,
    "n_layers": 1,
    "n_heads": 2,
    "mlp_dim": 16,
    "time_steps": 10,
    "encoder": {"structural_layers": 1},
    "batch_size": 4,
    "max_epochs": 1,
    "validation_fraction": 0.2,
    "device": "cpu",
    "random_state": 0,
}
FORMS = (
    "2-D",
    "3-D",
    "list",
    "functional table",
    "structural table",
    "multimodal table",
    "table of paths",
    "structural 3-D",
)
ESTIMATORS = {
    "transformer": BrainSymphonyTransformer(readout="moments", **SIZES),
    "classifier": BrainSymphonyClassifier(pretrain_epochs=1, **SIZES),
    "regressor": BrainSymphonyRegressor(spectral_power=0.5, **SIZES),
}
STRUCTURAL = {"structural 3-D": "structural"}  # what only `modality` tells


@pytest.fixture(scope="module")
def cohort():
    """Ragged series, some shorter than a window; all subjects have both modalities."""
    table = make_cohort(N_SCANS, n_rois=6, n_timepoints=24, n_networks=2, random_state=0)
    series = [s[: 24 - 2 * i] for i, s in enumerate(table["timeseries"])]
    return table.assign(timeseries=pd.Series(series, table.index))


@pytest.fixture(scope="module")
def forms(cohort, tmp_path_factory):
    """The same subjects in every form of X."""
    series, connectomes = list(cohort["timeseries"]), list(cohort["connectome"])
    gaps = cohort.copy()
    gaps["timeseries"] = [None if i == 2 else s for i, s in enumerate(series)]
    gaps["connectome"] = [None if i in (0, 5) else c for i, c in enumerate(connectomes)]
    folder = tmp_path_factory.mktemp("cohort")
    paths = gaps.copy()
    for column in ("timeseries", "connectome"):
        for name, array in gaps[column].dropna().items():
            np.save(folder / f"{name}_{column}.npy", array)
        paths[column] = [
            None if array is None else str(folder / f"{name}_{column}.npy")
            for name, array in gaps[column].items()
        ]
    sessions = pd.MultiIndex.from_product([["a", "b", "c"], [1, 2]], names=["sub", "ses"])
    return {
        "2-D": np.stack([s[:10, 0] for s in series]),
        "3-D": np.stack([s[:10] for s in series]),
        "list": series,
        "functional table": cohort[["timeseries", "age", "site"]].set_axis(sessions),
        "structural table": cohort[["connectome", "sex"]],
        "multimodal table": gaps,
        "table of paths": paths,
        "structural 3-D": np.stack(connectomes),
    }


@pytest.fixture(scope="module")
def fitted(cohort, forms):
    """Fit each estimator once on each form."""

    @functools.cache
    def fit(name, form):
        y = cohort["age" if name == "regressor" else "sex"].to_numpy()
        model = clone(ESTIMATORS[name]).set_params(modality=STRUCTURAL.get(form, "auto"))
        return model.fit(forms[form], y), forms[form], y

    return fit


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_checks(fitted, estimator, form, check):
    check(*fitted(estimator, form))


def as_paths(arrays, folder):
    paths = [folder / f"{number}.npy" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        if array is not None:
            np.save(path, array)
    return [None if array is None else path for path, array in zip(paths, arrays, strict=True)]


def spellings(kind, forms, folder):
    """Ways to write one and the same X."""
    if kind == "multimodal":
        table = forms["multimodal table"]
        columns = ["timeseries", "connectome"]
        mixed = table.copy()
        mixed["connectome"] = as_paths(list(table["connectome"]), folder)
        return {
            "table": table,
            "paths": forms["table of paths"],
            "paths beside arrays": mixed,
            "NaN for None": table.assign(connectome=table["connectome"].fillna(np.nan)),
            "other columns": table[columns[::-1]].assign(age=1, motion=0.1),
        }
    stacked = forms["3-D" if kind == "functional" else "structural 3-D"]
    column = "timeseries" if kind == "functional" else "connectome"
    arrays = list(stacked)
    paths = as_paths(arrays, folder)
    objects = np.empty(len(arrays), dtype=object)
    objects[:] = arrays
    return {
        "3-D": stacked,
        "Fortran order": np.asfortranarray(stacked),
        "float64": stacked.astype(np.float64),
        "list": arrays,
        "tuple": tuple(arrays),
        "list of DataFrames": [pd.DataFrame(array) for array in arrays],
        "object array": objects,
        "Series": pd.Series(arrays),
        "table": pd.DataFrame({column: pd.Series(arrays)}),
        "table of lists": pd.DataFrame({column: pd.Series([a.tolist() for a in arrays])}),
        "paths": pd.DataFrame({column: paths}),
        "paths as text": pd.DataFrame({column: [str(path) for path in paths]}),
    }


@pytest.mark.parametrize("kind", ["functional", "structural", "multimodal"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_spellings_of_X_agree_in_fit_and_transform(cohort, forms, tmp_path, estimator, kind):
    y = cohort["age" if estimator == "regressor" else "sex"].to_numpy()
    model = clone(ESTIMATORS[estimator]).set_params(modality=kind)
    ways = spellings(kind, forms, tmp_path)
    reference, *others = ways.values()
    model.fit(reference, y)
    expected = outputs(model, reference)
    for other in others:
        assert_same(outputs(model, other), expected)
        assert_same_fit(clone(model).fit(other, y), model)


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        ("transformer", "transform"),
        ("classifier", "decision_function"),
        ("regressor", "predict"),
    ],
)
def test_number_of_threads(estimator, method):
    # Large enough that torch does share the work among threads.
    table = make_cohort(2, n_rois=40, n_timepoints=40, n_networks=4, random_state=0)
    y = table["age" if estimator == "regressor" else "sex"]
    sizes = {"dim": 32, "time_steps": 40, "validation_fraction": 0.0}
    model = clone(ESTIMATORS[estimator]).set_params(**sizes).fit(table, y)
    before = torch.get_num_threads()
    results = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        try:
            results.append({method: getattr(model, method)(table)})
        finally:
            torch.set_num_threads(before)
    assert_close(*results)


class Mean(BrainSymphonyTransformer):
    """Depends on neighbours."""

    def transform(self, X):
        embedded = super().transform(X)
        return embedded - embedded.mean(axis=0)


class Order(BrainSymphonyTransformer):
    """Depends on the order of rows."""

    def transform(self, X):
        return super().transform(X).cumsum(axis=0)


class Unseeded(BrainSymphonyTransformer):
    """Draws from a global generator."""

    def fit(self, X, y=None):
        super().fit(X, y)
        with torch.no_grad():
            self.module_.spatial.positions.table += torch.randn(())
        return self


class Seeding(BrainSymphonyTransformer):
    """Seeds a global generator."""

    def fit(self, X, y=None):
        torch.manual_seed(0)
        return super().fit(X, y)


class Writing(BrainSymphonyTransformer):
    """Writes into X."""

    def fit(self, X, y=None):
        for scan in X:
            scan -= scan.mean(axis=0)
        return super().fit(X, y)


class Setting(BrainSymphonyTransformer):
    """Changes a parameter."""

    def fit(self, X, y=None):
        self.lr /= 2
        return super().fit(X, y)


class Forgetting(BrainSymphonyTransformer):
    """Loses the readout's mean in a pickle."""

    def __getstate__(self):
        state = super().__getstate__()
        readout = copy.deepcopy(state["readout_"])
        readout.mean_latent.zero_()
        return state | {"readout_": readout}


class Guessing(BrainSymphonyTransformer):
    """Answers without a fit."""

    def transform(self, X):
        return super().transform(X) if hasattr(self, "module_") else np.zeros((len(X), 1))


class Wired(BrainSymphonyTransformer):
    """Changes with the batch size of inference."""

    def _embed(self, prepared):
        sizes = [len(part) for part, _ in self._inference().windows(prepared)]
        return super()._embed(prepared) + max(sizes)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Mean, "check_rows_do_not_depend_on_their_neighbours"),
        (Mean, "check_processes"),
        (Order, "check_order_of_rows"),
        (Wired, "check_inference_batch_size"),
        (Unseeded, "check_refit_is_the_same_and_global_generators_stay"),
        (Seeding, "check_refit_is_the_same_and_global_generators_stay"),
        (Unseeded, "check_random_state"),
        (Writing, "check_input_is_unchanged"),
        (Writing, "check_read_only_input"),
        (Writing, "check_memory_maps"),
        (Setting, "check_fit_leaves_parameters_alone"),
        (Forgetting, "check_copies"),
        (Guessing, "check_not_fitted"),
    ],
)
def test_checks_notice_what_is_broken(forms, cohort, broken, check):
    X = [scan.copy() for scan in forms["list"]]
    model = broken(**SIZES).fit(X, cohort["sex"])
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):
        CHECKS[check](model, X, cohort["sex"].to_numpy())
