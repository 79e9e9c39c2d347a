import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from bsymlearn import BrainSymphonyRegressor, BrainSymphonyTransformer
from bsymlearn.estimators._regressor import squared_error


@pytest.fixture
def age(series):
    return np.random.default_rng(0).uniform(20, 70, len(series))


def test_probe_is_ridge_on_the_embedding(functional, series, age):
    embedded = (
        BrainSymphonyTransformer(pretrained=functional.module_, max_epochs=0)
        .fit_transform(series)
        .astype(float)
    )
    scaled = (embedded - embedded.mean(axis=0)) / embedded.std(axis=0) / embedded.shape[1] ** 0.5
    expected = Ridge(alpha=0.1).fit(scaled, age).predict(scaled)
    model = BrainSymphonyRegressor(
        pretrained=functional.module_, finetune="probe", alpha=0.1, random_state=0
    ).fit(series, age)
    np.testing.assert_allclose(model.predict(series), expected, rtol=1e-4)


@pytest.mark.parametrize("finetune", ["probe", "full"])
def test_units_of_y_do_not_matter(functional, series, age, finetune):
    model = BrainSymphonyRegressor(
        pretrained=functional.module_, finetune=finetune, max_epochs=1, random_state=0
    )
    years = model.fit(series, age).predict(series)
    days = model.fit(series, age * 365 + 1000).predict(series)
    np.testing.assert_allclose(days, years * 365 + 1000, rtol=1e-3)


def test_constant_y_is_predicted(functional, series):
    model = BrainSymphonyRegressor(pretrained=functional.module_, finetune="probe")
    predicted = model.fit(series, np.full(len(series), 42.0)).predict(series)
    np.testing.assert_allclose(predicted, 42, rtol=1e-5)


def test_squared_error_is_one_value_a_sample():
    loss = squared_error(torch.tensor([[1.0], [4.0]]), torch.tensor([3.0, 3.0]))
    assert loss.tolist() == [4, 1]
