import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyTransformer
from bsymlearn._validation import check_scans
from tests.validation.cohorts import TINY, but_one, counts, scans, smooth, spoilt, table
from tests.validation.messages import raises

pytestmark = pytest.mark.usefixtures("no_training")

BAD_AT_FIT = {
    "NaN": (lambda: but_one(scans(), spoilt(np.nan)), ValueError, r"sample 1.*1 values.*NaN.*3, 2"),
    "inf": (lambda: but_one(scans(), spoilt(np.inf)), ValueError, "sample 1.*infinite"),
    "beyond float32": (lambda: but_one(scans(), spoilt(1e200)), ValueError, "infinite"),
    "complex": (lambda: but_one(scans(), smooth() * 1j), ValueError, "complex"),
    "text in an array": (
        lambda: but_one(scans(), smooth().astype(str).astype(object) + "x"),
        ValueError,
        "no number",
    ),
    "masked array": (
        lambda: but_one(scans(), np.ma.masked_greater(smooth(), 0.5)),
        ValueError,
        "sample 1.*mask would be lost",
    ),
    "dates": (
        lambda: but_one(scans(), np.full((30, 9), "2020", dtype="M8[Y]")),
        ValueError,
        "sample 1.*no numbers",
    ),
    "1-D in a cell": (lambda: table(timeseries=[np.ones(9)] * 4), ValueError, r"\(9,\).*2-D"),
    "ragged cell": (
        lambda: table(timeseries=[[[1, 2], [1]]] * 4),
        ValueError,
        "row 0 .sub-0.*no array",
    ),
    "sparse cell": (
        lambda: table(connectome=[sparse.csr_array(counts())] * 4),
        TypeError,
        "sparse.*dense",
    ),
    "not square": (
        lambda: table(connectome=[counts()[:, :8]] * 4),
        ValueError,
        r"\(9, 8\).*square",
    ),
    "triangular": (lambda: table(connectome=[np.triu(counts())] * 4), ValueError, "triangular"),
    "no edge": (lambda: table(connectome=[np.eye(9)] * 4), ValueError, "no edge"),
    "constant scan": (
        lambda: but_one(scans(), np.full((30, 9), 4.0)),
        ValueError,
        "sample 1.*no usable ROI",
    ),
    "no time point": (lambda: but_one(scans(), np.empty((0, 9))), ValueError, r"\(0, 9\)"),
    "no ROI": (lambda: [np.empty((30, 0))] * 4, ValueError, r"\(30, 0\)"),
}


@pytest.mark.parametrize("case", BAD_AT_FIT)
@pytest.mark.parametrize("estimator", [BrainSymphonyTransformer, BrainSymphonyClassifier])
def test_bad_arrays_are_refused_before_training(case, estimator):
    make, error, words = BAD_AT_FIT[case]
    raises(error, words, estimator(**TINY).fit, make(), [0, 1, 0, 1])


def test_nan_policy_of_pandas_are_missing():
    frame = pd.DataFrame(smooth()).astype("Float64")
    frame.iloc[3, 2] = pd.NA
    X = but_one(scans(), frame)
    raises(ValueError, r"sample 1.*1 values that are NaN, the first at \(3, 2\)", check_scans, X)
    found = check_scans(X, nan_policy="omit").timeseries[1]
    assert np.argwhere(np.isnan(found)).tolist() == [[3, 2]]
