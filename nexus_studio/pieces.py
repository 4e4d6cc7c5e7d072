"""Small pieces that every panel is made of: labels by role, chips, cards, rules, icon buttons, empty states.

Looks come from the style sheet through the dynamic property ``role``; nothing here knows a panel.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from . import theme
from .number_boxes import WholeBox


def set_role(widget: QWidget, role: str) -> QWidget:
    """Gives a widget the look of ``role`` (studio.qss) and repolishes it."""
    return set_look(widget, "role", role)


def set_look(widget: QWidget, name: str, value: str) -> QWidget:
    """Sets a dynamic property that the style sheet asks for, and repolishes the widget when it changed."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)
    return widget


def label(text: str = "", role: str = "label", wrap: bool = False) -> QLabel:
    """A plain-text label. Roles: heading title large body strong label hint section mono figure error ok warn bad chip."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setProperty("role", role)
    made.setWordWrap(wrap)
    return made


def section(text: str) -> QLabel:
    """A small upper-case heading inside a column."""
    return label(text.upper(), "section")


def chip(text: str) -> QLabel:
    """A rounded tag."""
    made = label(text, "chip")
    made.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
    return made


def button(text: str, role: str = "", on_click: Callable[[], object] | None = None, icon: str = "") -> QPushButton:
    """A push button. Roles: "" primary danger link chip."""
    made = QPushButton(text)
    made.setAccessibleName(text)
    if role:
        made.setProperty("role", role)
    if icon:
        theme.keep_icon(made, icon, "on_accent" if role == "primary" else "text2", size=16)
        made.setIconSize(QSize(16, 16))
    if on_click is not None:
        made.clicked.connect(lambda _checked=False: on_click())
    return made


def chip_button(text: str, checked: bool = False) -> QPushButton:
    """A tag that can be switched on and off."""
    made = button(text, "chip")
    made.setCheckable(True)
    made.setChecked(checked)
    return made


def icon_button(name: str, tip: str, on_click: Callable[[], object] | None = None, size: int = 16) -> QToolButton:
    """A flat button with an icon; ``tip`` is its tooltip and accessible name."""
    made = QToolButton()
    theme.keep_icon(made, name, "text2", "text", size)
    made.setIconSize(QSize(size, size))
    made.setToolTip(tip)
    made.setAccessibleName(tip)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    if on_click is not None:
        made.clicked.connect(lambda _checked=False: on_click())
    return made


def spin_box(name: str, low: int, high: int, value: int = 0, suffix: str = "") -> QSpinBox:
    """A whole number with arrows; ``name`` is its accessible name."""
    made = WholeBox()
    made.setRange(low, high)
    made.setValue(value)
    made.setSuffix(suffix)
    made.setAccessibleName(name)
    made.lineEdit().setTextMargins(6, 0, 0, 0)  # the style sheet's padding does not reach the text of a spin box
    return made


def rule(vertical: bool = False) -> QFrame:
    """A separator one pixel thick."""
    made = QFrame()
    made.setProperty("role", "rule")
    made.setFixedWidth(1) if vertical else made.setFixedHeight(1)
    return made


def meter(tone: str = "", width: int = 0) -> QProgressBar:
    """A thin bar from 0 to 1000. Tones: "" ok warn bad device."""
    made = QProgressBar()
    made.setRange(0, 1000)
    made.setTextVisible(False)
    if tone:
        made.setProperty("tone", tone)
    if width:
        made.setFixedWidth(width)
    return made


def row(*widgets: QWidget | int | None, spacing: int = 8, margins: tuple[int, int, int, int] = (0, 0, 0, 0)) -> QHBoxLayout:
    """A horizontal layout; None is a stretch, a number a space in pixels."""
    made = QHBoxLayout()
    return _filled(made, widgets, spacing, margins)


def column(*widgets: QWidget | int | None, spacing: int = 8, margins: tuple[int, int, int, int] = (0, 0, 0, 0)) -> QVBoxLayout:
    """A vertical layout; None is a stretch, a number a space in pixels."""
    made = QVBoxLayout()
    return _filled(made, widgets, spacing, margins)


def _filled(layout, widgets, spacing, margins):
    layout.setSpacing(spacing)
    layout.setContentsMargins(*margins)
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        elif isinstance(widget, int):
            layout.addSpacing(widget)
        elif isinstance(widget, QWidget):
            layout.addWidget(widget)
        else:
            layout.addLayout(widget)
    return layout


class Flow(QLayout):
    """Widgets after one another, in as many rows as they need."""

    def __init__(self, *widgets: QWidget, spacing: int = 6):
        super().__init__()
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(spacing)
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._arrange(QRect(0, 0, width, 0), apply=False)

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._arrange(rect, apply=True)

    def sizeHint(self) -> QSize:
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        widest = max((item.minimumSize().width() for item in self._items), default=0)
        return QSize(widest, self.heightForWidth(max(widest, self.geometry().width())) if self._items else 0)

    def _arrange(self, rect: QRect, apply: bool) -> int:
        x, y, line = rect.left(), rect.top(), 0
        for item in self._items:
            size = item.sizeHint()
            if x > rect.left() and x + size.width() > rect.right() + 1:
                x, y, line = rect.left(), y + line + self.spacing(), 0
            if apply:
                item.setGeometry(QRect(QPoint(x, y), size))
            x, line = x + size.width() + self.spacing(), max(line, size.height())
        return y + line - rect.top()

    def clear(self) -> None:
        """Takes every widget away."""
        while self._items:
            widget = self._items.pop().widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()


class Card(QFrame):
    """A bordered box; ``body`` is its vertical layout."""

    def __init__(self, *widgets: QWidget, spacing: int = 6, margin: int = 12):
        super().__init__()
        self.setProperty("role", "card")
        self.body = column(*widgets, spacing=spacing, margins=(margin, margin - 2, margin, margin - 2))
        self.setLayout(self.body)

    def set_chosen(self, chosen: bool) -> None:
        """Draws the border in the accent colour."""
        set_look(self, "chosen", "true" if chosen else "false")


class ElidedLabel(QLabel):
    """A line that gives way: what does not fit is cut at its end with an ellipsis, never widening the window."""

    def __init__(self, text: str = "", role: str = "mono", side: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignRight):
        super().__init__()
        set_role(self, role)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._whole = text
        self.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def whole(self) -> str:
        """The line as it would be with room for all of it."""
        return self._whole

    def set_whole(self, text: str, title: str = "") -> None:
        """The line; its tooltip holds all of it below a title."""
        self._whole = text
        self.setToolTip(f"{title}\n{text}".strip())
        self._fit()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width()))


class Header(QWidget):
    """The line above a view: a heading, chips after it, and a mono hint on the right."""

    def __init__(self, title: str, *chips: QWidget, hint: str = ""):
        super().__init__()
        self.title = label(title, "heading")
        self.hint = ElidedLabel(hint)
        self.chips = row(*chips, spacing=6)
        self.corner = row(spacing=6)
        self.setLayout(row(self.title, self.chips, self.hint, self.corner, margins=(12, 6, 12, 6)))
        self.layout().setStretch(2, 1)
        self.rescale()
        theme.signals.changed.connect(self.rescale)

    def rescale(self) -> None:
        """As tall as the text size in force asks for."""
        self.setFixedHeight(theme.px(36))

    def set_title(self, text: str) -> None:
        self.title.setText(text)

    def set_hint(self, text: str) -> None:
        self.hint.set_whole(text)


class EmptyState(QWidget):
    """What a panel shows while it has nothing: what it is for, and the button that does the first thing."""

    def __init__(self, icon: str, title: str, text: str, action: str = "", on_action: Callable[[], object] | None = None):
        super().__init__()
        self._icon, picture = icon, QLabel()
        self._picture = picture
        picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.title, self.text = label(title, "large"), label(text, "label", wrap=True)
        self.title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.extra = column(spacing=8)
        self.button = button(action, "primary", on_action) if action else None
        middle = column(picture, self.title, self.text, spacing=10)
        if self.button is not None:
            middle.addSpacing(4)
            middle.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignHCenter)
        middle.addLayout(self.extra)
        holder = QWidget()
        holder.setLayout(middle)
        holder.setMaximumWidth(460)
        centred = row(None, holder, None, spacing=0)
        centred.setStretch(1, 100)
        self.setLayout(column(None, centred, None, margins=(24, 24, 24, 24)))
        self._draw()
        theme.signals.changed.connect(self._draw)

    def _draw(self) -> None:
        self._picture.setPixmap(theme.pixmap(self._icon, "text3", 44))
