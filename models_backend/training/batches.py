"""Which items a step sees: a function of (seed, step, rank), with their conditions and derived data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from models_backend.contract.course import Course
from models_backend.contract.family import Batch, Family
from models_backend.data.buckets import Buckets
from models_backend.data.reading import order

from . import randomness, stages
from .given import Given


class Order:
    """One endless row of items, epoch after epoch, each in an order of its own."""

    def __init__(self, seed: int, count: int):
        self._seed, self._count = seed, count
        self._epochs: dict[int, np.ndarray] = {}

    def items(self, start: int, stop: int) -> np.ndarray:
        """Positions (stop - start,) in the training split of that stretch of the row."""
        parts = []
        while start < stop:
            epoch, offset = divmod(start, self._count)
            taken = min(stop - start, self._count - offset)
            parts.append(self._epoch(epoch)[offset : offset + taken])
            start += taken
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _epoch(self, epoch: int) -> np.ndarray:
        if epoch not in self._epochs:
            self._epochs = {e: o for e, o in self._epochs.items() if e == epoch - 1}
            self._epochs[epoch] = order(self._seed, epoch, self._count)
        return self._epochs[epoch]


class BucketOrder:
    """An endless row of batches of ``size`` items, each of one bucket. ``members``: the positions (N,) of those in each.

    Every item comes up once an epoch, but for the rest of a bucket that fills no batch: it is carried over into the next."""

    def __init__(self, seed: int, members: Sequence[np.ndarray], size: int):
        self._members, self._size = members, size
        self._counts = np.array([len(bucket) for bucket in members])
        self._seeds = [randomness.stream(seed, number, 0, randomness.BUCKETS) for number in range(len(members) + 1)]
        self._rows = [Order(one, len(bucket)) for one, bucket in zip(self._seeds, members)]

    def items(self, start: int, stop: int) -> np.ndarray:
        """Positions (stop - start,) in the training split of one batch; ``start`` is a multiple of ``size``."""
        batch = start // self._size
        epoch = self._epoch_of(batch)
        before, turns = self._before(epoch), self._turns(epoch)
        place = batch - before.sum()
        bucket = turns[place]
        first = (before[bucket] + np.count_nonzero(turns[:place] == bucket)) * self._size
        return self._members[bucket][self._rows[bucket].items(first, first + stop - start)]

    def _before(self, epoch: int) -> np.ndarray:
        """Batches of each bucket before that epoch."""
        return epoch * self._counts // self._size

    def _epoch_of(self, batch: int) -> int:
        epoch = batch * self._size // int(self._counts.sum())
        while self._before(epoch + 1).sum() <= batch:
            epoch += 1
        return epoch

    def _turns(self, epoch: int) -> np.ndarray:
        """Which bucket each batch of an epoch comes from."""
        turns = np.repeat(np.arange(len(self._counts)), self._before(epoch + 1) - self._before(epoch))
        return turns[order(self._seeds[-1], epoch, len(turns))]


class Batches:
    """Batches of the training split, or of derived data where there are any."""

    def __init__(self, data: Any, family: Family, seed: int, size: int, parts: int, course: Course, device: torch.device,
                 derived: dict[str, np.ndarray] | None = None, rank: int = 0, world: int = 1, first_side: int = 0,
                 buckets: Buckets | None = None):  # fmt: skip
        self._data, self._seed, self._course, self._first_side = data, seed, course, first_side
        self._buckets, self._full = buckets, data.settings.resolution if buckets else 0
        self._size, self._parts, self._rank, self._world = size, parts, rank, world
        self._device, self._derived = device, derived or {}
        rows = len(self._derived["x"]) if "x" in self._derived else data.train.count
        self._order = BucketOrder(seed, buckets.members, size) if buckets else Order(seed, rows)
        self._given = Given(family, data.train)
        self._known = "x" not in self._derived or rows == data.train.count
        self._generators = [torch.Generator(device) for _ in range(parts)]

    @property
    def last(self) -> int:
        """The last step: its pictures are whole, and what it takes is what a run takes at most."""
        return self._course.total - 1

    def of_step(self, step: int) -> list[Batch]:
        """The batches that are added up for a step."""
        return [self._batch(step, part) for part in range(self._parts)]

    def _batch(self, step: int, part: int) -> Batch:
        start = ((step * self._parts + part) * self._world + self._rank) * self._size
        index = self._order.items(start, start + self._size)
        where = (self._seed, step, self._rank)
        generator = randomness.reseed(self._generators[part], *where, randomness.NOISE, part)
        x = self._derived["x"][index] if "x" in self._derived else self._take(index, step, part)
        extra = {name: self._placed(array[index]) for name, array in self._derived.items() if name != "x"}
        given = self._given.at(index if self._known else None, len(index), self._device, where, part)
        progress = self._course.progress(step)
        seen = stages.at(self._placed(x), self._first_side, progress, self._full)
        return Batch(seen, torch.from_numpy(index).to(self._device), generator, step, progress, given, extra)

    def _take(self, index: np.ndarray, step: int, part: int) -> np.ndarray:
        flips = None
        if self._data.settings.flip:
            flips = randomness.numpy_generator(self._seed, step, self._rank, randomness.FLIPS, part)
        return (self._buckets or self._data.train).take(index, flips)

    def _placed(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
