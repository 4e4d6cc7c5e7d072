"""Whether sources are as they were when a data set was imported from them, told by the files' status without reading them.

Of every file below what was imported its name, size, times (of content and of status, in nanoseconds), inode and device are
noted as one mark. It is kept with the data set only where no file is younger than :data:`YOUNG_S`: a file that is
changed twice within one tick of the clock keeps its times (as git has it, "racy git"). Where anything cannot be told there is
no mark, and the import reads everything.
"""

# There may be 100,000 files: plain os calls instead of Path objects.
# ruff: noqa: PTH100, PTH116

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetLayout, DatasetRecord

from . import storage

YOUNG_S = 5.0


class Noted(msgspec.Struct):
    """``unchanged.json`` of a data set: the mark of its sources below ``paths``, and when they were looked at."""

    paths: tuple[str, ...]
    mark: str
    time: float


def look(paths: Sequence[str | os.PathLike], young_s: float | None = None) -> Noted | None:
    """The mark of all files below the paths as they are now. None where a file cannot be told, or is younger than ``young_s``
    seconds (as usual: :data:`YOUNG_S`)."""
    now, young_s = time.time(), YOUNG_S if young_s is None else young_s
    absolute = tuple(os.path.abspath(path) for path in paths)
    digest = hashlib.sha256(_version().encode())
    try:
        for path in absolute:
            for name, status in _files(path):
                if max(status.st_mtime, status.st_ctime) > now - young_s:
                    return None
                told = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
                digest.update(os.fsencode(name) + b"\0" + repr(told).encode() + b"\0")
    except OSError:
        return None
    return Noted(absolute, digest.hexdigest(), now)


def note(dataset: DatasetLayout, looked: Noted) -> None:
    """Keeps what was looked at before an import with the data set that came of it; nothing is said where that fails."""
    with contextlib.suppress(TroubleError, OSError):
        storage.write_json(dataset.unchanged, looked)


def since(layouts: Iterable[tuple[DatasetRecord, DatasetLayout]], paths: Sequence[str | os.PathLike]
          ) -> tuple[DatasetRecord, float] | None:  # fmt: skip
    """The data set that was imported from these very paths and whose sources are as they were then, and when that was."""
    absolute, now = tuple(os.path.abspath(path) for path in paths), None
    for record, layout in layouts:
        noted = _noted(layout)
        if noted is None or noted.paths != absolute:
            continue
        now = now or look(absolute, -float("inf"))
        if now is not None and now.mark == noted.mark:
            return record, noted.time
    return None


def _noted(dataset: DatasetLayout) -> Noted | None:
    try:
        return storage.read_json(dataset.unchanged, Noted)
    except (TroubleError, OSError):
        return None


def _files(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file at or below a path with its status, in the order of names; of a link its own and that of what it leads to.
    What lies behind links to folders is below the path by itself, or no part of an import."""
    if not Path(path).is_dir():
        yield path, os.stat(path)
        return
    with os.scandir(path) as listing:
        entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path)
            continue
        yield entry.path, os.lstat(entry.path)
        if entry.is_symlink() and not entry.is_dir():
            yield entry.path, os.stat(entry.path)


def _version() -> str:
    """Another version may see more in the same files."""
    try:
        return metadata.version("nexus-studio")
    except metadata.PackageNotFoundError:
        return "source"
