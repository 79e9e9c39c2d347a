import copy
import io
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch

from bsymlearn import BrainSymphonyClassifier, BrainSymphonyTransformer, make_cohort
from bsymlearn.estimators import _pickling

ABSENT = "cuda:99"


def stored(estimator, kind):
    """All objects of a kind that a pickle of the estimator holds."""
    found = []

    class Spy(pickle.Pickler):
        def persistent_id(self, item):
            if isinstance(item, kind):
                found.append(item)

    Spy(io.BytesIO()).dump(estimator)
    return found


def n_bytes(estimator):
    """Size of the encoder's weights."""
    tensors = (*estimator.module_.parameters(), *estimator.module_.buffers())
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


@pytest.fixture(scope="module")
def large():
    """Data of 300 kB, and 800 kB of weights, which outweigh all else in a pickle."""
    table = make_cohort(8, n_rois=16, n_timepoints=600, n_networks=2, random_state=0)
    params = {"dim": 32, "n_layers": 1, "time_steps": 100, "mlp_dim": 64, "random_state": 0}
    return table, params | {"encoder": {"structural_layers": 1}, "device": "cpu"}


@pytest.fixture(scope="module")
def transformer(large):
    table, params = large
    gradients = np.random.default_rng(0).normal(size=(16, 3))
    return BrainSymphonyTransformer(max_epochs=1, gradients=gradients, **params).fit(table)


@pytest.fixture(scope="module")
def classifier(large):
    table, params = large
    params = params | {"pretrain_epochs": 1, "max_epochs": 2, "patience": 1}
    return BrainSymphonyClassifier(**params).fit(table, table["sex"])


@pytest.fixture(params=["transformer", "classifier"])
def fitted(request):
    return request.getfixturevalue(request.param)


def test_weights_are_stored_once_and_training_data_not(fitted, large):
    table, _ = large
    assert sum(series.nbytes for series in table["timeseries"]) > 0.3 * n_bytes(fitted)
    assert len(pickle.dumps(fitted)) < 1.2 * n_bytes(fitted)
    assert all(array.nbytes < 1000 for array in stored(fitted, np.ndarray))


def test_weights_stay_shared_with_the_net(fitted):
    restored = pickle.loads(pickle.dumps(fitted))
    assert type(restored.net_) is type(fitted.net_)
    assert restored.net_.module_.encoder is restored.module_
    trained = {id(p) for group in restored.net_.optimizer_.param_groups for p in group["params"]}
    assert {id(p) for p in restored.module_.parameters()} <= trained
    assert restored.net_.history == fitted.net_.history
    assert restored.net_.get_params(deep=False).keys() == fitted.net_.get_params(deep=False).keys()


def test_pickling_leaves_the_estimator_alone(fitted):
    before = dict(vars(fitted))
    inside = dict(vars(fitted.net_))
    pickle.dumps(fitted)
    assert all(vars(fitted)[name] is value for name, value in before.items())
    assert all(vars(fitted.net_)[name] is value for name, value in inside.items())
    assert len(vars(fitted)) == len(before) and len(vars(fitted.net_)) == len(inside)


