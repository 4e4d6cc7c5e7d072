"""Preferences and everything that brings the session back: one JSON file, written soon after every change.

Reading is one small file before the first paint. Writing goes through ``library.storage`` on a thread of its own,
``DELAY_MS`` after the first change of a burst, so a kill loses at most that much.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal

DELAY_MS = 250
#: The CPU threads that new runs begin with; 0 takes every core.
THREADS = "default/threads"


def config_folder() -> Path:
    """The user's folder for settings of programs, with the studio's name."""
    if sys.platform == "win32":
        root = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Application Support"
    else:
        root = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return root / "nexus-studio"


def _write(path: Path, data: bytes) -> None:
    from models_backend.library import storage

    path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_bytes(path, data)
    storage.sweep_among_others(path.parent)  # what a killed studio left


class Preferences(QObject):
    """A flat dictionary of JSON values, such as "theme" or "layout/train"."""

    changed = Signal(str)
    saved = Signal()
    failed = Signal(str)

    def __init__(self, path: Path | None = None):
        super().__init__()
        self.path = path or config_folder() / "session.json"
        self._values: dict[str, Any] = self._read()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="preferences")
        self._writing: Future | None = None
        self._companions: dict[str, Preferences] = {}
        self._closed = False
        self._timer = QTimer(self, singleShot=True, interval=DELAY_MS)
        self._timer.timeout.connect(self._save)

    def _read(self) -> dict[str, Any]:
        try:
            values = msgspec.json.decode(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError):
            self._set_aside()  # a torn or foreign file: the defaults hold, it stays beside for a look
            return {}
        return values if isinstance(values, dict) else {}

    def _set_aside(self) -> None:
        try:
            self.path.replace(self.path.with_suffix(".damaged.json"))
        except OSError as error:
            self.failed.emit(str(error))

    def get(self, key: str, default: Any = None) -> Any:
        """The value kept under ``key``."""
        return self._values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Keeps a JSON value; None forgets the key. Written ``DELAY_MS`` later together with what else changed."""
        if value is None:
            if self._values.pop(key, None) is None:
                return
        elif key in self._values and self._values[key] == value:
            return
        else:
            self._values[key] = value
        self.changed.emit(key)
        if self._closed:
            self._write_now()
        elif not self._timer.isActive():
            self._timer.start()

    def companion(self, name: str) -> Preferences:
        """A file beside this one for what is too large or too particular to stand in it; closed with it."""
        if name not in self._companions:
            self._companions[name] = Preferences(self.path.with_name(f"{self.path.stem}-{name}.json"))
        return self._companions[name]

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that start with ``prefix``."""
        return [key for key in self._values if key.startswith(prefix)]

    def _save(self) -> None:
        self._writing = self._thread.submit(_write, self.path, self._encoded())
        self._writing.add_done_callback(self._written)

    def _encoded(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self._values), indent=1)

    def _write_now(self) -> None:
        try:
            _write(self.path, self._encoded())
        except OSError as error:
            self.failed.emit(str(error))

    def _written(self, writing: Future) -> None:
        error = writing.exception()
        self.saved.emit() if error is None else self.failed.emit(str(error))

    def flush(self) -> None:
        """Writes now what waits to be written, and waits for it: for the moment before the program ends."""
        if self._timer.isActive():
            self._timer.stop()
            self._save()
        if self._writing is not None:
            self._writing.exception()
        for companion in self._companions.values():
            companion.flush()

    def close(self) -> None:
        """Flushes and ends the thread. What is set after that is written at once."""
        self._closed = True
        self.flush()
        for companion in self._companions.values():
            companion.close()
        self._thread.shutdown(wait=True)
