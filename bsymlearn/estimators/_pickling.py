"""What a pickled estimator stores, and how it opens where devices differ."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from bsymlearn.estimators._contract import pick_device


def pack(state: dict[str, Any]) -> dict[str, Any]:
    """Give what is pickled in place of an estimator's attributes.

    Parameters
    ----------
    state : dict
        The attributes; they and the tensors in them stay as they are.

    Returns
    -------
    packed : dict
        All tensors are on the CPU, in a copy where they are not: a tensor opens only where its
        device is. The skorch net is its class and its attributes, because its own pickle would
        hold a second copy of all weights; so they stay shared with the encoder.
    """
    packed = dict(state)
    if "net_" in state:
        packed["net_"] = (type(state["net_"]), dict(vars(state["net_"])))
    if any(tensor.device.type != "cpu" for tensor in _tensors(packed)):
        packed = copy.deepcopy(packed)
        for holder in _holders(packed):
            for name in holder:
                _move(holder, name, "cpu")
    return packed


def unpack(packed: dict[str, Any]) -> dict[str, Any]:
    """Rebuild the attributes on the device that the parameter `device` means on this machine.

    Parameters
    ----------
    packed : dict
        From `pack`.

    Returns
    -------
    state : dict
        `device_` is resolved anew, encoder and gradients are there; the rest stays on the CPU,
        as after `fit`.

    Warns
    -----
    UserWarning
        If the device is not available; the CPU stands in.
    """
    state = dict(packed)
    if "device_" in state:
        state["device_"] = _available(state["device"])
        if state["device_"] != "cpu":  # copy.copy shares the modules with an original
            state = copy.deepcopy(state)
        for name in ("module_", "gradients_"):
            _move(state, name, state["device_"])
    if "net_" in state:
        kind, attributes = state["net_"]
        net = state["net_"] = kind.__new__(kind)
        vars(net).update(attributes, device=state["device_"])
    return state


def _available(device):
    try:
        return pick_device(device)
    except ValueError:
        warnings.warn(
            f"device={device!r} is not available here, so the estimator is opened on 'cpu'. Set "
            "device='auto' before you fit it again.",
            stacklevel=4,
        )
        return "cpu"


def _holders(packed):
    """Dicts with modules and tensors among their values: of the estimator and of its net."""
    return [packed, packed["net_"][1]] if "net_" in packed else [packed]


def _tensors(packed) -> Iterator[torch.Tensor]:
    for holder in _holders(packed):
        for value in holder.values():
            if isinstance(value, nn.Module):
                yield from value.parameters()
                yield from value.buffers()
            elif isinstance(value, torch.Tensor):
                yield value


def _move(holder, name, device):
    """Move a module in place, or put a tensor's copy in its stead; all else stays."""
    if isinstance(holder.get(name), nn.Module | torch.Tensor):
        holder[name] = holder[name].to(device)
