"""Thumbnails of a data set's items, read from its cache in batches on the file thread."""

from __future__ import annotations

from collections import OrderedDict

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage

from ..pictures import to_image
from ..state.cached_rows import CachedRows
from ..state.session import Session

KEPT, BATCH = 4000, 192


class Thumbnails(QObject):
    """``picture(index)`` answers at once, with None while the row is still to be read; ``arrived`` tells what came."""

    arrived = Signal(list)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._rows: CachedRows | None = None
        self._images: OrderedDict[int, QImage] = OrderedDict()
        self._wanted: dict[int, None] = {}
        self._busy = False
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self._begin)

    def open(self, rows: CachedRows | None) -> None:
        """Takes another array; what was read is forgotten."""
        self._rows = rows
        self._images.clear()
        self._wanted.clear()

    def side(self) -> int:
        """The longer side of a thumbnail; 0 until it is known."""
        return max(self._rows.row_shape[:2]) if self._rows is not None else 0

    def picture(self, index: int) -> QImage | None:
        """The thumbnail of an item, or None until it has arrived."""
        image = self._images.get(index)
        if image is None and self._rows is not None:
            self._wanted[index] = None
            if not self._busy and not self._timer.isActive():
                self._timer.start()
        elif image is not None:
            self._images.move_to_end(index)
        return image

    def _begin(self) -> None:
        if self._wanted and self._rows is not None and not self._busy:
            self._busy = True
            self._session.bridge.spawn(self._read())

    async def _read(self) -> None:
        rows, wanted = self._rows, list(self._wanted)[-BATCH:]
        try:
            found = await self._session.bridge.threaded(rows.read, wanted)
        finally:
            self._busy = False
        if rows is not self._rows:
            return
        for index in wanted:
            self._wanted.pop(index, None)
        for index, row in found.items():
            self._images[index] = to_image(row)
        while len(self._images) > KEPT:
            self._images.popitem(last=False)
        self.arrived.emit(list(found))
        self._begin()
