"""sample_weight, class_weight, groups and site, with and without metadata routing."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.utils import compute_sample_weight

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyRegressor, BrainSymphonyTransformer
from bsymlearn.estimators import _base

ALL = [BrainSymphonyTransformer, BrainSymphonyClassifier, BrainSymphonyRegressor]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def held_out(monkeypatch):
    """The groups of each validation split inside an estimator: (training, validating)."""
    splits = []
    split = _base.split_participants

    def spy(groups, *args):
        train, test = split(groups, *args)
        splits.append(({groups[i] for i in train}, {groups[i] for i in test}))
        return train, test

    monkeypatch.setattr(_base, "split_participants", spy)
    return splits


@pytest.fixture
def study(cohort):
    """Two scans of each participant, at four sites; labels, weights."""
    table = cohort[cohort["timeseries"].notna()].iloc[:16][["timeseries"]].copy()
    table.index = pd.RangeIndex(16)  # which tells no participants
    table["participant"] = np.arange(16) // 2
    table["site"] = np.array(list("ABCD"))[np.arange(16) % 4]
    y = np.arange(16) // 4 % 2  # of a participant, and both at every site
    return table, y


def weights(n=16):
    return np.random.default_rng(0).uniform(0.5, 2, n)


def pipeline(tiny, last, **options):
    embed = BrainSymphonyTransformer(max_epochs=1, **tiny)
    return Pipeline([("embed", embed.set_params(**options)), ("model", last)])


@pytest.mark.parametrize("cls", ALL)
def test_groups_stay_together_in_the_validation_split(tiny, study, held_out, cls):
    table, y = study
    model = cls(max_epochs=1, validation_fraction=0.3, **tiny)
    model.fit(table, y, groups=table["participant"])
    (train, test), *_ = held_out
    assert test and not train & test and train | test == set(range(8))
    with pytest.raises(ValueError, match=r"groups has shape \(3,\), but X has 16 rows. Give one"):
        model.fit(table, y, groups=[1, 2, 3])


def test_participants_of_a_table_are_its_groups(tiny, study, held_out):
    table, _ = study
    table = table.set_index(table["participant"].map("sub-{}".format).rename("participant_id"))
    BrainSymphonyTransformer(max_epochs=1, validation_fraction=0.3, **tiny).fit(table)
    (train, test), *_ = held_out
    assert test and not train & test


def test_weights_and_groups_by_step_names(tiny, study, held_out):
    table, y = study
    pipe = pipeline(tiny, LogisticRegression(), validation_fraction=0.3)
    w = weights()
    pipe.fit(table, y, model__sample_weight=w, embed__groups=table["participant"])
    expected = LogisticRegression().fit(pipe[0].transform(table), y, sample_weight=w)
    np.testing.assert_allclose(pipe[1].coef_, expected.coef_)
    (train, test), *_ = held_out
    assert not train & test
    scores = cross_val_score(
        pipe,
        table,
        y,
        groups=table["site"],
        cv=LeaveOneGroupOut(),
        params={"model__sample_weight": w, "embed__groups": table["participant"]},
        error_score="raise",
    )
    assert scores.shape == (4,)


@pytest.mark.parametrize("cls", ALL[1:])
def test_weights_in_a_pipeline_are_those_of_fit(tiny, study, cls):
    table, y = study
    model = cls(max_epochs=1, **tiny)
    alone = clone(model).fit(table, y, sample_weight=weights()).predict(table)
    piped = Pipeline([("keep", "passthrough"), ("model", clone(model))])
    piped.fit(table, y, model__sample_weight=weights())
    np.testing.assert_array_equal(piped.predict(table), alone)


@pytest.mark.usefixtures("routing")
def test_routing_of_weights_groups_and_site(tiny, study, held_out):
    """Validation inside the estimator heeds participants, folds heed sites."""
    table, y = study
    model = BrainSymphonyClassifier(max_epochs=1, validation_fraction=0.3, **tiny)
    model.set_fit_request(sample_weight=True, groups="participant")
    model.set_score_request(sample_weight=True)
    cv = GroupKFold(2).set_split_request(groups="site")
    params = {
        "sample_weight": weights(),
        "participant": table["participant"].to_numpy(),
        "site": table["site"].to_numpy(),
    }
    pipe = Pipeline([("keep", "passthrough"), ("model", model)])
    found = cross_validate(
        pipe, table, y, cv=cv, params=params, return_indices=True, return_estimator=True
    )
    for train, test in zip(*found["indices"].values(), strict=True):
        assert not set(table["site"].iloc[train]) & set(table["site"].iloc[test])
    assert len(held_out) == 2 and all(not train & test for train, test in held_out)
    # That the weights arrived shows in the weights of the head.
    train = found["indices"]["train"][0]
    by_hand = clone(model).fit(
        table.iloc[train],
        y[train],
        sample_weight=weights()[train],
        groups=table["participant"].iloc[train],
    )
    np.testing.assert_array_equal(
        found["estimator"][0].predict_proba(table), by_hand.predict_proba(table)
    )


@pytest.mark.usefixtures("routing")
def test_routing_through_nested_cross_validation(tiny, study, held_out):
    table, y = study
    weighted = LogisticRegression().set_fit_request(sample_weight=True)
    pipe = pipeline(tiny, weighted.set_score_request(sample_weight=True))
    pipe.set_params(embed__validation_fraction=0.3)
    pipe[0].set_fit_request(groups="participant")
    inner, outer = (GroupKFold(2).set_split_request(groups="site") for _ in range(2))
    search = GridSearchCV(pipe, {"model__C": [0.1, 1]}, cv=inner, error_score="raise")
    found = cross_validate(
        search,
        table,
        y,
        cv=outer,
        params={
            "sample_weight": weights(),
            "participant": table["participant"].to_numpy(),
            "site": table["site"].to_numpy(),
        },
        error_score="raise",
    )
    assert np.isfinite(found["test_score"]).all()
    assert len(held_out) == 2 * (2 * 2 + 1) and all(not train & test for train, test in held_out)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.usefixtures("routing")
def test_metadata_that_nobody_asked_for_is_an_error(tiny, study, cls):
    table, y = study
    pipe = Pipeline([("keep", "passthrough"), ("model", cls(max_epochs=1, **tiny))])
    with pytest.raises(ValueError, match=r"groups.* not explicitly set"):
        pipe.fit(table, y, groups=table["participant"])


def test_nested_cross_validation_by_site_without_routing_is_a_loop(tiny, study):
    """GridSearchCV passes groups to its own splitter, but cross_val_score not to GridSearchCV."""
    table, y = study
    pipe = pipeline(tiny, LogisticRegression())
    search = GridSearchCV(pipe, {"model__C": [0.1, 1]}, cv=GroupKFold(2))
    site = table["site"].to_numpy()
    with pytest.raises(ValueError, match="groups"):
        cross_val_score(search, table, y, cv=GroupKFold(2), groups=site, error_score="raise")
    scores = []
    for train, test in GroupKFold(2).split(table, y, site):
        search.fit(table.iloc[train], y[train], groups=site[train])
        scores.append(search.score(table.iloc[test], y[test]))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1, 1: 3}])
def test_weights_are_repeats_whatever_classes_weigh(functional, series, class_weight):
    y = (np.arange(len(series)) % 3 == 0).astype(int)
    weight = np.random.default_rng(0).integers(0, 3, len(series))
    weight[:4] = 1
    repeats = np.repeat(np.arange(len(series)), weight)
    model = BrainSymphonyClassifier(
        pretrained=functional.module_, finetune="probe", class_weight=class_weight, random_state=0
    )
    piped = Pipeline([("keep", "passthrough"), ("model", model)])
    weighted = clone(piped).fit(series, y, model__sample_weight=weight)
    repeated = clone(piped).fit([series[i] for i in repeats], y[repeats])
    np.testing.assert_allclose(
        weighted.predict_proba(series), repeated.predict_proba(series), atol=1e-4
    )


def test_balanced_classes_are_those_of_scikit_learn(functional, series):
    y = np.arange(len(series)) % 3 == 0
    common = {"pretrained": functional.module_, "finetune": "probe", "random_state": 0}
    balanced = BrainSymphonyClassifier(class_weight="balanced", **common).fit(series, y)
    weight = compute_sample_weight("balanced", y)
    by_class = dict(zip(y.tolist(), weight.tolist(), strict=True))
    by_dict = BrainSymphonyClassifier(class_weight=by_class, **common).fit(series, y)
    np.testing.assert_allclose(balanced.predict_proba(series), by_dict.predict_proba(series))
    plain = BrainSymphonyClassifier(**common).fit(series, y)
    assert (balanced.predict_proba(series)[:, 1] > plain.predict_proba(series)[:, 1]).all()


@pytest.mark.parametrize("name", ["sample_weight", "groups"])
def test_metadata_in_another_order_is_an_error(tiny, study, name):
    table, y = study
    values = pd.Series(np.arange(1.0, 17.0), index=table.index)[::-1]
    with pytest.raises(ValueError, match=rf"{name} has the rows of X in another order"):
        BrainSymphonyClassifier(**tiny).fit(table, y, **{name: values})
