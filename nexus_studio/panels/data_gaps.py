"""Items without a caption among items with one: how many, what becomes of them, and what can be done about it by one click."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from models_backend.contract.family import Condition
from models_backend.contract.run_layout import DatasetRecord
from models_backend.library.remarks import remarks, uncaptioned

from ..layouts import Flow
from ..pieces import button, column, label
from ..state.session import Session

ANY_TEXT = (Condition("text"),)


class CaptionGap(QWidget):
    """What is to be said of the labels of a data set before it is trained on. ``for_training`` offers to be told less."""

    show_asked = Signal()

    def __init__(self, session: Session, for_training: bool):
        super().__init__()
        self._session, self._for_training = session, for_training
        self._record: DatasetRecord | None = None
        self._conditions: tuple[Condition, ...] = ANY_TEXT
        self.said = label("", "warn", wrap=True)
        self.leave_out = button(self.tr("Leave them out"), "link", self._leave_out)
        self.leave_out.setToolTip(self.tr("Neither train on them nor hold them out; Undo brings them back"))
        self.instead = button(self.tr("Train without words"), "link", self._tell_less)
        self.look = button(self.tr("Show them"), "link", self.show_asked.emit)
        self.choices = Flow(spacing=10)
        for one in (self.look, self.leave_out, self.instead):
            self.choices.addWidget(one)
        self.setLayout(column(self.said, self.choices, spacing=2))
        session.datasets.settings_changed.connect(self._follow_settings)
        self.hide()

    def _follow_settings(self, dataset: str) -> None:
        if self._record is not None and self._record.id == dataset:
            self.show_dataset(self._session.datasets.get(dataset), self._conditions)

    def show_dataset(self, record: DatasetRecord | None, conditions: Iterable[Condition] = ANY_TEXT) -> None:
        """Shows what is to be said for a family that takes these conditions."""
        datasets, conditions = self._session.datasets, tuple(conditions)
        report = datasets.reports.get(record.id) if record is not None else None
        self._record, self._conditions = record, conditions
        if report is None:
            self.hide()
            return
        settings = datasets.settings(record.id)
        lines = remarks(conditions, record, settings, report)
        without = bool(uncaptioned(conditions, record, settings, report))
        self.said.setText(" ".join(lines))
        self.instead.setText(self.tr("Learn classes instead") if record.classes else self.tr("Train without words"))
        self.instead.setAccessibleName(self.instead.text())
        for one, useful in ((self.leave_out, without), (self.look, without and not self._for_training),
                            (self.instead, without and self._for_training)):  # fmt: skip
            one.setVisible(useful)
        self.setVisible(bool(lines))

    def _leave_out(self) -> None:
        session = self._session
        session.bridge.spawn(session.datasets.leave_out_uncaptioned(session.undo, self._record.id))

    def _tell_less(self) -> None:
        datasets = self._session.datasets
        told = {"conditions": "classes" if self._record.classes else "none"}
        datasets.set_settings(self._session.undo, self._record.id, datasets.settings(self._record.id) | told)
