"""The index: what lists and searches are answered from. It repeats the folders and can be made again from them.

One process owns it (``Library.open(own=True)``); SQLite in WAL mode with an exclusive lock, commits in microseconds.
A power cut may lose its last commits but not its soundness, and an index that was not closed is compared with the
folders at the next opening.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw
import msgspec

from . import counting, folders

log = logging.getLogger(__name__)

VERSION = 2
TABLES = {"run": "runs", "dataset": "datasets", "sample": "samples", "job": "jobs"}
_COLUMNS: dict[str, tuple[str, ...]] = {
    "run": ("title", "family", "dataset", "preset", "created", "starred"),
    "dataset": ("title", "modality", "builtin", "created"),
    "sample": ("title", "run", "family", "dataset", "kind", "modality", "created", "starred"),
    "job": ("title", "run", "state", "order"),
}
_ORDER = {
    "run": "created DESC, id DESC",
    "dataset": "created DESC, id DESC",
    "sample": "created DESC, id DESC",
    "job": '"order", id',
}
_encode = msgspec.json.Encoder().encode
_decoders = {kind: msgspec.json.Decoder(record) for kind, record in folders.RECORDS.items()}


class Filter(msgspec.Struct, frozen=True):
    """Which samples: empty fields do not narrow. ``text`` is searched in titles, ids, tags, families and data sets.
    ``grid``: the cells of that grid; ``gathered``: of each grid only the first cell that is there, which stands for it."""

    text: str = ""
    run: str = ""
    family: str = ""
    dataset: str = ""
    kind: str = ""
    modality: str = ""
    starred: bool = False
    tag: str = ""
    grid: str = ""
    gathered: bool = False


EVERY = Filter()
_CELLS = "CREATE TABLE cells (sample TEXT PRIMARY KEY, grid TEXT, place INTEGER) WITHOUT ROWID"


def _schema() -> str:
    tables = [
        f"CREATE TABLE {TABLES[kind]} (id TEXT PRIMARY KEY, {', '.join(f'{chr(34)}{c}{chr(34)}' for c in columns)},"
        " stamp TEXT NOT NULL, record BLOB NOT NULL) WITHOUT ROWID"
        for kind, columns in _COLUMNS.items()
    ]
    return ";".join(
        [
            "CREATE TABLE meta (key TEXT PRIMARY KEY, value)",
            *tables,
            "CREATE TABLE tags (tag TEXT, sample TEXT, PRIMARY KEY (tag, sample)) WITHOUT ROWID",
            "CREATE INDEX tags_of ON tags (sample)",
            _CELLS,
            "CREATE TABLE exports (path TEXT PRIMARY KEY, source TEXT, format TEXT, created REAL)",
            "CREATE TABLE entries (number INTEGER PRIMARY KEY, kind TEXT, id TEXT, UNIQUE (kind, id))",
            "CREATE VIRTUAL TABLE found USING fts5 (title, text, content='', contentless_delete=1, prefix='2 3')",
            "CREATE INDEX runs_new ON runs (created DESC, id DESC)",
            "CREATE INDEX samples_new ON samples (created DESC, id DESC)",
            "CREATE INDEX samples_run ON samples (run, created DESC, id DESC)",
            "CREATE INDEX samples_starred ON samples (starred, created DESC, id DESC)",
            f"PRAGMA user_version = {VERSION}",
        ]
    )


class Index:
    """The open index of a library. Methods may be called from any thread; database trouble comes out as apsw.Error."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._mutex = threading.RLock()
        self._db = apsw.Connection(str(path), vfs=counting.vfs() or None)
        try:
            for setting in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
                self._db.execute(f"PRAGMA {setting}").fetchall()
            self.new = self._prepare()
            self.clean = not self.new and self._meta("open") == 0
            self._set_meta("open", 1)
        except BaseException:
            self.abandon()
            raise

    def _prepare(self) -> bool:
        version = self._db.pragma("user_version")
        if version == VERSION:
            return False
        if version == 1:  # it knows of no grid
            with self._db:
                self._db.execute(f"{_CELLS}; PRAGMA user_version = {VERSION}")
            return False
        if version:
            raise apsw.NotADBError(f"index version {version}")
        with self._db:
            self._db.execute(_schema())
        return True

    def close(self) -> None:
        """Close it, noted as sound."""
        with self._mutex:
            self._set_meta("open", 0)
            self._db.close()

    def abandon(self) -> None:
        """Close it without a word, as a killed process would: the next opening compares everything."""
        with self._mutex:
            try:
                self._db.close(True)
            except apsw.Error as error:
                log.warning("the index was closed by force: %s", error or type(error).__name__)

    # writing ------------------------------------------------------------------------------------------
    def put(self, kind: str, record: Any, stamp: str) -> None:
        """Know a record, or know it anew."""
        with self._mutex, self._db:
            self._put(kind, record, stamp)

    def put_all(self, kind: str, found: Iterable[tuple[Any, str]]) -> None:
        """Know many (record, stamp) in one commit."""
        with self._mutex, self._db:
            for record, stamp in found:
                self._put(kind, record, stamp)

    def drop(self, kind: str, names: Iterable[str]) -> None:
        """Forget records."""
        with self._mutex, self._db:
            for name in names:
                self._db.execute(f"DELETE FROM {TABLES[kind]} WHERE id = ?", (name,))
                self._forget_text(kind, name)
                if kind == "sample":
                    self._db.execute("DELETE FROM tags WHERE sample = ?", (name,))
                    self._db.execute("DELETE FROM cells WHERE sample = ?", (name,))

    def _put(self, kind: str, record: Any, stamp: str) -> None:
        values = (record.id, *(getattr(record, c) for c in _COLUMNS[kind]), stamp, _encode(record))
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT OR REPLACE INTO {TABLES[kind]} VALUES ({marks})", values)
        if kind == "sample":
            self._db.execute("DELETE FROM tags WHERE sample = ?", (record.id,))
            self._db.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(tag, record.id) for tag in record.tags])
            if cell := record.grid:
                self._db.execute("INSERT OR REPLACE INTO cells VALUES (?, ?, ?)", (record.id, cell.id, cell.place))
        if kind != "job":
            self._forget_text(kind, record.id)
            self._db.execute("INSERT INTO entries (kind, id) VALUES (?, ?)", (kind, record.id))
            number = self._db.last_insert_rowid()
            self._db.execute("INSERT INTO found (rowid, title, text) VALUES (?, ?, ?)", (number, record.title, _text(record)))

    def _forget_text(self, kind: str, name: str) -> None:
        row = self._db.execute("SELECT number FROM entries WHERE kind = ? AND id = ?", (kind, name)).get
        if row is not None:
            self._db.execute("DELETE FROM found WHERE rowid = ?", (row,))
            self._db.execute("DELETE FROM entries WHERE number = ?", (row,))

    def put_exports(self, exports: Iterable[Any]) -> None:
        """Know exported files (:class:`.exports.Exported`)."""
        with self._mutex, self._db:
            rows = [(e.path, e.source, e.format, e.time) for e in exports]
            self._db.executemany("INSERT OR REPLACE INTO exports VALUES (?, ?, ?, ?)", rows)

    def _meta(self, key: str) -> Any:
        return self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get

    def _set_meta(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # reading ------------------------------------------------------------------------------------------
    def stamps(self, kind: str) -> dict[str, str]:
        """Id -> stamp of everything known of a kind."""
        with self._mutex:
            return dict(self._db.execute(f"SELECT id, stamp FROM {TABLES[kind]}"))

    def ids(self, kind: str) -> set[str]:
        """The ids of everything known of a kind."""
        with self._mutex:
            return {row[0] for row in self._db.execute(f"SELECT id FROM {TABLES[kind]}")}

    def records(self, kind: str) -> list[Any]:
        """All records of a kind: newest first, jobs in the order of the queue."""
        with self._mutex:
            rows = self._db.execute(f"SELECT record FROM {TABLES[kind]} ORDER BY {_ORDER[kind]}").fetchall()
        return [_decoders[kind].decode(row[0]) for row in rows]

    def samples(self, offset: int = 0, limit: int = 100, narrowed: Filter = EVERY) -> list[Any]:
        """A page of samples, newest first."""
        where, values = _conditions(narrowed)
        page = f"SELECT id FROM samples {where} ORDER BY {_ORDER['sample']} LIMIT ? OFFSET ?"
        query = f"SELECT record FROM samples WHERE id IN ({page}) ORDER BY {_ORDER['sample']}"
        with self._mutex:
            rows = self._db.execute(query, (*values, limit, offset)).fetchall()
        return [_decoders["sample"].decode(row[0]) for row in rows]

    def count(self, kind: str, narrowed: Filter = EVERY) -> int:
        """How many records there are; of samples, how many a filter leaves."""
        where, values = _conditions(narrowed) if kind == "sample" else ("", ())
        with self._mutex:
            return self._db.execute(f"SELECT count(*) FROM {TABLES[kind]} {where}", values).get

    def tags(self) -> list[tuple[str, int]]:
        """Every tag in use with how many samples have it, the most used first."""
        with self._mutex:
            return self._db.execute("SELECT tag, count(*) FROM tags GROUP BY tag ORDER BY 2 DESC, 1").fetchall()

    def exports(self, source: str = "") -> list[tuple[str, str, str, float]]:
        """(path, source, format, time) of exported files, newest first; of one sample or run where ``source`` is given."""
        where, values = ("WHERE source = ?", (source,)) if source else ("", ())
        with self._mutex:
            return self._db.execute(f"SELECT * FROM exports {where} ORDER BY created DESC", values).fetchall()

    def search(self, text: str, limit: int = 50) -> list[tuple[str, str, str]]:
        """(kind, id, title) of what the words (or their beginnings) are found in, the best first."""
        words = _match(text)
        if not words:
            return []
        hits = "SELECT kind, id FROM found JOIN entries ON number = found.rowid WHERE found MATCH ?"
        query = f"{hits} ORDER BY bm25(found, 4, 1) LIMIT ?"
        with self._mutex:
            rows = self._db.execute(query, (words, limit)).fetchall()
            return [(kind, name, self._title(kind, name)) for kind, name in rows]

    def _title(self, kind: str, name: str) -> str:
        return self._db.execute(f"SELECT title FROM {TABLES[kind]} WHERE id = ?", (name,)).get or ""

    def flaws(self) -> list[str]:
        """What SQLite itself finds wrong with the file; empty when sound."""
        with self._mutex:
            found = [row[0] for row in self._db.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found


def _text(record: Any) -> str:
    """The words under which a record is found, beside its title."""
    names = ("id", "family", "preset", "dataset", "builtin", "modality", "kind", "run")
    return " ".join([*(str(getattr(record, name, "")) for name in names), *getattr(record, "tags", ())])


def _match(text: str) -> str:
    words = [word.replace('"', '""') for word in text.split()]
    return " ".join(f'"{word}"*' for word in words if any(c.isalnum() for c in word))


def _conditions(narrowed: Filter) -> tuple[str, tuple[Any, ...]]:
    clauses, values = [], []
    for name in ("run", "family", "dataset", "kind", "modality", "starred"):
        if wanted := getattr(narrowed, name):
            clauses.append(f"{name} = ?")
            values.append(wanted)
    if narrowed.tag:
        clauses.append("id IN (SELECT sample FROM tags WHERE tag = ?)")
        values.append(narrowed.tag)
    if narrowed.grid:
        clauses.append("id IN (SELECT sample FROM cells WHERE grid = ?)")
        values.append(narrowed.grid)
    if narrowed.gathered:
        ranked = "SELECT sample, row_number() OVER (PARTITION BY grid ORDER BY place, sample) AS rank FROM cells"
        clauses.append(f"id NOT IN (SELECT sample FROM ({ranked}) WHERE rank > 1)")
    if words := _match(narrowed.text):
        hits = "SELECT id FROM found JOIN entries ON number = found.rowid WHERE found MATCH ? AND kind = 'sample'"
        clauses.append(f"id IN ({hits})")
        values.append(words)
    return ("WHERE " + " AND ".join(clauses) if clauses else ""), tuple(values)


def fits(record: Any, narrowed: Filter) -> bool:
    """Whether a filter leaves a sample, as the index would say; :func:`gathered` is for all of them at once."""
    fields = ("run", "family", "dataset", "kind", "modality")
    if any(getattr(narrowed, f) not in ("", getattr(record, f)) for f in fields):
        return False
    if (narrowed.starred and not record.starred) or (narrowed.tag and narrowed.tag not in record.tags):
        return False
    if narrowed.grid and (record.grid is None or record.grid.id != narrowed.grid):
        return False
    words = re.findall(r"\w+", f"{record.title} {_text(record)}".lower())
    return all(any(w.startswith(part) for w in words) for part in re.findall(r"\w+", narrowed.text.lower()))


def gathered(records: Iterable[Any]) -> list[Any]:
    """Samples without the cells of grids, but for the first of each that is there."""
    records = list(records)
    first: dict[str, tuple[int, str]] = {}
    for record in (one for one in records if one.grid):
        place = (record.grid.place, record.id)
        first[record.grid.id] = min(place, first.get(record.grid.id, place))
    return [one for one in records if one.grid is None or (one.grid.place, one.id) == first[one.grid.id]]


def newest(records: Iterable[Any]) -> list[Any]:
    """Records, the newest first."""
    return sorted(records, key=lambda record: (record.created, record.id), reverse=True)
