"""Words that every layer writes alike: counts with the right plural, sentences with a capital."""

from __future__ import annotations

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
    """``text`` with a capital at its beginning."""
    return text[:1].upper() + text[1:]
