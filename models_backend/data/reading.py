"""Opening a data set for training, sampling and evaluation: arrays in, float batches out.

Pictures come as float32 (B, C, H, W) in [-1, 1], gathered in the calling process from the memory-mapped uint8 cache.
Points come as float32 (B, D), standardised by the mean and standard deviation in the record's options.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models_backend.conditions import text
from models_backend.contract.family import DataSpec
from models_backend.contract.fields import build, plain
from models_backend.contract.messages import Progress, TroubleError
from models_backend.contract.run_layout import DatasetLayout, DatasetRecord, Item, LibraryLayout, RunRecord
from models_backend.contract.settings import DataSettings
from models_backend.library.datasets import DatasetFolder
from models_backend.library.edits import Edits, known_to
from models_backend.library.showing import data_settings, spec_of
from models_backend.library.trouble import explained

from . import cache
from .source_rows import SourceRows
from .watch import Watch


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of one epoch: a permutation (count,) int64 that depends on (seed, epoch, count) only."""
    bits = np.random.Philox(key=np.array([seed & (2**64 - 1), epoch], np.uint64))
    return np.random.Generator(bits).permutation(count)


class Split:
    """The items of one split, in the data set's order. ``positions`` (N,) are their rows in the whole data set; ``cut``: how
    many captions are longer than is read, of which ``captions`` hold the beginning."""

    def __init__(self, array: np.ndarray, positions: np.ndarray, items: Sequence[Item], to_float: Callable, flip: bool):
        self.positions = positions
        self.count = len(positions)
        self.labels = np.array([items[i].label for i in positions], np.int64)
        self.captions = [text.cut(items[i].caption) for i in positions]
        self.cut = sum(len(kept) < len(items[i].caption) for i, kept in zip(positions, self.captions, strict=True))
        self.attributes = np.array([items[i].attributes for i in positions], np.float64)  # None becomes NaN
        self._array, self._to_float, self._flip = array, to_float, flip

    def take(self, indices: Sequence[int] | np.ndarray, generator: np.random.Generator | None = None) -> np.ndarray:
        """Items at ``indices`` (B,) of this split as float32. With a generator and ``flip`` set, mirrored at random."""
        taken = self._array[self.positions[np.asarray(indices, np.int64)]]
        if self._flip and generator is not None:
            mirror_some(taken, generator)
        return self._to_float(taken)

    def raw(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The stored rows: uint8 (B, H, W, C), or points in data units."""
        return np.asarray(self._array[self.positions[np.asarray(indices, np.int64)]])

    def __len__(self) -> int:
        return self.count


class Dataset:
    """An opened data set: ``record``, ``spec``, ``items`` (edits applied), ``train``, ``validation``.

    ``mean`` and ``std`` (D,) are what points were standardised with (0 and 1 for pictures)."""

    def __init__(
        self, stored: DatasetFolder, record: DatasetRecord, items: list[Item], array: np.ndarray, settings: DataSettings,
        fingerprint: str,
    ):  # fmt: skip
        self.layout, self.record, self.items, self.settings = stored.layout, record, items, settings
        points = record.modality == "points"
        width = array.shape[1] if points else 1
        self.mean = np.array(record.options.get("mean", [0.0] * width) if points else [0.0], np.float32)
        self.std = np.array(record.options.get("std", [1.0] * width) if points else [1.0], np.float32)
        shape = tuple(array.shape[1:]) if points else (array.shape[3], *array.shape[1:3])
        self.spec: DataSpec = spec_of(record, plain(settings), shape, fingerprint)
        to_float = self.standardised if points else pictures_to_float
        splits = np.array([item.split for item in items], str)
        flip = settings.flip and not points
        self.train = Split(array, np.flatnonzero(splits == "train"), items, to_float, flip)
        self.validation = Split(array, np.flatnonzero(splits == "validation"), items, to_float, False)

    def standardised(self, points: np.ndarray) -> np.ndarray:
        """Points (B, D) in data units -> standardised float32."""
        return ((points - self.mean) / self.std).astype(np.float32)

    def in_units(self, points: np.ndarray) -> np.ndarray:
        """Standardised points (B, D) -> data units, float32."""
        return (points * self.std + self.mean).astype(np.float32)

    def factors(self) -> dict[str, np.ndarray]:
        """Known factors by name, each (count,) float32 in the data set's order; empty where there are none."""
        stored = cache.open_array(self.layout.cache, "factors")
        names = self.record.options.get("factors", [])
        return {} if stored is None else {name: np.asarray(stored[:, i]) for i, name in enumerate(names)}

    def generative(self) -> dict[str, np.ndarray]:
        """The factors that items were drawn from, without those that follow from others; all where the record does not say."""
        drawn = self.record.options.get("generative")
        return {name: values for name, values in self.factors().items() if drawn is None or name in drawn}


def mirror_some(pictures: np.ndarray, generator: np.random.Generator) -> None:
    """Mirrors each of the pictures (B, H, W, C) left to right in place, or not: as the generator wants it."""
    mirrored = generator.random(len(pictures)) < 0.5
    pictures[mirrored] = pictures[mirrored][:, :, ::-1]


def pictures_to_float(pictures: np.ndarray) -> np.ndarray:
    """uint8 (B, H, W, C) -> float32 (B, C, H, W) in [-1, 1]."""
    moved = np.ascontiguousarray(np.moveaxis(pictures, -1, 1))
    return moved.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)


