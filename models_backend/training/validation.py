"""The loss on held-out items, with the same noise every time, and the family's own diagnostics."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models_backend.contract.course import Course
from models_backend.contract.family import Batch, Family
from models_backend.media.wire import on_the_wire

from . import randomness
from .given import Given
from .looks import FEWEST_POINTS, POINTS

ITEMS = 256
#: Pictures that previews are compared with.
PICTURES = 64


def held_out(data: Any, family: Family) -> np.ndarray:
    """Up to ITEMS held-out items, spread evenly over the validation split."""
    return _spread(data.validation.count, ITEMS)


def _spread(count: int, most: int) -> np.ndarray:
    """Up to ``most`` of ``count`` positions, spread evenly."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.int64) if count else np.zeros(0, np.int64)


def shown(data: Any) -> np.ndarray:
    """Real items as previews are, to compare them with: held-out ones where there are enough."""
    points = data.spec.modality == "points"
    least, most = (2 * FEWEST_POINTS, 2 * POINTS) if points else (1, PICTURES)
    seen = data.validation if data.validation.count >= least else data.train
    return on_the_wire(torch.from_numpy(seen.take(_spread(seen.count, most))), data.spec)


class Validation:
    """Fixed items, fixed noise: the figure changes only because the weights do."""

    def __init__(self, data: Any, family: Family, seed: int, size: int, course: Course, device: torch.device):
        self._family, self._seed, self._course, self._device = family, seed, course, device
        self._index = held_out(data, family)
        self._x = torch.from_numpy(data.validation.take(self._index)) if len(self._index) else None
        self._given = Given(family, data.validation)
        self._size = max(1, min(size, ITEMS))
        self._shown = shown(data)

    @property
    def possible(self) -> bool:
        """Whether anything is held out."""
        return self._x is not None

    def shown(self) -> np.ndarray:
        """Real items as previews are, to compare them with."""
        return self._shown

    @torch.no_grad()
    def losses(self, nets: dict[str, Any], step: int) -> dict[str, float]:
        """ "validation" (the sum over networks) and, for several networks, "validation/<network>"."""
        sums: dict[str, float] = {}
        for start in range(0, len(self._index), self._size):
            batch = self._batch(start, step)
            for loss in self._family.losses(nets, batch):
                sums[loss.network] = sums.get(loss.network, 0.0) + float(loss.value) * len(batch.x)
        means = {name: value / len(self._index) for name, value in sums.items()}
        each = {f"validation/{name}": value for name, value in means.items()} if len(means) > 1 else {}
        return {"validation": sum(means.values()), **each}

    @torch.no_grad()
    def diagnostics(self, nets: dict[str, Any]) -> dict[str, Any]:
        """What the family says of its networks on held-out items."""
        generator = randomness.reseed(torch.Generator(self._device), self._seed, 1, 0, randomness.VALIDATION)
        return self._family.diagnostics(nets, self._x.to(self._device), generator)

    def _batch(self, start: int, step: int) -> Batch:
        rows = slice(start, start + self._size)
        generator = randomness.reseed(torch.Generator(self._device), self._seed, 0, 0, randomness.VALIDATION, start)
        index = self._index[rows]
        return Batch(
            self._x[rows].to(self._device), torch.from_numpy(index).to(self._device), generator, step,
            self._course.progress(step), self._given.at(index, len(index), self._device),
        )  # fmt: skip
