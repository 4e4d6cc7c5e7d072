"""Two folders change their names in one step, where the system can."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import sys
from pathlib import Path

_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2), and RENAME_SWAP of renamex_np(2)
_UNABLE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def exchange(one: Path, other: Path) -> None:
    """Swap two paths atomically; on systems that cannot, by three renames."""
    if not _atomic(os.fsencode(one), os.fsencode(other)):
        aside = one.with_name(f".tmp-{os.getpid()}-{secrets.token_hex(6)}")
        other.replace(aside)
        one.replace(other)
        aside.replace(one)


def _atomic(one: bytes, other: bytes) -> bool:
    if sys.platform == "win32":
        return False
    system = ctypes.CDLL(None, use_errno=True)
    if hasattr(system, "renameat2"):
        failed = system.renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _EXCHANGE)
    elif hasattr(system, "renamex_np"):
        failed = system.renamex_np(one, other, _EXCHANGE)
    else:
        return False
    number = ctypes.get_errno()
    if failed and number not in _UNABLE:
        raise OSError(number, os.strerror(number), os.fsdecode(other))
    return not failed
