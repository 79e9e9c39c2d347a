"""The tensors of the authors' state dicts: what they are called, and what they say of sizes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from bsymlearn.encoders import EncoderConfig

State = dict[str, Tensor]
Shape = tuple[int, ...]

# Tells the parts apart by keys that no other part has.
_SIGNATURES = {
    "structural": r"layers\.\d+\.([qkv]_|out_|layer_norm|ffn)|edge_weight|pos(_embed|itional)",
    "perceiver": r"latent|cross_attn|input_|head|(roi|time|signal)_proj",
    "context": r"conv1d|mask_token|decoder",
    "gate": r"gate_proj",
    "transformer": r"layers\.\d+\.(attn|norm|mlp)|embedding_layer|pos_enc",
}


def recognise(state: State) -> tuple[str, str] | None:
    """Return the part that a state dict belongs to, and a tensor that shows it."""
    matching = {
        part: [key for key in state if re.match(pattern, key)]
        for part, pattern in _SIGNATURES.items()
    }
    part = max(matching, key=lambda name: len(matching[name]))
    if not matching[part]:
        return None
    if part != "transformer":
        return part, matching[part][0]
    for key in matching[part]:
        if re.match(r"pos_enc\.(alpha|ln|proj)", key):
            return "spatial", key
    return "temporal", matching[part][0]


@dataclass
class Tensors:
    """What the authors call the tensors of a part.

    Attributes
    ----------
    used : dict of str to tuple of str
        Their name to our name or names; several of ours are stacked in theirs.
    unused : dict of str to tuple of int
        Names and shapes of tensors that their state dicts carry and their model does not read.
    wrapped : set of str
        Their names that have a leading axis of length 1.
    """

    used: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unused: dict[str, Shape] = field(default_factory=dict)
    wrapped: set[str] = field(default_factory=set)

    def add(self, theirs: str, *ours: str) -> None:
        """Add the weight and the bias of a layer."""
        for kind in ("weight", "bias"):
            self.used[f"{theirs}.{kind}"] = tuple(f"{name}.{kind}" for name in ours)


def tensors_of(part: str, config: EncoderConfig) -> Tensors:
    """Return the tensors of a part at these sizes."""
    return _TABLES[part](config)


def _blocks(tensors: Tensors, theirs: str, ours: str, n_layers: int) -> None:
    """Add pre-norm blocks."""
    for i in range(n_layers):
        source, target = f"{theirs}.{i}", f"{ours}.{i}"
        tensors.used[f"{source}.attn.qkv.weight"] = (f"{target}.attention.qkv.weight",)
        tensors.add(f"{source}.attn.fc_out", f"{target}.attention.output")
        for name in ("norm1", "norm2", "mlp.0", "mlp.2"):
            tensors.add(f"{source}.{name}", f"{target}.{name}")


def _spatial(config: EncoderConfig) -> Tensors:
    """Name the tensors of spatial.pth."""
    tensors = Tensors()
    _blocks(tensors, "layers", "spatial.blocks", config.n_layers)
    tensors.add("embedding_layer", "spatial.embedding")
    if config.positions == "learnable":
        tensors.used["pos_enc.pe"] = ("spatial.positions.table",)
        tensors.wrapped.add("pos_enc.pe")
        tensors.unused["pos_enc.alpha"] = ()
        tensors.unused["pos_enc.ln.weight"] = tensors.unused["pos_enc.ln.bias"] = (config.dim,)
    else:
        tensors.used["pos_enc.alpha"] = ("spatial.positions.alpha",)
        tensors.add("pos_enc.proj", "spatial.positions.projection")
        tensors.add("pos_enc.ln", "spatial.positions.norm")
    return tensors


def _temporal(config: EncoderConfig) -> Tensors:
    """Name the tensors of temporal.pth, without its sinusoidal table."""
    tensors = Tensors()
    _blocks(tensors, "layers", "temporal.blocks", config.n_layers)
    tensors.add("embedding_layer", "temporal.embedding")
    return tensors


def _context(config: EncoderConfig) -> Tensors:
    """Name the tensors of context.pth."""
    tensors = Tensors(used={"mask_token": ("context.mask_token",)})
    tensors.add("conv1d", "context.convolution")
    for i, (n_in, n_out) in zip((0, 2, 4), ((64, 32), (32, 8), (8, 1)), strict=True):
        tensors.unused[f"decoder.{i}.weight"] = (n_out, n_in)
        tensors.unused[f"decoder.{i}.bias"] = (n_out,)
    return tensors


def _perceiver(config: EncoderConfig) -> Tensors:
    """Name the tensors of fusion.pth."""
    tensors = Tensors(used={"latents": ("perceiver.latents",)})
    for kind in ("weight", "bias"):
        tensors.used[f"cross_attn.in_proj_{kind}"] = tuple(
            f"perceiver.{name}.{kind}" for name in ("query", "key", "value")
        )
    for theirs, ours in (
        ("roi_proj", "spatial_projection"),
        ("time_proj", "temporal_projection"),
        ("signal_proj", "context_projection"),
        ("input_proj", "input_projection"),
        ("input_ln", "input_norm"),
        ("cross_attn.out_proj", "output"),
        ("cross_attn_norm", "output_norm"),
        ("head.0", "head.0"),
        ("head.2", "head.2"),
    ):
        tensors.add(theirs, f"perceiver.{ours}")
    _blocks(tensors, "latent_transformers", "perceiver.blocks", config.n_latent_blocks)
    return tensors


def _structural(config: EncoderConfig) -> Tensors:
    """Name the tensors of structural.pth."""
    tensors = Tensors()
    tensors.add("input_proj", "structural.embedding")
    if config.structural_positions == "learnable":
        tensors.used["pos_embed"] = ("structural.positions",)
        tensors.unused["positional_proj.weight"] = (config.dim, 30)
        tensors.unused["positional_proj.bias"] = (config.dim,)
    else:
        tensors.add("positional_proj", "structural.positional_projection")
        tensors.unused["pos_embed"] = (config.n_rois, config.dim)
    for i in range(config.structural_layers):
        for theirs, ours in (
            ("q_linear", "query"),
            ("k_linear", "key"),
            ("v_linear", "value"),
            ("out_linear", "output"),
            ("layer_norm1", "norm1"),
            ("layer_norm2", "norm2"),
            ("ffn.0", "mlp.0"),
            ("ffn.2", "mlp.2"),
        ):
            tensors.add(f"layers.{i}.{theirs}", f"structural.layers.{i}.{ours}")
    for i in (0, 2, 4):
        tensors.add(f"edge_weight_predictor.{i}", f"structural.edge_decoder.{i}")
    return tensors


def _gate(config: EncoderConfig) -> Tensors:
    """Name the tensors of gate.pth."""
    tensors = Tensors()
    tensors.add("gate_proj", "gate.projection")
    return tensors


_TABLES: dict[str, Callable[[EncoderConfig], Tensors]] = {
    "spatial": _spatial,
    "temporal": _temporal,
    "context": _context,
    "perceiver": _perceiver,
    "structural": _structural,
    "gate": _gate,
}

# Per part: a tensor, and the field that each of its axes tells (None: tells nothing). Several
# tell the same, so that one of a wrong shape is named rather than believed.
_AXES: dict[str, tuple[tuple[str, tuple[str | None, ...]], ...]] = {
    "spatial": (
        ("embedding_layer.bias", ("dim",)),
        ("embedding_layer.weight", ("dim", "time_steps")),
        ("layers.0.mlp.0.bias", ("mlp_dim",)),
        ("layers.0.mlp.0.weight", ("mlp_dim", "dim")),
    ),
    "temporal": (
        ("embedding_layer.bias", ("dim",)),
        ("embedding_layer.weight", ("dim", "n_rois")),
        ("layers.0.mlp.0.bias", ("mlp_dim",)),
        ("layers.0.mlp.0.weight", ("mlp_dim", "dim")),
    ),
    "context": (),
    "perceiver": (
        ("latents", ("n_rois", "dim")),
        ("roi_proj.weight", ("perceiver_width", "dim")),
        ("time_proj.weight", ("perceiver_width", "dim")),
        ("head.2.bias", ("time_steps",)),
        ("head.2.weight", ("time_steps", None)),
    ),
    "structural": (
        ("input_proj.bias", ("dim",)),
        ("input_proj.weight", ("dim", "n_rois")),
    ),
    "gate": (("gate_proj.bias", ("dim",)), ("gate_proj.weight", ("dim", None))),
}
_STACKS = {
    "spatial": ("layers", "n_layers"),
    "temporal": ("layers", "n_layers"),
    "perceiver": ("latent_transformers", "n_latent_blocks"),
    "structural": ("layers", "structural_layers"),
}


def sizes_of(part: str, state: State) -> Iterator[tuple[str, int | str, str]]:
    """Yield the fields that a state dict tells, as (field, value, name of the tensor)."""
    axes = list(_AXES[part])
    if part == "spatial":
        if "pos_enc.proj.weight" in state:
            yield "positions", "gradient", "pos_enc.proj.weight"
            axes.append(("pos_enc.proj.weight", ("dim", "n_gradients")))
        else:
            yield "positions", "learnable", "pos_enc.pe"
            axes.append(("pos_enc.pe", (None, "n_positions", "dim")))
    for name, told in axes:
        if name not in state:
            raise ValueError(f"{part}: {name} is missing. Check that the file is whole.")
        shape = tuple(state[name].shape)
        if len(shape) != len(told):
            raise ValueError(f"{part}: {name} has shape {shape}, expected {len(told)} axes.")
        yield from ((size, n, name) for size, n in zip(told, shape, strict=True) if size)
    if part in _STACKS:
        prefix, size = _STACKS[part]
        depth = _depth(state, prefix)
        yield size, depth, f"{prefix}.{depth - 1}"


def _depth(state: State, prefix: str) -> int:
    """Count layers; a stray tensor makes none, and a lost one loses none."""
    matches = [re.match(rf"{prefix}\.(\d+)\.", key) for key in state]
    counts = Counter(int(match[1]) for match in matches if match)
    most = max(counts.values(), default=0)
    return 1 + max((i for i, count in counts.items() if 2 * count > most), default=0)
