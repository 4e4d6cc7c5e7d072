"""The application: the window first, then the library and the engine, then everything that is slow to load."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import msgspec
from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QApplication

from models_backend.contract.messages import Trouble

from . import theme
from .bridge import Bridge, trouble_of
from .main_window import WORKSPACES, MainWindow
from .shell.building import build_rest
from .state.preferences import Preferences
from .state.session import Session

DEVICES_EVERY_S = 3.0
OPEN_AGAIN_S = 0.5
#: Where libraries were opened before, the last of so many last.
KNOWN, KNOWN_MOST = "library/known", 20


class FirstPaint(QObject):
    """Calls once, when a window has been painted for the first time."""

    def __init__(self, window: MainWindow, then):
        super().__init__(window)
        self._window, self._then = window, then
        window.installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.Paint and self._then is not None:
            then, self._then = self._then, None
            QTimer.singleShot(0, self._window, then)
            self._window.removeEventFilter(self)
        return False


class Studio(QObject):
    """The running studio: application, loop, session and window."""

    def __init__(self, app: QApplication, root: Path, paths: list[str] | None = None):
        super().__init__()
        self.app, self.root, self._paths = app, root, paths or []
        self.preferences = Preferences()
        keep = self.preferences.get
        theme.apply(app, keep("theme", "dark"), keep("text_size", 1.0), keep("reduced_motion", False))
        self.bridge = Bridge()
        self.session = Session(self.bridge, self.preferences)
        self.window = MainWindow(self.session)
        self.window.library_root = root
        self.window.closing.connect(self.quit)
        self.listener = None
        self._done: asyncio.Event | None = None

    def show(self) -> None:
        """Shows the frame of the window; its workspace and what is slow come after the first paint."""
        FirstPaint(self.window, self._painted)
        self.window.rail.show_current(self.window.first_key())
        self.window.show()

    def _painted(self) -> None:
        self.window.show_first()
        self.window.latency.start()
        self._listen()
        self.bridge.spawn(self.start_engine(), self._engine_failed)

    def _listen(self) -> None:
        from .shell.single import Listener

        self.listener = Listener(self.root)
        self.listener.asked.connect(self._asked_again)

    def _asked_again(self, paths: list[str]) -> None:
        self.window.raise_window()
        self.session.open_paths(paths)

    async def start_engine(self) -> None:
        """Opens the library and starts the engine; the workers warm up in the background."""
        lost = str(self.root) in self.preferences.get(KNOWN, []) and not await self.bridge.threaded(_stands, self.root)
        library = await self._own_library()
        self._remember(lost)
        from models_backend.engine.engine import Engine

        engine = Engine(library, schedule=library.owned)
        await engine.start()
        self.bridge.attach(engine)
        self.bridge.spawn(self._watch_devices())
        self.session.open_paths(self._paths)
        self.bridge.spawn(build_rest(self.window, [key for key, _, _ in WORKSPACES]))
        await engine.warm_up()
        self.session.catalogue.refresh()

    def _remember(self, lost: bool) -> None:
        """Keeps where libraries were opened: an empty one made where one was is not made in silence."""
        known = self.preferences.get(KNOWN, [])
        self.preferences.set(KNOWN, [*(place for place in known if place != str(self.root)), str(self.root)][-KNOWN_MOST:])
        if lost:
            what = self.tr("The library that was in this folder is gone; a new, empty one was made")
            advice = self.tr(
                "If it was moved, quit, take the new folder away and put it back, or name its place with --library"
            )
            self.bridge.trouble.emit(Trouble(what, str(self.root), advice=advice))

    async def _own_library(self):
        """The library; where a command has it now, as soon as that ends."""
        from models_backend.library.lock import HeldError

        if await self.bridge.threaded(_only_readable, self.root):
            self.bridge.notice(
                self.tr("This library can only be read. Look at all that is in it; nothing can be made or changed.")
            )
            return await self.bridge.threaded(_open_library, self.root, False)
        told = False
        while True:
            try:
                return await self.bridge.threaded(_open_library, self.root)
            except HeldError as held:
                if not told:
                    advice = self.tr("It opens here as soon as that ends")
                    self.bridge.trouble.emit(msgspec.structs.replace(held.trouble, advice=advice))
                told = True
            await asyncio.sleep(OPEN_AGAIN_S)

    def _engine_failed(self, trouble) -> None:
        self.bridge.trouble.emit(trouble)

    async def _watch_devices(self) -> None:
        while True:
            self.window.top.device.show_devices(await self.bridge.engine.devices())
            await asyncio.sleep(DEVICES_EVERY_S)

    def quit(self) -> None:
        """Ends the engine (runs in training go on) and the program."""
        if self._done is not None:
            self._done.set()

    async def until_closed(self) -> None:
        """Runs until the window is closed, then puts everything away."""
        self._done = asyncio.Event()
        self.bridge.loop = asyncio.get_running_loop()
        self.show()
        await self._done.wait()
        self.window.hide()
        self.window.latency.stop()
        if self.listener is not None:
            self.listener.close()
        library = self.bridge.library
        await self.bridge.close()
        if library is not None:
            library.close()
        self.preferences.close()


def _open_library(root: Path, own: bool = True):
    from models_backend.library.library import Library

    return Library.open(root, own)


def _stands(root: Path) -> bool:
    from models_backend.contract.run_layout import LibraryLayout

    return LibraryLayout(root).record.exists()


def _only_readable(root: Path) -> bool:
    from models_backend.contract.run_layout import LibraryLayout
    from models_backend.library.opening import only_readable

    return only_readable(LibraryLayout(root))


def _report_uncaught(bridge: Bridge):
    def report(kind, error, trace) -> None:
        sys.__excepthook__(kind, error, trace)
        bridge.trouble.emit(trouble_of(error))

    return report


def make_application(arguments: list[str]) -> QApplication:
    """The QApplication with the studio's names; quitting is the studio's own affair."""
    QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    app = QApplication([arguments[0] if arguments else "nexus-studio"])
    app.setApplicationName("nexus-studio")
    app.setApplicationDisplayName("Nexus Studio")
    app.setDesktopFileName("nexus-studio")
    app.setQuitOnLastWindowClosed(False)
    return app


def run(root: Path | None = None, paths: list[str] | None = None) -> int:
    """Shows the studio for a library until its window is closed; a second start raises the first window instead."""
    from models_backend.library.opening import default_root

    root = root or default_root()
    app = make_application(sys.argv)
    from .shell.single import ask_first

    absolute = [str(Path(path).absolute()) for path in paths or []]
    if ask_first(root, "\n".join(absolute)):
        return 0
    import qasync

    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    studio = Studio(app, root, absolute)
    sys.excepthook = _report_uncaught(studio.bridge)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: studio.window.close())
    with loop:
        loop.run_until_complete(studio.until_closed())
    return 0
