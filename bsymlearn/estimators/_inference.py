"""A fitted encoder at work on whole scans: windows in, latents out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from bsymlearn.encoders import BrainSymphony, EncoderOutput
from bsymlearn.training import PreparedScan, all_windows, collate_windows

_LATENTS = {"functional": "functional", "structural": "structural", "multimodal": "fused"}
_BATCH_SIZE = 8


def latents_for(output: EncoderOutput, modality: str, kind: str | None = None) -> torch.Tensor:
    """Return the latents (W, R, D) that a readout takes; moments those of both branches.

    Multimodal moments take functional and structural latents, (W, R, 2 D), before the gate; kind
    "all" is fused, functional and structural latents, (W, R, 3 D).
    """
    if modality == "multimodal" and kind in ("moments", "all"):
        assert output.functional is not None and output.structural is not None
        branches = [output.functional, output.structural]
        fused = [output.fused] if kind == "all" and output.fused is not None else []
        return torch.cat(fused + branches, dim=-1)
    return getattr(output, _LATENTS[modality])


def lacking(has_timeseries: torch.Tensor, has_connectome: torch.Tensor) -> torch.Tensor:
    """Code what each row lacks: 0 nothing, 1 its series, 2 its connectome."""
    return (~has_timeseries).long() + 2 * (~has_connectome).long()


@dataclass(frozen=True)
class Inference:
    """An encoder in evaluation mode with all it takes to embed prepared scans.

    Attributes
    ----------
    module : BrainSymphony
    modality : {"functional", "structural", "multimodal"}
    gradients : Tensor of shape (R, G), or None
    device : str
    """

    module: BrainSymphony
    modality: str
    gradients: torch.Tensor | None
    device: str

    def windows(
        self, prepared: list[PreparedScan], batch_size: int = _BATCH_SIZE
    ) -> Iterator[tuple[list[tuple[int, int]], dict[str, torch.Tensor]]]:
        """Iterate over all windows of all scans, in batches of one fixed shape."""
        config = self.module.config
        windows = all_windows(prepared, config.time_steps)
        return collate_windows(
            prepared, windows, config.time_steps, config.n_rois, self.modality, batch_size
        )

    @torch.inference_mode()
    def forward(self, batch: dict[str, torch.Tensor]) -> EncoderOutput:
        """Run the encoder on a batch of windows; decodes no edges but those that `batch` hides."""
        batch = {key: tensor.to(self.device) for key, tensor in batch.items()}
        return self.module(**batch, gradients=self.gradients)

    def latents(
        self, prepared: list[PreparedScan], kind: str | None = None
    ) -> Iterator[torch.Tensor]:
        """Iterate over scans; gives the ROI latents of their windows, (W_i, R, D), on the CPU."""
        pending: list[torch.Tensor] = []
        current = 0
        for part, batch in self.windows(prepared):
            latents = latents_for(self.forward(batch), self.modality, kind).cpu()
            for (owner, _), window in zip(part, latents, strict=False):
                if owner != current:
                    yield torch.stack(pending)
                    pending, current = [], owner
                pending.append(window)
        if pending:
            yield torch.stack(pending)
