"""The trash: deleting moves, restoring moves back, and only emptying frees the disk."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract import names
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetLayout, LibraryLayout, RunLayout, TrashEntry

from . import folders, guarding, storage
from .appending import Appender
from .datasets import DatasetFolder
from .lock import holder
from .trouble import explained, noticed
from .turns import Turn

log = logging.getLogger(__name__)
DELETED = "emptied.jsonl"


def delete(library: Any, kind: str, name: str) -> TrashEntry:
    """Move a run, data set or sample to the trash; :func:`restore` brings it back. A run in training is refused."""
    layout: LibraryLayout = library.layout
    source = deletable(layout, kind, name)
    with noticed(lambda: library.notice(kind, name)):
        return put_away(layout, kind, _title(layout, kind, name), source)


def deletable(layout: LibraryLayout, kind: str, name: str) -> Path:
    """Where a run, data set or sample lies. TroubleError where it is not there or is a run in training."""
    source = folders.place(layout, kind, name)
    if kind == "job" or not source.is_dir():
        raise TroubleError(f"there is no such {_WORDS.get(kind, kind)}", name, advice="It may have been deleted already")
    if kind == "run" and (pid := holder(RunLayout(source).worker_lock)) is not None:
        by = f" by process {pid}" if pid else ""
        raise TroubleError(f"the run is being trained{by}", name, "Nothing was deleted", "Stop it first")
    return source


def discard(library: Any, kind: str, name: str) -> None:
    """Remove for good what was just made and holds nothing yet. It goes by way of the trash, where a cut leaves it."""
    entry = delete(library, kind, name)
    with explained("it cannot be removed", entry.title, "It stays in the trash"):
        storage.remove_folder(library.layout.trash / entry.id)


_WORDS = {"dataset": "data set"}


def _title(layout: LibraryLayout, kind: str, name: str) -> str:
    try:
        return folders.read(layout, kind, name).title
    except TroubleError:
        return name  # a damaged record can be deleted too


def put_away(layout: LibraryLayout, kind: str, title: str, source: Path) -> TrashEntry:
    """Move a folder or file of the library to the trash."""
    now = time.time()
    name = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{secrets.token_hex(3)}"
    entry = TrashEntry(name, kind, title, source.relative_to(layout.root).as_posix(), now)
    with explained("it cannot be moved to the trash", title, "It stays where it was"), _turn(layout, title):
        with storage.new_folder(layout.trash / entry.id) as folder:
            storage.write_json(folder / "entry.json", entry)
        storage.replace(source, content(layout, entry))
    return entry


@contextlib.contextmanager
def _turn(layout: LibraryLayout, item: str) -> Iterator[None]:
    """Nobody else puts away, brings back or clears up meanwhile: an entry whose content is just being moved looks empty."""
    storage.make_folder(layout.trash)
    with Turn(layout.trash / "turn.lock").taken(item):
        yield


def content(layout: LibraryLayout, entry: TrashEntry) -> Path:
    """Where what was deleted lies now."""
    return layout.trash / entry.id / Path(entry.path).name


def entries(layout: LibraryLayout) -> list[TrashEntry]:
    """What lies in the trash, last deleted first."""
    found = [entry for entry in _readable(layout) if content(layout, entry).exists()]
    return sorted(found, key=lambda entry: entry.deleted, reverse=True)


def named(layout: LibraryLayout, text: str, kind: str = "") -> TrashEntry | None:
    """What lies in the trash under that id or title, or alone under an id that begins so; the last deleted of several."""
    lying = [entry for entry in entries(layout) if kind in ("", entry.kind)]
    ids = [Path(entry.path).name for entry in lying]
    whole = [entry for entry, name in zip(lying, ids, strict=True) if text in (entry.id, name)]
    titled = [lying[place] for place in names.places([entry.title for entry in lying], text)]
    begun = [entry for entry, name in zip(lying, ids, strict=True) if text and name.startswith(text)]
    return next(iter(whole or titled or (begun if len(begun) == 1 else ())), None)


def same_data(layout: LibraryLayout, dataset: str) -> tuple[TrashEntry | None, str]:
    """What lies in the trash of the very items of a data set that stands in the library, and that in words; none and "" where
    nothing does."""
    entry = next((e for e in entries(layout) if e.kind == "dataset" and Path(e.path).name == dataset), None)
    if entry is None:
        return None, ""
    edited = []
    with contextlib.suppress(TroubleError):  # a damaged one is said when it is brought back
        edited = DatasetFolder(DatasetLayout(content(layout, entry))).edited()
    return entry, f"the same data set lies in the trash as “{entry.title}”" + (f", with {', '.join(edited)}" if edited else "")


def _readable(layout: LibraryLayout) -> list[TrashEntry]:
    found = []
    for folder in _folders(layout):
        try:
            found.append(storage.read_json(folder / "entry.json", TrashEntry))
        except TroubleError as error:
            log.warning("trash: %s", error.trouble)
    return found


def _folders(layout: LibraryLayout) -> list[Path]:
    if not layout.trash.is_dir():
        return []
    return sorted(p for p in layout.trash.iterdir() if p.is_dir() and not p.name.startswith("."))


def restore(library: Any, entry_id: str) -> TrashEntry:
    """Move what was deleted back to its place. TroubleError where the place is taken."""
    layout: LibraryLayout = library.layout
    entry = next((e for e in entries(layout) if e.id == entry_id), None)
    if entry is None:
        raise TroubleError("it is not in the trash any more", advice="It was restored or freed for good since")
    target = layout.root / entry.path
    if target.exists():
        advice = f"“{_title(layout, entry.kind, target.name)}” stands there: delete it, then bring this one back"
        command = f"`nexus-studio delete {target.name}`, then `nexus-studio trash --restore {entry.id}`"
        what = "its place in the library is taken"
        raise TroubleError(what, entry.title, "It stays in the trash", advice, command=f"{advice}: {command}")
    with explained("it cannot be restored", entry.title, "It stays in the trash"):
        storage.make_folder(target.parent)
        with noticed(lambda: library.notice(entry.kind, target.name)), _turn(layout, entry.title):
            storage.replace(content(layout, entry), target)
        settle(layout)
    return entry


def empty(library: Any, older_than_s: float = 0.0) -> list[TrashEntry]:
    """Free the disk of what was deleted at least ``older_than_s`` seconds ago; a line about each is kept."""
    layout: LibraryLayout = library.layout
    limit = time.time() - older_than_s
    chosen = [entry for entry in entries(layout) if entry.deleted <= limit]
    with explained("the trash cannot be emptied", kept="What is left stays in the trash"):
        for entry in chosen:
            _note(layout, entry)
            storage.remove_folder(layout.trash / entry.id)
    return chosen


def _note(layout: LibraryLayout, entry: TrashEntry) -> None:
    appender = Appender(layout.trash / DELETED)
    try:
        appender.append(msgspec.json.encode(entry) + b"\n", durable=True)
    finally:
        appender.close()


def settle(layout: LibraryLayout) -> int:
    """Drop entries whose content is (again) in its place: a delete or a restore that was cut off."""
    if not _empties(layout):
        return 0
    with _turn(layout, "trash"):
        empties = _empties(layout)
        for entry in empties:
            storage.remove_folder(layout.trash / entry.id)
    return len(empties)


def _empties(layout: LibraryLayout) -> list[TrashEntry]:
    return [entry for entry in _readable(layout) if not content(layout, entry).exists()]


def deleted(layout: LibraryLayout) -> dict[tuple[str, str], TrashEntry]:
    """(kind, id) -> entry of everything that was deleted, whether it still lies in the trash or not."""
    path = layout.trash / DELETED
    lines = guarding.content(path).splitlines() if guarding.is_file(path) else []
    emptied = []
    for line in lines:
        try:
            emptied.append(msgspec.json.decode(line, type=TrashEntry))
        except storage.UNFIT:
            continue  # a torn last line: its entry still lies in the trash
    return {(e.kind, Path(e.path).name): e for e in [*emptied, *entries(layout)]}
