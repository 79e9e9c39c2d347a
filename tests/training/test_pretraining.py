import copy

import numpy as np
import pytest
import torch

from bsymlearn import BrainSymphony, EncoderConfig, make_cohort
from bsymlearn._validation import check_scans
from bsymlearn.training import TrainingSettings, hide_edges, prepare_scans, pretrain, train
from bsymlearn.training._batches import RandomWindows, collate
from bsymlearn.training._evaluation import make_evaluation
from bsymlearn.training._pretraining import MaskedPretraining, _drop_modality

N_ROIS, STEPS = 10, 24
PARTS = {
    "functional": ("spatial", "temporal", "context", "perceiver"),
    "structural": ("structural",),
    "multimodal": ("spatial", "temporal", "context", "perceiver", "structural", "gate"),
}


def build(modality, seed=0, **sizes):
    sizes = {
        "dim": 16,
        "n_layers": 1,
        "n_heads": 2,
        "mlp_dim": 32,
        "structural_layers": 1,
        "structural_heads": 2,
        "dropout": 0.0,
    } | sizes
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BrainSymphony(
            EncoderConfig(n_rois=N_ROIS, time_steps=STEPS, modules=PARTS[modality], **sizes)
        )


@pytest.fixture(scope="module")
def cohort():
    return make_cohort(
        48, n_rois=N_ROIS, n_timepoints=96, n_networks=2, missing=0.2, random_state=0
    )


