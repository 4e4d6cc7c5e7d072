"""Data sets: what was imported, and the edits made to it, kept apart so that neither sources nor import ever change."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetLayout, DatasetRecord, DoctorReport, Item, LibraryLayout

from . import storage
from .trouble import explained, noticed

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
_lines = msgspec.json.Decoder(Item)


class Edits(msgspec.Struct, omit_defaults=True):
    """``edits.json``: what was changed after the import, by item position."""

    captions: dict[int, str] = {}
    labels: dict[int, int] = {}
    title: str | None = None
    classes: tuple[str, ...] | None = None


class Undo(msgspec.Struct, frozen=True):
    """What brings the edits back to what they were: pass it to :meth:`DatasetFolder.undo`."""

    dataset: str
    captions: dict[int, str | None] = {}
    labels: dict[int, int | None] = {}
    title: tuple[str | None] | None = None
    classes: tuple[tuple[str, ...] | None] | None = None


class DatasetFolder:
    """One data set on disk."""

    def __init__(self, layout: DatasetLayout, changed: Callable[[], None] | None = None):
        self.layout, self.id = layout, layout.root.name
        self._changed = changed
        self._items: list[Item] | None = None

    def __repr__(self) -> str:
        return f"DatasetFolder({self.id!r})"

    # reading ------------------------------------------------------------------------------------------
    def record(self) -> DatasetRecord:
        """``dataset.json`` with an edited title and class names laid over it."""
        record = storage.read_json(self.layout.record, DatasetRecord)
        try:
            edits = self.edits()
        except TroubleError as error:
            log.warning("shown as it was imported: %s", error.trouble)
            return record
        title = record.title if edits.title is None else edits.title
        classes = record.classes if edits.classes is None else edits.classes
        captioned = record.captioned or any(edits.captions.values())
        return msgspec.structs.replace(record, title=title, classes=classes, captioned=captioned)

    def imported(self) -> list[Item]:
        """The items as they were imported."""
        if self._items is None:
            self._items = read_items(self.layout.items)
        return self._items

    def items(self) -> list[Item]:
        """The items, with edits applied."""
        items, edits = list(self.imported()), self.edits()
        for index, caption in edits.captions.items():
            items[index] = msgspec.structs.replace(items[index], caption=caption)
        for index, label in edits.labels.items():
            items[index] = msgspec.structs.replace(items[index], label=label)
        return items

    def report(self) -> DoctorReport:
        """What the doctor found on import."""
        if not self.layout.report.exists():
            count = storage.read_json(self.layout.record, DatasetRecord).count
            return DoctorReport(found=count, imported=count)
        return storage.read_json(self.layout.report, DoctorReport)

    def edits(self) -> Edits:
        """What was changed after the import."""
        return storage.read_json(self.layout.edits, Edits) if self.layout.edits.exists() else Edits()

    def fingerprint(self) -> str:
        """The data as a model sees them: the import's fingerprint, and the edits where there are any."""
        record, edits = storage.read_json(self.layout.record, DatasetRecord), self.edits()
        seen = Edits(captions=edits.captions, labels=edits.labels)
        if seen == Edits():
            return record.fingerprint
        order = Edits(dict(sorted(seen.captions.items())), dict(sorted(seen.labels.items())))
        return hashlib.sha256(record.fingerprint.encode() + _encoder.encode(order)).hexdigest()

    # editing ------------------------------------------------------------------------------------------
    def edit(self, index: int, caption: str | None = None, label: int | None = None) -> Undo:
        """Change one item's caption or label; what undoes it."""
        captions = {} if caption is None else {index: caption}
        return self.edit_many(captions, {} if label is None else {index: label})

    def edit_many(self, captions: dict[int, str] | None = None, labels: dict[int, int] | None = None) -> Undo:
        """Change many captions and labels in one write; what undoes all of them."""
        return self._apply(Undo(self.id, dict(captions or {}), dict(labels or {})))

    def rename(self, title: str) -> Undo:
        """Give the data set another title."""
        return self._apply(Undo(self.id, title=(title,)))

    def name_classes(self, classes: Iterable[str]) -> Undo:
        """Give the classes other names, and add new ones at the end."""
        return self._apply(Undo(self.id, classes=(tuple(classes),)))

    def undo(self, token: Undo) -> Undo:
        """Take an edit back; what does it again."""
        return self._apply(token)

    def _apply(self, change: Undo) -> Undo:
        """Lay a change over the edits (None: back to the import) and give the change that reverts it."""
        self._refuse_unknown(change)
        edits = self.edits()
        back = Undo(
            self.id,
            {index: edits.captions.get(index) for index in change.captions},
            {index: edits.labels.get(index) for index in change.labels},
            (edits.title,) if change.title else None,
            (edits.classes,) if change.classes else None,
        )
        edits = Edits(
            _overlaid(edits.captions, change.captions),
            _overlaid(edits.labels, change.labels),
            change.title[0] if change.title else edits.title,
            change.classes[0] if change.classes else edits.classes,
        )
        with noticed(self._changed), explained("the edit cannot be saved", self.id, "Earlier edits are kept"):
            storage.write_json(self.layout.edits, edits)
        return back

    def _refuse_unknown(self, change: Undo) -> None:
        record = self.record()
        for index in (*change.captions, *change.labels):
            if not 0 <= index < record.count:
                raise TroubleError(f"there is no item {index}; it has {record.count}", self.id)
        for label in change.labels.values():
            if label is not None and not -1 <= label < len(record.classes):
                raise TroubleError(f"there is no class {label}; it has {len(record.classes)}", self.id)
        if change.classes and change.classes[0] is not None and len(change.classes[0]) < len(record.classes):
            raise TroubleError(f"at least {len(record.classes)} class names are needed, not {len(change.classes[0])}", self.id)

    # cache --------------------------------------------------------------------------------------------
    def cache_path(self, name: str) -> Path:
        """Where the array of a cached form lies; it counts once ``name``.json stands beside it."""
        return self.layout.cache / f"{name}.npy"

    def cached(self, name: str) -> dict[str, Any] | None:
        """What is known of a cached form, or None where it is not (wholly) there."""
        path = self.cache_path(name)
        meta = path.with_suffix(".json")
        return storage.read_json(meta, dict) if meta.exists() and path.exists() else None

    @contextlib.contextmanager
    def new_cache(self, name: str, meta: dict[str, Any]) -> Iterator[Path]:
        """A temporary path to write a cached form at (.npy); it counts once the block has ended well."""
        path = self.cache_path(name)
        with explained("the cache cannot be written", self.id, "The data set itself is untouched"):
            storage.make_folder(self.layout.cache)
            with storage.new_file(path) as temp:
                yield temp
            storage.write_json(path.with_suffix(".json"), meta)


