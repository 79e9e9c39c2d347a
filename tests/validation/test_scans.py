import numpy as np
import pytest

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyTransformer
from bsymlearn._validation import check_scans
from tests.validation.cohorts import (
    TINY,
    but_one,
    connectomes,
    counts,
    scans,
    smooth,
    spoilt,
    table,
)
from tests.validation.messages import raises

pytestmark = pytest.mark.usefixtures("no_training")

BAD_AT_FIT = {
    "one subject": (lambda: scans()[:1], ValueError, r"1 sample\(s\).*minimum of 2"),
    "one row": (lambda: table()[:1], ValueError, r"1 sample\(s\).*minimum of 2"),
    "empty table": (lambda: table()[:0], ValueError, r"0 sample\(s\)"),
    "empty 3-D": (lambda: np.empty((0, 30, 9)), ValueError, r"0 sample\(s\)"),
    "row without data": (
        lambda: table(timeseries=but_one(scans(), None), connectome=but_one(connectomes(), None)),
        ValueError,
        r"row 1 \(sub-1\) has no time series and no connectome",
    ),
}


@pytest.mark.parametrize("case", BAD_AT_FIT)
@pytest.mark.parametrize("estimator", [BrainSymphonyTransformer, BrainSymphonyClassifier])
def test_bad_collections_are_refused_before_training(case, estimator):
    make, error, words = BAD_AT_FIT[case]
    raises(error, words, estimator(**TINY).fit, make(), [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("X", "modality", "words"),
    [
        (scans(), "structural", "square"),
        (scans(), "multimodal", "DataFrame"),
        (smooth(), "structural", "2-D"),
        (table()[["timeseries"]], "structural", "no connectome"),
        (table()[["timeseries"]], "multimodal", "no connectome"),
        (table()[["connectome"]], "functional", "no timeseries"),
    ],
)
def test_modality_that_X_lacks(X, modality, words):
    raises(ValueError, words, BrainSymphonyTransformer(modality, **TINY).fit, X)


@pytest.fixture
def fitted():
    return BrainSymphonyTransformer(max_epochs=0, **TINY).fit(scans())


@pytest.fixture
def multimodal():
    return BrainSymphonyTransformer(max_epochs=0, **TINY).fit(table())


def test_bad_input_at_predict(fitted, multimodal):
    raises(ValueError, "7 ROIs.*fitted with 9", fitted.transform, [smooth(30, 7)])
    raises(ValueError, "30 ROIs.*fitted with 9", fitted.transform, [smooth().T])
    raises(ValueError, r"\(30, 9\).*\[X\]", fitted.transform, smooth())
    raises(ValueError, "NaN", fitted.transform, [spoilt(np.nan)])
    raises(ValueError, "no usable ROI", fitted.transform, [np.zeros((30, 9))])
    raises(ValueError, "no column 'connectome'", multimodal.transform, table()[["timeseries"]])
    raises(ValueError, "DataFrame", multimodal.transform, scans())
    raises(ValueError, r"0 sample\(s\)", fitted.transform, [])
    raises(TypeError, "dict", fitted.transform, {"a": scans()})
    raises(ValueError, "has no time series", multimodal.score, table(timeseries=[None] * 4))


def test_a_modality_that_is_not_read_may_be_broken():
    X = table(connectome=["absent.csv"] * 4)
    found = check_scans(X, modality="functional")
    assert found.modality == "functional" and found.connectomes == [None] * 4
    model = BrainSymphonyTransformer("functional", max_epochs=0, **TINY).fit(X)
    assert model.n_features_in_ == 1
    model.transform(X[["timeseries"]])


def test_short_dead_and_absent_data_are_fine():
    series = scans((30, 5, 12, 30))
    series[0][:, [1, 4, 5]] = 0
    X = table(timeseries=but_one(series, None), connectome=[counts(), counts(), None, np.nan])
    X["age"], X["site"] = [20, 30, 40, 50], list("abba")
    model = BrainSymphonyTransformer(max_epochs=0, **TINY).fit(X)
    embedded = model.transform(X)
    assert np.isfinite(embedded).all() and embedded.shape == (4, 36)
    np.testing.assert_allclose(model.transform(X.drop(columns="age")), embedded, atol=1e-6)
    for i in range(4):
        np.testing.assert_allclose(model.transform(X.iloc[[i]]), embedded[[i]], atol=1e-6)
    assert model.feature_names_in_.tolist() == ["timeseries", "connectome"]
