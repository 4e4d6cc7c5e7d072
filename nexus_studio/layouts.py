"""Layouts and areas that give way to the room there is: rows that wrap, areas that scroll only where they must.

Nothing here widens the window or moves what stands beside it because of what it holds.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QFrame, QLayout, QLayoutItem, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from . import theme
from .fitting import WIDEST


class Flow(QLayout):
    """Widgets after one another, in as many rows as they need; ``spread`` lets those of a row share its width."""

    def __init__(self, *widgets: QWidget, spacing: int = 6, spread: bool = False):
        super().__init__()
        self._items: list[QLayoutItem] = []
        self._spread = spread
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
        return Qt.Orientation.Horizontal if self._spread else Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        margins = self.contentsMargins()
        inner = width - margins.left() - margins.right()
        return sum(self._heights(self._rows(inner))) + margins.top() + margins.bottom()

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        inner = rect.marginsRemoved(self.contentsMargins())
        rows = self._rows(inner.width())
        top = inner.top()
        for row, height in zip(rows, self._heights(rows)):
            self._place(row, QRect(inner.left(), top, inner.width(), height))
            top += height

    def sizeHint(self) -> QSize:
        """All in one row."""
        margins, shown = self.contentsMargins(), self._shown()
        width = sum(item.sizeHint().width() for item in shown) + self.spacing() * max(0, len(shown) - 1)
        width = min(width + margins.left() + margins.right(), WIDEST)
        return QSize(width, self.heightForWidth(max(width, 1)))

    def minimumSize(self) -> QSize:
        margins = self.contentsMargins()
        widest = max((item.minimumSize().width() for item in self._shown()), default=0) + margins.left() + margins.right()
        return QSize(widest, self.heightForWidth(WIDEST))  # one row: more of them are asked for with the width alone

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _rows(self, width: int) -> list[list[tuple[QLayoutItem, int]]]:
        """Items with their widths, row by row."""
        rows: list[list[tuple[QLayoutItem, int]]] = []
        left = 0
        for item in self._shown():
            wide = max(min(item.sizeHint().width(), width), item.minimumSize().width())
            if not rows or wide > left:
                rows.append([])
                left = width
            rows[-1].append((item, wide))
            left -= wide + self.spacing()
        return rows

    def _heights(self, rows: list[list[tuple[QLayoutItem, int]]]) -> list[int]:
        """The height of each row, with the space that follows it."""
        heights = [max(item.sizeHint().height() for item, _ in row) for row in rows]
        return [height + (self.spacing() if place < len(rows) - 1 else 0) for place, height in enumerate(heights)]

    def _place(self, row: list[tuple[QLayoutItem, int]], room: QRect) -> None:
        spare = room.width() - sum(wide for _, wide in row) - self.spacing() * (len(row) - 1)
        more = max(0, spare) // len(row) if self._spread else 0
        left, tallest = room.left(), max(item.sizeHint().height() for item, _ in row)
        for item, wide in row:
            height = item.sizeHint().height()
            middle = room.top() + max(0, (tallest - height) // 2)
            item.setGeometry(QRect(QPoint(left, middle), QSize(wide + more, height)))
            left += wide + more + self.spacing()

    def clear(self) -> None:
        """Takes every widget away."""
        while self._items:
            widget = self._items.pop().widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()


class _Asked(QObject):
    """Tells a scroll area that its contents ask for another size. An object of its own: Qt's areas filter events themselves,
    and one that is being destroyed must not be led back into Python by a filter that hands on to theirs."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        area = self.parent() if event.type() == QEvent.Type.LayoutRequest else None
        if area is not None:
            area.contents_changed()
        return False


class _Scroll(QScrollArea):
    """Has a scroll bar only where its contents do not fit without one. Qt keeps one that was needed for a moment: beside it
    text takes more lines, and so it seems to be needed still."""

    def setWidget(self, widget: QWidget) -> None:
        super().setWidget(widget)
        widget.installEventFilter(_Asked(self))

    def resizeEvent(self, event: QEvent) -> None:
        super().resizeEvent(event)
        self._show_bar()

    def contents_changed(self) -> None:
        """The contents ask for another size."""
        self._show_bar()

    def _show_bar(self) -> None:
        inner = self.widget()
        if inner is None or inner.layout() is None or not inner.layout().hasHeightForWidth():
            return
        fits = inner.layout().totalHeightForWidth(self.width()) <= self.height()
        policy = Qt.ScrollBarPolicy.ScrollBarAlwaysOff if fits else Qt.ScrollBarPolicy.ScrollBarAsNeeded
        if policy != self.verticalScrollBarPolicy():
            self.setVerticalScrollBarPolicy(policy)


