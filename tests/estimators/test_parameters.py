import re

import numpy as np
import pytest
import torch

from bsymlearn import BrainSymphonyRegressor, BrainSymphonyTransformer
from tests.validation.cohorts import N_ROIS, TINY, scans

pytestmark = pytest.mark.usefixtures("no_training")


@pytest.mark.parametrize(
    "bad",
    [
        {"modality": "pet"},
        {"readout": "max"},
        {"spectral_power": 0},
        {"scaling": "z"},
        {"connectome_scaling": "log2"},
        {"dim": 0},
        {"n_layers": 1.5},
        {"time_steps": -1},
        {"mask_ratio": 1.0},
        {"recipe": "both"},
        {"max_epochs": -1},
        {"batch_size": 0},
        {"lr": 0},
        {"validation_fraction": 1.0},
        {"patience": 0},
        {"encoder": []},
        {"net_params": 3},
        {"device": "nonsense"},
        {"device": "cuda:99"},
        {"random_state": "x"},
        {"pretrained": 3},
        {"n_heads": 3},
        {"encoder": {"nothing": 1}},
        {"encoder": {"dim": 8}},
        {"patience": 2, "validation_fraction": 0},
        {"gradients": np.zeros((5, 3))},
        {"gradients": np.full((N_ROIS, 3), np.inf)},
        {"pretrained": "absent/checkpoint"},
        {"pretrained": torch.nn.Linear(1, 1)},
    ],
    ids=str,
)
@pytest.mark.parametrize("cls", [BrainSymphonyTransformer, BrainSymphonyRegressor])
def test_bad_parameters(cls, bad):
    with pytest.raises((ValueError, TypeError, FileNotFoundError)) as caught:
        cls(**(TINY | bad)).fit(scans(), np.arange(4.0))
    named = {
        "pretrained": "pretrained|checkpoint",
        "n_heads": "n_heads",
        "encoder": "encoder|Encoder",
    }
    name = next(iter(bad))
    assert re.search(named.get(name, name), str(caught.value))
