"""What must hold inside each run, data set, sample, job and study: the checks that :mod:`.fsck` puts together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from models_backend.contract.messages import Event, Preview, Saved, TroubleError
from models_backend.contract.run_layout import (
    DatasetLayout,
    DatasetRecord,
    LibraryLayout,
    RunLayout,
    RunRecord,
    SampleLayout,
    SampleRecord,
    StudyRecord,
    TrashEntry,
)
from models_backend.contract.words import counted

from . import checkpoints, folders, guarding, storage
from .datasets import DatasetFolder, read_items
from .edits import Edits
from .events import decode_line, lines_of
from .finding import Finding
from .samples import array_sha256, read_arrays
from .trouble import explain


class References(NamedTuple):
    """What a reference may point at: ids by kind, and what was deleted."""

    known: dict[str, set[str]]
    gone: dict[tuple[str, str], TrashEntry]

    def check(self, item: str, kind: str, name: str, what: str) -> Iterator[Finding]:
        """A finding where ``name`` is not in the library; only a note where the user deleted it."""
        if not name or name in self.known[kind]:
            return
        word = "data set" if kind == "dataset" else kind
        if (kind, name) in self.gone:
            yield Finding("note", item, f"its {what} {name} was deleted")
        else:
            yield Finding("warning", item, f"its {what} {name} is not in the library (no {word} of that id)")


def shown(layout: LibraryLayout, path: Path) -> str:
    """A path relative to the library, with characters that a terminal would act on escaped."""
    try:
        path = path.relative_to(layout.root)
    except ValueError:
        return str(path)
    return path.as_posix().encode("unicode_escape", "surrogateescape").decode("ascii")


def _record(layout: LibraryLayout, kind: str, name: str, found: list[Finding]) -> Any:
    """The record, or None with a finding."""
    path = folders.record_path(layout, kind, name)
    try:
        record = storage.read_json(path, folders.RECORDS[kind])
    except TroubleError as error:
        found.append(Finding("error", shown(layout, path), error.trouble.what, "record"))
        return None
    if record.id != name:
        found.append(Finding("error", shown(layout, path), f"it says that its id is {record.id!r}", "record"))
        return None
    return record


def _tried(layout: LibraryLayout, path: Path, read: Callable[[Path], Any], found: list[Finding], mend: str = "") -> Any:
    """What ``read`` makes of a file, or None with a finding."""
    try:
        return read(path)
    except TroubleError as error:
        found.append(Finding("error", shown(layout, path), error.trouble.what, mend))
        return None


# ---------------------------------------------------------------------------------------------------- runs


def check_run(layout: LibraryLayout, name: str, references: References, deep: bool) -> Iterator[Finding]:
    """A run: record, events, checkpoints, previews, and the runs and data it refers to."""
    run, found = layout.run(name), []
    record: RunRecord | None = _record(layout, "run", name, found)
    if record is not None:
        found += references.check(f"runs/{name}", "dataset", record.dataset, "data set")
        for part, other in record.parts.items():
            found += references.check(f"runs/{name}", "run", other, f"part {part}")
    for path in (run.proof, run.evaluation):
        if path.exists():
            _tried(layout, path, lambda path: storage.read_json(path, Any), found, "trash")
    if run.known.exists():
        _tried(layout, run.known, lambda path: storage.read_json(path, Edits), found, "file")
    yield from found
    last = yield from check_events(layout, run)
    yield from _check_checkpoints(layout, run, last.get(Saved), deep)
    preview = last.get(Preview)
    if preview and not (run.root / preview.path).is_file():
        yield Finding("warning", f"runs/{name}", f"its newest preview {preview.path} is not there")
    for path in sorted(run.previews.glob("*.npz")) if deep and run.previews.is_dir() else ():
        found = []
        _tried(layout, path, read_arrays, found, "trash")
        yield from found


def check_events(layout: LibraryLayout, run: RunLayout) -> Iterator[Finding]:
    """Numbers from 1 without a gap, every line readable; gives (returns) the last body of each type."""
    expected, last = 1, {}
    if not run.events.exists():
        return last
    item = shown(layout, run.events)
    try:
        file = guarding.reading(run.events)
    except OSError as error:
        yield Finding("error", item, explain(error, "it cannot be read").trouble.what)
        return last
    with file:
        for number, line in enumerate(lines_of(file), 1):
            if not line.endswith(b"\n"):
                yield Finding("note", item, f"its last line is torn ({len(line)} bytes); the next event cuts it", "tail")
                break
            event = _event(line, run.events)
            if event is None:
                yield Finding("error", item, f"line {number} is damaged", "events")
                continue
            if event.seq != expected:
                yield Finding("error", item, f"line {number} has number {event.seq} instead of {expected}", "events")
            expected = event.seq + 1
            last[type(event.body)] = event.body
    return last


def _event(line: bytes, path: Path) -> Event | None:
    try:
        return decode_line(line, path)
    except TroubleError:
        return None


def _check_checkpoints(layout: LibraryLayout, run: RunLayout, saved: Saved | None, deep: bool) -> Iterator[Finding]:
    every = checkpoints.every(run)
    for one in every:
        if reason := checkpoints.flaw(one, deep):
            yield Finding("error", shown(layout, one.root), reason, "trash")
    for path in sorted(run.checkpoints.glob("step-*")):
        if guarding.is_file(path):
            yield Finding("error", shown(layout, path), "a file stands in place of a checkpoint's folder", "trash")
    newest = every[0].name if every else ""
    if saved and newest < Path(saved.path).name:  # a newer one may stand: a worker may die before it tells what it saved
        others = f"; {len(every)} others are" if every else ""
        yield Finding("error", f"runs/{run.id}", f"its newest checkpoint {saved.path} is not there{others}")


# ----------------------------------------------------------------------------------------------- data sets


def check_dataset(layout: LibraryLayout, name: str, references: References, deep: bool) -> Iterator[Finding]:
    """A data set: record, items, report, edits and cached arrays."""
    dataset, found = layout.dataset(name), []
    record: DatasetRecord | None = _record(layout, "dataset", name, found)
    items = _tried(layout, dataset.items, read_items, found)
    folder = DatasetFolder(dataset)
    if dataset.report.exists():
        _tried(layout, dataset.report, lambda _: folder.report(), found)
    edits = _tried(layout, dataset.edits, lambda _: folder.edits(), found, "file")
    if record is not None and items is not None:
        found += _check_items(layout, dataset, record, len(items))
        edited = {*edits.captions, *edits.labels, *edits.left_out, *edits.attributes} if edits else set()
        beyond = [index + 1 for index in edited if not 0 <= index < record.count]
        found += [Finding("error", shown(layout, dataset.edits), f"it changes item {i}, which is not there") for i in beyond]
    yield from found
    yield from _check_cache(layout, dataset, deep)


def _check_items(layout: LibraryLayout, dataset: DatasetLayout, record: DatasetRecord, count: int) -> Iterator[Finding]:
    if count != record.count:
        yield Finding("error", shown(layout, dataset.items), f"it has {counted(count, 'item')} instead of {record.count}")
    if record.fingerprint[:16] != record.id:
        yield Finding("error", shown(layout, dataset.record), "its id is not the beginning of its fingerprint")


def _check_cache(layout: LibraryLayout, dataset: DatasetLayout, deep: bool) -> Iterator[Finding]:
    for meta in sorted(dataset.cache.glob("*.json")) if dataset.cache.is_dir() else ():
        array, found = meta.with_suffix(".npy"), []
        known = _tried(layout, meta, lambda path: storage.read_json(path, dict), found, "cache") or {}
        yield from found
        if array.exists() and (reason := array_flaw(array) or (_content_flaw(array, known) if deep else "")):
            yield Finding("error", shown(layout, array), reason, "cache")


def _content_flaw(path: Path, known: dict[str, Any]) -> str:
    """Whether an array has another content than it was written with; older ones were written without a checksum."""
    told = known.get("sha256")
    return "its content does not match its checksum" if told and guarding.sha256(path) != told else ""


def array_flaw(path: Path) -> str:
    """What is wrong with an .npy file by its header and size; "" where it is whole. The content is not read."""
    import numpy as np

    try:
        with guarding.reading(path) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            expected = file.tell() + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            size = file.seek(0, 2)
    except (ValueError, OSError) as error:
        return f"it is damaged: {error}"
    return "" if size == expected else f"it has {size} bytes instead of {expected}"


# ----------------------------------------------------------------------------------------- samples and jobs


def check_sample(layout: LibraryLayout, name: str, references: References, deep: bool) -> Iterator[Finding]:
    """A sample: record, items against their checksum, trace, and the run it was made with."""
    sample, found = layout.sample(name), []
    record: SampleRecord | None = _record(layout, "sample", name, found)
    if record is not None:
        found += references.check(f"samples/{name}", "run", record.run, "run")
    yield from found
    if deep:
        yield from _check_arrays(layout, sample, record)
    elif not sample.items.is_file():
        yield Finding("error", shown(layout, sample.items), "it is not there", "trash")


def _check_arrays(layout: LibraryLayout, sample: SampleLayout, record: SampleRecord | None) -> Iterator[Finding]:
    found: list[Finding] = []
    arrays = _tried(layout, sample.items, read_arrays, found, "trash")
    if arrays is not None and record is not None:
        items = arrays.get("items")
        if items is None or (record.items_sha256 and array_sha256(items) != record.items_sha256):
            found.append(Finding("error", shown(layout, sample.items), "its content does not match its checksum", "trash"))
        elif len(items) != record.count:
            found.append(
                Finding("error", shown(layout, sample.items), f"it has {counted(len(items), 'item')} instead of {record.count}")
            )
    if sample.trace.exists():
        _tried(layout, sample.trace, read_arrays, found, "trash")
    elif record is not None and record.trace is not None:
        found.append(Finding("error", shown(layout, sample.trace), "it is not there"))
    yield from found


def check_job(layout: LibraryLayout, name: str, references: References, deep: bool) -> Iterator[Finding]:
    """A job of the queue and the runs it names."""
    found: list[Finding] = []
    job = _record(layout, "job", name, found)
    if job is not None:
        for run in (job.run, *job.after):
            found += references.check(f"jobs/{name}.json", "run", run, "run")
    yield from found


def check_studies(layout: LibraryLayout, references: References) -> Iterator[Finding]:
    """Every study, and the samples of the pairs that are still to be judged."""
    for path in sorted(layout.studies.glob("[!.]*.json")):
        found: list[Finding] = []
        study = _tried(layout, path, lambda path: storage.read_json(path, StudyRecord), found, "file")
        if study is not None and not study.ended:
            answered = {answer.pair for answer in study.answers}
            waiting = [pair for place, pair in enumerate(study.pairs) if place not in answered]
            for name in sorted({item.sample for pair in waiting for item in (pair.left, pair.right)}):
                found += references.check(shown(layout, path), "sample", name, "sample")
        yield from found
