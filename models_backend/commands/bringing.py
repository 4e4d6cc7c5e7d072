"""``import PATH``, and what ``--data`` may be: a data set of the library, a folder, or a built-in name."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from models_backend.contract.messages import Progress, TroubleError
from models_backend.contract.run_layout import DatasetRecord, DoctorReport, Unreadable
from models_backend.engine.terminal import Reporter

from .session import Session, found, session

KINDS = 8  # of files that were passed over
SHOWN = 20  # unreadable items that are named on a terminal; all stand in the report


async def import_(options: argparse.Namespace, reporter: Reporter) -> int:
    """Imports files, folders or archives as one data set and tells what the doctor found."""
    async with session(options, reporter) as now:
        if options.look_for:
            return await _look_for(now, options.look_for, options.paths)
        if len(options.paths) == 1 and not Path(options.paths[0]).exists() and is_builtin(options.paths[0]):
            record = await now.engine.make_builtin(options.paths[0])
        else:
            record = await _imported(now, options.paths, options.title)
        _tell_report(now, record)
    return 0


async def _look_for(now: Session, dataset: str, paths: list[str]) -> int:
    """Finds the pictures of a data set that are not where they were; 1 where some are still missing."""
    record = found("data set", now.library.datasets(), dataset)
    before, begun = len(_lost(now, record)), time.monotonic()
    if not before:
        now.reporter.done(f"{record.title}: no picture is missing", id=record.id, found=0, missing=0)
        return 0

    def tell(progress: Progress) -> None:
        now.reporter.progress(progress.done, progress.total, progress.what, begun)

    await now.engine.look_for(record.id, paths, tell)
    lost = _lost(now, record)
    for source in lost[: None if now.reporter.as_json else SHOWN]:
        now.reporter.note(f"still missing: {source}", "missing", source=source)
    if len(lost) > SHOWN and not now.reporter.as_json:
        now.reporter.note(f"and {len(lost) - SHOWN:,} more")
    text = f"{record.title}: {before - len(lost):,} of {before:,} missing pictures found"
    now.reporter.done(text, id=record.id, found=before - len(lost), missing=len(lost))
    return 1 if lost else 0


def _lost(now: Session, record: DatasetRecord) -> list[str]:
    return now.library.dataset(record.id).missing()


async def data_of(now: Session, text: str) -> DatasetRecord:
    """The data set that ``--data`` means; a folder is imported, a built-in one made. Raises TroubleError."""
    if Path(text).exists() and ("/" in text or "\\" in text or not is_builtin(text)):
        since = time.time()
        record = await _imported(now, [text], "")
        if record.created >= since:
            _tell_notes(now, record, now.library.dataset(record.id).report())
        return record
    try:
        return found("data set", now.library.datasets(), text)
    except TroubleError:
        if not is_builtin(text):
            raise
    return await now.engine.make_builtin(text)


def is_builtin(text: str) -> bool:
    """Whether a text names a built-in data set, with or without options."""
    from models_backend.data.builtin import BUILTIN

    return text.partition(":")[0].strip() in BUILTIN


async def _imported(now: Session, paths: list[str], title: str) -> DatasetRecord:
    begun, since = time.monotonic(), time.time()

    def tell(progress: Progress) -> None:
        now.reporter.progress(progress.done, progress.total, progress.what, begun)

    before = {known.id: known.roots for known in now.library.datasets()}
    try:
        record = await now.engine.import_data(paths, title, tell=tell)
    except asyncio.CancelledError:
        now.reporter.note("import stopped; nothing was added and the sources are untouched", "interrupted")
        raise
    if record.created < since:
        edited = now.library.dataset(record.id).edited()
        edits = f", with its edits ({', '.join(edited)}); `nexus-studio edit {record.id} --as-imported` takes them back"
        said = f"the same items were imported before, as {record.title}: that data set is taken"
        now.reporter.note(said + (edits if edited else ""), "known")
        if record.roots != before.get(record.id, record.roots):
            now.reporter.note(f"its pictures are now taken from {', '.join(record.roots)}", "moved")
    return record


def _passed_over(ignored: Sequence[Unreadable]) -> list[str]:
    """What is no part of the data set, by kind, each with an example and the reason for it."""
    kinds: dict[tuple[str, str], list[Unreadable]] = {}
    for line in ignored:
        kinds.setdefault((line.code, Path(line.source).suffix.lower()), []).append(line)
    said = []
    for (code, suffix), lines in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        files = "file" if len(lines) == 1 else "files"
        kind = f"{suffix} {files}" if suffix and code != "hidden" else files
        said.append(f"passed over: {len(lines):,} {kind}, such as {lines[0].source}: {lines[0].reason}")
    more = [f"and {len(said) - KINDS:,} more kinds of files; all stand in the report"] if len(said) > KINDS else []
    return said[:KINDS] + more


def _tell_notes(now: Session, record: DatasetRecord, report: DoctorReport) -> None:
    """What was not imported, what was passed over, and what else the report says."""
    for bad in report.unreadable[: None if now.reporter.as_json else SHOWN]:
        now.reporter.note(f"not imported: {bad.source}: {bad.reason}", "unreadable", source=bad.source, code=bad.code)
    if len(report.unreadable) > SHOWN and not now.reporter.as_json:
        rest = len(report.unreadable) - SHOWN
        now.reporter.note(f"and {rest} more; all stand in {now.library.dataset(record.id).layout.report}")
    for passed in _passed_over(report.ignored):
        now.reporter.note(passed, "ignored")
    attributes = ", ".join(f"{one.name} ({one.span})" for one in record.attributes[:SHOWN])
    told = f"attributes: {attributes}" + (", ..." if len(record.attributes) > SHOWN else "") if attributes else ""
    for note in filter(None, (report.split_note, told, *report.notes)):
        now.reporter.note(note)


def _tell_report(now: Session, record: DatasetRecord) -> None:
    report = now.library.dataset(record.id).report()
    _tell_notes(now, record, report)
    text = (
        f"{record.title}: {record.count:,} imported, {len(report.unreadable)} not, {report.exact_duplicates} exact and "
        f"{report.near_duplicates} near duplicates, {report.train:,} to train, {report.validation:,} held out. Id {record.id}"
    )
    now.reporter.done(
        text, id=record.id, title=record.title, count=record.count, unreadable=len(report.unreadable), found=report.found,
        exact_duplicates=report.exact_duplicates, near_duplicates=report.near_duplicates, seconds=round(report.took_s, 2),
    )  # fmt: skip
