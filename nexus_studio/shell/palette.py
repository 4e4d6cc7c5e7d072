"""The command palette: every action, run, model, data set and file, found by a few letters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import QFrame, QLineEdit, QListView, QStyle, QStyledItemDelegate, QVBoxLayout, QWidget

from .. import theme
from ..fitting import one_line, tip
from ..pieces import label, rule
from ..state.fuzzy import WHOLE, named, score, slipped

LIMIT = 60
ROW = 34


@dataclass
class Entry:
    """One line of the palette. ``kind`` stands at its right ("run", "model", a shortcut for actions)."""

    title: str
    kind: str
    run: Callable[[], object]
    icon: str = ""
    note: str = ""
    keywords: str = ""
    shortcut: str = ""
    recent: float = 0.0
    possible: bool = True  # now; ``note`` says what is needed where it is not
    names: tuple[str, ...] = ()  # what it is called besides its title: short names, which count as a whole


def ranked(entries: list[Entry], query: str) -> list[Entry]:
    """The entries that match, best first: those whose title has words that begin so, of them what is possible now; with an
    empty query the recently used ones first."""
    if not query.strip():
        return sorted(entries, key=lambda entry: -entry.recent)[:LIMIT]
    scored = [(_points(query, entry), entry) for entry in entries]
    scored = [
        (_begins(query, entry), entry.possible, points + min(entry.recent, 2.0), entry) for points, entry in scored if points
    ]
    return [entry for *_, entry in sorted(scored, key=lambda one: one[:3], reverse=True)[:LIMIT]]


def _begins(query: str, entry: Entry) -> bool:
    """Whether every word of a query begins a word of the title, or it is one of the names."""
    title = re.findall(r"\w+", entry.title.lower())
    begun = all(any(one.startswith(word) for one in title) for word in re.findall(r"\w+", query.lower()))
    return begun or bool(entry.names and named(query, entry.names) >= WHOLE)


def _points(query: str, entry: Entry) -> float:
    """The title counts fully and takes skipped letters; what stands beside it counts less and only by whole beginnings."""
    if entry.names and named(query, entry.names) >= WHOLE:
        return WHOLE
    beside = f"{entry.note} {entry.keywords} {entry.kind}".lower().split()
    words = query.lower().split()
    title = entry.title.lower().split()
    points = [
        max(score(word, entry.title), 4.0 * any(one.startswith(word) for one in beside), 2.0 * slipped(word, title))
        for word in words
    ]
    return sum(points) if all(points) else 0.0


class Lines(QAbstractListModel):
    """The entries shown."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []

    def show(self, entries: list[Entry]) -> None:
        self.beginResetModel()
        self.entries = entries
        self.endResetModel()

    def rowCount(self, parent=QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.entries)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole):
        entry = self.entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return entry.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{entry.title}, {entry.kind}" if entry.possible else f"{entry.title}, {entry.kind}, {entry.note}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip("\n".join(filter(None, [entry.title, entry.note])))
        return entry if role == Qt.ItemDataRole.UserRole else None


