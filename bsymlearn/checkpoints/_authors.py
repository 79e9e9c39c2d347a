"""Conversion of the authors' state dicts into checkpoint directories."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bsymlearn.encoders import PARTS, BrainSymphony, EncoderConfig, sinusoidal_positions

from ._authors_keys import State, recognise, sizes_of, tensors_of
from ._directory import build, check_tensors, save_checkpoint

_FOLDERS = ("", "functional_v1", "structural_v1")
# What the authors call the files of the parts.
_STEMS = {
    "spatial": "spatial",
    "temporal": "temporal",
    "context": "context",
    "fusion": "perceiver",
    "structural": "structural",
    "gate": "gate",
}
PathLike = str | os.PathLike[str]


def convert_authors_checkpoint(
    source: PathLike | Iterable[PathLike], destination: PathLike, **config_overrides: Any
) -> Path:
    """Convert state dicts that the authors of BrainSymphony released.

    Sizes are read from the shapes of the tensors. What shapes cannot tell (`n_heads`,
    `perceiver_heads`, `structural_heads`, `structural_attention`, `max_hops`, `diffusion_theta`,
    `dropout`, `structural_positions`) has the defaults of `EncoderConfig` unless overridden. Files
    are read as tensors only, never as code.

    Parameters
    ----------
    source : path-like or iterable of path-like
        A directory with ``functional_v1/``, ``structural_v1/`` or ``gate.pth``, or with ``.pth``
        files themselves; or one or several ``.pth`` files. Any subset of the parts; each is
            recognised by the names of its tensors.
    destination : path-like
        The checkpoint directory to write.
    **config_overrides
        Fields of `EncoderConfig`.

    Returns
    -------
    Path
        The checkpoint directory, for `load_checkpoint`.

    Raises
    ------
    FileNotFoundError
        If there is no ``.pth`` file in `source`.
    ValueError
        If a tensor is missing, surplus or misshapen, files disagree about a size, or an override
        contradicts a shape.

    References
    ----------
    BrainSymphony, arXiv 2506.18314.

    Examples
    --------
    >>> import tempfile, torch
    >>> from bsymlearn import convert_authors_checkpoint, load_checkpoint
    >>> gate = {"gate_proj.weight": torch.zeros(8, 16), "gate_proj.bias": torch.zeros(8)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(gate, f"{folder}/gate.pth")
    ...     directory = convert_authors_checkpoint(
    ...         f"{folder}/gate.pth", f"{folder}/checkpoint", n_rois=10
    ...     )
    ...     load_checkpoint(directory).config.modules
    ('gate',)
    """
    states = _read_parts(source)
    config = _config(states, config_overrides)
    weights: dict[str, Tensor] = {}
    for part, state in states.items():
        if part == "temporal":
            state = _without_sinusoids(state, config)
        weights.update(_translate(part, state, config))
    return save_checkpoint(build(config, weights, "The converted checkpoint"), destination)


def _read_parts(source: PathLike | Iterable[PathLike]) -> dict[str, State]:
    """Read every file of the source and tell which part it is."""
    states: dict[str, State] = {}
    origins: dict[str, Path] = {}
    for path in _files(source):
        state = _read_state(path)
        recognised = recognise(state)
        if recognised is None:
            raise ValueError(
                f"{path} holds {', '.join(sorted(state)[:3]) or 'nothing'}, which belong to no "
                f"part of BrainSymphony. Expected state dicts of {', '.join(_STEMS)}."
            )
        part, witness = recognised
        if _STEMS.get(path.stem, part) != part:
            raise ValueError(
                f"{path} is named {path.stem} but holds {witness}, a tensor of {part}. Check "
                "whether files were mixed up."
            )
        if part in states:
            raise ValueError(
                f"{origins[part]} and {path} both hold the part {part}. Pass one of them."
            )
        states[part], origins[part] = state, path
    return states


def _files(source: PathLike | Iterable[PathLike]) -> list[Path]:
    """List the .pth files of the source."""
    if not isinstance(source, str | os.PathLike):
        return [path for item in source for path in _files(item)]
    path = Path(source).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist. Pass the directory or the .pth files.")
    files = [file for folder in _FOLDERS for file in sorted((path / folder).glob("*.pth"))]
    if not files:
        raise FileNotFoundError(
            f"{path} holds no .pth file, neither itself nor in functional_v1 or structural_v1. "
            "Pass the directory that the authors released, or its files."
        )
    return files


def _read_state(path: Path) -> State:
    """Read a state dict, tensors only."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(
            f"{path} could not be read as a dict of tensors, and is not unpickled otherwise. Save "
            "its state_dict() alone, with torch.save."
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise ValueError(
            f"{path} holds more than tensors by name. Save the state_dict() of one part alone."
        )
    return dict(state)


def _config(states: dict[str, State], overrides: dict[str, Any]) -> EncoderConfig:
    """Read the sizes from the shapes, and add what the overrides say."""
    sizes: dict[str, Any] = {"modules": tuple(part for part in PARTS if part in states)}
    told_by = {"modules": "the files given"}
    for part, state in states.items():
        for name, size, tensor in sizes_of(part, state):
            if sizes.setdefault(name, size) != size:
                raise ValueError(
                    f"{tensor} of {part} says {name}={size}, but {told_by[name]} says "
                    f"{name}={sizes[name]}. Convert files that belong together."
                )
            told_by.setdefault(name, f"{tensor} of {part}")
    for name, value in overrides.items():
        if name == "modules":
            value = tuple(part for part in PARTS if part in value)
        if name in sizes and value != sizes[name]:
            raise ValueError(
                f"{name}={value!r} contradicts {told_by[name]}, which says {sizes[name]!r}. Leave "
                f"{name} out."
            )
        sizes[name] = value
    if "n_rois" not in sizes:
        raise ValueError(
            f"The number of ROIs cannot be told from {', '.join(states)} alone. Pass n_rois=..."
        )
    if "n_positions" in sizes and sizes["n_positions"] < sizes["n_rois"]:
        raise ValueError(
            f"{told_by['n_positions']} has {sizes['n_positions']} positions for {sizes['n_rois']} "
            "ROIs. Convert files that belong together."
        )
    if sizes.get("n_positions") == sizes["n_rois"]:
        sizes["n_positions"] = None
    return EncoderConfig.from_dict(sizes)


def _without_sinusoids(state: State, config: EncoderConfig) -> State:
    """Check the sinusoidal table against its formula and leave it out."""
    table = state.get("pos_enc.pe")
    if table is None:
        raise ValueError("temporal: pos_enc.pe is missing. Check that the file is whole.")
    shape = tuple(table.shape)
    if len(shape) != 3 or shape[0] != 1 or shape[1] < config.time_steps or shape[2] != config.dim:
        raise ValueError(
            f"temporal: pos_enc.pe has shape {shape}, expected (1, at least {config.time_steps}, "
            f"{config.dim}), a row per time point. Pass time_steps=... where it is fewer."
        )
    # float32 angles are off by up to 1e-7 of the position, more than sines of small angles are.
    expected = sinusoidal_positions(shape[1], config.dim)
    tolerance = 1e-5 + 1e-6 * torch.arange(shape[1])[:, None]
    if not bool(((table[0] - expected).abs() <= tolerance).all()):
        raise ValueError(
            "temporal: pos_enc.pe differs from the sinusoidal table, which this encoder computes. "
            "The file is damaged, or belongs to another model."
        )
    return {name: tensor for name, tensor in state.items() if name != "pos_enc.pe"}


def _translate(part: str, state: State, config: EncoderConfig) -> State:
    """Give the tensors of a part our names, after checking that they are what they should be."""
    tensors = tensors_of(part, config)
    ours = _expected_shapes(config)
    expected: dict[str, tuple[int, ...]] = {}
    for theirs, names in tensors.used.items():
        first = ours[names[0]]
        stacked = (sum(ours[name][0] for name in names), *first[1:]) if first else first
        expected[theirs] = (1, *stacked) if theirs in tensors.wrapped else stacked
    for name, shape in tensors.unused.items():
        if name in state:
            expected[name] = shape
    check_tensors(state, expected, f"The state dict of {part}")
    weights: State = {}
    for theirs, names in tensors.used.items():
        tensor = state[theirs].float()
        tensor = tensor[0] if theirs in tensors.wrapped else tensor
        pieces = tensor.chunk(len(names)) if len(names) > 1 else (tensor,)
        weights.update(zip(names, pieces, strict=True))
    return weights


def _expected_shapes(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of our tensors at these sizes."""
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in BrainSymphony(config).state_dict().items()}
