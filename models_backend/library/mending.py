"""Repairs: each named by the finding that asks for it. What is damaged goes to the trash, never away."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout, TrashEntry

from . import backup, folders, following, guarding, storage
from .appending import Appender
from .events import DAMAGE, decode_event, lines_of
from .finding import Finding
from .opening import sweep_inside
from .trouble import explained

log = logging.getLogger(__name__)


def mend(layout: LibraryLayout, found: list[Finding]) -> list[Finding]:
    """Put right what can be; the findings, each with whether it was. The caller owns the library."""
    with explained("the repair was cut off", layout.root, "Everything is kept"):
        for finding in found:
            if finding.mend in _MENDERS:
                finding.repaired = _MENDERS[finding.mend](layout, layout.root / finding.item)
        following.rebuild(layout)
        for finding in found:
            finding.repaired = finding.repaired or finding.mend == "index"
    return found


def _sweep(layout: LibraryLayout, path: Path) -> bool:
    if path.exists():
        storage.sweep(path.parent)
        sweep_inside(layout)
    return not path.exists()


def _cut_tail(layout: LibraryLayout, path: Path) -> bool:
    Appender(path).close()  # opening it cuts the torn line
    return True


def _renumber(layout: LibraryLayout, path: Path) -> bool:
    """Keep every readable event, numbered anew; the damaged log goes to the trash."""
    events = []
    with guarding.reading(path) as file:
        for line in lines_of(file):
            try:
                events.append(decode_event(line))
            except DAMAGE as error:
                log.warning("%s: a damaged line is left out: %s", path.parent.name, error)
    lines = [msgspec.json.encode(msgspec.structs.replace(event, seq=n)) for n, event in enumerate(events, 1)]
    _keep_copy(layout, path)
    storage.write_bytes(path, b"".join(line + b"\n" for line in lines))
    return True


def _restore_record(layout: LibraryLayout, path: Path) -> bool:
    """The record as the index or the newest backup that knows it has it."""
    kind, name = _named(layout, path)
    for data in _copies(layout, kind, name):
        if data is not None:
            if path.exists():
                _keep_copy(layout, path)
            storage.write_bytes(path, msgspec.json.format(data, indent=1) + b"\n")
            return True
    return False


def _named(layout: LibraryLayout, path: Path) -> tuple[str, str]:
    home, name = path.relative_to(layout.root).parts[:2]
    kind = next(k for k in folders.RECORDS if folders.home(layout, k).name == home)
    return kind, name.removesuffix(".json") if kind == "job" else name


def _copies(layout: LibraryLayout, kind: str, name: str) -> Any:
    if layout.index.exists():
        with following.looked_at(layout.index) as (_, rows, _clean):
            yield rows(kind).get(name)
    for path in backup.backups(layout):
        try:
            yield backup.record_in(path, kind, name)
        except TroubleError as error:
            log.warning("%s", error.trouble)


def _restore_file(layout: LibraryLayout, path: Path) -> bool:
    """A small file as the newest backup that has it; gone where none has."""
    _keep_copy(layout, path)
    for archive in backup.backups(layout):
        data = backup.file_in(archive, path.relative_to(layout.root).as_posix())
        if data is not None:
            storage.write_bytes(path, data)
            return True
    storage.remove(path)
    return True


def _discard_cache(layout: LibraryLayout, path: Path) -> bool:
    """A cache is made again when it is needed."""
    for suffix in (".json", ".npy"):
        storage.remove(path.with_suffix(suffix))
    return True


def _to_trash(layout: LibraryLayout, path: Path) -> bool:
    """Move what is damaged aside: the checkpoint, the preview, or the whole sample."""
    parts = path.relative_to(layout.root).parts
    target = layout.root / parts[0] / parts[1] if parts[0] == "samples" else path
    if target.exists():
        storage.replace(target, _entry(layout, target) / target.name)
    return True


def _set_aside(layout: LibraryLayout, path: Path) -> bool:
    """Move a link, pipe or device itself to the trash; where it leads nothing is touched."""
    if os.path.lexists(path):
        storage.replace(path, _entry(layout, path) / path.name)
    return True


def _keep_copy(layout: LibraryLayout, path: Path) -> None:
    storage.write_bytes(_entry(layout, path) / path.name, guarding.content(path))


def _entry(layout: LibraryLayout, path: Path) -> Path:
    """A new trash entry for something damaged; where its content is to go."""
    relative = path.relative_to(layout.root)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{storage.temporary(path.parent).name[-6:]}"
    entry = TrashEntry(name, "damaged", f"{relative.as_posix()} (damaged)", relative.as_posix(), time.time())
    with storage.new_folder(layout.trash / name) as folder:
        storage.write_json(folder / "entry.json", entry)
    return layout.trash / name


_MENDERS = {
    "sweep": _sweep, "tail": _cut_tail, "events": _renumber, "record": _restore_record, "file": _restore_file,
    "cache": _discard_cache, "trash": _to_trash, "foreign": _set_aside,
}  # fmt: skip
