"""Checks that scikit-learn's own battery cannot make, for every form of X.

Each `check_*` takes an estimator that was fitted on X and y. It leaves all three as they are.
"""

import copy
import inspect
import io
import pickle
import random
import tempfile
from pathlib import Path
from unittest import mock

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from bsymlearn.estimators._inference import Inference

# With tolerances relative to the largest value. Heads divide features by their spread over scans,
# which magnifies the rounding of float32.
OUTPUTS = {
    "transform": 1e-6,
    "embed_rois": 1e-6,
    "predict": 1e-5,
    "predict_proba": 1e-5,
    "decision_function": 1e-5,
}
ABOUT_PARAMETERS = {"get_params", "get_metadata_routing"}


def outputs(estimator, X):
    """What the estimator gives row by row, under the name of each method."""
    return {name: getattr(estimator, name)(X) for name in OUTPUTS if hasattr(estimator, name)}


def take(X, rows):
    """Rows of X, in the form of X."""
    if isinstance(X, pd.DataFrame):
        return X.iloc[rows]
    return X[rows] if isinstance(X, np.ndarray) else type(X)(X[i] for i in rows)


def map_arrays(X, function):
    """X with every array replaced; paths and gaps stay."""
    if isinstance(X, np.ndarray):
        return function(X)
    if isinstance(X, pd.DataFrame):
        return pd.DataFrame({name: map_cells(column, function) for name, column in X.items()})
    return type(X)(function(scan) for scan in X)


def map_cells(column, function):
    cells = [function(cell) if isinstance(cell, np.ndarray) else cell for cell in column]
    return pd.Series(cells, index=column.index, dtype=column.dtype)


def picture(X):
    """Everything in X, as bytes that can be compared."""
    if isinstance(X, np.ndarray):
        return X.tobytes(), X.shape, X.dtype, X.strides
    if isinstance(X, pd.DataFrame):
        cells = {name: [picture(cell) for cell in column] for name, column in X.items()}
        return cells, X.dtypes.tolist(), X.index.tolist(), X.attrs
    return [picture(item) for item in X] if isinstance(X, list | tuple) else repr(X)


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)


def assert_close(actual, expected):
    assert actual.keys() == expected.keys()
    for name, values in expected.items():
        if values.dtype.kind not in "fc":
            np.testing.assert_array_equal(actual[name], values, err_msg=name)
            continue
        atol = OUTPUTS[name] * np.abs(values).max()
        np.testing.assert_allclose(actual[name], values, rtol=0, atol=atol, err_msg=name)


