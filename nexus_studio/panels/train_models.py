"""The list of models: grouped, a glyph and one line each, a filter box, and whether each fits data and machine."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLineEdit, QListView, QStyle, QStyledItemDelegate, QVBoxLayout, QWidget

from models_backend.contract.family import FamilyDescription
from models_backend.contract.suiting import facts, lacking

from .. import paint, theme
from ..state.fuzzy import named
from ..state.session import Session

FAMILY_ROLE = Qt.ItemDataRole.UserRole
GROUP_ROLE = Qt.ItemDataRole.UserRole + 1


def answering(families: list[FamilyDescription], text: str) -> list[FamilyDescription]:
    """The families that a text asks for by title, short name, paper or a word about them, the best first."""

    def points(family: FamilyDescription) -> float:
        beside = " ".join((family.group, family.summary, family.paper, *family.modalities))
        return named(text, (family.title, family.key, *family.names), beside)

    found = [(points(family), family) for family in families]
    return [family for much, family in sorted(found, key=lambda pair: -pair[0]) if much > 0]


class ModelsModel(QAbstractListModel):
    """Rows of group headings and families; with a filter, the families that answer it without headings."""

    def __init__(self, mark: Callable[[FamilyDescription], tuple[str, str, str]] | None = None) -> None:
        super().__init__()
        self._mark = mark
        self._families: list[FamilyDescription] = []
        self._filter = ""
        self.rows: list[str | FamilyDescription] = []

    def set_families(self, families: list[FamilyDescription]) -> None:
        """Take the catalogue, already in the order of its groups."""
        self._families = families
        self._rebuild()

    def set_filter(self, text: str) -> None:
        """Keep the families that answer the text, the best first."""
        self._filter = text.strip()
        self._rebuild()

    def _rebuild(self) -> None:
        self.beginResetModel()
        self.rows = answering(self._families, self._filter) if self._filter else self._grouped()
        self.endResetModel()

    def _grouped(self) -> list[str | FamilyDescription]:
        rows: list[str | FamilyDescription] = []
        group = ""
        for family in self._families:
            if family.group != group:
                group = family.group
                rows.append(group)
            rows.append(family)
        return rows

    def row_of(self, key: str) -> int:
        """The row of a family, or -1."""
        return next((n for n, row in enumerate(self.rows) if not isinstance(row, str) and row.key == key), -1)

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole):
        row = self.rows[index.row()]
        if isinstance(row, str):
            return {Qt.ItemDataRole.DisplayRole: row, GROUP_ROLE: row}.get(role)
        texts = {
            Qt.ItemDataRole.DisplayRole: row.title,
            Qt.ItemDataRole.AccessibleTextRole: f"{row.title}: {row.summary}",
            Qt.ItemDataRole.ToolTipRole: self._tip(row) if role == Qt.ItemDataRole.ToolTipRole else "",
            FAMILY_ROLE: row,
        }
        return texts.get(role)

    def _tip(self, family: FamilyDescription) -> str:
        """What it is, and whether it suits the data and this machine."""
        said = [self._mark(family)[2]] if self._mark is not None else []
        return "\n".join([family.title, family.summary, family.paper, *said])

    def flags(self, index: QModelIndex | QPersistentModelIndex) -> Qt.ItemFlag:
        if isinstance(self.rows[index.row()], str):
            return Qt.ItemFlag.ItemIsEnabled
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable


class ModelsDelegate(QStyledItemDelegate):
    """Paints a heading, or glyph, title, summary and mark."""

    def __init__(self, mark, parent: QWidget):
        super().__init__(parent)
        self._mark = mark

    def sizeHint(self, option, index) -> QSize:
        return QSize(120, theme.px(30 if index.data(GROUP_ROLE) else 48))

    def paint(self, painter: QPainter, option, index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        group = index.data(GROUP_ROLE)
        if group:
            self._paint_group(painter, option.rect, group)
        else:
            self._paint_family(painter, option, index.data(FAMILY_ROLE))
        painter.restore()

    def _paint_group(self, painter: QPainter, rect: QRect, group: str) -> None:
        font = paint.words(11)
        font.setLetterSpacing(font.SpacingType.AbsoluteSpacing, 0.6)
        painter.setFont(font)
        painter.setPen(paint.ink("text3"))
        painter.drawText(rect.adjusted(12, 0, -4, -4), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, group.upper())

    def _paint_family(self, painter: QPainter, option, family: FamilyDescription) -> None:
        rect = QRectF(option.rect).adjusted(10, 1, -2, -1)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        if chosen or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(paint.ink("bg3" if chosen else "bg2"))
            painter.drawRoundedRect(rect, 6, 6)
        if option.state & QStyle.StateFlag.State_HasFocus and chosen:
            paint.draw_ring(painter, rect, paint.ink("accent"), 1, 6)
        text, tint, _ = self._mark(family)
        able = tint != "text3"
        self._paint_glyph(painter, rect, family.glyph, able)
        room = rect.adjusted(theme.px(40), theme.px(6), -theme.px(4), -theme.px(6))
        painter.setFont(paint.words(12, bold=True))
        taken = painter.fontMetrics().horizontalAdvance(text) + 8 if text else 0
        self._paint_words(painter, room, taken, family, able)
        painter.setFont(paint.words(12, bold=True))
        painter.setPen(paint.ink(tint))
        painter.drawText(room.adjusted(0, 1, -2, 0), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, text)

    def _paint_glyph(self, painter: QPainter, rect: QRectF, glyph: str, able: bool) -> None:
        side = theme.px(26)
        box = QRectF(rect.left() + 8, rect.center().y() - side / 2, side, side)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(paint.ink("bg2"))
        painter.drawRoundedRect(box, 6, 6)
        painter.setFont(theme.font("mono", 11, 600))
        painter.setPen(paint.ink("accent" if able else "text3"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, glyph)

    def _paint_words(self, painter: QPainter, room: QRectF, taken: int, family: FamilyDescription, able: bool) -> None:
        """Title and summary, both cut where the room ends; ``taken``: what the mark needs beside the title."""
        painter.setFont(paint.words(13))
        painter.setPen(paint.ink("text" if able else "text2"))
        title = painter.fontMetrics().elidedText(family.title, Qt.TextElideMode.ElideRight, int(room.width()) - taken)
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, title)
        painter.setFont(paint.words(11))
        painter.setPen(paint.ink("text2" if able else "text3"))
        line = painter.fontMetrics().elidedText(family.summary, Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, line)


class ModelsList(QWidget):
    """Filter box and list. ``chosen`` tells the key of the family that was picked."""

    chosen = Signal(str)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.model = ModelsModel(self.mark)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(self.tr("Filter models"))
        self.filter.setClearButtonEnabled(True)
        self.filter.setAccessibleName(self.tr("Filter models"))
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setItemDelegate(ModelsDelegate(self.mark, self.list))
        self.list.setMouseTracking(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setAccessibleName(self.tr("Models"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        box = QVBoxLayout()
        box.setContentsMargins(10, 0, 10, 0)
        box.addWidget(self.filter)
        layout.addLayout(box)
        layout.addWidget(self.list, 1)
        self._connect()

    def keyPressEvent(self, event) -> None:
        """Down goes from the filter into the list."""
        if event.key() == Qt.Key.Key_Down and self.filter.hasFocus():
            if not self.list.currentIndex().isValid():
                self._take_first()
            self.list.setFocus(Qt.FocusReason.TabFocusReason)
        else:
            super().keyPressEvent(event)

    def _take_first(self) -> None:
        """Chooses the family that answers the filter best."""
        row = next((n for n, one in enumerate(self.model.rows) if not isinstance(one, str)), -1)
        if row >= 0:
            self.list.setCurrentIndex(self.model.index(row))

    def _connect(self) -> None:
        self.filter.returnPressed.connect(self._take_first)
        self.filter.textChanged.connect(self._filter)
        self.filter.textChanged.connect(lambda text: self._session.preferences.set("train/filter", text or None))
        self.list.selectionModel().currentChanged.connect(self._choose)
        self._session.catalogue.changed.connect(self.refresh)
        self._session.catalogue.current_changed.connect(self._follow)
        self._session.datasets.current_changed.connect(self._draw)
        self._session.datasets.settings_changed.connect(self._draw)
        self._session.preferences.changed.connect(self._kept_changed)
        self.refresh()
        self.filter.setText(self._session.preferences.get("train/filter", ""))

    def _draw(self) -> None:
        self.list.viewport().update()

    def _kept_changed(self, key: str) -> None:
        if key.startswith("fits/"):
            self._draw()

    def refresh(self) -> None:
        """Take the catalogue anew."""
        self.model.set_families(self._session.catalogue.families)
        self._follow(self._session.catalogue.current)

    def _filter(self, text: str) -> None:
        self.model.set_filter(text)
        self._follow(self._session.catalogue.current)

    def _follow(self, key: str) -> None:
        row = self.model.row_of(key)
        if row >= 0 and self.list.currentIndex().row() != row:
            self.list.setCurrentIndex(self.model.index(row))

    def reveal(self) -> None:
        """Selects the chosen family; a filter that hides it is cleared."""
        if self.model.row_of(self._session.catalogue.current) < 0:
            self.filter.clear()
        self._follow(self._session.catalogue.current)

    def _choose(self, index: QModelIndex, _before: QModelIndex) -> None:
        family = index.data(FAMILY_ROLE) if index.isValid() else None
        if family is not None and family.key != self._session.catalogue.current:
            self._session.catalogue.set_current(family.key)
            self.chosen.emit(family.key)

    def mark(self, family: FamilyDescription) -> tuple[str, str, str]:
        """Shape, colour token and words: does the family suit the chosen data, and did its measured budget fit here?"""
        datasets = self._session.datasets
        data = datasets.current_record
        missing = lacking(family, facts(data, learned=datasets.learned(data.id))) if data is not None else ""
        if missing:
            return "–", "text3", missing
        fits = self._session.preferences.get(f"fits/{family.key}")
        if fits is None:
            return "", "text2", self.tr("Not measured on this machine yet")
        if fits:
            return "✓", "ok", self.tr("Fits this machine, as measured")
        return "!", "warn", self.tr("The measured setting does not fit this machine")

    def remember(self, family: str, fits: bool) -> None:
        """Keep what a measured budget said."""
        self._session.preferences.set(f"fits/{family}", fits)
