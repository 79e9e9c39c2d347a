import numpy as np
import pytest
import torch
from sklearn.base import clone

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyRegressor


@pytest.fixture
def y(series):
    return np.random.default_rng(0).integers(0, 2, len(series))


@pytest.mark.parametrize("cls", [BrainSymphonyClassifier, BrainSymphonyRegressor])
def test_integer_weights_equal_repeats_for_the_probe(functional, series, y, cls):
    weight = np.random.default_rng(1).integers(0, 3, len(series))
    weight[:2] = 1
    model = cls(pretrained=functional.module_, finetune="probe", random_state=0)
    repeats = np.repeat(np.arange(len(series)), weight)
    weighted = clone(model).fit(series, y, sample_weight=weight)
    repeated = clone(model).fit([series[i] for i in repeats], y[repeats])
    decide = "decision_function" if cls is BrainSymphonyClassifier else "predict"
    np.testing.assert_allclose(
        getattr(weighted, decide)(series), getattr(repeated, decide)(series), atol=2e-4
    )


@pytest.mark.parametrize("cls", [BrainSymphonyClassifier, BrainSymphonyRegressor])
def test_probe_leaves_the_encoder_alone_and_full_moves_it(tiny, functional, series, y, cls):
    def moved(model):
        pairs = zip(model.module_.parameters(), functional.module_.parameters(), strict=True)
        return any(not torch.equal(a, b) for a, b in pairs)

    common = {"pretrained": functional.module_, "random_state": 0, "lr": 1e-3}
    probe = cls(finetune="probe", **common).fit(series, y)
    assert not moved(probe) and probe.history_ == [] and not hasattr(probe, "net_")
    full = cls(max_epochs=2, **common).fit(series, y)
    assert moved(full) and [h["stage"] for h in full.history_] == ["finetune"] * 2
    assert "valid_score" in full.history_[0] and not full.module_.training


def test_fine_tuning_lowers_the_training_loss(tiny, series, y):
    model = BrainSymphonyClassifier(
        max_epochs=30, validation_fraction=0, alpha=10, **(tiny | {"lr": 3e-3})
    ).fit(series, y)
    losses = [h["train_loss"] for h in model.history_]
    assert np.mean(losses[-3:]) < losses[0]
    assert model.score(series, y) > 0.5


def test_pretrain_epochs_come_first(tiny, series, y):
    model = BrainSymphonyRegressor(pretrain_epochs=2, max_epochs=1, **tiny).fit(series, y)
    assert [h["stage"] for h in model.history_] == ["joint", "joint", "finetune"]


@pytest.mark.parametrize("cls", [BrainSymphonyClassifier, BrainSymphonyRegressor])
def test_same_seed_same_bits_and_global_generators_stay(tiny, cohort, cls):
    y = np.arange(20) % 2
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    models = [cls(max_epochs=1, pretrain_epochs=1, **tiny).fit(cohort, y) for _ in range(2)]
    np.testing.assert_array_equal(*(model.predict(cohort) for model in models))
    assert torch.equal(torch.get_rng_state(), state[0])
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002


def test_validation_is_held_out_from_the_head_too(functional, series, y, monkeypatch):
    seen = []
    solve = BrainSymphonyClassifier._solve

    def spy(self, features, target, weight):
        seen.append(len(features))
        return solve(self, features, target, weight)

    monkeypatch.setattr(BrainSymphonyClassifier, "_solve", spy)
    common = {"pretrained": functional.module_, "random_state": 0, "validation_fraction": 0.25}
    BrainSymphonyClassifier(max_epochs=1, **common).fit(series, y)
    BrainSymphonyClassifier(finetune="probe", **common).fit(series, y)
    assert seen == [len(series) - round(0.25 * len(series)), len(series)]


def test_a_rare_class_is_never_held_out(functional, series):
    y = np.array(["a", "b"] * len(series))[: len(series)].astype(object)
    y[3] = "rare"
    for seed in range(5):
        model = BrainSymphonyClassifier(
            pretrained=functional.module_, max_epochs=1, random_state=seed, validation_fraction=0.5
        ).fit(series, y)
        assert model.predict_proba(series).shape == (len(series), 3)


def test_early_stopping(functional, series, y):
    model = BrainSymphonyClassifier(
        pretrained=functional.module_, max_epochs=15, patience=1, lr=0.5, random_state=0
    ).fit(series, y)
    assert len(model.history_) < 15


@pytest.mark.parametrize("finetune", ["probe", "full"])
def test_moments_of_a_cohort_in_which_some_lack_a_modality(tiny, cohort, finetune):
    labels = np.arange(len(cohort)) % 2
    model = BrainSymphonyClassifier(
        readout="moments", finetune=finetune, pretrain_epochs=1, max_epochs=1, **tiny
    ).fit(cohort, labels)
    assert np.isfinite(model.predict_proba(cohort)).all()
