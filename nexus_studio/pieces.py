"""Small pieces that every panel is made of: labels by role, chips, cards, rules, icon buttons, empty states.

Looks come from the style sheet through the dynamic property ``role``; nothing here knows a panel.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from models_backend.contract.words import sentence

from . import theme
from .fitting import OWN_WORDS, ElidedButton, ElidedLabel, Words
from .layouts import Flow
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


def allow(widget: QWidget, possible: bool, why: str = "") -> None:
    """Enables a control, or greys it with the reason, a sentence, in its tooltip; its own tooltip comes back with it."""
    why = sentence(why)
    said = widget.property("why")
    if possible:
        if said:
            widget.setToolTip(widget.property("tip") or "")
    elif not said or widget.toolTip() != said:
        widget.setProperty("tip", widget.toolTip())
    if not possible:
        widget.setToolTip(why)
    widget.setProperty("why", "" if possible else why)
    widget.setAccessibleDescription("" if possible else why)
    widget.setEnabled(possible)


def label(text: str = "", role: str = "label", wrap: bool = False, lines: int = 0) -> ElidedLabel | Words:
    """Plain text on one line that is cut where the room ends; with ``wrap`` on as many lines as it needs, or on ``lines``.

    Roles: heading title large body strong label hint section mono figure error ok warn bad chip."""
    return Words(text, role, lines) if wrap or lines else ElidedLabel(text, role)


def section(text: str) -> ElidedLabel:
    """A small upper-case heading inside a column."""
    return label(text.upper(), "section")


def chip(text: str) -> ElidedLabel:
    """A rounded tag."""
    made = ElidedLabel(text, "chip", least=OWN_WORDS)
    made.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
    return made


def button(text: str, role: str = "", on_click: Callable[[], object] | None = None, icon: str = "") -> ElidedButton:
    """A push button. Roles: "" primary danger link chip."""
    made = ElidedButton(text, OWN_WORDS)
    made.setAccessibleName(text)
    if role:
        made.setProperty("role", role)
    if icon:
        theme.keep_icon(made, icon, "on_accent" if role == "primary" else "text2", size=16)
        made.setIconSize(QSize(16, 16))
    if on_click is not None:
        made.clicked.connect(lambda _checked=False: on_click())
    return made


def chip_button(text: str, checked: bool = False) -> ElidedButton:
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
    theme.scaled(made, lambda box: box.setMinimumWidth(theme.px(62)))  # not as wide as its largest number
    made.lineEdit().setTextMargins(6, 0, 0, 0)  # the style sheet's padding does not reach the text of a spin box
    return made


#: Shares of a form's width: the names on the left, the fields on the right. Every form has the same, so that all align.
NAMES, FIELDS = 3, 4


def form_line(name: str, *fields: QWidget, help_line: str = "", below: str = "") -> QHBoxLayout:
    """A line of a form: a name, over two lines where it is long, and its field with what stands beside it; ``below`` the name
    a hint."""
    title = label(name, "label", lines=2)
    title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    title.setBuddy(fields[0])
    title.setToolTip(help_line)
    right = row(*fields, spacing=6)
    right.setStretch(0, 1)
    line = row(column(title, label(below, "hint"), spacing=0) if below else title, spacing=8)
    line.addLayout(right)
    line.setStretch(0, NAMES)
    line.setStretch(1, FIELDS)
    return line


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


class Card(QFrame):
    """A bordered box; ``body`` is its vertical layout."""

    def __init__(self, *widgets: QWidget, spacing: int = 6, margin: int = 12):
        super().__init__()
        self.setProperty("role", "card")
        self.body = column(*widgets, spacing=spacing, margins=(margin, margin - 2, margin, margin - 2))
        self.setLayout(self.body)


#: The width of a header's hint up to which it is seen whole before its corner goes below.
HINT_PX = 90


class Header(QWidget):
    """The line above a view: a heading, chips after it, a mono hint, and what stands in its ``corner``, which goes below the
    rest where there is no room beside it."""

    def __init__(self, title: str, *chips: QWidget, hint: str = ""):
        super().__init__()
        self.title = label(title, "heading")
        self.hint = ElidedLabel(hint, side=Qt.AlignmentFlag.AlignRight)
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.chips = row(*chips, spacing=6)
        self.corner = Flow(spacing=6)
        self._words = row(self.title, self.chips, self.hint, spacing=8)
        self._words.setStretch(2, 1)
        self._both = row(self._words, self.corner, margins=(12, 6, 12, 6))
        self._both.setStretch(0, 1)
        self.setLayout(self._both)
        self.rescale()
        theme.signals.changed.connect(self.rescale)

    def rescale(self) -> None:
        """As tall as the text size in force asks for."""
        self.updateGeometry()
        self._arrange()

    def sizeHint(self) -> QSize:
        return super().sizeHint().expandedTo(QSize(0, theme.px(36)))

    def minimumSizeHint(self) -> QSize:
        return super().minimumSizeHint().expandedTo(QSize(0, theme.px(36)))

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._arrange()

    def event(self, event) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:  # chips came, went or were renamed
            self._arrange()
        return super().event(event)

    def _arrange(self) -> None:
        """One line where both halves fit, else two."""
        wanted = self._words.sizeHint().width() + self.corner.sizeHint().width() + 32
        wanted += min(self.hint.sizeHint().width(), theme.px(HINT_PX)) if self.hint.text() else 0
        beside = wanted <= self.width() or not self.corner.count()
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if direction != self._both.direction():
            self._both.setDirection(direction)
            self._both.setStretch(0, 1 if beside else 0)
            self.updateGeometry()

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
        self.title, self.text = label(title, "large", lines=3), label(text, "label", lines=8)
        self.title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.extra = column(spacing=8)
        self.button = button(action, "primary", on_action) if action else None
        middle = column(picture, self.title, self.text, spacing=10)
        if self.button is not None:
            middle.addSpacing(4)
            middle.addWidget(self.button, alignment=Qt.AlignmentFlag.AlignHCenter)
        middle.addLayout(self.extra)
        holder = self._holder = QWidget()
        holder.setLayout(middle)
        self._holder = holder
        centred = row(None, holder, None, spacing=0)
        centred.setStretch(1, 100)
        self.setLayout(column(None, centred, None, margins=(24, 24, 24, 24)))
        self._draw()
        theme.signals.changed.connect(self._draw)

    def set_known(self, known: bool) -> None:
        """Until it is known that there is nothing, it says nothing."""
        self._holder.setVisible(known)

    def _draw(self) -> None:
        self._picture.setPixmap(theme.pixmap(self._icon, "text3", 44))
        self._holder.setMaximumWidth(theme.px(460))