def stack(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def learned(estimator):
    """Weights, readout, head, and the history without the time that it took."""
    weights = {}
    for part in ("module_", "readout_", "head_"):
        for name, tensor in getattr(estimator, part, torch.nn.Module()).state_dict().items():
            weights[f"{part}.{name}"] = tensor.numpy()
    history = [{k: v for k, v in epoch.items() if k != "dur"} for epoch in estimator.history_]
    return weights, history


def assert_same_fit(actual, expected):
    (weights, history), (other_weights, other_history) = learned(actual), learned(expected)
    assert_same(weights, other_weights)
    np.testing.assert_equal(history, other_history)  # NaN equals NaN


def generators():
    """States of all global random generators."""
    numpy = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().tolist(), numpy[1].tolist(), numpy[2:], random.getstate()


# What a row gives depends on the row alone.


def check_rows_do_not_depend_on_their_neighbours(estimator, X, y):
    alone = [outputs(estimator, take(X, [i])) for i in range(len(y))]
    assert_close(stack(alone), outputs(estimator, X))


def check_order_of_rows(estimator, X, y):
    order = np.random.default_rng(0).permutation(len(y))
    expected = {name: values[order] for name, values in outputs(estimator, X).items()}
    assert_close(outputs(estimator, take(X, order)), expected)


def check_inference_batch_size(estimator, X, y):
    windows = Inference.windows
    expected = outputs(estimator, X)
    for size in (1, 3, 64):
        sizes = set()

        def resized(self, prepared, size=size, sizes=sizes):
            for part, batch in windows(self, prepared, size):
                sizes.add(len(next(iter(batch.values()))))
                yield part, batch

        with mock.patch.object(Inference, "windows", resized):
            assert_close(outputs(estimator, X), expected)
        assert sizes == {size}


def check_processes(estimator, X, y):
    halves = [take(X, rows) for rows in np.array_split(np.arange(len(y)), 2)]
    expected = outputs(estimator, X)
    calls = [(getattr(estimator, name), half) for name in expected for half in halves]
    parallel = joblib.Parallel(n_jobs=2, backend="loky")
    results = parallel(joblib.delayed(method)(half) for method, half in calls)
    pairs = zip(results[::2], results[1::2], strict=True)
    actual = {name: np.concatenate(pair) for name, pair in zip(expected, pairs, strict=True)}
    assert_close(actual, expected)


# A fit depends on X, y, parameters and seed alone, and changes none of them.


def check_refit_is_the_same_and_global_generators_stay(estimator, X, y):
    # Moved on, so that an estimator that sets them to a fixed state at every fit is noticed.
    torch.rand(1), np.random.rand(), random.random()  # noqa: NPY002
    before = generators()
    again = clone(estimator).fit(X, y)
    assert_same_fit(again, estimator)
    assert_same(outputs(again, X), outputs(estimator, X))
    again.score(X, y)
    assert generators() == before


def check_random_state(estimator, X, y):
    instance = np.random.RandomState(0)
    model = clone(estimator).set_params(random_state=instance)
    first = learned(model.fit(X, y))[0]
    second = learned(model.fit(X, y))[0]
    assert any((first[name] != second[name]).any() for name in first if name.startswith("module"))
    instance.seed(0)
    assert_same(learned(model.fit(X, y))[0], first)
    # None takes numpy's global generator, so that numpy.random.seed holds, as in scikit-learn.
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(0)  # noqa: NPY002
        assert_same(learned(model.set_params(random_state=None).fit(X, y))[0], first)
    finally:
        np.random.set_state(state)  # noqa: NPY002


def check_input_is_unchanged(estimator, X, y):
    before = picture(X), picture(np.asarray(y))
    clone(estimator).fit(X, y)
    outputs(estimator, X)
    estimator.score(X, y)
    assert (picture(X), picture(np.asarray(y))) == before


def check_read_only_input(estimator, X, y):
    def lock(array):
        array = array.copy()
        array.setflags(write=False)
        return array

    locked = map_arrays(X, lock)
    assert_same_fit(clone(estimator).fit(locked, lock(np.asarray(y))), estimator)
    assert_same(outputs(estimator, locked), outputs(estimator, X))


def check_memory_maps(estimator, X, y):
    with tempfile.TemporaryDirectory() as folder:
        paths = (Path(folder) / f"{number}.npy" for number in range(10_000))

        def remap(array):
            path = next(paths)
            np.save(path, array)
            return np.load(path, mmap_mode="r")

        mapped = map_arrays(X, remap)
        assert_same_fit(clone(estimator).fit(mapped, y), estimator)
        assert_same(outputs(estimator, mapped), outputs(estimator, X))
        del mapped  # before its files go, which some systems ask for


def check_fit_leaves_parameters_alone(estimator, X, y):
    model = clone(estimator)
    before = model.get_params()
    picture_before = pickle.dumps(before)
    assert model.fit(X, y) is model
    assert all(model.get_params()[name] is value for name, value in before.items())
    assert pickle.dumps(before) == picture_before


# Copies are the estimator.


def check_copies(estimator, X, y):
    expected = outputs(estimator, X)
    file = io.BytesIO()
    joblib.dump(estimator, file, compress=3)
    file.seek(0)
    restored = pickle.loads(pickle.dumps(estimator))
    for other in (restored, joblib.load(file), copy.deepcopy(estimator), copy.copy(estimator)):
        assert_same(outputs(other, X), expected)
        assert_same_fit(other, estimator)
        assert vars(other).keys() == vars(estimator).keys()
    deep = copy.deepcopy(estimator)
    with torch.no_grad():
        for parameter in deep.module_.parameters():
            parameter.zero_()
    assert_same(outputs(estimator, X), expected)


def check_parameters_round_trip(estimator, X, y):
    params = estimator.get_params()
    other = type(estimator)(**params)
    assert other.get_params() == params == clone(estimator).get_params()
    assert type(estimator)().set_params(**params).get_params() == params
    assert not {name for name in vars(other) if name.endswith("_")}
    for name in params:
        marker = object()
        assert other.set_params(**{name: marker}) is other
        assert other.get_params()[name] is marker
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        other.set_params(nonsense=1)


def check_repr(estimator, X, y):
    names = {type(estimator).__name__: type(estimator)}
    assert eval(repr(estimator), names).get_params() == estimator.get_params()
    with sklearn.config_context(print_changed_only=False):
        shown = sorted(estimator.get_params())[:30]  # scikit-learn shows no more
        assert all(f"{name}=" in repr(type(estimator)()) for name in shown)
    assert type(estimator).__name__ in estimator._repr_html_()


# Without `fit` there is nothing to give.


def check_not_fitted(estimator, X, y):
    model = clone(estimator)
    arguments = {"get_feature_names_out": (), "score": (X, y), "reconstruct": (X, np.ones(1, bool))}
    for name, _ in inspect.getmembers(type(model), callable):
        if not name.startswith(("_", "fit", "set_")) and name not in ABOUT_PARAMETERS:
            with pytest.raises(NotFittedError, match=f"{type(model).__name__} instance is not"):
                getattr(model, name)(*arguments.get(name, (X,)))
    assert vars(model) == vars(clone(estimator))


CHECKS = {name: check for name, check in globals().items() if name.startswith("check_")}