def test_what_is_elsewhere_is_stored_as_copies_on_the_cpu(fitted, monkeypatch):
    # No other device is needed: a tensor without storage says that something is elsewhere.
    monkeypatch.setattr(_pickling, "_tensors", lambda packed: [torch.empty(1, device="meta")])
    moved = set()
    to = torch.Tensor.to

    def spy(tensor, device, *args, **kwargs):
        if torch.device(device).type == "cpu":
            moved.add(tensor.data_ptr())
        return to(tensor, device, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", spy)
    packed = _pickling.pack(vars(fitted))
    tensors = [tensor for tensor in stored(packed, torch.Tensor) if tensor.numel()]
    own = {tensor.data_ptr() for tensor in stored(vars(fitted) | {"net_": None}, torch.Tensor)}
    assert len(tensors) >= len(list(fitted.module_.parameters()))
    assert {tensor.data_ptr() for tensor in tensors} <= moved
    assert not {tensor.data_ptr() for tensor in tensors} & own


@pytest.mark.parametrize("name", ["transformer", "classifier"])
def test_a_module_elsewhere_is_noticed(name, request, monkeypatch):
    fitted = request.getfixturevalue(name)
    copies = []
    monkeypatch.setattr(_pickling.copy, "deepcopy", lambda packed: copies.append(packed) or packed)
    monkeypatch.setattr(_pickling, "_move", lambda *args: None)
    _pickling.pack(vars(fitted))
    assert not copies
    elsewhere = torch.nn.Linear(2, 2, device="meta")
    _pickling.pack(vars(fitted) | {"pretrained": elsewhere})
    _pickling.pack(vars(fitted) | {"gradients_": elsewhere.weight})
    assert len(copies) == 2


def test_a_state_that_names_a_gpu_opens_on_what_is_here(fitted, large, recwarn):
    expected = fitted.score(large[0], large[0]["sex"])
    state = fitted.__getstate__() | {"device_": "cuda", "device": "auto"}
    restored = type(fitted).__new__(type(fitted))
    restored.__setstate__(state)
    here = "cuda" if torch.cuda.is_available() else "cpu"
    assert restored.device_ == restored.net_.device == here
    assert restored.score(large[0], large[0]["sex"]) == pytest.approx(expected, rel=1e-4)
    assert not [w for w in recwarn if "available" in str(w.message)]


@pytest.mark.parametrize("reopen", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
def test_an_absent_device_gives_way_to_the_cpu(fitted, large, reopen):
    lent = copy.copy(fitted).set_params(device=ABSENT)
    lent.device_ = ABSENT
    with pytest.warns(UserWarning, match="'cuda:99'.*'cpu'"):
        restored = reopen(lent)
    assert restored.device_ == restored.net_.device == "cpu"
    assert restored.get_params()["device"] == ABSENT  # a parameter is the user's
    restored.score(large[0], large[0]["sex"])
    with pytest.raises(ValueError, match="not available here"):
        restored.fit(large[0], large[0]["sex"])


def test_what_is_not_fitted_opens_as_it_was():
    model = BrainSymphonyTransformer(device=ABSENT)
    assert vars(pickle.loads(pickle.dumps(model))) == vars(model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("cls", [BrainSymphonyTransformer, BrainSymphonyClassifier])
def test_from_the_gpu_to_a_machine_without(large, cls, tmp_path):
    table, params = large
    gradients = np.random.default_rng(0).normal(size=(16, 3))
    extra = {"pretrain_epochs": 1} if cls is BrainSymphonyClassifier else {}
    model = cls(gradients=gradients, max_epochs=1, **extra, **params | {"device": "auto"})
    model.fit(table, table["sex"])
    method = "transform" if cls is BrainSymphonyTransformer else "decision_function"
    expected = getattr(model, method)(table)
    assert all(not tensor.is_cuda for tensor in stored(model.__getstate__(), torch.Tensor))
    assert next(model.module_.parameters()).is_cuda and model.gradients_.is_cuda
    joblib.dump((model, table), tmp_path / "model.joblib")
    code = (
        "import sys, joblib, numpy as np\n"
        "model, table = joblib.load(sys.argv[1])\n"
        "assert model.device_ == model.net_.device == 'cpu'\n"
        f"np.save(sys.argv[2], model.{method}(table))\n"
    )
    paths = [str(tmp_path / "model.joblib"), str(tmp_path / "result.npy")]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", code, *paths], check=True, env=environment, timeout=120)
    np.testing.assert_allclose(np.load(paths[1]), expected, atol=1e-3)
    restored = joblib.load(paths[0])[0]
    assert restored.device_ == "cuda" and next(restored.module_.parameters()).is_cuda
    np.testing.assert_allclose(getattr(restored, method)(table), expected, atol=1e-5)
