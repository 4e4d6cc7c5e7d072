"""One optimiser step of every network that a family trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from models_backend.contract.family import Batch, Family, Loss
from models_backend.contract.settings import TrainingSettings
from models_backend.networks import precision

from . import optimisers
from .guard import NonFinite
from .loss_scale import LossScale


class Interrupted(Exception):
    """The step was left before its end. ``clean``: nothing had changed yet."""

    def __init__(self, clean: bool):
        super().__init__("the step was left undone")
        self.clean = clean


class Overflow(Exception):
    """A gradient left the range of fp16; the step is left out and the loss scaled less."""


class Told:
    """What a step says: figures (floats or detached scalars) and losses by noise level. A figure is the mean over the
    batches that are added up, and over the times that its network moves within the step."""

    def __init__(self) -> None:
        self._sums: dict[str, Any] = {}
        self._shares: dict[str, float] = {}
        self.levels: list[tuple[Any, Any]] = []

    def add(self, name: str, value: Any, share: float = 1.0) -> None:
        """``share``: how much of one move this is, 1 where one batch is all of it."""
        value = value if share == 1.0 else value * share
        held = self._sums.get(name)
        self._sums[name] = value if held is None else held + value
        self._shares[name] = self._shares.get(name, 0.0) + share

    @property
    def figures(self) -> dict[str, Any]:
        """Name -> mean so far."""
        return {name: self._sums[name] if round(share) <= 1 else self._sums[name] / share
                for name, share in self._shares.items()}  # fmt: skip


class Stepper:
    """Networks and their optimisers. One step: each loss that the family yields, over all batches, then that network moves."""

    def __init__(
        self, family: Family, nets: dict[str, nn.Module], settings: TrainingSettings, device: torch.device, arithmetic: str
    ):
        self.family, self.nets, self._device, self.arithmetic = family, nets, device, arithmetic
        self.scale = LossScale(arithmetic)
        self.sharing = {name: family.sharing(name) for name in nets}
        self.weights = {name: optimisers.trained(net) for name, net in nets.items()}
        self.optimisers = {
            name: optimisers.make(settings.optimiser, net, settings.learning_rate, self.sharing[name])
            for name, net in nets.items() if self.weights[name]
        }  # fmt: skip
        self._buffers = [b for net in nets.values() for b in net.buffers()]

    def step(self, batches: list[Batch], rate: float, clip: float, interrupted: Callable[[], bool]) -> Told:
        """Moves every network once. Raises NonFinite or Overflow (that network and later ones did not move), Interrupted."""
        self._begin(rate)
        told, self._moved, self._versions = Told(), False, [b._version for b in self._buffers]
        rounds = [self.family.losses(self.nets, batch) for batch in batches]
        while (network := self._backward(rounds, told, interrupted)) is not None:
            if network in self.optimisers and batches[0].step % self.sharing[network].every == 0:
                self._move(network, clip, told)
                self._moved = True
        return told

    def _begin(self, rate: float) -> None:
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = rate * self.sharing[name].rate
        for net in self.nets.values():
            if not net.training:
                net.train()

    def _untouched(self) -> bool:
        """Whether the step that is under way has changed nothing that is saved."""
        unchanged = (b._version == version for b, version in zip(self._buffers, self._versions, strict=True))
        return not self._moved and all(unchanged)

    def _backward(self, rounds: list[Iterator[Loss]], told: Told, interrupted: Callable[[], bool]) -> str | None:
        """The next network's loss of every batch, one after another, its gradients added up. None: no loss is left."""
        network, share = None, 1.0 / len(rounds)
        for losses in rounds:
            if interrupted():
                raise Interrupted(self._untouched())
            with precision.autocast(self.arithmetic, self._device):
                loss = next(losses, None)
            if loss is None:
                return None
            if network is None:
                network = loss.network
                self._forget_gradients()
            self._note(loss, told, share)
            self._differentiate(loss, share)
        return network

    def _differentiate(self, loss: Loss, share: float) -> None:
        if not self.weights[loss.network]:
            return
        factor = share * self.scale.value
        value = loss.value if factor == 1.0 else loss.value * factor
        value.backward()

    def _forget_gradients(self) -> None:
        """Of all networks: a loss of one reaches into others too."""
        for weights in self.weights.values():
            for weight in weights:
                weight.grad = None

    def _note(self, loss: Loss, told: Told, share: float) -> None:
        value = loss.value.detach()
        told.add(f"loss/{loss.network}", value, share)
        for name, figure in loss.figures.items():
            told.add(name, figure, share)
        if loss.levels is not None:
            told.levels.append(loss.levels)

    def _move(self, network: str, clip: float, told: Told) -> None:
        gradients = [w.grad for w in self.weights[network] if w.grad is not None]
        self.scale.unscale(gradients)
        norm, loss = self._figures(gradients, told.figures[f"loss/{network}"])
        if not math.isfinite(loss):
            raise NonFinite(f"the loss of {network}" if len(self.optimisers) > 1 else "the loss")
        if not math.isfinite(norm):
            if self.scale.active and self.scale.value > 1:
                raise Overflow
            raise NonFinite(f"the gradient of {network}" if len(self.optimisers) > 1 else "the gradient")
        if clip and norm > clip:
            torch._foreach_mul_(gradients, clip / norm)
        told.add(f"grad/{network}", norm)
        self.optimisers[network].step()

    def _figures(self, gradients: list[torch.Tensor], loss: torch.Tensor) -> tuple[float, float]:
        """(gradient norm, loss) as floats with one wait for the device."""
        norms = torch._foreach_norm(gradients, 2.0)
        norm = (
            torch.linalg.vector_norm(torch.stack([n.float() for n in norms])) if norms else torch.zeros((), device=self._device)
        )
        return tuple(torch.stack([norm, loss.float()]).tolist())
