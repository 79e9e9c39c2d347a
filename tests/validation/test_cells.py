import numpy as np
import pandas as pd
import pytest

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyTransformer
from bsymlearn._validation import check_scans
from tests.validation.cohorts import TINY, but_one, connectomes, table
from tests.validation.messages import raises

pytestmark = pytest.mark.usefixtures("no_training")

BAD_AT_FIT = {
    "number in a cell": (lambda: table(connectome=[3.5] * 4), TypeError, "cell of row 0.*float"),
    "string that is no path": (
        lambda: table(timeseries=["hello"] * 4),
        (FileNotFoundError, ValueError),
        "hello",
    ),
    "missing file": (
        lambda: table(timeseries=["absent/sub-01_timeseries.tsv"] * 4),
        FileNotFoundError,
        "sub-01_timeseries.tsv",
    ),
    "missing connectome file": (
        lambda: table(connectome=["absent.csv"] * 4),
        FileNotFoundError,
        "absent.csv",
    ),
}


@pytest.mark.parametrize("case", BAD_AT_FIT)
@pytest.mark.parametrize("estimator", [BrainSymphonyTransformer, BrainSymphonyClassifier])
def test_bad_cells_are_refused_before_training(case, estimator):
    make, error, words = BAD_AT_FIT[case]
    raises(error, words, estimator(**TINY).fit, make(), [0, 1, 0, 1])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_every_kind_of_missing_cell(missing):
    found = check_scans(table(connectome=but_one(connectomes(), missing)))
    assert [c is None for c in found.connectomes] == [False, True, False, False]


def test_participants_group_their_rows():
    X = table()
    X.index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("c", 1)])
    assert check_scans(X).groups == ["a", "a", "b", "c"]
    assert check_scans(X.reset_index(drop=True)).groups == [0, 1, 2, 3]


def test_a_column_that_looks_like_scans_but_is_not_read_is_named():
    misspelt = table().rename(columns={"connectome": "connectomes"})
    with pytest.warns(UserWarning, match="'connectomes' holds arrays"):
        check_scans(misspelt)


def test_names_of_columns_that_are_not_read_are_free():
    other = pd.DataFrame([[1.0, 2.0, 3.0]] * 4, columns=["age", "age", 7], index=table().index)
    found = check_scans(pd.concat([table(), other], axis=1))
    assert found.modality == "multimodal"
    twice = pd.concat([table(), table()[["timeseries"]]], axis=1)
    raises(ValueError, "2 columns 'timeseries'", check_scans, twice)


@pytest.mark.parametrize("place", ["index", "column", "level"])
def test_participants_are_known_by_their_name(place):
    ids = [50952, 50953, 50952, 50953]
    given = table().reset_index(drop=True)
    if place == "column":
        given["participant_id"] = ids
    elif place == "index":
        given.index = pd.Index(ids, name="participant_id")
    else:
        levels = [["rest1", "rest1", "rest2", "rest2"], ids]
        given.index = pd.MultiIndex.from_arrays(levels, names=["run", "participant_id"])
    assert check_scans(given).groups == ids
    assert check_scans(table().reset_index(drop=True)).groups == [0, 1, 2, 3]


def test_rows_of_a_connectome_follow_its_columns():
    names = list("abcdefghi")
    frames = [pd.DataFrame(c, names, names) for c in connectomes()]
    turned = but_one(frames, frames[1].iloc[::-1])
    for X in (turned, table(connectome=turned)):
        found = check_scans(X, modality="structural").connectomes
        np.testing.assert_array_equal(found, connectomes())
    alien = but_one(frames, frames[1].rename(index={"a": "x"}))
    raises(ValueError, "1.* different names", check_scans, alien, modality="structural")
