"""The bottom bar: the running job, waiting jobs, latencies, and when all was saved."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QAbstractButton, QFrame, QWidget

from models_backend.contract.words import counted

from .. import theme
from ..fitting import OWN_WORDS, ElidedButton, ElidedLabel
from ..pieces import allow, icon_button, label, meter, row, rule
from ..state.jobs import Activity
from ..state.run_view import LIVE_STATES, RunView
from ..state.session import Session
from .words import activity_figures, duration, how_far, run_figures

STATE_WORDS = {"starting": "Starting", "running": "Training", "pausing": "Pausing after this step", "paused": "Paused"}
#: The letters for which figures have room: "100,000 / 1,000,000 · 41.2 it/s · 12 h 05 m left".
FIGURES = 48
#: States from which a run that a worker has can go on.
HELD = ("pausing", "paused")
STATE_TONES = {"starting": "text3", "running": "ok", "pausing": "warn", "paused": "warn"}


class Dot(QWidget):
    """A round mark in a token's colour; always beside a word."""

    def __init__(self, tint: str = "ok"):
        super().__init__()
        self._tint = tint
        self.setFixedSize(9, 9)

    def set_tint(self, tint: str) -> None:
        """Changes the colour."""
        self._tint = tint
        self.update()

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(theme.color(self._tint))
        painter.setBrush(theme.color(self._tint))
        painter.drawEllipse(QPointF(4.5, 4.5), 3.2, 3.2)


def _status_button(text: str, on_click: Callable[[], object]) -> ElidedButton:
    made = ElidedButton(text, OWN_WORDS)
    made.setProperty("role", "status")
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.clicked.connect(lambda _checked=False: on_click())
    return made


def steer(state: str, pause: QAbstractButton, *stops: QAbstractButton) -> None:
    """Lights what can be done with a run that a worker has: what has ended can neither be paused nor stopped."""
    over = QCoreApplication.translate("RunningJob", "The run has ended; its worker is closing")
    begins = QCoreApplication.translate("RunningJob", "It can be paused once it trains")
    names = {
        "paused": QCoreApplication.translate("RunningJob", "Go on"),
        "pausing": QCoreApplication.translate("RunningJob", "Go on without a pause"),
    }
    name = names.get(state) or QCoreApplication.translate("RunningJob", "Pause after this step")
    pause.setAccessibleName(name)
    allow(pause, state in ("running", *HELD), begins if state == "starting" else over)
    if pause.isEnabled():
        pause.setToolTip(name)
    for stop in stops:
        allow(stop, state in (*LIVE_STATES, "pausing"), over)


class RunningJob(QWidget):
    """Title, bar and figures of the run that trains, or of what the studio itself is doing."""

    def __init__(self, session: Session, on_open: Callable[[], object]):
        super().__init__()
        self._session = session
        self._view: RunView | None = None
        self._activity: Activity | None = None
        self._dot = Dot()
        self._title = _status_button("", on_open)
        self._bar, self._figures = meter(), label("", "mono")
        self._bar.setMinimumWidth(48)
        self._bar.setMaximumWidth(160)
        self._figures.reserve(FIGURES)
        theme.scaled(self._title, lambda title: title.setMaximumWidth(theme.px(300)))
        self._pause = icon_button("pause", self.tr("Pause"), self._toggle_pause, 13)
        self._stop = icon_button("stop", self.tr("Stop after this step; everything is kept"), self._stop_it, 13)
        # the buttons stand before all that changes its width: they stay under the mouse
        self.setLayout(row(self._dot, self._pause, self._stop, self._title, self._bar, self._figures, spacing=6))

    def refresh(self) -> None:
        """Shows the active run (a command may train it beside the window) and, while it is paused, what else is done; else the
        newest activity, else that nothing runs."""
        job, runs = self._session.jobs.active, self._session.runs
        view = runs.view(job.run) if job is not None else runs.view_of_active()
        self._follow(view)
        self._activity = next(reversed(self._session.jobs.activities), None)
        self._draw()

    def _follow(self, view: RunView | None) -> None:
        if view is self._view:
            return
        if self._view is not None:
            self._view.changed.disconnect(self._draw)
        self._view = view
        if view is not None:
            view.changed.connect(self._draw)

    def redraw(self) -> None:
        """Shows figures as old as they are now."""
        if self._view is not None or self._activity is not None:
            self._draw()

    def _draw(self) -> None:
        busy = self._view is not None or self._activity is not None
        for widget in (self._bar, self._figures):
            widget.setVisible(busy)
        for button in (self._pause, self._stop):
            policy = button.sizePolicy()
            policy.setRetainSizeWhenHidden(busy)
            button.setSizePolicy(policy)
        self._stop.setVisible(busy)
        self._pause.setVisible(self._view is not None)
        if self._view is not None:
            self._draw_run(self._view)
        elif self._activity is not None:
            self._draw_activity(self._activity)
        else:
            self._dot.set_tint("text3")
            self._title.setText(self.tr("Nothing is running") if self._session.is_ready else "")

    def _draw_run(self, view: RunView) -> None:
        state = self._session.jobs.phase(view.id, view.state)
        self._dot.set_tint(STATE_TONES.get(state, "text3"))
        self._title.setText(f"{STATE_WORDS.get(state, state.capitalize())} · {view.record.title}")
        self._bar.setValue(round(1000 * view.step / view.total) if view.total else 0)
        figures = [f"{view.step:,} / {view.total:,}", *run_figures(view)]
        if state == "paused" and self._activity is not None:
            figures = [self._activity.title, *activity_figures(self._activity)]
        self._figures.setText(" · ".join(figures))
        theme.keep_icon(self._pause, "play" if state in HELD else "pause", size=13)
        steer(state, self._pause, self._stop)

    def _draw_activity(self, activity: Activity) -> None:
        self._dot.set_tint("accent")
        self._title.setText(activity.title)
        self._bar.setValue(how_far(activity))
        allow(self._stop, True)
        words = activity_figures(activity)
        self._figures.setText(" · ".join(words))
        self._stop.setVisible(activity.can_cancel)

    def _toggle_pause(self) -> None:
        if self._view is not None:
            self._session.jobs.pause_or_resume(self._view.id, self._view.state)

    def _stop_it(self) -> None:
        if self._view is not None:
            self._session.jobs.ask("stop", self._view.id, True)
        elif self._activity is not None:
            self._activity.cancel()


