"""``import PATH``, and what ``--data`` may be: a data set of the library, a folder, or a built-in name."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from models_backend.contract import names
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, DoctorReport, Unreadable
from models_backend.contract.words import counted
from models_backend.engine.terminal import Reporter
from models_backend.library import accounting, showing, titles, trash
from models_backend.library.datasets import DatasetFolder
from models_backend.library.source_paths import as_path, as_text

from .session import Session, fitting, found, named_so, refuse_deleted, session
from .telling import teller

NO_PATH = "there is no file or folder of that name"
KINDS = 8  # of files that were passed over
MANY = 5_000  # pictures that are not looked for one by one while the folders that they came from are there
SHOWN = 20  # unreadable items that are named on a terminal; all stand in the report


async def import_(options: argparse.Namespace, reporter: Reporter) -> int:
    """Imports files, folders or archives as one data set and tells what the doctor found."""
    async with session(options, reporter) as now:
        if options.look_for:
            return await _look_for(now, options.look_for, options.paths)
        if len(options.paths) == 1 and not Path(options.paths[0]).exists() and not written_as_path(options.paths[0]):
            record = await now.engine.make_builtin(_builtin(options.paths[0]))
        else:
            record = await _imported(now, options.paths, options.title)
        if options.title:
            record = _titled(now, record.id, options.title)
        _tell_report(now, record)
    return 0


async def _look_for(now: Session, dataset: str, paths: list[str]) -> int:
    """Finds the pictures of a data set that are not where they were; 1 where some are still missing."""
    record = known_data(now, dataset)
    before = len(_lost(now, record))
    if not before:
        now.reporter.done(f"{record.title}: no picture is missing", id=record.id, found=0, missing=0)
        return 0

    await now.engine.look_for(record.id, paths, teller(now.reporter))
    lost = _lost(now, record)
    for source in lost[: None if now.reporter.as_json else SHOWN]:
        now.reporter.note(f"still missing: {source}", "missing", source=source)
    if len(lost) > SHOWN and not now.reporter.as_json:
        now.reporter.note(f"and {len(lost) - SHOWN:,} more")
    text = f"{record.title}: {before - len(lost):,} of {counted(before, 'missing picture')} found"
    now.reporter.done(text, id=record.id, found=before - len(lost), missing=len(lost))
    return 1 if lost else 0


def _lost(now: Session, record: DatasetRecord) -> list[str]:
    return now.library.dataset(record.id).missing()


def tell_missing(stored: DatasetFolder, reporter: Reporter) -> None:
    """Says how many pictures of a data set are not where they were, and how they are found."""
    record = stored.imported_record()
    if record.count > MANY and all(os.path.exists(as_path(root)) for root in record.roots):  # noqa: PTH110
        return
    if lost := len(stored.missing()):
        are = "is not where it was" if lost == 1 else "are not where they were"
        way = f"`nexus-studio import FOLDER --look-for {record.id}` finds them in the folder where they are now"
        reporter.note(f"{lost:,} of {counted(record.count, 'picture')} {are}: {way}", "missing", missing=lost)


def meaning(now: Session, text: str) -> DatasetRecord | Path | str:
    """What a name of data means in every command: the path that is there where it is written like one (it has a separator, or
    begins with . or ~); else a data set by its title or id; else a built-in one, as its name; else a file or folder here.
    Raises TroubleError."""
    known, path = now.library.datasets(), _path(text)
    if written_as_path(text) and path.exists():
        return path
    if not named_so(known, text):
        if is_builtin(text):
            return text
        if path.exists():
            return path
    if written_as_path(text) and not fitting(known, text):
        refuse_deleted(now.library, text, "dataset")
        raise TroubleError(NO_PATH, os.path.abspath(path), advice="Check the path and try again")  # noqa: PTH100
    return found(now.library, "data set", text, builtin_names())


def written_as_path(text: str) -> bool:
    """Whether a name is written like a path."""
    return text.startswith((".", "~")) or "/" in text or "\\" in text


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111  also where no user is called so


async def data_of(now: Session, text: str) -> DatasetRecord:
    """The data set that ``--data`` means; a folder is imported, a built-in one made. Raises TroubleError."""
    means = meaning(now, text)
    if isinstance(means, Path):
        if standing := await now.engine.unchanged(means):
            record, at = standing
            when = time.strftime("%d %B %Y, %H:%M", time.localtime(at))
            now.reporter.note(f"{record.title}: unchanged since the import of {when}{_edits(now, record)}", "unchanged")
            return record
        since = time.time()
        record = await _imported(now, [str(means)], "")
        if record.created >= since:
            _tell_notes(now, record, now.library.dataset(record.id).report())
        return record
    _tell_not_read(now, text)
    return await now.engine.make_builtin(means) if isinstance(means, str) else means


def known_data(now: Session, text: str) -> DatasetRecord:
    """The data set of the library that a text means; for a folder the newest that was imported from it. Raises TroubleError."""
    means = meaning(now, text)
    if isinstance(means, Path):
        root = as_text(Path(os.path.abspath(means)))  # noqa: PTH100  as an import does
        record = next((one for one in now.library.datasets() if (root,) in (one.roots, *one.also)), None)
        if record is None:
            raise TroubleError("no data set was imported from it", root, advice="`nexus-studio import` makes one")
        return record
    _tell_not_read(now, text)
    return found(now.library, "data set", text) if isinstance(means, str) else means


def _tell_not_read(now: Session, text: str) -> None:
    """Says that a name means a data set where a folder or file here has it too."""
    if not written_as_path(text) and Path(text).exists():
        thing = "folder" if Path(text).is_dir() else "file"
        said = f"“{text}” is the data set of that name; the {thing} of that name here is not read. To read it: ./{text}"
        now.reporter.note(said, "not read")


def check_data(now: Session, text: str) -> None:
    """Raises TroubleError where ``--data`` names nothing, before anything is read or loaded."""
    from models_backend.data.builtin import parse

    means = meaning(now, text)
    if isinstance(means, str):
        parse(means)


def _builtin(text: str) -> str:
    """The built-in data set that a text names which is no path here. Raises TroubleError."""
    if not is_builtin(text):
        near = names.meant(text.partition(":")[0], builtin_names())
        advice = f"{near}Check the path, or name a built-in data set: {', '.join(builtin_names())}"
        raise TroubleError(NO_PATH, text, "Nothing was added", advice)
    return text


def builtin_names() -> list[str]:
    """What the built-in data sets are called, without options."""
    from models_backend.data.builtin import BUILTIN

    return list(BUILTIN)


def is_builtin(text: str) -> bool:
    """Whether a text names a built-in data set, with or without options."""
    return text.partition(":")[0].strip() in builtin_names()


async def _imported(now: Session, paths: list[str], title: str) -> DatasetRecord:
    since = time.time()
    before = {known.id: known for known in now.library.datasets()}
    try:
        record = await now.engine.import_data(paths, title, tell=teller(now.reporter))
    except asyncio.CancelledError:
        now.reporter.note("import stopped; nothing was added and the sources are untouched", "interrupted")
        raise
    record = now.library.dataset(record.id).record()  # with its edits
    if record.created < since:
        said = f"the same items were imported before, as {record.title}: that data set is taken"
        now.reporter.note(said + _edits(now, record), "known")
        stood = before.get(record.id, record)
        if record.roots != stood.roots:
            now.reporter.note(f"its pictures are now taken from {', '.join(record.roots)}", "moved")
        for roots in set(record.also) - {stood.roots, *stood.also}:
            now.reporter.note(f"what is not in {', '.join(record.roots)} any more is taken from {', '.join(roots)}", "also")
        return record
    entry, said = trash.same_data(now.library.layout, record.id)
    if entry is not None:
        back = f"`nexus-studio delete {record.id}`, then `nexus-studio trash --restore {entry.id}` brings it back"
        now.reporter.note(f"{said}: {back}", "deleted")
    return record


def _titled(now: Session, dataset: str, title: str) -> DatasetRecord:
    """A data set that may have stood already, under the title that was asked for; that is an edit like any other."""
    stored = now.library.dataset(dataset)
    before = stored.record()
    if titles.free(now.library.layout, "dataset", title, but=dataset) == before.title:
        return before
    stored.rename(title)
    record = stored.record()
    back = f"`nexus-studio edit {dataset} {shlex.quote(f'--title={before.title}')}` takes that back"
    now.reporter.note(f"it was called “{before.title}” and is called “{record.title}” now; {back}", "title")
    return record


def _edits(now: Session, record: DatasetRecord) -> str:
    """Behind the sentence that a data set is taken: that it is taken as it was edited, where it was."""
    edited = now.library.dataset(record.id).edited()
    return f", with its edits ({', '.join(edited)}){_taken_back(record)}" if edited else ""


def _taken_back(record: DatasetRecord) -> str:
    return f"; `nexus-studio edit {record.id} --as-imported` takes them back"


def _passed_over(ignored: Sequence[Unreadable]) -> list[str]:
    """What is no part of the data set, by kind, each with an example and the reason for it."""
    kinds: dict[tuple[str, str], list[Unreadable]] = {}
    for line in ignored:
        kinds.setdefault((line.code, Path(line.source).suffix.lower()), []).append(line)
    said = []
    for (code, suffix), lines in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        files = counted(len(lines), f"{suffix} file" if suffix and code != "hidden" else "file")
        said.append(f"passed over: {files}, such as {lines[0].source}: {lines[0].reason}")
    more = [f"and {counted(len(said) - KINDS, 'more kind')} of files; all stand in the report"] if len(said) > KINDS else []
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
    for note in filter(None, (report.split_note, told, showing.seen_at(record), *accounting.colours(report), *report.notes)):
        now.reporter.note(note)
    odd = _copies(now, record, report).odd
    for note in odd:
        now.reporter.note(note, "copies")
    if odd:
        way = "keeps one of each, one with a caption where there is one"
        now.reporter.note(f"`nexus-studio edit {record.id} --leave-out-duplicates` {way}", "advice")
    if report.newer:
        edited = now.library.dataset(record.id).edited()
        now.reporter.note(report.newer + (_taken_back(record) if edited else ""), "newer")


def _copies(now: Session, record: DatasetRecord, report: DoctorReport) -> accounting.Copies:
    if not report.exact_duplicates:
        return accounting.Copies()
    stored = now.library.dataset(record.id)
    return accounting.copies(stored.items(), stored.record().classes)


def _tell_report(now: Session, record: DatasetRecord) -> None:
    """What came of an import."""
    report = now.library.dataset(record.id).report()
    _tell_notes(now, record, report)
    copied = _copies(now, record, report).named
    came, known = accounting.outcome(report, record.modality, copied), accounting.counts(report)
    text = f"{record.title}: {came} {report.train:,} to train, {report.validation:,} held out. Id {record.id}"
    now.reporter.done(
        text, id=record.id, title=record.title, count=record.count, unreadable=len(report.unreadable), found=report.found,
        exact_duplicates=report.exact_duplicates, near_duplicates=report.near_duplicates, seconds=round(report.took_s, 2),
        pictures=known["pictures"], same_file=known["same_file"], failed=known["failed"], passed_over=known["passed_over"],
    )  # fmt: skip
