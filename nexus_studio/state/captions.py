"""Captions from side files and tables, matched to the items of a data set by file name."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import Item
from models_backend.library.source_paths import all_places

NAME_COLUMNS = ("file_name", "filename", "file", "image", "path")
TEXT_COLUMNS = ("text", "caption", "captions", "prompt", "description")
MAX_BYTES = 64 << 20


def _stem(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()


def _read(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise TroubleError("the file is larger than 64 MiB, too large for captions", str(path), "Nothing was changed.")
    return path.read_text(encoding="utf-8-sig", errors="replace")


def _first(row: dict, names: tuple[str, ...]) -> str:
    lower = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
    return next((str(lower[name]) for name in names if lower.get(name) not in (None, "")), "")


def _rows(path: Path) -> Iterator[dict]:
    if path.suffix.lower() == ".jsonl":
        for number, line in enumerate(_read(path).splitlines(), 1):
            if line.strip():
                yield _json_row(path, number, line)
    else:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        yield from csv.DictReader(_read(path).splitlines(), delimiter=delimiter)


def _json_row(path: Path, number: int, line: str) -> dict:
    try:
        row = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise TroubleError(f"line {number} is not JSON: {error}", str(path), "Nothing was changed.") from error
    return row if isinstance(row, dict) else {}


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_dir():
        for side in sorted(path.rglob("*.txt")):
            yield side.name, _read(side).strip()
    elif path.suffix.lower() == ".txt":
        yield path.name, _read(path).strip()
    else:
        for row in _rows(path):
            yield _first(row, NAME_COLUMNS), _first(row, TEXT_COLUMNS).strip()


def read_captions(paths: list[str], items: list[Item]) -> dict[int, str]:
    """Position of an item -> its new caption, for every item that a side file or a table row names."""
    positions: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        for name in {_stem(place) for place in all_places(item)}:
            positions.setdefault(name, []).append(index)
    found: dict[int, str] = {}
    for path in paths:
        for name, text in _pairs(Path(path)):
            if text:
                found.update(dict.fromkeys(positions.get(_stem(name), ()), text))
    return found
