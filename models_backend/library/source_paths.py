"""How sources are written down, and which of a data set's are not where they were any more.

A path is kept as text from which it can be had again, whatever bytes its name is made of; what lies in an archive stands
behind the archive's path and :data:`INSIDE`.
"""

# Names may be any bytes and there may be 100,000 of them: plain os calls instead of Path objects.
# ruff: noqa: PTH110, PTH113

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable

import msgspec

from models_backend.contract.run_layout import Item

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
    there = _looked()
    return [text for text in sources if not there(text)]


def all_places(item: Item) -> tuple[str, ...]:
    """Every path that an item's content was imported from."""
    return item.source, *item.also


def at_hand(items: Iterable[Item]) -> list[Item]:
    """The items; one of several places has the first that is there as its source, and the others behind it."""
    there = _looked()
    return [_at_hand(item, there) if item.also else item for item in items]


def _at_hand(item: Item, there: Callable[[str], bool]) -> Item:
    source = next(filter(there, all_places(item)), item.source)
    return msgspec.structs.replace(item, source=source, also=tuple(place for place in all_places(item) if place != source))


def _looked() -> Callable[[str], bool]:
    """Whether a source can be got at; an archive is looked for once."""
    archive_is_there = functools.lru_cache(64)(os.path.isfile)

    def there(text: str) -> bool:
        archive, inside, _ = text.partition(INSIDE)
        return (bool(inside) and archive_is_there(as_path(archive))) or os.path.exists(parted(text)[0])

    return there
