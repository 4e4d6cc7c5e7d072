"""What was dropped, as a list of sources: every file below it, in a fixed order, with what is ignored and why.

Sources are opened for reading only and are never followed out of a folder by a link to a folder twice. A name is kept as text
(:func:`as_text`) from which the path can be had again, whatever bytes it is made of.
"""

# Names may be any bytes and there may be 100,000 of them: plain os calls instead of Path objects.
# ruff: noqa: PTH100, PTH114, PTH116, PTH119, PTH122, PTH123

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from models_backend.contract.exports import WEIGHT_FILES, WEIGHTS_ADVICE
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import Unreadable
from models_backend.library import provenance
from models_backend.library.accounting import SAME_FILE
from models_backend.library.source_paths import as_text

from . import signatures
from .formats import FOREIGN_EXTENSIONS, MAX_BYTES, PICTURE_EXTENSIONS, sniff

ARCHIVE_EXTENSIONS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
TABLES = ("metadata.jsonl", "metadata.csv")
SIDE_EXTENSIONS = (".json", ".cap", ".caption", ".txt")  # files beside pictures; the last to be read wins
TABLE_EXTENSIONS = (".csv", ".tsv", ".jsonl", ".ndjson", ".token")
_CLUTTER = frozenset((".ds_store", "thumbs.db", "desktop.ini", "__macosx"))


@dataclass(frozen=True)
class Source:
    """One file. ``name``: what the report calls it; ``where``: its path parts below what was dropped (labels come from the
    folders among them). ``member`` is its name inside the archive at ``path``, or ""; ``size`` in bytes."""

    path: str
    name: str
    where: tuple[str, ...]
    member: str = ""
    size: int = 0


@dataclass
class Found:
    """What lies below the dropped paths."""

    pictures: list[Source] = field(default_factory=list)
    captions: list[Source] = field(default_factory=list)
    tables: list[Source] = field(default_factory=list)
    archives: list[Source] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    ignored: list[Unreadable] = field(default_factory=list)

    def refuse(self, name: str, code: str, reason: str) -> None:
        self.unreadable.append(Unreadable(name, code, reason))

    def ignore(self, name: str, code: str, reason: str) -> None:
        self.ignored.append(Unreadable(name, code, reason))


def find(paths: list[str | os.PathLike]) -> Found:
    """Everything below the given files and folders. Raises TroubleError where none of them exists."""
    found = Found()
    roots = sorted({Path(os.path.abspath(os.fspath(p))) for p in paths})
    if not roots:
        raise TroubleError("nothing was given to import")
    present = [root for root in roots if os.path.lexists(root)]
    for root in roots:
        if root not in present:
            found.refuse(as_text(root), "gone", "there is no file or folder of that name")
    if not present:
        raise TroubleError("there is no file or folder of that name", as_text(roots[0]), advice="check the path and try again")
    dropped = [os.path.realpath(root) for root in present]
    seen: set[tuple[int, int]] = set()
    several, files = len(present) > 1, set()
    for root in present:
        above = (as_text(root.name),) if several and root.is_dir() else ()
        for entry, where in _walk(root, above, found, seen, dropped):
            if not several or entry not in files:
                _sort(entry, where, found)
                files.add(entry)
    found.pictures = _once(found.pictures, found)
    return found


def _once(pictures: list[Source], found: Found) -> list[Source]:
    """Each file once, however many links lead to it: under a name that is no symbolic link if there is one."""
    first: dict[tuple[int, int] | str, str] = {}
    for links in (False, True):
        for source in pictures:
            if os.path.islink(source.path) == links:
                first.setdefault(_inode(source.path), source.path)
    kept = []
    for source in pictures:
        own = first[_inode(source.path)]
        if own == source.path:
            kept.append(source)
        else:
            found.ignore(
                source.name, SAME_FILE, f"it is a link to the file of {as_text(os.path.basename(own))}, which is imported"
            )
    return kept


def _inode(path: str) -> tuple[int, int] | str:
    """What files have in common that are one; the path where that cannot be told."""
    try:
        status = os.stat(path)
    except OSError:
        return path
    return (status.st_dev, status.st_ino) if status.st_ino else path


def _walk(root: Path, above: tuple[str, ...], found: Found, seen: set, dropped: list[str]) -> Iterator:
    """(path, parts below what was dropped) of the files below ``root`` in the order of their names; each folder once, however
    many links lead to it, and nothing to which a link leads out of all that was ``dropped``."""
    if not root.is_dir():
        yield str(root), (*above, as_text(root.name))
        return
    stack = [(str(root), above)]
    while stack:
        folder, where = stack.pop()
        if not _new(folder, found, seen):
            continue
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: os.fsencode(entry.name))
                entries = [entry for entry in entries if not _leads_out(entry, dropped, found)]
        except OSError as error:
            found.refuse(as_text(folder), *why(error))
            continue
        folders = [e for e in entries if _is_folder(e)]
        stack += [(e.path, (*where, as_text(e.name))) for e in reversed(folders) if not _passed_over(e.name, e.path, found)]
        for entry in entries:
            if entry not in folders:
                yield entry.path, (*where, as_text(entry.name))


