"""The buttons under the run setup: start and queue a new run, steer the chosen one, and change it while it goes on."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

from models_backend.contract import fields

from .. import pieces
from ..forms.form import SettingsForm
from ..state.run_view import RunView
from .train_further import ENDED, FurtherCard
from .train_setup import TRAINING

LIVE_FIELDS = tuple(field.name for field in TRAINING.fields if field.live)
RESUMABLE = ("paused", "interrupted", "stopped", "failed")


class LiveCard(pieces.Card):
    """The settings of a run that may change while it goes on. ``applied`` tells those that were changed."""

    applied = Signal(dict)

    def __init__(self) -> None:
        super().__init__(spacing=6)
        self._kept: dict[str, Any] = {}
        self.form = SettingsForm(TRAINING, {}, LIVE_FIELDS, help_line=False)
        self.button = pieces.button(self.tr("Apply"), "primary", self._apply)
        heading = pieces.label(self.tr("While it runs"), "strong")
        self.note = pieces.label(self.tr("marked on the curve"), "hint")
        self.body.addLayout(pieces.row(heading, None, self.note))
        self.body.addWidget(self.form)
        self.body.addLayout(pieces.row(None, self.button))
        self.form.changed.connect(self._show)
        self.show_values({})

    def show_values(self, values: dict[str, Any]) -> None:
        """The values in force."""
        whole = fields.merged(fields.defaults(TRAINING), values)
        self._kept = {name: whole[name] for name in LIVE_FIELDS}
        self.form.set_values(whole)
        self._show()

    def changes(self) -> dict[str, Any]:
        """What was edited."""
        values = self.form.values()
        return {name: values[name] for name in LIVE_FIELDS if values[name] != self._kept[name]}

    def _show(self) -> None:
        why = self.tr("Nothing is changed") if self.form.valid else self.tr("A value does not fit its field")
        pieces.allow(self.button, bool(self.changes()) and self.form.valid, why)

    def _apply(self) -> None:
        changes = self.changes()
        self._kept |= changes
        self._show()
        self.applied.emit(changes)


class RunControls(QWidget):
    """Signals, one a button; which of them make sense follows the state of the chosen run."""

    start_asked = Signal()
    queue_asked = Signal()
    pause_asked = Signal()
    sample_asked = Signal()
    stop_asked = Signal(bool)  # after the step
    prove_asked = Signal()
    live_asked = Signal(dict)
    further_asked = Signal(int, bool)  # steps in all, whether the learning rate begins anew

    def __init__(self) -> None:
        super().__init__()
        self.start = pieces.button(self.tr("Start training"), "primary", self.start_asked.emit)
        self.queue = pieces.button(self.tr("Queue"), "", self.queue_asked.emit)
        self.why = pieces.label("", "error", lines=4)
        self.pause = pieces.button(self.tr("Pause"), "", self.pause_asked.emit)
        self.sample = pieces.button(self.tr("Sample now"), "", self.sample_asked.emit)
        self.stop = pieces.button(self.tr("Stop"))
        self.change = pieces.button(self.tr("Change…"))
        self.change.setCheckable(True)
        self.change.setToolTip(self.tr("Change the learning rate or the previews of the run while it goes on"))
        self.prove = pieces.button(self.tr("Verify resume"), "", self.prove_asked.emit)
        self.prove.setToolTip(self.tr("Replay steps between two checkpoints and compare bit by bit"))
        self.further = pieces.button(self.tr("Train further…"))
        self.further.setCheckable(True)
        self.further.setToolTip(self.tr("Let a run that has ended take more steps"))
        self.more = FurtherCard()
        self.more.hide()
        self.more.asked.connect(self.further_asked)
        self.more.asked.connect(lambda *_: self.further.setChecked(False))
        self.further.toggled.connect(self._show_further)
        self.live = LiveCard()
        self.live.hide()
        self.live.applied.connect(self.live_asked)
        self.change.toggled.connect(self._show_live)
        self._fill_stop_menu()
        self._lay_out()
        self._view: RunView | None = None
        self.show_run(None)

    def _fill_stop_menu(self) -> None:
        menu = QMenu(self)
        menu.addAction(self.tr("After this step, saved"), lambda: self.stop_asked.emit(True))
        menu.addAction(self.tr("Now"), lambda: self.stop_asked.emit(False))
        self.stop.setMenu(menu)

    def _lay_out(self) -> None:
        first = pieces.Flow(self.start, self.queue, spacing=8, spread=True)
        self.steer = QWidget()
        self.steer.setLayout(
            pieces.Flow(self.pause, self.sample, self.stop, self.change, self.further, self.prove, spacing=8, spread=True)
        )
        self.setLayout(pieces.column(self.why, first, self.live, self.more, self.steer, spacing=8, margins=(12, 8, 12, 12)))
        self.why.hide()

    def _show_live(self, on: bool) -> None:
        self.live.setVisible(on and self.change.isEnabled())

    def _show_further(self, on: bool) -> None:
        on = on and self.further.isEnabled()
        if on:
            self.more.show_run(self._view.record, self._view.step)
        self.more.setVisible(on)

    def show_problem(self, problem: str, guidance: bool = False) -> None:
        """Why nothing can be started; "" when it can. ``guidance``: nothing is wrong, something is only still to do."""
        pieces.set_role(self.why, "hint" if guidance else "error")
        for button in (self.start, self.queue):
            pieces.allow(button, not problem, problem)
        self.why.setText(problem)
        self.why.setVisible(bool(problem))

    def show_run(self, view: RunView | None) -> None:
        """The state of the chosen run decides what can be done with it."""
        state = view.state if view else ""
        live = view is not None and view.live
        changed = view is not self._view
        self._view = view
        self.steer.setVisible(view is not None)
        self.pause.setText(self.tr("Pause") if state in ("running", "starting") else self.tr("Resume"))
        saved = view is not None and bool(view.checkpoints)
        allow, untold = pieces.allow, self.tr("The run is {0}").format(state)
        allow(self.pause, state == "running" or state in RESUMABLE, untold)
        allow(self.sample, live or saved, self.tr("The run has no checkpoint yet"))
        allow(self.stop, live or state == "queued", untold)
        allow(self.change, live, self.tr("Only a run in training can be changed"))
        why = self.tr("Stop or finish the run first") if live else self.tr("The run has no checkpoint yet")
        allow(self.prove, saved and not live, why)
        ended = state in ENDED
        unended = self.tr("Stop it first: only a run that has ended can be trained further") if live else untold
        allow(self.further, ended, unended)
        if changed or not ended:
            self.further.setChecked(False)
        if self.further.isChecked():
            self.more.reached(view.step)
        if changed and view is not None:
            self.live.show_values(view.record.training)
        if not live:
            self.change.setChecked(False)
