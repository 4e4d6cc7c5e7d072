"""Optimisers from settings, one a network, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.optim import Optimizer

from models_backend.contract.family import Sharing
from models_backend.contract.messages import TroubleError
from models_backend.contract.settings import SGD, AdamW, RMSprop

_SEPARATOR = "|"


def make(settings: AdamW | SGD | RMSprop, net: nn.Module, rate: float, sharing: Sharing) -> Optimizer:
    """The optimiser of one network; ``sharing`` gives it its own rate and betas (two time scales)."""
    weights, rate = trained(net), rate * sharing.rate
    if isinstance(settings, AdamW):
        betas = sharing.betas or (settings.beta1, settings.beta2)
        betas = (float(betas[0]), float(betas[1]))
        return torch.optim.AdamW(weights, rate, betas, settings.eps, settings.weight_decay, fused=_fusable(weights))
    if isinstance(settings, SGD):
        return torch.optim.SGD(weights, rate, settings.momentum, weight_decay=settings.weight_decay, foreach=True)
    return torch.optim.RMSprop(weights, rate, settings.alpha, foreach=True)


def trained(net: nn.Module) -> list[nn.Parameter]:
    """The parameters that learn."""
    return [p for p in net.parameters() if p.requires_grad]


def _fusable(weights: list[nn.Parameter]) -> bool:
    return all(p.device.type in ("cpu", "cuda", "mps", "xpu") and p.is_floating_point() for p in weights)


def tensors_of(optimisers: Mapping[str, Optimizer], nets: Mapping[str, nn.Module]) -> dict[str, torch.Tensor]:
    """All states as "network|parameter|key" -> tensor, types as they are."""
    told = {}
    for name, optimiser in optimisers.items():
        for weight, parameter in nets[name].named_parameters():
            for key, value in optimiser.state.get(parameter, {}).items():
                if value is not None:
                    tensor = value if isinstance(value, torch.Tensor) else torch.tensor(value)
                    told[_SEPARATOR.join((name, weight, key))] = tensor.detach().cpu().contiguous()
    return told


def restore(optimisers: Mapping[str, Optimizer], nets: Mapping[str, nn.Module], tensors: Mapping[str, torch.Tensor]) -> None:
    """Puts states back. TroubleError where one belongs to no parameter here."""
    parameters = {(name, key): p for name in optimisers for key, p in nets[name].named_parameters()}
    for label, value in tensors.items():
        name, weight, key = label.split(_SEPARATOR)
        if (name, weight) not in parameters:
            raise TroubleError("the optimiser's state belongs to another network", f"{name}.{weight}")
        parameter = parameters[name, weight]
        state = optimisers[name].state[parameter]
        state[key] = _as_kept(value, parameter, key, optimisers[name])


def _as_kept(value: torch.Tensor, parameter: nn.Parameter, key: str, optimiser: Optimizer) -> torch.Tensor:
    """As the optimiser itself would hold it: moments beside the parameter, step counts where its kernels want them."""
    if key == "step":
        beside = optimiser.defaults.get("fused") or optimiser.defaults.get("capturable")
        return value.to(parameter.device, copy=True) if beside else value.clone()
    kept = torch.empty_like(parameter, dtype=value.dtype, memory_format=torch.preserve_format)
    return kept.copy_(value)
