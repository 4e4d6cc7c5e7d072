"""Names that people give (classes, attributes, titles) and how a text asks for one of them.

A name is a name, also one that looks like a number or like a word of this program: a position is written "#0", every class
in turn "#all". Upper and lower case and the ways in which Unicode writes a letter make no difference where the exact name
is not there.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from models_backend.contract.words import counted

from .messages import TroubleError

#: Every class in turn. "all" says so too, where no class has that name.
EVERY = "#all"
_POSITION = re.compile(r"#(\d{1,9})")
_LISTED = 8


def folded(name: str) -> str:
    """A name as it is compared: case and Unicode's ways of writing a letter make no difference."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()


def places(names: Sequence[str], text: str) -> list[int]:
    """The positions of the names that a text means: those that are exactly so, else those that are alike."""
    exact = [place for place, name in enumerate(names) if name == text]
    return exact or [place for place, name in enumerate(names) if folded(name) == folded(text)]


def place(names: Sequence[str], text: str, kind: str, unseen: Collection[str] = ()) -> int:
    """The position of the one name that a text means ("#0": of the first). Raises TroubleError, naming what there is but for
    the ``unseen``."""
    found = places(names, text)
    if not found and (number := _POSITION.fullmatch(text.strip())) and int(number[1]) < len(names):
        return int(number[1])
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(f"“{names[one]}” (#{one})" for one in found)
        raise TroubleError(f"{counted(len(found), 'name')} are alike", text, advice=f"write one of {choices} exactly")
    advice = f"choose one of {offered(names, unseen)}; a position is written #0" + (
        f" to #{len(names) - 1}" if len(names) > 1 else ""
    )
    raise TroubleError(f"there is no such {kind}", text, advice=advice)


def nearest(text: str, names: Iterable[str]) -> str:
    """The name that a mistyped text comes nearest to; "" where none is near."""
    alike = {_spelt(name): name for name in names}
    return next((alike[one] for one in difflib.get_close_matches(_spelt(text), alike, 1)), "")


def meant(text: str, names: Iterable[str]) -> str:
    """The question after the nearest name, for the advice of an error; "" where none is near."""
    near = nearest(text, names)
    return f"Did you mean “{near}”? " if near else ""


def _spelt(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", folded(name))


def offered(names: Iterable[str], unseen: Collection[str] = ()) -> str:
    """The first few of the names that can be asked for, in words."""
    known = [name for name in names if name not in unseen]
    return ", ".join(known[:_LISTED]) + (", ..." if len(known) > _LISTED else "")


def is_every(value: Any, classes: Sequence[str]) -> bool:
    """Whether a value of the condition "class" means every class in turn."""
    return (value == "all" and "all" not in classes) or (value == EVERY and EVERY not in classes)


def in_turn(kind: str, value: Any, classes: Sequence[str], unseen: Collection[str] = ()) -> Any:
    """The value of a condition with every class in turn written out as positions, but for the ``unseen``."""
    if kind != "class" or not classes or not is_every(value, classes):
        return value
    return [position for position, name in enumerate(classes) if name not in unseen]


def class_name(value: Any, classes: Sequence[str]) -> Any:
    """The name of the one class that a value means; None where none is asked for; what means no class stays as it is."""
    if isinstance(value, int):
        return classes[value] if 0 <= value < len(classes) else None
    try:
        return classes[place(classes, value, "class")] if value and isinstance(value, str) else value
    except TroubleError:
        return value


def listed(text: str, known: Callable[[str], bool]) -> list[str]:
    """The parts of a text that commas divide; a comma inside what is ``known`` divides nothing."""
    pieces, found = text.split(","), []
    while pieces:
        lengths = range(len(pieces), 0, -1)
        taken = next((n for n in lengths if known(",".join(pieces[:n]).strip())), 1)
        found.append(",".join(pieces[:taken]).strip())
        del pieces[:taken]
    return [part for part in found if part]


def attributes_of(text: str, names: Iterable[str]) -> dict[str, str]:
    """``"smiling=1, age=30"`` as name -> text of its number; names may hold commas and signs of equality themselves."""
    names = tuple(names)

    def known(part: str) -> bool:
        name, _, number = part.rpartition("=")
        return "," not in number and bool(places(names, name))

    pairs = listed(text, known)
    return {name.strip(): number.strip() for name, _, number in (pair.rpartition("=") for pair in pairs)}
