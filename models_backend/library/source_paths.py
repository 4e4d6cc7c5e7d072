"""How sources are written down, and which of a data set's are not where they were any more.

A path is kept as text from which it can be had again, whatever bytes its name is made of; what lies in an archive stands
behind the archive's path and :data:`INSIDE`.
"""

# Names may be any bytes and there may be 100,000 of them: plain os calls instead of Path objects.
# ruff: noqa: PTH110, PTH113

from __future__ import annotations

import functools
import os
from collections.abc import Iterable

INSIDE = "!/"
_ESCAPE = 0xF700  # private-use characters stand for the bytes 0x80 to 0xFF of names that are not UTF-8


def as_text(path: str | os.PathLike) -> str:
    """A path as text that can be stored as UTF-8."""
    text = os.fspath(path)
    if text.isascii():
        return text
    return "".join(chr(_ESCAPE + ord(c) - 0xDC00) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)


def as_path(text: str) -> str:
    """The path that :func:`as_text` was given."""
    if os.path.lexists(text):
        return text
    return "".join(chr(0xDC00 + ord(c) - _ESCAPE) if _ESCAPE + 0x80 <= ord(c) <= _ESCAPE + 0xFF else c for c in text)


def parted(text: str) -> tuple[str, str]:
    """The path of the file that a source is or lies in, and its name inside of that archive, "" for a file of its own."""
    at = text.find(INSIDE)
    while at >= 0:
        path = as_path(text[:at])
        if os.path.isfile(path):
            return path, text[at + len(INSIDE) :]
        at = text.find(INSIDE, at + 1)
    return as_path(text), ""


def missing(sources: Iterable[str]) -> list[str]:
    """Those of the sources that are not where they were, or cannot be got at."""
    archive_is_there = functools.lru_cache(64)(os.path.isfile)
    gone = []
    for text in sources:
        archive, inside, _ = text.partition(INSIDE)
        if inside and archive_is_there(as_path(archive)):
            continue
        if not os.path.exists(parted(text)[0]):
            gone.append(text)
    return gone
