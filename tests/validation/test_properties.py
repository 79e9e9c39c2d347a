"""Properties of the gate: good cohorts are embedded, bad ones refused before any training.

The examples are the same in every run. HYPOTHESIS_PROFILE=search draws others, and EXAMPLES=20
times as many of them.
"""

import os
import pickle
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyRegressor, BrainSymphonyTransformer
from tests.validation.comparing import assert_same
from tests.validation.generated import SIZES
from tests.validation.messages import check_is_ours, refuses
from tests.validation.mutations import WEIGHTS, of_cells
from tests.validation.mutations_of_files import of_files
from tests.validation.mutations_of_targets import TARGETS
from tests.validation.mutations_of_x import of_x
from tests.validation.strategies import anything, cohorts

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("error::RuntimeWarning"),
]
SEARCHES = os.environ.get("HYPOTHESIS_PROFILE") == "search"
MORE = int(os.environ.get("EXAMPLES", "1"))
MUTATIONS = of_cells() | of_x() | of_files()
# Generated inputs of each property; of each mutation where they are parametrised.
N_EXAMPLES = {
    "embedded": 250,
    "on disk": 40,
    "unseen": 100,
    "trained": 50,
    "mutation": 3,
    "two mutations": 60,
    "target": 2,
    "anything": 250,
}


