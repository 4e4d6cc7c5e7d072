"""Looks whether the library's folder is still there, and says once that it is gone and that it is back."""

from __future__ import annotations

import asyncio

from PySide6.QtCore import QObject, QTimer, Signal

from ..bridge import Bridge

EVERY_MS = 1000


class LibraryWatch(QObject):
    """``gone`` while the folder is not where it was; ``came_back`` when it is there again."""

    came_back = Signal()
    stands = Signal()  # it was looked at, and it is there

    def __init__(self, bridge: Bridge):
        super().__init__(bridge)
        self._bridge, self._looking = bridge, False
        self.gone = False
        self._timer = QTimer(self, interval=EVERY_MS)
        self._timer.timeout.connect(self._begin)
        bridge.engine_ready.connect(self._timer.start)
        bridge.closing.connect(self._timer.stop)

    def _begin(self) -> None:
        root = getattr(getattr(self._bridge.library, "layout", None), "root", None)
        if root is not None and not self._looking:
            self._looking = True
            self._bridge.spawn(self._look(str(root)))

    async def _look(self, root: str) -> None:
        from models_backend.library.standing import Gone, is_gone

        try:
            gone = await asyncio.to_thread(is_gone, root)
        finally:
            self._looking = False
        if gone != self.gone:
            self.gone = gone
            self._bridge.trouble.emit(Gone(root).trouble) if gone else self.came_back.emit()
        elif not gone:
            self.stands.emit()