class Column(_Scroll):
    """Scrolls up and down; what it holds is as wide as there is room."""

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 60)


def scrolled(widget: QWidget) -> QScrollArea:
    """A widget that scrolls vertically when it is taller than its place."""
    area = Column()
    area.setWidget(widget)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.viewport().setAutoFillBackground(False)
    widget.setAutoFillBackground(False)
    return area


class Frame(QWidget):
    """Holds a widget without handing on what that asks for: neither its size hint nor its least size goes by the contents, so
    that nothing which is shown moves a dock or widens the window."""

    def __init__(self, inner: QWidget, least: QSize, hint: QSize):
        super().__init__()
        self._least, self._hint = least, hint
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        layout.addWidget(inner)

    def sizeHint(self) -> QSize:
        return self._hint

    def minimumSizeHint(self) -> QSize:
        return self._least


class Footed(QWidget):
    """A body that scrolls over a foot that is always seen whole; where there is too little height for both, the foot scrolls
    as well."""

    LEAST = 120

    def __init__(self, body: QWidget, *foot: QWidget):
        super().__init__()
        self._foot = QWidget()
        below = QVBoxLayout(self._foot)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(0)
        for part in foot:
            below.addWidget(part)
        self.area, self._foot_area = scrolled(body), scrolled(self._foot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.area, 1)
        layout.addWidget(self._foot_area)
        self._foot.installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self._fit()
        return False

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        wanted = wanted_height(self._foot, self.width())
        self._foot_area.setFixedHeight(max(0, min(wanted, self.height() - min(self.LEAST, self.height() // 2))))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 80)


class Headed(Footed):
    """As ``Footed``, with what is always seen whole above the body."""

    def __init__(self, body: QWidget, *head: QWidget):
        super().__init__(body, *head)
        layout = self.layout()
        layout.insertItem(0, layout.takeAt(1))


def wanted_height(widget: QWidget, width: int) -> int:
    """How tall a widget wants to be when it is ``width`` wide."""
    layout = widget.layout()
    return layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else widget.sizeHint().height()


class Strip(_Scroll):
    """Chips in as many rows as they need, at most ``rows``; more than that scroll, a row at a time."""

    def __init__(self, rows: int = 2):
        super().__init__()
        self._rows = rows
        inner = QWidget()
        self.flow = Flow(spacing=6)
        inner.setLayout(self.flow)
        self.setWidget(inner)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def add(self, chip: QWidget) -> None:
        """One more chip."""
        self.flow.addWidget(chip)
        self.updateGeometry()

    def clear(self) -> None:
        """Takes every chip away."""
        self.flow.clear()
        self.updateGeometry()

    def contents_changed(self) -> None:
        self.updateGeometry()
        super().contents_changed()

    def resizeEvent(self, event: QEvent) -> None:
        super().resizeEvent(event)
        self.verticalScrollBar().setSingleStep(self._row() + self.flow.spacing())
        self.updateGeometry()  # its hint is as tall as the rows at its width

    def hasHeightForWidth(self) -> bool:
        return True

    def _row(self) -> int:
        """The height of a row."""
        return max((self.flow.itemAt(place).sizeHint().height() for place in range(self.flow.count())), default=0)

    def heightForWidth(self, width: int) -> int:
        if not self.flow.count():
            return 0
        return min(self.flow.heightForWidth(width), self._rows * self._row() + (self._rows - 1) * self.flow.spacing())

    def sizeHint(self) -> QSize:
        return QSize(self.flow.sizeHint().width(), self.heightForWidth(max(self.width(), 1)))

    def minimumSizeHint(self) -> QSize:
        return QSize(0 if not self.flow.count() else theme.px(90), 0 if not self.flow.count() else theme.px(19))


def give_way(widget: QWidget) -> QWidget:
    """Lets a widget be narrower than it would like to be."""
    widget.setSizePolicy(QSizePolicy.Policy.Ignored, widget.sizePolicy().verticalPolicy())
    return widget
