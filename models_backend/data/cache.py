"""The cache of a data set for one (size, channels, crop): a uint8 array that training maps into memory.

It is built in shards (each written whole through storage, so that a killed build goes on where it was) and then
joined into ``cache/<name>.npy``. See ``folder`` for the names. Shards lie in ``cache/<name>.parts/<start>.npy``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord
from models_backend.contract.settings import DataSettings
from models_backend.library import storage

from . import folder, geometry
from .decoded import Target
from .folder import CacheEntry
from .watch import Watch

SHARD = 2048

#: (start, stop) -> uint8 (stop - start, H, W, C): rows of the cache made from the sources
Rows = Callable[[int, int], np.ndarray]


class Cut(NamedTuple):
    """What an array holds: the pictures at the positions ``rows`` (N,) of the data, in rising order, as ``target`` and
    ``channels`` say."""

    name: str
    rows: np.ndarray
    target: Target
    channels: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        width, height = self.target.size
        return len(self.rows), height, width, self.channels


def squares(record: DatasetRecord, settings: DataSettings) -> Cut:
    """All pictures as squares of one side."""
    target = Target(settings.resolution, settings.crop)
    return Cut(cache_name(record, settings), np.arange(record.count), target, channels_of(record, settings))


def channels_of(record: DatasetRecord, settings: DataSettings) -> int:
    """1 or 3: what the settings ask for; "auto" asks the data."""
    return {"grey": 1, "rgb": 3}.get(settings.channels, 1 if record.channels == 1 else 3)


def cache_name(record: DatasetRecord, settings: DataSettings) -> str:
    """The name of the array that these settings need."""
    if settings.resolution == folder.THUMB and settings.crop == "centre" and channels_of(record, settings) == record.channels:
        return "thumbs"
    return full_name(record, settings)


def full_name(record: DatasetRecord, settings: DataSettings) -> str:
    """Side, colours and crop in one word."""
    return f"{settings.resolution}-{'grey' if channels_of(record, settings) == 1 else 'rgb'}-{settings.crop}"


def open_array(cache: Path, name: str) -> np.ndarray | None:
    """The array of that name mapped read-only, or None. One whose size is not what its entry says is not complete."""
    if not (cache / f"{name}.json").exists() or not (cache / f"{name}.npy").exists():
        return None
    entry = storage.read_json(cache / f"{name}.json", CacheEntry)
    path, count = cache / f"{name}.npy", entry.shape[0] if entry.shape else 0
    if path.stat().st_size != entry.offset + count * entry.row_bytes:
        return None
    if not count:
        return np.zeros(entry.shape, entry.dtype)
    return np.memmap(path, np.dtype(entry.dtype), "r", entry.offset, tuple(entry.shape))


def build(cache: Path, cut: Cut, rows: Rows, watch: Watch) -> np.ndarray:
    """Builds the array of a cut from ``rows`` and maps it read-only.

    Raises Cancelled (finished shards stay, and the next call goes on from them), and whatever ``rows`` raises."""
    name, shape, count = cut.name, cut.shape, len(cut.rows)
    parts = cache / f"{name}.parts"
    storage.make_folder(parts)
    watch.begin(f"Preparing pictures at {cut.target}", count)
    for start in range(0, count, SHARD):
        _shard(parts, start, min(start + SHARD, count), shape[1:], rows, watch)
    _join(cache, name, parts, shape)
    storage.remove_folder(parts)
    made = open_array(cache, name)
    if made is None:
        raise TroubleError("the cache that was just written cannot be read", name, advice="check the disk, then try again")
    return made


def _shard(parts: Path, start: int, stop: int, shape: tuple[int, ...], rows: Rows, watch: Watch) -> None:
    watch.count(0)
    path = parts / f"{start:09d}.npy"
    head = folder.header(np.dtype(np.uint8), (stop - start, *shape))
    size = len(head) + (stop - start) * int(np.prod(shape))
    if not (path.exists() and path.stat().st_size == size):
        array = np.ascontiguousarray(rows(start, stop), np.uint8)
        if array.shape != (stop - start, *shape):
            raise ValueError(f"rows {start} to {stop} came as {array.shape}, expected {(stop - start, *shape)}")
        storage.write_bytes(path, head + array.tobytes())
    watch.count(stop - start)


def _join(cache: Path, name: str, parts: Path, shape: tuple[int, ...]) -> None:
    pieces = (np.load(path).tobytes() for path in sorted(parts.glob("*.npy")))
    folder.write_array(cache, name, np.dtype(np.uint8), shape, pieces)


def native_rows(cache: Path, cut: Cut) -> Rows | None:
    """Rows resampled from a built-in set's own pictures; None where the set has none."""
    native = open_array(cache, "native")
    if native is None:
        return None

    def rows(start: int, stop: int) -> np.ndarray:
        pictures = geometry.recoloured(np.asarray(native[cut.rows[start:stop]]), cut.channels)
        return geometry.fitted(pictures, cut.target.size, cut.target.crop)

    return rows
