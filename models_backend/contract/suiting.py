"""Which models suit some data: the best first, each with its reason, by what families and data say of themselves."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Protocol

import msgspec

from models_backend.contract.words import counted, series

from .family import GROUPS, TOLD, Attribute, DataSpec, FamilyDescription, Known, Part, told
from .run_layout import RunRecord

CLASS = ("class", "classes")
NOUNS = {"image": "pictures", "points": "points", "audio": "sound", "video": "video"}
#: With captions of this share of the items a model of captions is worth its while; a class needs so many items.
CAPTIONED, OF_A_CLASS = 0.8, 5
#: Points: what of the data a family follows.
CAPTIONS, CLASSES, ATTRIBUTES, DOMAINS, WHOLE, SCARCE, LEAVES_OUT = 60.0, 50.0, 45.0, 56.0, 40.0, 30.0, 25.0
#: ... and what takes some away: a part to be trained first, one that may be, a part of others, a minute, a place among the
#: groups, one of the same group before it, being made for another condition; what being named for it adds.
PART, MAYBE_PART, ONLY_A_PART, MINUTE, GROUP, SAME, MADE_FOR_ANOTHER, NAMED = 30.0, 1.0, 35.0, 0.4, 2.0, 5.0, 12.0, 4.0
LONGEST_MIN, SLOW = 20.0, 300


class Record(Known, Protocol):
    """What a data set's record tells."""

    kept: int


class Facts(msgspec.Struct, frozen=True):
    """What ranking asks of data; ``captions`` is the share of items that have one."""

    modality: str
    count: int = 0
    classes: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    captions: float = 0.0

    @property
    def captioned(self) -> bool:
        return self.captions > 0


def facts(record: Record, captions: float | None = None, learned: str = "auto") -> Facts:
    """The facts of a data set's record; ``captions`` where the share is known, else all or none have one. ``learned``: which
    conditions of the data runs are to learn ("auto", "classes" or "none")."""
    if learned == "none":
        return Facts(record.modality, record.kept)
    share = float(record.captioned) if captions is None else captions
    return Facts(record.modality, record.kept, record.classes, record.attributes, share if learned == "auto" else 0.0)


class Suit(msgspec.Struct, frozen=True):
    """How a family suits the data: ``reason`` says what it makes of them, or what it lacks where it does not suit;
    ``minutes`` are those of its shortest measured example on such data, 0 where none is measured."""

    family: FamilyDescription
    suits: bool
    points: float
    reason: str
    minutes: float = 0.0


def ranked(families: Iterable[FamilyDescription], data: Facts, made: Collection[str] = ()) -> list[Suit]:
    """All families, the best first; those that cannot learn the data last. ``made``: the kinds of parts that finished runs
    provide already. Of one group the first counts most, so that the first few differ in kind."""
    left = [_suit(family, data, made) for family in families]
    found: list[Suit] = []
    taken: dict[str, int] = {}
    while left:
        best = max(left, key=lambda one: (one.suits, one.points - SAME * taken.get(one.family.group, 0), -_year(one.family)))
        taken[best.family.group] = taken.get(best.family.group, 0) + 1
        left.remove(best)
        found.append(best)
    return found


def _suit(family: FamilyDescription, data: Facts, made: Collection[str]) -> Suit:
    missing = lacking(family, data)
    if missing:
        return Suit(family, False, 0.0, missing)
    points, reason = _followed(family, data)
    minutes = _minutes(family, data)
    points -= _cost(family, data, minutes)
    part = next((part for part in family.uses if not part.optional and part.kind not in made), None)
    if part is not None:
        return Suit(family, True, points - PART, f"Needs {_a(part)} first", minutes)
    if family.group == GROUPS[-1]:
        what = f"A part that other models of {NOUNS[data.modality]} work on"
        return Suit(family, True, points - ONLY_A_PART, what, minutes)
    return Suit(family, True, points, reason, minutes)


