"""The data sets of the library and the one that is chosen."""

from __future__ import annotations

import asyncio
from typing import Any

from PySide6.QtCore import QObject, Signal

from models_backend.contract.run_layout import DatasetRecord, DoctorReport, Item

from ..bridge import Bridge


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

    async def edit(self, dataset: str, index: int, **changes: Any) -> Any:
        """Changes the caption or label of one item; sources stay as they are."""
        folder = self._bridge.library.dataset(dataset)
        token = await self._bridge.threaded(lambda: folder.edit(index, **changes))
        self.items_changed.emit(dataset)
        return token
