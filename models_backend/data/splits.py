"""What is held out: as the user's own splits say, else about a tenth of the items of every class, groups of look-alikes whole.

The order in which groups are taken is that of their smallest content hash, so it depends on nothing but the pictures, and
adding some moves few. No more than a quarter of the items and a third of the groups is held out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models_backend.contract.run_layout import Item
from models_backend.contract.words import counted

from .own_splits import HELD_OUT, TEST, TRAIN, VALIDATION

SHARE = 0.1
ENOUGH = 8  # items of a class of which at least one is held out


@dataclass
class Group:
    """Look-alikes: ``key`` is their smallest content hash; how many there are of each class that they have."""

    key: str
    members: list[int]
    classes: dict[int, int]


def assign(items: Sequence[Item], classes: Sequence[str] = ()) -> str:
    """Sets each item's split; what there is to say about it in a sentence or two, else ""."""
    given = Counter(item.given for item in items)
    if given[TRAIN] and (given[VALIDATION] or given[TEST]):
        for item in items:
            item.split = VALIDATION if item.given in HELD_OUT else TRAIN
        return _own(items, given)
    groups = groups_of(items)
    held_out = {i for group in _held_out(groups, len(items)) for i in group.members}
    for i, item in enumerate(items):
        item.split = VALIDATION if i in held_out else TRAIN
    return _why(items, groups, classes)


def groups_of(items: Sequence[Item]) -> list[Group]:
    """The groups of look-alikes in the order of their keys; an item that is like no other is one."""
    members: dict[int, list[int]] = {}
    for i, item in enumerate(items):
        members.setdefault(item.duplicate_of if item.duplicate_of >= 0 else i, []).append(i)
    groups = [Group(min(items[i].sha256 for i in group), group, _classes_of(items, group)) for group in members.values()]
    return sorted(groups, key=lambda group: group.key)


def _classes_of(items: Sequence[Item], members: Sequence[int]) -> dict[int, int]:
    classes: dict[int, int] = {}
    for label in (items[i].label for i in members):
        if label >= 0:
            classes[label] = classes.get(label, 0) + 1
    return classes


# ------------------------------------------------------------------------------------------------ a tenth


