import numpy as np

from bsymlearn import BrainSymphonyTransformer
from bsymlearn._validation import check_scans
from tests.validation.cohorts import TINY, smooth
from tests.validation.messages import raises


def test_square_scan_transposed_at_predict():
    fitted = BrainSymphonyTransformer(max_epochs=0, **TINY).fit([smooth(60, 40), smooth(50, 40)])
    fitted.transform([smooth(40, 40)])
    raises(ValueError, "look transposed", fitted.transform, [smooth(40, 40).T])


def test_levels_along_rois_tell_nothing_of_the_axes():
    levels = np.linspace(0, 1000, 40)  # of raw signals; smoother along ROIs than any series in time
    raw = [smooth(60, 40, i) + levels for i in range(4)]
    check_scans(raw)
    raises(ValueError, "look transposed", check_scans, [s.T for s in raw])


def test_two_short_noisy_scans_may_be_smoother_along_rois_by_chance():
    for seed in range(200):
        check_scans(list(np.random.default_rng(seed).normal(size=(2, 8, 8))))


def test_a_few_spikes_are_no_evidence():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        check_scans([(rng.random((40, 11)) < 0.03).astype(float) for _ in range(2)])


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
