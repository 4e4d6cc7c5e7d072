"""What a data set takes over from the one that was imported from the same folder before: the edits of what is the same."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, Item, LibraryLayout
from models_backend.contract.words import counted

from . import folders
from .attributes import laid_over
from .datasets import DatasetFolder
from .edits import Edits, in_words, needed
from .source_paths import all_places

_NOUNS = {"image": "picture", "points": "point"}


def inherited(layout: LibraryLayout, record: DatasetRecord, items: Sequence[Item]) -> tuple[Edits, str]:
    """The edits that a new data set takes over, and what of it is new, in words; "" where nothing was imported from there
    before."""
    with contextlib.suppress(TroubleError):  # a damaged neighbour is fsck's to report
        if (before := _before(layout, record)) is not None:
            return _Heir(before, record, items).taken()
    return Edits(), ""


def _before(layout: LibraryLayout, record: DatasetRecord) -> DatasetFolder | None:
    """The newest other data set that was imported from the same folder."""
    same = [
        one for one in folders.scan(layout, "dataset")
        if record.roots and record.roots in (one.roots, *one.also) and one.id != record.id and one.modality == record.modality
    ]  # fmt: skip
    newest = max(same, key=lambda one: one.created, default=None)
    return None if newest is None else DatasetFolder(layout.dataset(newest.id))


class _Heir:
    """A new data set beside the one before it: ``same`` has the position of an item -> that of the same one before."""

    def __init__(self, before: DatasetFolder, record: DatasetRecord, items: Sequence[Item]):
        self.old, self.new, self.items = before.imported_record(), record, items
        self.title, self.edits, self.were = before.record().title, before.edits(), before.imported()
        self.same = _same(self.were, items)
        self.classes = _classes(self.old.classes, self.edits.classes or self.old.classes, record.classes)

    def taken(self) -> tuple[Edits, str]:
        """The edits, and the sentence on them and on what is new."""
        found = Edits(classes=self.classes, settings=self.edits.settings)
        captions, labels, attributes, out = {}, {}, {}, []
        gone = set(self.edits.left_out)
        for n, o in self.same.items():
            was, now = self.were[o], self.items[n]
            if o in self.edits.captions and was.caption == now.caption:
                captions[n] = self.edits.captions[o]
            if (
                o in self.edits.labels
                and self._is_as_it_was(was, now)
                and (to := self._label(self.edits.labels[o])) is not None
            ):
                labels[n] = to
            if o in self.edits.attributes and (changes := self._attributes(self.edits.attributes[o], was, now)):
                attributes[n] = laid_over(now.attributes, changes, len(self.new.attributes))
            if o in gone:
                out.append(n)
        found.captions, found.labels, found.attributes, found.left_out = captions, labels, attributes, tuple(sorted(out))
        found = needed(found, self.items, self.new.classes)
        return found, self._told(found)

    def _is_as_it_was(self, was: Item, now: Item) -> bool:
        """Whether both are imported as of one class."""
        return _name(self.old.classes, was.label) == _name(self.new.classes, now.label)

    def _label(self, label: int) -> int | None:
        """The number here of a class that had that one before; None where there is no such class any more."""
        if label < 0:
            return label
        own = _name(self.old.classes, label)
        if own in self.new.classes:
            return self.new.classes.index(own)
        name = _name(self.edits.classes or self.old.classes, label)
        return self.classes.index(name) if name in self.classes else None

    def _attributes(self, given: tuple[float | None, ...], was: Item, now: Item) -> dict[int, float | None]:
        """Position here -> value of the attributes that were edited and are imported as before."""
        before = {attribute.name: position for position, attribute in enumerate(self.old.attributes)}
        then, here = laid_over(was.attributes, {}, len(before)), laid_over(now.attributes, {}, len(self.new.attributes))
        places = ((p, before[one.name]) for p, one in enumerate(self.new.attributes) if one.name in before)
        return {p: given[q] for p, q in places if then[q] == here[p] and given[q] != then[q]}

    def _told(self, found: Edits) -> str:
        """The sentence: what is new, what was taken over, and what was not."""
        noun, sources, old = _NOUNS.get(self.new.modality, "item"), {one.source for one in self.items}, set(self.same.values())
        left = [one for n, one in enumerate(self.items) if n not in self.same]
        places = {place for n, one in enumerate(self.were) if n not in old for place in all_places(one)}
        changed = sum(one.source in places for one in left)
        lost = [one for n, one in enumerate(self.were) if n not in old and not sources.intersection(all_places(one))]
        told = sum(not self._says_the_same(self.were[o], self.items[n]) for n, o in self.same.items())
        parts = [
            counted(len(left) - changed, f"{noun} is new", f"{noun}s are new") if len(left) > changed else "",
            counted(changed, f"{noun} changed", f"{noun}s changed") if changed else "",
            counted(len(lost), f"{noun} is gone", f"{noun}s are gone") if lost else "",
            f"of {told:,} the caption, class, number or split is another" if told else "",
        ]
        said = f"“{self.new.title}” is a newer import of “{self.title}”: " + (
            ", ".join(filter(None, parts)) or f"the same {noun}s in another order"
        )
        edited = in_words(found, self.items, self.new.classes)
        said += f"; its edits were taken over ({', '.join(edited)})" if edited else ""
        stay = _count(self.edits) - _count(found)
        return said + (f"; {counted(stay, 'edit')} of what is not the same any more stayed behind" if stay > 0 else "")

    def _says_the_same(self, was: Item, now: Item) -> bool:
        if not self._is_as_it_was(was, now) or (was.caption, was.given) != (now.caption, now.given):
            return False
        return self._numbers(self.old, was) == self._numbers(self.new, now)

    @staticmethod
    def _numbers(record: DatasetRecord, item: Item) -> dict[str, float]:
        values = laid_over(item.attributes, {}, len(record.attributes))
        return {one.name: value for one, value in zip(record.attributes, values, strict=True) if value is not None}


def _same(were: Sequence[Item], items: Sequence[Item]) -> dict[int, int]:
    """Position of an item -> that of the same one before: of the same content, at the same place where there are several."""
    at = {(one.sha256, place): n for n, one in enumerate(were) for place in all_places(one)}
    there = {at[key]: n for n, one in enumerate(items) if (key := (one.sha256, one.source)) in at}
    found = {n: o for o, n in there.items()}
    left: dict[str, list[int]] = defaultdict(list)
    for o in range(len(were) - 1, -1, -1):
        if o not in there:
            left[were[o].sha256].append(o)
    for n, one in enumerate(items):
        if n not in found and left.get(one.sha256):
            found[n] = left[one.sha256].pop()
    return found


def _classes(old: Sequence[str], named: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """The names of the ``new`` classes once those of ``old`` that are there again are ``named`` as before, and of those made
    beside them. A name that two would have is not given."""
    given = dict(zip(old, named, strict=False))
    found = [given.get(name, name) for name in new]
    while len(set(found)) < len(found):
        times = Counter(found)
        found = [name if times[called] > 1 else called for name, called in zip(new, found, strict=True)]
    return (*found, *(name for name in named[len(old) :] if name not in found))


def _name(classes: Sequence[str], label: int) -> str:
    return classes[label] if 0 <= label < len(classes) else ""


def _count(edits: Edits) -> int:
    return sum(map(len, (edits.captions, edits.labels, edits.attributes, edits.left_out)))
