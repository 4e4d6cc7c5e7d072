"""Words that every layer writes alike: numbers, counts with the right plural, sentences with a capital."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable


def counted(number: int, one: str, many: str = "") -> str:
    """ "1 image", "2,914 images"; ``many`` is the plural where it is not ``one`` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


#: What one item of a modality is called, and several.
NOUNS = {"image": ("image", "images"), "points": ("point", "points"), "audio": ("clip", "clips"), "video": ("film", "films")}


def noun(modality: str, number: int = 2) -> str:
    """What so many items of a modality are called: "image", "images"."""
    return NOUNS.get(modality, ("item", "items"))[number != 1]


def series(words: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = [*words] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def sentence(text: str) -> str:
    """``text`` with a capital at its beginning, but where a file's name stands there ("a.gif is a film")."""
    return text if re.match(r"\S*\w\.\w", text) else text[:1].upper() + text[1:]


def written(value: float) -> str:
    """A number as people write it: 10,000,000, 0.0002, 1e-7; at most six significant digits of a fraction."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    text = f"{value:.6g}"
    if "e" not in text and 0 < abs(value) < 1e-3:
        exponent = math.floor(math.log10(abs(value)))
        return f"{value / 10**exponent:.6g}e{exponent}"
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else text
