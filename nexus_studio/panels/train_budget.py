"""The budget card: memory, time and disk of the run that is set up, measured by two real steps."""

from __future__ import annotations

import asyncio
import time

import msgspec
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from models_backend.contract.messages import Budget, BudgetReport, Progress, Trouble
from models_backend.contract.words import counted, sentence

from .. import figures, pieces
from ..shell.words import duration
from ..state.session import Session


class BudgetCard(pieces.Card):
    """Asks for a measurement and shows it. A newer measurement cancels an older one; while one is under way its button stops
    it. ``measured`` tells family, report."""

    measured = Signal(str, object)

    def __init__(self, session: Session):
        super().__init__(spacing=8)
        self._session = session
        self._task: asyncio.Task | None = None
        self._asked: Budget | None = None
        self._progress, self._since = Progress(0, 0), 0.0
        self._clock = QTimer(self, interval=1000)
        self._clock.timeout.connect(self._show_progress)
        self._known: dict[bytes, BudgetReport] = {}
        self.report: BudgetReport | None = None
        self.note = pieces.label("", "mono")
        self.button = pieces.button(self.tr("Measure"), "link")
        self.button.setToolTip(self.tr("Runs two real steps of this setting on this machine"))
        heading = pieces.label(self.tr("Budget"), "strong")
        self.body.addLayout(pieces.row(heading, None, self.note, self.button))
        self.meter = pieces.meter("ok")
        self.meter.setAccessibleName(self.tr("Memory"))
        self.words = pieces.label("", "hint", wrap=True)
        self.values = {name: pieces.label("—", "mono") for name in ("memory", "time", "disk", "parameters")}
        self.body.addWidget(self._table())
        self.body.addWidget(self.words)
        self.words.hide()
        self.setAccessibleName(self.tr("Budget"))
        self._rest(self.tr("not measured"))

    @property
    def under_way(self) -> bool:
        """Whether a measurement is."""
        return self._task is not None

    def _table(self) -> QWidget:
        table = QWidget()
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(1, 1)
        names = {
            "memory": self.tr("Memory"),
            "time": self.tr("Time"),
            "disk": self.tr("Disk"),
            "parameters": self.tr("Parameters"),
        }
        self.names: dict[str, QLabel] = {}
        for place, (key, name) in enumerate(names.items()):
            self.names[key] = pieces.label(name)
            line = place + (1 if place else 0)
            grid.addWidget(self.names[key], line, 0)
            grid.addWidget(self.values[key], line, 1)
        grid.addWidget(self.meter, 1, 0, 1, 2)
        grid.setColumnMinimumWidth(0, 96)
        return table

    def ask(self, request: Budget) -> None:
        """Measure a setting, unless it is the one that was measured last."""
        if request == self._asked and (self.report is not None or self._task is not None):
            return
        self.cancel()
        self._asked = request
        self._show_none(self.tr("measuring…"))
        self.button.setText(self.tr("Stop"))
        self._progress, self._since = Progress(0, 0), time.monotonic()
        self._clock.start()
        self._task = self._session.bridge.spawn(self._measure(request), self._fail)

    def cancel(self) -> None:
        """Give up a measurement under way."""
        if self._task is not None:
            self._task.cancel()
            self._rest(self.tr("not measured"))

    def outdate(self, request: Budget | None) -> None:
        """Another setting is shown now: its own figures where it was measured before, else none."""
        if request == self._asked and request is not None:
            return
        self.cancel()
        self._asked = request
        known = self._known.get(msgspec.json.encode(request)) if request is not None else None
        if known is not None:
            self.show_report(known)
        else:
            self._show_none(self.tr("not measured"))

    async def _measure(self, request: Budget) -> None:
        report = await self._session.bridge.engine.call(request, self._hear)
        self._rest("")
        self._known[msgspec.json.encode(request)] = report
        self.show_report(report)
        self.measured.emit(request.family, report)

    def _rest(self, note: str) -> None:
        """Nothing is measured any longer."""
        self._task = None
        self._clock.stop()
        self.button.setText(self.tr("Measure"))
        self._show_none(note)

    def _hear(self, body: object) -> None:
        if isinstance(body, Progress):
            self._progress = body
            self._show_progress()

    def _show_progress(self) -> None:
        """What is done now, how far it is, and for how long."""
        told, took = self._progress, time.monotonic() - self._since
        words = [sentence(told.what)] if told.what else []
        words += [f"{told.done:,} of {told.total:,}"] if told.total else []
        words += [duration(took)] if took >= 1 else []
        self._say(" · ".join(words), "hint")

    def _fail(self, trouble: Trouble) -> None:
        self._rest(self.tr("not measured"))
        self._say(str(trouble), "error")

    def _show_none(self, note: str) -> None:
        """No figures: those of another setting would be untrue."""
        self.report = None
        self.note.setText(note)
        for value in self.values.values():
            value.setText("—")
            value.setToolTip("")
        self.meter.setValue(0)
        self.words.hide()

    def show_report(self, report: BudgetReport) -> None:
        """Show what two steps cost."""
        self.report = report
        self.note.setText(self.tr("measured, 2 steps"))
        used, total = figures.megabytes(report.memory_mb), figures.megabytes(report.device_total_mb)
        self.values["memory"].setText(f"{used} / {total}")
        share = report.memory_mb / max(1.0, report.device_total_mb)
        self.meter.setValue(round(1000 * min(1.0, share)))
        pieces.set_look(self.meter, "tone", "bad" if not report.fits else "warn" if share > 0.8 else "ok")
        self.values["time"].setText(f"{figures.seconds(report.total_s)} · {figures.milliseconds(report.step_ms)} a step")
        free = figures.megabytes(report.disk_free_mb)
        self.values["disk"].setText(self.tr("{0} · {1} free").format(figures.megabytes(report.disk_mb), free))
        count = sum(report.parameters.values())
        more = f" · {counted(len(report.parameters), 'network')}" if len(report.parameters) > 1 else ""
        self.values["parameters"].setText(figures.short(float(count)) + more)
        self.values["parameters"].setToolTip("\n".join(f"{name}: {count:,}" for name, count in report.parameters.items()))
        self.names["memory"].setToolTip(report.device)
        if not report.fits:
            self._say(self.tr("This does not fit the memory: take a smaller batch or network.") + f" {report.note}", "error")
        elif report.disk_mb > report.disk_free_mb:
            self._say(self.tr("There is too little disk space for the checkpoints."), "error")
        else:
            self._say(report.note, "hint")

    def _say(self, text: str, role: str) -> None:
        pieces.set_role(self.words, role)
        self.words.setText(text.strip())
        self.words.setVisible(bool(text.strip()))
