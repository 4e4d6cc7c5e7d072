"""Which items meet in a blind study: those made alike where there are any, drawn by chance where not."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from itertools import combinations, islice
from typing import Any, Literal, NamedTuple

import msgspec

from models_backend.contract import names
from models_backend.contract.run_layout import SampleRecord, StudyItem, StudyPair

By = Literal["condition and seed", "condition", "seed", "chance"]


class Offer(NamedTuple):
    """An item that may be shown. ``start``: what its start noise is a function of; ``condition``: "" where it was asked for
    nothing."""

    sample: str
    item: int
    start: tuple[int, int]
    condition: str
    caption: str


def offers(record: SampleRecord, together: bool = False, classes: Sequence[str] = (),
           unseen: Collection[str] = ()) -> list[Offer]:  # fmt: skip
    """The items of a sample; ``together``: all of it is one. ``classes``: the names of the run's class labels, ``unseen`` those
    of them that it cannot be asked for."""
    found = []
    for item in [-1] if together else range(record.count):
        asked = _asked(record.conditions, max(item, 0), classes, unseen)
        words = [asked["text"]] if "text" in asked else []
        words += [f"class {asked['class']}"] if "class" in asked else []  # its name alone would read as a caption
        condition = msgspec.json.encode(asked, order="sorted").decode() if asked else ""
        found.append(Offer(record.id, item, (record.seed, item), condition, ", ".join(map(str, words))))
    return found


def _asked(conditions: dict[str, Any], item: int, classes: Sequence[str], unseen: Collection[str]) -> dict[str, Any]:
    """Condition kind -> value of one item: one value goes to all items, a list goes round (as in sampling)."""
    found = {}
    for kind, values in conditions.items():
        values = names.in_turn(kind, values, classes, unseen)
        value = values[item % len(values)] if isinstance(values, (list, tuple)) and values else values
        if kind == "class":
            value = names.class_name(value, classes)
        if value not in (None, "", [], ()):
            found[kind] = value
    return found


_BY_CONDITION: tuple[tuple[By, Callable[[Offer], Hashable]], ...] = (
    ("condition and seed", lambda offer: (offer.condition, offer.start) if offer.condition else None),
    ("condition", lambda offer: offer.condition or None),
)
_BY_SEED: tuple[tuple[By, Callable[[Offer], Hashable]], ...] = (
    ("seed", lambda offer: offer.start),
    ("chance", lambda offer: "any"),
)


def draw(sides: Sequence[Sequence[Offer]], count: int, seed: int) -> tuple[StudyPair, ...]:
    """At most ``count`` pairs in random order, left and right at random, shared evenly among all pairs of sides.

    Items of the same condition meet, best of the same seed too; without any, of the same seed, then by chance."""
    dice = random.Random(seed)
    meetings = list(combinations(range(len(sides)), 2))
    found = []
    for place, (one, other) in enumerate(meetings):
        share = count // len(meetings) + (place < count % len(meetings))
        for a, b, by in islice(_matches(sides[one], sides[other], dice), share):
            shown = [_item(one, a), _item(other, b)]
            dice.shuffle(shown)
            found.append(StudyPair(*shown, by))
    dice.shuffle(found)
    return tuple(found)


def _item(side: int, offer: Offer) -> StudyItem:
    return StudyItem(side, offer.sample, offer.item, offer.caption)


def _matches(ones: Iterable[Offer], others: Iterable[Offer], dice: random.Random) -> Iterator[tuple[Offer, Offer, By]]:
    alike = {one.condition for one in ones} & {other.condition for other in others} - {""}
    seen = set()
    for by, key in _BY_CONDITION if alike else _BY_SEED:
        for one, other in _rounds(_grouped(ones, key, dice), _grouped(others, key, dice), dice):
            mark = (one.sample, one.item, other.sample, other.item)
            if mark not in seen:
                seen.add(mark)
                yield one, other, by


def _grouped(offered: Iterable[Offer], key: Callable[[Offer], Hashable], dice: random.Random) -> dict[Hashable, list[Offer]]:
    groups: dict[Hashable, list[Offer]] = {}
    for offer in offered:
        if (name := key(offer)) is not None:
            groups.setdefault(name, []).append(offer)
    for group in groups.values():
        dice.shuffle(group)
    return groups


def _rounds(ones: dict, others: dict, dice: random.Random) -> Iterator[tuple[Offer, Offer]]:
    """Every pair of two items of one group; no item twice before each of the shorter list has been met once more."""
    shared = [(ones[name], others[name]) for name in ones if name in others]
    for turn in range(max((max(len(a), len(b)) for a, b in shared), default=0)):
        met = []
        for a, b in shared:
            longest, shortest = max(len(a), len(b)), min(len(a), len(b))
            if turn < longest:
                by_a, by_b = (turn, 0) if len(a) == longest else (0, turn)
                met += [(a[(i + by_a) % len(a)], b[(i + by_b) % len(b)]) for i in range(shortest)]
        dice.shuffle(met)
        yield from met
