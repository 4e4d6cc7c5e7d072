"""The data sets of the library and the one that is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from PySide6.QtCore import QObject, Signal

from models_backend.contract.run_layout import DatasetRecord, DoctorReport, Item

from ..bridge import Bridge
from .undo import UndoStack


class Datasets(QObject):
    """Records of all data sets, newest first. ``current`` is an id, "" while none is chosen."""

    changed = Signal()
    current_changed = Signal(str)
    items_changed = Signal(str)  # captions or labels of a data set were edited

    def __init__(self, bridge: Bridge):
        super().__init__()
        self._bridge = bridge
        self.records: list[DatasetRecord] = []
        self.current = ""

    async def load(self) -> None:
        """Reads the records again; keeps the choice while it still exists."""
        library = self._bridge.library
        records = await self._bridge.threaded(library.datasets)
        records = sorted(records, key=lambda record: -record.created)
        if records != self.records:
            self.records = records
            self.changed.emit()
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
        """What the doctor found when the data set was imported."""
        return await self._bridge.threaded(self._bridge.library.dataset(dataset).report)

    def edit(self, stack: UndoStack, dataset: str, text: str, **changes: Any) -> None:
        """Changes captions or labels ({position: value}) or the title of a data set as one edit that can be undone.

        Sources stay as they are: edits lie beside the import."""
        turn = Turn(self, dataset, changes)
        stack.push(text, turn.forward, turn.back)

    async def apply(self, dataset: str, work: Callable[[Any], Any]) -> Any:
        """Runs ``work(folder)`` on the file thread and tells that the data set changed."""
        folder = self._bridge.library.dataset(dataset)
        answer = await self._bridge.threaded(work, folder)
        await self.load()
        self.items_changed.emit(dataset)
        return answer

    def spawn(self, work: Coroutine) -> None:
        """Starts a coroutine of an edit."""
        self._bridge.spawn(work)


class Turn:
    """An edit of a data set there and back: each way leaves the token that reverts it."""

    def __init__(self, datasets: Datasets, dataset: str, changes: dict[str, Any]):
        self._datasets, self._dataset, self._changes = datasets, dataset, changes
        self._token: Any = None
        self._order = asyncio.Lock()

    def forward(self) -> None:
        """Does the edit, or does it again."""
        self._datasets.spawn(self._turn())

    def back(self) -> None:
        """Takes the edit back."""
        self._datasets.spawn(self._turn())

    async def _turn(self) -> None:
        async with self._order:
            token = self._token
            work = self._first if token is None else lambda folder: folder.undo(token)
            self._token = await self._datasets.apply(self._dataset, work)

    def _first(self, folder: Any) -> Any:
        return folder.rename(self._changes["title"]) if "title" in self._changes else folder.edit_many(**self._changes)
