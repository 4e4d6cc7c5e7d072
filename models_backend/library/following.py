"""The index follows the folders: opened, compared, brought up to date, and made anew from them when it is lost."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout

from . import exports, folders, guarding, standing
from .index import TABLES, Index

log = logging.getLogger(__name__)
IN_MEMORY = ":memory:"
#: Times of folders go on in ticks of the kernel, and in steps of two seconds at worst (FAT).
TICK_NS = 2_000_000_000
_FILES = ("", "-wal", "-shm", "-journal")


class FollowedIndex:
    """The index of a library's owner. What a full or failing disk does to it never touches the folders: where it cannot
    be written, one in memory takes its place, made from the folders, and the one on disk is made anew at the next start."""

    def __init__(self, layout: LibraryLayout):
        self.layout = layout
        self._mutex = threading.RLock()
        self._seen: dict[str, int] = {}
        self._behind = False
        self.index = _begun(layout.index)
        self.clean = self.index.clean
        self._compare(deep=not self.clean)

    def notice(self, kind: str, name: str) -> None:
        """Bring the index up to one thing that was made, changed or removed. Never fails: the folder is already right,
        and where the index cannot follow now, it does before the next listing."""
        if self._is_away():
            return
        try:
            pair = read(self.layout, kind, name)
            if pair:
                self.index.put(kind, *pair)
            elif not folders.exists(self.layout, kind, name):
                self.index.drop(kind, [name])
        except (apsw.Error, OSError) as error:
            self._behind = True
            log.warning("the index is behind its folders: %s", words(error))

    def notice_export(self, exported: exports.Exported) -> None:
        """Know an exported file; its line in the log is already written."""
        try:
            self.index.put_exports([exported])
        except (apsw.Error, OSError) as error:
            self._behind = True
            log.warning("the index is behind its folders: %s", words(error))

    def follow(self, kind: str) -> None:
        """Compare the names again where the folder has changed since the last look."""
        with self._mutex:
            if self._is_away():
                return
            if self._behind:
                self.refresh()
            elif self._seen.get(kind) != _touched(self.layout, kind):
                self._compare()

    def refresh(self) -> int:
        """Compare every name and stamp with the folders; how many records changed."""
        with self._mutex:
            if self._is_away():
                return 0
            changed = self._compare(deep=True)
            self._behind = False
            return changed

    def _is_away(self) -> bool:
        """Whether the library's folder is gone: what is known stays, nothing was deleted; all is compared once it is back."""
        away = standing.is_gone(self.layout.root)
        self._behind = self._behind or away
        return away

    def _or_in_memory(self, work: Callable[[], int]) -> int:
        try:
            return work()
        except apsw.Error as error:
            log.warning("the index is kept in memory until the next start: %s", words(error))
            self.index.abandon()
            with contextlib.suppress(OSError):  # what cannot be removed is not marked as closed well, and is compared
                remove(self.layout.index)
            self.index = Index(IN_MEMORY)
            return reconcile(self.index, self.layout)

    def _compare(self, deep: bool = False) -> int:
        """Compares all with the folders as they are from now on; how many records changed. A folder that was touched just
        now may be touched again without another time, so it is compared once more at the next look."""
        touched = {kind: _touched(self.layout, kind) for kind in folders.RECORDS}
        settled = time.time_ns() - TICK_NS
        changed = self._or_in_memory(lambda: reconcile(self.index, self.layout, deep))
        self._seen = {kind: at for kind, at in touched.items() if at < settled}
        return changed

    def close(self) -> None:
        """Close it, noted as sound unless it could not follow."""
        try:
            self.index.abandon() if self._behind else self.index.close()
        except apsw.Error as error:
            log.warning("the index was not closed well and will be compared at the next start: %s", words(error))
            self.index.abandon()


def _touched(layout: LibraryLayout, kind: str) -> int:
    return folders.home(layout, kind).stat().st_mtime_ns


def words(error: Exception) -> str:
    """An error in words, also where SQLite gives only its name."""
    return str(error) or type(error).__name__


def remove(path: str | Path) -> None:
    """Delete the files of an index."""
    for suffix in _FILES:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _begun(path: Path) -> Index:
    """The index at ``path``; a damaged one, or one of another version, is thrown away and begun anew."""
    parts = [f"{path}{suffix}" for suffix in _FILES]
    if any(os.path.lexists(part) and not guarding.is_file(part) for part in parts):
        log.warning("the index is made anew: it is a link or no file")
        remove(path)
    try:
        return Index(path)
    except (apsw.NotADBError, apsw.CorruptError) as error:
        log.warning("the index is made anew: %s", words(error))
    except apsw.Error as error:
        log.warning("the index is kept in memory until the next start: %s", words(error))
        remove(path)
        return Index(IN_MEMORY)
    remove(path)
    return Index(path)


def rebuild(layout: LibraryLayout) -> int:
    """Make the index of a library that nobody has open anew from its folders; how many records it has."""
    remove(layout.index)
    fresh = Index(layout.index)
    try:
        count = reconcile(fresh, layout)
    except BaseException:
        fresh.abandon()
        raise
    fresh.close()
    return count


def reconcile(index: Index, layout: LibraryLayout, deep: bool = False) -> int:
    """Bring the index up to the folders; how many records changed.

    Names are always compared; with ``deep`` also every record's stamp, which finds changed content. What is there but
    cannot be read stays as it was known: it may be the only good copy of the record, from which fsck repairs it."""
    if deep or index.new:
        index.put_exports(exports.read(layout))
    return sum(_reconcile(index, layout, kind, deep) for kind in TABLES)


def _reconcile(index: Index, layout: LibraryLayout, kind: str, deep: bool) -> int:
    known = index.ids(kind)  # before the folder is listed: what another thread makes and notes meanwhile is not gone
    there = set(folders.names(layout, kind))
    gone, fresh = known - there, there - known
    if deep:
        stamps = index.stamps(kind)
        fresh |= {name for name in there & known if stamps[name] != folders.stamp(layout, kind, name)}
    found = [pair for pair in (read(layout, kind, name) for name in fresh) if pair]
    if gone:
        index.drop(kind, gone)
    if found:
        index.put_all(kind, found)
    return len(gone) + len(found)


def read(layout: LibraryLayout, kind: str, name: str) -> tuple[Any, str] | None:
    """(record, stamp), or None for what cannot be read: fsck names it, the rest stays usable."""
    stamp = folders.stamp(layout, kind, name)
    try:
        record = folders.read(layout, kind, name)
    except TroubleError:
        return None
    return (record, stamp) if record.id == name else None


@contextlib.contextmanager
def looked_at(path: str | Path) -> Iterator[tuple[list[str], Callable[[str], dict[str, bytes]], bool]]:
    """An index that nobody has open, without changing it: (flaws, kind -> {id: record}, whether it was closed well)."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            if guarding.is_file(f"{path}{suffix}"):
                shutil.copyfile(f"{path}{suffix}", f"{folder}/index.sqlite{suffix}")
        db = apsw.Connection(f"{folder}/index.sqlite")
        try:
            flaws = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
            well = db.execute("SELECT value FROM meta WHERE key = 'open'").get == 0
            yield flaws, lambda kind: dict(db.execute(f"SELECT id, record FROM {TABLES[kind]}")), well
        finally:
            db.close(True)
