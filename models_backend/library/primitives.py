"""The primitive operations under :mod:`.storage`: each counts as one, and a test can make the n-th fail."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

from . import faults


def write_some(descriptor: int, data: memoryview, path: object) -> int:
    kind = faults.due("write", path)
    return os.write(descriptor, data) if kind is None else faults.write(kind, descriptor, data, path)


def write_all(descriptor: int, data: Any, path: object) -> None:
    view = memoryview(data).cast("B")
    while len(view):
        written = write_some(descriptor, view, path)
        view = view[written:]


def fsync(descriptor: int, path: object) -> None:
    faults.strike("fsync", path)
    os.fsync(descriptor)


def rename(source: Path, target: Path) -> None:
    faults.strike("rename", target)
    source.replace(target)


def sync_folder(path: str | Path) -> None:
    """Make the names in a folder durable (nothing to do on Windows, where folders cannot be fsync'ed)."""
    faults.strike("fsync folder", path)
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class CountedFile(io.RawIOBase):
    """A file whose writes count as operations."""

    def __init__(self, path: Path, flags: int = os.O_CREAT | os.O_EXCL | os.O_RDWR):
        faults.strike("create", path)
        self.name = str(path)
        self._descriptor = os.open(path, flags | os.O_CLOEXEC if hasattr(os, "O_CLOEXEC") else flags | os.O_BINARY, 0o600)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        return write_some(self._descriptor, view, self.name) if len(view) else 0

    def readinto(self, buffer: Any) -> int:
        data = os.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        return os.lseek(self._descriptor, 0, os.SEEK_CUR)

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        os.ftruncate(self._descriptor, size)
        return size

    def fileno(self) -> int:
        return self._descriptor

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)
