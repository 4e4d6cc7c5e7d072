"""Labels and captions of pictures: from the folders they lie in, text files beside them, and metadata tables.

A table (``metadata.jsonl``, ``metadata.csv``) names its pictures in ``file_name``, relative to its own folder; ``text`` or
``caption`` is the caption, ``label`` or ``class`` the class. It wins over side files, and those over folder names. Other
columns that hold nothing but numbers (or true and false) are attributes.
"""

from __future__ import annotations

import csv
import io
import math
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from models_backend.contract.family import Attribute

from .archives import Refused
from .sources import Source

CAPTION_LIMIT = 64 << 10
TABLE_LIMIT = 256 << 20
_CAPTION_FIELDS, _LABEL_FIELDS, _FILE_FIELDS = (
    ("text", "caption", "prompt"),
    ("label", "class"),
    ("file_name", "filename", "file"),
)

_NO_ATTRIBUTES = frozenset((*_CAPTION_FIELDS, *_LABEL_FIELDS, *_FILE_FIELDS, "id", "index", "width", "height"))
#: Columns beyond this are left out.
MOST_ATTRIBUTES = 256

Place = tuple[str, str]  # (archive or "", path of the file in it)


@dataclass
class Words:
    """What is said of pictures: captions and labels by place, other columns of tables, and notes of what could not be
    understood."""

    captions: dict[Place, str] = field(default_factory=dict)
    labels: dict[Place, str] = field(default_factory=dict)
    columns: dict[str, dict[Place, object]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def place_of(source: Source) -> Place:
    """Where a source lies, for matching."""
    return (source.path, source.member) if source.member else ("", source.path)


def stem(place: Place) -> Place:
    """The place without its extension."""
    return place[0], os.path.splitext(place[1])[0]  # noqa: PTH122


# ------------------------------------------------------------------------------------------------ folders


def folder_classes(folders: Sequence[tuple[str, ...]]) -> list[str]:
    """The class of each picture by its folders (those of splits left out), "" for none: the first folder below what all
    pictures share. Folders are no classes where there is only one of them, or nearly one a picture."""
    shared = _shared(folders)
    names = [parts[shared] if len(parts) > shared else "" for parts in folders]
    count = len(set(names) - {""})
    if count < 2 or (count > 20 and count > len(folders) / 2):
        return [""] * len(folders)
    return names


def _shared(folders: Sequence[tuple[str, ...]]) -> int:
    """How many leading folders all pictures have in common."""
    if not folders:
        return 0
    low, high = min(folders), max(folders)
    return next((i for i, (a, b) in enumerate(zip(low, high)) if a != b), min(len(low), len(high)))


# ------------------------------------------------------------------------------------------------ text files


def read_captions(sources: Iterable[Source], wanted: set[Place], read: Callable[[Source], bytes], words: Words) -> set[Place]:
    """Captions from text files whose stem is a picture's; returns the places of those used."""
    used = set()
    for source in sources:
        if stem(place_of(source)) not in wanted:
            continue
        try:
            text = as_unicode(read(source)[:CAPTION_LIMIT]).strip()
        except Refused as refused:
            words.notes.append(f"the caption {source.name} cannot be read: {refused.reason}")
            continue
        used.add(place_of(source))
        if text:
            words.captions[stem(place_of(source))] = text
    return used


def as_unicode(data: bytes) -> str:
    """Text of unknown encoding: UTF-8, UTF-16 with its mark, else Latin-1. Zero bytes are dropped."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig").replace("\0", "")
    except UnicodeDecodeError:
        return data.decode("latin-1").replace("\0", "")


# ------------------------------------------------------------------------------------------------ tables


def read_table(source: Source, data: bytes, words: Words) -> set[Place]:
    """Takes a metadata table in; returns the places that it names. A line that is not understood becomes a note."""
    archive, own = place_of(source)
    folder = posixpath.dirname(own) if archive else os.path.dirname(own)  # noqa: PTH120
    parse = _jsonl if own.lower().endswith("jsonl") else _csv
    named = set()
    for line, row in parse(as_unicode(data)):
        name = _first(row, _FILE_FIELDS) if row is not None else None
        if not name:
            words.notes.append(f"{source.name}, line {line}: {'no file_name' if row is not None else 'not understood'}")
            continue
        place = (archive, posixpath.normpath(posixpath.join(folder, name.replace("\\", "/"))))
        named.add(place)
        caption, label = _first(row, _CAPTION_FIELDS), _first(row, _LABEL_FIELDS)
        if caption:
            words.captions[place] = caption
        if label:
            words.labels[place] = label
        for key, value in row.items():
            column = str(key).strip()
            if key is not None and column.lower() not in _NO_ATTRIBUTES and value not in (None, ""):
                words.columns.setdefault(column, {})[place] = value
    return named


def attributes_of(words: Words, places: Sequence[Place]) -> tuple[tuple[Attribute, ...], list[tuple[float | None, ...]]]:
    """The attributes that tables tell of pictures, and each picture's values. A column that holds anything but numbers, or the
    same one everywhere, is none."""
    found, rows = [], []
    for name, column in words.columns.items():
        values = [_number(column[place]) if place in column else None for place in places]
        told = [value for value in values if value is not None]
        if told and min(told) < max(told) and not any(_number(column[p]) is None for p in places if p in column):
            found.append(Attribute(name[:80], min(told), max(told)))
            rows.append(values)
    return tuple(found[:MOST_ATTRIBUTES]), list(zip(*rows[:MOST_ATTRIBUTES], strict=True)) if found else [()] * len(places)


def _number(value: object) -> float | None:
    """What a table says as a number; None where it is none."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _jsonl(text: str) -> Iterator[tuple[int, dict | None]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = msgspec.json.decode(line)
            except msgspec.DecodeError:
                row = None
            yield number, row if isinstance(row, dict) else None


def _csv(text: str) -> Iterator[tuple[int, dict | None]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield reader.line_num, None
            continue
        yield reader.line_num, row


def _first(row: dict, names: Sequence[str]) -> str:
    """The first of the named fields that says something, as text."""
    values = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
    for name in names:
        value = values.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()[:CAPTION_LIMIT]
    return ""
