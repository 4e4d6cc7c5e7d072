"""Rolling backups of what is small and cannot be made again: all records (as the index has them), edits (and what runs know
of them), the queue, studies.

A backup is one zip in ``backups/``; the newest few are kept. Media and checkpoints are not in it."""

from __future__ import annotations

import datetime
import io
import time
import zipfile
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout

from . import folders, guarding, storage
from .trouble import explained

KEEP = 5
EVERY_S = 24 * 3600
RECORDS = "records.jsonl"
_FORM = "%Y%m%d-%H%M%S"


_encode = msgspec.json.Encoder().encode


def backups(layout: LibraryLayout) -> list[Path]:
    """The backups, newest first."""
    return sorted(layout.backups.glob("*.zip"), reverse=True) if layout.backups.is_dir() else []


def taken(path: Path) -> float:
    """When a backup was made, in seconds since 1970."""
    return datetime.datetime.strptime(path.stem, _FORM).timestamp()


def due(layout: LibraryLayout, every_s: float = EVERY_S) -> bool:
    """Whether the newest backup is older than ``every_s`` (or there is none)."""
    found = backups(layout)
    return not found or time.time() - taken(found[0]) > every_s


def make(library: Any, keep: int = KEEP) -> Path:
    """Make a backup and remove the oldest beyond ``keep``. For a thread: it takes a second for 100,000 records."""
    layout: LibraryLayout = library.layout
    path = layout.backups / f"{time.strftime(_FORM)}.zip"
    with explained("the backup cannot be written", path.name, "Older backups are kept"):
        storage.make_folder(layout.backups)
        with storage.open_new(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _write_records(library, archive)
            for source in _small_files(layout):
                archive.write(source, source.relative_to(layout.root).as_posix())
        for old in backups(layout)[max(1, keep) :]:
            storage.remove(old)
    return path


def _write_records(library: Any, archive: zipfile.ZipFile) -> None:
    """One line a record: {"kind": ..., "record": {...}}."""
    with archive.open(RECORDS, "w", force_zip64=True) as file:
        for kind in folders.RECORDS:
            for record in library.index.records(kind):
                file.write(_encode({"kind": kind, "record": record}) + b"\n")


def _small_files(layout: LibraryLayout) -> list[Path]:
    named = [layout.record, *sorted(layout.jobs.glob("*.json")), *sorted(layout.studies.glob("*.json"))]
    edits = [layout.dataset(name).edits for name in folders.names(layout, "dataset")]
    known = [layout.run(name).known for name in folders.names(layout, "run")]
    return [path for path in [*named, *edits, *known] if path.is_file()]


class _Line(msgspec.Struct):
    kind: str
    record: msgspec.Raw


class _Named(msgspec.Struct):
    id: str


def record_in(path: Path, kind: str, name: str) -> bytes | None:
    """The record of one thing as a backup has it (JSON), or None where the backup does not know it."""
    for line in (file_in(path, RECORDS) or b"").splitlines():
        found = msgspec.json.decode(line, type=_Line)
        if found.kind == kind and msgspec.json.decode(found.record, type=_Named).id == name:
            return bytes(found.record)
    return None


def file_in(path: Path, name: str) -> bytes | None:
    """A small file as a backup has it; ``name`` is relative to the library."""
    with explained("the backup cannot be read", path.name):
        try:
            with zipfile.ZipFile(io.BytesIO(guarding.content(path))) as archive:
                return archive.read(name) if name in archive.namelist() else None
        except zipfile.BadZipFile as error:
            raise TroubleError(f"the backup is damaged: {error}", path.name, advice="Use an older one") from error
