"""Text that gives way to the room there is: no widget here asks for more width because its text is long.

What does not fit is cut with an ellipsis, or wrapped, inside words where it must be; the whole stands in the tooltip, is
what ``text()`` returns, and is what a screen reader says.
"""

from __future__ import annotations

import html
import re

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QKeySequence, QTextLayout, QTextOption
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QFrame,
    QLabel,
    QLayout,
    QLayoutItem,
    QMenu,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from . import theme

#: No text asks for more than this many pixels of width, and none is measured beyond so many letters.
WIDEST, MEASURED = 1200, 600
#: A text is never pressed below this width (times the text size) unless it is shorter itself.
NARROWEST = 44
#: A button's own words are seen whole up to this width.
OWN_WORDS = 150
#: Runs of letters longer than this may be broken anywhere; tooltips hold this many letters at most.
RUN, TIP = 14, 2400
BREAK = "\u200b"


def breakable(text: str) -> str:
    """A text whose long runs without a space can be wrapped: invisible places to break stand in them."""
    return re.sub(rf"\S{{{RUN + 1},}}", lambda run: BREAK.join(re.findall(rf".{{1,{RUN}}}", run[0])), text)


def one_line(text: str) -> str:
    """A text without line ends and without blanks around it, cut where no screen could show more."""
    return " ".join(text[:MEASURED].split())


def menu_text(text: str, letters: int = 60) -> str:
    """A name as the entry of a menu: one line of so many letters at most, none of which becomes a shortcut."""
    line = one_line(text)
    return (line if len(line) <= letters else line[: letters - 1].rstrip() + "…").replace("&", "&&")


def tip(text: str) -> str:
    """A text as the tooltip that shows exactly its letters, wrapped: Qt takes what looks like HTML for HTML."""
    if len(text) < 80 and "<" not in text and "&" not in text:
        return text
    cut = text if len(text) <= TIP else text[:TIP] + "…"
    return f"<p style='white-space:pre-wrap'>{html.escape(breakable(cut))}</p>"


class _Elides:
    """For a QLabel, QPushButton or QCheckBox: one line, cut where the room ends."""

    _text = _own_tip = _own_name = ""
    _reserved, _least = 0, NARROWEST
    _cut = Qt.TextElideMode.ElideRight

    def setText(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.updateGeometry()
            self._fit()

    def text(self) -> str:
        """The whole text."""
        return self._text

    def is_elided(self) -> bool:
        """Whether less than the whole text is seen."""
        return self._shown() != self._text.strip()

    def setToolTip(self, text: str) -> None:
        self._own_tip = text
        self._tell()

    def toolTip(self) -> str:
        """The tooltip; the whole text stands in it where that is cut."""
        parts = [self._text if self.is_elided() and self._text not in self._own_tip else "", self._own_tip]
        return "\n".join(filter(None, parts))

    def setAccessibleName(self, name: str) -> None:
        self._own_name = name
        self._tell()

    def reserve(self, letters: int) -> None:
        """Takes the room of so many digits whatever the text is, so that nothing beside it moves with its figures."""
        self._reserved = letters
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        hint, metrics = self._base.sizeHint(self), self.fontMetrics()
        text = "0" * self._reserved if self._reserved else one_line(self._text)
        return QSize(min(self._chrome(hint) + metrics.horizontalAdvance(text) + 1, WIDEST), hint.height())

    def minimumSizeHint(self) -> QSize:
        hint = self.sizeHint()
        return QSize(min(hint.width(), self._chrome(self._base.sizeHint(self)) + theme.px(self._least)), hint.height())

    def resizeEvent(self, event: QEvent) -> None:
        self._base.resizeEvent(self, event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        self._base.changeEvent(self, event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()
            self._fit()

    def _shown(self) -> str:
        return self._base.text(self) if self._base is QLabel else self._base.text(self).replace("&&", "&")

    def _chrome(self, hint: QSize) -> int:
        """What padding, icon and border take of the width."""
        return max(0, hint.width() - self.fontMetrics().horizontalAdvance(self._shown()))

    def _fit(self) -> None:
        room, metrics = self.width() - self._chrome(self._base.sizeHint(self)), self.fontMetrics()
        shown = line = one_line(self._text)
        if metrics.horizontalAdvance(line) > room + 1:
            shown = metrics.elidedText(line, self._cut, max(room - 2, 0))
        if shown != self._shown():
            self._base.setText(self, shown if self._base is QLabel else shown.replace("&", "&&"))
        self._tell()

    def _tell(self) -> None:
        self._base.setToolTip(self, tip(self.toolTip()))
        self._base.setAccessibleName(self, self._own_name or (self._text if self.is_elided() else ""))


class ElidedLabel(_Elides, QLabel):
    """A line that gives way: what does not fit is cut at its end with an ellipsis, never widening the window."""

    _base = QLabel

    def __init__(
        self, text: str = "", role: str = "mono", side: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft, least: int = NARROWEST
    ):
        super().__init__()
        self._least = least
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self.setText(text)

    def whole(self) -> str:
        """The line as it would be with room for all of it."""
        return self._text

    def set_whole(self, text: str, title: str = "") -> None:
        """The line; its tooltip holds all of it below a title."""
        self.setText(text)
        self.setToolTip(f"{title}\n{text}".strip() if title else "")


class ElidedButton(_Elides, QPushButton):
    """A button whose text is somebody's name for something: what does not fit is cut."""

    _base = QPushButton

    def __init__(self, text: str = "", least: int = NARROWEST):
        super().__init__()
        self._least = least
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def setMenu(self, menu: QMenu) -> None:
        self.setProperty("menued", True)  # its text leaves room for the arrow
        super().setMenu(menu)


class ElidedCheck(_Elides, QCheckBox):
    """A check box for something that somebody named."""

    _base = QCheckBox

    def __init__(self, text: str = ""):
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setText(text)


class Words(QLabel):
    """Text over as many lines as it needs, or at most ``lines``; words too long for a line are broken inside."""

    def __init__(self, text: str = "", role: str = "label", lines: int = 0):
        super().__init__()
        self._text, self._lines, self._own_tip = "", lines, ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setWordWrap(True)
        self.setText(text)

    def setText(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self._fit()

    def text(self) -> str:
        """The whole text."""
        return self._text

    def is_elided(self) -> bool:
        """Whether less than the whole text is seen."""
        return super().text() != breakable(self._text)

    def setToolTip(self, text: str) -> None:
        self._own_tip = text
        super().setToolTip(tip(self.toolTip()))

    def toolTip(self) -> str:
        """The tooltip; the whole text stands in it where that is cut."""
        return "\n".join(filter(None, [self._text if self.is_elided() else "", self._own_tip]))

    def resizeEvent(self, event: QEvent) -> None:
        super().resizeEvent(event)
        if self._lines:
            self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if self._lines and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(hint.width(), min(hint.height(), self._most(hint.height())))

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), theme.px(120)), min(hint.height(), self._most(hint.height())))

    def heightForWidth(self, width: int) -> int:
        if self._lines:
            width -= self.contentsMargins().left() + self.contentsMargins().right()
            shown = lines_of(breakable(self._text), self, width, self._lines)
            room = QRect(0, 0, width, 1 << 16)
            return self.fontMetrics().boundingRect(room, Qt.TextFlag.TextWordWrap, shown).height() + 2
        return super().heightForWidth(width)

    def _most(self, height: int) -> int:
        return self._lines * (self.fontMetrics().lineSpacing() + 1) + 2 if self._lines else height

    def _fit(self) -> None:
        whole = breakable(self._text)
        if self._lines and self.width() > 0:
            whole = lines_of(whole, self, self.contentsRect().width(), self._lines)
        if whole != super().text():
            super().setText(whole)
        super().setToolTip(tip(self.toolTip()))
        super().setAccessibleName(self._text if self.is_elided() else "")

    # copying leaves the places to break behind

    def keyPressEvent(self, event) -> None:
        if event.matches(QKeySequence.StandardKey.Copy) and self.hasSelectedText():
            self._copy()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event) -> None:
        if not self.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse:
            event.ignore()
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Copy"), self._copy).setEnabled(self.hasSelectedText())
        menu.addAction(self.tr("Copy all of it"), lambda: QApplication.clipboard().setText(self._text))
        menu.popup(event.globalPos())

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.selectedText().replace(BREAK, ""))