def _held_out(groups: Sequence[Group], count: int) -> list[Group]:
    """The groups to hold out: of every class, then a tenth of all. Bounds give way one after the other, and only while there is
    less than half of what is wanted."""
    if len(groups) < 2:
        return []
    sizes: Counter[int] = Counter()
    for group in groups:
        sizes.update(group.classes)
    chosen = _of_each_class(groups, sizes, count)
    for place, (bounds, most, order) in enumerate(_bounds(groups, sizes, count)):
        if place and _total(chosen) >= _wanted(count) / 2:
            break
        _choose(order, chosen, bounds, most, max(1, len(groups) // 3))
    return chosen


def _of_each_class(groups: Sequence[Group], sizes: Counter[int], count: int) -> list[Group]:
    """About a tenth of every class of ENOUGH items or more; where its groups are too large for that one of the small ones.
    Less than half of a class's items and no more than a third of its groups go."""
    wanted = {label: _wanted(size) for label, size in sizes.items() if size >= ENOUGH}
    half = {label: (size - 1) // 2 for label, size in sizes.items()}
    kinds = Counter(label for group in groups for label in group.classes)
    chosen: dict[str, Group] = {}
    used, taken, total = Counter[int](), Counter[int](), 0
    for order, bounds, share in ((groups, wanted, 1.0), (_small_first(groups), half, 0.5)):
        for group in order:
            lacking = any(used[c] < share * wanted.get(c, 0) for c in group.classes) and group.key not in chosen
            fits = total + len(group.members) <= max(1, count // 4) and all(
                used[c] + n <= bounds.get(c, 0) and taken[c] < max(1, kinds[c] // 3) for c, n in group.classes.items()
            )
            if lacking and fits:
                chosen[group.key] = group
                total += len(group.members)
                used.update(group.classes)
                taken.update(group.classes.keys())
    return list(chosen.values())


def _small_first(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: len(group.members))


def _wanted(count: int) -> int:
    return max(1, round(SHARE * count))


def _total(groups: Sequence[Group]) -> int:
    return sum(len(group.members) for group in groups)


def _bounds(groups: Sequence[Group], sizes: Counter[int], count: int) -> Iterator[tuple[dict[int, int], int, Sequence[Group]]]:
    """(most of each class, most of all, groups in order), the strictest first: a tenth of every class, less than half of it,
    all but one, and last a class whole; of all items a tenth, else a quarter, small groups first."""
    small_first = _small_first(groups)
    for most_of in (lambda n: min(math.ceil(SHARE * n), (n - 1) // 2), lambda n: (n - 1) // 2, lambda n: n - 1, lambda n: n):
        bounds = {label: most_of(size) for label, size in sizes.items()}
        yield bounds, _wanted(count), groups
        yield bounds, max(1, count // 4), small_first


def _choose(order: Sequence[Group], chosen: list[Group], bounds: dict[int, int], most: int, most_groups: int) -> None:
    """Adds groups to those chosen, as far as the bounds allow and a tenth is not reached."""
    taken, wanted = {group.key for group in chosen}, _wanted(_total(order))
    used: Counter[int] = Counter()
    for group in chosen:
        used.update(group.classes)
    total = _total(chosen)
    for group in order:
        if total >= wanted or len(chosen) >= most_groups:
            return
        fits = total + len(group.members) <= most and all(used[c] + n <= bounds[c] for c, n in group.classes.items())
        if fits and group.key not in taken:
            chosen.append(group)
            total += len(group.members)
            used.update(group.classes)


# ------------------------------------------------------------------------------------------------ in words


def _own(items: Sequence[Item], given: Counter[str]) -> str:
    """How the user's own split is kept."""
    parts = [
        f"{given[name]:,} {word}"
        for name, word in ((TRAIN, "to train"), (VALIDATION, "validation"), (TEST, "test"))
        if given[name]
    ]
    said = f"Split as the folders or tables say: {', '.join(parts)}"
    if given[VALIDATION] and given[TEST]:
        said += "; validation and test are both held out"
    if given[""]:
        said += f"; {given['']:,} of which nothing is said are trained on"
    alike = _straddling(items)
    return said + (f"; {alike:,} of those held out look like one that is trained on" if alike else "")


def _straddling(items: Sequence[Item]) -> int:
    """Held-out items with a look-alike among those to train on."""
    groups = [[items[i].split for i in group.members] for group in groups_of(items) if len(group.members) > 1]
    return sum(splits.count(VALIDATION) for splits in groups if TRAIN in splits)


def _why(items: Sequence[Item], groups: Sequence[Group], classes: Sequence[str]) -> str:
    """Where the data do not allow a tenth or take much of a class: one sentence, else ""."""
    count, held = len(items), sum(item.split == VALIDATION for item in items)
    largest = max((len(group.members) for group in groups), default=0)
    if not held:
        alike = (
            "they all look alike"
            if len(groups) == 1 and count > 1
            else f"they are {counted(len(groups), 'group')} of look-alikes, each too large"
        )
        return f"None of {count:,} is held out: " + ("there is no other to train on" if count == 1 else alike)
    lost = _classes_that_lost(items)
    if lost:
        names = ", ".join(classes[c] for c in lost[:3]) + (f" and {len(lost) - 3:,} more" if len(lost) > 3 else "")
        whole = all(item.split == VALIDATION for item in items if item.label in lost)
        share = "every item" if whole else "half or more of the items"
        return f"Held out is {share} of {names}: look-alikes stay together, and the classes have too few groups of them"
    if held < _wanted(count) / 2:
        return f"Only {held:,} of {count:,} are held out: {largest:,} look alike and stay together, to train on"
    if held > 2 * _wanted(count):
        return f"{held:,} of {count:,} are held out, more than a tenth: look-alikes stay together"
    return ""


def _classes_that_lost(items: Sequence[Item]) -> list[int]:
    """Classes of which half or more is held out."""
    every = Counter(item.label for item in items if item.label >= 0)
    held = Counter(item.label for item in items if item.split == VALIDATION and item.label >= 0)
    return [label for label in sorted(held) if 2 * held[label] >= every[label]]
