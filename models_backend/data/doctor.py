"""What the doctor finds: duplicates, near duplicates, sizes, labels, captions, and how the data are split.

Near duplicates are candidates whose perceptual hashes differ in at most NEAR_BITS of 64 bits and whose 12 x 12 mean colours
agree. Candidates come from hash bands (pigeonhole: with more bands than bits may differ, one band is equal), so that 100,000
pictures take about a second instead of five billion comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from models_backend.contract.run_layout import DoctorReport, Item
from models_backend.library.recounting import recounted

NEAR_BITS = 6
NEAR_MEAN, NEAR_MOST = 4.0, 32.0  # levels of 255: mean and greatest difference of the signatures
_BANDS = ((0, 10), (10, 9), (19, 9), (28, 9), (37, 9), (46, 9), (55, 9))  # (first bit, bits): seven bands of 64 bits
# Bounds on the work for data in which very many pictures resemble each other: beyond them some pairs are not looked at.
_BUCKET, _CANDIDATES, _NEIGHBOURS, _OF_EACH = 4096, 100_000, 32, 8
_SMALL = 64  # buckets up to this size are compared all at once


class Groups:
    """Disjoint sets of positions; the smallest position of a set stands for it."""

    def __init__(self, count: int):
        self._parent = list(range(count))

    def find(self, i: int) -> int:
        """The smallest position of i's set."""
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Makes one set of two."""
        a, b = sorted((self.find(i), self.find(j)))
        self._parent[b] = a


def mark_duplicates(
    items: Sequence[Item], pixels: Sequence[bytes], looks: np.ndarray, signatures: np.ndarray
) -> tuple[int, int]:
    """Sets ``duplicate_of`` and ``exact`` of all items; returns how many exact and near duplicates there are.

    ``pixels``: hash of each item's decoded pixels, ``looks`` (N,) uint64, ``signatures`` (N, 432) uint8."""
    groups, exact = Groups(len(items)), [False] * len(items)
    for keys in ([item.sha256 for item in items], pixels):
        first: dict[object, int] = {}
        for i, key in enumerate(keys):
            origin = first.setdefault(key, i)
            if origin != i:
                exact[i] = True
                groups.join(origin, i)
    fresh = np.flatnonzero(~np.array(exact, bool))
    for i, j in near_pairs(looks[fresh], signatures[fresh]):
        groups.join(int(fresh[i]), int(fresh[j]))
    for i, item in enumerate(items):
        origin = groups.find(i)
        item.duplicate_of, item.exact = (origin, exact[i]) if origin != i else (-1, False)


def near_pairs(looks: np.ndarray, signatures: np.ndarray) -> Iterable[tuple[int, int]]:
    """Pairs of positions that look alike: enough of them to join a group of look-alikes, not all of them."""
    by_brightness = np.lexsort((signatures.mean(1), looks))  # many share one hash where pictures are flat
    yield from _near_in_order(by_brightness, looks[by_brightness], _NEIGHBOURS, looks, signatures)
    spread = _few_of_each(looks)
    for first_bit, bits in _BANDS:
        key = (looks[spread] >> np.uint64(first_bit)) & np.uint64((1 << bits) - 1)
        order = np.lexsort((looks[spread], key))
        edges = np.flatnonzero(np.diff(key[order].astype(np.int64), prepend=-1, append=-1))
        small = np.repeat(np.diff(edges) <= _SMALL, np.diff(edges))
        yield from _near_in_order(spread[order[small]], key[order[small]], _SMALL - 1, looks, signatures)
        for start, stop in pairwise(edges):
            if stop - start > _SMALL:
                yield from _pairs_in(spread[order[start:stop]], looks, signatures)


def _near_in_order(order: np.ndarray, keys: np.ndarray, furthest: int, looks: np.ndarray, signatures: np.ndarray
                   ) -> Iterable[tuple[int, int]]:  # fmt: skip
    """Look-alikes among positions of the same key that stand at most ``furthest`` apart in ``order``; ``keys`` is sorted."""
    for step in range(1, min(furthest, len(order) - 1) + 1):
        near = keys[:-step] == keys[step:]
        if not near.any():
            return
        one, other = order[:-step][near], order[step:][near]
        close = np.bitwise_count(looks[one] ^ looks[other]) <= NEAR_BITS
        yield from _verified(one[close], other[close], signatures)


def _few_of_each(looks: np.ndarray) -> np.ndarray:
    """Positions of at most _OF_EACH pictures of every hash."""
    order = np.argsort(looks, kind="stable")
    new = np.flatnonzero(np.diff(looks[order], prepend=~looks[order[:1]]) != 0)
    rank = np.arange(len(order)) - np.repeat(new, np.diff(np.append(new, len(order))))
    return np.sort(order[rank < _OF_EACH])


def _pairs_in(bucket: np.ndarray, looks: np.ndarray, signatures: np.ndarray) -> Iterable[tuple[int, int]]:
    """Look-alikes among positions whose hashes agree in one band."""
    mine = looks[bucket]
    for start in range(0, len(bucket), 512):
        bits = np.bitwise_count(mine[start : start + 512, None] ^ mine[None, start : start + _BUCKET])
        near = np.argwhere(np.triu(bits <= NEAR_BITS, 1))[:_CANDIDATES] + start
        yield from _verified(bucket[near[:, 0]], bucket[near[:, 1]], signatures)


def _verified(one: np.ndarray, other: np.ndarray, signatures: np.ndarray) -> Iterable[tuple[int, int]]:
    """Those candidate pairs whose mean colours agree as well."""
    for start in range(0, len(one), 8192):
        a, b = one[start : start + 8192], other[start : start + 8192]
        alike = look_alike(signatures[a], signatures[b])
        yield from zip(a[alike], b[alike])


def look_alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether signatures (K, 432) agree: (K,) bool."""
    off = np.maximum(one, other) - np.minimum(one, other)
    return (off.max(1) <= NEAR_MOST) & (off.sum(1, dtype=np.uint32) <= NEAR_MEAN * off.shape[1])


# ------------------------------------------------------------------------------------------------ the report


def summary(items: Sequence[Item], classes: Sequence[str]) -> DoctorReport:
    """The counts that follow from the items alone."""
    return recounted(DoctorReport(len(items), len(items)), items, classes)
