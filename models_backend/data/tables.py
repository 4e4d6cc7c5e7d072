"""Tables that name pictures and say something of them, whatever they are called and however they are written."""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping

from models_backend.contract.words import counted

from . import csv_tables, json_tables, labels, own_splits, texts
from .archives import Refused
from .csv_tables import Row
from .labels import FILES, Told, Words
from .places import Pictures, Place, place_of
from .sources import TABLES, Source

LIMIT = 256 << 20
_LINES = (".jsonl", ".ndjson")


def read_all(sources: Iterable[Source], pictures: Pictures, load: Callable[[Source], bytes], words: Words) -> dict[Place, str]:
    """Takes all tables in, those of the usual names last, so that they win. Returns why others are none, by place."""
    no_tables = {}
    for source in sorted(sources, key=lambda source: (_name(source) in TABLES, source.name)):
        try:
            reason = read(source, load(source), pictures, words)
        except Refused as refused:
            reason = refused.reason
        if reason and _name(source) in TABLES:
            words.notes.say(f"{source.name}: {reason}")
        if reason:
            no_tables[place_of(source)] = reason
    return no_tables


def read(source: Source, data: bytes, pictures: Pictures, words: Words) -> str:
    """Takes a table in; "" or why it is none. What is not understood becomes a note."""
    if len(data) > LIMIT:
        return f"a table of more than {LIMIT >> 20} MiB is not read"
    text, encoding = texts.decoded(data)
    taken = _Taken(source, pictures, words)
    try:
        wrong = taken.take(_rows(source, text, pictures, taken))
    except json_tables.Unfit as unfit:
        return str(unfit)
    if wrong:
        return wrong
    if encoding:
        words.notes.add(source.name, f"it is no UTF-8 and was read as {encoding}; save it as UTF-8 if that is wrong")
    return ""


def _rows(source: Source, text: str, pictures: Pictures, taken: _Taken) -> Iterator[Row]:
    """The rows of a table by what its name says that it is."""
    suffix = os.path.splitext(_name(source))[1]  # noqa: PTH122
    if suffix in _LINES:
        return json_tables.lines(io.StringIO(text))
    if suffix == ".json":
        return json_tables.entries(json_tables.loaded(text), FILES)

    def is_picture(name: str) -> bool:
        return bool(pictures.named(name, taken.place))

    columns = csv_tables.columns_of(text, FILES, labels.CAPTIONS, is_picture)
    if columns is None:
        raise json_tables.Unfit("nothing in its first lines names a file of a picture; separators are , ; tab and |")
    taken.decimal_comma = columns.decimal_comma
    if columns.headless:
        taken.words.notes.add(source.name, "its first line names no columns: file names and captions are taken to stand in it")
    return csv_tables.rows(text, columns, is_picture)


class _Taken:
    """What a table has given so far."""

    def __init__(self, source: Source, pictures: Pictures, words: Words):
        self.name, self.place, self.decimal_comma = source.name, place_of(source), False
        self.words, self._pictures, self._usual = words, pictures, _name(source) in TABLES
        self._seen: set[Place] = set()
        self._missing, self._example = 0, ""

    def take(self, rows: Iterator[Row]) -> str:
        """Takes all rows in; why it is no table where none names a picture."""
        wrong: list[tuple[int, str]] = []
        split = own_splits.by_table(_bare(self.name))
        for row in rows:
            places = self._named(row.values) if row.values is not None else []
            if places:
                told = Told(self.name, row.line, self.decimal_comma)
                labels.take(row.values, places, told, self.words, self._seen)
                for place in places if split else ():
                    self.words.by_table.setdefault(place, split)
            if row.wrong or not places:
                self._note(row, bool(places), wrong)
        if not self._seen and not self._usual:
            return "it names no picture that is there"
        for line, what in wrong:
            self.words.notes.add(self.name, what, line)
        if self._missing:
            many = f"names {counted(self._missing, 'file that is', 'files that are')} not there, such as {self._example}"
            self.words.notes.say(f"{self.name} {many}")
        return ""

    def _note(self, row: Row, used: bool, wrong: list[tuple[int, str]]) -> None:
        """Keeps what is wrong with a row for later, while it is not known whether this is a table at all."""
        if not row.wrong and not used:
            name = _file_name(row.values or {})
            if name:
                self._missing, self._example = self._missing + 1, self._example or name
                return
        what = row.wrong or "no file_name"
        if self._seen or self._usual:
            self.words.notes.add(self.name, what, row.line)
        elif len(wrong) < 100:
            wrong.append((row.line, what))

    def _named(self, row: Mapping[str, object]) -> list[Place]:
        values = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
        for name in FILES:
            value = values.get(name)
            value = value[0] if isinstance(value, list) and len(value) == 1 else value
            value = value.get("path") if isinstance(value, dict) else value
            if value is not None and (places := self._pictures.named(value, self.place)):
                return places
        return []


def _file_name(row: Mapping[str, object]) -> str:
    """What a row names as its file, whether it is there or not."""
    values = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
    found = next((values[name] for name in FILES if isinstance(values.get(name), str) and values[name].strip()), "")
    return posixpath.normpath(found.strip().replace("\\", "/"))[:200] if found else ""


def _name(source: Source) -> str:
    return _bare(source.member or source.path)


def _bare(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].lower()
