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
from models_backend.library.source_paths import INSIDE, as_text, missing
from models_backend.library.trouble import explained
from models_backend.library.turns import Turn

from .archives import Refused
from .looking import look_below
from .opening import Opener, source_of
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
    """Gives a standing data set the sources of ``items`` where its own are not there any more, or are not what they were."""
    places: dict[str, list[str]] = defaultdict(list)
    for item in items:
        places[item.sha256].append(item.source)
    with Opener() as opener:
        return renew(layout, places, roots, lambda item: not _is_still(item, opener))


def renew(layout: DatasetLayout, places: Mapping[str, list[str]], roots: tuple[str, ...], gone: Callable[[Item], bool]
          ) -> DatasetRecord:  # fmt: skip
    """Writes the data set with new sources (by content hash; one each as long as there are several) for items that are gone."""
    found = (item for item in read_items(layout.items) if item.source not in places.get(item.sha256, (item.source,)))
    lost = {item.source for item in found if gone(item)}  # every file of them is read: nobody shall wait for that
    if not lost:
        return storage.read_json(layout.record, DatasetRecord)
    trouble = explained("the new paths cannot be written", layout.root.name, "The data set is as it was")
    with trouble, Turn(layout.turn_lock).taken(layout.root.name):
        record, items = storage.read_json(layout.record, DatasetRecord), read_items(layout.items)
        own = {item.source for item in items}
        free = {sha: [path for path in paths if path not in own] for sha, paths in places.items()}
        for position, item in enumerate(items):
            if item.source in lost:
                left, known = free[item.sha256], places[item.sha256]
                items[position] = msgspec.structs.replace(item, source=left.pop(0) if left else known[0])
        write_items(layout.items, items)
        record.roots = _roots(record.roots, roots, items)
        storage.write_json(layout.record, record)
    return record


def _roots(old: tuple[str, ...], new: tuple[str, ...], items: Sequence[Item]) -> tuple[str, ...]:
    """Of old and new roots those below which items lie."""
    both = dict.fromkeys((*new, *old))
    held = [root for root in both if any(_below(item.source, root) for item in items)]
    return tuple(held) or new


def _below(source: str, root: str) -> bool:
    return source == root or source.startswith((root.rstrip("/\\") + "/", root.rstrip("/\\") + "\\", root + INSIDE))


def _is_still(item: Item, opener: Opener) -> bool:
    """Whether an item's source holds what was imported."""
    try:
        return hashlib.sha256(opener.read(source_of(item.source))).hexdigest() == item.sha256
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
    lost = set(missing(item.source for item in items)) if not record.builtin else set()
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
