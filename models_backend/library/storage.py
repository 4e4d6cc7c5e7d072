"""Every durable write of the studio: whole or not at all, even if the process or the machine dies at any moment.

A file is written under a temporary name, fsync'ed, renamed, and its folder fsync'ed. A folder is filled under a
temporary name and renamed. Logs are appended one write a line, and a torn last line is cut at the next opening.
Temporary names begin with ``.tmp-`` and carry the writer's process id, so that :func:`sweep` removes what the dead left.

All functions raise OSError; the modules above turn it into plain words (:mod:`.trouble`).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import FORMAT

from . import faults, guarding, standing
from .appending import Appender
from .exchanging import exchange
from .primitives import CountedFile, fsync, rename, sync_folder, write_all
from .trouble import explain

__all__ = [
    "UNFIT", "Appender", "faults", "leftovers", "make_folder", "make_last_folder", "new_file", "new_folder", "open_new",
    "operations", "read_json", "remove", "remove_folder", "replace", "replace_folder", "require_folder", "require_parent",
    "share", "sweep", "sweep_among_others", "sync_file", "sync_folder", "temporary", "write_bytes", "write_json",
]  # fmt: skip

TEMPORARY = ".tmp-"
_EXACTLY_OURS = re.compile(r"\.tmp-\d+-[0-9a-f]{12}(\.[a-z0-9]{1,15})?")
BUFFER = 1 << 20
#: What decoding JSON raises that is none, is none of ours, or is nested deeper than any record.
UNFIT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)

operations = faults.operations
_unfinished: set[str] = set()


def temporary(folder: str | Path) -> Path:
    """A temporary name in a folder; the same length whatever the final name is."""
    return Path(folder) / f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(6)}"


# ------------------------------------------------------------------------------------------- files, whole


@contextlib.contextmanager
def _unfinished_at(folder: Path) -> Iterator[Path]:
    """A temporary path, removed again (as far as the disk allows) when the block fails."""
    path = temporary(folder)
    standing.require(path)
    guarding.stay_inside(path)
    _unfinished.add(str(path))
    try:
        yield path
    except BaseException:
        _discard(path)
        raise
    finally:
        _unfinished.discard(str(path))


@contextlib.contextmanager
def open_new(path: str | Path) -> Iterator[io.BufferedRandom]:
    """A binary file (seekable, readable) that stands at ``path`` once the block has ended without an exception."""
    path = Path(path)
    with _unfinished_at(path.parent) as temp:
        file = io.BufferedRandom(CountedFile(temp), BUFFER)
        try:
            yield file
            file.flush()
            fsync(file.fileno(), temp)
        finally:
            _close(file)
        replace(temp, path)


def _close(file: io.BufferedRandom) -> None:
    """Close without a second attempt to write what could not be written."""
    try:
        file.close()
    except OSError:
        if sys.exc_info()[1] is None:
            raise


@contextlib.contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """A temporary path for a writer that wants a name (an encoder, a memory map); made durable and renamed at the end.

    The temporary name has the suffix of ``path``, which encoders go by."""
    path = Path(path)
    with _unfinished_at(path.parent) as plain:
        temp = plain.with_name(plain.name + path.suffix[:16])
        faults.strike("create", temp)
        try:
            yield temp
            sync_file(temp)
            replace(temp, path)
        except BaseException:
            _discard(temp)
            raise


def sync_file(path: str | Path) -> None:
    """Make the bytes of a file that something else has written durable."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fsync(descriptor, path)
    finally:
        os.close(descriptor)


def write_bytes(path: str | Path, data: Any) -> None:
    """Put ``data`` (bytes, or anything with the buffer protocol) at ``path``: whole, or the old file stays."""
    path = Path(path)
    with _unfinished_at(path.parent) as temp:
        with contextlib.closing(CountedFile(temp)) as file:
            write_all(file.fileno(), data, temp)
            fsync(file.fileno(), temp)
        replace(temp, path)


def write_json(path: str | Path, value: Any) -> None:
    """A struct, dict or list as indented JSON that a person can read."""
    write_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")


def share(path: str | Path) -> None:
    """Give a file that was written for the user the permissions that the umask grants to new files."""
    umask = os.umask(0o077)
    os.umask(umask)
    Path(path).chmod(0o666 & ~umask)


def read_json(path: str | Path, kind: type = dict) -> Any:
    """The JSON of a file as ``kind``. TroubleError where it is gone, unreadable, damaged, or from a newer version."""
    try:
        data = guarding.content(path)
    except OSError as error:
        raise explain(error, "it cannot be read", _known(path)) from error
    return decode_json(data, kind, path)


def decode_json(data: bytes, kind: type, path: str | Path) -> Any:
    """JSON bytes as ``kind``; TroubleError that names the file."""
    try:
        value = msgspec.json.decode(data, type=kind)
    except UNFIT as error:
        _refuse_newer(_format_of(data), path)
        raise TroubleError(f"it is damaged: {error}", _known(path), advice="Run `nexus-studio fsck --repair`") from error
    _refuse_newer(getattr(value, "format", 0), path)
    return value


def _refuse_newer(found: int, path: str | Path) -> None:
    if found > FORMAT:
        item = _known(path)
        what = f"it was written by a newer version of the studio (format {found}, this one knows {FORMAT})"
        raise TroubleError(what, item, "Nothing was changed", "Update the studio")


