"""BrainSymphony: the two branches and the gate."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import Tensor, nn

from ._config import EncoderConfig
from ._context import ContextStream
from ._fusion import Gate
from ._initialise import initialise
from ._inputs import Connectomes, Scans, read_connectomes, read_gradients, read_scans
from ._outputs import EncoderOutput, Streams
from ._perceiver import Perceiver
from ._spatial import SpatialStream
from ._structural import StructuralBranch
from ._temporal import TemporalStream

_STREAMS = ("spatial", "temporal", "context")


class BrainSymphony(nn.Module):
    """Multimodal encoder of brain scans.

    The fMRI branch (spatial transformer, temporal transformer and convolution, distilled by a
    Perceiver with one latent per ROI) and the structural branch (signed graph transformer) are
    usable alone; a gate fuses them.

    Parameters
    ----------
    config : EncoderConfig
        Sizes, and which parts exist.

    Attributes
    ----------
    config : EncoderConfig
        As given.
    contract : dict
        What the inputs must be like (scaling, ROI names, ...), for those who prepare them; kept
        in checkpoints, not read by the module.
    spatial, temporal, context, perceiver, structural, gate : Module or None
        The parts; `part` gives one of them or an error that says what is there.

    References
    ----------
    BrainSymphony, arXiv 2506.18314.

    Examples
    --------
    >>> import torch
    >>> from bsymlearn.encoders import BrainSymphony, EncoderConfig
    >>> config = EncoderConfig(n_rois=10, time_steps=20, dim=8, n_layers=1, structural_layers=1)
    >>> model = BrainSymphony(config).eval()
    >>> output = model(timeseries=torch.randn(2, 20, 10), connectome=torch.rand(2, 10, 10))
    >>> output.fused.shape, output.reconstruction.shape
    (torch.Size([2, 10, 8]), torch.Size([2, 20, 10]))
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.contract: dict[str, Any] = {}
        has = set(config.modules)
        self.spatial = SpatialStream(config) if "spatial" in has else None
        self.temporal = TemporalStream(config) if "temporal" in has else None
        self.context = ContextStream() if "context" in has else None
        self.perceiver = Perceiver(config) if "perceiver" in has else None
        self.structural = StructuralBranch(config) if "structural" in has else None
        self.gate = Gate(config.dim) if "gate" in has else None
        initialise(self)

    def part(self, name: str) -> Any:
        """Return a part of the model.

        Parameters
        ----------
        name : str
            "spatial", "temporal", "context", "perceiver", "structural" or "gate".

        Returns
        -------
        Module
            The part.

        Raises
        ------
        ValueError
            If the model has no such part.
        """
        if name not in self.config.modules:
            raise ValueError(
                f"This BrainSymphony has no part {name!r}; it has "
                f"{', '.join(self.config.modules)}. Use a checkpoint that holds {name!r}, or what "
                "the present parts allow."
            )
        return getattr(self, name)

    def streams(
        self,
        timeseries: Tensor,
        *,
        gradients: Tensor | None = None,
        valid: Tensor | None = None,
        hidden: Tensor | None = None,
        parts: Collection[str] | None = None,
    ) -> Streams:
        """Run the functional streams without the Perceiver.

        Parameters
        ----------
        timeseries, gradients, valid, hidden : Tensor
            As in `forward`.
        parts : collection of str, optional
            The streams to run, out of "spatial", "temporal" and "context"; by default all that
            the model has.

        Returns
        -------
        Streams
            Outputs of the streams, None where not run.

        Raises
        ------
        ValueError
            If shapes do not fit, or the model lacks a stream.
        """
        scans = read_scans(timeseries, valid, hidden, None, self.config)
        parts = (
            [name for name in _STREAMS if name in self.config.modules] if parts is None else parts
        )
        streams, _ = self._run_streams(scans, gradients, parts, False)
        if "context" in parts:
            context = self.part("context")
            streams.context = _absent(context(context.fill(scans.series, scans.hidden)), scans)
        return streams

    def _run_streams(
        self, scans: Scans, gradients: Tensor | None, parts: Collection[str], return_attention: bool
    ) -> tuple[Streams, dict[str, Tensor | None]]:
        """Run the two transformers out of `parts`."""
        streams = Streams()
        attention: dict[str, Tensor | None] = {}
        if "spatial" in parts:
            spatial = self.part("spatial")
            code = self.position_code(gradients, len(scans.series))
            latents, weights = spatial(scans.series, code, scans.rois, return_attention)
            streams.spatial, attention["spatial"] = _absent(latents, scans), weights
        if "temporal" in parts:
            latents, weights = self.part("temporal")(scans.series, scans.times, return_attention)
            streams.temporal, attention["temporal"] = _absent(latents, scans), weights
        return streams, attention

    def position_code(self, gradients: Tensor | None = None, n_scans: int = 1) -> Tensor:
        """Return ROI positions, (R, D), or (B, R, D) where `gradients` are (B, R, G)."""
        return self.part("spatial").positions.code(read_gradients(gradients, n_scans, self.config))

    def forward(
        self,
        timeseries: Tensor | None = None,
        connectome: Tensor | None = None,
        *,
        gradients: Tensor | None = None,
        valid: Tensor | None = None,
        hidden: Tensor | None = None,
        has_timeseries: Tensor | None = None,
        has_connectome: Tensor | None = None,
        edges: Tensor | None = None,
        return_attention: bool = False,
        key_times: Tensor | None = None,
    ) -> EncoderOutput:
        """Embed scans.

        Parameters
        ----------
        timeseries : Tensor of shape (B, T, R), optional
            ROI time series, scaled by the caller.
        connectome : Tensor of shape (B, R, R), optional
            Connectomes, scaled by the caller.
        gradients : Tensor of shape (R, G) or (B, R, G), optional
            Brain gradients of the ROIs, where ``positions="gradient"``. NaN counts as 0.
        valid : bool Tensor of shape (B, T, R), optional
            False where an entry is padded, missing or constant: it is 0 and no key. A ROI or a
            time point without a valid entry is no key in its stream either.
        hidden : bool Tensor of shape (B, T, R), optional
            True where an entry is masked for training: its value is hidden from all streams,
            yet it remains a key.
        has_timeseries, has_connectome : bool Tensor of shape (B,), optional
            False where a row lacks the modality, whatever its values are.
        edges : bool Tensor of shape (B, R, R), optional
            True for the ordered pairs to hide (in both directions) and to decode. None hides
            nothing and decodes all pairs; all False hides and decodes nothing.
        return_attention : bool, default=False
            Whether to return attention weights.
        key_times : Tensor of shape (B, K), int, optional
            Time points of each scan that the Perceiver attends to; None for all. Its time and
            memory are proportional to their number, so that training samples a few.

        Returns
        -------
        EncoderOutput
            What inputs and parts allow; None for the rest.

        Raises
        ------
        ValueError
            If shapes do not fit, or the model lacks the parts that an input needs.
        """
        if timeseries is None and connectome is None:
            raise ValueError("Neither timeseries nor connectome was given; pass at least one.")
        output = EncoderOutput(attention={} if return_attention else None)
        scans = given = has_functional = has_structural = None
        if timeseries is not None:
            scans = read_scans(timeseries, valid, hidden, has_timeseries, self.config)
            has_functional = scans.present
        if connectome is not None:
            given = read_connectomes(connectome, edges, has_connectome, self.config)
            has_structural = given.present
        if scans and given and len(scans.series) != len(given.weights):
            raise ValueError(
                f"timeseries has {len(scans.series)} rows and connectome {len(given.weights)}; "
                "both need one row per scan. Mark missing ones with has_timeseries and "
                "has_connectome."
            )
        if scans is not None:
            self._functional(scans, gradients, key_times, output)
        if given is not None:
            self._structural(given, edges, output)
        if connectome is None:
            output.fused = output.functional
        elif timeseries is None:
            output.fused = output.structural
        elif self.gate is not None and output.functional is not None:
            output.fused, output.gate = self.gate(
                output.functional, output.structural, has_functional, has_structural
            )
        return output

    def _functional(
        self,
        scans: Scans,
        gradients: Tensor | None,
        key_times: Tensor | None,
        output: EncoderOutput,
    ) -> None:
        """Fill `output` with what the fMRI branch gives."""
        present = [name for name in _STREAMS if name in self.config.modules]
        if not present:
            raise ValueError(
                "timeseries was given, but this BrainSymphony has none of the parts "
                f"{', '.join(_STREAMS)}; it has {', '.join(self.config.modules)}. Use a checkpoint "
                "of the functional branch."
            )
        return_attention = output.attention is not None
        streams, attention = self._run_streams(scans, gradients, present, return_attention)
        output.spatial, output.temporal = streams.spatial, streams.temporal
        if self.perceiver is not None and len(present) == len(_STREAMS):
            assert self.context is not None
            latents, attention["perceiver"] = self.perceiver(
                streams.spatial,
                streams.temporal,
                self.context.fill(scans.series, scans.hidden),
                self.context,
                self.position_code(gradients, len(scans.series)),
                scans.entries,
                return_attention,
                key_times,
            )
            output.reconstruction = _absent(self.perceiver.reconstruct(latents), scans)
            output.functional = _absent(latents, scans)
        if output.attention is not None:
            output.attention.update({k: v for k, v in attention.items() if v is not None})

    def _structural(self, given: Connectomes, edges: Tensor | None, output: EncoderOutput) -> None:
        """Fill `output` with what the structural branch gives."""
        structural = self.part("structural")
        return_attention = output.attention is not None
        latents, attention = structural(given.weights, given.hidden, return_attention)
        output.edges = _absent(structural.decode_edges(latents, edges), given)
        output.structural = _absent(latents, given)
        if output.attention is not None:
            output.attention["structural"] = attention


def _absent(values: Tensor, given: Scans | Connectomes) -> Tensor:
    """Set rows whose modality is missing to 0."""
    if given.present is None:
        return values
    return values.masked_fill(~given.present.view(-1, *(1,) * (values.ndim - 1)), 0.0)
