import copy

import numpy as np
import pandas as pd
import pytest
import torch

from bsymlearn import BrainSymphony, BrainSymphonyTransformer, EncoderConfig
from bsymlearn.preprocessing import scale_connectome
from tests.validation.cohorts import N_ROIS, TINY, connectomes, scans, smooth
from tests.validation.messages import raises


@pytest.fixture
def signed():
    """Connectomes of which all but the first have negative weights."""
    weights = np.random.default_rng(0).normal(size=(6, 8, 8))
    weights[0] = np.abs(weights[0])
    return (weights + weights.swapaxes(1, 2)).astype(np.float32)


def structural(tiny, **options):
    return BrainSymphonyTransformer("structural", readout="flatten", **(tiny | options))


def test_the_kind_of_connectomes_is_learned_from_all_of_them(tiny, signed):
    model = structural(tiny, max_epochs=0).fit(signed)
    assert model.module_.contract["connectome_signed"] is True
    plain = structural(tiny, max_epochs=0, connectome_scaling=None).fit(signed)
    np.testing.assert_array_equal(model.transform(signed), plain.transform(signed))
    counts = np.abs(signed)
    model.fit(counts)
    assert model.module_.contract["connectome_signed"] is False
    scaled = np.stack([scale_connectome(c) for c in counts])
    np.testing.assert_array_equal(model.transform(counts), plain.transform(scaled))


def test_negative_weights_where_a_logarithm_was_learned(tiny, signed):
    model = structural(tiny, max_epochs=0).fit(np.abs(signed))
    with pytest.raises(ValueError, match=r"sample 1 has negative weights.*same kind"):
        model.transform(signed)
    further = structural(tiny, max_epochs=0, pretrained=model.module_)
    with pytest.raises(ValueError, match="negative weights"):
        further.fit(signed)


def test_rounding_below_zero_is_zero(tiny, signed):
    counts = np.abs(signed)
    model = structural(tiny, max_epochs=0).fit(counts)
    rounded = counts.copy()
    rounded[1, 2, 3] = rounded[1, 3, 2] = -1e-6
    zero = np.maximum(rounded, 0)
    np.testing.assert_array_equal(model.transform(rounded), model.transform(zero))


@pytest.fixture
def fitted():
    return BrainSymphonyTransformer(max_epochs=0, **TINY).fit(scans())


def test_raw_counts_without_scaling():
    model = BrainSymphonyTransformer("structural", connectome_scaling=None, **TINY)
    raises(ValueError, "saturate", model.fit, connectomes())


def test_signed_connectomes_stay_unscaled_so_they_may_not_be_large():
    signed = connectomes()
    signed[1, 0, 2] = signed[1, 2, 0] = -5
    model = BrainSymphonyTransformer("structural", **TINY)
    raises(
        ValueError, r"sample 0 has weights up to .*saturate.*scale signed ones", model.fit, signed
    )


@pytest.mark.parametrize(
    "other",
    [
        {"dim": 16},
        {"time_steps": 20},
        {"n_heads": 1},
        {"scaling": None},
        {"encoder": {"perceiver_heads": 1}},
        {"gradients": np.zeros((N_ROIS, 3))},
        {"modality": "structural"},
    ],
    ids=str,
)
def test_pretrained_and_contradicting(fitted, other):
    X = connectomes() if "modality" in other else scans()
    model = BrainSymphonyTransformer(pretrained=fitted.module_, max_epochs=0, **other)
    raises(ValueError, "pretrained encoder", model.fit, X)


@pytest.mark.filterwarnings("ignore:.* tell no names of their ROIs")
def test_pretrained_with_other_rois(fitted):
    model = BrainSymphonyTransformer(pretrained=fitted.module_)
    words = r"7 ROIs.*pretrained encoder of 9.*pretrained=bsymlearn\.adapt_parcellation"
    raises(ValueError, words, model.fit, [smooth(30, 7)] * 3)
    # The same number of ROIs, of which one has another name.
    module = copy.deepcopy(fitted.module_)
    module.contract["roi_names"] = list("abcdefghi")
    named = [pd.DataFrame(s, columns=list("abcdefghx")) for s in scans()]
    model = BrainSymphonyTransformer(pretrained=module, max_epochs=0)
    words = r"pretrained encoder.*same ROIs.*\['x'\].*pretrained=bsymlearn\.adapt_parcellation"
    raises(ValueError, words, model.fit, named)
    model.fit(scans())
    words = r"7 ROIs.*fitted with 9.*For another atlas, fit with pretrained="
    raises(ValueError, words, model.transform, [smooth(30, 7)])


def test_gradient_encoder_without_gradients():
    config = EncoderConfig(n_rois=N_ROIS, time_steps=12, dim=8, n_layers=1, positions="gradient")
    with torch.random.fork_rng():
        module = BrainSymphony(config)
    model = BrainSymphonyTransformer(pretrained=module, max_epochs=0)
    raises(ValueError, "gradient positions", model.fit, scans())


def test_sizes_that_follow_from_X_are_refused():
    for extra in ({"n_rois": 5}, {"modules": ("spatial",)}):
        with pytest.raises(ValueError, match="follow from X"):
            BrainSymphonyTransformer(**TINY | {"encoder": extra}).fit(scans())
