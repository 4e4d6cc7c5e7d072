"""The runs of the library, their views, and the one that is chosen."""

from __future__ import annotations

import asyncio
import contextlib

from PySide6.QtCore import QObject, Signal

from models_backend.contract.messages import Event, Heartbeat, Metrics, State, TroubleError
from models_backend.contract.run_layout import RunRecord

from ..bridge import Bridge
from .run_view import RunView

AT_ONCE = 1000  # events of a log that are taken in one go, some 5 ms


class Runs(QObject):
    """Records newest first. ``view`` gives the live view of a run and reads its log on first use."""

    changed = Signal()
    current_changed = Signal(str)
    state_known = Signal(str)  # run id: ``states`` has it now, or anew
    told = Signal(str, object)  # run id, Event
    state_changed = Signal(str, str)  # run id, state

    def __init__(self, bridge: Bridge):
        super().__init__()
        self._bridge = bridge
        self.records: list[RunRecord] = []
        self.deleted: list[str] = []  # the titles of those in the trash
        self.states: dict[str, State] = {}  # of every run that has been looked at; a run that is not in it is not known yet
        self.current = ""
        self._views: dict[str, RunView] = {}
        bridge.told.connect(self._tell)

    async def load(self) -> None:
        """Reads the records again; keeps the choice while the run still exists."""
        records, deleted = await self._bridge.threaded(self._read_records)
        if (records, deleted) != (self.records, self.deleted):
            self.records, self.deleted = records, deleted
            self._renew_views()
            self.changed.emit()
        await self._read_states()
        if self.current and self.get(self.current) is None:
            self.set_current("")

    def _read_records(self) -> tuple[list[RunRecord], list[str]]:
        from models_backend.library import trash

        library = self._bridge.library
        return library.runs(), [entry.title for entry in trash.entries(library.layout) if entry.kind == "run"]

    async def _read_states(self) -> None:
        """Looks at each run that is not known yet, the newest first. What is told meanwhile is newer than what is read."""
        library = self._bridge.library
        for run in [record.id for record in self.records if record.id not in self.states]:
            with contextlib.suppress(TroubleError):  # it was deleted meanwhile
                found = await self._bridge.threaded(lambda run=run: library.run(run).told_state())
                if run not in self.states:
                    self._know(run, found)

    def _know(self, run: str, state: State) -> None:
        self.states[run] = state
        self.state_known.emit(run)

    def _note(self, event: Event) -> None:
        """Keeps ``states`` up to what an event says."""
        run, body, known = event.source, event.body, self.states.get(event.source)
        if isinstance(body, State) and self.get(run) is not None:
            self._know(run, State(body.state, body.step or (known.step if known else 0), body.reason))
        elif isinstance(body, Metrics | Heartbeat) and known is not None and body.step > known.step:
            self._know(run, State(known.state, body.step, known.reason))

    def _renew_views(self) -> None:
        known = {record.id: record for record in self.records}
        self._views = {run: view for run, view in self._views.items() if run in known}
        self.states = {run: state for run, state in self.states.items() if run in known}
        for run, view in self._views.items():
            view.record = known[run]

    def refresh(self) -> asyncio.Task | None:
        """Starts ``load``."""
        return self._bridge.spawn(self.load()) if self._bridge.library is not None else None

    def get(self, run: str) -> RunRecord | None:
        """The record with that id, or None."""
        return next((record for record in self.records if record.id == run), None)

    def set_current(self, run: str) -> None:
        """Chooses a run by id."""
        if run != self.current:
            self.current = run
            self.current_changed.emit(run)

    @property
    def current_view(self) -> RunView | None:
        """The view of the chosen run."""
        return self.view(self.current) if self.current else None

    def view(self, run: str) -> RunView | None:
        """The live view of a run, or None when there is no such run."""
        record = self.get(run)
        if run not in self._views and record is not None:
            view = RunView(record, self._bridge.library.run(run))
            view.state_changed.connect(lambda state, run=run: self.state_changed.emit(run, state))
            self._views[run] = view
            self._bridge.spawn(self._read(view))
        return self._views.get(run)

    def may_be_trained(self, run: str) -> bool:
        """Whether a run has taken a step, as far as is known: a log that is not yet read counts."""
        view = self.view(run)
        return view is not None and (not view.loaded or view.step > 0)

    def may_have_checkpoint(self, run: str) -> bool:
        """Whether a run has saved a checkpoint, as far as is known: a log that is not yet read counts."""
        view = self.view(run)
        return view is not None and (not view.loaded or bool(view.checkpoints))

    async def _read(self, view: RunView) -> None:
        folder, since = view.folder, view._seq
        events = await self._bridge.threaded(lambda: list(folder.events(since)))
        for first in range(0, len(events), AT_ONCE):
            view.take_log(events[first : first + AT_ONCE], more=True)
            await asyncio.sleep(0)
        view.take_log([])
        state = await self._bridge.threaded(folder.told_state)
        if state.state == "interrupted" or (not events and since == 0):
            view.set_state(state.state, state.step)

    def _tell(self, event: Event) -> None:
        self._note(event)
        view = self._views.get(event.source)
        if view is not None and not view.tell(event):
            self._bridge.spawn(self._read(view))
        if isinstance(event.body, State) and self.get(event.source) is None:
            self.refresh()
        if not isinstance(event.body, Heartbeat):
            self.told.emit(event.source, event)

    def view_of_active(self) -> RunView | None:
        """The view of a run that a worker holds now, the running one first."""
        live = [view for view in self._views.values() if view.live]
        live.sort(key=lambda view: view.state != "running")
        return live[0] if live else None
