"""The list of data sets, and what can be added to it."""

from __future__ import annotations

import itertools

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import QLineEdit, QListView, QMenu, QStyle, QStyledItemDelegate, QWidget

from models_backend.contract.run_layout import DatasetRecord

from .. import theme
from ..fitting import tip
from ..pieces import button, column, icon_button, label, row
from ..shell.words import dataset_size
from ..state.session import Session
from .data_start import BUILTIN, ask_paths, densities_menu, make_builtin
from .verdict_rows import VerdictRows

ROW = 46
ICONS = {"image": "image", "points": "points", "audio": "volume", "video": "film"}


class DatasetModel(QAbstractListModel):
    """The records of the session; the title can be edited in place."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.records: list[DatasetRecord] = []
        session.datasets.changed.connect(self.take)
        self.take()

    def take(self) -> None:
        """Shows the records as they are now."""
        self.beginResetModel()
        self.records = list(self._session.datasets.records)
        self.endResetModel()

    def rowCount(self, parent=QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.records)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole):
        record = self.records[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return record.title
        if role == Qt.ItemDataRole.UserRole:
            return record
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{record.title}, {dataset_size(record.modality, record.kept, record.shape)}"
        places = itertools.chain(record.roots, *record.also)
        return tip("\n".join([record.title, *places])) if role == Qt.ItemDataRole.ToolTipRole else None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable

    def setData(self, index: QModelIndex, value, role: int = Qt.ItemDataRole.EditRole) -> bool:
        record, title = self.records[index.row()], str(value).strip()
        if title and title != record.title:
            datasets = self._session.datasets
            datasets.edit(self._session.undo, record.id, f"Rename “{record.title}”", title=title)
        return True


class DatasetPainter(QStyledItemDelegate):
    """Icon, title, and size below it."""

    def sizeHint(self, option, index) -> QSize:
        return QSize(160, theme.px(ROW))

    def createEditor(self, parent, option, index) -> QWidget:
        editor = QLineEdit(parent)
        editor.setAccessibleName(self.tr("Title"))
        return editor

    def updateEditorGeometry(self, editor, option, index) -> None:
        editor.setGeometry(option.rect.adjusted(38, 6, -8, -10))

    def paint(self, painter: QPainter, option, index) -> None:
        record: DatasetRecord = index.data(Qt.ItemDataRole.UserRole)
        place = option.rect.adjusted(6, 1, -6, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected, hovered = (option.state & QStyle.StateFlag[name] for name in ("State_Selected", "State_MouseOver"))
        if selected or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("bg3" if selected else "bg2"))
            painter.drawRoundedRect(place, 8, 8)
        tile = QRect(place.left() + 8, place.center().y() - 13, 27, 27)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("bg2" if not selected else "bg1"))
        painter.drawRoundedRect(tile, 6, 6)
        painter.drawPixmap(tile.left() + 5, tile.top() + 5, theme.pixmap(ICONS.get(record.modality, "file"), "accent", 17))
        self._words(painter, QRect(tile.right() + 10, place.top(), place.right() - tile.right() - 16, place.height()), record)
        painter.restore()

    def _words(self, painter: QPainter, place: QRect, record: DatasetRecord) -> None:
        lines = ((record.title, theme.font("text", 12, 600), "text"),
                 (dataset_size(record.modality, record.kept, record.shape), theme.font("text", 11), "text2"))  # fmt: skip
        top = place.center().y() - sum(QFontMetrics(font).height() for _, font, _ in lines) // 2
        for text, font, tint in lines:
            metrics = QFontMetrics(font)
            painter.setFont(font)
            painter.setPen(theme.color(tint))
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, place.width())
            painter.drawText(place.left(), top + metrics.ascent(), shown)
            top += metrics.height()


class DatasetList(QWidget):
    """Every data set; below, how to add one."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.model, self.view = DatasetModel(session), QListView()
        self.view.setModel(self.model)
        self.view.setItemDelegate(DatasetPainter(self.view))
        self.view.setMouseTracking(True)
        self.view.setEditTriggers(QListView.EditTrigger.EditKeyPressed | QListView.EditTrigger.DoubleClicked)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._menu)
        self.view.setAccessibleName(self.tr("Data sets"))
        self.nothing = label(self.tr("None yet. Drop a folder on the window, or take a built-in one."), "hint", wrap=True)
        self.nothing.setContentsMargins(12, 0, 12, 8)
        files = button(self.tr("Import…"), "", lambda: ask_paths(session, self, folder=False), "import")
        folder = icon_button("folder", self.tr("Import a folder…"), lambda: ask_paths(session, self, folder=True))
        self.builtin = icon_button("add", self.tr("Add a built-in data set"), self._ask_builtin)
        bar = row(files, folder, self.builtin, spacing=6, margins=(10, 6, 10, 10))
        bar.setStretch(0, 1)
        failed = VerdictRows(session, "import")
        failed.layout().setContentsMargins(8, 6, 8, 0)
        self.setLayout(column(self.nothing, self.view, failed, bar, spacing=0))
        self.view.selectionModel().currentChanged.connect(self._chosen)
        self.model.modelReset.connect(self.show_current)
        session.datasets.current_changed.connect(self.show_current)
        session.ready.connect(self.show_current)
        self.show_current()

    def show_current(self, *_: object) -> None:
        """Marks the chosen data set."""
        self.nothing.setVisible(not self.model.records and self._session.is_ready)
        position = next((n for n, one in enumerate(self.model.records) if one.id == self._session.datasets.current), -1)
        if position >= 0 and self.view.currentIndex().row() != position:
            self.view.setCurrentIndex(self.model.index(position))

    def _chosen(self, index: QModelIndex, _before: QModelIndex) -> None:
        if index.isValid():
            self._session.datasets.set_current(self.model.records[index.row()].id)

    def rename(self) -> None:
        """Edits the title of the chosen data set in place."""
        if self.view.currentIndex().isValid():
            self.view.edit(self.view.currentIndex())

    def _ask_builtin(self) -> None:
        menu = QMenu(self)
        for name, title, text, icon in BUILTIN:
            if name.startswith("points"):
                inner = densities_menu(self._session, menu)
                inner.setTitle(f"{title} · {text}")
                menu.addMenu(inner)
            else:
                action = menu.addAction(theme.icon(icon), f"{title} · {text}")
                action.triggered.connect(lambda _on=False, name=name: make_builtin(self._session, name))
        menu.popup(self.builtin.mapToGlobal(QPoint(0, self.builtin.height())))

    def _menu(self, place: QPoint) -> None:
        index = self.view.indexAt(place)
        if not index.isValid():
            return
        record, menu = self.model.records[index.row()], QMenu(self)
        menu.addAction(self.tr("Train on it")).triggered.connect(
            lambda _on=False: self._session.navigate.emit("train", {"dataset": record.id}))  # fmt: skip
        menu.addAction(self.tr("Rename")).triggered.connect(lambda _on=False: self.view.edit(index))
        menu.addAction(self.tr("Move to the trash")).triggered.connect(lambda _on=False: self._delete(record))
        menu.popup(self.view.viewport().mapToGlobal(place))

    def _delete(self, record: DatasetRecord) -> None:
        self._session.delete("dataset", record.id, record.title)
