"""``train`` and ``resume``: the same job as in the window, followed on the terminal until it ends."""

from __future__ import annotations

import argparse
import asyncio
import time

from models_backend.contract.course import goes_on
from models_backend.contract.family import FamilyDescription, follows
from models_backend.contract.fields import FieldError, Problem
from models_backend.contract.messages import Event, Mark, Metrics, Progress, State, Trouble, TroubleError
from models_backend.contract.run_layout import RunRecord
from models_backend.engine import creation
from models_backend.engine.terminal import Reporter
from models_backend.library import trash
from models_backend.library.remarks import remarks, uncaptioned

from . import settings
from .bringing import data_of
from .session import Session, found, session


async def train(options: argparse.Namespace, reporter: Reporter) -> int:
    """Makes a run and trains it to its end."""
    async with session(options, reporter) as now:
        family = await now.engine.family(options.family)
        changed = settings.changes(family, options.set, now.engine.descriptions())
        data = changed.pop("data")
        creation.settings_of(family, creation.preset_of(family, options.preset), **changed)
        creation.settled(creation.DATA, data)
        used = parts(now, family, options.part)
        dataset = await data_of(now, options.data)
        record = await now.engine.create_run(
            family.key, dataset.id, options.preset, parts=used, title=options.title, data=data, **changed
        )
        reporter.note(f"run {record.id}: {record.title}", "run", run=record.id)
        if said := follows(family.conditions, record.spec):
            reporter.note(said, "conditions")
        _tell_data(now, family, record)
        for part in family.uses:
            if not record.parts.get(part.name):
                reporter.note(f"left out: --part {part.name}=RUN. {part.help}", "part", part=part.name)
        return await _follow(now, record, options)


async def resume(options: argparse.Namespace, reporter: Reporter) -> int:
    """Goes on with a run that was stopped, interrupted or has failed; watches one that is in training."""
    async with session(options, reporter) as now:
        record = found("run", now.library.runs(), options.run)
        if options.anew:
            record = await now.engine.begin_anew(record.id)
            record = await _further(now, record, options) if options.steps else record
            reporter.note(f"run {record.id}: {record.title}", "run", run=record.id)
            return await _follow(now, record, options)
        state = await now.engine.run_state(record.id)
        if options.steps:
            record = await _further(now, record, options)
        elif options.restart_rate:
            raise TroubleError("the learning rate begins anew where a run is trained further", record.title,
                               "Nothing was changed", "Say how far: --steps 4000, or --steps +2000")  # fmt: skip
        elif state.state == "finished":
            text = f"{record.title} is finished at step {state.step:,}; to train it further: --steps {2 * state.step}"
            reporter.done(text, run=record.id, state="finished")
            return 0
        reporter.note(f"run {record.id}: {state.state} at step {state.step:,}", "run", run=record.id, step=state.step)
        if changes := await now.engine.changes_since(record.id):
            reporter.note(
                f"the data were edited since the run was made ({', '.join(changes)}): it goes on with what it knew. To begin "
                f"anew on the data as they are now: nexus-studio resume {record.id} --anew", "edited", changes=changes,
            )  # fmt: skip
        return await _follow(now, record, options)


async def _further(now: Session, record: RunRecord, options: argparse.Namespace) -> RunRecord:
    """The run, which takes the steps of ``--steps`` from now on."""
    more = options.steps.startswith("+")
    try:
        steps = int(options.steps.replace(",", "").replace("_", ""))
    except ValueError:
        raise FieldError([Problem("steps", options.steps, "a whole number of steps in all, or +N for N more")]) from None
    steps += await asyncio.to_thread(now.library.run(record.id).reached) if more else 0
    record = await now.engine.extend(record.id, steps, options.restart_rate)
    text = f"from step {record.extended[-1].at:,} on to {record.steps:,} in all; {goes_on(record)}"
    if not options.restart_rate and goes_on(record).endswith("change"):
        text += " (--restart-rate begins it anew)"
    now.reporter.note(text, "further", run=record.id, steps=record.steps)
    return record


async def stop(options: argparse.Namespace, reporter: Reporter) -> int:
    """Ends a run that is in training (in the background or in a window): it saves first."""
    async with session(options, reporter) as now:
        record = found("run", now.library.runs(), options.run)
        if record.id not in now.engine.live():
            raise TroubleError("the run is not in training", record.id)
        await now.engine.stop(record.id, after_step=not options.now)
        state = await now.engine.wait(record.id)
    reporter.done(f"{state.state} at step {state.step:,}", run=record.id, state=state.state, step=state.step)
    return 0


