"""Large views of items: from the source, or as models are trained on them, whichever was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from ..forms.editors import Pick
from ..pieces import label
from ..state.session import Session
from .data_preview import seen
from .data_sources import SourcePictures

#: A small copy is shown up to so many times as large as it is: what is larger looks blurred.
MAGNIFIED = 1.5

if TYPE_CHECKING:
    from .data_items import ItemsPage


class LargePictures(QObject):
    """``picture(index)`` is what a view of an item shows; ``ways`` and ``said`` stand above the items."""

    arrived = Signal(list)

    def __init__(self, session: Session, page: ItemsPage):
        super().__init__(page)
        self._session, self._page = session, page
        self._sources = SourcePictures(session)
        self.ways, self.said = Pick(), label("", "mono")
        self.ways.setAccessibleName(self.tr("Large pictures show"))
        self.ways.setToolTip(self.tr("Large pictures as their files show them, or as models are trained on them"))
        for text, way in ((self.tr("Source"), "source"), (self.tr("As trained"), "trained")):
            self.ways.addItem(text, way)
        self.ways.setCurrentIndex(max(0, self.ways.findData(session.preferences.get("data/large", "source"))))
        self.ways.hide()
        self.said.hide()
        self._sources.arrived.connect(self.arrived)
        self.ways.currentIndexChanged.connect(self._take_way)
        session.datasets.settings_changed.connect(self._settings_changed)

    def open(self) -> None:
        """Takes the page's items."""
        self._sources.open(self._page.items)
        self.show_ways()

    def picture(self, index: int, px: int = 0) -> QImage | None:
        """An item's picture for a tile, or for a view of ``px``: of the source where that is larger than the small copy, else
        (and until it has arrived) the copy; None until that is there."""
        copy = self._page.thumbs.picture(index)
        wanted = round((px or self._page.grid.tile_side()) * self._page.devicePixelRatioF())
        if copy is None or wanted <= MAGNIFIED * copy.width() or not self._has_source(index, copy):
            return copy
        if self._trained():
            values = self._settings()
            return seen(copy, min(values["resolution"], copy.width()), values["channels"] == "grey")
        return self._sources.picture(index, wanted) or copy

    def words(self, index: int) -> str:
        """How a large view shows an item, where that is not from its source."""
        copy = self._page.thumbs.picture(index)
        if copy is None or not self._has_source(index, copy):
            return ""
        why = self._sources.why(index)
        return f"{self._as_trained()}: {why}" if why else self._as_trained() if self._trained() else ""

    def _has_source(self, index: int, copy: QImage) -> bool:
        """Whether an item has a file that shows more of it than the small copy does."""
        record, items = self._page.record, self._page.items
        known = record is not None and not record.builtin and index < len(items)
        return known and max(items[index].width, items[index].height) > max(copy.width(), copy.height())

    def _trained(self) -> bool:
        return self.ways.currentData() == "trained"

    def _settings(self) -> dict:
        return self._session.datasets.settings(self._page.record.id)

    def _as_trained(self) -> str:
        side = min(self._settings()["resolution"], self._page.thumbs.side())
        return self.tr("Shown as it is trained on, {0} × {0}").format(side)

    def show_ways(self) -> None:
        """The choice where it makes a difference, and what is shown."""
        record, side = self._page.record, self._page.thumbs.side()
        files = record is not None and record.modality == "image" and not record.builtin and side > 0
        larger = files and any(max(item.width, item.height) > side for item in self._page.items)
        self.ways.setVisible(larger)
        self.said.setText(self._as_trained() if larger and self._trained() else "")
        self.said.setVisible(bool(self.said.text()))

    def _take_way(self, _index: int) -> None:
        self._session.preferences.set("data/large", self.ways.currentData())
        self.show_ways()
        self._page.grid.refresh()

    def _settings_changed(self, dataset: str) -> None:
        if self._page.record is not None and self._page.record.id == dataset and self._trained():
            self.show_ways()
            self._page.grid.refresh()
