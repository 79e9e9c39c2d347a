import numpy as np
import pandas as pd
import pytest

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyRegressor
from tests.validation.cohorts import TINY, scans, table
from tests.validation.messages import raises

pytestmark = pytest.mark.usefixtures("no_training")


@pytest.mark.parametrize("cls", [BrainSymphonyClassifier, BrainSymphonyRegressor])
@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "y.*None"),
        ([0, 1, 0], "4 rows, but y has 3"),
        ([0, 1, np.nan, 1], "NaN"),
        ([0, 1, np.inf, 1], "infinity|inf"),
    ],
)
def test_bad_y(cls, y, words):
    with pytest.raises(ValueError, match=words):
        cls(**TINY).fit(scans(), y)


def test_one_class():
    raises(ValueError, "one class.*'b'", BrainSymphonyClassifier(**TINY).fit, scans(), ["b"] * 4)


def test_continuous_classes():
    with pytest.raises(ValueError, match="continuous"):
        BrainSymphonyClassifier(**TINY).fit(scans(), [0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    "weight", [[0, 0, 0, 0], [1, 0, 1, 0], [1, -1, 1, 1], [1, 1], [1, 1, 1, np.nan]]
)
def test_bad_sample_weight(weight):
    with pytest.raises(ValueError, match=r"weight|shape"):
        BrainSymphonyClassifier(**TINY).fit(scans(), list("abab"), sample_weight=weight)


def test_y_in_another_order_is_refused():
    y = pd.Series([1.0, 2.0, 3.0, 5.0], index=table().index)
    with pytest.raises(ValueError, match=r"y\.loc\[X\.index\]"):
        BrainSymphonyRegressor(**TINY).fit(table(), y[::-1])


def test_text_is_no_target_of_a_regressor():
    with pytest.raises(ValueError, match="BrainSymphonyClassifier"):
        BrainSymphonyRegressor(**TINY).fit(scans(), ["F", "M", "F", "M"])


@pytest.mark.parametrize("untrained", [{"finetune": "probe"}, {"max_epochs": 0}])
@pytest.mark.parametrize("cls", [BrainSymphonyClassifier, BrainSymphonyRegressor])
def test_probe_of_an_untrained_encoder(cls, untrained):
    raises(ValueError, "never trained", cls(**(TINY | untrained)).fit, scans(), [0, 1, 0, 1])
