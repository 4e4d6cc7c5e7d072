"""What a single table or array is, told from its head: points, a list of pictures beside it, captions, or none of these."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TABLES, ARRAYS, LINES = (".csv", ".tsv", ".jsonl", ".ndjson"), (".npy",), (".jsonl", ".ndjson")
HEAD, LOOKED_AT = 64 << 10, 50
LABELS = ("label", "class", "category", "species", "target")
FILES = ("file_name", "filename", "file", "image", "path", "img")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif")

NEEDED = (
    "a table is read where it has two columns of numbers and maybe a third of classes (points; below the heading x,y,label it "
    "is always read so), or names pictures that lie beside it"
)

Kind = Literal["points", "pictures", "captions", "other"]


@dataclass(frozen=True)
class Told:
    """What a file is; ``why_not`` says what would be needed where nothing can be made of it."""

    kind: Kind
    why_not: str = ""


@dataclass(frozen=True)
class Layout:
    """How a table of points is written: its separator, whether a heading comes first, the columns of x and y and of a class."""

    separator: str
    heading: bool
    numbers: tuple[int, int]
    label: int = -1


def is_one(path: str | Path) -> bool:
    """Whether a path is that of a table or an array."""
    return Path(path).suffix.lower() in (*TABLES, *ARRAYS)


def told(path: str | Path) -> Told:
    """What a table or array is. Raises OSError."""
    path = Path(path)
    if path.suffix.lower() in ARRAYS:
        return _array(path)
    lines = head(path)
    if path.suffix.lower() not in LINES and points_layout(lines) is not None:
        return Told("points")
    as_json = path.suffix.lower() in LINES
    rows = [line.split('"') for line in lines] if as_json else list(split(lines, separator(lines)))
    if _names_files(path.parent, rows):
        return Told("pictures")
    if any(name in " ".join(lines[:1]).lower() for name in FILES):
        return Told("captions", "it lists captions, but the pictures that it names are not beside it")
    return Told("other", NEEDED)


def _array(path: Path) -> Told:
    import numpy as np  # not while the window starts

    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        return Told("other", "it is not an array that can be read")
    good = array.ndim == 2 and array.shape[1] == 2 and array.dtype.kind in "fiu" and len(array) > 0
    return Told("points") if good else Told("other", "an array is read as points where it is N rows of two numbers")


def head(path: Path) -> list[str]:
    """The first whole lines of a text, without empty ones."""
    with path.open("rb") as file:
        data = file.read(HEAD)
    lines = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(data) == HEAD:
        lines.pop()
    return [line for line in lines if line.strip()][:LOOKED_AT]


def separator(lines: Sequence[str]) -> str:
    """The separator that cuts all lines into as many pieces."""
    for mark in ("\t", ";", "|", ","):
        counts = {line.count(mark) for line in lines}
        if counts and min(counts) > 0 and len(counts) == 1:
            return mark
    return ","


def split(lines: Iterable[str], mark: str) -> Iterable[list[str]]:
    """The cells of lines."""
    return csv.reader(lines, delimiter=mark)


def number(text: str, mark: str) -> float:
    """A cell as a number, nan where it is none; the comma is the decimal one where it does not separate cells."""
    text = text.strip().replace(",", ".") if mark != "," else text.strip()
    try:
        return float(text)
    except ValueError:
        return math.nan


def points_layout(lines: Sequence[str]) -> Layout | None:
    """How lines write points: two columns of numbers, and maybe one that names a class; None where they do not."""
    mark = separator(lines)
    rows = list(split(lines, mark))
    if not rows or len(rows[0]) not in (2, 3):
        return None
    heading = not any(math.isfinite(number(cell, mark)) for cell in rows[0])
    body = [row for row in rows[heading:] if len(row) == len(rows[0])]
    names = [cell.strip().lower() for cell in rows[0]] if heading else []
    label = next((at for at, name in enumerate(names) if name in LABELS), -1)
    label = _classes_at(rows[heading:], names) if label < 0 and len(rows[0]) == 3 else label
    columns = [at for at in range(len(rows[0])) if at != label]
    good = [row for row in body if all(math.isfinite(number(row[at], mark)) for at in columns)]
    if len(columns) != 2 or not good or len(good) < 0.8 * len(rows[heading:]):
        return None
    return Layout(mark, heading, (columns[0], columns[1]), label)


def _classes_at(body: list[list[str]], names: Sequence[str]) -> int:
    """Which of three columns is of classes though no heading says so: the only one of words, of which several rows have the
    same; -1 where there is none such."""
    columns = [[row[at].strip() if at < len(row) else "" for row in body] for at in range(3)]
    worded = [at for at, cells in enumerate(columns) if any(cells) and not any(_is_number(cell) for cell in cells)]
    if len(worded) != 1 or (names and names[worded[0]] in FILES):
        return -1
    cells = columns[worded[0]]
    files = any(cell.lower().endswith(PICTURES) for cell in cells)
    return -1 if files or 2 * len(set(cells)) > len(cells) else worded[0]


def _is_number(cell: str) -> bool:
    """Whether a cell says a number, with a decimal point or comma, or that one is unknown."""
    if cell.lower() in ("none", "null"):
        return True
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _names_files(folder: Path, rows: list[list[str]]) -> bool:
    cells = [cell.strip().replace("\\", os.sep) for row in rows for cell in row]
    cells = [cell for cell in cells if cell.lower().endswith(PICTURES)]
    return any((folder / cell).is_file() for cell in cells)
