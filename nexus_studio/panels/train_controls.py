"""What is done with the chosen run, below its title: steer it, change it while it goes on, train it further."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QPoint, Signal
from PySide6.QtWidgets import QBoxLayout, QMenu, QWidget

from models_backend.contract import fields

from .. import pieces, theme
from ..forms.form import SettingsForm
from ..layouts import Flow
from ..shell.words import ordinal
from ..state.run_view import RunView
from .train_further import ENDED, FurtherCard
from .train_setup import TRAINING

LIVE_FIELDS = tuple(field.name for field in TRAINING.fields if field.live)
PAUSABLE = ("starting", "running")
RESUMABLE = ("not started", "pausing", "paused", "interrupted", "stopped", "failed")
#: So much of a title is seen beside the buttons; with less room they stand below it.
TITLE_PX = 160


class LiveCard(pieces.Card):
    """The settings of a run that may change while it goes on. ``applied`` tells those that were changed."""

    applied = Signal(dict)

    def __init__(self) -> None:
        super().__init__(spacing=6)
        self._kept: dict[str, Any] = {}
        self.form = SettingsForm(TRAINING, {}, LIVE_FIELDS)
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
    """The chosen run's title, its menu, and the buttons that act on it; those that make no sense in its state are not there."""

    pause_asked = Signal()
    sample_asked = Signal()
    stop_asked = Signal(bool)  # after the step
    prove_asked = Signal()
    live_asked = Signal(dict)
    further_asked = Signal(int, bool)  # steps in all, whether the learning rate begins anew
    menu_asked = Signal(QPoint)  # where on the screen

    def __init__(self) -> None:
        super().__init__()
        self.title = pieces.label("", "strong")
        self.menu = pieces.icon_button("more", self.tr("More for this run"), self._ask_menu)
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
        self._view: RunView | None = None
        self._lay_out()
        self.show_run(None)

    def _fill_stop_menu(self) -> None:
        menu = QMenu(self)
        menu.addAction(self.tr("After this step, saved"), lambda: self.stop_asked.emit(True))
        menu.addAction(self.tr("Now"), lambda: self.stop_asked.emit(False))
        self.stop.setMenu(menu)

    def _ask_menu(self) -> None:
        self.menu_asked.emit(self.menu.mapToGlobal(self.menu.rect().bottomLeft()))

    def _lay_out(self) -> None:
        self._named = pieces.row(self.title, self.menu, None, spacing=4)
        self._steer = Flow(self.pause, self.sample, self.stop, self.change, self.further, self.prove, spacing=8)
        self._both = pieces.row(self._named, self._steer, spacing=4)
        self.setLayout(pieces.column(self._both, self.live, self.more, spacing=8, margins=(12, 8, 12, 6)))
        theme.signals.changed.connect(self._arrange)

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):  # buttons come and go with the run's state
            self._arrange()
        return super().event(event)

    def _arrange(self) -> None:
        """The buttons stand beside the title where both have room, else below it."""
        named = min(self.title.sizeHint().width(), theme.px(TITLE_PX)) + self.menu.sizeHint().width() + 40
        beside = named + self._steer.sizeHint().width() <= self.width()
        direction = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
        if direction != self._both.direction():
            self._both.setDirection(direction)
            self._both.setStretch(0, 1 if beside else 0)
            self.updateGeometry()

    def _show_live(self, on: bool) -> None:
        self.live.setVisible(on and self.change.isEnabled())

    def _show_further(self, on: bool) -> None:
        on = on and self.further.isEnabled()
        if on:
            self.more.show_run(self._view.record, self._view.step)
        self.more.setVisible(on)

    def show_run(self, view: RunView | None, state: str = "", place: int = 0) -> None:
        """The ``state`` of the chosen run as it is shown (see Jobs.phase) decides what can be done with it; ``place``: where it
        waits in the queue."""
        live = view is not None and view.live
        changed = view is not self._view
        self._view = view
        self.title.setText(view.record.title if view else "")
        words = {"not started": self.tr("Start"), "pausing": self.tr("Go on")} | dict.fromkeys(PAUSABLE, self.tr("Pause"))
        self.pause.setText(words.get(state) or self.tr("Resume"))
        saved = view is not None and bool(view.checkpoints)
        allow, untold = pieces.allow, self.tr("The run is {0}").format(state)
        waits = self.tr("The run waits in the queue already: it is the {0}").format(ordinal(place)) if place else untold
        allow(self.pause, state == "running" or state in RESUMABLE, waits)
        if self.pause.isEnabled():
            self.pause.setToolTip(self.tr("It pauses after this step; go on without a pause") if state == "pausing" else "")
        allow(self.sample, live or saved, self.tr("The run has no checkpoint yet"))
        allow(self.stop, live or state in ("queued", "starting"), untold)
        allow(self.change, live, self.tr("Only a run in training can be changed"))
        why = self.tr("Stop or finish the run first") if live else self.tr("The run has no checkpoint yet")
        allow(self.prove, saved and not live, why)
        ended = state in ENDED
        unended = self.tr("Stop it first: only a run that has ended can be trained further") if live else untold
        allow(self.further, ended, unended)
        self.pause.setVisible(live or self.pause.isEnabled() or state in ("queued", "starting"))
        self.stop.setVisible(self.stop.isEnabled())
        self.change.setVisible(live)
        self.further.setVisible(ended)
        self.prove.setVisible(ended)
        if changed or not ended:
            self.further.setChecked(False)
        if self.further.isChecked():
            self.more.reached(view.step)
        if changed and view is not None:
            self.live.show_values(view.record.training)
        if not live:
            self.change.setChecked(False)
