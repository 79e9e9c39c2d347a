import numpy as np
import pytest
import torch

from bsymlearn import BrainSymphony, BrainSymphonyClassifier, BrainSymphonyRegressor, EncoderConfig
from bsymlearn.estimators._classifier import cross_entropy
from bsymlearn.estimators._finetuning import FineTuning, Head, LabelledScans, standardise
from bsymlearn.estimators._readouts import Readout
from bsymlearn.estimators._regressor import squared_error
from bsymlearn.training import PreparedScan, TrainingSettings, train

N_ROIS, STEPS, DIM = 5, 12, 8
N_PAIRS = N_ROIS * (N_ROIS - 1) // 2
WEIGHT = np.array([2, 1, 0, 3, 1, 1, 2, 4, 1])
REPEATS = np.repeat(np.arange(len(WEIGHT)), WEIGHT)
ONCE = np.flatnonzero(WEIGHT)


def double(batch):
    return {k: t.double() if t.is_floating_point() else t for k, t in batch.items()}


def fine_tune(loss, rows, weight):
    """Train on rows of a cohort in float64: one batch, no dropout, one window a scan."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(len(WEIGHT), N_ROIS, N_ROIS))
    series = rng.normal(size=(len(WEIGHT), STEPS, N_ROIS))
    scans = [PreparedScan(s, f + f.T) for s, f in zip(series, factors, strict=True)]
    target = torch.arange(len(WEIGHT)) % 3
    target = target if loss is cross_entropy else target.double()
    dataset = LabelledScans(
        [scans[i] for i in rows],
        target[rows],
        torch.as_tensor(weight / np.mean(weight)),
        STEPS,
        N_ROIS,
        "multimodal",
    )
    config = EncoderConfig(
        N_ROIS, STEPS, DIM, n_layers=1, n_heads=2, mlp_dim=16, dropout=0.0, structural_layers=1
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = BrainSymphony(config).double()
        coef = torch.randn(3 if loss is cross_entropy else 1, N_PAIRS).numpy()
        readout = Readout("connectivity", torch.randn(N_ROIS, DIM).double(), 0.5)
    head = Head(np.zeros(N_PAIRS), np.ones(N_PAIRS), coef, np.zeros(len(coef))).double()
    module = FineTuning(encoder, readout, head, "multimodal", loss)
    before = torch.nn.utils.parameters_to_vector(module.parameters()).detach()

    def collate(items):
        batch, nothing = dataset.collate(items)
        return double(batch), nothing

    train(module, dataset, collate, TrainingSettings(max_epochs=10, batch_size=len(rows), lr=1e-2))
    after = torch.nn.utils.parameters_to_vector(module.parameters()).detach()
    assert (after - before).abs().mean() > 1e-3
    return after


@pytest.mark.parametrize("loss", [cross_entropy, squared_error])
def test_weights_are_repeats_in_fine_tuning_exactly(loss):
    # What `check_sample_weight_equivalence_on_dense_data` asks for and float32 and stochastic
    # batches blur: shown here at the precision of float64, on the code that the estimators run.
    repeated = fine_tune(loss, REPEATS, np.ones(len(REPEATS)))
    everyone = np.arange(len(WEIGHT))
    torch.testing.assert_close(fine_tune(loss, everyone, WEIGHT), repeated, rtol=0, atol=1e-10)
    torch.testing.assert_close(fine_tune(loss, ONCE, WEIGHT[ONCE]), repeated, rtol=0, atol=1e-10)
    ignored = fine_tune(loss, everyone, np.ones(len(WEIGHT)))
    assert (ignored - repeated).abs().max() > 1e-2


def test_weights_are_repeats_in_the_scale_of_features():
    features = np.random.default_rng(0).normal(size=(len(WEIGHT), 4)) + 3
    weighted = standardise(features, WEIGHT)
    repeated = standardise(features[REPEATS], np.ones(len(REPEATS)))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-12)
    assert np.abs(standardise(features, np.ones(len(WEIGHT)))[0] - weighted[0]).max() > 1e-2


@pytest.mark.parametrize("cls", [BrainSymphonyClassifier, BrainSymphonyRegressor])
def test_weights_are_repeats_through_the_estimator(cls):
    # The same in float32, from X to the prediction, which adds readout, head and normalisation.
    series = np.random.default_rng(0).normal(size=(len(WEIGHT), STEPS, N_ROIS))
    y = np.arange(len(WEIGHT)) % 3
    model = cls(
        dim=DIM,
        n_layers=1,
        n_heads=2,
        mlp_dim=16,
        time_steps=STEPS,
        encoder={"dropout": 0.0},
        batch_size=len(REPEATS),
        max_epochs=5,
        lr=3e-3,
        alpha=1.0,
        validation_fraction=0.0,
        device="cpu",
        random_state=0,
    )
    decide = "decision_function" if cls is BrainSymphonyClassifier else "predict"
    repeated = getattr(model.fit(series[REPEATS], y[REPEATS]), decide)(series)
    weighted = getattr(model.fit(series, y, sample_weight=WEIGHT), decide)(series)
    ignored = getattr(model.fit(series, y), decide)(series)
    np.testing.assert_allclose(weighted, repeated, atol=2e-3)
    assert np.abs(ignored - repeated).max() > 0.1
