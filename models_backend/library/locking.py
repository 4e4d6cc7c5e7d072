"""The operating system's file locks under one name: they vanish with the process that holds them."""

from __future__ import annotations

import os
import sys

#: Whether a child process holds a lock together with its parent when it inherits the open file.
INHERITED = sys.platform != "win32"

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # a byte that no file reaches, so that the content stays readable for others

    def flock(descriptor: int, wait: bool = True) -> None:
        """Lock an open file exclusively; BlockingIOError where another holds it and ``wait`` is off."""
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from error

    def funlock(descriptor: int) -> None:
        """Give the lock back."""
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def flock(descriptor: int, wait: bool = True) -> None:
        """Lock an open file exclusively; BlockingIOError where another holds it and ``wait`` is off."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

    def funlock(descriptor: int) -> None:
        """Give the lock back."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)
