"""What is wrong with the sizes in a window: texts that are cut, widgets outside their parent or over one another."""

from __future__ import annotations

from itertools import combinations

from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDockWidget,
    QLabel,
    QLineEdit,
    QMainWindow,
    QRadioButton,
    QStackedWidget,
    QTabBar,
    QToolButton,
    QWidget,
)

from nexus_studio.fitting import tip
from nexus_studio.layouts import Strip

LEAST = QSize(1000, 640)
#: Letters of a text that must be seen, or it tells nothing.
READABLE = 3
#: These arrange what stands in them themselves.
CLOSED = (QAbstractSpinBox, QComboBox, QLineEdit, QTabBar, QAbstractItemView)


def layout_faults(window: QWidget) -> list[str]:
    """Every fault below a shown window, each in one line; none where all is well."""
    found: list[str] = []
    hint = window.minimumSizeHint()
    if hint.width() > LEAST.width() or hint.height() > LEAST.height():
        found.append(f"the window asks for {hint.width()} x {hint.height()}, because of {_named(_widest(window))}")
    for widget in [window, *window.findChildren(QWidget)]:
        if widget is window or widget.isVisibleTo(window):
            found += _text_faults(widget)
            if isinstance(widget, Strip):
                found += _strip_faults(widget)
            if not isinstance(widget, CLOSED):
                found += _place_faults(widget)
    return list(dict.fromkeys(found))


def _widest(widget: QWidget) -> QWidget:
    """The innermost of the widgets that ask for the most width."""
    inner = [one for one in widget.children() if isinstance(one, QWidget) and one.isVisibleTo(widget) and not one.isWindow()]
    asks = max(inner, key=lambda one: max(one.minimumSizeHint().width(), one.minimumWidth()), default=None)
    if asks is None or max(asks.minimumSizeHint().width(), asks.minimumWidth()) < 0.6 * widget.minimumSizeHint().width():
        return widget
    return _widest(asks)


def _named(widget: QWidget) -> str:
    """A widget by its class, its words and the classes around it."""
    readers = [read for read in (getattr(widget, "text", None), widget.accessibleName) if callable(read)]
    words = next((str(read())[:30] for read in readers if read()), "")
    above = []
    parent = widget.parentWidget()
    while parent is not None and len(above) < 4:
        if type(parent) not in (QWidget, QStackedWidget):
            above.append(type(parent).__name__)
        parent = parent.parentWidget()
    return f"{type(widget).__name__} “{' '.join(words.split())}” in {' < '.join(above)}"


# ------------------------------------------------------------------------------------------------------- texts


def _text_faults(widget: QWidget) -> list[str]:
    need, has, found = _needed(widget) or QSize(0, 0), widget.geometry().size(), []
    if need.width() > has.width() + 1 or need.height() > has.height() + 1:
        found.append(f"cut: {_named(widget)} needs {need.width()} x {need.height()}, has {has.width()} x {has.height()}")
    if hasattr(widget, "is_elided") and widget.is_elided():
        whole = widget.text()
        if whole not in widget.toolTip():
            found.append(f"no tooltip: {_named(widget)}")
        shown = _seen(widget)
        if len(shown.strip("…\u200b ")) < min(READABLE, len(whole)) and widget.width() > 0:
            found.append(f"unreadable: {_named(widget)} shows “{shown}” on {has.width()} px")
    return found


def _seen(widget: QWidget) -> str:
    """As much of its text as an eliding widget shows."""
    if hasattr(widget, "shown_text"):
        return widget.shown_text()
    return (QLabel if isinstance(widget, QLabel) else QAbstractButton).text(widget)


