"""Inside what scikit-learn and nilearn offer, with tables and with ragged lists."""

import copy

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from joblib import parallel_config
from nilearn.connectome import ConnectivityMeasure
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from bsymlearn import (
    BrainSymphonyClassifier,
    BrainSymphonyRegressor,
    BrainSymphonyTransformer,
    make_cohort,
)

N_SCANS = 12
SIZES = {
    "dim": 8,
    "n_layers": 1,
    "n_heads": 2,
    "mlp_dim": 16,
    "time_steps": 16,
    "encoder": {"structural_layers": 1},
    "device": "cpu",
    "random_state": 0,
}
TWO = {"cv": 2, "error_score": "raise"}


@pytest.fixture(scope="module")
def cohort():
    """Ragged series, and two subjects that lack a connectome."""
    table = make_cohort(N_SCANS, n_rois=6, n_timepoints=30, n_networks=2, random_state=0)
    series = [s[: 30 - 2 * (i % 4)] for i, s in enumerate(table["timeseries"])]
    table["timeseries"] = pd.Series(series, table.index)
    table.loc[table.index[[3, 8]], "connectome"] = None
    return table.assign(sex=np.resize(["F", "M"], N_SCANS))


@pytest.fixture(scope="module", params=["table", "list"])
def X(request, cohort):
    return cohort if request.param == "table" else list(cohort["timeseries"])


@pytest.fixture(scope="module")
def embedder(X):
    """Pretrained once, for each form."""
    return BrainSymphonyTransformer(max_epochs=1, **SIZES).fit(X)


@pytest.fixture
def classifier(embedder):
    return BrainSymphonyClassifier(
        pretrained=embedder.module_, finetune="probe", device="cpu", random_state=0
    )


@pytest.fixture
def regressor(embedder):
    return BrainSymphonyRegressor(
        pretrained=embedder.module_, finetune="probe", device="cpu", random_state=0
    )


@pytest.fixture(scope="module")
def sex(cohort):
    return cohort["sex"].to_numpy()


@pytest.fixture(scope="module")
def age(cohort):
    return cohort["age"].to_numpy()


# Model selection.


@pytest.mark.parametrize("full", [False, True])
def test_cross_validation_in_two_processes(classifier, X, sex, full):
    model = classifier
    if full:  # pretraining and fine-tuning run in the worker
        model = BrainSymphonyClassifier(pretrain_epochs=1, max_epochs=1, **SIZES)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the workers
    try:
        alone = cross_val_predict(model, X, sex, cv=2, method="predict_proba")
    finally:
        torch.set_num_threads(before)
    with parallel_config("loky", inner_max_num_threads=1):
        spread = cross_val_predict(model, X, sex, cv=2, method="predict_proba", n_jobs=2)
        scores = cross_val_score(model, X, sex, n_jobs=2, **TWO)
    np.testing.assert_allclose(spread, alone, rtol=0, atol=1e-6)
    hits = (alone.argmax(axis=1) == (sex == "M")).mean()
    assert scores.mean() == pytest.approx(hits)


def test_nested_cross_validation(classifier, X, sex):
    search = GridSearchCV(classifier, {"alpha": [0.01, 1.0]}, **TWO)
    result = cross_validate(search, X, sex, return_estimator=True, **TWO)
    assert np.isfinite(result["test_score"]).all()
    for fold in result["estimator"]:
        assert fold.best_params_["alpha"] in (0.01, 1.0)
        assert len(fold.cv_results_["params"]) == 2


def test_group_folds_with_metadata_routing(classifier, X, sex):
    # Weights reach the inner fit, groups the inner splitter.
    groups, weight = np.arange(N_SCANS) // 2, np.ones(N_SCANS)
    weight[:2] = 0
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier.set_fit_request(sample_weight=True, groups=False)
        model.set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=GroupKFold(2), error_score="raise")
        search.fit(X, sex, groups=groups, sample_weight=weight)
    plain = clone(classifier).set_params(alpha=search.best_params_["alpha"])
    kept = X.iloc[2:] if isinstance(X, pd.DataFrame) else X[2:]
    expected = plain.fit(kept, sex[2:]).predict_proba(X)
    np.testing.assert_allclose(search.predict_proba(X), expected, atol=1e-4)


def test_permutation_test_score(classifier, X, sex):
    score, permuted, p = permutation_test_score(classifier, X, sex, cv=2, n_permutations=3)
    assert score == pytest.approx(cross_val_score(classifier, X, sex, cv=2).mean())
    assert permuted.shape == (3,) and 0.25 <= p <= 1


