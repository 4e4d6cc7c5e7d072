"""Making samples: batches, live mode (the latest request wins), grids cell by cell, variations, keeping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from models_backend.contract import names
from models_backend.contract.family import DataSpec
from models_backend.contract.messages import Media, Progress, Sample, StartFrom, TroubleError
from models_backend.contract.run_layout import SampleRecord
from models_backend.contract.words import counted, sentence

from ..forms.conditions import of_item
from ..shell.words import activity_figures
from ..state.jobs import Activity
from ..state.session import Session
from ..viewers.modality import to_array

LIVE_PAUSE_MS = 25
Tell = Callable[[Progress], None]


@dataclass
class Made:
    """One item on the screen: where it comes from, and how to make it again. ``checkpoint``: what made it, by its step."""

    request: Sample
    index: int
    sample: str = ""
    checkpoint: str = ""


@dataclass
class Batch:
    """Items that are shown together, with the origin of each. ``took_ms``: the worker's own time."""

    items: np.ndarray
    modality: str
    made: list[Made]
    took_ms: float = 0.0
    samples: list[str] = field(default_factory=list)


def asked_words(made: list[Made], spec: DataSpec, always: bool = False) -> list[str] | None:
    """What each item was asked to be, in a word or two, where they were asked for different things or ``always``; else None. A
    class beside a text is called one: its name is no caption."""
    asked = [of_item(one.request.conditions, one.index, spec) for one in made]
    kinds = [kind for kind in ("class", "text") if always or len({str(one.get(kind)) for one in asked}) > 1]
    if not kinds:
        return None
    both = any("text" in one for one in asked) and "text" in kinds
    return [" · ".join(filter(None, (_asked_word(one, kind, spec, both) for kind in kinds))) for one in asked]


def _asked_word(asked: dict[str, Any], kind: str, spec: DataSpec, both: bool) -> str:
    value = names.class_name(asked.get(kind), spec.classes) if kind == "class" else asked.get(kind)
    if value in (None, ""):
        return ""
    return f"class {value}" if kind == "class" and both else str(value)


def media_of(answer: Any) -> Media:
    """The Media of an answer to Sample."""
    return answer[0] if isinstance(answer, (tuple, list)) else answer


def joined(requests: list[Sample], answers: list[Media]) -> Batch:
    """One batch from the answers to several requests."""
    items = np.concatenate([to_array(media.items) for media in answers])
    made = [Made(r, n, m.sample, m.checkpoint) for r, m in zip(requests, answers) for n in range(m.items.shape[0])]
    samples = [media.sample for media in answers if media.sample]
    return Batch(items, answers[0].modality, made, sum(media.took_ms for media in answers), samples)


def batch_of(record: SampleRecord, items: np.ndarray) -> Batch:
    """A kept sample as it is shown."""
    made = [Made(request_of(record), n, record.id, record.checkpoint) for n in range(len(items))]
    return Batch(items, record.modality, made, samples=[record.id])


def beside(batches: list[Batch]) -> Batch:
    """Several batches as one."""
    made, samples = [one for batch in batches for one in batch.made], [one for batch in batches for one in batch.samples]
    return Batch(np.concatenate([batch.items for batch in batches]), batches[0].modality, made, samples=samples)


def request_of(record: SampleRecord) -> Sample:
    """The request that makes a sample again."""
    traced = record.trace.count if record.trace else 0
    return Sample(
        record.run, record.count, record.seed, record.sampling, record.conditions, record.checkpoint, traced, title=record.title
    )