def fitting(part: Part, spec: DataSpec, families: Iterable[FamilyDescription], runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Of the runs, in their order, those that can be that part of a run on such data: of a family that provides it, and
    trained on items of the same shape."""
    able = {family.key for family in families if part.kind in family.provides}
    return [run for run in runs if run.family in able and tuple(run.spec.shape) == tuple(spec.shape)]


def lacking(family: FamilyDescription, data: Facts) -> str:
    """What keeps a family from learning the data, or ""."""
    if data.modality not in family.modalities:
        learns = " or ".join(NOUNS.get(one, one) for one in family.modalities)
        return f"Learns {learns}; these are {NOUNS.get(data.modality, data.modality)}"
    least, most = family.classes_needed
    count, kinds = len(data.classes), told(family.conditions, data)
    if count < least and not {"text", "attributes"} & set(kinds):
        also = "captions, or " if any(one.kind == "text" for one in family.conditions) else ""
        return f"Needs {also}{_number(least)} {CLASS[least != 1]}" + (" or more" if most != least else "")
    if most and count > most:
        return f"Needs {'exactly ' if least == most else 'at most '}{_number(most)} {CLASS[most != 1]}; there are {count:,}"
    return ""


def _followed(family: FamilyDescription, data: Facts) -> tuple[float, str]:
    """Points and reason by what of the data the family follows."""
    kinds = told(family.conditions, data)
    if family.made_for == "image" and "class" in kinds:
        first, second = data.classes[:2]
        points = DOMAINS + (NAMED if _sides(first, second) else 0)
        return points - (LEAVES_OUT if data.captioned else 0), f"Turns {first} into {second} and back, without pairs"
    other = MADE_FOR_ANOTHER if family.made_for == "text" else 0.0
    if "text" in kinds:
        return _by_captions(data, "class" in {one.kind for one in family.conditions}, other)
    if "class" in kinds:
        few = data.count < OF_A_CLASS * len(data.classes)
        return (
            SCARCE if few else CLASSES
        ) - other, f"Makes each of the {_number(len(data.classes))} {CLASS[len(data.classes) != 1]} when asked"
    if "attributes" in kinds:
        return ATTRIBUTES - other, "Follows " + series(one.name for one in data.attributes[:3])
    classed = len(data.classes) > 1
    unused = [TOLD[kind] for kind, there in (("text", data.captioned), ("class", classed)) if there]
    said = f"; {series(unused)} are not used" if unused else ""
    return (LEAVES_OUT if classed or data.captions >= CAPTIONED else WHOLE), _as_a_whole(family, data) + said


def _by_captions(data: Facts, by_class: bool, other: float) -> tuple[float, str]:
    lack = round((1 - data.captions) * data.count)
    have, learned = ("has", "is learned") if lack == 1 else ("have", "are learned")
    without = f"{lack:,} of {counted(data.count, 'item')} {have} no caption"
    if data.captions >= CAPTIONED:
        return CAPTIONS, "Follows the captions" + (f"; {without} and {learned} without words" if lack else "")
    if by_class and len(data.classes) > 1:
        return CLASSES - other, f"Follows the captions or the {_number(len(data.classes))} {CLASS[True]}; {without}"
    return SCARCE, f"Follows the captions; {without}"


def _as_a_whole(family: FamilyDescription, data: Facts) -> str:
    """What a family makes of data of which it follows nothing."""
    noun = NOUNS.get(data.modality, "items")
    if any(kind == "latent map" for kind in family.provides):
        return f"Maps the {noun} to latents that decode"
    ways = {"path": f"Makes more such {noun} in one pass", "autoregressive": f"Makes more such {noun} code by code"}
    return ways.get(family.trace, f"Makes more such {noun} from noise")


def _minutes(family: FamilyDescription, data: Facts) -> float:
    """Those of the shortest measured example on such data; 0 where there is none."""
    points = data.modality == "points"
    return min((proof.minutes for proof in family.proofs if proof.dataset.startswith("points") == points), default=0.0)


def _cost(family: FamilyDescription, data: Facts, minutes: float) -> float:
    """By the minutes of the shortest measured example, which count more where there is little to learn from, and by the place
    of the family's group."""
    maybe = MAYBE_PART * sum(part.optional for part in family.uses)
    dear = 2.0 if data.count < SLOW else 1.0
    place = GROUPS.index(family.group) if family.group in GROUPS else len(GROUPS)
    return dear * MINUTE * min(minutes or LONGEST_MIN, LONGEST_MIN) + GROUP * place + maybe


def _year(family: FamilyDescription) -> int:
    """The year of its paper: of two that do the same, the one that began it comes first."""
    found = re.search(r"\b(19|20)\d\d\b", family.paper)
    return int(found.group()) if found else 9999


def _sides(first: str, second: str) -> bool:
    """Whether two classes are named as the two sides of a translation: A and B, trainA and trainB, horse_a and zebra_b."""
    return all(name[-1:].lower() == letter and _ends_alone(name) for name, letter in ((first, "a"), (second, "b")))


def _ends_alone(name: str) -> bool:
    """Whether the last letter stands for itself: alone, after a separator, or a capital after a small letter."""
    return len(name) == 1 or name[-2] in "_- " or (name[-1].isupper() and name[-2].islower())


def _a(part: Part) -> str:
    """A part with its article: "an image codec", "a guided diffusion run"."""
    noun = part.kind if part.kind.endswith("codec") else f"{part.kind} run"
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _number(count: int) -> str:
    return {1: "one", 2: "two", 3: "three", 4: "four"}.get(count, f"{count:,}")
