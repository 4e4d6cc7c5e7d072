"""The session: everything the panels share, and what comes back after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from PySide6.QtCore import QObject, Signal

from models_backend.contract.messages import Progress, State, Trouble, TroubleError
from models_backend.contract.run_layout import DatasetRecord, JobRecord, SampleRecord
from models_backend.contract.words import counted, sentence
from models_backend.library.remarks import nothing_in, users
from models_backend.library.trash import same_data

from ..bridge import Bridge, trouble_of
from ..naming import plain
from .catalogue import Catalogue
from .datasets import Datasets
from .edits import Deleting, makers
from .jobs import Activity, Jobs
from .opening import holds_nothing, with_state
from .outside import Outside
from .preferences import Preferences
from .run_view import LIVE_STATES
from .runs import Runs
from .samples import Samples
from .standing import LibraryWatch
from .undo import UndoStack
from .verdicts import Verdicts

#: Where what no sampling made is opened, by its kind.
_OPENED_IN = {"weights": "train", "path": "latent"}


class Session(QObject):
    """Models of the library's contents, the choices, undo, preferences, and ways to go somewhere.

    ``navigate(panel key, what)``: a panel asks the window to show another one with something in it; ``what`` is a
    dictionary such as {"sample": id}, {"run": id}, {"dataset": id} or {"family": key}.
    """

    navigate = Signal(str, object)
    ready = Signal()  # the engine is there and the first records are read
    dropped = Signal(object)  # list[str] of paths, before ``open_paths`` decides

    def __init__(self, bridge: Bridge, preferences: Preferences | None = None):
        super().__init__()
        self.bridge = bridge
        self.preferences = preferences or Preferences()
        self.catalogue = Catalogue(bridge)
        self.datasets = Datasets(bridge)
        self.runs = Runs(bridge)
        self.jobs = Jobs(bridge)
        self.samples = Samples(bridge)
        self.undo = UndoStack()
        self.standing = LibraryWatch(bridge)
        self.standing.came_back.connect(lambda: bridge.spawn(self._look_again()))
        self.outside = Outside(self)
        self.standing.stands.connect(lambda: bridge.spawn(self.outside.look()))
        self.verdicts = Verdicts(self.preferences)
        self._failed: set[str] = set()  # runs of which it was said
        self._troubles: dict[str, Trouble] = {}  # run -> what it said last of what is wrong
        bridge.title_of = self.title_of
        self.is_ready = False
        self._remember()
        self.catalogue.changed.connect(self._restore_family)
        bridge.engine_ready.connect(self._begin)
        bridge.told.connect(self._tell)
        if bridge.engine is not None:
            self._begin()

    # ------------------------------------------------------------------------------- beginning and choices

    def _begin(self) -> None:
        self.bridge.spawn(self.load())

    async def load(self) -> None:
        """Reads what the library holds and chooses again what was chosen."""
        self.catalogue.refresh()
        self.jobs.refresh()
        await self.outside.look()
        await self.datasets.load()
        if any(self.preferences.get(f"data/settings/{record.id}") is not None for record in self.datasets.records):
            await self.datasets.adopt(self.preferences)
        await self.runs.load()
        self._restore_choices()
        for job in self.jobs.records:
            self.runs.view(job.run)
        self._bring_back_undo()
        self.is_ready = True
        self.ready.emit()

    async def _look_again(self) -> None:
        """The library's folder was gone and is back."""
        self.bridge.notice("The library's folder is back; everything goes on.")
        self.jobs.refresh()
        await self.datasets.load()
        await self.runs.load()
        self.samples.changed.emit()

    def _bring_back_undo(self) -> None:
        """Takes up what an earlier window could undo in this library, and keeps from now on what this one can."""
        if not self.is_ready:
            kept, root = self.preferences.companion("undo"), str(self.bridge.library.layout.root)
            self.undo.bring_back(kept.get(root, {}), makers(self))
            self.undo.changed.connect(lambda: kept.set(root, self.undo.told()))

    def _restore_choices(self) -> None:
        kept = self.preferences.get
        dataset, run = kept("chosen/dataset", ""), kept("chosen/run", "")
        if self.datasets.get(dataset):
            self.datasets.set_current(dataset)
        elif self.datasets.records and not self.datasets.current:
            self.datasets.set_current(self.datasets.records[0].id)
        if self.runs.get(run):
            self.runs.set_current(run)
        self._restore_family()

    def _restore_family(self) -> None:
        """The family that was chosen before, once it is described and while none is chosen."""
        kept = self.preferences.get("chosen/family", "")
        if not self.catalogue.current and self.catalogue.get(kept):
            self.catalogue.set_current(kept)

    def _remember(self) -> None:
        keep = self.preferences.set
        self.datasets.current_changed.connect(lambda dataset: keep("chosen/dataset", dataset))
        self.runs.current_changed.connect(lambda run: keep("chosen/run", run))
        self.catalogue.current_changed.connect(lambda family: keep("chosen/family", family))

    def _tell(self, event) -> None:
        if event.source == "catalogue":
            self.catalogue.refresh()
        if isinstance(event.body, Trouble) and not event.seq:  # told in passing: nothing failed that would say it again
            self.bridge.trouble.emit(plain(event.body, self.title_of))
        elif isinstance(event.body, Trouble):
            self._troubles[event.source] = event.body
        elif isinstance(event.body, State):
            self._tell_failure(event.source, event.body)

    def _tell_failure(self, source: str, state: State) -> None:
        """Says once that a run failed; its job, which says the same, is heard only where the run could not speak."""
        job = next((job for job in self.jobs.records if job.id == source), None)
        run = job.run if job is not None else source
        if state.state != "failed":
            over = self._troubles.pop(run, None)
            if over is not None and state.state == "running":  # something that it got over: a damaged checkpoint, say
                self.bridge.trouble.emit(plain(over, self.title_of))
            self._failed.discard(run)
        elif state.reason and run not in self._failed:
            self._failed.add(run)
            trouble = self._troubles.get(run) or Trouble(state.reason)
            title = self.title_of(run) or (job.title if job else "")
            self.bridge.trouble.emit(plain(msgspec.structs.replace(trouble, item=title), self.title_of))

    def title_of(self, item: str) -> str:
        """The title of a run, data set, sample or job; "" for what is not known here."""
        known = self.runs.get(item) or self.datasets.get(item) or next((j for j in self.jobs.records if j.id == item), None)
        return known.title if known is not None else self.samples.titles.get(item, "")

    @contextlib.asynccontextmanager
    async def under_way(self, title: str, kind: str = "", item: str = "", of: str = "") -> AsyncIterator[Activity]:
        """Something long that the studio does: shown in the jobs bar with a way to stop it; a failure is kept as a verdict of
        ``kind`` on ``item`` (a title) until it is dismissed or a new try succeeds."""
        task = asyncio.current_task()
        activity = self.jobs.begin(title, task.cancel if task else None)
        try:
            yield activity
        except Exception as error:
            if kind:
                self.verdicts.add(kind, item or title, plain(trouble_of(error), self.title_of), of)
            raise
        else:
            self.verdicts.clear(kind, of, item or title)
        finally:
            self.jobs.end(activity)

    def before_first(self, run: str, checkpoint: str = "") -> Progress:
        """What goes on until a worker tells more of what is asked of a run: while it trains its own worker answers, between two
        steps; else, and for a ``checkpoint``, the model is loaded."""
        state = None if checkpoint else self.runs.states.get(run)
        phase = self.jobs.phase(run, state.state) if state is not None else ""
        words = {
            "starting": "waiting for the run to start",
            "running": "waiting for the training step to end",
            "pausing": "waiting for the training step to end",
            "paused": "preparing the first step; the run stays paused",
        }
        return Progress(0, 0, words.get(phase, "loading the model, then the first step"))

    # ------------------------------------------------------------------------------------- opening things

    def open_paths(self, paths: list[str], outcome: str = "") -> asyncio.Task | None:
        """Does with dropped or chosen paths what ``outcome`` says, or what they are: an exported file brings its
        state back, everything else is imported."""
        if not paths:
            return None
        if self.bridge.library is None:
            self.bridge.notice("The library is still opening; try again in a moment.")
            return None
        return self.bridge.spawn(self._open([str(path) for path in paths], outcome))

    async def _open(self, paths: list[str], outcome: str) -> None:
        if outcome == "captions":
            await self.add_captions(paths)
            return
        states = await self.bridge.threaded(with_state, paths)
        if outcome == "state" and not states:
            raise TroubleError(
                "this file carries no state of the studio", Path(paths[0]).name, "The file was only read.",
                "Files exported with “leave the metadata out” cannot bring their state back; import it as data instead.",
            )  # fmt: skip
        if await self.bridge.threaded(holds_nothing, paths):
            raise nothing_in(paths)
        others = [path for path in paths if path not in states]
        if states:
            await self._open_state(states, others)
        if others:
            await self.import_paths(others, show=not states)

    async def _open_state(self, states: dict[str, SampleRecord], others: list[str]) -> None:
        """Goes to the state of the first exported file, and says what becomes of whatever else was given with it."""
        names = [Path(path).name for path in states]
        record = next(iter(states.values()))
        has_run = self.runs.get(record.run) is not None
        known = has_run or record.id in {one.id for one in await self.samples.page(0, 1 << 30)}
        weights, said = record.kind == "weights", []
        if known:
            where = _OPENED_IN.get(record.kind, "sample") if has_run else "sample"
            self.navigate.emit(where, {"state": record, "sample": record.id, "run": record.run})
        elif weights:
            said.append(f"“{names[0]}” holds the weights of a run that is not in this library: they cannot be loaded here.")
        else:
            said.append(f"“{names[0]}” was made by a run that is not in this library: its state cannot be opened.")
        if len(names) > 1:
            more = counted(len(names) - 1, "other exported file", "other exported files")
            said.append(f"{more} can be opened one at a time; as data, import the folder that holds them.")
        if others:
            said.append(f"{counted(len(others), 'other is', 'others are')} imported as a new data set.")
        if said and known:
            said.insert(0, f"“{names[0]}” opened {'its run' if weights else 'the state that made it'}.")
        if said:
            self.bridge.notice(" ".join(said))

    async def import_paths(self, paths: list[str], title: str = "", settings=None, show: bool = True) -> DatasetRecord:
        """Imports paths as a new data set, with its progress in the jobs bar, chooses it and, with ``show``, goes to it."""
        names = Path(paths[0]).name + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
        begun = time.time()
        async with self.under_way(f"Importing {names}", "import", names) as activity:
            try:
                record = await self.bridge.engine.import_data(paths, title=title, settings=settings, tell=activity.tell)
            except asyncio.CancelledError:
                self.bridge.notice(f"Import of {names} was cancelled; nothing was added.")
                raise
        await self._show_new(record, show)
        if record.created < begun:
            await self._tell_known(record)
        else:
            await self._tell_newer(record)
        return record

    async def _tell_newer(self, record: DatasetRecord) -> None:
        """Says what a new data set has of one that was imported from the same folder, and that the same lies in the trash."""
        report = await self.datasets.report(record.id)
        if report is not None and report.newer:
            self.bridge.notice(f"{report.newer}.")
        _, said = await self.bridge.threaded(same_data, self.bridge.library.layout, record.id)
        if said:
            self.bridge.notice(f"{sentence(said)}: delete this one to bring that one back.")

    async def _tell_known(self, record: DatasetRecord) -> None:
        """The same items were imported before: that data set is shown, with its edits and what this import found."""
        await self.datasets.report(record.id)
        edited = await self.bridge.threaded(self.bridge.library.dataset(record.id).edited)
        edits = f" with its edits ({', '.join(edited)})" if edited else ""
        self.bridge.notice(f"The same items were imported before: “{record.title}” is shown{edits}.")

    async def make_builtin(self, name: str) -> DatasetRecord:
        """Makes a built-in data set (or finds it) and chooses it."""
        async with self.under_way(f"Making {name}", "import", name) as activity:
            record = await self.bridge.engine.make_builtin(name, tell=activity.tell)
        await self._show_new(record)
        return record

    async def _show_new(self, record: DatasetRecord, show: bool = True) -> None:
        await self.datasets.load()
        self.datasets.set_current(record.id)
        if show:
            self.navigate.emit("data", {"dataset": record.id})

    def delete(self, kind: str, key: str, title: str) -> None:
        """Moves a data set, run or sample to the trash; undo brings it back. ``kind``: "dataset" "run" "sample"."""
        needed_by = users(kind, key, self.runs.records, self._is_live)
        text = f"Move “{title}” to the trash"
        self.undo.push_kept(text, Deleting(self, [(kind, key)]))
        needed = needed_by.needing()
        self.tell_edit(f"“{title}” is in the trash. Undo brings it back." + (f" {needed}." if needed else ""))
        if trouble := needed_by.trouble(title, "Undo"):
            self.bridge.trouble.emit(trouble)

    def tell_edit(self, text: str) -> None:
        """Says what the last edit did, with a button that takes it back."""
        self.bridge.offered.emit(text, self.undo.offer())

    def is_held(self, job: JobRecord) -> bool:
        """Whether the run of a job that a worker has is paused, or about to be."""
        state = self.runs.states.get(job.run)
        return state is not None and self.jobs.phase(job.run, state.state) in ("pausing", "paused")

    def _is_live(self, run: str) -> bool:
        state = self.runs.states.get(run)
        return state is not None and state.state in LIVE_STATES

    async def reload(self) -> None:
        await self.datasets.load()
        await self.runs.load()
        self.samples.refresh()
        await self.forget_gone()

    async def forget_gone(self) -> None:
        """Drops the edits that moved to the trash what was restored from it, or freed for good, since."""
        for edit in self.undo.kept():
            if isinstance(edit, Deleting):
                await edit.forget_if_gone()

    async def add_captions(self, paths: list[str]) -> int:
        """Adds captions from side files or a table to the chosen data set, as one edit that can be undone."""
        from .captions import read_captions

        dataset = self.datasets.current
        items = await self.datasets.items(dataset)
        found = await self.bridge.threaded(read_captions, paths, items)
        if not found:
            raise TroubleError("no caption matches an item of the data set", Path(paths[0]).name, "Nothing was changed.",
                               "Name a side file like its picture, or give a table with file_name and text.")  # fmt: skip
        self.datasets.edit(self.undo, dataset, f"Add {counted(len(found), 'caption')}", captions=found)
        self.tell_edit(f"{len(found):,} of {counted(len(items), 'item')} got a caption. Undo takes them back.")
        return len(found)
