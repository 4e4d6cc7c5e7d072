"""Tables of lines and cells, as spreadsheets of any country and scripts of any care write them.

The separator is the one that the first line is written with. A quote that is opened and never closed ends with its line, so
that it costs one caption and not the rest of the table.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

SEPARATORS = (",", ";", "\t", "|")
MOST_LINES = 200  # of one cell
UNCLOSED = "a quote is opened and never closed; it was taken to end with its line"
TOO_MANY = "more cells than the first line names"
COMMAS = "more cells than the first line names; the rest was taken to be the caption's"
BROKEN = "not understood"


@dataclass
class Row:
    """A line of a table: what it says by column (None: nothing that can be understood), and what is wrong with it."""

    line: int
    values: dict[str, object] | None
    wrong: str = ""


@dataclass
class Columns:
    """How a table is written: separator, the columns' names, the positions of file names and captions (-1: none)."""

    separator: str
    names: list[str]
    file: int
    caption: int
    headless: bool = False

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers may be written with a comma."""
        return self.separator != ","


class _Lines:
    """Lines with their numbers, of which some can be put back."""

    def __init__(self, text: str):
        self._lines, self._back, self.number = io.StringIO(text, newline=""), deque(), 0

    def take(self) -> str:
        """The next line with its end, "" after the last."""
        line = self._back.popleft() if self._back else self._lines.readline()
        self.number += bool(line)
        return line

    def put_back(self, lines: Sequence[str]) -> None:
        """Takes lines back that were taken last."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


def columns_of(text: str, files: Sequence[str], captions: Sequence[str], is_picture: Callable[[str], bool]) -> Columns | None:
    """How a table is written; None where nothing in its first two lines names a picture's file."""
    lines = _Lines(text)
    first = _first_line(lines)
    if not first:
        return None
    second = lines.take()
    for separator in sorted(SEPARATORS, key=lambda sign: -len(_cells([first], sign))):
        names, cells = _cells([first], separator), _cells([second], separator)
        lowered = [name.strip().lower() for name in names]
        caption = next((lowered.index(name) for name in captions if name in lowered), -1)
        headless = next((i for i, cell in enumerate(names) if _is_file(cell, is_picture)), -1)
        if headless >= 0 and not set(lowered) & set(files):
            names = [f"column {i + 1}" for i in range(len(names))]
            names[headless] = "file_name"
            caption = 1 - headless if len(names) > 1 and headless < 2 else -1
            names[caption] = "text" if caption >= 0 else names[caption]
            return Columns(separator, names, headless, caption, True)
        known = [lowered.index(name) for name in files if name in lowered]
        at = next((i for i in known if i < len(cells) and is_picture(cells[i])), -1)
        at = (
            at
            if at >= 0
            else next((i for i, cell in enumerate(cells) if _is_file(cell, is_picture)), known[0] if known else -1)
        )
        if at >= 0:
            return Columns(separator, [*names[:at], "file_name", *names[at + 1 :]], at, caption)
    return None


def _is_file(cell: str, is_picture: Callable[[str], bool]) -> bool:
    """Whether a cell of a column of any name is a picture's file: a number alone may be anything."""
    return "." in cell and is_picture(cell)


def _first_line(lines: _Lines) -> str:
    line = lines.take()
    while line and (not line.strip() or re.fullmatch(r"sep=.?", line.strip(), re.IGNORECASE)):
        line = lines.take()
    return line


def rows(text: str, columns: Columns, is_picture: Callable[[str], bool]) -> Iterator[Row]:
    """The lines of a table, each with what it says by column."""
    lines = _Lines(text)
    first = _first_line(lines)
    if columns.headless:
        lines.put_back([first])
    while line := lines.take():
        if line.strip(" \t\r\n" + columns.separator):
            yield _row(line, lines, columns, is_picture)


def _row(line: str, lines: _Lines, columns: Columns, is_picture: Callable[[str], bool]) -> Row:
    number, pieces = lines.number, [line]
    wrong = ""
    if _open(pieces, columns.separator):
        _take_until_closed(pieces, lines, columns.separator)
        if not _whole(pieces, columns, is_picture):
            lines.put_back(pieces[1:])
            pieces, wrong = [line.rstrip("\r\n")], UNCLOSED
    cells = _cells(pieces, columns.separator)
    if wrong and len(cells) < len(columns.names):
        cells = [cell.strip('"') for cell in _unquoted(line, columns)]
    while len(cells) > len(columns.names) and not cells[-1].strip():
        cells.pop()
    extra = len(cells) - len(columns.names)
    if extra > 0:
        if columns.caption < 0 or wrong:
            return Row(number, None, wrong or TOO_MANY)
        at, wrong = columns.caption, COMMAS
        cells[at : at + extra + 1] = [columns.separator.join(cells[at : at + extra + 1])]
    return Row(number, dict(zip(columns.names, cells, strict=False)) if cells else None, wrong if cells else BROKEN)


def _cells(pieces: Sequence[str], separator: str) -> list[str]:
    try:
        return next(csv.reader(pieces, delimiter=separator), [])
    except csv.Error:
        return []


def _open(pieces: Sequence[str], separator: str) -> bool:
    """Whether a quote is still open at the end of these lines."""
    try:
        next(csv.reader(pieces, delimiter=separator, strict=True), None)
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def _take_until_closed(pieces: list[str], lines: _Lines, separator: str) -> None:
    quotes = pieces[0].count('"')
    while len(pieces) < MOST_LINES and (line := lines.take()):
        pieces.append(line)
        quotes += line.count('"')
        if '"' in line and not quotes % 2 and not _open(pieces, separator):
            return


def _whole(pieces: Sequence[str], columns: Columns, is_picture: Callable[[str], bool]) -> bool:
    """Whether lines are one row with line ends in it, and not several rows of which one has an open quote."""
    if _open(pieces, columns.separator) or len(_cells(pieces, columns.separator)) != len(columns.names):
        return False

    def is_row(cells: Sequence[str]) -> bool:
        return len(cells) > columns.file and is_picture(cells[columns.file])

    if not is_row(_unquoted(pieces[0], columns)):
        return True
    return not any(is_row(_cells([piece], columns.separator)) for piece in pieces[1:])


def _unquoted(line: str, columns: Columns) -> list[str]:
    """The cells of a line whose quotes mean nothing."""
    return line.rstrip("\r\n").split(columns.separator)
