"""Tiles of the gallery: one a sample, a collage of its first items, read from disk only when it is seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import SampleRecord

from .. import paint
from ..fitting import one_line
from ..state.session import Session
from ..viewers.modality import shown
from .sample_facts import checkpoint_name

SIDE_PX = 240
KEPT = 1200
PAGE = 400
SIDE_CELLS = 5  # of a grid that are read for its tile, along either side
GAP_PX = 4


def collage(items: np.ndarray, modality: str, side_px: int = SIDE_PX, columns: int = 0) -> QImage:
    """The first 1, 4 or 9 items in a square, or as many as fit in a square of ``columns``; points are one picture together."""
    view = shown(modality)
    if view.together:
        return view.picture(items, side_px)
    columns = columns or (3 if len(items) >= 9 else 2 if len(items) >= 4 else 1)
    return _tiled({divmod(n, columns): item for n, item in enumerate(items[: columns**2])}, columns, columns, modality, side_px)


def evenly(count: int, most: int = SIDE_CELLS) -> list[int]:
    """Positions of ``count`` that are evenly apart, both ends among them: all where they are no more than ``most`` > 1."""
    return list(range(count)) if count <= most else [round(n * (count - 1) / (most - 1)) for n in range(most)]


def collage_of_cells(cells: dict[tuple[int, int], np.ndarray], rows: int, columns: int, modality: str) -> QImage:
    """Cells of a grid, each given by its items, by the row and column where they stand of so many, in a square."""
    together = shown(modality).together
    chosen = {place: items if together else items[0] for place, items in cells.items()}
    return _tiled(chosen, rows, columns, modality, SIDE_PX)


def _tiled(items: dict[tuple[int, int], np.ndarray], rows: int, columns: int, modality: str, side_px: int) -> QImage:
    """Items by row and column, in the middle of a square picture."""
    view, most = shown(modality), max(rows, columns)
    picture = QImage(side_px, side_px, QImage.Format.Format_ARGB32_Premultiplied)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    side = (side_px - GAP_PX * (most - 1)) / most
    pitch = side + GAP_PX
    left, top = (most - columns) * pitch / 2, (most - rows) * pitch / 2
    for (row, column), item in items.items():
        place = QRectF(left + column * pitch, top + row * pitch, side, side)
        paint.draw_rounded(painter, view.picture(item, int(side)), place, 3)
    painter.end()
    return picture


def differing(record: SampleRecord) -> str:
    """What tells samples of one run apart that their titles do not, in few characters: sampler, guidance, training step; of a
    grid how many rows and columns it has."""
    if record.grid is not None:
        size = f"{record.grid.rows} × {record.grid.columns}"
        return " · ".join(filter(None, [size, checkpoint_name(record.checkpoint).lower()]))
    sampler = record.sampling.get("sampler") or record.sampling.get("solver") or ""
    sampler = sampler.get("type", "") if isinstance(sampler, dict) else sampler
    guidance = record.sampling.get("guidance")
    asked = record.conditions.get("text") or record.conditions.get("class")
    parts = [sampler.replace("_", "-"), f"g {guidance:g}" if isinstance(guidance, int | float) and asked is not None else ""]
    parts = [" ".join(filter(None, parts)), checkpoint_name(record.checkpoint).lower()]
    return " · ".join(filter(None, parts))


class Tiles(QObject):
    """The list of samples that the filter leaves, a page at a time, and their pictures.

    ``picture`` and ``record`` answer at once with what is there, or None and start reading; ``arrived`` tells when.
    """

    arrived = Signal(int)  # index of a tile whose picture came
    paged = Signal()  # records of another page came
    counted = Signal(int)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._filter: object = None
        self._records: dict[int, SampleRecord] = {}
        self._pages: set[int] = set()
        self._pictures: OrderedDict[str, QImage | None] = OrderedDict()
        self._stale: set[str] = set()  # those of grids, which may have more cells now
        self._wanted: list[int] = []
        self._busy = False
        self._stamp = 0
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._begin)
        self.total = 0

    def reload(self, narrowed: object = None) -> None:
        """Lists anew under a filter; pictures that are known are kept."""
        self._filter = narrowed
        self._stamp += 1
        self._stale |= {record.id for record in self._records.values() if record.grid is not None}
        self._records.clear()
        self._pages.clear()
        self._wanted.clear()
        if self._session.bridge.library is not None:
            self._session.bridge.spawn(self._count(self._stamp))

    async def _count(self, stamp: int) -> None:
        total = await self._session.samples.count(self._filter)
        if stamp == self._stamp:
            self.total = total
            await self._page(0, stamp)
            self.counted.emit(total)

    async def _page(self, page: int, stamp: int) -> None:
        found = await self._session.samples.page(page * PAGE, PAGE, self._filter)
        if stamp == self._stamp:
            self._records.update({page * PAGE + i: record for i, record in enumerate(found)})
            self.paged.emit()

    def record(self, index: int) -> SampleRecord | None:
        """The record of a tile, or None while its page is read."""
        page = index // PAGE
        if index not in self._records and page not in self._pages and 0 <= index < self.total:
            self._pages.add(page)
            self._session.bridge.spawn(self._page(page, self._stamp))
        return self._records.get(index)

    def index_of(self, sample: str) -> int:
        """Where a sample stands among the records read so far, or -1."""
        return self.index_where(lambda record: record.id == sample)

    def index_where(self, wanted: Callable[[SampleRecord], bool]) -> int:
        """Where the first record stands of those read so far that is wanted, or -1."""
        return next((i for i, record in self._records.items() if wanted(record)), -1)

    def picture(self, index: int) -> QImage | None:
        """The collage of a tile, or None while it is read."""
        record = self.record(index)
        if record is None:
            return None
        known = record.id in self._pictures
        if known:
            self._pictures.move_to_end(record.id)
        if (not known or record.id in self._stale) and index not in self._wanted:
            self._wanted.append(index)
            self._timer.start()
        return self._pictures.get(record.id)

    def _begin(self) -> None:
        if not self._busy and self._wanted:
            self._busy = True
            self._session.bridge.spawn(self._read_all())

    async def _read_all(self) -> None:
        """Reads the newest wishes first: they are what is on the screen now."""
        try:
            while self._wanted:
                index = self._wanted.pop()
                del self._wanted[:-200]
                record = self._records.get(index)
                if record is not None and (record.id not in self._pictures or record.id in self._stale):
                    self._stale.discard(record.id)
                    self._pictures[record.id] = await self._read(record)
                    while len(self._pictures) > KEPT:
                        self._pictures.popitem(last=False)
                self.arrived.emit(index)
        finally:
            self._busy = False

    async def _read(self, record: SampleRecord) -> QImage | None:
        samples = self._session.samples
        try:
            if record.grid is not None:
                rows, columns = evenly(record.grid.rows), evenly(record.grid.columns)
                cells = {
                    (rows.index(cell.grid.row), columns.index(cell.grid.column)): await samples.items(cell.id)
                    for cell in await samples.cells(record)
                    if cell.grid.row in rows and cell.grid.column in columns
                }
                return collage_of_cells(cells, len(rows), len(columns), record.modality)
            return collage(await samples.items(record.id), record.modality)
        except TroubleError as error:
            self._session.bridge.trouble.emit(error.trouble)
            return None

    def caption(self, index: int) -> str:
        """The two lines under a tile."""
        record = self.record(index)
        return f"{one_line(record.title)}\n{differing(record)}" if record else ""

    def badge(self, index: int) -> str:
        """A star on what was starred."""
        record = self._records.get(index)
        return "★" if record is not None and record.starred else ""

    def source(self) -> tuple[int, Callable[[int], QImage | None], Callable[[int], str]]:
        """What an ImageGrid's ``set_source`` takes."""
        return self.total, self.picture, self.caption
