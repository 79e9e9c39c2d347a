"""Parameters of `fit`, beside X, that do not go with it."""

import numpy as np
import pandas as pd

# Made for X of n rows; bad for classifier and regressor.
TARGETS = {
    "groups: too few": {"groups": lambda n: list(range(n - 1))},
    "groups: 2-D": {"groups": lambda n: np.zeros((n, 1))},
    "groups: text": {"groups": lambda n: "a" * n},
    "groups: ragged": {"groups": lambda n: [[1, 2]] + [[1]] * (n - 1)},
    "groups: dicts": {"groups": lambda n: [{}] * n},
    "groups: number": {"groups": lambda n: n},
    "y: too few": {"y": lambda n: np.arange(n - 1) % 2},
    "y: too many": {"y": lambda n: np.arange(n + 1) % 2},
    "y: nothing": {"y": lambda n: None},
    "y: empty": {"y": lambda n: []},
    "y: number": {"y": lambda n: 1},
    "y: NaN": {"y": lambda n: [np.nan] + [0.0, 1.0] * n},
    "y: infinite": {"y": lambda n: [np.inf] + [1.0] * (n - 1)},
    "y: missing": {"y": lambda n: pd.array([None] + [1] * (n - 1), dtype="Int64")},
    "y: None among texts": {"y": lambda n: [None] + ["a"] * (n - 1)},
    "y: 2-D": {"y": lambda n: np.zeros((n, 2))},
    "y: ragged": {"y": lambda n: [[1, 2]] + [[1]] * (n - 1)},
    "y: dicts": {"y": lambda n: [{}] * n},
    "y: complex": {"y": lambda n: np.arange(n) * 1j},
    "y: huge": {"y": lambda n: [10**400] + [1] * (n - 1)},
    "sample_weight: too few": {"sample_weight": lambda n: np.ones(n - 1)},
    "sample_weight: NaN": {"sample_weight": lambda n: np.full(n, np.nan)},
    "sample_weight: negative": {"sample_weight": lambda n: -np.ones(n)},
    "sample_weight: zero": {"sample_weight": np.zeros},
    "sample_weight: 2-D": {"sample_weight": lambda n: np.ones((n, 2))},
    "sample_weight: text": {"sample_weight": lambda n: ["a"] * n},
}