def _leads_out(entry: os.DirEntry, dropped: list[str], found: Found) -> bool:
    """Whether an entry is a link to what was not dropped, which is then told: who made the link may be a stranger."""
    if not entry.is_symlink() or clutter(entry.name):
        return False
    target = os.path.realpath(entry.path)
    if not os.path.lexists(target) or any(target == one or target.startswith(one.rstrip(os.sep) + os.sep) for one in dropped):
        return False
    told = "it is a link that leads out of what was chosen and is not followed; choose the folder that it leads to as well"
    found.ignore(as_text(entry.path), "link", told)
    return True


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _new(path: str | Path, found: Found, seen: set) -> bool:
    """Notes where a folder leads to; False where that was seen before (a loop of links, a path given twice)."""
    try:
        status = os.stat(path)
    except OSError as error:
        found.refuse(as_text(path), *why(error))
        return False
    key = (status.st_dev, status.st_ino)
    if key in seen and status.st_ino:
        return False
    seen.add(key)
    return True


def clutter(name: str) -> bool:
    """Whether a file or folder of that name is passed over: hidden, or an operating system's own."""
    return name.startswith(".") or name.lower() in _CLUTTER


def _passed_over(name: str, path: str, found: Found) -> bool:
    if clutter(name):
        found.ignore(as_text(path), "hidden", "hidden files and folders are passed over")
        return True
    return False


def _sort(path: str, where: tuple[str, ...], found: Found) -> None:
    """Puts one file where it belongs."""
    name = os.path.basename(path)
    if _passed_over(name, path, found):
        return
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            found.refuse(as_text(path), "special-file", "it is a device, pipe or socket, not a file")
            return
        place(Source(path, as_text(path), where, size=status.st_size), found, lambda: read_head(path))
    except OSError as error:
        found.refuse(as_text(path), *why(error))


def place(source: Source, found: Found, head: Callable[[], bytes]) -> None:
    """Sorts a regular file by its name, and by the content of its head (a function) where the name says nothing."""
    name = PurePosixPath(source.member).name if source.member else os.path.basename(source.path)
    lowered = name.lower()
    suffix = os.path.splitext(lowered)[1]
    if suffix in PICTURE_EXTENSIONS or suffix in FOREIGN_EXTENSIONS:
        found.pictures.append(source)
    elif lowered in TABLES:
        found.tables.append(source)
    elif lowered.endswith(ARCHIVE_EXTENSIONS):
        found.archives.append(source)
    elif sniff(head()).partition(":")[0] not in ("", "foreign"):
        found.pictures.append(source)
    elif suffix in SIDE_EXTENSIONS:
        found.captions.append(source)
    elif suffix in TABLE_EXTENSIONS:
        found.tables.append(source)
    else:
        found.ignore(source.name, "not-a-picture", _weights(source) if suffix in WEIGHT_FILES else _what(head()))


def _weights(source: Source) -> str:
    """What a file of weights is, by the record that an export leaves in it."""
    try:
        record = None if source.member else provenance.read(source.path)
    except TroubleError:
        record = None
    if record is None:
        return f"it holds weights of a model, no picture; {WEIGHTS_ADVICE}"
    return (f"it holds weights exported from run {record.run} of family {record.family}, no picture; "
            "`nexus-studio export --help` says how they are loaded")  # fmt: skip


def _what(head: bytes) -> str:
    """What a file is that is no picture by its name."""
    kind = sniff(head).partition(":")[2]
    if kind:
        return f"{kind} pictures are not read; {signatures.advice_for(kind)}"
    name, advice = signatures.other(head)
    if not advice:
        return "neither its name nor its content is that of a picture"
    return f"it is {name}, not a picture; {advice}"


# ------------------------------------------------------------------------------------------------ reading


def why(error: OSError) -> tuple[str, str]:
    """Code and plain words for a source that cannot be read."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "gone", "it is not there any more"
    if isinstance(error, PermissionError):
        return "no-permission", "you have no permission to read it"
    if getattr(error, "errno", None) == 40:
        return "gone", "the link leads in a circle"
    return "not-readable", f"the disk says: {error.strerror or error}"


def read_head(path: str) -> bytes:
    """The first 64 bytes. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(64)


class TooLarge(OSError):
    """A file of more than MAX_BYTES."""


def read_file(path: str) -> bytes:
    """A whole file, read-only and without waiting on pipes. Raises OSError, TooLarge."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file any more")
        if status.st_size > MAX_BYTES:
            raise TooLarge(0, f"{status.st_size >> 20} MiB are more than the limit of {MAX_BYTES >> 20} MiB a picture")
        return file.read()
