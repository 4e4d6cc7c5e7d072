"""``sample``, ``export`` and ``evaluate``: what is done with a run that has learned something."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import msgspec

from models_backend.contract.asked import refuse_strangers
from models_backend.contract.exports import FORMATS, MOVING, NUMBERS, WEIGHTS, plain
from models_backend.contract.fields import FieldError, Problem
from models_backend.contract.messages import Evaluate, Event, Export, Media, Sample, Trouble, TroubleError
from models_backend.contract.run_layout import RunRecord, step_of
from models_backend.contract.words import counted
from models_backend.engine.terminal import Reporter
from models_backend.library import storage
from models_backend.library.standings import evaluation
from models_backend.media import timing

from . import settings
from .asking import said_of
from .session import Session, described, fitting, found, refuse_deleted, session
from .showing import tell_evaluation
from .telling import teller

NO_FIGURES = "no figures were kept; a reader in training goes on from there the next time"
RECORDED = 16  # items whose steps ``--trace`` records


async def sample(options: argparse.Namespace, reporter: Reporter) -> int:
    """Makes items of a run, keeps them in the library, and writes a sheet, the items and the film of the trace to a folder."""
    async with session(options, reporter) as now:
        record = found(now.library, "run", options.run)
        out = Path(options.out).absolute() if options.out else None
        older = list(out.glob("items/*")) if out else []
        if out:
            if out.suffix and not out.is_dir() and plain(out.suffix) in FORMATS:
                raise TroubleError("this names a file; several are written", str(out), advice="Name a folder with --out")
            refuse_existing([out / "samples.png", out / "samples.csv", out / "trace.mp4", *older], options.overwrite)
        sampling = await sampling_of(now, record, options.set)
        given = conditions(options.condition)
        _check_checkpoint(now, record, options.checkpoint)
        family = described(now, record)
        if given:
            family = family or await now.engine.family(record.family)
            refuse_strangers(family.title, family.conditions, record.spec, given)
        for sentence in said_of(now.library, record, family, given, sampling, options.n):
            reporter.note(sentence, "beyond")
        request = Sample(
            run=record.id, count=options.n, seed=options.seed, sampling=sampling, checkpoint=options.checkpoint,
            conditions=given, trace=min(options.n, RECORDED) if options.trace else 0,
            title=options.title,
        )  # fmt: skip
        if out:
            storage.make_last_folder(out)  # where that cannot be, nothing is made for it
        media = await called(now, request, f"sampling {options.n} of {record.title}")
        if older:
            reporter.note(
                f"{counted(len(older), 'item of an earlier sample stays', 'items of earlier samples stay')} in {out / 'items'}",
                "older",
                count=len(older),
            )
        files = await _written(now, media, out) if out else []
    where = f" in {out}" if out else ""
    reporter.done(
        f"{options.n} made in {media.took_ms / 1000:.1f} s{where}. Sample {media.sample}",
        sample=media.sample, run=record.id, files=files, took_ms=round(media.took_ms, 1),
    )  # fmt: skip
    return 0


def _check_checkpoint(now: Session, record: RunRecord, name: str) -> None:
    """Raises TroubleError where the run has no checkpoint of the name that stands before @."""
    if stored := name.partition("@")[0]:
        now.library.run(record.id).named(stored)


def refuse_existing(paths: list[Path], overwrite: bool) -> None:
    """Raises TroubleError for the first file that would be written over unasked."""
    there = next((path for path in paths if path.is_file()), None)
    if there and not overwrite:
        raise TroubleError("this file is there already", str(there), "Nothing was written",
                           "Choose another --out, or write over it with --overwrite")  # fmt: skip


async def _written(now: Session, media: Media, out: Path) -> list[str]:
    wanted = [Export(media.sample, str(out / "samples.png"), "png", "sheet")]
    if media.modality == "image":
        wanted.append(Export(media.sample, str(out / "items"), "png", "items"))
    if media.modality == "points":
        wanted.append(Export(media.sample, str(out / "samples.csv"), "csv", "items"))
    if media.trace is not None:
        wanted.append(Export(media.sample, str(out / "trace.mp4"), "mp4", "trace", hold=True))
    files = [await now.engine.call(request) for request in wanted]
    return [path for written in files for path in written]


async def sampling_of(now: Session, record: RunRecord, pairs: list[str]) -> dict[str, Any]:
    """``--set`` pairs as sampling settings of the run's family."""
    if not pairs:
        return {}
    family = await now.engine.family(record.family)
    given = [(key.removeprefix("sampling."), text) for key, text in map(settings.split, settings.spelled(pairs))]
    return settings.put_all({}, family.sampling, given, now.engine.descriptions(), "sampling")