class SampleWork(QObject):
    """``made`` a Batch to show; ``cell`` one finished cell of a grid; ``busy`` while anything but live mode is under way."""

    made = Signal(object)
    live_made = Signal(object, float)  # Batch, latency in ms
    cell = Signal(int, object)  # index, Batch
    kept = Signal()
    busy = Signal(bool)
    progressed = Signal(float)
    told = Signal(str)  # what is being done for what is under way
    failed = Signal(object)  # Trouble, of live mode only

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._bridge = session.bridge
        self._task: asyncio.Task | None = None
        self._stamp, self._shown_stamp = 0, 0
        self._pending: tuple[Sample, float] | None = None
        self._live_timer = QTimer(self, singleShot=True, interval=LIVE_PAUSE_MS)
        self._live_timer.timeout.connect(self._send_live)

    # ------------------------------------------------------------------------------------------- batches

    @property
    def is_busy(self) -> bool:
        """Whether something is being made."""
        return self._task is not None

    def generate(self, requests: list[Sample]) -> asyncio.Task:
        """Make every request and show them together."""
        title = self.tr("Sampling {0}").format(counted(sum(request.count for request in requests), "item"))
        return self._begin(lambda tell: self._generate(requests, tell), title, requests[0])

    async def _generate(self, requests: list[Sample], tell: Tell) -> None:
        requests, answers = await self._of_one(requests, tell), []
        for place, request in enumerate(requests):
            answers.append(media_of(await self._bridge.engine.call(request, tell)))
            self.progressed.emit((place + 1) / len(requests))
        self.made.emit(joined(requests, answers))
        if any(request.save for request in requests):
            self._session.samples.refresh()

    def make_cells(self, requests: list[Sample]) -> asyncio.Task:
        """Make the cells of a grid one after the other; each is told when it is there."""
        title = self.tr("Sampling a grid of {0}").format(len(requests))
        return self._begin(lambda tell: self._make_cells(requests, tell), title, requests[0])

    async def _of_one(self, requests: list[Sample], tell: Tell) -> list[Sample]:
        """Requests of one press with the checkpoint that all are answered from: of a run in training the newest changes while
        they are made. TroubleError where none is saved yet."""
        run, asked = requests[0].run, requests[0].checkpoint
        if len(requests) < 2 or asked.partition("@")[0]:
            return requests
        folder = self._bridge.library.run(run)
        view = self._session.runs.view(run)
        if view is not None and view.live and not await self._bridge.threaded(folder.checkpoints, True):
            raise TroubleError(
                self.tr("grids and several seeds are made from one saved checkpoint, and none is saved yet"),
                self._session.title_of(run), advice=self.tr("Wait for the first checkpoint, or make one seed"),
            )  # fmt: skip
        kept, damage = await self._bridge.threaded(folder.usable)
        if damage:
            self._bridge.notice(sentence(damage))
        tell(self._session.before_first(run, kept.name))
        return [msgspec.structs.replace(request, checkpoint=f"{kept.name}{asked}") for request in requests]

    async def _make_cells(self, requests: list[Sample], tell: Tell) -> None:
        requests = await self._of_one(requests, tell)
        for place, request in enumerate(requests):
            media = media_of(await self._bridge.engine.call(request))
            tell(Progress(place + 1, len(requests), self.tr("cells")))
            self.cell.emit(place, joined([request], [media]))
            self._session.samples.refresh()
            self.progressed.emit((place + 1) / len(requests))

    def vary(self, record: SampleRecord, item: int, share: float, count: int, seed: int) -> asyncio.Task:
        """``count`` variations of an item: its own recorded state at ``share`` of the way, gone on from with fresh noise."""
        steps = record.trace.steps if record.trace else ()
        step = min(len(steps) - 1, max(0, round(share * (len(steps) - 1))))
        run = self._session.runs.get(record.run)
        asked = of_item(record.conditions, item, run.spec) if run else record.conditions
        base = Sample(record.run, 1, 0, record.sampling, asked, record.checkpoint, save=False)
        requests = [msgspec.structs.replace(base, seed=seed + n, start=StartFrom(record.id, step, item)) for n in range(count)]
        return self._begin(lambda tell: self._vary(requests, tell), self.tr("Varying item {0}").format(item + 1), base)

    async def _vary(self, requests: list[Sample], tell: Tell) -> None:
        answers = [media_of(await self._bridge.engine.call(request, tell)) for request in requests]
        batch = joined(requests, answers)
        self.made.emit(batch)
        if len(requests) > 1 and (batch.items == batch.items[0]).all():
            self._bridge.notice(
                self.tr("All variations are alike: this sampler adds no noise on its way. Choose one that does.")
            )

    def keep(self, batch: Batch, chosen: list[int], trace: int) -> asyncio.Task:
        """Write what was made without saving into the library, by making it again (item n depends on seed and n only)."""
        wanted = [batch.made[index] for index in chosen or range(len(batch.made)) if not batch.made[index].sample]
        title = self.tr("Keeping {0}").format(counted(len(wanted), "item"))
        return self._begin(lambda tell: self._keep(batch, wanted, trace, tell), title, batch.made[0].request)

    async def _keep(self, batch: Batch, wanted: list[Made], trace: int, tell: Tell) -> None:
        while any(not made.sample for made in wanted):
            request = next(made.request for made in wanted if not made.sample)
            saved = msgspec.structs.replace(request, save=True, stamp=0, trace=0 if request.start else trace)
            sample = media_of(await self._bridge.engine.call(saved, tell)).sample
            for made in [*batch.made, *wanted]:
                if made.request == request:
                    made.sample = sample or "kept"
        self.kept.emit()
        self._session.samples.refresh()
        self._bridge.notice(self.tr("Kept in the gallery."))

    def cancel(self) -> None:
        """Give up what is being made."""
        if self._task is not None:
            self._task.cancel()

    def _begin(self, work: Callable[[Tell], Coroutine], title: str, first: Sample) -> asyncio.Task:
        self.cancel()
        activity = self._session.jobs.begin(title, self.cancel)
        activity.changed.connect(lambda: self._tell(activity))
        self._task = self._bridge.spawn(work(activity.tell))
        self._task.add_done_callback(lambda task: self._ended(task, activity))
        self.busy.emit(True)
        activity.tell(self._session.before_first(first.run, first.checkpoint))
        return self._task

    def _tell(self, activity: Activity) -> None:
        if activity.progress is not None and not activity.over:
            self.told.emit(" · ".join(activity_figures(activity)))

    def _ended(self, task: asyncio.Task, activity: Activity) -> None:
        self._session.jobs.end(activity)
        if self._task is task:
            self._task = None
            self.busy.emit(False)

    # ---------------------------------------------------------------------------------------------- live

    def live(self, request: Sample) -> None:
        """Make this soon; a newer request takes its place, wherever it is by then."""
        edited = self._pending[1] if self._pending else time.perf_counter()
        self._pending = (request, edited)
        if not self._live_timer.isActive():
            self._live_timer.start()

    def _send_live(self) -> None:
        if self._pending is None:
            return
        request, edited = self._pending
        self._pending = None
        self._stamp += 1
        stamped = msgspec.structs.replace(request, stamp=self._stamp, save=False, trace=0)
        self._bridge.spawn(self._live(stamped, edited), self.failed.emit)

    async def _live(self, request: Sample, edited: float) -> None:
        media = media_of(await self._bridge.engine.call(request))
        if request.stamp < max(self._shown_stamp, 1):
            return
        self._shown_stamp = request.stamp
        self.live_made.emit(joined([request], [media]), (time.perf_counter() - edited) * 1000)
