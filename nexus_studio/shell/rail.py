"""The left rail: one button a workspace."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QButtonGroup, QFrame, QToolButton, QVBoxLayout

from .. import theme

WIDTH = 64


class Rail(QFrame):
    """Seven checkable buttons; ``chosen`` tells the key of the workspace that was asked for."""

    chosen = Signal(str)

    def __init__(self, places: list[tuple[str, str]]):
        super().__init__()
        self.setProperty("role", "bar")
        self.setAccessibleName(self.tr("Workspaces"))
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(6, 8, 6, 8)
        self._layout.setSpacing(2)
        for position, (key, title) in enumerate(places, 1):
            self._add(key, title, position)
        self._layout.addStretch(1)
        self.rescale()
        theme.signals.changed.connect(self.rescale)

    def _add(self, key: str, title: str, position: int) -> None:
        button = QToolButton()
        button.setProperty("role", "rail")
        button.setText(title)
        button.setCheckable(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setToolTip(f"{title}  (Ctrl+{position})")
        button.setAccessibleName(title)
        theme.keep_icon(button, key, "text2", "text", size=20)
        button.clicked.connect(lambda _checked=False: self.chosen.emit(key))
        self._group.addButton(button)
        self._buttons[key] = button
        self._layout.addWidget(button)

    def rescale(self) -> None:
        """Sizes the buttons for the text size in force: as wide as the widest title, as tall as icon and title."""
        metrics = QFontMetrics(theme.font("text", 10, 500))
        widest = max(metrics.horizontalAdvance(button.text()) for button in self._buttons.values())
        width = max(theme.px(WIDTH) - 12, widest + 8)
        self.setFixedWidth(width + 12)
        for button in self._buttons.values():
            button.setIconSize(QSize(theme.px(20), theme.px(20)))
            button.setFixedWidth(width)
            button.setMinimumHeight(theme.px(20) + metrics.height() + 12)
            button.setMaximumHeight(theme.px(50))

    def show_current(self, key: str) -> None:
        """Marks the button of the workspace that is shown."""
        self._buttons[key].setChecked(True)
