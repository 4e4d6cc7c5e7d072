"""What the tests of the window share: turning both event loops, and a session or window on the scripted engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import shiboken6
from PySide6.QtWidgets import QApplication, QWidget
from scripted import ScriptedEngine

from nexus_studio import theme
from nexus_studio.bridge import Bridge
from nexus_studio.main_window import MainWindow
from nexus_studio.state.preferences import Preferences
from nexus_studio.state.session import Session

#: Those of the sessions that are open.
_BRIDGES: set[Bridge] = set()


async def settle(condition: Callable[[], object] = lambda: True, seconds: float = 20.0) -> None:
    """Turns Qt's loop and asyncio's until the condition holds."""
    for _ in range(int(seconds / 0.005)):
        QApplication.processEvents()
        await asyncio.sleep(0.005)
        if condition():
            return
    raise AssertionError("it did not happen in time")


async def turn(seconds: float = 0.1) -> None:
    """Turns both loops for a while: as often as they would turn in that while on a machine with nothing else to do, and until
    what the windows asked for is there, where that does not take long."""
    now = asyncio.get_running_loop().time
    end, turns = now() + seconds, 0
    while now() < end or turns < seconds / 0.008 or (now() < end + 1.5 and any(one.busy() for one in _BRIDGES)):
        QApplication.processEvents()
        await asyncio.sleep(0.005)
        turns += 1


@asynccontextmanager
async def scripted_session(
    root: Path, populated: bool = True, preferences: Path | None = None, prepare: Callable[[ScriptedEngine], None] | None = None
) -> AsyncIterator[Session]:
    """A session whose engine is scripted, ready; ``prepare`` may change what the engine has before."""
    bridge = Bridge(None, asyncio.get_running_loop())
    session = Session(bridge, Preferences(preferences or root / "session.json"))
    engine = ScriptedEngine(root / "library", populated)
    if prepare is not None:
        prepare(engine)
    bridge.attach(engine)
    _BRIDGES.add(bridge)
    await settle(lambda: session.is_ready)
    try:
        yield session
    finally:
        _BRIDGES.discard(bridge)
        await bridge.close()
        session.preferences.close()
        shiboken6.delete(session)


@asynccontextmanager
async def panel_shown(panel: QWidget, ready: Callable[[], object]) -> AsyncIterator[QWidget]:
    """A panel by itself, once it is ready."""
    panel.resize(1100, 720)
    panel.show()
    await settle(ready)
    yield panel
    panel.close()
    shiboken6.delete(panel)


@asynccontextmanager
async def scripted_window(
    root: Path, populated: bool = True, preferences: Path | None = None, prepare: Callable[[ScriptedEngine], None] | None = None
) -> AsyncIterator[MainWindow]:
    """The main window on a scripted session, shown at its first size."""
    app = QApplication.instance()
    theme.apply(app)
    async with scripted_session(root, populated, preferences, prepare) as session:
        window = MainWindow(session)
        window.show_first()
        window.show()
        await turn(0.1)
        try:
            yield window
        finally:
            window.close()
            shiboken6.delete(window)
