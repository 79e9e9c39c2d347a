import numpy as np
import pytest
import torch

from bsymlearn import BrainSymphony, BrainSymphonyTransformer, EncoderConfig
from tests.validation.cohorts import N_ROIS, TINY, connectomes, scans, smooth
from tests.validation.messages import raises

pytestmark = pytest.mark.usefixtures("no_training")


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
    raises(ValueError, "sample 1 has weights up to .*saturate", model.fit, signed)


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


def test_pretrained_with_other_rois(fitted):
    model = BrainSymphonyTransformer(pretrained=fitted.module_)
    raises(ValueError, "7 ROIs.*pretrained encoder of 9", model.fit, [smooth(30, 7)] * 3)


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
