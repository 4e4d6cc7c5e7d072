"""The caption of one item, edited over its tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QLineEdit

if TYPE_CHECKING:
    from .data_items import ItemsPage


class CaptionField(QLineEdit):
    """The caption of one item, over its tile: Enter keeps, Escape leaves it, Tab goes on to the next."""

    def __init__(self, page: ItemsPage):
        super().__init__(page.grid.viewport())
        self._page, self.position = page, -1
        self.setAccessibleName(self.tr("Caption"))
        self.hide()

    def open(self, position: int, text: str, place: QRect) -> None:
        """Shows the field over a tile."""
        self.position = position
        self.setText(text)
        self.setGeometry(place)
        self.show()
        self._page.grid.setFocusProxy(self)  # a click into the grid does not take the focus by itself
        self.setFocus()
        self.end(False)
        self.home(True)  # all is chosen, and its beginning is seen

    def move_to(self, position: int, place: QRect) -> None:
        """Its item stands at another place now."""
        self.position = position
        self.setGeometry(place)

    def keep(self) -> None:
        """Closes the field and keeps what was written."""
        position, self.position = self.position, -1
        self._close()
        if position >= 0:
            self._page.set_caption(position, self.text().strip())

    def _close(self) -> None:
        self._page.grid.setFocusProxy(None)
        self.hide()

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.position = -1
            self._close()
            self._page.grid.setFocus()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.keep()
            self._page.grid.setFocus()
        else:
            super().keyPressEvent(event)

    def event(self, event) -> bool:
        if event.type() == event.Type.KeyPress and event.key() in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            step, position = (1 if event.key() == Qt.Key.Key_Tab else -1), self.position
            self.keep()
            self._page.edit(position + step)
            return True
        return super().event(event)

    def mousePressEvent(self, event) -> None:
        super().mousePressEvent(event)
        event.accept()  # a line of text hands a right click on, which would be one into the grid

    def focusOutEvent(self, event) -> None:
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:  # its own menu
            self.keep()

    def clicked_beside(self, position: int) -> bool:
        """What a click into the grid does to the open field: one on its own tile (the third of a row of clicks) nothing, any
        other one closes it. Returns whether it stays open."""
        if self.isHidden() or position == self.position:
            return not self.isHidden()
        self.keep()
        self._page.grid.setFocus()
        return False