def check(name, strategy, holds, salt=""):
    """Check a property on generated inputs, and that there were as many as it says."""
    seen = 0

    @settings(
        max_examples=N_EXAMPLES[name] * MORE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(case):
        nonlocal seen
        seen += 1
        holds(case)

    (run if SEARCHES else seed(zlib.crc32(f"{name} {salt}".encode()))(run))()
    assert seen >= N_EXAMPLES[name] * MORE


def test_there_are_a_thousand_inputs():
    times = {"mutation": len(MUTATIONS), "target": len(TARGETS)}
    assert sum(n * times.get(name, 1) for name, n in N_EXAMPLES.items()) >= 1000


def n_outputs(model, cohort):
    """Width of an embedding, from what the readouts are said to be."""
    dim, n_pairs = SIZES["dim"], cohort.n_rois * (cohort.n_rois - 1) // 2
    flat = cohort.n_rois * dim
    if cohort.n_rois == 1:  # nothing to connect
        return dim
    moments = {"functional": n_pairs, "structural": flat, "multimodal": n_pairs + flat}
    widths = {"mean": dim, "flatten": flat, "connectivity": n_pairs}
    return (widths | {"moments": moments[model.modality_]})[model.readout]


def embedded(cohort):
    """Check the embedding of a good cohort; gives the fitted model, X and the embedding."""
    X = cohort.X()
    before = pickle.loads(pickle.dumps(X))
    model = BrainSymphonyTransformer(max_epochs=0, **cohort.parameters).fit(X)
    embedding = model.transform(X)
    assert embedding.dtype == np.float32
    assert embedding.shape == (len(cohort), n_outputs(model, cohort))
    assert np.isfinite(embedding).all()
    np.testing.assert_array_equal(model.transform(X), embedding)
    assert_same(X, before)
    return model, X, embedding


def test_good_cohorts_are_embedded():
    def holds(cohort):
        model, X, embedding = embedded(cohort)
        # Types, layouts, containers, names and masks tell the same as plain float32 arrays.
        np.testing.assert_array_equal(model.transform(cohort.plain()), embedding)
        # A similarity (of 1 at most) of small differences magnifies the rounding of latents.
        first_order = cohort.options["readout"] in ("mean", "flatten")
        close = 1e-5 * np.abs(embedding).max() if first_order else 1e-3
        for i in range(len(cohort)):
            alone = model.transform(cohort.alone(X, i))[0]
            np.testing.assert_allclose(alone, embedding[i], rtol=0, atol=close)

    check("embedded", cohorts(), holds)


def test_files_are_what_is_in_them(tmp_path):
    def holds(case):
        cohort, number = case
        model, _, embedding = embedded(cohort)
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        X = cohort.on_disk(folder, np.random.default_rng(number))
        np.testing.assert_array_equal(model.transform(X), embedding)
        again = BrainSymphonyTransformer(max_epochs=0, **cohort.parameters).fit_transform(X)
        np.testing.assert_array_equal(again, embedding)

    check("on disk", st.tuples(cohorts(["table"]), st.integers(0, 2**32)), holds)


def test_what_is_masked_is_not_seen():
    def holds(case):
        cohort, number = case
        model, _, embedding = embedded(cohort)
        other = cohort.with_other_unseen(np.random.default_rng(number))
        np.testing.assert_array_equal(model.transform(other), embedding)

    check("unseen", st.tuples(cohorts(), st.integers(0, 2**32)), holds)


def quick_probe(estimator):
    def trained(cohort, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr("bsymlearn.estimators._base.pretrain", lambda *a, **k: (None, []))
            model = estimator(finetune="probe", pretrain_epochs=1, **cohort.parameters)
            return model.fit(cohort.X(), np.arange(len(cohort)) % 2)

    return trained


def fine_tuned(estimator):
    def trained(cohort, monkeypatch):
        model = estimator(max_epochs=1, **cohort.parameters)
        return model.fit(cohort.X(), np.arange(len(cohort)) % 2)

    return trained


def pretrained(cohort, monkeypatch):
    return BrainSymphonyTransformer(max_epochs=1, **cohort.parameters).fit(cohort.X())


def test_good_cohorts_train_to_finite_outputs(monkeypatch):
    def holds(case):
        cohort, train = case
        model = train(cohort, monkeypatch)
        for name in ("transform", "predict", "predict_proba", "decision_function"):
            if hasattr(model, name):
                outputs = getattr(model, name)(cohort.X())
                assert len(outputs) == len(cohort) and np.isfinite(outputs).all()
        assert all(np.isfinite(epoch["train_loss"]) for epoch in model.history_)

    ways = [pretrained]
    for estimator in (BrainSymphonyClassifier, BrainSymphonyRegressor):
        ways += [quick_probe(estimator), fine_tuned(estimator)]
    check("trained", st.tuples(cohorts(), st.sampled_from(ways)), holds)


def spoilable_rows(cohort, mutation):
    """List the rows that hold what a mutation spoils."""
    column = "connectome" if mutation.modalities == WEIGHTS else "timeseries"
    cells = cohort.truth.get(column, cohort.truth.get("connectome"))
    return [i for i, cell in enumerate(cells) if cell is not None]


@pytest.mark.parametrize("name", MUTATIONS)
def test_bad_cohorts_are_refused(name, no_training):
    mutation = MUTATIONS[name]

    def holds(case):
        cohort, number = case
        rng = np.random.default_rng(number)
        row = rng.choice(spoilable_rows(cohort, mutation))
        X = mutation.X(cohort, row, rng)
        rows = [row] if mutation.names_row else []
        parameters = cohort.parameters | mutation.options
        refuses(BrainSymphonyTransformer(max_epochs=1, **parameters).fit, X, rows=rows)
        if mutation.at_transform:
            fitted = BrainSymphonyTransformer(max_epochs=0, **parameters).fit(cohort.X())
            refuses(fitted.transform, X, rows=rows)

    good = cohorts(mutation.forms, mutation.modalities, **mutation.needs)
    check("mutation", st.tuples(good, st.integers(0, 2**32)), holds, salt=name)


def test_cohorts_that_are_bad_twice_are_refused(no_training):
    mutations = {n: m for n, m in MUTATIONS.items() if m.column is not None}
    common = {"n_rois": 5, "n_rows": 6, "t_r": "same", "censored": False}
    common["nan_policy"] = "raise"

    def holds(case):
        cohort, number, *names = case
        chosen = [mutations[name] for name in names]
        assume(all("omit" not in mutation.needs.values() for mutation in chosen))
        rng = np.random.default_rng(number)
        cells, rows = dict(cohort.cells), []
        for mutation in chosen:
            possible = [i for i in spoilable_rows(cohort, mutation) if i not in rows]
            assume(possible)
            rows.append(rng.choice(possible))
            cells[mutation.column] = mutation.spoil_cell(cells, rows[-1], rng)
        X = cohort.X(cells)
        refuses(BrainSymphonyTransformer(max_epochs=1, **cohort.parameters).fit, X, rows=rows)

    tables = cohorts(["table"], ["multimodal"], **common)
    name = st.sampled_from([n for n, m in mutations.items() if "table" in m.forms])
    check("two mutations", st.tuples(tables, st.integers(0, 2**32), name, name), holds)


@pytest.mark.parametrize("name", TARGETS)
def test_bad_targets_groups_and_weights_are_refused(name, no_training):
    def holds(case):
        cohort, estimator = case
        n = len(cohort)
        given = {"y": np.arange(n) % 2} | {key: make(n) for key, make in TARGETS[name].items()}
        refuses(estimator(max_epochs=1, **cohort.parameters).fit, cohort.X(), **given)

    estimators = st.sampled_from([BrainSymphonyClassifier, BrainSymphonyRegressor])
    check("target", st.tuples(cohorts(), estimators), holds, salt=name)


def test_anything_is_embedded_or_refused():
    options = [{}, {"nan_policy": "omit"}, {"t_r": 2.0}, {"roi_names": ["a", "b"]}]
    options += [{"modality": modality} for modality in ("structural", "multimodal")]

    def holds(case):
        X, option = case
        model = BrainSymphonyTransformer(max_epochs=0, **SIZES | option)
        try:
            embedding = model.fit(X).transform(X)
        except (ValueError, TypeError, FileNotFoundError) as error:
            check_is_ours(error)
        else:
            assert np.isfinite(embedding).all() and len(embedding) == len(X)

    check("anything", st.tuples(anything, st.sampled_from(options)), holds)
