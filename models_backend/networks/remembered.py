"""What a network said of its last inputs, for samplers that ask the same at every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

#: Inputs that are remembered: with a condition and without it, where guidance takes two passes, of each part of a batch.
MOST = 16


@dataclass
class _Said:
    given: dict[str, Tensor]
    state: tuple[Any, ...]
    answer: Any


class Remembered:
    """Answers of one network on the CPU, while its weights and the arithmetic stay (comparing on a graphics card would wait
    for it). A copy of the network begins with none."""

    def __init__(self) -> None:
        self._said: list[_Said] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Remembered:
        return Remembered()

    def ask(self, net: nn.Module, given: dict[str, Tensor], read: Callable[[dict[str, Tensor]], Any]) -> Any:
        """``read(given)``, remembered where nothing is learned from it and nothing is compiled."""
        learning = net.training or torch.is_grad_enabled() or torch.compiler.is_compiling()
        if learning or any(value.device.type != "cpu" for value in given.values()):
            self._said.clear()
            return read(given)
        state = (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"), *(p._version for p in net.parameters()))
        for said in self._said:
            if said.state == state and _same(said.given, given):
                return said.answer
        answer = read(given)
        kept = {kind: value.clone() for kind, value in given.items()}
        self._said = [*self._said, _Said(kept, state, answer)][-MOST:]
        return answer


def _same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[kind].shape == b[kind].shape and torch.equal(a[kind], b[kind]) for kind in a)
