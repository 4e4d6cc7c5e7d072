"""The attributes of an item as people give them: numbers, or unknown; the range of each follows what is given."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Mapping

import msgspec

from models_backend.contract import names
from models_backend.contract.family import Attribute
from models_backend.contract.messages import TroubleError
from models_backend.contract.words import counted

UNKNOWN = ("", "unknown")
#: Of an attribute from 0 to 1 that says whether something holds.
WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}

#: Decimals behind a comma, and what may be that or thousands.
_DECIMAL_COMMA = re.compile(r"[+-]?(?!0*[1-9]\d{0,2},\d{3}$)\d*,\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")

#: What is so after an edit that was refused.
UNCHANGED = "Nothing was changed"
#: Numbers beyond this have no range that could be computed with.
LARGEST = 1e300


def given(attribute: Attribute, text: str) -> float | None:
    """The value that a text means, None where it says that the value is unknown. TroubleError for what does not fit."""
    said = text.strip().lower()
    if said in UNKNOWN:
        return None
    if (attribute.low, attribute.high) == (0.0, 1.0) and said in WORDS:
        return WORDS[said]
    try:
        value = float(said.replace(",", ".") if _DECIMAL_COMMA.fullmatch(said) else said)
    except ValueError:
        value = math.nan
    if math.isnan(value) and _THOUSANDS.fullmatch(said):
        raise TroubleError(f"“{said}” can be read in two ways", attribute.name, UNCHANGED,
                           f"Write {said.replace(',', '')} or {said.replace(',', '.', 1)}")  # fmt: skip
    return checked(attribute, value, text.strip())


def checked(attribute: Attribute, value: float, said: str = "") -> float:
    """The value itself. TroubleError where it is no number, or none that a range can hold."""
    if not abs(value) <= LARGEST:  # nor is what is not a number
        raise TroubleError(f"“{said or f'{value:g}'}” is no value of it", attribute.name, UNCHANGED,
                           f"Give a number (they go from {attribute.span}), or nothing where it is unknown")  # fmt: skip
    return value


def ranges(known: tuple[Attribute, ...], edited: Iterable[tuple[float | None, ...]]) -> tuple[Attribute, ...]:
    """The attributes with ranges that reach as far as the values that items were given since the import."""
    given = list(edited)
    found = []
    for position, attribute in enumerate(known):
        values = [row[position] for row in given if position < len(row) and row[position] is not None]
        low, high = min(values, default=attribute.low), max(values, default=attribute.high)
        found.append(msgspec.structs.replace(attribute, low=min(low, attribute.low), high=max(high, attribute.high)))
    return tuple(found)


def beyond(known: tuple[Attribute, ...], asked: str) -> list[str]:
    """What of attributes that a model is asked for, as ``age=90``, lies beyond what it has learned, a sentence each."""
    titles, said = [attribute.name for attribute in known], []
    for name, text in names.attributes_of(asked, titles).items():
        places = names.places(titles, name)
        attribute = known[places[0]] if len(places) == 1 else None
        with contextlib.suppress(ValueError):  # what is no number is refused by the model
            if attribute is not None and not attribute.low <= float(text) <= attribute.high:
                said.append(f"{attribute.name}={text} is beyond what the model has learned: {attribute.span}")
    return said


def laid_over(known: tuple[float | None, ...], changes: Mapping[int, float | None], count: int) -> tuple[float | None, ...]:
    """An item's values with some of them changed: position of the attribute -> value."""
    whole = (*known, *[None] * (count - len(known)))
    return tuple(changes.get(position, value) for position, value in enumerate(whole))


def refuse(attributes: tuple[Attribute, ...], values: tuple[float | None, ...]) -> None:
    """TroubleError where these cannot be the values of an item."""
    if len(values) != len(attributes):
        there = counted(len(attributes), "attribute") if attributes else "no attribute"
        raise TroubleError(f"the data have {there}, not {len(values)}", "attributes", UNCHANGED)
    for attribute, value in zip(attributes, values, strict=True):
        if value is not None:
            checked(attribute, value)
