import json
from types import SimpleNamespace

import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bsymlearn import BrainSymphony, EncoderConfig, load_checkpoint, save_checkpoint

FILES = {"model.safetensors", "config.json", "contract.json"}


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = EncoderConfig(
        n_rois=6, time_steps=7, dim=8, n_layers=1, mlp_dim=8, structural_layers=1, n_positions=9
    )
    model = BrainSymphony(config)
    model.contract = {"scaling": "robust", "roi_names": ["α", "b"], "t_r": 2.0, "nothing": None}
    return model


def test_a_round_trip_is_bit_identical(model, tmp_path):
    directory = save_checkpoint(model, tmp_path / "a" / "checkpoint")
    assert {path.name for path in directory.iterdir()} == FILES
    again = load_checkpoint(str(directory))
    assert not again.training
    assert again.config == model.config
    assert again.contract == model.contract
    for (name, ours), (other, theirs) in zip(
        model.state_dict().items(), again.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(ours, theirs)
    series, connectome = torch.randn(2, 7, 6), torch.randn(2, 6, 6)
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(series, connectome).fused, again(series, connectome).fused)


def test_nothing_else_is_left_beside_the_directory(model, tmp_path):
    for _ in range(2):
        save_checkpoint(model, tmp_path / "checkpoint")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_an_older_checkpoint_is_replaced(model, tmp_path):
    save_checkpoint(BrainSymphony(EncoderConfig(n_rois=3, modules="structural")), tmp_path)
    save_checkpoint(model, tmp_path)
    assert load_checkpoint(tmp_path).config == model.config


def test_a_failed_save_leaves_the_older_checkpoint(model, tmp_path, monkeypatch):
    directory = save_checkpoint(model, tmp_path / "checkpoint")
    monkeypatch.setattr("bsymlearn.checkpoints._directory.save_file", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_checkpoint(model, directory)
    monkeypatch.undo()
    assert load_checkpoint(directory).config == model.config
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_other_files_are_never_lost(model, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        save_checkpoint(model, tmp_path)
    with pytest.raises(FileExistsError, match="is a file"):
        save_checkpoint(model, tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


class Estimator(BaseEstimator):
    def fit(self, X, module):
        self.module_ = module
        return self


class Wrapped(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder


def test_an_estimator_gives_its_encoder(model, tmp_path):
    for module in (model, Wrapped(model)):
        directory = save_checkpoint(Estimator().fit(None, module), tmp_path)
        assert load_checkpoint(directory).contract == model.contract
    with pytest.raises(NotFittedError):
        save_checkpoint(Estimator(), tmp_path)


@pytest.mark.parametrize("holder", [None, "model", SimpleNamespace(), torch.nn.Linear(2, 2)])
def test_only_encoders_can_be_saved(holder, tmp_path):
    with pytest.raises(TypeError, match="BrainSymphony"):
        save_checkpoint(holder, tmp_path)


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), torch.zeros(2)])
def test_a_contract_that_is_no_json_is_refused(model, tmp_path, value):
    model.contract["bad"] = value
    with pytest.raises(TypeError, match="contract"):
        save_checkpoint(model, tmp_path / "checkpoint")
    assert not any(tmp_path.iterdir())


def test_loading_leaves_the_random_state_alone(model, tmp_path):
    save_checkpoint(model, tmp_path)
    before = torch.get_rng_state()
    load_checkpoint(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_named(model, tmp_path, name):
    save_checkpoint(model, tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_cut_short_is_named(model, tmp_path, name):
    save_checkpoint(model, tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=name):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format_version=2, bsymlearn_version="9.9"), "format_version 2.*9.9"),
        (lambda c: c.pop("format_version"), "format_version None"),
        (lambda c: c.pop("sizes"), "no sizes"),
        (lambda c: c["sizes"].update(colour=1), "'colour'"),
        (lambda c: c["sizes"].update(dim=16), "has shape"),
        (lambda c: c["sizes"].update(n_layers=2), r"spatial\.blocks\.1.* is missing"),
        (lambda c: c["sizes"].update(modules=["structural"]), "is unknown"),
    ],
)
def test_sizes_that_do_not_fit_the_weights(model, tmp_path, change, message):
    save_checkpoint(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    change(config)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        load_checkpoint(tmp_path)


def test_a_pipeline_is_told_which_step_to_save(tmp_path):
    pipeline = make_pipeline(StandardScaler()).fit([[0.0], [1.0]])
    with pytest.raises(TypeError, match=r"pipeline\[0\]"):
        save_checkpoint(pipeline, tmp_path / "new")
    assert not (tmp_path / "new").exists()
