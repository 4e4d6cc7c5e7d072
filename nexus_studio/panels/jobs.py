"""The list of jobs above the bottom bar: the running one with its figures, the waiting ones in order."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtWidgets import QApplication, QFrame, QVBoxLayout, QWidget

from models_backend.contract.messages import Trouble
from models_backend.contract.run_layout import JobRecord
from models_backend.contract.words import sentence

from .. import theme
from ..layouts import wanted_height
from ..naming import plain
from ..pieces import Card, allow, column, icon_button, label, meter, row, section
from ..shell.bottom_bar import HELD, steer
from ..shell.words import activity_figures, how_far, run_figures
from ..state.jobs import Activity, Jobs
from ..state.session import Session
from .verdict_rows import VerdictRow
from .workspace import scrolled

STATE_WORDS = {
    "starting": "starting", "running": "training", "pausing": "pausing after this step", "paused": "paused",
    "queued": "waiting", "failed": "failed",
}  # fmt: skip


class RunCard(Card):
    """A job that a worker has: progress, rate, time left; pause, stop after this step, stop now."""

    def __init__(self, session: Session, job: JobRecord):
        super().__init__()
        self._session, self._job = session, job
        self._view = session.runs.view(job.run)
        self._state, self._bar, self._figures = label("", "hint"), meter(), label("", "mono")
        self._pause = icon_button("pause", self.tr("Pause after this step"), self._toggle)
        self._after = icon_button("stop-after", self.tr("Stop after this step"), lambda: self._stop(after_step=True))
        self._now = icon_button("stop", self.tr("Stop now"), lambda: self._stop(after_step=False))
        buttons = (self._pause, self._after, self._now)
        self.body.addLayout(row(label(job.title, "strong"), self._state, None, *buttons, spacing=4))
        self.body.addWidget(self._bar)
        self.body.addWidget(self._figures)
        if self._view is not None:
            self._view.changed.connect(self.draw)
            session.jobs.changed.connect(self.draw)
        self.draw()

    def draw(self) -> None:
        """Shows what the run says now."""
        view = self._view
        if view is None:
            return
        state = self._session.jobs.phase(view.id, view.state)
        self._state.setText(STATE_WORDS.get(state, state))
        self._bar.setValue(round(1000 * view.step / view.total) if view.total else 0)
        words = [f"step {view.step:,} of {view.total:,}", *run_figures(view)]
        if view.heartbeat is not None and view.heartbeat.rss_mb:
            words.append(f"{view.heartbeat.rss_mb:,.0f} MB")
        self._figures.setText(" · ".join(words))
        theme.keep_icon(self._pause, "play" if state in HELD else "pause")
        steer(state, self._pause, self._after, self._now)

    def _stop(self, after_step: bool) -> None:
        self._session.jobs.ask("stop", self._job.run, after_step)

    def _toggle(self) -> None:
        if self._view is not None:
            self._session.jobs.pause_or_resume(self._view.id, self._view.state)


def _keep_to_owner(jobs: Jobs, *buttons: QWidget) -> None:
    """Greys what changes the queue where another process works it off."""
    if not jobs.own:
        for button in buttons:
            allow(button, False, button.tr("The queue is worked off in another window; change it there"))


def _behind(session: Session, job: JobRecord) -> str:
    """That a job waits for a paused run, or ""."""
    active = session.jobs.active
    if active is None or active.device != job.device or not session.is_held(active):
        return ""
    text = QApplication.translate("WaitingRow", "“{0}” is paused and keeps its place: resume or stop it")
    return text.format(session.title_of(active.run) or active.title)


class WaitingRow(QFrame):
    """A waiting job: why it waits; earlier, later, hold, take out."""

    def __init__(self, session: Session, job: JobRecord, position: int, count: int):
        super().__init__()
        jobs = session.jobs
        self.setAccessibleName(f"{job.title}, {position + 1} of {count} waiting")
        why = self.tr("held") if job.held else _behind(session, job) or job.reason
        if not why:
            why = self.tr("next") if position == 0 else self.tr("waiting")
        up = icon_button("up", self.tr("Earlier"), lambda: jobs.ask("reorder", job.id, position - 1))
        down = icon_button("down", self.tr("Later"), lambda: jobs.ask("reorder", job.id, position + 1))
        allow(up, position > 0, self.tr("It is the next one"))
        allow(down, position < count - 1, self.tr("It is the last one"))
        text = self.tr("Let it start") if job.held else self.tr("Hold: do not start it yet")
        hold = icon_button("play" if job.held else "hold", text, lambda: jobs.ask("hold", job.id, not job.held))
        out = icon_button("close", self.tr("Take it out of the queue"), lambda: jobs.ask("cancel", job.id))
        _keep_to_owner(jobs, up, down, hold, out)
        words = column(label(job.title, "label"), label(sentence(why), "hint", lines=4), spacing=1)
        line = row(label(f"{position + 1}", "mono"), words, up, down, hold, out, spacing=6, margins=(12, 2, 8, 2))
        line.setStretch(1, 1)
        self.setLayout(line)


class FailedRow(QFrame):
    """A job that failed: why, try again, take out."""

    def __init__(self, session: Session, job: JobRecord):
        super().__init__()
        jobs = session.jobs
        why = plain(Trouble(job.reason, job.title), session.title_of).what
        again = icon_button("refresh", self.tr("Resume from the last checkpoint"), lambda: jobs.ask("resume", job.run))
        out = icon_button("close", self.tr("Take it off the list"), lambda: jobs.ask("cancel", job.id))
        _keep_to_owner(jobs, again, out)
        words = column(
            label(job.title, "strong"),
            label(sentence(f"{job.state}: {why}" if why else job.state), "hint", lines=4),
            spacing=1,
        )
        line = row(words, again, out, spacing=6, margins=(12, 2, 8, 2))
        line.setStretch(0, 1)
        self.setLayout(line)


class ActivityCard(Card):
    """Something the studio does itself, with a way to stop it."""

    def __init__(self, activity: Activity):
        super().__init__()
        self._activity = activity
        self._bar, self._figures = meter(), label("", "mono")
        stop = icon_button("close", self.tr("Cancel"), activity.cancel)
        stop.setVisible(activity.can_cancel)
        self.body.addLayout(row(label(activity.title, "strong"), None, stop))
        self.body.addWidget(self._bar)
        self.body.addWidget(self._figures)
        activity.changed.connect(self.draw)
        self.draw()

    def draw(self) -> None:
        """Shows how far it is."""
        self._bar.setValue(how_far(self._activity))
        self._figures.setText(" · ".join(activity_figures(self._activity)))


class JobsPanel(QFrame):
    """A box at the lower left of the window; Escape or a click elsewhere closes it."""

    def __init__(self, session: Session, window: QWidget):
        super().__init__(window)
        self._session = session
        self.setProperty("role", "popup")
        self.setAccessibleName(self.tr("Jobs"))
        self._list = QWidget()
        self._body = column(spacing=8, margins=(10, 4, 10, 10))
        self._list.setLayout(self._body)
        close = icon_button("close", self.tr("Close"), self.hide)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 1, 1, 1)
        layout.addLayout(row(label(self.tr("Jobs"), "heading"), None, close, margins=(12, 8, 8, 2)))
        layout.addWidget(scrolled(self._list))
        for signal in (session.jobs.changed, session.jobs.activities_changed, session.runs.state_changed):
            signal.connect(self._later)
        session.verdicts.changed.connect(self._later)
        self._ageing = QTimer(self, interval=1000)
        self._ageing.timeout.connect(self._age)
        self._shown: object = None
        self.hide()

    def _age(self) -> None:
        """Figures age while nothing is told."""
        for card in self._list.findChildren(Card):
            if isinstance(card, RunCard | ActivityCard):
                card.draw()

    def open(self) -> None:
        """Shows the box."""
        self._ageing.start()
        self._fill()
        self.place()
        self.show()
        self.raise_()
        self.setFocus()
        QApplication.instance().installEventFilter(self)

    def place(self) -> None:
        """Sizes the box for what it holds and puts it above the bottom bar."""
        window = self.parentWidget()
        width = min(theme.px(520), window.width() - 24)
        wanted = wanted_height(self._list, width - 14) + theme.px(54)
        height = max(theme.px(120), min(wanted, window.height() - theme.px(120)))
        self.setGeometry(12, window.height() - theme.px(30) - height - 8, width, height)

    def sizeHint(self) -> QSize:
        return QSize(theme.px(520), theme.px(320))

    def _later(self, *_: object) -> None:
        if self.isVisible():
            self._fill()
            self.place()

    def _fill(self) -> None:
        jobs = self._session.jobs
        shown = (
            [(job.id, job.state, job.held, job.reason) for job in jobs.records],
            jobs.active is not None and self._session.is_held(jobs.active),
            [id(one) for one in jobs.activities],
            [id(one) for one in self._session.verdicts.records],
        )
        if shown == self._shown:
            return
        self._shown = shown
        while self._body.count():
            item = self._body.takeAt(0)
            if item.widget() is not None:
                item.widget().hide()
                item.widget().deleteLater()
        for widget in self._rows():
            self._body.addWidget(widget)
        self._body.addStretch(1)

    def _rows(self) -> list[QWidget]:
        jobs = self._session.jobs
        running = [job for job in jobs.records if job.state in ("starting", "running", "paused")]
        waiting, failed = jobs.waiting, [job for job in jobs.records if job.state == "failed"]
        rows: list[QWidget] = [RunCard(self._session, job) for job in running]
        rows += [ActivityCard(activity) for activity in jobs.activities]
        if waiting:
            rows.append(section(self.tr("Waiting")))
            rows += [WaitingRow(self._session, job, n, len(waiting)) for n, job in enumerate(waiting)]
        other = [verdict for verdict in self._session.verdicts.records if not verdict.good]
        if failed or other:
            rows.append(section(self.tr("Failed")))
            rows += [FailedRow(self._session, job) for job in failed]
            rows += [VerdictRow(self._session, verdict) for verdict in other]
        if not rows:
            text = self.tr("Nothing runs and nothing waits. Training, imports and exports show here, with a way to stop them.")
            rows.append(label(text, "label", wrap=True))
        return rows

    def hideEvent(self, event) -> None:
        super().hideEvent(event)
        self._ageing.stop()
        QApplication.instance().removeEventFilter(self)

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.MouseButtonPress and isinstance(watched, QWidget):
            inside = self.geometry().contains(self.parentWidget().mapFromGlobal(event.globalPosition().toPoint()))
            if not inside and watched.window() is self.window():
                self.hide()
        return False
