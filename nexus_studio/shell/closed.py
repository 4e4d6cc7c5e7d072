"""What goes on while the window is closed, what ended with it, and what was said too late to be read: told by the
next window."""

from __future__ import annotations

import sys
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from models_backend.contract.messages import Trouble, TroubleError
from models_backend.contract.words import counted

from ..dialogs import keep_typed
from ..state.session import Session

KEPT = "closed/with"
UNDER_WAY = "closed/under_way"  # for a window that is killed: it can note nothing at its end
LIVE = ("starting", "running", "paused")


class Closing(QObject):
    """``note`` when the window closes; the next window tells what became of that once it is ready."""

    def __init__(self, session: Session):
        super().__init__(session)
        self._session = session
        self._kept: dict[str, Any] = {}
        self._cut_off = session.preferences.get(UNDER_WAY)
        session.ready.connect(self._begin)
        session.jobs.activities_changed.connect(self._keep_under_way)
        if session.is_ready:
            self._begin()

    def note(self, window: QWidget) -> None:
        """Keeps what is typed, which runs go on and what is given up; says it where the window was started in a terminal."""
        engine = self._session.bridge.engine
        runs = engine.live() if engine is not None else []
        given_up = [activity.title for activity in self._session.jobs.activities]
        if not self._kept:
            self._session.bridge.trouble.connect(self._say_trouble)
        self._kept = {"library": self._place(), "runs": runs, "given_up": given_up, "said": []}
        if runs or given_up:
            self._session.preferences.set(KEPT, self._kept)
        for run in runs:
            title = self._session.title_of(run) or run
            text = self.tr("The window is closed; the training of “{0}” goes on. It ends with: nexus-studio stop {1}")
            print(text.format(title, run), file=sys.stderr)
        for title in given_up:
            print(self.tr("The window is closed; given up: {0}").format(title), file=sys.stderr)
        self._keep_typed(window)

    def _keep_under_way(self) -> None:
        titles = [activity.title for activity in self._session.jobs.activities]
        kept = {"library": self._place(), "titles": titles} if titles else None
        if kept != self._session.preferences.get(UNDER_WAY):
            self._session.preferences.set(UNDER_WAY, kept)

    def _keep_typed(self, window: QWidget) -> None:
        noticed = self._session.bridge.noticed.connect(self._say)
        for title in keep_typed(window):
            self._say(self.tr("What was typed into “{0}” could not be kept.").format(title))
        QObject.disconnect(noticed)

    def _say_trouble(self, trouble: Trouble) -> None:
        self._say(str(trouble))

    def _say(self, text: str) -> None:
        """Keeps what is said while the window closes: nobody can read it there any more."""
        self._kept = self._kept | {"said": [*self._kept["said"], text]}
        self._session.preferences.set(KEPT, self._kept)
        print(text, file=sys.stderr)

    def _place(self) -> str:
        library = self._session.bridge.library
        return str(library.layout.root) if library is not None else ""

    def _begin(self) -> None:
        kept, cut_off, self._cut_off = self._session.preferences.get(KEPT), self._cut_off, None
        self._keep_under_way()
        if isinstance(kept, dict) and kept.get("library") == self._place():
            self._session.preferences.set(KEPT, None)
            self._session.bridge.spawn(self._tell(kept))
        elif isinstance(cut_off, dict) and cut_off.get("library") == self._place():
            text = self.tr("Not done when the window was ended from outside, and not begun again: {0}")
            self._session.bridge.notice(text.format(", ".join(cut_off.get("titles", []))))

    async def _tell(self, kept: dict[str, Any]) -> None:
        bridge = self._session.bridge
        for run in kept.get("runs", []):
            record = self._session.runs.get(run)
            if record is None:
                continue
            try:
                state, step = await bridge.threaded(bridge.library.run(run).state)
            except TroubleError:
                continue  # it is told where the run is shown
            bridge.notice(self._words(record.title, state, step, record.steps))
        for text in kept.get("said", []):
            bridge.notice(text)
        given_up = ", ".join(kept.get("given_up", []))
        if given_up:
            bridge.notice(self.tr("Given up when the window was closed: {0}").format(given_up))

    def _words(self, title: str, state: str, step: int, steps: int) -> str:
        if state == "finished":
            ended = self.tr("“{0}” was trained to its end while the window was closed: {1}.")
            return ended.format(title, counted(steps, "step"))
        if state in LIVE:
            text = self.tr("The training of “{0}” went on while the window was closed: step {1} of {2}.")
        else:
            text = self.tr("The training of “{0}” ended while the window was closed, at step {1} of {2}.")
        return text.format(title, f"{step:,}", f"{steps:,}")
