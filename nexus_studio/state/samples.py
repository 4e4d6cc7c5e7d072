"""Everything made, newest first, a page at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from models_backend.contract.run_layout import SampleRecord

from ..bridge import Bridge

if TYPE_CHECKING:
    from models_backend.library.index import Filter


class Samples(QObject):
    """Pages of sample records. ``changed`` tells that samples came, went or were edited."""

    changed = Signal()
    current_changed = Signal(str)

    def __init__(self, bridge: Bridge):
        super().__init__()
        self._bridge = bridge
        self.current = ""
        self.titles: dict[str, str] = {}  # of the samples read so far

    async def page(self, offset: int = 0, limit: int = 200, filter: Filter | None = None) -> list[SampleRecord]:
        """The records from ``offset`` on."""
        from models_backend.library.index import EVERY

        library = self._bridge.library
        found = await self._bridge.threaded(lambda: library.samples(offset, limit, filter or EVERY))
        self.titles.update((record.id, record.title) for record in found)
        return found

    async def count(self, filter: Filter | None = None) -> int:
        """How many there are."""
        from models_backend.library.index import EVERY

        library = self._bridge.library
        return await self._bridge.threaded(library.count, filter or EVERY)

    async def record(self, sample: str) -> SampleRecord:
        """One record."""
        return await self._bridge.threaded(self._bridge.library.sample(sample).record)

    async def cells(self, record: SampleRecord) -> list[SampleRecord]:
        """The cells of the grid that a sample is one of, row by row; the sample alone where it is none."""
        return await self._bridge.threaded(self._bridge.library.cells, record) if record.grid is not None else [record]

    async def items(self, sample: str) -> Any:
        """The items of a sample: uint8 (N, H, W, C) or float32 (N, D)."""
        return await self._bridge.threaded(self._bridge.library.sample(sample).items)

    async def trace(self, sample: str) -> dict[str, Any]:
        """Channel name -> (steps, B, *shape) float16."""
        return await self._bridge.threaded(self._bridge.library.sample(sample).trace)

    def set_current(self, sample: str) -> None:
        """Chooses a sample by id."""
        if sample != self.current:
            self.current = sample
            self.current_changed.emit(sample)

    def refresh(self) -> asyncio.Task | None:
        """Tells that what is shown should be read again."""
        self.changed.emit()
        return None
