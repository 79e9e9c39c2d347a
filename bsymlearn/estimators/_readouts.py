"""From the ROI latents of all windows of a scan to one vector."""

import torch
from torch import nn

READOUTS = ("connectivity", "flatten", "mean", "moments")
_EPS = 1e-8


def readout_kind(readout: str, modality: str, n_rois: int) -> str:
    """Say what a readout is for this modality, and for one ROI, which has no connectivity."""
    alone = {"functional": "connectivity", "structural": "flatten"}
    kind = alone.get(modality, readout) if readout == "moments" else readout
    return "flatten" if n_rois < 2 and kind in ("connectivity", "moments") else kind


class Readout(nn.Module):
    """Summarise the latents of a scan, averaged over its windows.

    "mean" averages over ROIs, "flatten" keeps all of them, "connectivity" is the similarity
    between ROIs: second-order statistics of the latents, minus the mean latent that each ROI
    has in the training scans (what all subjects share), as a cosine, its eigenvalues raised to
    `spectral_power`, its lower triangle. "moments" is the "connectivity" of functional latents
    followed by the "flatten" of structural ones: what series tell is in second-order statistics,
    what connectomes tell in the latents themselves. A modality that a scan lacks is what it is
    on average. The other readouts of a multimodal encoder take fused latents; those of a scan
    that lacks a modality are shifted by what separates, on average over scans with both, the
    latents of the other one from fused ones, so that their mean does not tell what was measured.

    Parameters
    ----------
    kind : {"connectivity", "flatten", "mean", "moments"}
        As `readout_kind` gives it.
    mean_latent : Tensor of shape (R, D)
        Learned from training scans; (R, 2 D) for "moments", functional and structural ones.
    shift : Tensor of shape (3, R, D), default=None
        What is added to the latents of scans that lack nothing, their series, their connectome.
    spectral_power : float, default=1.0
        Below 1 it flattens the spectrum, so that shared components weigh less.

    Notes
    -----
    The order of the features is that of ``nilearn.connectome.sym_matrix_to_vec(matrix,
    discard_diagonal=True)``.
    """

    mean_latent: torch.Tensor
    shift: torch.Tensor | None
    mean_similarity: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor

    def __init__(
        self,
        kind: str,
        mean_latent: torch.Tensor,
        spectral_power: float = 1.0,
        shift: torch.Tensor | None = None,
    ):
        super().__init__()
        n_rois = len(mean_latent)
        self.kind = kind
        self.spectral_power = spectral_power
        self.register_buffer("mean_latent", mean_latent)
        self.register_buffer("shift", shift)
        rows, columns = torch.tril_indices(n_rois, n_rois, offset=-1).unbind()
        self.register_buffer("mean_similarity", mean_latent.new_zeros(len(rows)))
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    @property
    def n_outputs(self) -> int:
        """Length of the vector."""
        n_rois, dim = self.mean_latent.shape
        n_pairs = n_rois * (n_rois - 1) // 2
        sizes = {"mean": dim, "flatten": n_rois * dim, "connectivity": n_pairs}
        sizes["moments"] = n_pairs + n_rois * dim // 2
        return sizes[self.kind]

    def forward(
        self,
        latents: torch.Tensor,
        owners: torch.Tensor,
        n_scans: int,
        lacks: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Summarise.

        Parameters
        ----------
        latents : Tensor of shape (W, R, D)
            Windows of several scans.
        owners : Tensor of shape (W,)
            The scan that each window belongs to, in 0 … n_scans - 1.
        n_scans : int
        lacks : Tensor of shape (W,), int, default=None
            What the scan of each window lacks: 0 nothing, 1 its series, 2 its connectome.

        Returns
        -------
        features : Tensor of shape (n_scans, n_outputs)
        """
        if self.shift is not None and lacks is not None:
            latents = latents + self.shift[lacks]  # (W, R, D)
        if self.kind == "mean":
            return _average(latents.mean(dim=1), owners, n_scans)  # (n, D)
        if self.kind == "flatten":
            return _average(latents.flatten(1), owners, n_scans)  # (n, R*D)
        if self.kind == "connectivity":
            return self._similarity(latents - self.mean_latent, owners, n_scans)
        functional, structural = latents.chunk(2, dim=2)
        mean_functional, mean_structural = self.mean_latent.chunk(2, dim=1)
        second = self._similarity(functional - mean_functional, owners, n_scans)
        first = _average(structural.flatten(1), owners, n_scans)  # (n, R*D)
        # Latents of a modality that a scan lacks are exactly 0.
        absent = [_average(part.flatten(1).abs(), owners, n_scans).amax(dim=1, keepdim=True) == 0
                 for part in (functional, structural)]  # fmt: skip
        second = torch.where(absent[0], self.mean_similarity, second)
        first = torch.where(absent[1], mean_structural.flatten(), first)
        return torch.cat([second, first], dim=1)

    def _similarity(self, centred, owners, n_scans):
        """Return the second-order statistics, (n_scans, R (R - 1) / 2)."""
        moment = _average(centred @ centred.transpose(1, 2), owners, n_scans)  # (n, R, R)
        scale = moment.diagonal(dim1=1, dim2=2).clamp(min=_EPS).rsqrt()  # (n, R)
        similarity = moment * scale[:, :, None] * scale[:, None, :]
        if self.spectral_power != 1.0:
            similarity = SpectralPower.apply(similarity, self.spectral_power)
        return similarity[:, self.rows, self.columns]


def _average(values, owners, n_scans):
    """Mean of the rows of each scan."""
    total = values.new_zeros(n_scans, *values.shape[1:]).index_add(0, owners, values)
    counts = torch.bincount(owners, minlength=n_scans).clamp(min=1)
    return total / counts.view(-1, *(1,) * (values.ndim - 1))


class SpectralPower(torch.autograd.Function):
    """Raise the eigenvalues of symmetric matrices (..., R, R) to a power in (0, 1].

    Similarities of D-dimensional latents have repeated zero eigenvalues, where the derivative
    of `eigh` is infinite; that of a matrix function is finite (Daleckii-Krein theorem) once
    eigenvalues are kept above a ridge, as the 1e-3 I of the simple feature does.
    """

    RIDGE = 1e-3

    @staticmethod
    def forward(ctx, matrix, power):
        """Return the matrix power."""
        values, vectors = torch.linalg.eigh(matrix.double())
        values = values.clamp(min=0) + SpectralPower.RIDGE
        ctx.save_for_backward(values, vectors)
        ctx.power = power
        result = (vectors * values.pow(power)[..., None, :]) @ vectors.transpose(-1, -2)
        return result.to(matrix.dtype)

    @staticmethod
    def backward(ctx, gradient):
        """Return the gradient with respect to the matrix."""
        values, vectors = ctx.saved_tensors
        powered = values.pow(ctx.power)
        gap = values[..., :, None] - values[..., None, :]
        middle = (values[..., :, None] + values[..., None, :]) / 2
        tangent = ctx.power * middle.pow(ctx.power - 1)
        close = gap.abs() < 1e-6 * middle
        ratio = (powered[..., :, None] - powered[..., None, :]) / torch.where(close, 1.0, gap)
        divided = torch.where(close, tangent, ratio)  # (..., R, R)
        inner = vectors.transpose(-1, -2) @ gradient.double() @ vectors
        inner = (inner + inner.transpose(-1, -2)) / 2
        result = vectors @ (divided * inner) @ vectors.transpose(-1, -2)
        return result.to(gradient.dtype), None