class BottomBar(QFrame):
    """Running job | waiting jobs | problems of other workspaces ... latencies | saved."""

    problems_asked = Signal()

    def __init__(self, session: Session, on_jobs: Callable[[], object]):
        super().__init__()
        self._session = session
        self.setProperty("role", "bar")
        self.running = RunningJob(session, on_jobs)
        self._waiting_dot, self.waiting = Dot("warn"), _status_button("", on_jobs)
        self._problems_dot, self.problems = Dot("bad"), _status_button("", self.problems_asked.emit)
        self.problems.setToolTip(self.tr("Shows what went wrong while another workspace was in front"))
        self.latency, self.saved = label("", "mono"), ElidedLabel("", "hint", least=OWN_WORDS)
        self._ui_ms, self._preview_ms, self._saved_at = 0.0, None, 0.0
        self._rule = rule(vertical=True)
        self._rule.setFixedHeight(14)
        right = (None, self.latency, 6, self.saved)
        left = (self.running, self._rule, self._waiting_dot, self.waiting, self._problems_dot, self.problems)
        self.setLayout(row(*left, *right, margins=(12, 0, 12, 0)))
        self.show_problems(0)
        self._connect()
        self.rescale()
        self.refresh()

    def _connect(self) -> None:
        session = self._session
        for signal in (session.jobs.changed, session.jobs.activities_changed, session.runs.changed, session.runs.state_changed):
            signal.connect(self.refresh)
        session.ready.connect(self.refresh)
        session.preferences.saved.connect(self.note_saved)
        session.bridge.kept.connect(self.note_saved)
        session.preferences.failed.connect(self._note_unsaved)
        theme.signals.changed.connect(self.rescale)
        self._clock = QTimer(self, interval=5000)
        self._clock.timeout.connect(self._show_saved)
        self._clock.start()
        self._ageing = QTimer(self, interval=1000)  # figures age while nothing is told
        self._ageing.timeout.connect(self.running.redraw)
        self._ageing.start()

    def rescale(self) -> None:
        """Sizes the bar for the text size in force."""
        self.setFixedHeight(theme.px(30))
        self._show_roomy()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._show_roomy()

    def _show_roomy(self) -> None:
        """Narrow windows do without the latencies."""
        self.latency.setVisible(self.width() > theme.px(920))

    def refresh(self) -> None:
        """Shows the queue as it is now."""
        self.running.refresh()
        count = len(self._session.jobs.waiting)
        self.waiting.setText(f"{count} waiting")
        for widget in (self._rule, self._waiting_dot, self.waiting):
            widget.setVisible(count > 0)

    def show_problems(self, count: int) -> None:
        """So many problems wait over other workspaces."""
        self.problems.setText(counted(count, "problem"))
        for widget in (self._problems_dot, self.problems):
            widget.setVisible(count > 0)

    def show_ui_latency(self, gap_ms: float) -> None:
        """The worst gap of the event loop in the last second."""
        self._ui_ms = gap_ms
        self._show_latency()

    def show_preview_latency(self, took_ms: float) -> None:
        """How long the last live preview took."""
        self._preview_ms = took_ms
        self._show_latency()

    def _show_latency(self) -> None:
        preview = f" · preview {self._preview_ms:.0f} ms" if self._preview_ms is not None else ""
        self.latency.setText(f"UI {self._ui_ms:.0f} ms{preview}")
        self.latency.setToolTip(self.tr("Longest time in the last second that the window did not answer"))

    def note_saved(self) -> None:
        """Everything is on disk now."""
        self._saved_at = time.monotonic()
        self._show_saved()

    def _note_unsaved(self, why: str) -> None:
        self.saved.setText(self.tr("Not saved"))
        self.saved.setToolTip(why)
        self._saved_at = 0.0

    def _show_saved(self) -> None:
        if self._saved_at:
            ago = time.monotonic() - self._saved_at
            self.saved.setText(self.tr("Saved just now") if ago < 5 else f"Saved {duration(ago)} ago")
            self.saved.setToolTip("")