def conditions(pairs: list[str]) -> dict[str, Any]:
    """``["class=cat", "text=a red circle"]`` as conditions by kind, each a text as it stands (a class is called by its name,
    which may be a number); several of one kind are a list that goes round. TroubleError for what is not kind=value."""
    named: dict[str, list[Any]] = {}
    for pair in pairs:
        kind, sign, value = (part.strip() for part in pair.partition("="))
        if kind and sign and not value:
            raise TroubleError("nothing stands behind the =", pair, advice="Leave the condition out to ask for nothing")
        if not (kind and sign):
            raise TroubleError("a condition is written kind=value", pair, advice='For example --condition "text=a red circle"')
        named.setdefault(kind, []).append(value)
    return {kind: values if len(values) > 1 else values[0] for kind, values in named.items()}


async def called(now: Session, request: Any, what: str, kept: str = "nothing was kept") -> Any:
    """The engine's answer, with progress; Ctrl+C gives it up, and what is ``kept`` then is told."""

    def hear(event: Event) -> None:
        if isinstance(event.body, Trouble):
            now.reporter.note(str(event.body.on_terminal()), "trouble")

    unsubscribe = now.engine.subscribe(hear)
    try:
        return await now.engine.call(request, teller(now.reporter, what))
    except asyncio.CancelledError:
        now.reporter.note(f"stopped; {kept}", "interrupted")
        raise
    finally:
        unsubscribe()


async def export(options: argparse.Namespace, reporter: Reporter) -> int:
    """Writes a sample as pictures or film, or a run's weights as safetensors."""
    form = plain(options.to)
    async with session(options, reporter) as now:
        source, what = _source(now, options.source, form, options.what)
        out = Path(options.out or f"{source}.{form}").absolute()
        if out.is_dir():
            out = out / f"{source}.{form}"
        names = [out, out.with_name(f"{out.name}.{'png' if form == 'apng' else form}"), *out.glob(f"{source}-*.{form}")]
        refuse_existing(names, options.overwrite)
        request = Export(source, str(out), form, what, options.strip, options.fps, options.hold, options.scale)
        files = await called(now, request, f"writing {form}")
    if slower := timing.left_out(options.fps, form) if what in ("trace", "path") else "":
        reporter.note(slower, "left-out")
    for path in files:
        reporter.done(path, file=path, source=source, format=form, what=what)
    return 0


def _source(now: Session, text: str, form: str, what: str) -> tuple[str, str]:
    """The id of what is exported, and what of it. Raises TroubleError, FieldError."""
    if form not in FORMATS:
        raise FieldError([Problem("to", form, "one of " + ", ".join(FORMATS))])
    made, runs = now.library.samples(limit=1_000_000), now.library.runs()
    if not fitting(made, text) and not fitting(runs, text):
        for kind in ("run" if form in WEIGHTS else "sample", ""):
            refuse_deleted(now.library, text, kind)
    if form in WEIGHTS:
        sample = next((record for record in made if record.id == text), None)
        if sample is not None:
            raise TroubleError("a sample has no weights", text, advice=f"Export its run instead: {sample.run}")
        return found(now.library, "run", text).id, "weights"
    if not fitting(made, text) and fitting(runs, text):
        raise TroubleError(
            f"a run is exported as {WEIGHTS[0]}; {form} is for a sample", text, advice="Make one with `nexus-studio sample`"
        )
    record = found(now.library, "sample", text)
    moving = "trace" if record.trace is not None else "path"
    own = record.grid is None or (text != record.grid.id and record.id.startswith(text))  # a cell is named by its own id
    return record.id, what or (moving if form in MOVING else "items" if form in NUMBERS else "sheet" if own else "grid")


async def evaluate(options: argparse.Namespace, reporter: Reporter) -> int:
    """Measures a run on data that it has not seen."""
    async with session(options, reporter) as now:
        record = found(now.library, "run", options.run)
        sampling = await sampling_of(now, record, options.set)
        _check_checkpoint(now, record, options.checkpoint)
        features = str(Path(options.features).expanduser().absolute()) if options.features else ""
        request = Evaluate(record.id, options.n, options.seed, sampling, options.checkpoint, features)
        figures = await called(now, request, f"measuring {record.title}", NO_FIGURES)
        folder = now.library.run(record.id)
        kept = evaluation(folder)
        if kept.get("figures") != figures:  # a library that can only be read keeps none
            step = step_of(options.checkpoint.partition("@")[0]) or folder.newest_step()
            kept = {"figures": figures, "step": step, **msgspec.to_builtins(request)}
    tell_evaluation(reporter, record, kept)
    return 0
