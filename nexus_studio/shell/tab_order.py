"""The way of Tab through the window: as one reads, column by column, line by line, whatever order things were built in."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QScrollArea, QWidget


def reading_order(window: QMainWindow, parts: Iterable[QWidget]) -> list[QWidget]:
    """Everything that Tab reaches in ``parts`` (in that order), then what lies over them (notices, boxes)."""
    known = list(parts)
    found = [widget for part in known for widget in inside(part, window)]
    above = [one for one in inside(window, window) if not any(part is one or part.isAncestorOf(one) for part in known)]
    return found + above


def inside(block: QWidget, window: QWidget) -> list[QWidget]:
    """What Tab reaches in a block, line by line. Docks and what scrolls are read as a whole, in their place."""
    units = _units(block, window)
    found: list[QWidget] = []
    lines = _columns(units, window) if isinstance(block, QMainWindow) else _lines(units, window)
    for unit in lines:
        within = inside(unit, window) if _is_block(unit) else []
        found += within or ([unit] if _takes_focus(unit) else [])
    return found


def _units(block: QWidget, window: QWidget) -> list[QWidget]:
    """The nearest things below a block that are blocks or take the focus."""
    root = block.widget() if isinstance(block, QScrollArea) else block
    waiting, units = _children(root) if root is not None else [], []
    while waiting:
        one = waiting.pop()
        if not one.isVisibleTo(window) or one.isWindow():
            continue
        if _is_block(one) or _takes_focus(one):
            units.append(one)
        else:
            waiting += _children(one)
    return units


def _children(widget: QWidget) -> list[QWidget]:
    return [one for one in widget.children() if isinstance(one, QWidget)]


def _is_block(widget: QWidget) -> bool:
    return isinstance(widget, QScrollArea | QDockWidget | QMainWindow) or widget.property("column") is True


def _takes_focus(widget: QWidget) -> bool:
    by_tab = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
    return by_tab and widget.isEnabled() and widget.focusProxy() is None and not widget.objectName().startswith("qt_")


def _place(widget: QWidget, window: QWidget) -> QRect:
    """Where a widget stands; what has no height (an area of which nothing is shown) still stands on a line."""
    return QRect(widget.mapTo(window, QPoint(0, 0)), widget.size().expandedTo(QSize(1, 1)))


def _lines(units: list[QWidget], window: QWidget) -> list[QWidget]:
    """Units by lines from above, each from its left: a line ends at the middle of the lowest of those that begin it."""
    waiting = sorted(((_place(one, window), one) for one in units), key=lambda pair: (pair[0].top(), pair[0].left()))
    found: list[QWidget] = []
    while waiting:
        edge = min(place.center().y() for place, _ in waiting if place.top() <= waiting[0][0].bottom())
        line = [pair for pair in waiting if pair[0].top() <= edge]
        found += [one for _, one in sorted(line, key=lambda pair: pair[0].left())]
        waiting = [pair for pair in waiting if pair not in line]
    return found


def _columns(units: list[QWidget], window: QWidget) -> list[QWidget]:
    """The blocks of a workspace: the columns from the left, each from above."""
    return sorted(units, key=lambda one: (_place(one, window).left() // 24, _place(one, window).top()))


def following(order: list[QWidget], now: QWidget | None, forward: bool) -> QWidget | None:
    """The one that Tab (or Shift+Tab) goes to; None where there is nowhere to go."""
    if not order:
        return None
    at = next((n for n, one in enumerate(order) if now is not None and (one is now or one.isAncestorOf(now))), None)
    if at is None:  # something that only holds others has the focus: its first one comes next
        below = [one for one in order if now is not None and now.isAncestorOf(one)] or order
        return below[0 if forward else -1]
    return order[(at + (1 if forward else -1)) % len(order)]


def go_to(widget: QWidget, forward: bool) -> None:
    """Gives the focus to a widget and brings it into view where it scrolls."""
    widget.setFocus(Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason)
    above = widget.parentWidget()
    while above is not None:
        if isinstance(above, QScrollArea):
            above.ensureWidgetVisible(widget)
        above = above.parentWidget()
