"""What happens when a library is opened: where it is, whether it is one, and what a crash left is put in order."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import FORMAT, LibraryLayout

from . import folders, guarding, standing, storage
from .lock import Lock
from .trouble import explain

_OURS = ("library.json", "owner.lock", "exports.jsonl", "socket", "cache", "backups")
_WRITTEN = {"run": ("checkpoints", "previews", "derived"), "dataset": ("cache",), "sample": ()}
_HOMES = ("datasets", "runs", "samples", "jobs", "studies", "trash")


class LibraryRecord(msgspec.Struct):
    """``library.json``."""

    id: str
    created: float
    format: int = FORMAT


def named_root() -> Path | None:
    """The folder that the variable NEXUS_LIBRARY names, or None."""
    named = os.environ.get("NEXUS_LIBRARY", "").strip()
    return Path(named).expanduser().absolute() if named else None


@contextlib.contextmanager
def named_by_variable(root: Path) -> Iterator[None]:
    """What is wrong with a folder that NEXUS_LIBRARY names is told with the variable's name. A folder in one that does not
    exist is not made: it is a slip, or on a drive that is not mounted."""
    if root != named_root():
        yield
        return
    if not root.exists() and not root.parent.is_dir():
        advice = f"Make {root.parent}, mount its drive, or correct NEXUS_LIBRARY"
        raise TroubleError("NEXUS_LIBRARY names a folder in one that does not exist", str(root), "Nothing was made", advice)
    try:
        yield
    except TroubleError as error:
        told = error.trouble
        advice = "The variable NEXUS_LIBRARY names it; name a folder that can be written"
        raise TroubleError(told.what, told.item or str(root), told.kept, advice, told.detail) from error


def default_root() -> Path:
    """The folder that NEXUS_LIBRARY names, or the usual place."""
    return named_root() or usual_root()


def usual_root() -> Path:
    """The place where this system keeps a user's data."""
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
        return home / "Nexus Studio"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/Nexus Studio"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "nexus-studio"


def require_library(layout: LibraryLayout) -> LibraryRecord:
    """The library's own record. TroubleError where there is none or it is from a newer version."""
    if not layout.record.exists():
        raise TroubleError("there is no library in this folder", str(layout.root), advice="Choose another folder")
    return storage.read_json(layout.record, LibraryRecord)


READ_ONLY = "this library can only be read: what is in it can be looked at, nothing can be made or changed"


def only_readable(layout: LibraryLayout) -> bool:
    """Whether a library stands there that this user, or this disk, does not allow to write."""
    return layout.record.exists() and not all(
        os.access(path, os.W_OK) for path in (layout.root, layout.owner_lock) if path.exists()
    )


def refuse_foreign(layout: LibraryLayout) -> None:
    """TroubleError for a folder that holds something else than a library, and for a library of a newer version."""
    if layout.root.exists() and not layout.root.is_dir():
        raise TroubleError("it is a file, not a folder", str(layout.root), advice="Choose a folder for the library")
    if layout.record.exists():
        require_library(layout)
    elif layout.root.is_dir() and any(not _ours(path.name) for path in layout.root.iterdir()):
        advice = "Choose an empty folder, or one that holds a library"
        raise TroubleError("the folder holds something else", str(layout.root), "Nothing was changed", advice)


def _ours(name: str) -> bool:
    return name in (*_OURS, *_HOMES) or name.startswith((".", "index.sqlite"))


def prepare_folders(layout: LibraryLayout) -> None:
    """Make what a library consists of, and remove what dead writers left beside the folders."""
    homes = [getattr(layout, name) for name in (*_HOMES, "cache", "backups")]
    for home in homes:
        guarding.stay_inside(home / "x")
        storage.make_folder(home)
    if not layout.record.exists():
        storage.write_json(layout.record, LibraryRecord(secrets.token_hex(8), time.time()))
    for home in (layout.root, *homes):
        storage.sweep(home)


def unmake(layout: LibraryLayout, folder_too: bool) -> None:
    """Takes a library away that was just made and holds nothing, unless somebody has it open. ``folder_too``: its folder was
    made for it."""
    lying = (path for name in _HOMES for path in getattr(layout, name).glob("*") if path.name != "turn.lock")
    with contextlib.suppress(TroubleError, OSError):
        with Lock(layout.owner_lock):
            if any(lying):
                return
            standing.forget(layout.root)
            made = [layout.root / name for name in (*_OURS, *_HOMES)]
            for path in (*layout.root.glob("index.sqlite*"), *made):
                if path != layout.owner_lock:
                    (storage.remove_folder if path.is_dir() else storage.remove)(path)
        storage.remove(layout.owner_lock)
        if folder_too:
            layout.root.rmdir()


def inner_folders(layout: LibraryLayout) -> Iterator[str]:
    """Every folder inside runs, data sets, samples and the cache in which something is written."""
    for kind, inside in _WRITTEN.items():
        home = folders.home(layout, kind)
        for name in folders.names(layout, kind):
            yield f"{home}/{name}"
            yield from (f"{home}/{name}/{part}" for part in inside)
    if layout.cache.is_dir():
        yield from (str(path) for path in layout.cache.iterdir() if path.is_dir())


def sweep_inside(layout: LibraryLayout) -> int:
    """After a crash: remove what dead writers left anywhere; how many names went."""
    return sum(storage.sweep(folder) for folder in inner_folders(layout))


def database_trouble(error: Exception, layout: LibraryLayout) -> TroubleError:
    """Trouble with the index in plain words; the folders are never touched by it."""
    what, kept = "the index cannot be used", "Everything in the library is kept"
    if isinstance(error, OSError):
        return explain(error, what, layout.root, kept)
    if isinstance(error, apsw.FullError):
        return TroubleError(f"{what}: the disk is full", str(layout.root), kept, "Free some space and try again", repr(error))
    advice = "Run `nexus-studio fsck --repair`, which makes it again from the folders"
    return TroubleError(f"{what}: {error or type(error).__name__}", str(layout.root), kept, advice, repr(error))


@contextlib.contextmanager
def database(layout: LibraryLayout) -> Iterator[None]:
    """Errors of the index inside the block come out as TroubleError."""
    try:
        yield
    except (apsw.Error, OSError) as error:
        raise database_trouble(error, layout) from error
