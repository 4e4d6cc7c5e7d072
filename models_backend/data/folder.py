"""What a data set folder holds and how it is written whole or not at all.

``cache/<name>.npy`` with ``cache/<name>.json`` beside it (a :class:`CacheEntry`): an array without its entry is not
complete and is never read. Names:

* ``<resolution>-<grey|rgb>-<crop>``: uint8 (N, H, W, C), C 1 or 3, row n is item n of ``items.jsonl``
* ``thumbs``: uint8 (N, 64, 64, 3 or 1), what the window shows; present from the import on
* ``native``: a built-in set's own pictures, uint8 (N, H, W, C)
* ``points``: float32 (N, D) in data units
* ``factors``: float32 (N, F), the known factors named in ``options["factors"]``

All are plain .npy files (version 1.0, C order): row n starts at ``CacheEntry.offset + n * CacheEntry.row_bytes``, so
that a process which must not map files reads single rows with seek and read.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from models_backend.contract.run_layout import DatasetLayout, DatasetRecord, DoctorReport, Item, LibraryLayout
from models_backend.library import storage

THUMB = 64
VALIDATION_SHARE = 0.1


class CacheEntry(msgspec.Struct):
    """``cache/<name>.json``: the array beside it is complete and looks like this."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    row_bytes: int


def content_hash(data: bytes | memoryview) -> str:
    """sha256 in hex."""
    return hashlib.sha256(data).hexdigest()


def fingerprint(items: Sequence[Item]) -> str:
    """sha256 over the items' content hashes and labels, in order."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.sha256} {item.label}\n".encode())
    return digest.hexdigest()


def assign_splits(items: list[Item], share: float = VALIDATION_SHARE) -> None:
    """Sets each item's split by the smallest content hash of its group of duplicates, so that a group never straddles it.

    Neither split is left empty where there are two groups or more."""
    group = [item.duplicate_of if item.duplicate_of >= 0 else i for i, item in enumerate(items)]
    keys: dict[int, str] = {}
    for i, item in enumerate(items):
        keys[group[i]] = min(keys.get(group[i], "g"), item.sha256)
    held_out = {g for g, key in keys.items() if int(key[:13], 16) / 16**13 < share}
    ordered = sorted(keys, key=keys.__getitem__)
    if len(ordered) > 1 and len(held_out) in (0, len(ordered)):
        held_out = {ordered[0]} if not held_out else held_out - {ordered[-1]}
    if len(ordered) == 1:
        held_out = set()
    for i, item in enumerate(items):
        item.split = "validation" if group[i] in held_out else "train"


def mark_exact_duplicates(items: list[Item]) -> int:
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


def write_array(folder: Path, name: str, array: np.ndarray) -> None:
    """Writes ``<name>.npy`` and then its entry."""
    array = np.ascontiguousarray(array)
    with storage.open_new(folder / f"{name}.npy") as file:
        file.write(header(array.dtype, array.shape))
        file.write(memoryview(array).cast("B") if array.size else b"")
    storage.write_json(folder / f"{name}.json", entry_of(array.dtype, array.shape))


def write_dataset(root: Path, record: DatasetRecord, items: Sequence[Item], report: DoctorReport,
                  arrays: dict[str, np.ndarray]) -> DatasetRecord:  # fmt: skip
    """Writes a data set folder in one rename. If that id is there already (same content), it stands and is returned."""
    layout = LibraryLayout(root).dataset(record.id)
    if layout.record.exists():
        return storage.read_json(layout.record, DatasetRecord)
    record.created = record.created or time.time()
    storage.make_folder(layout.root.parent)
    with storage.new_folder(layout.root) as made:
        inside = DatasetLayout(made)
        storage.make_folder(inside.cache)
        for name, array in arrays.items():
            write_array(inside.cache, name, array)
        encode = msgspec.json.Encoder().encode
        storage.write_bytes(inside.items, b"".join(encode(item) + b"\n" for item in items))
        storage.write_json(inside.report, report)
        storage.write_json(inside.record, record)
    return record
