"""Pictures of items as their sources show them, at the size of a view: asked for one by one, the few last ones kept."""

from __future__ import annotations

from collections import OrderedDict

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from models_backend.contract.run_layout import Item
from models_backend.contract.views import View

from ..state.session import Session

#: Longer sides that are asked for: a little zooming asks for nothing new.
SIDES = (128, 192, 256, 384, 512, 768, 1024)
KEPT_BYTES, WANTED = 96 << 20, 400


class SourcePictures(QObject):
    """``picture(index, px)`` answers at once, with the best that is at hand; ``arrived`` tells what came, or that it cannot."""

    arrived = Signal(list)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._items: list[Item] = []
        self._images: OrderedDict[int, tuple[int, QImage]] = OrderedDict()
        self._why: dict[int, str] = {}
        self._wanted: OrderedDict[int, int] = OrderedDict()
        self._busy = False

    def open(self, items: list[Item]) -> None:
        """Takes the items of a data set; what was read of others is forgotten."""
        if [one.source for one in items] != [one.source for one in self._items]:
            self._images.clear()
            self._why.clear()
            self._wanted.clear()
        self._items = items

    def picture(self, index: int, px: int) -> QImage | None:
        """The picture of an item about ``px`` high or wide, never larger than its source; None until it has arrived."""
        side = next((side for side in SIDES if side >= px), SIDES[-1])
        known, image = self._images.get(index, (0, None))
        if index in self._why or not 0 <= index < len(self._items):
            return None
        if known < side:
            self._wanted[index] = side
            self._wanted.move_to_end(index)
            self._begin()
        else:
            self._images.move_to_end(index)
        return image

    def why(self, index: int) -> str:
        """Why an item cannot be shown from its source; "" where that is not known."""
        return self._why.get(index, "")

    def _begin(self) -> None:
        while len(self._wanted) > WANTED:  # scrolled past
            self._wanted.popitem(last=False)
        if self._wanted and not self._busy:
            self._busy = True
            self._session.bridge.spawn(self._read())

    async def _read(self) -> None:
        try:
            while self._wanted:
                index, side = self._wanted.popitem()
                if index < len(self._items):
                    await self._see(index, side)
        finally:
            self._busy = False

    async def _see(self, index: int, side: int) -> None:
        item = self._items[index]
        view = view_of(item, side)
        seen = await self._session.bridge.engine.see(view)
        if index >= len(self._items) or self._items[index].source != item.source:
            return  # another data set is shown meanwhile
        if seen.why:
            self._why[index] = seen.why
        else:
            image = QImage(seen.pixels, view.width, view.height, 3 * view.width, QImage.Format.Format_RGB888).copy()
            self._images[index] = (side, image)
            self._images.move_to_end(index)
        while sum(image.sizeInBytes() for _, image in self._images.values()) > KEPT_BYTES:
            self._images.popitem(last=False)
        self.arrived.emit([index])


def view_of(item: Item, side: int) -> View:
    """A whole item with its longer side in px, or as large as its source where that is smaller."""
    scale = min(1.0, side / max(item.width, item.height, 1))
    width, height = (max(1, round(side * scale)) for side in (item.width, item.height))
    return View(item.source, item.sha256, width, height, item.also)
