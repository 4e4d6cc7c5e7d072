"""The library: one folder with everything that was imported, trained and made."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import (
    DatasetRecord,
    DoctorReport,
    Item,
    JobRecord,
    LibraryLayout,
    RunRecord,
    SampleRecord,
)

from . import datasets, exports, folders, runs, standing, storage, trash
from .datasets import DatasetFolder
from .edits import Edits
from .following import FollowedIndex
from .index import EVERY, Filter, Index, fits, gathered, newest
from .lock import Lock
from .opening import database, default_root, named_by_variable, prepare_folders, refuse_foreign, require_library, sweep_inside
from .runs import RunFolder
from .samples import SampleFolder
from .trouble import explained, noticed


class Library:
    """An open library. With ``own`` it may list from its index, and no other process can own it meanwhile;
    without, it answers from the folders and only makes runs, data sets and samples (a worker's view)."""

    def __init__(self, layout: LibraryLayout, lock: Lock | None):
        self.layout, self._lock = layout, lock
        self._followed: FollowedIndex | None = None

    @staticmethod
    def open(root: str | Path | None = None, own: bool = True) -> Library:
        """The library at ``root`` (made where there is none); ``default_root()`` without one.

        Raises HeldError (a TroubleError with ``pid``) where another process owns it, TroubleError where it cannot be
        written, is something else than a library, or is from a newer version."""
        layout = LibraryLayout(Path(root).expanduser().absolute() if root else default_root())
        if not own:
            require_library(layout)
            standing.opened(layout.root)
            return Library(layout, None)
        with named_by_variable(layout.root):
            refuse_foreign(layout)
            standing.forget(layout.root)
            with explained("the library cannot be opened", layout.root, "Nothing was changed"):
                storage.make_folder(layout.root)
        lock = Lock(layout.owner_lock)
        lock.acquire("the library is in use", str(layout.root))
        library = Library(layout, lock)
        try:
            library._prepare()
        except BaseException:
            library.abandon()
            raise
        standing.opened(layout.root)
        return library

    def __repr__(self) -> str:
        return f"Library({str(self.layout.root)!r})"

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        """Bring a library of any past into order: what was cut off is finished or undone."""
        layout = self.layout
        with explained("the library cannot be opened", layout.root, "Everything in it is kept"):
            prepare_folders(layout)
            trash.settle(layout)
        with database(layout):
            self._followed = FollowedIndex(layout)
            if not self._followed.clean:
                sweep_inside(layout)

    # ownership ----------------------------------------------------------------------------------------
    @property
    def owned(self) -> bool:
        """Whether this object holds the library."""
        return self._lock is not None and self._lock.held

    @property
    def index(self) -> Index:
        """The index; only the owner has it."""
        if self._followed is None:
            raise TroubleError("only the process that owns the library has its index", str(self.layout.root))
        return self._followed.index

    def close(self) -> None:
        """Let go of the library."""
        if self._followed:
            self._followed.close()
        self._let_go()

    def abandon(self) -> None:
        """Let go without a word, as a killed process would (the next opening compares everything)."""
        if self._followed:
            self._followed.index.abandon()
        self._let_go()

    def _let_go(self) -> None:
        self._followed = None
        if self._lock:
            self._lock.release()

    # making -------------------------------------------------------------------------------------------
    def new_id(self, slug: str) -> str:
        """An id that nothing here has: time, what it is, and four random digits."""
        word = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")[:32].strip("-") or "item"
        while True:
            name = f"{time.strftime('%Y%m%d-%H%M')}-{word}-{secrets.token_hex(2)}"
            if not any(folders.place(self.layout, kind, name).exists() for kind in folders.RECORDS):
                return name

    def create_run(self, record: RunRecord, known: Edits | None = None) -> RunFolder:
        """A new run folder; ``known``: the edits of its data when it is made."""
        if folders.exists(self.layout, "run", record.id):
            raise TroubleError("there is a run of that id already", record.id)
        with noticed(lambda: self.notice("run", record.id)):
            runs.create(self.layout.run(record.id), record, known)
        return self.run(record.id)

    def create_dataset(
        self,
        record: DatasetRecord,
        items: Iterable[Item],
        report: DoctorReport | None = None,
        arrays: dict[str, Any] | None = None,
        metas: dict[str, dict[str, Any]] | None = None,
    ) -> DatasetFolder:
        """A new data set; one of the same content that stands already is given back as it is."""
        with noticed(lambda: self.notice("dataset", record.id)):
            datasets.create(self.layout, record, items, report, arrays, metas)
        return self.dataset(record.id)

    def create_sample(self, record: SampleRecord, items: Any, trace: dict[str, Any] | None = None) -> SampleFolder:
        """A new sample folder."""
        SampleFolder.create(self, record, items, trace)
        return self.sample(record.id)

    # finding ------------------------------------------------------------------------------------------
    def run(self, name: str) -> RunFolder:
        """A run's folder. TroubleError where there is none."""
        self._require("run", name)
        return RunFolder(self.layout.run(name), lambda: self.notice("run", name))

    def dataset(self, name: str) -> DatasetFolder:
        """A data set's folder. TroubleError where there is none."""
        self._require("dataset", name)
        return DatasetFolder(self.layout.dataset(name), lambda: self.notice("dataset", name))

    def sample(self, name: str) -> SampleFolder:
        """A sample's folder. TroubleError where there is none."""
        self._require("sample", name)
        return SampleFolder(self.layout.sample(name), lambda: self.notice("sample", name))

    def _require(self, kind: str, name: str) -> None:
        if folders.exists(self.layout, kind, name):
            return
        if standing.is_gone(self.layout.root):
            raise standing.Gone(str(self.layout.root))
        word = "data set" if kind == "dataset" else kind
        gone = trash.deleted(self.layout).get((kind, name))
        if gone is None:
            raise TroubleError(f"the library has no such {word}", name, advice="It may be in another library")
        day = time.strftime("%d %B %Y", time.localtime(gone.deleted))
        inside = trash.content(self.layout, gone).exists()
        advice = "Restore it from the trash" if inside else "Import or make it again"
        command = f"`nexus-studio trash --restore {Path(gone.path).name}` brings it back" if inside else ""
        raise TroubleError(f"the {word} “{gone.title}” was deleted on {day}", name, advice=advice, command=command)

    def runs(self) -> list[RunRecord]:
        """Every run, newest first."""
        return self._records("run")

    def datasets(self) -> list[DatasetRecord]:
        """Every data set, newest first."""
        return self._records("dataset")

    def samples(self, offset: int = 0, limit: int = 100, narrowed: Filter = EVERY) -> list[SampleRecord]:
        """A page of samples, newest first."""
        if self._followed:
            with database(self.layout):
                self._followed.follow("sample")
                return self.index.samples(offset, limit, narrowed)
        return newest(self._fitting(narrowed))[offset : offset + limit]

    def count(self, narrowed: Filter = EVERY) -> int:
        """How many samples a filter leaves."""
        if self._followed:
            with database(self.layout):
                self._followed.follow("sample")
                return self.index.count("sample", narrowed)
        return len(self._fitting(narrowed))

    def _fitting(self, narrowed: Filter) -> list[SampleRecord]:
        """What a filter leaves, from the folders."""
        every = folders.scan(self.layout, "sample")
        return [record for record in (gathered(every) if narrowed.gathered else every) if fits(record, narrowed)]

    def cells(self, record: SampleRecord) -> list[SampleRecord]:
        """The cells of the grid that a sample is one of, row by row; the sample alone where it is none."""
        if record.grid is None:
            return [record]
        found = self.samples(limit=1_000_000, narrowed=Filter(grid=record.grid.id))
        return sorted(found, key=lambda one: one.grid.place)

    def search(self, text: str, limit: int = 50) -> list[tuple[str, str, str]]:
        """(kind, id, title) of runs, data sets and samples in which the words are found."""
        with database(self.layout):
            return self.index.search(text, limit)

    def _records(self, kind: str) -> list[Any]:
        if self._followed:
            with database(self.layout):
                self._followed.follow(kind)
                return self.index.records(kind)
        found = folders.scan(self.layout, kind)
        return sorted(found, key=lambda r: (r.order, r.id)) if kind == "job" else newest(found)

    # the queue ----------------------------------------------------------------------------------------
    def jobs(self) -> list[JobRecord]:
        """The queue in its order."""
        return self._records("job")

    def put_job(self, job: JobRecord) -> None:
        """Write a job of the queue, new or changed."""
        trouble = explained("the queue cannot be saved", job.title or job.id, "The queue stays as it was")
        with noticed(lambda: self.notice("job", job.id)), trouble:
            storage.write_json(folders.place(self.layout, "job", job.id), job)

    def remove_job(self, name: str) -> None:
        """Take a job off the queue; one that is not there is fine."""
        trouble = explained("the queue cannot be saved", name, "The queue stays as it was")
        with noticed(lambda: self.notice("job", name)), trouble:
            storage.remove(folders.place(self.layout, "job", name))

    # following what others write ----------------------------------------------------------------------
    def notice(self, kind: str, name: str) -> None:
        """Tell the index of one thing that was made, changed or removed (by a worker, say)."""
        if self._followed and kind in folders.RECORDS:
            self._followed.notice(kind, name)

    def note_export(self, path: str | Path, source: str, form: str) -> None:
        """Remember that a file was exported from a sample or run; ``index.exports(source)`` lists them."""
        exported = exports.note(self.layout, path, source, form)
        if self._followed:
            self._followed.notice_export(exported)

    def refresh(self) -> int:
        """Compare everything with the folders; how many records changed. For a thread: it reads every name and stamp."""
        with database(self.layout):
            return self._followed.refresh() if self._followed else 0
