"""BrainSymphony as scikit-learn estimators."""

from bsymlearn.estimators._classifier import BrainSymphonyClassifier
from bsymlearn.estimators._regressor import BrainSymphonyRegressor
from bsymlearn.estimators._transformer import BrainSymphonyTransformer

__all__ = ["BrainSymphonyClassifier", "BrainSymphonyRegressor", "BrainSymphonyTransformer"]
