import dataclasses
import json

import numpy as np
import pytest

from bsymlearn.encoders import PARTS, EncoderConfig


def test_defaults_are_those_of_the_paper():
    config = EncoderConfig(450)
    assert (config.time_steps, config.dim, config.n_layers, config.n_heads) == (200, 128, 6, 4)
    assert config.modules == PARTS


def test_a_config_survives_json():
    config = EncoderConfig(
        30, modules=["structural"], structural_attention="diffusion", n_positions=40
    )
    assert EncoderConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_numpy_numbers_become_plain_ones():
    config = EncoderConfig(np.int64(30), dim=np.int32(64), dropout=np.float32(0.5))
    assert json.loads(json.dumps(config.to_dict()))["n_rois"] == 30
    assert type(config.dropout) is float


def test_parts_come_in_one_order():
    assert EncoderConfig(3, modules=("gate", "spatial")).modules == ("spatial", "gate")
    assert EncoderConfig(3, modules="structural").modules == ("structural",)


def test_a_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EncoderConfig(3).dim = 4


def test_only_parts_that_exist_constrain_the_heads():
    assert EncoderConfig(3, dim=6, structural_heads=3, modules="structural").dim == 6


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (dict(n_rois=0), "n_rois=0"),
        (dict(n_rois=3.0), "n_rois=3.0"),
        (dict(time_steps=True), "time_steps=True"),
        (dict(dim=30), "n_heads=4"),
        (dict(dim=12, perceiver_heads=5), "perceiver_heads=5"),
        (dict(dim=12, structural_heads=8), "structural_heads=8"),
        (dict(dropout=1.0), "dropout=1.0"),
        (dict(dropout="a"), "dropout='a'"),
        (dict(diffusion_theta=float("nan")), "diffusion_theta"),
        (dict(positions="fixed"), "learnable, gradient"),
        (dict(structural_attention="second_hop"), "first_hop, multi_hop, diffusion"),
        (dict(structural_positions=None), "learnable, laplacian"),
        (dict(modules=()), "is empty"),
        (dict(modules=("spatial", "frontal")), "frontal"),
        (dict(n_positions=2), "n_positions=2"),
        (dict(depth=2), "'depth'"),
    ],
)
def test_bad_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        EncoderConfig.from_dict({"n_rois": 3, **sizes})


def test_n_rois_is_needed():
    with pytest.raises(ValueError, match="n_rois"):
        EncoderConfig.from_dict({})