def _format_of(data: bytes) -> int:
    try:
        value = msgspec.json.decode(data)
    except UNFIT:
        return 0
    found = value.get("format", 0) if isinstance(value, dict) else 0
    return found if isinstance(found, int) else 0


def _known(path: str | Path) -> str:
    """A path as a person knows it: the last two names."""
    return "/".join(Path(path).parts[-2:])


def replace(source: str | Path, target: str | Path) -> None:
    """Rename a file (over an older one) or a folder (to a new name), durably."""
    source, target = Path(source), Path(target)
    guarding.stay_inside(target)
    guarding.stay_inside(source)
    rename(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def remove(path: str | Path) -> None:
    """Delete a file; one that is not there is fine."""
    path = Path(path)
    guarding.stay_inside(path)
    faults.strike("unlink", path)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


# ----------------------------------------------------------------------------------------- folders, whole


PRIVATE, FOR_OTHERS = 0o700, 0o777


def make_folder(path: str | Path, mode: int = PRIVATE) -> Path:
    """The folder with its parents, durable. Nothing to do where it stands. What is written for the user rather than for the
    library is made FOR_OTHERS, as far as the umask lets them."""
    path = Path(path)
    if path.is_dir():
        return path
    standing.require(path)
    if path.parent != path:
        make_folder(path.parent, mode)
    faults.strike("mkdir", path)
    path.mkdir(mode=mode, exist_ok=True)
    sync_folder(path.parent)
    return path


def make_last_folder(path: str | Path) -> Path:
    """One new folder in one that stands, for what is written for the user. Raises TroubleError where it would take several:
    the path is mistyped, or its disk is not there."""
    require_parent(path)
    return make_folder(path, FOR_OTHERS)


def require_parent(path: str | Path) -> None:
    """Before something of the user's is written at a path. Raises TroubleError where there is no folder for it."""
    parent = Path(path).parent
    if not parent.is_dir():
        advice = "Check the path and that its disk is there, or make the folder first"
        raise TroubleError(f"there is no folder {parent}", Path(path).name, "Nothing was written", advice)


def require_folder(path: str | Path) -> None:
    """Before a part of something is made in its folder, which is never made anew: OSError where it is gone, whatever happens
    to a write where the whole library is."""
    standing.require(Path(path) / TEMPORARY)
    os.stat(path)  # noqa: PTH116


@contextlib.contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder to fill, which stands at ``path`` once the block has ended without an exception.

    A folder that stands there already is replaced in one step. Files inside must be written through this module."""
    path = Path(path)
    make_folder(path.parent)
    with _unfinished_at(path.parent) as temp:
        faults.strike("mkdir", temp)
        temp.mkdir(mode=0o700)
        yield temp
        sync_folder(temp)
        replace_folder(temp, path)


def replace_folder(source: Path, target: Path) -> None:
    """Rename a folder to ``target``; what stands there is swapped out in the same step and then removed."""
    if not os.path.lexists(target):
        replace(source, target)
        return
    faults.strike("rename", target)
    exchange(source, target)
    sync_folder(target.parent)
    _discard(source)


def remove_folder(path: str | Path) -> None:
    """Delete a folder: it vanishes in one step; what cannot be freed now is left for :func:`sweep`."""
    path = Path(path)
    temp = temporary(path.parent)
    try:
        replace(path, temp)
    except FileNotFoundError:
        return
    _discard(temp)


def _discard(path: Path) -> bool:
    """Delete a temporary file or folder as far as the disk allows; the rest waits for :func:`sweep`."""
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            _remove_tree(path)
        else:
            faults.strike("unlink", path)
            path.unlink()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _remove_tree(folder: Path) -> None:
    for inner in folder.iterdir():
        if inner.is_dir() and not inner.is_symlink():
            _remove_tree(inner)
        else:
            faults.strike("unlink", inner)
            inner.unlink()
    faults.strike("rmdir", folder)
    folder.rmdir()


# ------------------------------------------------------------------------------------------------ leftovers


def leftovers(folder: str | Path) -> list[Path]:
    """Temporary names in a folder whose writer is gone; none of one that a link leads to."""
    try:
        guarding.stay_inside(Path(folder) / TEMPORARY)
        names = [name for name in os.listdir(folder) if name.startswith(TEMPORARY)]  # noqa: PTH208
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return []
    return [Path(folder) / name for name in sorted(names) if _abandoned(str(Path(folder) / name), name)]


def _abandoned(path: str, name: str) -> bool:
    pid = name[len(TEMPORARY) :].split("-")[0]
    if pid == str(os.getpid()):
        return not any(path.startswith(unfinished) for unfinished in _unfinished)
    return not (pid.isdigit() and _alive(int(pid)))


def _alive(pid: int) -> bool:
    if sys.platform == "win32":
        import psutil

        return psutil.pid_exists(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def sweep(folder: str | Path) -> int:
    """Remove what dead writers left in a folder; how many names went."""
    return sum(_discard(path) for path in leftovers(folder))


def sweep_among_others(folder: str | Path) -> int:
    """As :func:`sweep`, in a folder that is the user's own: only files, and only of exactly the form that is given here."""
    ours = [path for path in leftovers(folder) if _EXACTLY_OURS.fullmatch(path.name) and path.is_file()]
    return sum(_discard(path) for path in ours)
