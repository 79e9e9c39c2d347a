import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyTransformer
from bsymlearn._validation import check_scans
from tests.validation.cohorts import TINY, but_one, connectomes, scans, smooth, table
from tests.validation.messages import raises

pytestmark = pytest.mark.usefixtures("no_training")

BAD_AT_FIT = {
    "list of paths": (lambda: ["a.npy", "b.npy"], TypeError, "'a.npy'.*DataFrame"),
    "empty list": (list, ValueError, r"0 sample\(s\)"),
    "sparse": (lambda: sparse.csr_array(np.eye(9)), TypeError, "[Ss]parse"),
    "1-D": (lambda: np.arange(9.0), ValueError, "1D|1-D"),
    "list of 1-D": (lambda: [np.ones(9), np.ones(8)], ValueError, r"\(n_timepoints, 1\)"),
    "dict": (lambda: {"timeseries": scans()}, TypeError, r"dict.*DataFrame"),
    "mixed DataFrame": (
        lambda: pd.DataFrame({"age": [1.0] * 4, "site": list("abcd")}),
        ValueError,
        r"\['site'\] are not numeric",
    ),
    "None among arrays": (lambda: but_one(scans(), None), TypeError, "NoneType among arrays"),
}


@pytest.mark.parametrize("case", BAD_AT_FIT)
@pytest.mark.parametrize("estimator", [BrainSymphonyTransformer, BrainSymphonyClassifier])
def test_bad_forms_are_refused_before_training(case, estimator):
    make, error, words = BAD_AT_FIT[case]
    raises(error, words, estimator(**TINY).fit, make(), [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("X", "form", "n_rois"),
    [
        (scans(), "list", 9),
        (tuple(scans()), "list", 9),
        (pd.Series(scans()), "list", 9),
        (np.array([*scans(), None], dtype=object)[:-1], "list", 9),
        (np.stack([smooth()] * 3), "array", 9),
        (smooth(), "univariate", 1),
        (pd.DataFrame(smooth()), "univariate", 1),
        (table(), "table", 9),
    ],
)
def test_forms(X, form, n_rois):
    found = check_scans(X)
    assert (found.form, found.n_rois, len(found)) == (form, n_rois, len(X))
    assert all(s.dtype == np.float32 for s in found.timeseries)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("derivatives", TypeError, "read_cohort"),
        (np.zeros((3, 4, 5, 6)), ValueError, "parcellate"),
        (torch.zeros(3, 20, 5), ValueError, r"numpy\(\)"),
        (table().to_numpy(), TypeError, "DataFrame itself"),
        (list(connectomes()), ValueError, "modality='structural'"),
        (connectomes(), ValueError, "modality='structural'"),
        (table(timeseries=but_one(scans(), "")), ValueError, r"row 1 \(sub-1\)"),
        (table(timeseries=but_one(scans(), "no.npy")), FileNotFoundError, r"row 1 \(sub-1\)"),
    ],
)
def test_what_users_try(X, error, message):
    with pytest.raises(error, match=message):
        BrainSymphonyTransformer(**TINY).fit(X)