class LinePainter(QStyledItemDelegate):
    """Icon, title, note; kind or shortcut at the right."""

    def sizeHint(self, option, index) -> QSize:
        return QSize(200, theme.px(ROW))

    def paint(self, painter: QPainter, option, index) -> None:
        entry: Entry = index.data(Qt.ItemDataRole.UserRole)
        place = option.rect.adjusted(6, 1, -6, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("bg3"))
            painter.drawRoundedRect(place, 6, 6)
        self._icon(painter, place, entry)
        right = self._right(painter, place, entry)
        self._title(painter, place, entry, right)
        painter.restore()

    def _icon(self, painter: QPainter, place: QRect, entry: Entry) -> None:
        drawn = theme.pixmap(entry.icon or "chevron-right", "text2" if entry.possible else "text3", 16)
        painter.drawPixmap(place.left() + 10, place.center().y() - 7, drawn)

    def _right(self, painter: QPainter, place: QRect, entry: Entry) -> int:
        font = theme.font("mono" if entry.shortcut else "text", 11)
        text = entry.shortcut or entry.kind
        width = QFontMetrics(font).horizontalAdvance(text)
        painter.setFont(font)
        painter.setPen(theme.color("text2"))
        painter.drawText(place.adjusted(0, 0, -10, 0), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        return place.right() - width - 22

    def _title(self, painter: QPainter, place: QRect, entry: Entry, right: int) -> None:
        font = theme.font("text", 13)
        metrics, left = QFontMetrics(font), place.left() + 36
        painter.setFont(font)
        painter.setPen(theme.color("text" if entry.possible else "text3"))
        shown = metrics.elidedText(one_line(entry.title), Qt.TextElideMode.ElideRight, right - left)
        painter.drawText(QRect(left, place.top(), right - left, place.height()), Qt.AlignmentFlag.AlignVCenter, shown)
        left += metrics.horizontalAdvance(shown) + 10
        font = theme.font("text", 11)
        painter.setFont(font)
        painter.setPen(theme.color("text2"))
        note = QFontMetrics(font).elidedText(one_line(entry.note), Qt.TextElideMode.ElideRight, max(0, right - left))
        painter.drawText(QRect(left, place.top(), max(0, right - left), place.height()), Qt.AlignmentFlag.AlignVCenter, note)


class Palette(QFrame):
    """A box over the window: type, arrows choose, Enter runs, Escape closes and gives the focus back."""

    def __init__(self, parent: QWidget, entries: Callable[[str], list[Entry]]):
        super().__init__(parent)
        self._entries, self._focus_before = entries, None
        self.setProperty("role", "popup")
        self.setAccessibleName(self.tr("Command palette"))
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("Search actions, runs, models, data sets, or type a path"))
        self.field.setAccessibleName(self.tr("Search"))
        self.field.setFrame(False)
        self.field.setStyleSheet("QLineEdit { border: none; background: transparent; padding: 8px 12px; }")
        self.lines, self.view = Lines(), QListView()
        self.view.setModel(self.lines)
        self.view.setItemDelegate(LinePainter(self.view))
        self.view.setUniformItemSizes(True)
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.view.setAccessibleName(self.tr("Matches"))
        self.nothing = label(self.tr("Nothing matches."), "label")
        self.nothing.setContentsMargins(14, 6, 14, 10)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 6)
        layout.setSpacing(4)
        for widget in (self.field, rule(), self.view, self.nothing):
            layout.addWidget(widget)
        self.field.textChanged.connect(self.refresh)
        self.field.installEventFilter(self)
        self.view.clicked.connect(lambda index: self._choose(index.row()))
        self.hide()

    def open(self, text: str = "") -> None:
        """Shows the palette over the upper middle of the window."""
        self._focus_before = self.window().focusWidget()
        self.field.setFont(theme.font("text", 15))
        self.field.setText(text)
        self.refresh()
        self.show()
        self.raise_()
        self.field.setFocus()

    def place(self) -> None:
        """Sizes the box for whole lines and centres it in its window."""
        window, width, top = self.parentWidget().rect(), min(theme.px(640), self.parentWidget().width() - 40), theme.px(52)
        self.ensurePolished()  # it has its frame from then on
        margins, frame = self.layout().contentsMargins(), self.height() - self.contentsRect().height()
        around = margins.top() + margins.bottom() + 2 * self.layout().spacing() + frame
        head = self.field.sizeHint().height() + 1 + around
        most = min(11, (window.height() - top - theme.px(40) - head) // theme.px(ROW))
        count = max(1, min(len(self.lines.entries), most))
        self.setGeometry((window.width() - width) // 2, top, width, head + count * theme.px(ROW))

    def refresh(self) -> None:
        """Ranks the entries for what is typed."""
        text = self.field.text()
        self.lines.show(ranked(self._entries(text), text))
        found = bool(self.lines.entries)
        self.view.setVisible(found)
        self.nothing.setVisible(not found)
        if found:
            self.view.setCurrentIndex(self.lines.index(0))
        self.place()

    def close_palette(self) -> None:
        """Hides the box; the focus goes back to where it was."""
        self.hide()
        if self._focus_before is not None and self._focus_before.isVisible():
            self._focus_before.setFocus()

    def _choose(self, position: int) -> None:
        if 0 <= position < len(self.lines.entries):
            entry = self.lines.entries[position]
            if entry.possible:
                self.close_palette()
                entry.run()

    def _move(self, by: int) -> None:
        count = len(self.lines.entries)
        if count:
            self.view.setCurrentIndex(self.lines.index((self.view.currentIndex().row() + by) % count))

    def eventFilter(self, watched, event) -> bool:
        if watched is self.field and event.type() == QEvent.Type.KeyPress:
            moves = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}
            if event.key() in moves:
                self._move(moves[event.key()])
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._choose(self.view.currentIndex().row())
                return True
            if event.key() == Qt.Key.Key_Escape:
                self.close_palette()
                return True
        if watched is self.field and event.type() == QEvent.Type.FocusOut and self.isVisible():
            self.hide()
        return False
