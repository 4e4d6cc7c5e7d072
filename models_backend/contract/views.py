"""What the viewer's process is asked and what it answers: one picture of a data set at the size of a view."""

from __future__ import annotations

import msgspec


class View(msgspec.Struct, frozen=True):
    """An item's ``source`` at a size in px; ``sha256``: of the file as it was imported, "" where that is not known; ``also``:
    where it is looked for too."""

    source: str
    sha256: str
    width: int
    height: int
    also: tuple[str, ...] = ()


class Seen(msgspec.Struct, frozen=True):
    """The RGB pixels (height, width, 3) of a view; none, and the reason in words, where there are none."""

    pixels: bytes = b""
    why: str = ""
