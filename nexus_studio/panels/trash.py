"""The trash: what was deleted and when; restore, or free the disk for good, confirmed in its place."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from models_backend.contract.run_layout import TrashEntry
from models_backend.contract.words import counted

from .. import theme
from ..layouts import scrolled
from ..pieces import button, column, icon_button, label, row
from ..state.session import Session

KINDS = {"dataset": "data set"}


class TrashBox(QFrame):
    """A box in the middle of the window; Escape closes it."""

    def __init__(self, session: Session, window: QWidget):
        super().__init__(window)
        self._session = session
        self.entries: list[TrashEntry] = []
        self.setProperty("role", "popup")
        self.setAccessibleName(self.tr("Trash"))
        self._list, self._body = QWidget(), column(spacing=4, margins=(12, 4, 12, 8))
        self._list.setLayout(self._body)
        self.empty = button(self.tr("Empty the trash…"), "danger", lambda: self._ask(True))
        self.sure = button(self.tr("Free the disk for good"), "danger", self._empty)
        self.no = button(self.tr("Keep everything"), "", lambda: self._ask(False))
        close = icon_button("close", self.tr("Close"), self.hide)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 1)
        layout.addLayout(row(label(self.tr("Trash"), "heading"), None, close, margins=(12, 8, 8, 2)))
        layout.addWidget(scrolled(self._list), 1)
        layout.addLayout(row(self.empty, self.sure, self.no, None, margins=(12, 4, 12, 10)))
        for signal in (session.datasets.changed, session.runs.changed, session.samples.changed):
            signal.connect(self._later)
        self.hide()

    def open(self) -> None:
        """Shows what lies in the trash now."""
        self._ask(False)
        self.place()
        self.show()
        self.raise_()
        self.setFocus()
        self.read()

    def place(self) -> None:
        """In the middle of the window."""
        window = self.parentWidget()
        width, height = min(theme.px(560), window.width() - 48), min(theme.px(440), window.height() - 96)
        self.setGeometry((window.width() - width) // 2, (window.height() - height) // 2, width, height)

    def read(self):
        """Reads the trash anew."""
        return self._session.bridge.spawn(self._read()) if self._session.bridge.library is not None else None

    def _later(self) -> None:
        if self.isVisible():
            self.read()

    async def _read(self) -> None:
        from models_backend.library import trash

        library = self._session.bridge.library
        self.entries = await self._session.bridge.threaded(lambda: trash.entries(library.layout))
        while self._body.count():
            old = self._body.takeAt(0)
            if old.widget() is not None:
                old.widget().hide()
                old.widget().deleteLater()
        for entry in self.entries:
            self._body.addWidget(self._line(entry))
        if not self.entries:
            self._body.addWidget(label(self.tr("Nothing lies in the trash."), "label"))
        self._body.addStretch(1)
        self._ask(False)

    def _line(self, entry: TrashEntry) -> QWidget:
        made = QWidget()
        when = time.strftime("%d %b %Y %H:%M", time.localtime(entry.deleted))
        about = label(self.tr("{0} · deleted {1}").format(KINDS.get(entry.kind, entry.kind).capitalize(), when), "hint")
        back = button(self.tr("Restore"), "", lambda: self._session.bridge.spawn(self._restore(entry)))
        line = row(column(label(entry.title, "body"), about, spacing=0), back, spacing=8)
        line.setStretch(0, 1)
        made.setLayout(line)
        made.setAccessibleName(entry.title)
        return made

    async def _restore(self, entry: TrashEntry) -> None:
        from models_backend.library import trash

        bridge = self._session.bridge
        await bridge.threaded(trash.restore, bridge.library, entry.id)
        await self._session.reload()
        bridge.notice(self.tr("“{0}” is back in its place.").format(entry.title))
        await self._read()

    def _ask(self, asked: bool) -> None:
        self.empty.setVisible(not asked and bool(self.entries))
        self.sure.setVisible(asked)
        self.no.setVisible(asked)

    def _empty(self) -> None:
        self._session.bridge.spawn(self._emptied())

    async def _emptied(self) -> None:
        from models_backend.library import trash

        bridge = self._session.bridge
        gone = await bridge.threaded(trash.empty, bridge.library)
        await self._session.forget_gone()
        bridge.notice(self.tr("{0} freed for good.").format(counted(len(gone), "thing was", "things were")))
        await self._read()

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
        else:
            super().keyPressEvent(event)
