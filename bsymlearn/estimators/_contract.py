"""What an encoder was built for, and what may not contradict it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch

from bsymlearn._validation import (
    Scans,
    check_connectome_units,
    check_is_unsigned,
    has_negative,
    largest_weight,
    remedied,
)
from bsymlearn.checkpoints import load_checkpoint
from bsymlearn.encoders import BrainSymphony, EncoderConfig

SIZES = ("dim", "n_layers", "n_heads", "mlp_dim", "time_steps")
PARTS = {
    "functional": ("spatial", "temporal", "context", "perceiver"),
    "structural": ("structural",),
    "multimodal": ("spatial", "temporal", "context", "perceiver", "structural", "gate"),
}
_MAX_CONNECTOME_WEIGHT = 1000.0


def load_pretrained(pretrained: Any) -> BrainSymphony | None:
    """Load what the parameter `pretrained` names."""
    if pretrained is None or isinstance(pretrained, BrainSymphony):
        return pretrained
    if isinstance(pretrained, torch.nn.Module):
        raise TypeError(
            f"pretrained is a {type(pretrained).__name__}, but must be a BrainSymphony or the "
            "directory of a checkpoint. Save the encoder by save_checkpoint and give its directory."
        )
    return load_checkpoint(pretrained)


def encoder_config(estimator: Any, scans: Scans) -> EncoderConfig:
    """Sizes of a new encoder, from the estimator's parameters and the scans."""
    sizes = {name: getattr(estimator, name) for name in SIZES}
    sizes |= {"n_rois": scans.n_rois, "modules": PARTS[scans.modality]}
    if estimator.gradients is not None:
        sizes |= {"positions": "gradient", "n_gradients": _read(estimator.gradients).shape[-1]}
    extra = dict(estimator.encoder or {})
    doubled = sorted(set(extra) & set(SIZES))
    if doubled:
        raise ValueError(
            f"encoder has {doubled}, which are parameters of {type(estimator).__name__} itself. "
            f"Give them there: {doubled[0]}={extra[doubled[0]]!r}."
        )
    implied = sorted(set(extra) & {"n_rois", "modules"})
    if implied:
        raise ValueError(
            f"encoder has {implied}, but these follow from X. Leave them out; set modality to "
            "choose the parts of the encoder."
        )
    return EncoderConfig.from_dict(sizes | extra)


def new_contract(estimator: Any, scans: Scans, pretrained: BrainSymphony | None) -> dict[str, Any]:
    """Say what inputs must be like; what a pretrained encoder already asks for prevails."""
    known = [c for c in scans.connectomes if c is not None]
    weights = [largest_weight(c) for c in known]
    contract = {
        "modality": scans.modality,
        "scaling": None if scans.form == "univariate" else estimator.scaling,
        "connectome_scaling": estimator.connectome_scaling,
        "time_steps": estimator.time_steps,
        "roi_names": scans.roi_names,
        "t_r": scans.encoder_t_r,
        "largest_weight": max(weights, default=None),
        "connectome_signed": any(has_negative(c) for c in known) if known else None,
    }
    if pretrained is None:
        return contract
    learned = dict(pretrained.contract)
    for name in (
        "roi_names",
        "t_r",
        "largest_weight",
        "connectome_signed",
    ):  # None: it has never seen any
        if learned.get(name) is None:
            learned.pop(name, None)
    return contract | learned


def check_pretrained(estimator: Any, pretrained: BrainSymphony, scans: Scans) -> None:
    """Refuse what the user set and the checkpoint contradicts; defaults give way."""
    config = pretrained.config
    parameters = inspect.signature(type(estimator)).parameters
    fixed = {name: getattr(config, name) for name in SIZES}
    scalings = ("scaling", "connectome_scaling")
    fixed |= {name: pretrained.contract[name] for name in scalings if name in pretrained.contract}
    for name, value in fixed.items():
        given = getattr(estimator, name)
        if given != value and given != parameters[name].default:
            raise ValueError(
                f"{name}={given!r}, but the pretrained encoder has {name}={value!r}, which "
                f"cannot be changed. Leave {name} out, or pretrain an encoder of your own."
            )
    known = config.to_dict()
    for name, value in dict(estimator.encoder or {}).items():
        if name not in known or known[name] != (list(value) if name == "modules" else value):
            raise ValueError(
                f"encoder sets {name}={value!r}, but the pretrained encoder has "
                f"{known.get(name, 'no such field')!r}. Leave it out."
            )
    missing = [part for part in PARTS[scans.modality] if part not in config.modules]
    if missing:
        raise ValueError(
            f"X is {scans.modality}, but the pretrained encoder lacks {missing} and holds "
            f"{list(config.modules)}. Set modality= to what it can embed."
        )
    if estimator.gradients is not None and config.positions != "gradient":
        raise ValueError(
            "gradients are given, but the pretrained encoder has learnable positions and would "
            "ignore them. Leave gradients out, or pretrain an encoder of your own."
        )


def check_units(contract: dict[str, Any], scans: Scans, estimator: str) -> None:
    """Refuse connectomes in units other than the contract's."""
    if contract.get("largest_weight") is not None:
        check_connectome_units(scans, contract["largest_weight"], estimator)
    scaled = contract.get("connectome_scaling") is not None
    if scaled and not contract.get("connectome_signed"):
        check_is_unsigned(scans, estimator)
        return
    for label, connectome in zip(scans.labels, scans.connectomes, strict=True):
        top = 0.0 if connectome is None else largest_weight(connectome)
        if top > _MAX_CONNECTOME_WEIGHT:
            raise ValueError(
                f"The connectome of {label} has weights up to {top:.4g}, but weights beyond "
                f"{_MAX_CONNECTOME_WEIGHT:.0f} saturate the signed attention. Leave "
                "connectome_scaling='log10' where none is negative; scale signed ones yourself."
            )


def check_gradients(gradients: Any, config: EncoderConfig) -> torch.Tensor | None:
    """Check gradients of the ROIs; gives (R, G), None for an encoder without them."""
    if config.positions != "gradient":
        return None
    shape = (config.n_rois, config.n_gradients)
    if gradients is None:
        raise ValueError(
            f"gradients is None, but the encoder has gradient positions: give gradients= {shape}, "
            "(n_rois, n_gradients)."
        )
    gradients = _read(gradients)
    if gradients.shape != shape:
        raise ValueError(
            f"gradients has shape {gradients.shape}, but X has {shape[0]} ROIs and the encoder "
            f"{shape[1]} gradients: give an array of shape {shape}."
        )
    if np.isinf(gradients).any():
        raise ValueError(
            "gradients contains infinite values, but must be finite, or NaN for ROIs without "
            "gradients. Replace them by NaN."
        )
    return torch.from_numpy(gradients)


def _read(gradients):
    """Read gradients as float32."""
    with remedied("gradients are no numbers. Give an array of floats, (n_rois, n_gradients)."):
        if np.iscomplexobj(gradients):
            raise TypeError("Complex data not supported.")
        return np.asarray(gradients, dtype=np.float32)


def pick_device(device: str) -> str:
    """Resolve "auto", and refuse a device that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device={device!r} is not available here ({str(error).splitlines()[0]}). Use 'auto' "
            "or 'cpu'."
        ) from error
    return device
