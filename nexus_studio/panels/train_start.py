"""The foot of the run setup: what a new run would be, why it cannot be started, and the buttons that start or queue it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from models_backend.contract.words import sentence

from .. import pieces
from ..layouts import Flow


class StartControls(QWidget):
    """Signals, one a button; both act on what is set up, never on a run that is there."""

    start_asked = Signal()
    queue_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.what, self.why = pieces.label("", "label", lines=2), pieces.label("", "error", lines=4)
        self.start = pieces.button(self.tr("Start training"), "primary", self.start_asked.emit)
        self.queue = pieces.button(self.tr("Queue"), "", self.queue_asked.emit)
        first = Flow(self.start, self.queue, spacing=8, spread=True)
        self.setLayout(pieces.column(self.what, self.why, first, spacing=8, margins=(12, 8, 12, 12)))
        self.show_what("", "")
        self.why.hide()

    def show_what(self, family: str, dataset: str) -> None:
        """What would be started: titles of the model and of the data set."""
        told = bool(family and dataset)
        text = self.tr("New run: {0} on “{1}”").format(family, dataset) if told else ""
        self.what.setText(text)
        self.what.setVisible(told)
        self.start.setAccessibleName(
            self.tr("Start training {0} on “{1}”").format(family, dataset) if told else self.start.text()
        )

    def show_problem(self, problem: str, guidance: bool = False) -> None:
        """Why nothing can be started; "" when it can. ``guidance``: nothing is wrong, something is only still to do."""
        pieces.set_role(self.why, "hint" if guidance else "error")
        for button in (self.start, self.queue):
            pieces.allow(button, not problem, problem)
        self.why.setText(sentence(problem))
        self.why.setVisible(bool(problem))
