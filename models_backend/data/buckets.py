"""Training pictures in the shape nearest to their own instead of cut square: buckets of about the same area, one of which
a batch comes from (Podell 2023, arXiv:2307.01952, section 2.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from models_backend.contract.messages import Progress
from models_backend.contract.run_layout import Item
from models_backend.contract.settings import DataSettings

from . import cache
from .decoded import Target
from .reading import Dataset, mirror_some, pictures_to_float, prepared
from .watch import Watch

#: Sides are multiples of so many px; proportions are powers of 4:3, so that 3 shapes are 3:4, 1:1, 4:3, and 5 reach 16:9.
STEP, RATIO = 8, 4 / 3


def shapes(settings: DataSettings) -> list[tuple[int, int]]:
    """The sizes (width, height) in px, from high to wide, at most as many as asked: of small pictures some would be the same.
    None where all would be square."""
    side, count = settings.resolution, settings.buckets
    ratios = [RATIO ** (k - (count - 1) / 2) for k in range(count)] if count > 1 else []
    sizes = [(side, side) if ratio == 1 else (_stepped(side * ratio**0.5), _stepped(side / ratio**0.5)) for ratio in ratios]
    found = list(dict.fromkeys(sizes))
    return found if len(found) > 1 else []


def _stepped(length: float) -> int:
    return max(STEP, STEP * round(length / STEP))


def nearest(items: Sequence[Item], sizes: Sequence[tuple[int, int]]) -> np.ndarray:
    """For each item (N,) which size has its proportions, or those that differ by the smallest factor."""
    own = np.log([max(item.width, 1) / max(item.height, 1) for item in items])
    return np.abs(own[:, None] - np.log([width / height for width, height in sizes])).argmin(1)


class Bucket(NamedTuple):
    """Training pictures of one shape: their positions (N,) in the split, and their rows (N,) in an array."""

    members: np.ndarray
    rows: np.ndarray
    array: np.ndarray


class Buckets:
    """The training split in buckets, none of them empty. ``members``: the positions (N,) in the split of those in each."""

    def __init__(self, buckets: Sequence[Bucket], flip: bool):
        self._buckets, self._flip = buckets, flip
        self.members = [bucket.members for bucket in buckets]
        self._number, self._row = np.empty((2, sum(map(len, self.members))), np.int64)
        for number, bucket in enumerate(buckets):
            self._number[bucket.members], self._row[bucket.members] = number, bucket.rows

    def take(self, indices: np.ndarray, generator: np.random.Generator | None = None) -> np.ndarray:
        """Items at ``indices`` (B,) of the training split, all of one bucket, as float32 (B, C, H, W). With a generator and
        ``flip`` set, mirrored at random."""
        taken = self._buckets[self._number[indices[0]]].array[self._row[indices]]
        if self._flip and generator is not None:
            mirror_some(taken, generator)
        return pictures_to_float(taken)


def open_buckets(data: Dataset, tell: Callable[[Progress], None] | None = None) -> Buckets | None:
    """The training pictures sorted as the settings of ``data`` want them, None where all are square. Builds and raises as
    ``reading.open_data`` does."""
    sizes = shapes(data.settings)
    if not sizes or data.spec.modality != "image":
        return None
    of, positions, found = nearest(data.items, sizes), data.train.positions, []
    for number in np.unique(of[positions]):
        cut, members = _cut(data, sizes[number], np.flatnonzero(of == number)), np.flatnonzero(of[positions] == number)
        array = prepared(data.layout, data.record, data.items, cut, Watch(tell))
        found.append(Bucket(members, np.searchsorted(cut.rows, positions[members]), array))
    return Buckets(found, data.settings.flip)


def _cut(data: Dataset, size: tuple[int, int], rows: np.ndarray) -> cache.Cut:
    """The items at ``rows`` in that size; squares are all there already."""
    squares, settings, (width, height) = cache.squares(data.record, data.settings), data.settings, size
    if size == squares.target.size:
        return squares
    name = f"{cache.full_name(data.record, settings)}-of-{settings.buckets}-{width}x{height}"
    return cache.Cut(name, rows, Target(width, settings.crop, height), squares.channels)
