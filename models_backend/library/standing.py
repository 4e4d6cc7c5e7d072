"""Whether the folder of a library that this process has opened stands where it was: people move folders and unplug drives.

Nothing is ever written, and no folder made, where a library was: that would be a second one in its place.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from models_backend.contract.messages import TroubleError

from .guarding import RECORD, content

WHAT = "the library's folder is gone: it was moved or renamed, or its drive was taken out"
ADVICE = "Put it back where it was; everything goes on as soon as it is there"


class Gone(TroubleError):
    """The library's folder is not where it was."""

    def __init__(self, root: str):
        super().__init__(WHAT, root, advice=ADVICE)


#: The folder of each opened library -> its id; "" where that cannot be read.
_roots: dict[str, str] = {}
#: The same folder -> the file that its id was last read from (see `_file`); () where it is to be read.
_files: dict[str, tuple[int, ...]] = {}


def _refuse(root: str) -> None:
    raise Gone(root)


def moved_while_starting(root: str) -> TroubleError:
    """What a training says that was being started when the library went."""
    what = "the library was moved while the training started; nothing was trained"
    return TroubleError(what, root, "The run's checkpoints are where the library is now", "Resume the run there")


_when_gone: Callable[[str], None] = _refuse


def opened(root: str | Path) -> None:
    """From now on a library stands there."""
    root = os.path.abspath(root)  # noqa: PTH100
    file = _file(root)
    _roots[root] = _id(root)
    _files[root] = file if _roots[root] else ()


def forget(root: str | Path) -> None:
    """A library may be made there."""
    root = os.path.abspath(root)  # noqa: PTH100
    _roots.pop(root, None)
    _files.pop(root, None)


def when_gone(act: Callable[[str], None] = _refuse) -> None:
    """What a write does where the folder (its argument) is gone: it raises :class:`Gone`, or waits until it is back."""
    global _when_gone
    _when_gone = act


def is_gone(root: str | Path) -> bool:
    """Whether a library that was opened there is not there now; another one that was made in its place is not it. This is asked
    before every write: the record is read only where its file is another one, or was changed, since it was read last."""
    root = os.path.abspath(root)  # noqa: PTH100
    if root not in _roots:
        return False
    file = _file(root)  # before the id is read: a file that changes in between is read again
    if file and file == _files.get(root):
        return False
    known, now = _roots[root], _id(root)
    if known and now == known:
        _files[root] = file
    return known != now if known and now else not os.path.lexists(f"{root}/{RECORD}")


def _file(root: str) -> tuple[int, ...]:
    """Which file the record is: device, inode, size and time of its last change in ns; () for none."""
    try:
        told = os.lstat(f"{root}/{RECORD}")
    except OSError:
        return ()
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns


def _id(root: str) -> str:
    try:
        return str(msgspec.json.decode(content(f"{root}/{RECORD}"))["id"])
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return ""


def root_of(path: str | Path) -> str:
    """The folder of the opened library that a path lies in and that is gone; "" where there is none."""
    path = os.path.abspath(path)  # noqa: PTH100
    return next((root for root in _roots if path.startswith(root + os.sep) and is_gone(root)), "")


def require(path: str | Path) -> None:
    """Before something is written or made at ``path``: its library must stand."""
    if _roots and (root := root_of(path)):
        _when_gone(root)
