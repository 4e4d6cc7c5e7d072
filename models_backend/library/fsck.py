"""``nexus-studio fsck``: reads everything and says what does not hold. The oracle that ends every crash test.

Levels: "error" (something is damaged or lost), "warning" (something refers to what is gone), "note" (harmless: a
leftover of a dead writer, a torn last event, a reference to what the user deleted). With ``repair`` what can be put
right is, and never by throwing away what may be the only copy: damaged things go to the trash.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import apsw
import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout

from . import checking, folders, following, guarding, storage, trash
from .finding import Finding
from .index import TABLES
from .lock import Lock, holder
from .mending import mend
from .opening import inner_folders, require_library

__all__ = ["Finding", "clean", "fsck"]

Level = Literal["error", "warning", "note"]
_CHECKS = {
    "run": checking.check_run,
    "dataset": checking.check_dataset,
    "sample": checking.check_sample,
    "job": checking.check_job,
}


def fsck(root: str | Path, repair: bool = False, deep: bool = True) -> list[Finding]:
    """Everything that does not hold in a library. ``deep`` also hashes checkpoints and samples.

    ``repair`` needs the library for itself (HeldError else)."""
    layout = LibraryLayout(root)
    try:
        require_library(layout)
    except TroubleError as error:
        return [Finding("error", str(root), error.trouble.what)]
    if not repair:
        return list(_findings(layout, deep, _owner(layout)))
    with Lock(layout.owner_lock) as lock:
        lock.acquire("the library is in use", str(layout.root))
        return mend(layout, list(_findings(layout, deep, None)))


def _owner(layout: LibraryLayout) -> int | None:
    return holder(layout.owner_lock)


def clean(found: list[Finding]) -> bool:
    """Whether only notes were found, or what was found has been repaired."""
    return all(finding.level == "note" or finding.repaired for finding in found)


def _findings(layout: LibraryLayout, deep: bool, owner: int | None) -> Iterator[Finding]:
    for path, what in guarding.foreign(layout.root):
        if layout.trash not in path.parents:  # what was found before lies there
            text = f"it is {what}, which has no place in a library and is neither followed nor opened"
            yield Finding("error", checking.shown(layout, path), text, "foreign")
    gone = trash.deleted(layout)
    known = {kind: set(folders.names(layout, kind)) for kind in folders.RECORDS}
    for kind, check in _CHECKS.items():
        for name in sorted(known[kind]):
            yield from check(layout, name, checking.References(known, gone), deep)
    yield from checking.check_studies(layout, checking.References(known, gone))
    yield from _trash(layout)
    yield from _leftovers(layout)
    yield from _index(layout, owner)


def _leftovers(layout: LibraryLayout) -> Iterator[Finding]:
    homes = [layout.root, layout.trash, layout.cache, layout.backups, layout.studies]
    for folder in [*homes, *(folders.home(layout, kind) for kind in folders.RECORDS), *inner_folders(layout)]:
        for path in storage.leftovers(folder):
            yield Finding("note", checking.shown(layout, path), "left over by a writer that died", "sweep")


def _trash(layout: LibraryLayout) -> Iterator[Finding]:
    for folder in sorted(layout.trash.iterdir()) if layout.trash.is_dir() else ():
        if folder.is_dir() and not folder.name.startswith("."):
            try:
                storage.read_json(folder / "entry.json", trash.TrashEntry)
            except TroubleError as error:
                yield Finding("error", checking.shown(layout, folder), error.trouble.what)


def _index(layout: LibraryLayout, owner: int | None) -> Iterator[Finding]:
    """The index against the folders; the folders are right."""
    if owner is not None:
        yield Finding("note", "index.sqlite", f"not looked at: process {owner} has the library open")
        return
    if not layout.index.exists():
        yield Finding("note", "index.sqlite", "it is not there and will be made at the next start", "index")
        return
    try:
        yield from _compared(layout)
    except (apsw.Error, OSError) as error:
        yield Finding("error", "index.sqlite", f"it cannot be read: {error}", "index")


def _compared(layout: LibraryLayout) -> Iterator[Finding]:
    with following.looked_at(layout.index) as (flaws, rows, clean_shutdown):
        level: Level = "error" if clean_shutdown else "note"
        for flaw in flaws:
            yield Finding("error", "index.sqlite", flaw, "index")
        for kind in TABLES:
            yield from _compared_kind(layout, kind, rows(kind), level)


def _compared_kind(layout: LibraryLayout, kind: str, known: dict[str, Any], level: Level) -> Iterator[Finding]:
    there = set(folders.names(layout, kind))
    for name in sorted(set(known) - there):
        yield Finding(level, "index.sqlite", f"it lists the {kind} {name}, which is not there", "index")
    for name in sorted(there):
        pair = following.read(layout, kind, name)
        if pair is None:
            continue  # a damaged record, told above
        if name not in known:
            yield Finding(level, "index.sqlite", f"it does not list the {kind} {name}", "index")
        elif not _same(known[name], pair[0]):
            yield Finding(level, "index.sqlite", f"its record of the {kind} {name} is not the folder's", "index")


def _same(known: bytes, record: Any) -> bool:
    """Whether the index says of a record what its folder says; a field that a later version added is not a difference."""
    try:
        return msgspec.json.decode(known, type=type(record)) == record
    except storage.UNFIT:
        return False