def _overlaid(values: dict[int, Any], change: dict[int, Any]) -> dict[int, Any]:
    laid = {**values, **change}
    return {index: value for index, value in laid.items() if value is not None}


def read_items(path: Path) -> list[Item]:
    """The lines of ``items.jsonl``. TroubleError where it is gone or damaged."""
    item = "/".join(path.parts[-2:])
    with explained("it cannot be read", item):
        data = path.read_bytes()
    try:
        return _lines.decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TroubleError(f"it is damaged: {error}", item, advice="Import the data again") from error


def fingerprint(items: Iterable[Item]) -> str:
    """sha256 over the items' content hashes, labels, attributes, captions and own splits, in order; its first 16 hex digits are
    the data set's id."""
    digest = hashlib.sha256()
    for item in items:
        known = f":{item.attributes}" if item.attributes else ""
        said = f":{item.caption!r}" if item.caption else ""
        given = f":split={item.given}" if item.given else ""
        digest.update(f"{item.sha256}:{item.label}{known}{said}{given}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def draft(layout: LibraryLayout, dataset: str) -> Iterator[DatasetLayout]:
    """A data set in the making: fill its folder (``finish``, caches); it stands in the library once the block has ended."""
    trouble = explained("the data set cannot be made", dataset, "Nothing was changed; the sources were only read")
    with trouble, storage.new_folder(layout.dataset(dataset).root) as folder:
        inside = DatasetLayout(folder)
        storage.make_folder(inside.cache)
        yield inside


def finish(inside: DatasetLayout, record: DatasetRecord, items: Iterable[Item], report: DoctorReport | None = None) -> None:
    """Write the record, the items and the report of a data set in the making."""
    with storage.open_new(inside.items) as file:
        for item in items:
            file.write(_encoder.encode(item) + b"\n")
    if report is not None:
        storage.write_json(inside.report, report)
    storage.write_json(inside.record, record)


def create(
    layout: LibraryLayout,
    record: DatasetRecord,
    items: Iterable[Item],
    report: DoctorReport | None = None,
    arrays: dict[str, Any] | None = None,
    metas: dict[str, dict[str, Any]] | None = None,
) -> DatasetFolder:
    """A new data set: its items, and cached arrays by name. One that stands already is given back as it is."""
    folder = DatasetFolder(layout.dataset(record.id))
    if folder.layout.record.exists():
        return folder
    with draft(layout, record.id) as inside:
        for name, array in (arrays or {}).items():
            _save_array(inside.cache / f"{name}.npy", array, (metas or {}).get(name, {}))
        finish(inside, record, items, report)
    return folder


def _save_array(path: Path, array: Any, meta: dict[str, Any]) -> None:
    import numpy as np

    with storage.open_new(path) as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    storage.write_json(path.with_suffix(".json"), {"shape": list(array.shape), "dtype": str(array.dtype), **meta})
