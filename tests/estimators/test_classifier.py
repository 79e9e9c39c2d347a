import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyTransformer
from bsymlearn.estimators._classifier import cross_entropy


@pytest.fixture
def probe(functional):
    return BrainSymphonyClassifier(
        pretrained=functional.module_, finetune="probe", alpha=0.1, random_state=0
    )


def by_hand(embedded, y, alpha, **kwargs):
    """Scikit-learn's model on features of which a row has unit length on average."""
    scaled = (embedded - embedded.mean(axis=0)) / embedded.std(axis=0) / embedded.shape[1] ** 0.5
    model = LogisticRegression(C=1 / alpha, max_iter=1000, tol=1e-6, **kwargs)
    return model.fit(scaled, y).predict_proba(scaled)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_probe_is_logistic_regression_on_the_embedding(
    probe, functional, series, n_classes, class_weight
):
    y = np.array(list("aabbcc"))[np.random.default_rng(0).integers(0, 2 * n_classes, len(series))]
    embedded = (
        BrainSymphonyTransformer(pretrained=functional.module_, max_epochs=0)
        .fit_transform(series)
        .astype(float)
    )
    expected = by_hand(embedded, y, 0.1, class_weight=class_weight)
    model = probe.set_params(class_weight=class_weight).fit(series, y)
    np.testing.assert_allclose(model.predict_proba(series), expected, atol=2e-4)
    assert model.classes_.tolist() == sorted(set(y))


def test_outputs_agree_with_each_other(probe, series):
    y = np.array(["ill", "well"])[np.arange(len(series)) % 2]
    model = probe.fit(series, y)
    probabilities = model.predict_proba(series)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(
        probabilities[:, 1], 1 / (1 + np.exp(-model.decision_function(series).astype(float)))
    )
    assert set(model.predict(series)) <= {"ill", "well"}
    np.testing.assert_array_equal(
        model.predict(series), model.classes_[probabilities.argmax(axis=1)]
    )
    np.testing.assert_array_equal(
        np.concatenate([model.predict_proba([s]) for s in series]), probabilities
    )


def test_class_weight_moves_the_boundary(probe, series):
    y = np.arange(len(series)) % 2
    favoured = [
        probe.set_params(class_weight={0: 1, 1: w})
        .fit(series, y)
        .predict_proba(series)[:, 1]
        .mean()
        for w in (0.1, 1, 10)
    ]
    assert favoured == sorted(favoured) and favoured[0] < 0.3 < 0.7 < favoured[2]


def test_cross_entropy_in_numpy():
    rng = np.random.default_rng(0)
    scores, target = rng.normal(size=(6, 3)), rng.integers(0, 3, 6)
    exp = np.exp(scores)
    expected = -np.log((exp / exp.sum(axis=1, keepdims=True))[np.arange(6), target])
    given = cross_entropy(torch.from_numpy(scores), torch.from_numpy(target))
    np.testing.assert_allclose(given, expected)
    binary = target.clip(max=1)
    sigmoid = 1 / (1 + np.exp(-scores[:, 0]))
    expected = -np.log(np.where(binary == 1, sigmoid, 1 - sigmoid))
    given = cross_entropy(torch.from_numpy(scores[:, :1]), torch.from_numpy(binary))
    np.testing.assert_allclose(given, expected)


def test_pickle_and_cross_validation(tiny, cohort):
    model = BrainSymphonyClassifier(pretrain_epochs=1, max_epochs=1, **tiny)
    assert np.isfinite(cross_val_score(clone(model), cohort, cohort["sex"], cv=2)).all()
    model.fit(cohort, cohort["sex"])
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict_proba(cohort), model.predict_proba(cohort))
