"""Single instance: a second start raises the first window through a local socket that only this user can have made."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from models_backend.contract.messages import TroubleError
from models_backend.library.runs import private_temporary

WAIT_MS = 400


def address(library_root: str | Path) -> str:
    """Where the studio that shows a library listens: in a folder that only this user can enter (on Windows a pipe's name).
    Somebody else may hold the name of the temporary one; then it lies in the library, which is this user's."""
    who = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    root = Path(library_root).absolute()
    known = hashlib.sha256(f"{who}:{root}".encode()).hexdigest()[:20]
    if sys.platform == "win32":
        return f"nexus-studio-{known}"
    try:
        folder = private_temporary()
    except (TroubleError, OSError):
        folder = root
    return str(folder / f".window-{known}")


def _ours(place: str) -> bool:
    """Whether nobody else listens there: who does is told the names of files."""
    if sys.platform == "win32":
        return True
    try:
        return all(os.lstat(one).st_uid == os.getuid() for one in (place, os.path.dirname(place)))  # noqa: PTH120
    except OSError:
        return False


def ask_first(library_root: str | Path, message: str) -> bool:
    """Asks a studio that runs already to raise its window (and to open paths, one a line); whether one answered."""
    place, socket = address(library_root), QLocalSocket()
    if not _ours(place):
        return False
    socket.connectToServer(place)
    if not socket.waitForConnected(WAIT_MS):
        return False
    socket.write(message.encode() + b"\0")
    socket.waitForBytesWritten(WAIT_MS)
    there = socket.bytesAvailable() > 0 or socket.waitForReadyRead(WAIT_MS * 5)
    answered = there and bytes(socket.readAll().data()) == b"raised"
    socket.disconnectFromServer()
    return answered


class Listener(QObject):
    """Answers later starts. ``asked`` carries the paths that they were given."""

    asked = Signal(list)

    def __init__(self, library_root: str | Path):
        super().__init__()
        self._asking: dict[QLocalSocket, bytearray] = {}
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._take)
        name = address(library_root)
        if not self._server.listen(name):
            QLocalServer.removeServer(name)  # nobody answered there: left behind by a killed studio
            self._server.listen(name)

    def _take(self) -> None:
        socket = self._server.nextPendingConnection()
        self._asking[socket] = bytearray()
        # methods of this object, not closures over the socket: those outlived a listener that was let go while one was open
        socket.readyRead.connect(self._read)
        socket.disconnected.connect(self._forget)
        self._read()

    def _read(self) -> None:
        for socket, text in list(self._asking.items()):
            text += bytes(socket.readAll().data())
            if text.endswith(b"\0"):
                socket.write(b"raised")
                socket.flush()
                paths = [line for line in bytes(text[:-1]).decode(errors="replace").split("\n") if line]
                text.clear()
                self.asked.emit(paths)

    def _forget(self) -> None:
        for socket in [one for one in self._asking if one.state() == QLocalSocket.LocalSocketState.UnconnectedState]:
            del self._asking[socket]
            socket.deleteLater()

    def close(self) -> None:
        """Stops answering."""
        self._server.close()
        for socket in list(self._asking):
            socket.abort()
        self._asking.clear()
