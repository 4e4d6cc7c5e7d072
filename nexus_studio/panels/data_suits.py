"""Models that suit the chosen data, the best first, each with its reason; a click goes to Train with it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from models_backend.contract.run_layout import DatasetRecord
from models_backend.contract.suiting import Suit

from ..pieces import allow, button, column, label, row
from ..state.session import Session

FIRST = 5


class SuitsList(QWidget):
    """A line a model: its title, and below it what it makes of the data. ``filled`` tells whether there are any."""

    filled = Signal(bool)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._record: DatasetRecord | None = None
        self._captions: float | None = None
        self._whole = False
        self.suits: list[Suit] = []
        self._shown: tuple = ()
        self._lines = column(spacing=6)
        self.more = button("", "link", self._show_all)
        self.more.hide()
        self.setLayout(column(self._lines, row(self.more, None), spacing=4))
        session.catalogue.changed.connect(self._refresh)
        session.runs.changed.connect(self._refresh)
        session.datasets.settings_changed.connect(self._refresh)

    def show_dataset(self, record: DatasetRecord | None, captions: float | None = None) -> None:
        """Ranks the models for a data set; ``captions`` is the share of its items that have one, where it is known."""
        if record is None or self._record is None or record.id != self._record.id:
            self._whole = False
        self._record, self._captions = record, captions
        self._refresh()

    def titles(self) -> list[str]:
        """The titles that are shown."""
        return [suit.family.title for suit in self._visible()]

    def _visible(self) -> list[Suit]:
        return self.suits if self._whole else [suit for suit in self.suits if suit.suits][:FIRST]

    def _refresh(self) -> None:
        runs = self._session.runs.records
        self.suits = []
        if self._record is not None:
            learned = self._session.datasets.learned(self._record.id)
            self.suits = self._session.catalogue.suits(self._record, runs, self._captions, learned)
        shown = tuple((suit.family.key, suit.family.title, suit.suits, suit.reason) for suit in self._visible())
        if shown != self._shown:
            self._shown = shown
            self._fill()
        self.more.setVisible(len(self._visible()) < len(self.suits))
        self.more.setText(self.tr("Show all {0} models").format(len(self.suits)))
        self.more.setAccessibleName(self.more.text())
        self.filled.emit(bool(self.suits))

    def _fill(self) -> None:
        while self._lines.count():
            line = self._lines.takeAt(0).widget()
            line.hide()
            line.deleteLater()
        for suit in self._visible():
            self._lines.addWidget(self._line(suit))

    def _line(self, suit: Suit) -> QWidget:
        """One model. One that cannot learn the data says why and cannot be chosen here."""
        line = QWidget()
        title = button(suit.family.title, "link", lambda: self._choose(suit.family.key))
        title.setToolTip(f"{suit.family.summary}\n{suit.family.paper}")
        allow(title, suit.suits, suit.reason)
        title.setAccessibleDescription(suit.reason)
        line.setLayout(column(row(title, None), row(4, label(suit.reason, "hint", wrap=True), spacing=0), spacing=0))
        line.layout().itemAt(1).layout().setStretch(1, 1)
        return line

    def _show_all(self) -> None:
        self._whole = True
        self._refresh()

    def _choose(self, key: str) -> None:
        self._session.navigate.emit("train", {"family": key, "dataset": self._record.id})
