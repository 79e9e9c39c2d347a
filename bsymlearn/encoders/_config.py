"""Sizes of a BrainSymphony encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any

PARTS = ("spatial", "temporal", "context", "perceiver", "structural", "gate")

_CHOICES = {
    "positions": ("learnable", "gradient"),
    "structural_attention": ("first_hop", "multi_hop", "diffusion"),
    "structural_positions": ("learnable", "laplacian"),
}
_COUNTS = (
    "n_rois",
    "time_steps",
    "dim",
    "n_layers",
    "n_heads",
    "mlp_dim",
    "n_gradients",
    "perceiver_heads",
    "perceiver_width",
    "n_latent_blocks",
    "structural_layers",
    "structural_heads",
    "max_hops",
)
# Which parts cut `dim` into how many heads; an absent part constrains nothing.
_HEADS = {
    "n_heads": ("spatial", "temporal"),
    "perceiver_heads": ("perceiver",),
    "structural_heads": ("structural",),
}


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of a BrainSymphony encoder.

    Parameters
    ----------
    n_rois : int
        Number of regions of interest, R.
    time_steps : int, default=200
        Number of time points of a window, T. Shorter scans are padded and masked.
    dim : int, default=128
        Width of all embeddings, D.
    n_layers, n_heads, mlp_dim : int, default=6, 4, 512
        Depth, attention heads and hidden width of the spatial and the temporal transformer.
    dropout : float, default=0.1
        Dropout probability of all parts, in [0, 1).
    positions : {"learnable", "gradient"}, default="learnable"
        ROI positions of the spatial transformer: a learnable table, or a projection of
        `n_gradients` brain gradients that are given to the forward pass.
    n_gradients : int, default=10
        Number of brain gradients, G, where ``positions="gradient"``.
    perceiver_heads, perceiver_width, n_latent_blocks : int, default=2, 128, 2
        Attention heads of the Perceiver, width of the three projections of its input, and
        number of transformer blocks after its cross-attention.
    structural_layers, structural_heads : int, default=6, 4
        Depth and attention heads of the signed graph transformer.
    structural_attention : {"first_hop", "multi_hop", "diffusion"}, default="first_hop"
        The hop matrices over which signed attention is averaged.
    max_hops : int, default=2
        Longest path of ``structural_attention="multi_hop"``.
    diffusion_theta : float, default=0.1
        Weight of a step of ``structural_attention="diffusion"``.
    structural_positions : {"learnable", "laplacian"}, default="learnable"
        ROI positions of the graph transformer.
    modules : sequence of str, default=all
        The parts that exist, out of "spatial", "temporal", "context", "perceiver",
        "structural" and "gate". A partial checkpoint holds only some.
    n_positions : int, optional
        Rows of the learnable spatial position table where it is longer than `n_rois`;
        only the first `n_rois` are used.

    Raises
    ------
    ValueError
        If a size is out of range, or heads do not divide `dim`.

    Notes
    -----
    Defaults are those of the paper, arXiv 2506.18314, section 3.

    Examples
    --------
    >>> from bsymlearn.encoders import EncoderConfig
    >>> config = EncoderConfig(n_rois=100, dim=64, modules=("structural",))
    >>> config.dim, config.modules
    (64, ('structural',))
    >>> EncoderConfig.from_dict(config.to_dict()) == config
    True
    """

    n_rois: int
    time_steps: int = 200
    dim: int = 128
    n_layers: int = 6
    n_heads: int = 4
    mlp_dim: int = 512
    dropout: float = 0.1
    positions: str = "learnable"
    n_gradients: int = 10
    perceiver_heads: int = 2
    perceiver_width: int = 128
    n_latent_blocks: int = 2
    structural_layers: int = 6
    structural_heads: int = 4
    structural_attention: str = "first_hop"
    max_hops: int = 2
    diffusion_theta: float = 0.1
    structural_positions: str = "learnable"
    modules: tuple[str, ...] = PARTS
    n_positions: int | None = None

    def __post_init__(self) -> None:
        """Bring every field to its plain Python type and check it."""
        for name in _COUNTS:
            self._set_count(name)
        if self.n_positions is not None:
            self._set_count("n_positions")
            if self.n_positions < self.n_rois:
                raise ValueError(
                    f"n_positions={self.n_positions} is fewer than n_rois={self.n_rois}; every ROI "
                    "needs a row of the position table. Leave n_positions out, or enlarge it."
                )
        for name, low, high in (("dropout", 0.0, 1.0), ("diffusion_theta", -math.inf, math.inf)):
            value = getattr(self, name)
            if (
                not isinstance(value, Real)
                or isinstance(value, bool)
                or not low <= float(value) < high
            ):
                raise ValueError(f"{name}={value!r}, expected a number in [{low}, {high}).")
            object.__setattr__(self, name, float(value))
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r}, expected one of {', '.join(choices)}."
                )
        self._set_modules()
        for name, parts in _HEADS.items():
            if set(parts) & set(self.modules) and self.dim % getattr(self, name):
                raise ValueError(
                    f"dim={self.dim} cannot be cut into {name}={getattr(self, name)} heads of "
                    "equal width. Choose a dim that is a multiple of it."
                )

    def _set_count(self, name: str) -> None:
        """Store a positive integer as a plain int."""
        value = getattr(self, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name}={value!r}, expected a positive integer.")
        object.__setattr__(self, name, int(value))

    def _set_modules(self) -> None:
        """Store the parts in their fixed order."""
        modules = (self.modules,) if isinstance(self.modules, str) else tuple(self.modules)
        unknown = sorted(set(map(str, modules)) - set(PARTS))
        if unknown or not modules:
            raise ValueError(
                f"modules={self.modules!r} "
                + (f"names {unknown}" if unknown else "is empty")
                + f", expected some of {', '.join(PARTS)}."
            )
        object.__setattr__(self, "modules", tuple(name for name in PARTS if name in modules))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict that JSON can hold.

        Returns
        -------
        dict
            Field names and values; `modules` as a list.
        """
        return {**asdict(self), "modules": list(self.modules)}

    @classmethod
    def from_dict(cls, sizes: Mapping[str, Any]) -> EncoderConfig:
        """Build a config from what `to_dict` returned.

        Parameters
        ----------
        sizes : mapping
            Field names and values; fields left out keep their defaults.

        Returns
        -------
        EncoderConfig
            The config.

        Raises
        ------
        ValueError
            If a key is no field, `n_rois` is missing, or a value is out of range.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(sizes) - known)
        if unknown:
            raise ValueError(
                f"{', '.join(map(repr, unknown))} is no field of EncoderConfig. "
                f"Its fields are {', '.join(sorted(known))}."
            )
        if "n_rois" not in sizes:
            raise ValueError("EncoderConfig needs n_rois, the number of ROIs, and got none.")
        return cls(**sizes)
