"""Keys that Qt leaves to dialogs or to some systems: Return presses a button, Shift+F10 opens the menu of a place."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QContextMenuEvent, QKeyEvent
from PySide6.QtWidgets import QApplication, QPushButton, QToolButton, QWidget


def press(focused: QWidget | None, event: QKeyEvent) -> bool:
    """Presses the push or tool button with the focus at Return or Enter; whether it was one."""
    wanted = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(focused, QPushButton | QToolButton)
    if wanted and not event.isAutoRepeat():
        focused.click()
    return wanted


def ask_menu(focused: QWidget | None, event: QKeyEvent) -> bool:
    """Asks what has the focus for its menu at Shift+F10, as the Menu key does; whether it was that."""
    shift = event.modifiers() == Qt.KeyboardModifier.ShiftModifier
    if focused is None or event.key() != Qt.Key.Key_F10 or not shift:
        return False
    place = focused.inputMethodQuery(Qt.InputMethodQuery.ImCursorRectangle).center()
    asked = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, place, focused.mapToGlobal(place))
    QApplication.sendEvent(focused, asked)
    return True
