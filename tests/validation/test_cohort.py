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


def test_square_scan_transposed_at_predict():
    fitted = BrainSymphonyTransformer(max_epochs=0, **TINY).fit([smooth(60, 40), smooth(50, 40)])
    fitted.transform([smooth(40, 40)])
    raises(ValueError, "look transposed", fitted.transform, [smooth(40, 40).T])


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


def test_named_rois_are_brought_into_one_order():
    names = list("abcdefghi")
    frames = [pd.DataFrame(s, columns=names) for s in scans()]
    shuffled = but_one(frames, frames[1][names[::-1]])
    found = check_scans(shuffled)
    assert found.roi_names == names
    np.testing.assert_allclose(found.timeseries[1], frames[1], rtol=1e-6)
    named = check_scans(shuffled, encoder_names=names[::-1], n_rois=9)
    np.testing.assert_allclose(named.timeseries[0], frames[0][names[::-1]], rtol=1e-6)


def test_real_scans_pass_and_their_transposes_do_not(shared_data):
    abide = np.load(shared_data / "abide_dev" / "abide_dev_cc200.npz")
    series, offsets = abide["ts"], abide["offsets"]
    some = [series[offsets[i] : offsets[i + 1]] for i in range(0, 600, 30)]
    drug = np.load(next((shared_data / "psilocybin_aal90").glob("*.npz")))
    drug = next(drug[key] for key in drug.files if drug[key].ndim == 4).reshape(-1, 100, 90)
    for X in (some, drug):
        check_scans(X)
    square = [s[:78] for s in some]
    raises(ValueError, "look transposed", check_scans, [s.T for s in square])
