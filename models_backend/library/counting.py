"""SQLite's own writes and syncs as primitive operations, so that faults strike inside a commit too.

Used only while a fault is armed: in normal use SQLite talks to the disk directly."""

from __future__ import annotations

import apsw

from . import faults

NAME = "nexus-counting"
_CODES = {"ENOSPC": apsw.SQLITE_FULL, "EIO": apsw.SQLITE_IOERR, "EROFS": apsw.SQLITE_READONLY}
_registered: list[apsw.VFS] = []


def _strike(operation: str, path: str) -> str | None:
    kind = faults.due(operation, path)
    if kind == "KILL":
        faults.fail(kind, path)
    return kind


class _File(apsw.VFSFile):
    def __init__(self, name, flags):
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data, offset):
        kind = faults.due("db write", self._path)
        if kind in ("ENOSPC", "SHORT", "KILL"):
            super().xWrite(data[: len(data) // 2], offset)
        if kind == "KILL":
            faults.fail(kind, self._path)
        if kind:
            raise apsw.exception_for(_CODES.get(kind, apsw.SQLITE_FULL))
        super().xWrite(data, offset)

    def xSync(self, flags):
        kind = _strike("db sync", self._path)
        if kind in _CODES:
            raise apsw.exception_for(apsw.SQLITE_IOERR)
        super().xSync(flags)

    def xTruncate(self, size):
        if _strike("truncate", self._path) == "EIO":
            raise apsw.exception_for(apsw.SQLITE_IOERR)
        super().xTruncate(size)


class _Counting(apsw.VFS):
    def __init__(self):
        super().__init__(NAME, "")

    def xOpen(self, name, flags):
        return _File(name, flags)

    def xDelete(self, name, sync):
        if _strike("db delete", name) == "EIO":
            raise apsw.exception_for(apsw.SQLITE_IOERR)
        super().xDelete(name, sync)


def vfs() -> str:
    """The name of the file system layer to open a database with: counting while a fault is armed, else SQLite's own."""
    if not faults.armed():
        return ""
    if not _registered:
        _registered.append(_Counting())
    return NAME
