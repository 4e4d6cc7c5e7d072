"""What was done to pictures on their way in, as lines of the doctor's report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from models_backend.contract.words import counted

#: kind of a note -> what is said of one picture and of several; {0} their number, {1} the details, {2} the first one's name
WORDS = {
    "film": ("{2} is a film ({1}) and was taken as its first picture",
             "{0} ({1}) were taken as their first picture; the first is {2}"),
    "pages": ("{2} has several pages, of which the first was taken",
              "{0} have several pages, of which the first was taken; the first is {2}"),
    "profile": ("{2} carries a colour profile ({1}) and was converted to sRGB",
                "{0} carry a colour profile ({1}) and were converted to sRGB"),
    "no-profile": ("the colour profile of {2} cannot be used ({1}); its values were taken as sRGB",
                   "the colour profiles of {0} cannot be used ({1}), the first of {2}; their values were taken as sRGB"),
    "space": ("{2} is in {1} colours and was converted to RGB",
              "{0} are in {1} colours and were converted to RGB; the first is {2}"),
    "depth": ("{2} has more than 8 bits: {1}", "{0} have more than 8 bits: {1}; the first is {2}"),
}  # fmt: skip
#: What is counted, where it is not a picture.
THINGS = {"film": "film", "pages": "file"}


def lines(noted: Iterable[tuple[str, list[tuple[str, str]]]]) -> list[str]:
    """One line a kind of note; ``noted``: name and notes of every picture."""
    details: dict[str, Counter] = defaultdict(Counter)
    first: dict[str, str] = {}
    for name, notes in noted:
        for kind, detail in notes:
            details[kind][detail] += 1
            first.setdefault(kind, name)
    return [_line(kind, details[kind], first[kind]) for kind in WORDS if kind in details]


def _line(kind: str, details: Counter, name: str) -> str:
    count = details.total()
    if count == 1:
        return WORDS[kind][0].format(count, next(iter(details)), name)
    several = [detail if len(details) == 1 else f"{detail}: {n:,}" for detail, n in details.most_common(5)]
    more = f" and {counted(len(details) - 5, 'more kind')}" if len(details) > 5 else ""
    return WORDS[kind][1].format(counted(count, THINGS.get(kind, "picture")), ", ".join(several) + more, name)
