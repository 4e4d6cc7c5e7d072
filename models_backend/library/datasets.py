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
from models_backend.contract.run_layout import (
    LEFT_OUT,
    DatasetLayout,
    DatasetRecord,
    DoctorReport,
    Item,
    LibraryLayout,
    RunLayout,
    RunRecord,
)
from models_backend.contract.words import counted

from . import guarding, source_paths, storage
from .attributes import UNCHANGED, ranges, refuse
from .edits import (
    Edits,
    Undo,
    applied,
    changed,
    differences,
    emptied,
    fingerprint_of,
    in_words,
    known_to,
    needed,
    of_items,
    reverting,
)
from .recounting import empty, recounted
from .showing import check_settings
from .trouble import explained, noticed
from .turns import Turn

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
_lines = msgspec.json.Decoder(Item)


class DatasetFolder:
    """One data set on disk."""

    def __init__(self, layout: DatasetLayout, changed: Callable[[], None] | None = None):
        self.layout, self.id = layout, layout.root.name
        self._changed, self._turn = changed, Turn(layout.turn_lock)
        self._items: list[Item] | None = None

    def __repr__(self) -> str:
        return f"DatasetFolder({self.id!r})"

    # reading ------------------------------------------------------------------------------------------
    def record(self, edits: Edits | None = None) -> DatasetRecord:
        """``dataset.json`` with the edits (those of now, where none are given) laid over it."""
        record = self.imported_record()
        try:
            edits = self.edits() if edits is None else edits
            return self._edited(record, edits)
        except TroubleError as error:
            log.warning("shown as it was imported: %s", error.trouble)
            return record

    def _edited(self, record: DatasetRecord, edits: Edits) -> DatasetRecord:
        title = record.title if edits.title is None else edits.title
        classes = record.classes if edits.classes is None else edits.classes
        captioned = record.captioned
        if edits.captions or (captioned and edits.left_out):
            captioned = any(item.caption.strip() for item in self.items(edits) if item.split != LEFT_OUT)
        return msgspec.structs.replace(
            record,
            title=title,
            classes=classes,
            captioned=captioned,
            left_out=len(edits.left_out),
            attributes=ranges(record.attributes, edits.attributes.values()),
            settings=edits.settings or {},
        )

    def imported_record(self) -> DatasetRecord:
        """``dataset.json`` as the import wrote it."""
        return storage.read_json(self.layout.record, DatasetRecord)

    def imported(self) -> list[Item]:
        """The items as they were imported, each where it is to be had now."""
        return source_paths.at_hand(self._as_written())

    def _as_written(self) -> list[Item]:
        """The items as they were imported, each where it was then."""
        if self._items is None:
            self._items = read_items(self.layout.items)
        return self._items

    def items(self, edits: Edits | None = None) -> list[Item]:
        """The items with the edits (those of now, where none are given) applied, each at its place."""
        return applied(self.imported(), self.edits() if edits is None else edits)

    def report(self) -> DoctorReport:
        """What the doctor found on import; once items or classes were edited, counted anew."""
        record, edits, known = self.imported_record(), self.edits(), self.layout.report.exists()
        report = storage.read_json(self.layout.report, DoctorReport) if known else DoctorReport(record.count, record.count)
        if known and of_items(edits) == Edits():
            return report
        return recounted(report, self.items(edits), edits.classes or record.classes)

    def unseen(self, record: DatasetRecord) -> tuple[str, ...]:
        """The classes of the record that no item is of; none where the report cannot be read."""
        with contextlib.suppress(TroubleError):
            return empty(record.classes, self.report())
        return ()

    def missing(self) -> list[str]:
        """The sources that are not where they were, those that are read again for other sizes."""
        record = self.imported_record()
        kept = record.builtin or record.modality == "points"  # in the data set itself
        return [] if kept else source_paths.missing(item.source for item in self.imported())

    def edits(self) -> Edits:
        """What was changed after the import."""
        return storage.read_json(self.layout.edits, Edits) if self.layout.edits.exists() else Edits()

    def fingerprint(self, edits: Edits | None = None) -> str:
        """The data as a model sees them with the edits (those of now, where none are given)."""
        return fingerprint_of(self.imported_record().fingerprint, self.edits() if edits is None else edits)

    def edited(self) -> list[str]:
        """What was edited of items, classes and settings since the import, in words."""
        return in_words(self.edits(), self._as_written(), self.imported_record().classes)

    def changes_since(self, run: RunLayout, record: RunRecord) -> list[str]:
        """What was changed of the data since a run was made, in words; nothing where they are as it knows them."""
        classes = self.imported_record().classes
        known, now = known_to(run, record, classes), of_items(self.edits())
        return [] if known == now else differences(known, now, self._as_written(), classes)

    # editing ------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else edits the data set inside the block, so that what is read there still holds when it is written. Every
        edit takes its turn by itself. TroubleError where somebody else does not end."""
        with explained("the edit cannot be saved", self.id, "Earlier edits are kept"), self._turn.taken(self.id):
            yield

    def edit(self, index: int, caption: str | None = None, label: int | None = None) -> Undo:
        """Change one item's caption or label; what undoes it."""
        captions = {} if caption is None else {index: caption}
        return self.edit_many(captions, {} if label is None else {index: label})

    def edit_many(
        self, captions: dict[int, str] | None = None, labels: dict[int, int] | None = None,
        classes: Iterable[str] | None = None, left_out: dict[int, bool] | None = None, title: str | None = None,
        settings: dict[str, Any] | None = None, attributes: dict[int, tuple[float | None, ...]] | None = None,
    ) -> Undo:  # fmt: skip
        """Change captions, labels, which items are left out (False brings one back), the classes' names (more of them add
        classes), the title, the data settings ({} for those to begin with) and attributes (all of an item's, None where one is
        unknown), all in one write; what undoes all of it. A title that another one has gets a number.
        TroubleError for a title of nothing."""
        if title is not None and not title.strip():
            raise TroubleError("a data set needs a title", self.record().title, UNCHANGED)
        if title is not None:
            from . import titles  # which reads data sets

            title = titles.free(LibraryLayout(self.layout.root.parent.parent), "dataset", title, but=self.id)
        return self._apply(Undo(
            self.id, dict(captions or {}), dict(labels or {}),
            None if title is None else (title,),
            None if classes is None else (tuple(classes),),
            dict(left_out or {}),
            None if settings is None else (settings or None,),
            dict(attributes or {}),
        ))  # fmt: skip

    def rename(self, title: str) -> Undo:
        """Give the data set another title."""
        return self.edit_many(title=title)

    def name_classes(self, classes: Iterable[str]) -> Undo:
        """Give the classes other names, and add new ones at the end."""
        return self.edit_many(classes=classes)

    def leave_out(self, positions: Iterable[int], out: bool = True) -> Undo:
        """Leave items out of training and of what is held out, or bring them back."""
        return self.edit_many(left_out=dict.fromkeys(positions, out))

    def reset(self) -> Undo:
        """Take all edits back but for the title."""
        with self.changing():
            return self._apply(emptied(self.id, self.edits()))

    def undo(self, token: Undo) -> Undo:
        """Take an edit back; what does it again."""
        return self._apply(token)

    def _apply(self, change: Undo) -> Undo:
        """Lay a change over the edits (None: back to the import) and give the change that reverts it."""
        with self.changing():
            return self._written(change)

    def _written(self, change: Undo) -> Undo:
        record, before = self.imported_record(), self.edits()
        self._refuse_unknown(change, record)
        for values in filter(None, change.attributes.values()):
            refuse(record.attributes, values)
        after = needed(changed(before, change), self._as_written(), record.classes)
        self._refuse_classes(after, record)
        if after.settings is not None:
            check_settings(after.settings)
        with noticed(self._changed):
            storage.write_json(self.layout.edits, after)
        return reverting(before, change)

    def _refuse_unknown(self, change: Undo, record: DatasetRecord) -> None:
        for index in (*change.captions, *change.labels, *change.left_out, *change.attributes):
            if not 0 <= index < record.count:
                raise TroubleError(f"there is no item {index + 1:,}; it has {record.count:,}", record.title)

    def _refuse_classes(self, edits: Edits, record: DatasetRecord) -> None:
        """TroubleError where two classes would have one name, one has none, or an item's class would be gone."""
        classes = record.classes if edits.classes is None else edits.classes
        if edits.classes is not None:
            if any(not name.strip() for name in classes):
                raise TroubleError("a class needs a name", record.title, UNCHANGED)
            twice = next((name for position, name in enumerate(classes) if name in classes[:position]), None)
            if twice is not None:
                raise TroubleError(f"there is a class “{twice}” already", record.title, UNCHANGED,
                                   "Move the items to that class, or choose another name")  # fmt: skip
        if edits.labels or len(classes) < len(record.classes):
            used = 1 + max((item.label for item in self.items(edits)), default=-1)
            if used > len(classes) and edits.labels and used - 1 in edits.labels.values():
                raise TroubleError(f"there is no class {used - 1}; it has {len(classes)}", record.title, UNCHANGED)
            if used > len(classes):
                names = counted(used, "class name is", "class names are")
                raise TroubleError(f"at least {names} needed, not {len(classes)}", record.title,
                                   UNCHANGED, "Move the items of a class elsewhere before it goes")  # fmt: skip

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
            storage.write_json(path.with_suffix(".json"), {**meta, "sha256": guarding.sha256(path)})


def read_items(path: Path) -> list[Item]:
    """The lines of ``items.jsonl``. TroubleError where it is gone or damaged."""
    item = "/".join(path.parts[-2:])
    with explained("it cannot be read", item):
        data = guarding.content(path)
    try:
        return _lines.decode_lines(data)
    except storage.UNFIT as error:
        raise TroubleError(f"it is damaged: {error}", item, advice="Import the data again") from error


def write_items(path: Path, items: Iterable[Item]) -> None:
    """Write ``items.jsonl``, whole or not at all."""
    storage.write_bytes(path, b"".join(_encoder.encode(item) + b"\n" for item in items))


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
    write_items(inside.items, items)
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
    known = {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": guarding.sha256(path)}
    storage.write_json(path.with_suffix(".json"), known | meta)
