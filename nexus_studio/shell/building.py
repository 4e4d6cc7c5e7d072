"""Builds the workspaces that were not shown yet while nobody is using the window, so that the first visit is quick."""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module
from typing import TYPE_CHECKING

from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication

if TYPE_CHECKING:
    from ..main_window import MainWindow

LOOK_S, QUIET_LOOKS = 0.2, 2
COLLECT_AFTER = 20_000


class QuietMoments:
    """Waits for moments when the mouse rests, no button is down and no menu is open."""

    def __init__(self) -> None:
        self._place, self._quiet = QCursor.pos(), 0

    async def next(self) -> None:
        """Returns in the next quiet moment."""
        self._quiet = 0
        while self._quiet < QUIET_LOOKS:
            await asyncio.sleep(LOOK_S)
            place = QCursor.pos()
            busy = QApplication.mouseButtons().value or QApplication.activePopupWidget() or QApplication.activeModalWidget()
            self._quiet = 0 if busy or place != self._place else self._quiet + 1
            self._place = place


async def build_rest(window: MainWindow, keys: list[str]) -> None:
    """In each quiet moment imports the code of one workspace and builds it, the drawing library first."""
    from ..plots.curves import loading

    moments = QuietMoments()
    await moments.next()
    loading().begin()
    for key in keys:
        await moments.next()
        while window.session.jobs.active is not None:  # nothing may interrupt watching a run
            await asyncio.sleep(5 * LOOK_S)
        import_module(f"nexus_studio.panels.{key}")  # on this thread: it makes classes of PySide
        await asyncio.sleep(0)
        window.workspace(key)
    settle_memory()


def settle_memory() -> None:
    """Takes what start-up made out of the garbage collector's sight and makes it look seldom: a full look at the whole
    heap takes tens of milliseconds, in which the window would not answer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)