def open_data(
    library: object, dataset: str, settings: DataSettings | None = None,
    tell: Callable[[Progress], None] | None = None, cancelled: Callable[[], bool] | None = None, edits: Edits | None = None,
) -> Dataset:  # fmt: skip
    """Opens a data set of ``library`` (a Library, or the path of its root) as ``settings`` show it, with ``edits`` laid over
    the import (those of now, where none are given).

    Builds the cache first where that resolution is new, telling progress. Raises TroubleError if the data set is gone
    or a source that is still needed is, and watch.Cancelled."""
    stored = _stored(library, dataset)
    layout, edits = stored.layout, stored.edits() if edits is None else edits
    record, items, mark = stored.record(edits), stored.items(edits), stored.fingerprint(edits)
    settings = settings or default_settings(record)
    if record.modality == "points":
        array = cache.open_array(layout.cache, "points")
        if array is None:
            raise TroubleError("the stored points are damaged", record.title, advice="make or import the data set again")
        return Dataset(stored, record, items, array, settings, mark)
    array = prepared(layout, record, items, cache.squares(record, settings), Watch(tell, cancelled))
    return Dataset(stored, record, items, array, settings, mark)


def open_known(library: object, run: RunRecord, tell: Callable[[Progress], None] | None = None) -> Dataset:
    """Opens the data of a run as it knows them: as they were when it was made, whatever has been edited since. A run that is
    not in the library (a trial) knows them as they are now. Builds and raises as ``open_data`` does."""
    stored, folder = _stored(library, run.dataset), _layout(library).run(run.id)
    edits = known_to(folder, run, stored.imported_record().classes) if folder.record.exists() else None
    return open_data(library, run.dataset, build(DataSettings, run.data), tell, edits=edits)


def _layout(library: object) -> LibraryLayout:
    return LibraryLayout(getattr(getattr(library, "layout", None), "root", None) or library)


def _stored(library: object, dataset: str) -> DatasetFolder:
    layout = _layout(library).dataset(dataset)
    if not layout.record.exists():
        raise TroubleError(
            "this data set is not in the library", dataset, "the run and its checkpoints are untouched",
            "import the data again, or restore the data set from the trash",
        )  # fmt: skip
    return DatasetFolder(layout)


def prepared(layout: DatasetLayout, record: DatasetRecord, items: list[Item], cut: cache.Cut, watch: Watch) -> np.ndarray:
    """The array of a cut, mapped read-only; built first where it does not stand yet. Raises as ``open_data``."""
    standing = cache.open_array(layout.cache, cut.name)
    if standing is not None:
        return standing
    with explained("the pictures cannot be prepared", record.title, "what is cached already is kept"):
        native = cache.native_rows(layout.cache, cut)
        if native is not None:
            return cache.build(layout.cache, cut, native, watch)
        with SourceRows(items, cut) as rows:
            return cache.build(layout.cache, cut, rows, watch)


def default_settings(record: DatasetRecord) -> DataSettings:
    """How a data set is shown where nobody said for this once: as it is kept with the data set."""
    return build(DataSettings, data_settings(record))
