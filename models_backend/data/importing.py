"""Import: find, read, decode (confined), examine, and write a data set whole or not at all. Sources are only read.

Pictures are decoded once, to the 64 px thumbnails that the window shows and, where settings ask for another form, to that too.
Rows wait in an unnamed temporary file, so that a killed import leaves nothing behind.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from models_backend.contract.messages import Progress, TroubleError
from models_backend.contract.run_layout import DatasetRecord, DoctorReport, LibraryLayout
from models_backend.contract.settings import DataSettings
from models_backend.library import storage, table_kinds, unchanged
from models_backend.library.datasets import read_items
from models_backend.library.trouble import explained

from . import (
    cache,
    doctor,
    folder,
    labels,
    looking,
    moving,
    places,
    point_files,
    recording,
    side_files,
    splits,
    tables,
)
from .intake import Intake, Spool, batches, targets_for
from .opening import Opener
from .pool import Pool
from .sources import Found, as_text
from .watch import Watch


def import_paths(
    library: object, paths: Sequence[str | Path], title: str = "", settings: DataSettings | None = None,
    tell: Callable[[Progress], None] | None = None, cancelled: Callable[[], bool] | None = None, pool: Pool | None = None,
) -> tuple[DatasetRecord, DoctorReport]:  # fmt: skip
    """Imports files, folders and archives into ``library`` (a Library, or the path of its root).

    Raises TroubleError where nothing can be imported or the library cannot be written, and watch.Cancelled; then nothing
    has been added. The same pictures with the same labels and captions give the data set that is there already. ``pool``:
    decoders that are under way already; they are ended with the import."""
    root = Path(getattr(getattr(library, "layout", None), "root", None) or library)
    started, watch = time.perf_counter(), Watch(tell, cancelled)
    home = LibraryLayout(root).datasets
    if len(paths) == 1 and table_kinds.is_one(paths[0]) and Path(paths[0]).is_file():
        table = Path(paths[0])
        told = table_kinds.told(table)
        if told.kind == "points":
            with explained("the data set cannot be written", str(root), "nothing was added; the sources are untouched"):
                storage.make_folder(home)
                return point_files.bring(root, table, title)
        if told.kind != "pictures":
            raise TroubleError(told.why_not, as_text(table), "nothing was added")
        paths = [table.absolute().parent]
    with explained("the data set cannot be written", str(root), "nothing was added; the sources are untouched"):
        storage.make_folder(home)
        looked = unchanged.look(paths) if settings is None else None  # before the first file is read
        with pool or Pool() as pool, Opener() as opener:
            found = looking.look_below(paths, opener, watch)
            spools = [Spool(t, tempfile.TemporaryFile(dir=home)) for t in targets_for(settings)]  # noqa: SIM115
            try:
                intake = Intake(found, opener, spools, watch)
                watch.begin("Reading pictures", len(found.pictures))
                pool.run(batches(found.pictures), intake.load, [spool.target for spool in spools], intake.take)
                return _write(root, paths, title, settings, intake, started, looked)
            finally:
                for spool in spools:
                    spool.file.close()


# ------------------------------------------------------------------------------------------------ words


def _words(found: Found, opener: Opener) -> labels.Words:
    """Captions, labels and more of everything found; files that turn out to say nothing are ignored with a reason."""
    words, pictures = labels.Words(), places.Pictures(found.pictures)
    used = side_files.read(found.captions, pictures, opener.read, words)
    others = [source for source in found.captions if places.place_of(source) not in used]
    no_tables = tables.read_all([*found.tables, *others], pictures, opener.read, words)
    for source in (*found.tables, *others):
        reason = no_tables.get(places.place_of(source))
        if reason and source in others:
            found.ignore(source.name, "text", "no picture has this name, and it is no table that names pictures")
        elif reason:
            found.ignore(source.name, "table", reason)
    return words


# ------------------------------------------------------------------------------------------------ writing


def _write(root: Path, paths: Sequence[str | Path], title: str, settings: DataSettings | None, intake: Intake,
           started: float, looked: unchanged.Noted | None) -> tuple[DatasetRecord, DoctorReport]:  # fmt: skip
    found, good = intake.found, intake.good()
    words = _words(found, intake.opener)
    unreadable = tuple(sorted((*found.unreadable, *intake.bad()), key=lambda line: line.source))
    if not good:
        raise recording.nothing_imported(paths, unreadable, found)
    classes, attributes, items = recording.items_of(intake, good, words)
    intake.watch.begin("Comparing pictures", 0)
    answers = [intake.answers[p] for p in good]
    looks = np.array([answer.look for answer in answers], np.uint64)
    signatures = np.frombuffer(b"".join(answer.signature for answer in answers), np.uint8).reshape(len(good), -1)
    doctor.mark_duplicates(items, [answer.pixels for answer in answers], looks, signatures)
    split_note = splits.assign(items, classes)
    intake.watch.count(0)
    report = recording.report_of(intake, items, classes, unreadable, words)
    record = recording.record_of(paths, title, items, classes, attributes, answers)
    report.split_note = split_note
    report.took_s = round(time.perf_counter() - started, 3)
    there = moving.standing(root, record, items)
    if there is not None:
        record = moving.take_paths(there, items, record.roots)
        folder.tell_again(there, report)
    else:
        made = record
        record = folder.write_dataset(root, made, items, report, lambda path: _write_caches(path, made, settings, intake, good))
    layout = LibraryLayout(root).dataset(record.id)
    if looked and not unreadable and {item.source for item in read_items(layout.items)} == {item.source for item in items}:
        unchanged.note(layout, looked)
    return record, report


def _write_caches(
    path: Path, record: DatasetRecord, settings: DataSettings | None, intake: Intake, good: Sequence[int]
) -> None:
    for spool, name in zip(
        intake.spools, ("thumbs", "") if settings is None else ("thumbs", cache.cache_name(record, settings))
    ):
        channels = record.channels if name == "thumbs" else cache.channels_of(record, settings)
        shape = (len(good), spool.target.side, spool.target.side, channels)
        folder.write_array(path, name, np.dtype(np.uint8), shape, spool.pieces(good, channels))
