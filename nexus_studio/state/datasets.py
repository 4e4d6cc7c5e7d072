"""The data sets of the library and the one that is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from models_backend.contract.fields import FieldError
from models_backend.contract.run_layout import LEFT_OUT, DatasetRecord, DoctorReport, Item
from models_backend.contract.words import counted
from models_backend.library import accounting
from models_backend.library.showing import DATA, changes_of, data_settings, written

from ..bridge import Bridge
from .edits import Turning
from .preferences import Preferences
from .undo import UndoStack

#: Changes of a data set's settings within so long are one edit.
TYPING_MS = 400


class Datasets(QObject):
    """Records of all data sets, newest first. ``current`` is an id, "" while none is chosen."""

    changed = Signal()
    current_changed = Signal(str)
    items_changed = Signal(str)  # captions, labels or what is left out of a data set were edited
    report_read = Signal(str)
    settings_changed = Signal(str)  # how a data set is shown to models

    def __init__(self, bridge: Bridge):
        super().__init__()
        self._bridge = bridge
        self.records: list[DatasetRecord] = []
        self.reports: dict[str, DoctorReport] = {}
        self.copied: dict[str, accounting.Copies] = {}  # of each data set with a report
        self.current = ""
        self.written: dict[str, str] = {}  # data set -> its stamp after the last edit that was made here
        self._typed: dict[str, tuple[UndoStack, dict[str, Any]]] = {}
        self._typing = QTimer(self, singleShot=True, interval=TYPING_MS)
        self._typing.timeout.connect(self.keep_settings)
        bridge.closing.connect(self._keep_at_once)

    async def load(self) -> None:
        """Reads the records again; keeps the choice while it still exists."""
        library = self._bridge.library
        records = await self._bridge.threaded(library.datasets)
        records = sorted(records, key=lambda record: -record.created)
        if records != self.records:
            before, self.records = {record.id: record.settings for record in self.records}, records
            self.changed.emit()
            for record in records:
                if record.settings != before.get(record.id, record.settings):
                    self.settings_changed.emit(record.id)
        if self.current and self.get(self.current) is None:
            self.set_current("")

    def refresh(self) -> asyncio.Task | None:
        """Starts ``load``."""
        return self._bridge.spawn(self.load()) if self._bridge.library is not None else None

    def get(self, dataset: str) -> DatasetRecord | None:
        """The record with that id, or None."""
        return next((record for record in self.records if record.id == dataset), None)

    @property
    def current_record(self) -> DatasetRecord | None:
        """The chosen data set's record."""
        return self.get(self.current)

    def set_current(self, dataset: str) -> None:
        """Chooses a data set by id."""
        if dataset != self.current:
            self.current = dataset
            self.current_changed.emit(dataset)

    async def items(self, dataset: str) -> list[Item]:
        """Every item of a data set, with its edits applied."""
        folder = self._bridge.library.dataset(dataset)
        return await self._bridge.threaded(lambda: list(folder.items()))

    async def report(self, dataset: str) -> DoctorReport | None:
        """What the doctor found when the data set was imported, counted anew where it was edited."""
        report, copied = await self._bridge.threaded(_told, self._bridge.library.dataset(dataset))
        if report is not None:
            self.reports[dataset], self.copied[dataset] = report, copied
            self.report_read.emit(dataset)
        return report

    def edit(self, stack: UndoStack, dataset: str, text: str, **changes: Any) -> None:
        """Changes captions, labels or what is left out ({position: value}), the classes' names, the title or the settings of
        a data set as one edit that can be undone.

        Sources stay as they are: edits lie beside the import."""
        stack.push_kept(text, Turning(self, stack, dataset, changes))

    async def apply(self, dataset: str, work: Callable[[Any], Any]) -> Any:
        """Runs ``work(folder)`` on the file thread and tells that the data set changed."""
        folder = self._bridge.library.dataset(dataset)
        answer = await self._bridge.threaded(self._worked, folder, work)
        await self.load()
        self.items_changed.emit(dataset)
        await self.report(dataset)
        return answer

    def _worked(self, folder: Any, work: Callable[[Any], Any]) -> Any:
        from models_backend.library import folders

        answer = work(folder)
        self.written[folder.id] = folders.stamp(self._bridge.library.layout, "dataset", folder.id)
        return answer

    async def leave_out_uncaptioned(self, stack: UndoStack, dataset: str) -> int:
        """Leaves out every item without a caption, as one edit; how many they were."""
        items = await self.items(dataset)
        out = {n: True for n, item in enumerate(items) if item.split != LEFT_OUT and not item.caption.strip()}
        if out:
            self.edit(stack, dataset, f"Leave out {counted(len(out), 'item')} without a caption", left_out=out)
        return len(out)

    # ------------------------------------------------------------------------------ how models see the items

    def settings(self, dataset: str) -> dict[str, Any]:
        """The plain DataSettings of a data set, with what is being typed."""
        if dataset in self._typed:
            return dict(self._typed[dataset][1])
        record = self.get(dataset)
        return data_settings(record) if record is not None else {}

    def learned(self, dataset: str) -> str:
        """Which conditions of a data set runs are to learn ("auto", "classes" or "none"), with what is being chosen."""
        return self.settings(dataset).get("conditions", "auto")

    def set_settings(self, stack: UndoStack, dataset: str, values: dict[str, Any]) -> None:
        """Keeps how models see a data set with it, as an edit that can be undone; what is typed in a row is one edit."""
        if self.get(dataset) is None or values == self.settings(dataset):
            return
        self._typed[dataset] = (stack, dict(values))
        self._typing.start()
        self.settings_changed.emit(dataset)

    def keep_settings(self) -> None:
        """Writes what was typed now."""
        self._typing.stop()
        for dataset, (stack, values) in list(self._typed.items()):
            record = self.get(dataset)
            changes = changes_of(record, values) if record is not None else None
            if record is None or (changes or {}) == record.settings:
                del self._typed[dataset]
                continue
            kept = lambda d=dataset, v=values: self._kept(d, v)  # noqa: E731
            stack.push_kept(_changed(record, values),
                            Turning(self, stack, dataset, {"settings": changes or {}}, done=kept))  # fmt: skip

    def _keep_at_once(self) -> None:
        """As the window closes: what was typed last is written without a way back."""
        self._typing.stop()
        for dataset, (_, values) in self._typed.items():
            record = self.get(dataset)
            changes = (changes_of(record, values) or {}) if record is not None else None
            if changes is not None and changes != record.settings:
                folder = self._bridge.library.dataset(dataset)
                self._bridge.threaded(lambda folder=folder, changes=changes: folder.edit_many(settings=changes))
        self._typed.clear()

    def _kept(self, dataset: str, values: dict[str, Any]) -> None:
        """A change was written, or could not be: what is in force is shown."""
        if dataset in self._typed and self._typed[dataset][1] == values:
            del self._typed[dataset]
            self.settings_changed.emit(dataset)

    async def adopt(self, preferences: Preferences) -> None:
        """Settings that an older version kept in the window's preferences go to their data sets."""
        for record in self.records:
            key = f"data/settings/{record.id}"
            kept = preferences.get(key)
            if isinstance(kept, dict) and record.modality == "image" and not record.settings:
                known = {name: kept[name] for name in data_settings(record) if name in kept}
                changes = changes_of(record, data_settings(record) | known)
                folder = self._bridge.library.dataset(record.id)
                try:
                    await self._bridge.threaded(lambda folder=folder, changes=changes: folder.edit_many(settings=changes or {}))
                except FieldError:
                    continue  # not what the data set can be shown at: it begins anew
            preferences.set(key, None)
        await self.load()

    def spawn_edit(self, work: Coroutine) -> asyncio.Task:
        """Starts a coroutine of an edit."""
        return self._bridge.spawn_edit(work)


def _changed(record: DatasetRecord, values: dict[str, Any]) -> str:
    """Which of a data set's settings become other ones, each with its old and its new value."""
    before = data_settings(record)
    told = [
        f"{field.title[:1].lower()}{field.title[1:]} {written(before[field.name])} → {written(values[field.name])}"
        for field in DATA.fields
        if field.name in values and values[field.name] != before[field.name]
    ]
    return f"Change “{record.title}”: {', '.join(told)}"


def _told(folder: Any) -> tuple[DoctorReport | None, accounting.Copies]:
    """A data set's report and what there is to say of its exact copies."""
    report = folder.report()
    if report is None or not report.exact_duplicates:
        return report, accounting.Copies()
    return report, accounting.copies(folder.items(), folder.record().classes)