def _needed(widget: QWidget) -> QSize | None:
    """The least size at which the text of a widget is whole, as far as it is one that says a text."""
    metrics = widget.fontMetrics()
    if isinstance(widget, QLabel):
        if not QLabel.text(widget) or not widget.pixmap().isNull():
            return None
        if widget.wordWrap():
            return QSize(QLabel.minimumSizeHint(widget).width(), _wrapped(widget))
        return QSize(QLabel.sizeHint(widget).width(), metrics.height())
    if isinstance(widget, QCheckBox | QRadioButton):
        return widget.minimumSizeHint() if widget.text() else None
    if isinstance(widget, QAbstractButton):
        return _needed_button(widget)
    if isinstance(widget, QLineEdit):
        told = widget.placeholderText() in widget.toolTip() or tip(widget.placeholderText()) in widget.toolTip()
        hint = widget.placeholderText() if not widget.text() and not told else ""
        return QSize(metrics.horizontalAdvance(hint) + 12 if hint else 0, metrics.height())
    if isinstance(widget, QComboBox):
        shown = widget.shown_text() if hasattr(widget, "shown_text") else widget.currentText()
        return QSize(metrics.horizontalAdvance(shown) + 24, metrics.height())
    return None


def _wrapped(label: QLabel) -> int:
    """The height of a label's text, wrapped at the width that it has."""
    return QLabel.heightForWidth(label, label.width()) - 2


def _needed_button(button: QAbstractButton) -> QSize | None:
    text, metrics = QAbstractButton.text(button).replace("&&", "&"), button.fontMetrics()
    inside = sum(child.width() for child in button.findChildren(QLabel) if child.isVisible())
    icon = button.iconSize() if not button.icon().isNull() else QSize(0, 0)
    if isinstance(button, QToolButton):
        hint = button.sizeHint()
        return QSize(min(hint.width(), metrics.horizontalAdvance(text) + 4), hint.height() - 8) if text else icon
    if not text:
        return None
    menu = 14 if getattr(button, "menu", lambda: None)() is not None else 0
    return QSize(metrics.horizontalAdvance(text) + icon.width() + menu + inside + 6, metrics.height())


# ------------------------------------------------------------------------------------------------------ places


def _place_faults(parent: QWidget) -> list[str]:
    children = [child for child in parent.children() if isinstance(child, QWidget) and not child.isWindow()]
    children = [child for child in children if child.isVisibleTo(parent) and not child.geometry().isEmpty()]
    children = [child for child in children if not _is_overlay(child) and not child.objectName().startswith("qt_")]
    found = []
    for child in children:
        if not _inside(child, parent):
            found.append(f"outside: {_named(child)} at {_shown(child.geometry())} of {parent.width()} x {parent.height()}")
    if isinstance(parent, QAbstractScrollArea):
        return found
    for one, other in combinations(children, 2):
        over = one.geometry().intersected(other.geometry())
        if over.width() > 1 and over.height() > 1:
            found.append(f"overlap: {_named(one)} and {_named(other)} by {over.width()} x {over.height()}")
    return found


def _strip_faults(strip: Strip) -> list[str]:
    """Chips of which a part is seen, and rows that are not given though there may be so many."""
    need, room, found = strip.heightForWidth(strip.width()), strip.viewport().rect(), []
    if strip.height() < need:
        found.append(f"cut: {_named(strip)} needs {need} for its rows, has {strip.height()}")
    for chip in (child for child in strip.widget().children() if isinstance(child, QWidget) and child.isVisible()):
        place = QRect(chip.mapTo(strip.viewport(), QPoint(0, 0)), chip.size())
        if place.intersects(room) and not room.contains(place):
            found.append(f"seen in part: {_named(chip)} at {_shown(place)} of {room.width()} x {room.height()}")
    return found


def _is_overlay(widget: QWidget) -> bool:
    """Boxes that are laid over the window on purpose."""
    return widget.property("role") == "popup" or bool(widget.property("overlay"))


def _shown(place: QRect) -> str:
    return f"{place.x()},{place.y()} {place.width()} x {place.height()}"


def _inside(child: QWidget, parent: QWidget) -> bool:
    place, room = child.geometry(), parent.rect()
    area = parent.parentWidget()
    if isinstance(area, QAbstractScrollArea) and parent is area.viewport():
        sideways = area.horizontalScrollBar()
        across = sideways is not None and sideways.maximum() > 0 and sideways.isVisible()
        return across or (place.left() >= 0 and place.width() <= room.width())
    if isinstance(parent, QMainWindow) and isinstance(child, QDockWidget) and child.isFloating():
        return True
    return room.adjusted(-1, -1, 1, 1).contains(place)
