"""What lies in a data set's folder beside its records, and how a data set is written whole or not at all.

``cache/<name>.npy`` with ``cache/<name>.json`` beside it (a :class:`CacheEntry`): an array without its entry is not
complete and is never read. Names:

* ``<resolution>-<grey|rgb>-<crop>``: uint8 (N, H, W, C), C 1 or 3, row n is item n of ``items.jsonl``
* ``<resolution>-<grey|rgb>-<crop>-of-<buckets>-<width>x<height>``: uint8 (N, H, W, C), the items whose proportions are
  nearest to that shape of so many (see ``buckets``), in the order of ``items.jsonl``
* ``thumbs``: uint8 (N, 64, 64, C), what the window shows; there from the import on. It also stands for
  ``64-<grey|rgb>-centre`` in the data's own colours
* ``native``: a built-in set's own pictures, uint8 (N, H, W, C)
* ``points``: float32 (N, D) in data units
* ``factors``: float32 (N, F), the known factors named in ``options["factors"]``

All are plain .npy files (version 1.0, C order): row n starts at ``offset + n * row_bytes`` of its entry, so that a process
which must not map files reads single rows with seek and read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetLayout, DatasetRecord, DoctorReport, Item, LibraryLayout
from models_backend.library import inheriting, storage, titles
from models_backend.library.datasets import draft, finish
from models_backend.library.edits import Edits
from models_backend.library.trouble import explained

THUMB = 64
VALIDATION_SHARE = 0.1


class CacheEntry(msgspec.Struct):
    """``cache/<name>.json``: the array beside it is complete and looks like this."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    row_bytes: int
    sha256: str = ""  # of the whole file


def content_hash(data: bytes | memoryview) -> str:
    """sha256 in hex."""
    return hashlib.sha256(data).hexdigest()


def assign_splits(items: Sequence[Item], share: float = VALIDATION_SHARE) -> None:
    """Sets each item of a built-in set's split by the smallest content hash of its group of duplicates (proofs depend on it).

    Neither split is left empty where there are two groups or more; one group alone is for training."""
    group = [item.duplicate_of if item.duplicate_of >= 0 else i for i, item in enumerate(items)]
    keys: dict[int, str] = {}
    for i, item in enumerate(items):
        keys[group[i]] = min(keys.get(group[i], "g"), item.sha256)
    held_out = {g for g, key in keys.items() if int(key[:13], 16) / 16**13 < share}
    ordered = sorted(keys, key=keys.__getitem__)
    if len(ordered) > 1 and not held_out:
        held_out = {ordered[0]}
    if len(ordered) == len(held_out):
        held_out -= {ordered[-1]} if ordered else set()
    for i, item in enumerate(items):
        item.split = "validation" if group[i] in held_out else "train"


def mark_exact_duplicates(items: Sequence[Item]) -> int:
    """Points every later item with the same content hash at the first one; returns how many there are."""
    first: dict[str, int] = {}
    count = 0
    for i, item in enumerate(items):
        origin = first.setdefault(item.sha256, i)
        if origin != i:
            item.duplicate_of, item.exact, count = origin, True, count + 1
    return count


def header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The .npy header of an array of that type and shape."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(shape)})
    return stream.getvalue()


def entry_of(dtype: np.dtype, shape: tuple[int, ...]) -> CacheEntry:
    """The entry that belongs to an array of that type and shape."""
    row = int(np.prod(shape[1:], dtype=np.int64)) * np.dtype(dtype).itemsize
    return CacheEntry(np.dtype(dtype).str, tuple(shape), len(header(dtype, shape)), row)


def write_array(cache: Path, name: str, dtype: np.dtype, shape: tuple[int, ...], pieces: Iterable[bytes]) -> None:
    """Writes ``<name>.npy`` from its bytes in pieces, and then its entry."""
    digest = hashlib.sha256()
    with storage.open_new(cache / f"{name}.npy") as file:
        for piece in itertools.chain([header(dtype, shape)], pieces):
            digest.update(piece)
            file.write(piece)
    storage.write_json(cache / f"{name}.json", msgspec.structs.replace(entry_of(dtype, shape), sha256=digest.hexdigest()))


def pieces_of(array: np.ndarray) -> Iterable[memoryview]:
    """The bytes of an array, 16 MiB or so at a time."""
    array = np.ascontiguousarray(array)
    rows = max(1, (16 << 20) // max(1, array[:1].nbytes))
    return (memoryview(array[at : at + rows]).cast("B") for at in range(0, len(array), rows))


def write_dataset(root: Path, record: DatasetRecord, items: Sequence[Item], report: DoctorReport,
                  write_caches: Callable[[Path], None]) -> DatasetRecord:  # fmt: skip
    """Writes a data set folder in one rename; ``write_caches`` fills its cache folder. If that id is there already (the same
    content), it stands and is returned. Where another data set has its title, a number tells it apart; edits of one that was
    imported from the same folder before are taken over."""
    layout = LibraryLayout(root)
    standing = layout.dataset(record.id).record
    if standing.exists():
        return storage.read_json(standing, DatasetRecord)
    record.created = record.created or time.time()
    title, record.title = record.title, titles.free(layout, "dataset", record.title)
    edits, report.newer = inheriting.inherited(layout, record, items)
    if record.title != title and not report.newer:
        report.notes = (titles.taken(title, record.title), *report.notes)
    with draft(layout, record.id) as inside:
        write_caches(inside.cache)
        if edits != Edits():
            storage.write_json(inside.edits, edits)
        finish(inside, record, items, report)
    return record


def tell_again(layout: DatasetLayout, report: DoctorReport) -> None:
    """Keeps what was found by another import of the same items: of files and notes this ``report``, of items what is known."""
    with explained("the report cannot be written", layout.root.name, "The data set is as it was"):
        with contextlib.suppress(TroubleError):
            known = storage.read_json(layout.report, DoctorReport)
            told = {name: getattr(report, name) for name in ("found", "unreadable", "ignored", "notes", "took_s")}
            report = msgspec.structs.replace(known, newer="", **told)
        storage.write_json(layout.report, report)