def lines_of(text: str, widget: QWidget, width: int, most: int) -> str:
    """As much of a text as ``most`` lines of a width hold, ending in an ellipsis where that is not all of it."""
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WordWrap)
    layout = QTextLayout(text[: most * MEASURED].replace("\n", "\u2028"), widget.font())
    layout.setTextOption(option)
    layout.beginLayout()
    taken, last = 0, 0
    while taken < most and (line := layout.createLine()).isValid():
        line.setLineWidth(max(width - 1, 1))
        taken, last = taken + 1, line.textStart()
    more = layout.createLine().isValid() if taken == most else False
    layout.endLayout()
    if not more:
        return text
    rest = " ".join(text[last:][:MEASURED].split())
    return text[:last] + widget.fontMetrics().elidedText(rest, Qt.TextElideMode.ElideRight, max(width - 2, 1))


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


class _Scroll(QScrollArea):
    """Has a scroll bar only where its contents do not fit without one. Qt keeps one that was needed for a moment: beside it
    text takes more lines, and so it seems to be needed still."""

    def resizeEvent(self, event: QEvent) -> None:
        super().resizeEvent(event)
        self._show_bar()

    def eventFilter(self, watched, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self._show_bar()
        return super().eventFilter(watched, event)

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


def wanted_height(widget: QWidget, width: int) -> int:
    """How tall a widget wants to be when it is ``width`` wide."""
    layout = widget.layout()
    return layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else widget.sizeHint().height()


class Strip(_Scroll):
    """Chips in as many rows as they need, at most ``rows``; more than that scroll."""

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

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        if not self.flow.count():
            return 0
        row = max(self.flow.itemAt(place).sizeHint().height() for place in range(self.flow.count()))
        return min(self.flow.heightForWidth(width), self._rows * row + (self._rows - 1) * self.flow.spacing() + row // 2)

    def sizeHint(self) -> QSize:
        width = self.flow.sizeHint().width()
        return QSize(width, self.heightForWidth(max(width, 1)))

    def minimumSizeHint(self) -> QSize:
        return QSize(0 if not self.flow.count() else theme.px(90), 0 if not self.flow.count() else theme.px(19))


def give_way(widget: QWidget) -> QWidget:
    """Lets a widget be narrower than it would like to be."""
    widget.setSizePolicy(QSizePolicy.Policy.Ignored, widget.sizePolicy().verticalPolicy())
    return widget
