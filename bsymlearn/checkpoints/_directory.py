"""Checkpoint directories: weights, sizes and contract of a BrainSymphony."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from bsymlearn.encoders import BrainSymphony, EncoderConfig

FORMAT_VERSION = 1
WEIGHTS, CONFIG, CONTRACT = "model.safetensors", "config.json", "contract.json"


def save_checkpoint(estimator_or_module: Any, directory: str | os.PathLike[str]) -> Path:
    """Save an encoder as a checkpoint directory.

    The directory holds ``model.safetensors`` (weights), ``config.json`` (sizes and versions) and
    ``contract.json`` (what the inputs must be like). It is complete or absent: an interrupted
    save leaves what was there before.

    Parameters
    ----------
    estimator_or_module : estimator or BrainSymphony
        A fitted estimator of this package, whose encoder is saved, or the torch module itself.
    directory : path-like
        Where to save. An older checkpoint there is replaced.

    Returns
    -------
    Path
        The directory.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If there is no BrainSymphony in what was given, or JSON cannot hold its contract.
    FileExistsError
        If `directory` is a file, or holds files that are no checkpoint.

    Examples
    --------
    >>> import tempfile
    >>> from bsymlearn import BrainSymphony, EncoderConfig, load_checkpoint, save_checkpoint
    >>> model = BrainSymphony(EncoderConfig(n_rois=10, dim=8, modules="structural"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     directory = save_checkpoint(model, f"{folder}/checkpoint")
    ...     load_checkpoint(directory).config.n_rois
    10
    """
    model = find_encoder(estimator_or_module)
    directory = Path(directory).expanduser().resolve()
    _check_replaceable(directory)
    config = {
        "format_version": FORMAT_VERSION,
        "bsymlearn_version": _version(),
        "sizes": model.config.to_dict(),
    }
    try:
        contract = json.dumps(model.contract, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"The contract of this encoder cannot be written as JSON ({error}). Keep only dicts, "
            "lists, strings, finite numbers, booleans and None in it."
        ) from error
    weights = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}

    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}")
    partial.mkdir()
    try:
        save_file(weights, partial / WEIGHTS)
        (partial / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        (partial / CONTRACT).write_text(contract + "\n", encoding="utf-8")
        _swap(partial, directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return directory


def load_checkpoint(
    directory: str | os.PathLike[str], device: str | torch.device = "cpu"
) -> BrainSymphony:
    """Load an encoder from a checkpoint directory.

    Parameters
    ----------
    directory : path-like
        What `save_checkpoint` or `convert_authors_checkpoint` wrote.
    device : str or torch.device, default="cpu"
        Where the weights go.

    Returns
    -------
    BrainSymphony
        The encoder in eval mode, with its `config` and `contract`.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged, of a newer format, or the weights do not fit the sizes.

    See Also
    --------
    save_checkpoint : Writes the directory; with an example.
    """
    directory = Path(directory).expanduser()
    stored = _read_json(directory, CONFIG)
    if not isinstance(stored, dict) or stored.get("format_version") != FORMAT_VERSION:
        found = stored.get("format_version") if isinstance(stored, dict) else None
        raise ValueError(
            f"{directory / CONFIG} has format_version {found!r}, but this version reads "
            f"{FORMAT_VERSION}. Save the checkpoint again, or use the bsymlearn that wrote it"
            f"{_written_by(stored)}."
        )
    if not isinstance(stored.get("sizes"), dict):
        raise ValueError(f"{directory / CONFIG} holds no sizes. Save the checkpoint again.")
    config = EncoderConfig.from_dict(stored["sizes"])
    contract = _read_json(directory, CONTRACT)
    try:
        weights = load_file(_existing(directory, WEIGHTS))
    except SafetensorError as error:
        raise ValueError(
            f"{directory / WEIGHTS} is no readable safetensors file ({error}); it may be cut "
            "short. Copy or save the checkpoint again."
        ) from error
    model = build(config, weights, f"{directory / WEIGHTS}")
    model.contract = contract
    return model.to(device)


def build(config: EncoderConfig, weights: dict[str, Tensor], origin: str) -> BrainSymphony:
    """Build an encoder in eval mode from exactly the weights that its sizes ask for."""
    # The initial weights are thrown away: drawing them must not move the global generator.
    with torch.random.fork_rng(devices=[]):
        model = BrainSymphony(config).eval()
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_tensors(weights, expected, origin)
    model.load_state_dict(weights)
    return model


def check_tensors(
    tensors: dict[str, Tensor], expected: dict[str, tuple[int, ...]], origin: str
) -> None:
    """Raise a ValueError that names the tensors that are missing, surplus or misshapen."""
    problems = [f"{name} is missing" for name in expected if name not in tensors]
    for name, tensor in tensors.items():
        if name not in expected:
            problems.append(f"{name} is unknown")
        elif tuple(tensor.shape) != expected[name]:
            problems.append(f"{name} has shape {tuple(tensor.shape)}, not {expected[name]}")
        elif not tensor.is_floating_point():
            problems.append(f"{name} is {tensor.dtype}, not floating point")
    if problems:
        more = f" and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(
            f"{origin} does not fit the encoder: {'; '.join(problems[:10])}{more}. Check that the "
            "file is whole and belongs to these sizes."
        )


def find_encoder(holder: Any, asker: str = "save_checkpoint") -> BrainSymphony:
    """Find the encoder in a module or a fitted estimator."""
    if isinstance(holder, BrainSymphony):
        return holder
    if not isinstance(holder, nn.Module):
        if not hasattr(holder, "fit"):
            raise TypeError(
                f"{asker} got a {type(holder).__name__}, expected a fitted estimator or a "
                "BrainSymphony."
            )
        if hasattr(holder, "steps") or hasattr(holder, "best_estimator_"):
            raise TypeError(
                f"{asker} got a {type(holder).__name__}, which may hold an encoder in "
                "one of its steps. Pass that step (pipeline[0], search.best_estimator_[0]); "
                "joblib.dump keeps whole pipelines."
            )
        check_is_fitted(holder, "module_")
        holder = holder.module_
    if not isinstance(holder, BrainSymphony):
        holder = getattr(holder, "encoder", holder)
    if not isinstance(holder, BrainSymphony):
        raise TypeError(
            f"{asker} got a {type(holder).__name__}, which holds no BrainSymphony. "
            "Pass a BrainSymphony or an estimator of this package."
        )
    return holder


def _check_replaceable(directory: Path) -> None:
    """Refuse to replace anything but a checkpoint or an empty directory."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise FileExistsError(f"{directory} is a file; name a directory for the checkpoint.")
    names = {path.name for path in directory.iterdir()}
    foreign = sorted(names - {WEIGHTS, CONFIG, CONTRACT})
    if foreign:
        raise FileExistsError(
            f"{directory} holds {', '.join(foreign[:5])}, which belong to no checkpoint and would "
            "be lost. Name a new directory, or empty this one."
        )


def _swap(new: Path, directory: Path) -> None:
    """Put `new` in the place of `directory`; a failure puts the old one back."""
    if not directory.exists():
        os.replace(new, directory)
        return
    old = new.with_name(f"{new.name}.old")
    os.replace(directory, old)
    try:
        os.replace(new, directory)
    except OSError:
        os.replace(old, directory)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _existing(directory: Path, name: str) -> Path:
    """Return the path of a file of the checkpoint."""
    path = directory / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist, but a checkpoint is a directory with {WEIGHTS}, {CONFIG} and "
            f"{CONTRACT}. Pass the directory that save_checkpoint wrote; the authors' .pth files "
            "go through convert_authors_checkpoint first."
        )
    return path


def _read_json(directory: Path, name: str) -> Any:
    """Read a JSON file of the checkpoint."""
    path = _existing(directory, name)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is no valid JSON ({error}). Copy or save the checkpoint again."
        ) from error


def _written_by(stored: Any) -> str:
    """Name the version that wrote a checkpoint, where it says."""
    written = stored.get("bsymlearn_version") if isinstance(stored, dict) else None
    return f" ({written})" if written else ""


def _version() -> str:
    """Return the installed version of this package."""
    try:
        return version("bsymlearn")
    except PackageNotFoundError:
        return "unknown"