def test_learning_and_validation_curves(classifier, X, sex):
    sizes, _, scores = learning_curve(classifier, X, sex, train_sizes=[0.7, 1.0], **TWO)
    assert sizes.tolist() == [4, 6]
    np.testing.assert_allclose(scores[1], cross_val_score(classifier, X, sex, **TWO))
    _, scores = validation_curve(
        classifier, X, sex, param_name="alpha", param_range=[1e-3, classifier.alpha], **TWO
    )
    np.testing.assert_allclose(scores[1], cross_val_score(classifier, X, sex, **TWO))


@pytest.mark.parametrize("resource", ["n_samples", "max_epochs"])
def test_halving_search(classifier, X, sex, resource):
    limits = {"n_samples": (4, N_SCANS), "max_epochs": (1, 2)}[resource]
    model = classifier
    if resource == "max_epochs":
        model = BrainSymphonyClassifier(pretrained=model.pretrained, device="cpu", random_state=0)
    search = HalvingGridSearchCV(
        model,
        {"alpha": [0.01, 1.0]},
        resource=resource,
        min_resources=limits[0],
        max_resources=limits[1],
        factor=2,
        random_state=0,
        **TWO,
    ).fit(X, sex)
    assert search.n_resources_ == [limits[0], 2 * limits[0]]
    assert search.predict(X).shape == (N_SCANS,)


# Ensembles and wrappers of predictors.


def test_stacking(classifier, regressor, X, sex, age):
    other = clone(classifier).set_params(alpha=1.0)
    stack = StackingClassifier([("a", classifier), ("b", other)], cv=2).fit(X, sex)
    expected = [clone(m).fit(X, sex).predict_proba(X)[:, 1] for m in (classifier, other)]
    np.testing.assert_allclose(stack.transform(X), np.transpose(expected))
    prefit = StackingRegressor([("a", clone(regressor).fit(X, age))], cv="prefit").fit(X, age)
    assert prefit.predict(X).shape == (N_SCANS,)


def test_voting(classifier, regressor, X, sex, age):
    other = clone(classifier).set_params(alpha=1.0)
    vote = VotingClassifier([("a", classifier), ("b", other)], voting="soft").fit(X, sex)
    each = [clone(m).fit(X, sex).predict_proba(X) for m in (classifier, other)]
    np.testing.assert_allclose(vote.predict_proba(X), np.mean(each, axis=0))
    other = clone(regressor).set_params(alpha=1.0)
    vote = VotingRegressor([("a", regressor), ("b", other)]).fit(X, age)
    each = [clone(m).fit(X, age).predict(X) for m in (regressor, other)]
    np.testing.assert_allclose(vote.predict(X), np.mean(each, axis=0))


@pytest.mark.parametrize("prefit", [False, True])
def test_calibration(classifier, X, sex, prefit):
    model = FrozenEstimator(classifier.fit(X, sex)) if prefit else classifier
    calibrated = CalibratedClassifierCV(model, cv=2).fit(X, sex)
    probabilities = calibrated.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert calibrated.classes_.tolist() == ["F", "M"]


def test_thresholds(classifier, X, sex):
    fixed = FixedThresholdClassifier(classifier, threshold=0.4, pos_label="M").fit(X, sex)
    above = classifier.fit(X, sex).predict_proba(X)[:, 1] >= 0.4
    assert ((fixed.predict(X) == "M") == above).all()
    tuned = TunedThresholdClassifierCV(classifier, cv=2).fit(X, sex)
    assert set(tuned.predict(X)) <= {"F", "M"}


def test_one_against_the_rest(classifier, X):
    site = np.resize(["a", "b", "c"], N_SCANS)
    model = OneVsRestClassifier(classifier).fit(X, site)
    expected = [clone(classifier).fit(X, site == s).decision_function(X) for s in "abc"]
    np.testing.assert_allclose(model.decision_function(X), np.transpose(expected))


def test_transformed_target(regressor, X, age):
    model = TransformedTargetRegressor(regressor, func=np.log, inverse_func=np.exp).fit(X, age)
    expected = np.exp(clone(regressor).fit(X, np.log(age)).predict(X))
    np.testing.assert_allclose(model.predict(X), expected)


def test_several_targets(regressor, X, age):
    targets = np.stack([age, age**2], axis=1)
    model = MultiOutputRegressor(regressor).fit(X, targets)
    expected = [clone(regressor).fit(X, target).predict(X) for target in targets.T]
    np.testing.assert_allclose(model.predict(X), np.transpose(expected))


