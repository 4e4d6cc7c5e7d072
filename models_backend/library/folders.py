"""The four kinds of things in a library, read from their folders: the truth that the index only repeats."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, JobRecord, LibraryLayout, RunRecord, SampleRecord

from . import storage
from .datasets import DatasetFolder

RECORDS: dict[str, type] = {"run": RunRecord, "dataset": DatasetRecord, "sample": SampleRecord, "job": JobRecord}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def home(layout: LibraryLayout, kind: str) -> Path:
    """The folder that holds everything of a kind."""
    return {"run": layout.runs, "dataset": layout.datasets, "sample": layout.samples, "job": layout.jobs}[kind]


def place(layout: LibraryLayout, kind: str, name: str) -> Path:
    """The folder of a run, data set or sample; the file of a job. TroubleError for what cannot be an id."""
    if not _ID.fullmatch(name):
        raise TroubleError(f"{name!r} is not the id of a {kind}")
    return layout.jobs / f"{name}.json" if kind == "job" else home(layout, kind) / name


def record_path(layout: LibraryLayout, kind: str, name: str) -> Path:
    """Where the record lies."""
    at = place(layout, kind, name)
    return at if kind == "job" else at / f"{kind}.json"


def names(layout: LibraryLayout, kind: str) -> list[str]:
    """The ids of everything of a kind, as the folder lists them; nothing is opened, and no link is one."""
    try:
        with os.scandir(home(layout, kind)) as listing:
            found = [entry.name for entry in listing if not entry.is_symlink()]
    except FileNotFoundError:
        return []
    if kind == "job":
        found = [name.removesuffix(".json") for name in found if name.endswith(".json")]
    return list(filter(_ID.fullmatch, found))


def exists(layout: LibraryLayout, kind: str, name: str) -> bool:
    """Whether it stands in the library."""
    return record_path(layout, kind, name).exists()


def read(layout: LibraryLayout, kind: str, name: str) -> Any:
    """The record of one thing, with edits applied. TroubleError where it is gone or damaged."""
    if kind == "dataset":
        return DatasetFolder(layout.dataset(name)).record()
    return storage.read_json(_record_file(layout, kind, name), RECORDS[kind])


def stamp(layout: LibraryLayout, kind: str, name: str) -> str:
    """Changes whenever the record does: inode, time and size of its file (and of a data set's edits and report); "" where it is
    gone."""
    paths = [_record_file(layout, kind, name)]
    if kind == "dataset":
        own = layout.dataset(name)
        paths += [str(own.edits), str(own.report)]
    return " ".join(filter(None, map(_stamp_of, paths)))


def stamps(layout: LibraryLayout, kind: str) -> dict[str, str]:
    """Id -> stamp of everything of a kind that stands in the library."""
    found = {name: stamp(layout, kind, name) for name in names(layout, kind)}
    return {name: known for name, known in found.items() if known}


def _record_file(layout: LibraryLayout, kind: str, name: str) -> str:
    """As :func:`record_path`, for a name that a folder has listed: a hundred thousand Path objects would take seconds."""
    at = f"{home(layout, kind)}/{name}"
    return f"{at}.json" if kind == "job" else f"{at}/{kind}.json"


def _stamp_of(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return ""
    return f"{status.st_ino:x}.{status.st_mtime_ns:x}.{status.st_size:x}"


def scan(layout: LibraryLayout, kind: str) -> Iterator[Any]:
    """Every readable record of a kind, straight from the folders."""
    for name in names(layout, kind):
        try:
            yield read(layout, kind, name)
        except TroubleError:
            continue  # fsck names what is damaged; the rest must stay usable
