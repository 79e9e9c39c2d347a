import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from bsymlearn import (
    BrainSymphony,
    BrainSymphonyTransformer,
    EncoderConfig,
    adapt_parcellation,
    load_checkpoint,
    make_cohort,
    save_checkpoint,
)

R, T, G = 9, 12, 3
FUNCTIONAL = ("spatial", "temporal", "context", "perceiver")
NAMES = ["spatial", "temporal", "functional", "structural", "fused", "reconstruction", "edges"]
PER_ROI = {"spatial.positions.table", "perceiver.latents", "structural.positions"}
READERS = {"temporal.embedding.weight", "structural.embedding.weight"}


def encoder(**sizes):
    sizes = {"dim": 8, "n_layers": 2, "n_heads": 2, "mlp_dim": 16, "structural_layers": 2} | sizes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BrainSymphony(EncoderConfig(n_rois=R, time_steps=T, **sizes)).eval()
        for parameter in model.parameters():  # biases and the mask token start at 0
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.contract = {"scaling": "robust", "roi_names": list("abcdefghi"), "largest_weight": 7.0}
    return model


def inputs(model):
    """Scans with a constant ROI, a padded end and hidden ROIs; whatever the model can take."""
    rng = torch.Generator().manual_seed(1)
    arguments = {}
    if "spatial" in model.config.modules:
        valid = torch.ones(2, T, R, dtype=torch.bool)
        valid[0, :, 3] = False
        valid[1, 9:] = False
        hidden = torch.zeros_like(valid)
        hidden[:, :, [1, 4]] = True
        series = torch.randn(2, T, R, generator=rng)
        arguments |= {"timeseries": series, "valid": valid, "hidden": hidden}
    if model.config.positions == "gradient":
        arguments["gradients"] = torch.randn(R, G, generator=rng)
    if "structural" in model.config.modules:
        weights = torch.randn(2, R, R, generator=rng)
        arguments["connectome"] = weights + weights.transpose(1, 2)
    return arguments


# The axes that run over ROIs.
AXES = {
    "timeseries": [2], "valid": [2], "hidden": [2], "gradients": [0], "connectome": [1, 2],
    "spatial": [1], "temporal": [], "functional": [1], "structural": [1], "fused": [1],
    "reconstruction": [2], "edges": [1, 2],
}  # fmt: skip


def take(tensors, rois):
    """Give each new ROI what the old ROI `rois[new]` has."""
    taken = {}
    for name, tensor in tensors.items():
        for axis in AXES[name]:
            tensor = tensor.index_select(axis, torch.tensor(rois))
        taken[name] = tensor
    return taken


@torch.inference_mode()
def outputs(model, arguments):
    output = model(**arguments)
    return {name: getattr(output, name) for name in NAMES if getattr(output, name) is not None}


def assert_same(model, adapted, rois):
    """What the adapted encoder makes of copied ROIs is a copy of what the original makes."""
    arguments = inputs(model)
    expected = take(outputs(model, arguments), rois)
    found = outputs(adapted, take(arguments, rois))
    assert expected.keys() == found.keys()
    for name in expected:
        atol = 2e-6 * expected[name].abs().max().item()
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=atol, msg=name)


@pytest.mark.parametrize(
    "sizes",
    [
        {"modules": FUNCTIONAL},
        {"modules": FUNCTIONAL, "n_positions": R + 4},
        {"modules": FUNCTIONAL, "positions": "gradient", "n_gradients": G},
        {"modules": "structural"},
        {"modules": "structural", "structural_attention": "multi_hop"},
        {"modules": "structural", "structural_attention": "diffusion"},
        {"modules": "structural", "structural_positions": "laplacian"},
        {},
        {"positions": "gradient", "n_gradients": G},
    ],
)
def test_reordered_rois_give_the_same_outputs(sizes):
    model = encoder(**sizes)
    rng = np.random.default_rng(2)
    order = rng.permutation(R)
    overlap = np.eye(R)[order] * rng.uniform(1, 100, (R, 1))
    adapted = adapt_parcellation(model, overlap)
    assert adapted.config.n_positions is None and not adapted.training
    assert_same(model, adapted, order)


@pytest.mark.parametrize(
    "sizes", [{}, {"positions": "gradient", "n_gradients": G}, {"modules": "structural"}]
)
def test_halves_of_every_roi_with_its_series_give_the_same_outputs(sizes):
    """Each key exists twice with the same value, so every mean over keys stays what it was."""
    model = encoder(**sizes)
    volumes = np.random.default_rng(3).uniform(1, 9, size=2 * R)
    rois = np.repeat(np.arange(R), 2)
    adapted = adapt_parcellation(model, np.eye(R)[rois] * volumes[:, None])
    assert_same(model, adapted, rois)


def test_averages_by_hand():
    with torch.random.fork_rng(devices=[]):
        model = BrainSymphony(EncoderConfig(n_rois=3, time_steps=T, dim=8, n_layers=1))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    after = adapt_parcellation(model, [[90, 10, 0], [0, 60, 60]]).state_dict()
    for name, old in before.items():
        if name in PER_ROI:
            expected = torch.stack([0.9 * old[0] + 0.1 * old[1], (old[1] + old[2]) / 2])
        elif name in READERS:
            columns = [old[:, 0] + old[:, 1] / 7, 6 / 7 * old[:, 1] + old[:, 2]]
            expected = torch.stack(columns, dim=1)
        else:
            expected = old
        torch.testing.assert_close(after[name], expected, rtol=1e-5, atol=1e-6, msg=name)
        assert torch.equal(model.state_dict()[name], old)
    assert before.keys() == after.keys()
    assert before.keys() >= PER_ROI | READERS


