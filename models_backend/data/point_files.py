"""Points from files: a table of two columns of numbers (and maybe a class), or an array of N rows of two numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, DoctorReport, Item, LibraryLayout
from models_backend.contract.words import counted
from models_backend.library import table_kinds
from models_backend.library.datasets import fingerprint

from . import doctor, folder, moving, splits, texts
from .sources import as_text

NOTED = 5


def bring(root: Path, path: Path, title: str = "") -> tuple[DatasetRecord, DoctorReport]:
    """A data set of the points in a file. Raises TroubleError where fewer than two can be read."""
    started = time.perf_counter()
    points, names, notes = _array(path) if path.suffix.lower() in table_kinds.ARRAYS else _table(path)
    if len(points) < 2:
        raise TroubleError("there are fewer than two points in it", as_text(path), "nothing was added")
    classes = tuple(sorted({name for name in names if name}))
    number = {name: at for at, name in enumerate(classes)}
    items = [
        Item(f"{as_text(path)}#{at + 1}", folder.content_hash(point.tobytes() + name.encode()), number.get(name, -1))
        for at, (point, name) in enumerate(zip(points, names, strict=True))
    ]
    folder.mark_exact_duplicates(items)
    split_note = splits.assign(items, classes)
    report = doctor.summary(items, classes)
    report.split_note = split_note
    report.found, report.notes = len(points) + len(notes), tuple(notes[:NOTED] + _more(notes))
    report.took_s = round(time.perf_counter() - started, 3)
    record = _record(path, title or path.stem, items, classes, points)
    there = LibraryLayout(root).dataset(record.id)
    if there.record.exists():
        folder.tell_again(there, report)
        return moving.take_roots(there, record.roots), report
    return folder.write_dataset(root, record, items, report, lambda cache: _write(cache, points)), report


def _more(notes: Sequence[str]) -> list[str]:
    return [f"and {counted(len(notes) - NOTED, 'more line')} like these"] if len(notes) > NOTED else []


def _record(path: Path, title: str, items: list[Item], classes: tuple[str, ...], points: np.ndarray) -> DatasetRecord:
    mark = fingerprint(items)
    mean, std = points.mean(0, dtype=np.float64), float(points.std(0, dtype=np.float64).mean()) or 1.0
    options = {"mean": [float(m) for m in mean], "std": [std] * points.shape[1]}
    return DatasetRecord(
        mark[:16], title, "points", mark, len(items), classes, channels=0, options=options, roots=(as_text(path.absolute()),),
        created=time.time(), shape=points.shape[1:],
    )  # fmt: skip


def _write(cache: Path, points: np.ndarray) -> None:
    folder.write_array(cache, "points", points.dtype, points.shape, folder.pieces_of(points))


def _array(path: Path) -> tuple[np.ndarray, list[str], list[str]]:
    array = np.load(path, allow_pickle=False).astype(np.float32)
    good = np.isfinite(array).all(axis=1)
    lost = int((~good).sum())
    return (
        array[good],
        [""] * int(good.sum()),
        [f"row {at + 1:,} is not finite and was left out" for at in np.where(~good)[0][:lost]],
    )


def _table(path: Path) -> tuple[np.ndarray, list[str], list[str]]:
    """Points, their classes ("" for none), and a note for each line that has no two numbers."""
    layout = table_kinds.points_layout(table_kinds.head(path))
    lines = texts.decoded(path.read_bytes())[0].splitlines()
    points, names, notes = [], [], []
    for at, row in enumerate(table_kinds.split(lines, layout.separator), 1):
        if (at == 1 and layout.heading) or not any(cell.strip() for cell in row):
            continue
        pair = [
            table_kinds.number(row[column], layout.separator) if column < len(row) else math.nan for column in layout.numbers
        ]
        if not all(math.isfinite(value) for value in pair):
            notes.append(f"line {at:,} has no two numbers and was left out")
            continue
        points.append(pair)
        names.append(row[layout.label].strip() if 0 <= layout.label < len(row) else "")
    return np.array(points, np.float32).reshape(-1, 2), names, notes
