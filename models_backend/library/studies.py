"""Blind studies: made once, kept at every answer, gone on with at any time, exported with what they found."""

from __future__ import annotations

import csv
import io
import logging
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout, StudyPair, StudyRecord, StudySide, TrashEntry

from . import storage, trash
from .preference import Result, result_of
from .trouble import explained

log = logging.getLogger(__name__)
FORMS = ("csv", "json")


def create(
    layout: LibraryLayout, modality: str, sides: Sequence[StudySide], pairs: Sequence[StudyPair], seed: int
) -> StudyRecord:
    """A new study of at least two sides. TroubleError where no pair can be shown."""
    if len(sides) < 2 or not pairs:
        raise TroubleError("there is nothing to compare", "study", advice="Choose samples of at least two runs")
    title = " against ".join(side.title for side in sides[:2]) + (f" and {len(sides) - 2} more" if len(sides) > 2 else "")
    record = StudyRecord(_new_id(layout), title, time.time(), modality, seed, tuple(sides), tuple(pairs))
    write(layout, record)
    return record


def _new_id(layout: LibraryLayout) -> str:
    while True:
        name = f"{time.strftime('%Y%m%d-%H%M')}-study-{secrets.token_hex(2)}"
        if not layout.study(name).exists():
            return name


def write(layout: LibraryLayout, record: StudyRecord) -> None:
    """Keep a study as it is now."""
    with explained("the answer cannot be kept", record.title, "Answers before it are kept"):
        storage.make_folder(layout.studies)
        storage.write_json(layout.study(record.id), record)


def read(layout: LibraryLayout, name: str) -> StudyRecord:
    """A study. TroubleError where it is gone or damaged."""
    return storage.read_json(layout.study(name), StudyRecord)


def listed(layout: LibraryLayout) -> list[StudyRecord]:
    """Every readable study, newest first."""
    found = []
    for path in layout.studies.glob("[!.]*.json"):
        try:
            found.append(read(layout, path.stem))
        except TroubleError as error:
            log.warning("%s", error.trouble)
    return sorted(found, key=lambda record: (record.created, record.id), reverse=True)


def delete(layout: LibraryLayout, record: StudyRecord) -> TrashEntry:
    """Move a study to the trash; ``trash.restore`` brings it back."""
    return trash.put_away(layout, "study", record.title, layout.study(record.id))


# --------------------------------------------------------------------------------------------------- exports


def export(record: StudyRecord, path: str | Path, form: str) -> list[Path]:
    """Write answers and result: one JSON file, or two tables as CSV (answers at ``path``, runs beside it).
    Raises TroubleError where it cannot be written, or there is no folder for it."""
    if form not in FORMS:
        raise TroubleError(f"a study is written as {' or '.join(FORMS)}, not {form}", record.title)
    path, result = Path(path), result_of(record)
    storage.require_parent(path)
    with explained("the study cannot be exported", path.name, "The study itself is kept"):
        if form == "json":
            storage.write_json(path, {"study": record, "result": result})
            written = [path]
        else:
            written = [path, path.with_name(f"{path.stem}-result{path.suffix}")]
            for each, rows in zip(written, (answer_rows(record), result_rows(result))):
                storage.write_bytes(each, _table(rows))
        for each in written:
            storage.share(each)
    return written


def answer_rows(record: StudyRecord) -> list[dict[str, Any]]:
    """One row an answer, in the order given."""
    rows = []
    for number, answer in enumerate(record.answers, 1):
        pair = record.pairs[answer.pair]
        chosen = {"left": pair.left, "right": pair.right}.get(answer.choice)
        row: dict[str, Any] = {"answer": number, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(answer.time))}
        for place, item in (("left", pair.left), ("right", pair.right)):
            row |= {place: record.sides[item.side].title, f"{place}_id": record.sides[item.side].id}
            row |= {f"{place}_sample": item.sample, f"{place}_item": item.item, f"{place}_caption": item.caption}
        row |= {"paired_by": pair.by, "choice": answer.choice}
        rows.append(row | {"preferred": record.sides[chosen.side].title if chosen else ""})
    return rows


def result_rows(result: Result) -> list[dict[str, Any]]:
    """One row a side, the best first."""
    return [msgspec.to_builtins(standing) for standing in result.standings]


def _table(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["answer"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
