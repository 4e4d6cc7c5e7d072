"""``train`` and ``resume``: the same job as in the window, followed on the terminal until it ends."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable

from models_backend.contract.course import Resumption, goes_on
from models_backend.contract.family import FamilyDescription, Part, follows, works_in
from models_backend.contract.fields import FieldError, Problem
from models_backend.contract.messages import Event, Health, Mark, Metrics, Progress, State, Trouble, TroubleError
from models_backend.contract.pace import Pace
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.suiting import fitting
from models_backend.contract.words import counted
from models_backend.engine import creation, devices
from models_backend.engine.terminal import INTERRUPTED, TERMINATED, Reporter
from models_backend.library import trash
from models_backend.library.remarks import remarks, uncaptioned
from models_backend.library.showing import kept_showing, written

from . import settings
from .bringing import check_data, data_of
from .session import Session, found, session
from .showing import health_lines
from .telling import teller


async def train(options: argparse.Namespace, reporter: Reporter) -> int:
    """Makes a run and trains it to its end."""
    async with session(options, reporter) as now:
        await devices.check(options.device)
        check_data(now, options.data)
        named = part_runs(now, options.part)
        family = await now.engine.family(options.family)
        changed = settings.changes(family, options.set, now.engine.descriptions())
        data = changed.pop("data")
        creation.settings_of(family, creation.preset_of(family, options.preset), **changed)
        creation.settled(creation.DATA, data)
        used = parts(now, family, named)
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
                reporter.note(_without(now, family, part, record), "part", part=part.name)
        return await _follow(now, record, options, made=True)


def _without(now: Session, family: FamilyDescription, part: Part, record: RunRecord) -> str:
    """What a run is that does without a part, and how a new one is made with it: by a finished run that fits, where there is
    one."""
    described = now.engine.descriptions()
    fits = fitting(part, record.spec, described, now.library.runs())
    run = next((run for run in fits if now.library.run(run.id).state()[0] == "finished"), None)
    what = part.help[:1].lower() + part.help[1:]
    head = f"Trained without a {part.name} ({what}). A new run uses one with"
    if place := works_in((part,), record.parts, record.spec.modality):
        head = f"{family.title} is trained in {place}. With a {part.name} it is trained on latents:"
    if run is not None:
        return f"{head} --part {part.name}={run.id} (“{run.title}”, which fits these data)"
    return f"{head} --part {part.name}=RUN: a finished run of {creation.makers(part, described)}"


async def resume(options: argparse.Namespace, reporter: Reporter) -> int:
    """Goes on with a run that was paused, stopped or interrupted or has failed; watches one that is in training."""
    async with session(options, reporter) as now:
        await devices.check(options.device)
        record = found(now.library, "run", options.run)
        if options.set and not options.anew:
            raise TroubleError("a run keeps the settings that it was made with", record.title, "Nothing was changed",
                               "Add --anew: a new run with them")  # fmt: skip
        if options.anew:
            old = record
            record = await now.engine.begin_anew(old.id, **await _changes(now, old, options.set))
            _tell_kept_showing(now, old, record)
            if options.steps:
                try:
                    record = await _further(now, record, options)
                except (TroubleError, FieldError):
                    trash.discard(now.library, "run", record.id)
                    raise
            reporter.note(f"run {record.id}: {record.title}", "run", run=record.id)
            return await _follow(now, record, options, made=True)
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
        if not options.steps:  # how far it is trained has said where it stands
            begins = "" if record.id in now.engine.live() else f"; {(await _goes_on(now, record, state.step)).words}"
            reporter.note(
                f"run {record.id}: {state.state} at step {state.step:,}{begins}", "run", run=record.id, step=state.step
            )
        if changes := await now.engine.changes_since(record.id):
            reporter.note(
                f"the data were edited since the run was made ({', '.join(changes)}): it goes on with what it knew. To begin "
                f"anew on the data as they are now: nexus-studio resume {record.id} --anew", "edited", changes=changes,
            )  # fmt: skip
        if record.id in now.engine.live():
            await now.engine.resume(record.id)  # one that is paused, or pauses after this step
        return await _follow(now, record, options)


async def _goes_on(now: Session, record: RunRecord, step: int) -> Resumption:
    """From where a run goes on that had come to ``step``: from its newest checkpoint, and from nowhere else."""
    return Resumption(step, await asyncio.to_thread(now.library.run(record.id).newest_step))


async def _changes(now: Session, record: RunRecord, pairs: list[str]) -> dict[str, dict]:
    """The changes of ``--set`` to the settings of a run, by group."""
    if not pairs:
        return {}
    return settings.changes(await now.engine.family(record.family), pairs, now.engine.descriptions())


def _tell_kept_showing(now: Session, old: RunRecord, record: RunRecord) -> None:
    """In which settings pictures are shown as the old run showed them, and not as the data set now says."""
    text, said = kept_showing(now.library.dataset(record.dataset).record(), record.data)
    if said:
        way = " ".join(f"--set {name}={written(value)}" for name, value in said.items())
        text += f". As the data set says: nexus-studio resume {old.id} --anew {way}"
        now.reporter.note(text, "shown", kept={name: record.data[name] for name in said}, dataset=said)


async def _further(now: Session, record: RunRecord, options: argparse.Namespace) -> RunRecord:
    """The run, which takes the steps of ``--steps`` from now on."""
    more = options.steps.startswith("+")
    try:
        steps = int(options.steps.replace(",", "").replace("_", ""))
    except ValueError:
        raise FieldError([Problem("steps", options.steps, "a whole number of steps in all, or +N for N more")]) from None
    steps += await asyncio.to_thread(now.library.run(record.id).reached) if more else 0
    record = await now.engine.extend(record.id, steps, options.restart_rate)
    at = record.extended[-1].at
    text = f"from step {at:,} on to {record.steps:,} in all; {goes_on(record)}"
    if at and not (begins := await _goes_on(now, record, at)).stays:
        text += f"; {begins.words}"
    if not options.restart_rate and goes_on(record).endswith("change"):
        text += " (--restart-rate begins it anew)"
    now.reporter.note(text, "further", run=record.id, steps=record.steps)
    return record


async def stop(options: argparse.Namespace, reporter: Reporter) -> int:
    """Ends a run that is in training (in the background or in a window): it saves first."""
    async with session(options, reporter) as now:
        record = found(now.library, "run", options.run)
        if record.id not in now.engine.live():
            raise TroubleError("the run is not in training", record.title)
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
        now.reporter.note(f"{dataset.left_out:,} of {counted(dataset.count, 'item')} left out", "left out")
    for remark in remarks(family.conditions, dataset, record.data, report):
        now.reporter.note(remark, "remark")
    if uncaptioned(family.conditions, dataset, record.data, report):
        instead = (
            "--set conditions=classes learns classes instead" if dataset.classes else "--set conditions=none uses no words"
        )
        advice = f"`nexus-studio edit {dataset.id} --leave-out-uncaptioned` leaves them out; {instead}"
        now.reporter.note(advice, "advice")


def part_runs(now: Session, pairs: list[str]) -> dict[str, RunRecord]:
    """``["teacher=RUN"]`` as part name -> run. Raises TroubleError for a run that is not there."""
    named = dict(settings.split(pair, "--part codec=RUN", "NAME=RUN") for pair in pairs)
    return {name: found(now.library, "run", run) for name, run in named.items()}


def parts(now: Session, family: FamilyDescription, used: dict[str, RunRecord]) -> dict[str, str]:
    """The runs used as parts, as part name -> run id, checked."""
    families = {one.key: one for one in now.engine.descriptions()}
    ids = {name: record.id for name, record in used.items()}
    creation.check_parts(family, ids, families, {record.id: record for record in used.values()})
    return ids


async def _follow(now: Session, record: RunRecord, options: argparse.Namespace, made: bool = False) -> int:
    """Trains a run and tells its end. ``made``: this command made it, so it goes where it never trained a step."""
    if options.detach:
        if record.id not in now.engine.live():
            await now.engine.submit(record.id, device=options.device)
            await now.engine.up(record.id)
        now.reporter.done(f"in training in the background; `nexus-studio resume {record.id}` watches it", run=record.id)
        return 0
    folder = now.library.run(record.id)
    told = folder.last_seq()
    state = await train_to_end(now, record, options.device)
    if state is None:
        return INTERRUPTED
    if state.state == "stopped":
        _tell_stopped(now.reporter, record, state, "stopped from elsewhere")
        return INTERRUPTED
    if state.state == "failed" and made and not folder.reached():
        trash.discard(now.library, "run", record.id)
        now.reporter.note("nothing was trained; the run was removed", "removed", run=record.id)
        return 1
    if state.state == "failed" and not _ran(folder.events(told)):
        text = f"nothing was trained; the run stays as it was, at step {state.step:,}"  # its trouble is told already
        now.reporter.note(text, "kept", run=record.id, step=state.step)
        return 1
    if state.state != "finished":
        raise TroubleError(
            f"training ended as {state.state}", record.title, state.reason, f"`nexus-studio resume {record.id}` goes on"
        )
    now.reporter.done(
        f"finished at step {state.step:,}: {folder.layout.root}", run=record.id, state="finished", step=state.step
    )
    return 0


def _ran(events: Iterable[Event]) -> bool:
    """Whether a run came as far as its steps."""
    return any(isinstance(event.body, State) and event.body.state == "running" for event in events)


def _tell_stopped(reporter: Reporter, record: RunRecord, state: State, how: str) -> None:
    """One sentence where a run was stopped as somebody asked; a reason that it gave was told with its last word."""
    saved = "" if state.reason else "; everything is saved"
    text = f"{how} at step {state.step:,}{saved}. Go on with: nexus-studio resume {record.id}"
    reporter.done(text, run=record.id, state=state.state, step=state.step)


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
    except asyncio.CancelledError as asked:
        ended = TERMINATED in asked.args  # nobody is there to press a key
        way = "it is saved, then this command ends" if ended else "press Ctrl+C again not to wait for it"
        now.reporter.note(f"stopping after this step ({way})", "stopping")
        now.reporter.interrupted = f"It ends by itself, saved. Go on with: nexus-studio resume {record.id}"
        await now.engine.stop(record.id)
        state = await now.engine.wait(record.id)
        asyncio.current_task().uncancel()
        _tell_stopped(now.reporter, record, state, "stopped")
        return None
    finally:
        unsubscribe()


class Follower:
    """Turns a run's events into progress and notes."""

    def __init__(self, reporter: Reporter, record: RunRecord):
        self._reporter, self._record = reporter, record
        self._total = record.steps
        self._pace, self._stepped = Pace(), False
        self._tell = teller(reporter)
        self._trouble: Trouble | None = None
        self._health: Health | None = None

    def hear(self, event: Event) -> None:
        """Every event of every source; those of this run are told."""
        if event.source != self._record.id:
            return
        match event.body:
            case Metrics(step=step, values=values):
                self._step(step, values, event.time)
            case Health() as health:
                self._health = health
            case Mark(step=step, text=text):
                self._reporter.note(f"step {step:,}: {text}", "mark", step=step)
                self._pace.forget()  # the rate from before compiling, say, tells nothing of the steps to come
            case Progress(what=what) as progress if what and not self._stepped:
                self._tell(progress)
            case Trouble() as trouble:
                self._trouble = trouble
                self._reporter.note(f"{trouble.on_terminal()}", "trouble")
            case State(state="running"):
                self._pace.rest()
            case State(state="finished" | "stopped") if self._health:
                for line in health_lines(self._health):
                    self._reporter.note(line, "health")
                self._health = None
            case State(state="failed" | "stopped" | "paused" as state, reason=reason) if reason or state == "paused":
                if self._trouble and self._trouble.what in reason:
                    return  # told already; a trouble that came before and was got over is no reason
                self._reporter.note(f"{state}: {reason}" if reason else state, "state", state=state)

    def _step(self, step: int, values: dict[str, float], at: float) -> None:
        if self._reporter.as_json:
            self._reporter.note(f"step {step}", "metrics", step=step, values=values)
        if "validation" in values:
            trained = f"step {step:,}" if step else "before training"
            self._reporter.note(f"{trained}: held-out loss {values['validation']:.5g}", "held-out", step=step)
        if "loss" in values:
            self._stepped = True
            self._pace.mark(at, step)
            self._reporter.progress(step, self._total, f"loss {values['loss']:.4f}", self._pace)
