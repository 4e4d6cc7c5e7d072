"""From the operating system's errors to plain words."""

from __future__ import annotations

import contextlib
import errno
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from models_backend.contract.messages import TroubleError

from . import standing

_WORDS = {
    errno.ENOSPC: ("the disk is full", "Free some space and try again"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space and try again"),
    errno.EROFS: ("the disk is read-only", "Choose a library on a disk that can be written"),
    errno.EACCES: ("access is denied", "Check who owns the folder and its permissions"),
    errno.EPERM: ("access is denied", "Check who owns the folder and its permissions"),
    errno.EIO: ("the disk reports an input/output error", "Check the disk; copy the library to another one"),
    errno.ENOENT: ("it is gone", "It may have been moved or deleted outside of the studio"),
    errno.ENAMETOOLONG: ("its name is too long for this disk", "Choose a shorter name or another folder"),
    errno.ELOOP: ("a link stands there, and inside a library none is followed", "Look where it leads, and take it away"),
    errno.ENODEV: ("it is a pipe or a device, no file", "Take it away"),
    errno.EMFILE: ("too many files are open", "Close other programs and try again"),
}


def explain(error: OSError, what: str, item: object = "", kept: str = "") -> TroubleError:
    """``what`` could not be done because of ``error``: as trouble in plain words."""
    if error.errno == errno.ENOENT and (root := standing.root_of(error.filename or "")):
        return standing.Gone(root)
    reason, advice = _WORDS.get(error.errno or 0, (error.strerror or str(error), ""))
    detail = "".join(traceback.format_exception(error))
    return TroubleError(f"{what}: {reason}", str(item), kept, advice, detail)


@contextlib.contextmanager
def explained(what: str, item: object = "", kept: str = "") -> Iterator[None]:
    """Errors of the operating system inside the block come out as TroubleError."""
    try:
        yield
    except OSError as error:
        raise explain(error, what, item.name if isinstance(item, Path) else item, kept) from error


@contextlib.contextmanager
def noticed(changed: Callable[[], None] | None) -> Iterator[None]:
    """Calls ``changed`` when the block ends, however it ends: a write that failed late may still have been done."""
    try:
        yield
    finally:
        if changed:
            changed()