def prepare(cohort, modality):
    table = cohort
    if modality != "multimodal":
        column = {"functional": "timeseries", "structural": "connectome"}[modality]
        table = cohort[cohort[column].notna()]
    return prepare_scans(check_scans(table, modality=modality), "robust", "log10")


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    connectome = rng.random((3, N_ROIS, N_ROIS)).astype(np.float32)
    valid = np.ones((3, STEPS, N_ROIS), dtype=bool)
    valid[0, 15:] = False  # padded
    valid[1, :, 2] = False  # constant
    series = rng.normal(size=valid.shape).astype(np.float32) * valid
    present = np.ones(3, dtype=bool)
    arrays = {
        "timeseries": series,
        "valid": valid,
        "has_timeseries": present,
        "connectome": connectome + connectome.transpose(0, 2, 1),
        "has_connectome": present,
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize("recipe", ["joint", "staged"])
@pytest.mark.parametrize("modality", list(PARTS))
def test_learns_and_beats_the_mean_on_held_out_scans(cohort, modality, recipe):
    epochs = 26
    scans = prepare(cohort, modality)
    settings = TrainingSettings(max_epochs=epochs, batch_size=16, lr=3e-3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, history = pretrain(
            build(modality, dim=32, mlp_dim=64),
            scans[:-8],
            scans[-8:],
            modality,
            settings,
            recipe=recipe,
            mask_ratio=0.3,
        )
    stages = ["joint"] if recipe == "joint" else ["streams", "fusion"]
    stages = ["streams"] if modality == "structural" else stages
    assert [h["stage"] for h in history] == [stage for stage in stages for _ in range(epochs)]
    assert {"epoch", "train_loss", "valid_loss", "valid_r2"} <= set(history[0])
    for stage in stages:
        losses = [h["train_loss"] for h in history if h["stage"] == stage]
        assert np.mean(losses[-3:]) < losses[0]
    assert history[-1]["valid_r2"] > 0


@pytest.mark.parametrize("stage", ["streams", "fusion", "joint"])
def test_padded_and_constant_entries_do_not_matter(batch, stage):
    module = MaskedPretraining(build("multimodal"), stage, 0.5).eval()
    generator = torch.Generator().manual_seed(0)
    batch["hidden"] = module.hide_series(batch["valid"], generator)
    batch["targets"] = hide_edges(batch["connectome"], 0.2, generator)
    other = dict(batch, timeseries=torch.where(batch["valid"], batch["timeseries"], 99.0))
    results = []
    for given in (batch, other):
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(0)
            results.append(module(**given))
    for name in ("loss", "error", "spread"):
        torch.testing.assert_close(results[0][name], results[1][name], rtol=1e-5, atol=1e-5)
    assert not (batch["hidden"] & ~batch["valid"]).any()


@pytest.mark.parametrize("modality", ["functional", "multimodal"])
def test_hidden_entries_cannot_leak(batch, modality):
    encoder = build(modality).eval()
    module = MaskedPretraining(encoder, "joint", 0.5)
    hidden = module.hide_series(batch["valid"], torch.Generator().manual_seed(0))
    if modality == "functional":
        batch = {k: v for k, v in batch.items() if "connectome" not in k}
    changed = torch.where(hidden, batch["timeseries"] * -3 + 7, batch["timeseries"])
    with torch.inference_mode():
        first = encoder(**batch, hidden=hidden)
        second = encoder(**(batch | {"timeseries": changed}), hidden=hidden)
    for name in ("spatial", "temporal", "functional", "fused", "reconstruction"):
        torch.testing.assert_close(getattr(first, name), getattr(second, name), rtol=0, atol=0)


def test_visible_entries_do_matter(batch):
    encoder = build("functional").eval()
    batch = {k: v for k, v in batch.items() if "connectome" not in k}
    hidden = torch.zeros_like(batch["valid"])
    hidden[:, :, :5] = batch["valid"][:, :, :5]
    with torch.inference_mode():
        first = encoder(**batch, hidden=hidden).reconstruction
        batch["timeseries"] = batch["timeseries"].flip(2)
        second = encoder(**batch, hidden=hidden).reconstruction
    assert (first - second)[:, :, :5].abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["first_hop", "multi_hop", "diffusion"])
def test_hidden_edges_cannot_leak_in_either_direction(batch, kind):
    encoder = build("structural", structural_attention=kind).eval()
    edges = hide_edges(batch["connectome"], 0.2, torch.Generator().manual_seed(0))
    both = edges | edges.transpose(1, 2)
    changed = torch.where(both, -5.0, batch["connectome"])
    with torch.inference_mode():
        first = encoder(connectome=batch["connectome"], edges=edges)
        second = encoder(connectome=changed, edges=edges)
    torch.testing.assert_close(first.structural, second.structural, rtol=0, atol=0)
    torch.testing.assert_close(first.edges, second.edges, rtol=0, atol=0)


def test_frozen_parts_stay_and_fusion_moves(cohort):
    encoder = build("multimodal", dropout=0.1)
    module = MaskedPretraining(encoder, "fusion", 0.5)
    before = copy.deepcopy(encoder.state_dict())
    dataset = RandomWindows(prepare(cohort, "multimodal"), STEPS, N_ROIS, "multimodal")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        train(module, dataset, dataset.collate, TrainingSettings(max_epochs=1, lr=1e-2))
    after = encoder.state_dict()
    moved = {name.split(".")[0] for name in after if not torch.equal(after[name], before[name])}
    assert moved == {"perceiver", "gate"}


def test_flags_and_mode_come_back_after_staged_pretraining(cohort):
    encoder = build("functional")
    encoder.part("context").requires_grad_(False)
    flags = [p.requires_grad for p in encoder.parameters()]
    settings = TrainingSettings(max_epochs=1)
    with torch.random.fork_rng():
        pretrain(
            encoder, prepare(cohort, "functional"), [], "functional", settings, recipe="staged"
        )
    assert [p.requires_grad for p in encoder.parameters()] == flags
    assert not encoder.training


def test_dropping_modalities_leaves_every_scan_one():
    series = torch.tensor([True, False, True] * 200)
    connectome = torch.tensor([False, True, True] * 200)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kept_series, kept_connectome = _drop_modality(series, connectome)
    assert (kept_series | kept_connectome).all()
    assert not (kept_series & ~series).any() and not (kept_connectome & ~connectome).any()
    both = series & connectome
    for kept in (kept_series, kept_connectome):
        assert float((~kept & both).sum() / both.sum()) == pytest.approx(0.25, abs=0.07)


@pytest.mark.parametrize("stage", ["streams", "fusion", "joint"])
def test_evaluation_is_fixed_in_every_stage(cohort, stage):
    module = MaskedPretraining(build("multimodal"), stage, 0.5).eval()
    evaluate = make_evaluation(
        module, prepare(cohort, "multimodal")[:4], "multimodal", TrainingSettings()
    )
    state = torch.get_rng_state()
    with torch.inference_mode():
        assert evaluate(module) == evaluate(module)
    assert torch.equal(torch.get_rng_state(), state)


def test_evaluation_is_fixed_and_matches_a_plain_computation(cohort):
    encoder = build("functional").eval()
    module = MaskedPretraining(encoder, "fusion", 0.5).eval()
    scans = prepare(cohort, "functional")[:3]
    settings = TrainingSettings(batch_size=500)
    evaluate = make_evaluation(module, scans, "functional", settings)
    with torch.inference_mode():
        scores = evaluate(module)
        assert scores == evaluate(module)
        starts = [(i, s) for i in range(3) for s in range(0, 96 - STEPS + 1, STEPS // 2)]
        owners, first = zip(*starts, strict=True)
        batch = collate([scans[i] for i in owners], list(first), STEPS, N_ROIS, "functional")
        hidden = module.hide_targets(batch["valid"], torch.Generator().manual_seed(0))
        predicted = encoder(**batch, hidden=hidden).reconstruction.double().numpy()
    target, hidden = batch["timeseries"].double().numpy(), hidden.numpy()
    error = ((predicted - target)[hidden] ** 2).sum()
    centred = target - target.mean(axis=1, keepdims=True)
    spread = (centred[hidden] ** 2).sum()
    assert scores["valid_r2"] == pytest.approx(1 - error / spread, abs=1e-5)