def _tell_data(now: Session, family: FamilyDescription, record: RunRecord) -> None:
    """How the items are shown to the model, which are left out, and what is to be said of the others."""
    stored = now.library.dataset(record.dataset)
    dataset, report = stored.record(), stored.report()
    if dataset.modality == "image":
        _, height, width = record.spec.shape
        changed = f"`nexus-studio edit {dataset.id} --set resolution=N` changes it"
        now.reporter.note(f"pictures are shown as {width} × {height} px, {record.data['crop']}; {changed}", "shown")
    if dataset.left_out:
        now.reporter.note(f"{dataset.left_out:,} of {dataset.count:,} items are left out", "left out")
    for remark in remarks(family.conditions, dataset, record.data, report):
        now.reporter.note(remark, "remark")
    if uncaptioned(family.conditions, dataset, record.data, report):
        instead = (
            "--set conditions=classes learns classes instead" if dataset.classes else "--set conditions=none uses no words"
        )
        advice = f"`nexus-studio edit {dataset.id} --leave-out-uncaptioned` leaves them out; {instead}"
        now.reporter.note(advice, "advice")


def parts(now: Session, family: FamilyDescription, pairs: list[str]) -> dict[str, str]:
    """``["teacher=RUN"]`` as part name -> run id, checked."""
    named = dict(settings.split(pair, "--part codec=RUN") for pair in pairs)
    used = {name: found("run", now.library.runs(), run) for name, run in named.items()}
    families = {one.key: one for one in now.engine.descriptions()}
    ids = {name: record.id for name, record in used.items()}
    creation.check_parts(family, ids, families, {record.id: record for record in used.values()})
    return ids


async def _follow(now: Session, record: RunRecord, options: argparse.Namespace) -> int:
    if options.detach:
        if record.id not in now.engine.live():
            await now.engine.submit(record.id, device=options.device)
            await now.engine.up(record.id)
        now.reporter.done(f"in training in the background; `nexus-studio resume {record.id}` watches it", run=record.id)
        return 0
    state = await train_to_end(now, record, options.device)
    if state is None:
        return 130
    where = now.library.run(record.id).layout
    if state.state == "failed" and not state.step and not now.library.run(record.id).checkpoints():
        trash.delete(now.library, "run", record.id)
        now.reporter.note("nothing was trained; the run is in the trash", "trash", run=record.id)
        return 1
    if state.state != "finished":
        raise TroubleError(
            f"training ended as {state.state}", record.id, state.reason, f"`nexus-studio resume {record.id}` goes on"
        )
    now.reporter.done(f"finished at step {state.step:,}: {where.root}", run=record.id, state="finished", step=state.step)
    return 0


async def train_to_end(now: Session, record: RunRecord, device: str = "") -> State | None:
    """Starts a run (or joins one in training) and tells how far it is; its end, or None where the user stopped it.

    Ctrl+C saves, stops and says how to go on."""
    unsubscribe = now.engine.subscribe(Follower(now.reporter, record).hear)
    try:
        if record.id not in now.engine.live():
            if now.engine.live():
                now.reporter.note("another run is in training on this machine; both will be slower")
            await now.engine.submit(record.id, device=device)
        return await now.engine.wait(record.id)
    except asyncio.CancelledError:
        now.reporter.note("stopping after this step (press Ctrl+C again to leave it running in the background)", "stopping")
        await now.engine.stop(record.id)
        state = await now.engine.wait(record.id)
        asyncio.current_task().uncancel()
        text = f"stopped at step {state.step:,}; everything is saved. Go on with: nexus-studio resume {record.id}"
        now.reporter.done(text, run=record.id, state=state.state, step=state.step)
        return None
    finally:
        unsubscribe()


class Follower:
    """Turns a run's events into progress and notes."""

    def __init__(self, reporter: Reporter, record: RunRecord):
        self._reporter, self._record = reporter, record
        self._total = record.steps
        self._first: tuple[int, float] | None = None
        self._changed, self._stage = False, ""
        self._trouble: Trouble | None = None

    def hear(self, event: Event) -> None:
        """Every event of every source; those of this run are told."""
        if event.source != self._record.id:
            return
        match event.body:
            case Metrics(step=step, values=values):
                self._step(step, values)
            case Mark(step=step, text=text):
                self._reporter.note(f"step {step:,}: {text}", "mark", step=step)
                self._changed = True
            case Progress(what=what) if what and self._first is None and what != self._stage:
                self._stage = what
                self._reporter.note(what)
            case Trouble() as trouble:
                self._trouble = trouble
                self._reporter.note(f"{trouble}", "trouble")
            case State(state="failed" | "stopped" | "paused" as state, reason=reason) if reason or state == "paused":
                if self._trouble and self._trouble.what in reason:
                    return  # told already; a trouble that came before and was got over is no reason
                self._reporter.note(f"{state}: {reason}" if reason else state, "state", state=state)

    def _step(self, step: int, values: dict[str, float]) -> None:
        if self._reporter.as_json:
            self._reporter.note(f"step {step}", "metrics", step=step, values=values)
        if "loss" not in values:
            return
        now = time.monotonic()
        if self._first is None or self._changed:  # the rate from before compiling, say, tells nothing of the steps to come
            self._first, self._changed = (step - 1, now), False
        begun = _as_if_from_zero(step, now, *self._first)
        self._reporter.progress(step, self._total, f"loss {values['loss']:.4f}", begun)


def _as_if_from_zero(step: int, now: float, first: int, since: float) -> float:
    """When a run that is at ``step`` would have begun, at the rate since step ``first``: a resumed run's rate is its own."""
    return now - (now - since) * step / max(step - first, 1)
