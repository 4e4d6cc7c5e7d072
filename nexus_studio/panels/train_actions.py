"""What the Train workspace does with runs: begin, queue, pause, stop, go further, live changes, remedies, proofs."""

from __future__ import annotations

import asyncio
from typing import Any

from PySide6.QtCore import QObject, Signal

from models_backend.contract.fields import merged
from models_backend.contract.messages import Media, ProveResume, Remedy, Sample, Trouble, TroubleError
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.words import counted, sentence
from models_backend.library.showing import kept_showing

from ..bridge import Way
from ..shell.words import ordinal
from ..state.run_view import LIVE_STATES
from ..state.session import Session
from .train_forms import NEW


class RunActions(QObject):
    """Every action as a method that returns at once; failures come as Trouble in the notices."""

    started = Signal(str)  # the id of a run that was made
    sampled = Signal(str, object)  # run, Media
    coming = Signal(str, int)  # run, step of samples that are on their way; -1: they are not any more

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._bridge = session.bridge

    # ------------------------------------------------------------------------------------------ beginning

    def start(self, wish: dict[str, Any], front: bool = True) -> asyncio.Task:
        """Make a run and let it train, before all others that wait (``front``) or after them."""
        return self._bridge.spawn(self._start(wish, front))

    def begin_anew(self, run: str) -> asyncio.Task:
        """Train a new run of the same settings on the data as they are now."""
        return self._bridge.spawn(self._anew(run))

    async def _anew(self, run: str) -> None:
        record = await self._bridge.engine.begin_anew(run)
        dataset = await self._bridge.threaded(self._bridge.library.dataset(record.dataset).record)
        await self._submit(record, front=True, said=kept_showing(dataset, record.data)[0])

    async def _start(self, wish: dict[str, Any], front: bool) -> RunRecord:
        return await self._submit(
            await self._bridge.engine.create_run(**wish | {"parts": await self._parts(wish, front)}), front
        )

    async def _submit(self, record: RunRecord, front: bool, said: str = "") -> RunRecord:
        await self._session.runs.load()
        self._session.runs.set_current(record.id)
        after = [run for run in record.parts.values() if run and await self._unfinished(run)]
        await self._bridge.engine.submit(record.id, after=tuple(after), front=front)
        self._session.jobs.refresh()
        self._tell_place(record, said)
        self.started.emit(record.id)
        return record

    def _tell_place(self, record: RunRecord, said: str) -> None:
        """Says where a run stands that does not start at once, or that training needs no window; then what else is ``said``."""
        jobs, ways = self._session.jobs, ()
        place = next((n for n, job in enumerate(jobs.waiting, 1) if job.run == record.id), 0)
        if place and jobs.active is not None:
            text = self.tr("“{0}” waits: {1} of {2} in the queue. “{3}” is in training.")
            if self._session.is_held(jobs.active):
                text = self.tr("“{0}” waits: {1} of {2} in the queue. “{3}” is paused and keeps its place.")
                ways = self._ways_past(jobs.active.run)
            active = self._session.title_of(jobs.active.run) or jobs.active.title
            told = text.format(record.title, ordinal(place), len(jobs.waiting), active)
        else:
            told = "" if place else self.tr("Training goes on when the window is closed; the next start finds it.")
        if whole := " ".join(filter(None, (told, f"{sentence(said)}." if said else ""))):
            self._bridge.notice(whole, *ways)

    def _ways_past(self, run: str) -> tuple[Way, Way]:
        """What lets the queue go on that waits behind a paused run."""
        ask = self._session.jobs.ask
        resume = Way(self.tr("Resume the paused run"), lambda: ask("resume", run))
        return resume, Way(self.tr("Stop the paused run"), lambda: ask("stop", run, True))

    async def _parts(self, wish: dict[str, Any], front: bool) -> dict[str, str]:
        """Part name -> run id; a part that is still to be trained is queued before, on the same data."""
        found = {}
        for name, run in wish["parts"].items():
            if run.startswith(NEW):
                first = {"family": run.removeprefix(NEW), "dataset": wish["dataset"], "data": wish["data"], "parts": {}}
                run = (await self._start(first, front)).id
            found[name] = run
        return found

    async def _unfinished(self, run: str) -> bool:
        folder = self._bridge.library.run(run)
        state, _ = await self._bridge.threaded(folder.state)
        return state in (*LIVE_STATES, "queued")

    # -------------------------------------------------------------------------------------------- steering

    def pause_or_resume(self, run: str) -> asyncio.Task | None:
        """Hold a running run; let a paused or interrupted one go on."""
        view = self._session.runs.view(run)
        if view is None:
            return None
        return self._session.jobs.pause_or_resume(run, view.state)

    def stop(self, run: str, after_step: bool = True) -> asyncio.Task:
        """Save and end a run, after its step or at once."""
        return self._session.jobs.ask("stop", run, after_step)

    def set_live(self, run: str, values: dict[str, Any]) -> asyncio.Task:
        """Change live settings; the worker records each as a mark."""
        return self._bridge.spawn(self._bridge.engine.set_live(run, values))

    def train_further(self, run: str, steps: int, restart: bool) -> asyncio.Task:
        """Let a run that has ended take ``steps`` in all, before all others that wait; recorded as a mark on its curve."""
        return self._bridge.spawn(self._train_further(run, steps, restart))

    async def _train_further(self, run: str, steps: int, restart: bool) -> None:
        await self._bridge.engine.extend(run, steps, restart)
        await self._session.runs.load()
        await self._bridge.engine.submit(run, front=True)
        self._session.jobs.refresh()

    def sample_now(self, run: str, count: int) -> asyncio.Task:
        """Samples of the weights as they are now, from the worker that trains them."""
        return self._bridge.spawn(self._sample(run, count))

    async def _sample(self, run: str, count: int) -> None:
        view = self._session.runs.view(run)
        step = view.step
        request = Sample(run, count, sampling=view.record.sampling, preview=True)
        self.coming.emit(run, step)
        about = self.tr("Sampling {0} at step {1}").format(view.record.title, f"{step:,}")
        try:
            async with self._session.under_way(about, "sample", view.record.title, run) as activity:
                activity.tell(self._session.before_first(run))
                answer = await self._bridge.engine.call(request, activity.tell)
        except BaseException:
            self.coming.emit(run, -1)
            raise
        media: Media = answer[0] if isinstance(answer, (tuple, list)) else answer
        self.sampled.emit(run, media)
        self._session.samples.refresh()

    def apply(self, run: str, remedy: Remedy) -> asyncio.Task:
        """One click: a live remedy changes the run while it goes on; else a run with the change is queued."""
        view = self._session.runs.view(run)
        if remedy.live and view is not None and view.live:
            self._bridge.notice(self.tr("{0}: applied").format(remedy.text))
            return self.set_live(run, remedy.training)
        return self._bridge.spawn(self._again(run, remedy))

    async def _again(self, run: str, remedy: Remedy) -> None:
        record = self._session.runs.get(run)
        wish = {
            "family": record.family, "dataset": record.dataset, "preset": record.preset, "parts": record.parts,
            "config": merged(record.config, remedy.config), "training": merged(record.training, remedy.training),
            "data": record.data, "sampling": record.sampling, "title": f"{record.title} · {remedy.text}",
        }  # fmt: skip
        again = await self._start(wish, front=True)
        self._bridge.notice(self.tr("Queued “{0}”; the other run goes on").format(again.title))

    # --------------------------------------------------------------------------------------------- proving

    def prove_resume(self, run: str) -> asyncio.Task:
        """Replay the steps between two checkpoints in a worker and compare bit by bit."""
        return self._bridge.spawn(self._prove(run))

    async def _prove(self, run: str) -> None:
        title = self._session.runs.get(run).title
        async with self._session.under_way(self.tr("Replaying steps of {0}").format(title), "proof", title, run) as activity:
            answer = await self._bridge.engine.call(ProveResume(run), activity.tell)
            if not answer.get("identical"):
                raise TroubleError(
                    self.tr("Resuming is not exact: {0}").format(replayed(answer)), title, self.tr("The run is as it was"),
                    self.tr("Was it trained with other versions, threads or another device?"),
                )  # fmt: skip
        text = self.tr("Resuming is exact: {0}, and all are equal bit by bit").format(replayed(answer))
        self._session.verdicts.answer("proof", title, text, run)

    # -------------------------------------------------------------------------------------------- deleting

    def delete(self, run: str) -> None:
        """Move a run to the trash, as an edit that can be undone."""
        record, view = self._session.runs.get(run), self._session.runs.view(run)
        if view is not None and view.live:
            self._bridge.trouble.emit(
                Trouble(self.tr("It is in training"), record.title, self.tr("It was not deleted"), self.tr("Stop it first"))
            )
            return
        self._session.delete("run", run, record.title)


def replayed(answer: dict[str, Any]) -> str:
    """What was replayed and compared, in words."""
    steps, tensors = int(answer.get("steps", 0)), int(answer.get("tensors", 0))
    said = f"{counted(steps, 'step was', 'steps were')} replayed"
    said += f", {counted(tensors, 'tensor was', 'tensors were')} compared" if tensors else ""
    apart = answer.get("differences") or []
    more = f" and {len(apart) - 3} more" if len(apart) > 3 else ""
    return said + (f"; different are {', '.join(apart[:3])}{more}" if apart else "")
