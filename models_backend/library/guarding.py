"""Files of a library, opened without following a link: a library may come from a stranger, and what it links to is not his.

The folder of the library itself may be a link, or lie behind one. Inside it nothing is: a link, a pipe or a device where a
file of ours should be is refused by OSError, and ``fsck`` names it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

RECORD = "library.json"
_DEPTH = 7  # of the deepest file of a library, and one more
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_PLAIN = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | _NO_LINK


def opened(path: str | Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """The descriptor of a regular file. OSError: ELOOP for a link, ENODEV for what is no file."""
    if not _NO_LINK and Path(path).is_symlink():
        raise _refused(errno.ELOOP, path)
    try:
        descriptor = os.open(path, flags | _PLAIN, mode)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EOPNOTSUPP):  # a pipe that nobody reads, a socket
            raise _refused(errno.ENODEV, path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refused(errno.ENODEV, path)
    return descriptor


def reading(path: str | Path) -> io.BufferedReader:
    """The file, to be read."""
    return open(opened(path), "rb")


def content(path: str | Path) -> bytes:
    """All bytes of a file."""
    with io.FileIO(opened(path)) as file:
        return file.readall()


def sha256(path: str | Path) -> str:
    """The checksum of a file, in hex."""
    with reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_file(path: str | Path) -> bool:
    """Whether a regular file stands there, no link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def is_folder(path: str | Path) -> bool:
    """Whether a folder stands there, no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def stay_inside(path: str | Path) -> None:
    """OSError (ELOOP) where a folder between a library's own and ``path`` is a link. What lies in no library passes."""
    folder, above, inside = os.path.dirname(os.path.abspath(path)), [], 0  # noqa: PTH100, PTH120  called for every write
    for _ in range(_DEPTH):
        if os.path.lexists(f"{folder}/{RECORD}"):
            inside = len(above)  # the uppermost library counts: a link may lead into another one
        above.append(folder)
        folder = os.path.dirname(folder)  # noqa: PTH120
    for one in above[:inside]:
        if os.path.islink(one):  # noqa: PTH114
            raise _refused(errno.ELOOP, one)


def foreign(root: str | Path) -> Iterator[tuple[Path, str]]:
    """Every link, pipe and device below a folder (path, what it is), none followed or opened."""
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as listing:
            for entry in sorted(listing, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_file(follow_symlinks=False) and (what := _what(entry)):
                    yield Path(entry.path), what


def _what(entry: os.DirEntry) -> str:
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISLNK(mode):
        return "a link"
    return "" if stat.S_ISSOCK(mode) else "a pipe or a device"


def _refused(number: int, path: str | Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