# Pipelines and columns.


def test_a_frozen_encoder_in_a_pipeline_stays_as_it_is(embedder, X, sex):
    before = copy.deepcopy(embedder.module_.state_dict())
    frozen = FrozenEstimator(embedder)
    pipe = make_pipeline(frozen, StandardScaler(), LogisticRegression()).fit(X, sex)
    np.testing.assert_array_equal(pipe[:1].transform(X), embedder.transform(X))
    assert np.isfinite(cross_val_score(pipe, X, sex, **TWO)).all()
    assert pipe[0].module_ is embedder.module_
    assert all(torch.equal(before[name], v) for name, v in embedder.module_.state_dict().items())


def test_union_with_functional_connectivity(embedder, cohort, X):
    fc = ConnectivityMeasure(kind="correlation", vectorize=True, discard_diagonal=True)
    series = list(cohort["timeseries"])
    expected = np.hstack([embedder.transform(X), clone(fc).fit_transform(series)])
    if isinstance(X, pd.DataFrame):  # nilearn takes the list of the column
        fc = make_pipeline(FunctionTransformer(series_of), fc)
    union = FeatureUnion([("bsym", FrozenEstimator(embedder)), ("fc", fc)], n_jobs=2)
    np.testing.assert_allclose(union.fit_transform(X), expected, rtol=0, atol=1e-6)


def series_of(table):
    return list(table["timeseries"])


def test_columns_with_functional_connectivity_and_age(cohort):
    fc = ConnectivityMeasure(kind="correlation", vectorize=True, discard_diagonal=True)
    columns = ColumnTransformer(
        [
            (
                "bsym",
                BrainSymphonyTransformer(max_epochs=0, **SIZES),
                ["timeseries", "connectome"],
            ),
            ("fc", fc, "timeseries"),  # one name, not a list: nilearn takes a Series of arrays
            ("age", StandardScaler(), ["age"]),
        ],
        n_jobs=2,
    )
    features = columns.fit_transform(cohort)
    assert features.shape == (N_SCANS, 31) and np.isfinite(features).all()
    np.testing.assert_allclose(
        features[:, 15:30], clone(fc).fit_transform(series_of(cohort)), atol=1e-6
    )


def test_importance_of_modalities(cohort):
    # By columns of a table; a column that is not read has none.
    embedder = BrainSymphonyTransformer(max_epochs=1, **SIZES).fit(cohort)
    model = BrainSymphonyClassifier(pretrained=embedder.module_, finetune="probe", alpha=1e-3)
    table = cohort[["timeseries", "connectome", "age"]]
    model.fit(table, cohort["sex"])
    result = permutation_importance(model, table, cohort["sex"], n_repeats=3, random_state=0)
    assert result.importances_mean[:2].max() > 0 and result.importances_mean[2] == 0


# What scikit-learn turns into an array of numbers before we see it, and the ways around.


@pytest.mark.parametrize("meta", [BaggingClassifier, OneVsOneClassifier])
def test_what_scikit_learn_cannot_pass_on(meta, classifier, X, sex):
    with pytest.raises((TypeError, ValueError)):
        meta(classifier).fit(X, sex)


def rows_of(rows, table):
    return table.iloc[rows[:, 0]]


@pytest.mark.parametrize("meta", [BaggingClassifier, OneVsOneClassifier])
def test_row_numbers_in_place_of_the_table(meta, cohort):
    embedder = BrainSymphonyTransformer(max_epochs=0, **SIZES).fit(cohort)
    probe = BrainSymphonyClassifier(pretrained=embedder.module_, finetune="probe", device="cpu")
    look_up = FunctionTransformer(rows_of, kw_args={"table": cohort})
    settings = {"n_estimators": 2, "random_state": 0} if meta is BaggingClassifier else {}
    rows, site = np.arange(N_SCANS)[:, None], np.resize(["a", "b", "c"], N_SCANS)
    model = meta(make_pipeline(look_up, probe), **settings).fit(rows, site)
    assert set(model.predict(rows)) <= {"a", "b", "c"}
    members = [fitted[-1] for fitted in model.estimators_]
    assert {len(member.classes_) for member in members} <= {2, 3} and len(members) >= 2


def test_ensembles_behind_the_embedding(embedder, X, sex):
    ensemble = BaggingClassifier(LogisticRegression(), n_estimators=3, random_state=0)
    pipe = make_pipeline(FrozenEstimator(embedder), ensemble)
    assert np.isfinite(cross_val_score(pipe, X, sex, **TWO)).all()
