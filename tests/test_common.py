from functools import partial

from sklearn.utils.estimator_checks import parametrize_with_checks

from bsymlearn import (
    BrainSymphonyClassifier,
    BrainSymphonyRegressor,
    BrainSymphonyTransformer,
)

SIZES = {"n_layers": 1, "n_heads": 2, "mlp_dim": 16, "encoder": {"structural_layers": 1}}
TINY = partial(dict, batch_size=32, validation_fraction=0.0, random_state=0, **SIZES)

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "stochastic fine-tuning visits a row of weight 2 once, not twice, as in SGDClassifier; "
        "the probe is exact (tests/estimators/test_supervised.py)"
    ),
}


def expected_failed_checks(estimator):
    return {} if isinstance(estimator, BrainSymphonyTransformer) else EXPECTED_FAILURES


@parametrize_with_checks(
    [
        BrainSymphonyTransformer(**TINY(dim=8, time_steps=8, max_epochs=1)),
        BrainSymphonyClassifier(**TINY(dim=8, time_steps=8, max_epochs=2, lr=1e-2)),
        # More epochs than elsewhere: its training R² must exceed .5.
        BrainSymphonyRegressor(**TINY(dim=16, time_steps=10, max_epochs=10, alpha=1e-2, lr=1e-2)),
    ],
    expected_failed_checks=expected_failed_checks,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)
