"""Rows of a data set's cached arrays, read with seek and read: the studio maps no file into its memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import numpy as np


#: The side of the thumbnails that the importer makes.
THUMB = 64


class Entry(msgspec.Struct):
    """``cache/<name>.json`` as the importer writes it: row n begins at ``offset`` + n * ``row_bytes``."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    row_bytes: int


class CachedRows:
    """One array of a cache folder. Raises OSError where it is not there."""

    def __init__(self, cache: Path, name: str):
        self.name, self._path = name, cache / f"{name}.npy"
        self.entry = msgspec.json.decode((cache / f"{name}.json").read_bytes(), type=Entry)

    @property
    def count(self) -> int:
        """Rows."""
        return self.entry.shape[0]

    @property
    def row_shape(self) -> tuple[int, ...]:
        """(H, W, C) of pictures, (D,) of points."""
        return self.entry.shape[1:]

    def read(self, indices: list[int]) -> dict[int, np.ndarray]:
        """Position -> row; positions that the file does not have (any more) are left out."""
        import numpy

        found: dict[int, Any] = {}
        size = self.entry.row_bytes
        with self._path.open("rb") as file:
            for index in indices:
                file.seek(self.entry.offset + index * size)
                data = file.read(size)
                if len(data) == size:
                    found[index] = numpy.frombuffer(data, self.entry.dtype).reshape(self.row_shape)
        return found

    def read_first(self, limit: int) -> np.ndarray:
        """The first rows, (n, *row_shape)."""
        import numpy

        count = min(limit, self.count)
        with self._path.open("rb") as file:
            file.seek(self.entry.offset)
            data = file.read(count * self.entry.row_bytes)
        whole = len(data) // self.entry.row_bytes if self.entry.row_bytes else 0
        return numpy.frombuffer(data[: whole * self.entry.row_bytes], self.entry.dtype).reshape(whole, *self.row_shape)


def names(cache: Path) -> list[str]:
    """The complete arrays of a cache folder."""
    return sorted(path.stem for path in cache.glob("*.json") if path.with_suffix(".npy").exists())


def open_rows(cache: Path, *wanted: str) -> CachedRows | None:
    """The first of the wanted arrays that is there, or None."""
    there = set(names(cache))
    return next((CachedRows(cache, name) for name in wanted if name in there), None)


def open_pictures(cache: Path, shape: tuple[int, ...]) -> CachedRows | None:
    """The pictures of a data set whose items have ``shape`` (C, H, W) as they are best shown small: thumbnails, or small
    items as they are."""
    small = len(shape) == 3 and max(shape[1:]) < THUMB
    return open_rows(cache, *(("native", "thumbs") if small else ("thumbs", "native")))
