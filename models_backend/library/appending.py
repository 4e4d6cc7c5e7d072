"""Logs: files of lines that only grow, whole line by whole line."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from . import faults, guarding
from .locking import flock, funlock
from .primitives import fsync, sync_folder, write_all


class Appender:
    """A file of lines that only grows: one write a line, so that a reader never sees half of two.

    ``append`` hands the line to the operating system; with ``durable`` also to the disk. A line that fails midway is
    cut again. Several processes may append in turn, each inside ``held()``."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        guarding.stay_inside(self.path)
        new = not self.path.exists()
        faults.strike("create" if new else "open", self.path)
        self._descriptor = guarding.opened(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._mutex = threading.RLock()
        self._depth = 0
        self.size = -1
        try:
            with self.held():
                self.repair()
            if new:
                sync_folder(self.path.parent)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """Nobody else appends meanwhile; gives True where somebody has since the last time."""
        with self._mutex:
            if not self._depth:
                flock(self._descriptor)
            self._depth += 1
            try:
                yield os.fstat(self._descriptor).st_size != self.size
            finally:
                self._depth -= 1
                if not self._depth:
                    funlock(self._descriptor)

    def repair(self) -> int:
        """Cut a torn last line; how many bytes went."""
        size = os.fstat(self._descriptor).st_size
        whole = whole_lines(self._descriptor, size)
        if whole < size:
            self._cut(whole)
        self.size = whole
        return size - whole

    def append(self, line: bytes, durable: bool = False) -> None:
        """Add a line (its newline included). Raises OSError with the file as it was before."""
        with self.held() as moved:
            if moved:
                self.repair()
            try:
                write_all(self._descriptor, line, self.path)
                if durable:
                    fsync(self._descriptor, self.path)
            except OSError:
                self._undo()
                raise
            self.size += len(line)

    def _undo(self) -> None:
        """Take back a half-written line, now or (if the disk refuses) before the next one."""
        try:
            self._cut(self.size)
        except OSError:
            self.size = -1

    def _cut(self, size: int) -> None:
        faults.strike("truncate", self.path)
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Bring every line to the disk."""
        fsync(self._descriptor, self.path)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def whole_lines(descriptor: int, size: int) -> int:
    """The length of a file up to its last newline."""
    end = size
    while end > 0:
        start = max(0, end - 65536)
        block = os.pread(descriptor, end - start, start) if hasattr(os, "pread") else _pread(descriptor, end - start, start)
        found = block.rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _pread(descriptor: int, count: int, offset: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)
