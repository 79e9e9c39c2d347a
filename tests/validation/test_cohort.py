import numpy as np
import pandas as pd
import pytest

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyTransformer
from bsymlearn._validation import check_scans
from tests.validation.cohorts import TINY, but_one, connectomes, counts, scans, smooth, table
from tests.validation.messages import raises

pytestmark = pytest.mark.usefixtures("no_training")

BAD_AT_FIT = {
    "ragged list transposed": (lambda: [s.T for s in scans()], ValueError, "ROIs.*transpose"),
    "equal lengths transposed": (
        lambda: [smooth(60, 40, i).T for i in range(4)],
        ValueError,
        "look transposed.*axis 1",
    ),
    "3-D transposed": (
        lambda: np.stack([smooth(60, 40, i).T for i in range(4)]),
        ValueError,
        "look transposed",
    ),
    "one scan transposed": (lambda: but_one(scans(), smooth().T), ValueError, r"\[9, 30\]"),
    "table transposed": (
        lambda: table(timeseries=[s.T for s in scans()]),
        ValueError,
        "30 ROIs.*connectome of 9",
    ),
    "connectome of another atlas": (
        lambda: table(connectome=[counts(7)] * 4),
        ValueError,
        "9 ROIs.*connectome of 7",
    ),
    "alien ROI names": (
        lambda: but_one(
            [pd.DataFrame(s, columns=list("abcdefghi")) for s in scans()],
            pd.DataFrame(smooth(), columns=list("abcdefghx")),
        ),
        ValueError,
        "same ROIs.*x",
    ),
}


@pytest.mark.parametrize("case", BAD_AT_FIT)
@pytest.mark.parametrize("estimator", [BrainSymphonyTransformer, BrainSymphonyClassifier])
def test_scans_that_do_not_fit_together_are_refused_before_training(case, estimator):
    make, error, words = BAD_AT_FIT[case]
    raises(error, words, estimator(**TINY).fit, make(), [0, 1, 0, 1])


@pytest.mark.parametrize("learned", ["counts", "logarithms"])
def test_connectomes_in_other_units(learned):
    raw = connectomes()
    scaled = np.log10(1 + raw)
    first, other = (raw, scaled) if learned == "counts" else (scaled, raw)
    scaling = "log10" if learned == "counts" else None
    model = BrainSymphonyTransformer(
        "structural", max_epochs=0, connectome_scaling=scaling, **TINY
    ).fit(first)
    model.transform(first * 2)
    raises(ValueError, "sample 0 has weights up to.*learned", model.transform, other)
    again = BrainSymphonyTransformer("structural", pretrained=model.module_, max_epochs=0)
    raises(ValueError, "same units", again.fit, other)


@pytest.mark.parametrize("odd", [0, 2])
def test_the_odd_row_is_to_blame(odd):
    def but_odd(items, new):
        return [new if i == odd else item for i, item in enumerate(items)]

    raises(ValueError, f"7 in sample {odd}", check_scans, but_odd(scans(), smooth(30, 7)))
    frames = [pd.DataFrame(s, columns=list("abcdefghi")) for s in scans()]
    alien = frames[0].rename(columns={"b": "x"})
    raises(ValueError, f"sample {odd} and the other.*'x'", check_scans, but_odd(frames, alien))
    twice = frames[0].rename(columns={"b": "a"})
    raises(ValueError, f"sample {odd} and the other.*'b'", check_scans, but_odd(frames, twice))
    large = but_odd(connectomes(), counts() * 1e6)
    model = BrainSymphonyTransformer("structural", **TINY)
    raises(ValueError, rf"sample {odd} has weights up to .*e\+", model.fit, large)


def test_names_that_are_not_unique_confirm_an_order_but_cannot_change_it():
    names = list("aacdefghi")
    frames = [pd.DataFrame(s, columns=names) for s in scans()]
    assert check_scans(frames).roi_names == names
    other = but_one(frames, frames[1].iloc[:, ::-1])
    raises(ValueError, "sample 1 names its ROIs otherwise.*several 'a'", check_scans, other)


def test_named_rois_are_brought_into_one_order():
    names = list("abcdefghi")
    frames = [pd.DataFrame(s, columns=names) for s in scans()]
    shuffled = but_one(frames, frames[1][names[::-1]])
    found = check_scans(shuffled)
    assert found.roi_names == names
    np.testing.assert_allclose(found.timeseries[1], frames[1], rtol=1e-6)
    named = check_scans(shuffled, encoder_names=names[::-1], n_rois=9)
    np.testing.assert_allclose(named.timeseries[0], frames[0][names[::-1]], rtol=1e-6)
