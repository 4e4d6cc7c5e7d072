"""Sources that were moved or renamed: a data set takes their new paths, each found by its content.

Positions and contents of the items stay as they are, so that neither edits nor caches nor runs notice.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from models_backend.contract.messages import Progress, TroubleError
from models_backend.contract.run_layout import DatasetLayout, DatasetRecord, Item, LibraryLayout
from models_backend.contract.words import counted
from models_backend.library import storage
from models_backend.library.datasets import read_items, write_items
from models_backend.library.source_paths import INSIDE, all_places, as_path, as_text, at_hand, missing
from models_backend.library.trouble import explained
from models_backend.library.turns import Turn

from .archives import Refused
from .looking import look_below
from .opening import Opener
from .sources import Source
from .watch import Watch


def standing(root: Path, record: DatasetRecord, items: Sequence[Item]) -> DatasetLayout | None:
    """The data set of the library that holds these very items, in whatever order and under whatever names of files."""
    layout = LibraryLayout(root)
    same = layout.dataset(record.id)
    if same.record.exists():
        return same
    told = (record.count, record.classes, record.attributes, "")
    for path in sorted(layout.datasets.glob("*/dataset.json")):
        try:
            other = storage.read_json(path, DatasetRecord)
            if (other.count, other.classes, other.attributes, other.builtin) != told:
                continue
            if _contents(read_items(layout.dataset(path.parent.name).items)) == _contents(items):
                return layout.dataset(path.parent.name)
        except TroubleError:
            continue  # a damaged neighbour is fsck's to report
    return None


def _contents(items: Iterable[Item]) -> Counter:
    return Counter((item.sha256, item.label, item.attributes, item.caption, item.given) for item in items)


def take_paths(layout: DatasetLayout, items: Sequence[Item], roots: tuple[str, ...]) -> DatasetRecord:
    """Gives a standing data set the sources of ``items``: in place of its own that are not there any more or are not what they
    were, beside the others."""
    places: dict[str, list[str]] = defaultdict(list)
    for item in items:
        places[item.sha256].append(item.source)
    with Opener() as opener:
        return renew(layout, places, roots, lambda item: not _is_still(item, opener))


def renew(layout: DatasetLayout, places: Mapping[str, list[str]], roots: tuple[str, ...], gone: Callable[[Item], bool]
          ) -> DatasetRecord:  # fmt: skip
    """Writes the data set with the new places of contents (by hash; one for each item as long as there are several)."""
    found = (item for item in read_items(layout.items) if item.source not in places.get(item.sha256, (item.source,)))
    lost = {item.source for item in found if gone(item)}  # every file of them is read: nobody shall wait for that
    trouble = explained("the new paths cannot be written", layout.root.name, "The data set is as it was")
    with trouble, Turn(layout.turn_lock).taken(layout.root.name):
        record, items = storage.read_json(layout.record, DatasetRecord), read_items(layout.items)
        moved = _placed(items, places, lost)
        if moved != items:
            write_items(layout.items, moved)
        known = _known(record, roots, moved, bool(lost))
        if known != record:
            storage.write_json(layout.record, known)
    return known


def _placed(items: Sequence[Item], new: Mapping[str, list[str]], lost: set[str]) -> list[Item]:
    """The items with the new places: as their source where that is lost, else as a further one. Further ones that are gone are
    left out."""
    own = {place for item in items for place in all_places(item)}
    free = {sha: [path for path in paths if path not in own] for sha, paths in new.items()}
    away = lost.union(missing(place for item in items for place in item.also))
    placed = []
    for item in items:
        known, here = new.get(item.sha256, []), tuple(place for place in all_places(item) if place not in away)
        if known and not set(here) & set(known):
            left = free[item.sha256]
            here = (*here, left.pop(0) if left else known[0])
        source, *also = here or (item.source,)
        placed.append(msgspec.structs.replace(item, source=source, also=tuple(also)))
    return placed


def take_roots(layout: DatasetLayout, roots: tuple[str, ...]) -> DatasetRecord:
    """Gives a standing data set of points, which are all kept in it, the roots that it was imported from too."""
    trouble = explained("the new path cannot be written", layout.root.name, "The data set is as it was")
    with trouble, Turn(layout.turn_lock).taken(layout.root.name):
        record = storage.read_json(layout.record, DatasetRecord)
        if roots not in (record.roots, *record.also):
            there = all(Path(as_path(root)).exists() for root in record.roots)
            known = {"also": (*record.also, roots)} if there else {"roots": roots}
            record = msgspec.structs.replace(record, **known)
            storage.write_json(layout.record, record)
    return record


def _known(record: DatasetRecord, new: tuple[str, ...], items: Sequence[Item], moved: bool) -> DatasetRecord:
    """The record with those of its roots and the new ones below which items lie; what only holds them too stands beside."""
    roots = _roots(record.roots, new, [item.source for item in items]) if moved else record.roots
    beside = [place for item in items for place in item.also]
    also = tuple(one for one in dict.fromkeys((*record.also, new)) if one != roots and _roots(one, (), beside))
    return msgspec.structs.replace(record, roots=roots, also=also)


def _roots(old: tuple[str, ...], new: tuple[str, ...], sources: Sequence[str]) -> tuple[str, ...]:
    """Of old and new roots those below which sources lie."""
    held = [root for root in dict.fromkeys((*new, *old)) if any(_below(source, root) for source in sources)]
    return tuple(held) or new


def _below(source: str, root: str) -> bool:
    return source == root or source.startswith((root.rstrip("/\\") + "/", root.rstrip("/\\") + "\\", root + INSIDE))


def _is_still(item: Item, opener: Opener) -> bool:
    """Whether an item's source holds what was imported."""
    try:
        return bool(opener.as_imported([item.source], item.sha256))
    except Refused:
        return False


# ------------------------------------------------------------------------------------------------ looking for them


def look_for(
    root: Path, dataset: str, paths: Sequence[str | Path], tell: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> DatasetRecord:  # fmt: skip
    """Looks below ``paths`` for a data set's sources that are gone, whatever they are called there now, and takes their new
    paths. Raises TroubleError where none is found, and watch.Cancelled."""
    layout, watch = LibraryLayout(root).dataset(dataset), Watch(tell, cancelled)
    record, items = storage.read_json(layout.record, DatasetRecord), read_items(layout.items)
    lost = set(missing(item.source for item in at_hand(items))) if not record.builtin else set()
    if not lost:
        return record
    wanted = {item.sha256 for item in items if item.source in lost}
    names = {_name(source) for source in lost}
    places: dict[str, list[str]] = defaultdict(list)
    with Opener() as opener:
        found = look_below(paths, opener, watch).pictures
        watch.begin("Looking for the pictures", len(found))
        for source, sha in _hashed(sorted(found, key=lambda source: _name(source.name) not in names), opener, watch):
            if sha in wanted:
                places[sha].append(source.name)
            if len(places) == len(wanted) and sum(map(len, places.values())) >= len(lost):
                break
    if not places:
        lacking = counted(len(lost), "missing picture is", "missing pictures are")
        raise TroubleError(f"{lacking} not there", ", ".join(map(str, paths[:3])),
                           "The data set is as it was", "Look in another folder")  # fmt: skip
    return renew(layout, places, tuple(as_text(Path(path).absolute()) for path in paths), lambda item: item.source in lost)


def _hashed(sources: Iterable[Source], opener: Opener, watch: Watch) -> Iterator[tuple[Source, str]]:
    for source in sources:
        try:
            yield source, hashlib.sha256(opener.read(source)).hexdigest()
        except Refused:
            continue
        finally:
            watch.count(1)


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].lower()