def test_an_old_roi_without_overlap_adds_nothing_to_tokens_of_time():
    model = encoder(modules="temporal")
    kept = [i for i in range(R) if i != 4]
    adapted = adapt_parcellation(model, np.eye(R)[kept])
    series = torch.randn(2, T, R, generator=torch.Generator().manual_seed(0))
    found = outputs(adapted, {"timeseries": series[..., kept]})["temporal"]
    series[..., 4] = 0
    torch.testing.assert_close(found, outputs(model, {"timeseries": series})["temporal"])


def test_the_contract_tells_where_it_comes_from(tmp_path):
    model = encoder(modules="spatial")
    contract = copy.deepcopy(model.contract)
    adapted = adapt_parcellation(model, np.ones((2, R)), roi_names=("left", "right"))
    origin = {"n_rois": R, "roi_names": list("abcdefghi")}
    expected = {"roi_names": ["left", "right"], "adapted_from": origin}
    assert adapted.contract == contract | expected
    assert load_checkpoint(save_checkpoint(adapted, tmp_path)).contract == adapted.contract
    assert model.contract == contract
    assert adapt_parcellation(model, np.ones((2, R))).contract["roi_names"] is None


@pytest.fixture(scope="module")
def fitted():
    table = make_cohort(8, n_rois=R, n_timepoints=40, n_networks=2, random_state=0)
    sizes = {"dim": 8, "n_layers": 1, "n_heads": 2, "mlp_dim": 16, "time_steps": T}
    embed = BrainSymphonyTransformer(
        encoder={"structural_layers": 1}, max_epochs=1, random_state=0, device="cpu", **sizes
    )
    return embed.fit(table), table


def test_directory_module_and_estimator_are_the_same(fitted, tmp_path):
    embed, _ = fitted
    overlap = np.random.default_rng(0).random((4, R))
    saved = save_checkpoint(embed, tmp_path / "encoder")
    weights = [
        adapt_parcellation(source, overlap).state_dict()
        for source in (embed, embed.module_, saved, str(saved))
    ]
    for other in weights[1:]:
        assert all(torch.equal(other[name], tensor) for name, tensor in weights[0].items())


def test_estimators_embed_and_train_in_the_other_parcellation(fitted):
    embed, table = fitted
    names = [f"roi {i}" for i in range(R)]
    order = np.random.default_rng(0).permutation(R)
    adapted = adapt_parcellation(embed, np.eye(R)[order], roi_names=[names[i] for i in order])
    # Named scans find the order of the adapted encoder by themselves.
    named = [pd.DataFrame(s, columns=names) for s in table["timeseries"]]
    again = BrainSymphonyTransformer("functional", pretrained=adapted, max_epochs=0, device="cpu")
    expected = BrainSymphonyTransformer("functional", pretrained=embed.module_, max_epochs=0)
    np.testing.assert_allclose(
        again.fit(named).embed_rois(named),
        expected.fit(named).embed_rois(named)[:, order],
        atol=1e-5,
    )
    further = BrainSymphonyTransformer("functional", pretrained=adapted, max_epochs=1)
    module = further.fit(named).module_
    assert module.contract["adapted_from"]["n_rois"] == R
    assert not torch.equal(module.perceiver.latents, adapted.perceiver.latents)


def test_the_random_state_stays(fitted):
    before = torch.get_rng_state()
    adapt_parcellation(fitted[0], np.eye(R))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("overlap", "names", "words"),
    [
        (np.ones((4, R + 1)), None, r"shape \(4, 10\).*\(n_rois_new, 9\).*one column"),
        (np.ones((R, 4)), None, "Transpose it"),
        (np.ones(R), None, r"shape \(9,\)"),
        (np.ones((0, R)), None, r"shape \(0, 9\)"),
        ([["a"] * R], None, "no array of numbers"),
        (-np.ones((2, R)), None, "negative"),
        (np.full((2, R), np.nan), None, "not finite"),
        (np.eye(R)[[0, 1, 2]] * [[1], [0], [1]], None, "no overlap.*row 1.*coordinate_overlap"),
        (np.eye(R)[[0, 1]] * [[1], [0]], ["one", "two"], "no overlap.*: two.*Drop"),
        (np.ones((2, R)), ["one"], "1 names.*2 rows"),
        (np.ones((2, R)), [1, 2], "one string"),
        (np.ones((2, R)), ["one", "one"], r"\['one'\] more than once"),
        (np.ones((2, R)), "ab", "1 names"),
    ],
)
def test_what_does_not_fit_is_refused(overlap, names, words):
    with pytest.raises(ValueError, match=words):
        adapt_parcellation(encoder(modules="spatial"), overlap, roi_names=names)


def test_what_holds_no_encoder_is_refused(tmp_path):
    with pytest.raises(TypeError, match="adapt_parcellation got a int"):
        adapt_parcellation(3, np.eye(R))
    with pytest.raises(NotFittedError):
        adapt_parcellation(BrainSymphonyTransformer(), np.eye(R))
    with pytest.raises(FileNotFoundError, match="absent"):
        adapt_parcellation(tmp_path / "absent", np.eye(R))
