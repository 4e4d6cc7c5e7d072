"""Words that every layer writes alike: counts with the right plural, sentences with a capital."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """ "1 image", "2,914 images"; ``many`` is the plural where it is not ``one`` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def sentence(text: str) -> str:
    """``text`` with a capital at its beginning."""
    return text[:1].upper() + text[1:]
