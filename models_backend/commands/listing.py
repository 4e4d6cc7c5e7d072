"""Commands that only look: families, runs, datasets, jobs."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from models_backend.contract import suiting
from models_backend.contract.family import TOLD, FamilyDescription, in_order
from models_backend.contract.fields import FieldSpec
from models_backend.contract.grids import named
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LEFT_OUT, DatasetRecord, RunRecord
from models_backend.contract.words import counted, noun
from models_backend.engine import creation
from models_backend.engine.terminal import Reporter
from models_backend.library.attributes import laid_over
from models_backend.library.datasets import DatasetFolder
from models_backend.library.index import Filter
from models_backend.library.library import Library

from . import settings
from .bringing import known_data, tell_missing
from .session import Session, found, session, stands, works_in_of

#: What the order of families for some data goes by.
ORDER = (
    "The best first: by what of the data a model follows, then by the minutes of its shortest measured example "
    "on two CPU cores and by what must be trained before it; after the first of a kind, other kinds come before its next."
)


async def families(options: argparse.Namespace, reporter: Reporter) -> int:
    """All families, from the cache where nothing changed; with a name, all that can be set."""
    if not options.data and not stands(options):
        return await _without_library(options, reporter)
    async with session(options, reporter) as now:
        if options.name:
            return await _one_family(options.name, now)
        record = known_data(now, options.data) if options.data else None
        described = await now.engine.described()
        if record is not None:
            return _suiting(described, record, now)
    for family in in_order(described):
        presets = ", ".join(p.name for p in family.presets)
        text = f"{family.key:24} {family.title:28} {family.group:14} {' '.join(family.modalities):14} presets: {presets}"
        reporter.result(
            text, key=family.key, title=family.title, group=family.group, summary=family.summary, paper=family.paper,
            modalities=family.modalities, presets=[p.name for p in family.presets], trace=family.trace,
            proofs=[p.name for p in family.proofs], uses=[p.name for p in family.uses], provides=family.provides,
        )  # fmt: skip
    return 0


async def _without_library(options: argparse.Namespace, reporter: Reporter) -> int:
    """The families where there is no library: from a passing one, so that none is made by looking."""
    with tempfile.TemporaryDirectory(prefix="nexus-families-") as folder:
        Library.open(folder).close()
        options.library = Path(folder)
        return await families(options, reporter)


def _suiting(described: list[FamilyDescription], record: DatasetRecord, now: Session) -> int:
    """All families by how they suit a data set, the best first."""
    report = now.library.dataset(record.id).report()
    captions = report.captioned / max(1, report.imported - report.left_out) if report is not None else None
    provided = {run.family for run in now.library.runs()}
    made = {kind for family in described if family.key in provided for kind in family.provides}
    facts = suiting.facts(record, captions, record.settings.get("conditions", "auto"))
    if not now.reporter.as_json:
        now.reporter.note(ORDER)
    for place, suit in enumerate(suiting.ranked(described, facts, made), 1):
        minutes = f"{suit.minutes:.0f} min" if suit.minutes >= 1 else "< 1 min" if suit.minutes else ""
        text = f"{place if suit.suits else '-':>3}  {suit.family.key:24} {minutes:>8}  {suit.reason}"
        now.reporter.result(
            text, key=suit.family.key, title=suit.family.title, suits=suit.suits, reason=suit.reason, minutes=suit.minutes
        )
    return 0


async def _one_family(key: str, now: Session) -> int:
    family = await now.engine.family(key)
    now.reporter.result(f"{family.title}: {family.summary} ({family.paper})", key=family.key, title=family.title)
    for preset in family.presets:
        now.reporter.result(f"  preset {preset.name}: {preset.title}. {preset.note}".rstrip(), preset=preset.name)
    everything = await now.engine.described() if family.uses else []
    for part in family.uses:
        left_out = " (may be left out)" if part.optional else ""
        text = f"  --part {part.name}=RUN{left_out}: a run of {creation.makers(part, everything)}. {part.help}"
        now.reporter.result(text.rstrip(), part=part.name, kind=part.kind, optional=part.optional)
    for condition in family.conditions:
        text = f"  --condition {condition.kind}=…: {condition.help}"
        now.reporter.result(text, condition=condition.kind, drop=condition.drop)
    if not any(condition.kind in TOLD for condition in family.conditions):
        now.reporter.result("  it follows no classes, captions or attributes: what it makes is like the data as a whole")
    for group, spec in settings.groups_of(family).items():
        _tell_group(now.reporter, group, spec)
    return 0


def _tell_group(reporter: Reporter, group: str, spec: FieldSpec) -> None:
    for line in settings.lines(spec, group):
        reporter.result(f"  {line}", group=group, setting=line)


async def runs(options: argparse.Namespace, reporter: Reporter) -> int:
    """All runs, newest first, with their states."""
    async with session(options, reporter) as now:
        found_runs = now.library.runs()
        for known in found_runs:
            state = await now.engine.run_state(known.id)
            record = _as_it_stands(now.library, known)
            total = record.steps
            why = f"  ({state.reason})" if state.reason else ""
            place = works_in_of(now, record)
            said = f", {place}" if place and place not in record.title else ""
            text = f"{record.id:40} {state.state:12} step {state.step:,} of {total:,}  {record.title}{said}{why}"
            reporter.result(
                text, id=record.id, title=record.title, family=record.family, dataset=record.dataset, state=state.state,
                step=state.step, steps=total, created=record.created, reason=state.reason, works_in=place,
            )  # fmt: skip
    _none(reporter, found_runs, "no runs yet: `nexus-studio train` makes one")
    return 0


def _as_it_stands(library: Library, known: RunRecord) -> RunRecord:
    """A run's record from its folder: another process may have let it train further since it was ``known``."""
    try:
        return library.run(known.id).record()
    except TroubleError:
        return known


async def samples(options: argparse.Namespace, reporter: Reporter) -> int:
    """All samples, newest first."""
    async with session(options, reporter) as now:
        run = found(now.library, "run", options.run).id if options.run else ""
        records = now.library.samples(limit=1_000_000, narrowed=Filter(run=run))
        for record in records:
            recorded = f", {counted(len(record.trace.steps), 'step')} recorded" if record.trace else ""
            made = f"{record.count:>7,} {noun(record.modality, record.count)}{recorded}"
            reporter.result(
                f"{record.id:40} {made}  {named(record.title, record.grid)}",
                id=record.id,
                title=record.title, run=record.run, family=record.family, count=record.count, modality=record.modality,
                sample_kind=record.kind, seed=record.seed, checkpoint=record.checkpoint, traced=record.trace is not None,
                grid=record.grid.id if record.grid else "",
            )  # fmt: skip
    _none(reporter, records, "no samples yet: `nexus-studio sample` makes some")
    return 0


def _none(reporter: Reporter, records: Sequence[object], words: str) -> None:
    """Says on a terminal that a list is empty; scripts see no line."""
    if not records and not reporter.as_json:
        reporter.note(words)


async def datasets(options: argparse.Namespace, reporter: Reporter) -> int:
    """All data sets, newest first; of one that is named its items as they are now, each with the number that ``edit`` takes."""
    async with session(options, reporter) as now:
        if options.data:
            record = known_data(now, options.data)
            _tell_items(reporter, record, stored := now.library.dataset(record.id))
            tell_missing(stored, reporter)
            return 0
        records = now.library.datasets()
        for record in records:
            classes = f", {counted(len(record.classes), 'class', 'classes')}" if record.classes else ""
            classes += ", captions" if record.captioned else ""
            classes += f", attributes {', '.join(one.name for one in record.attributes)}" if record.attributes else ""
            classes += f", {record.left_out:,} left out" if record.left_out else ""
            text = f"{record.id}  {record.kept:>9,} {noun(record.modality, record.kept)}{classes}  {record.title}"
            reporter.result(
                text, id=record.id, title=record.title, modality=record.modality, count=record.kept,
                classes=record.classes, captioned=record.captioned, builtin=record.builtin,
                attributes=msgspec.to_builtins(record.attributes),
            )  # fmt: skip
    _none(reporter, records, "no data sets yet: `nexus-studio import PATH` makes one")
    return 0


SPLITS = {"train": "to train", "validation": "held out"}


def _tell_items(reporter: Reporter, record: DatasetRecord, stored: DatasetFolder) -> None:
    wide, names = max(map(len, record.classes), default=0), [attribute.name for attribute in record.attributes]
    for number, (item, as_imported) in enumerate(zip(stored.items(), stored.imported(), strict=True)):
        out = item.split == LEFT_OUT
        name = record.classes[item.label] if item.label >= 0 else ""
        split = "left out" if out else SPLITS[item.split]
        values = dict(zip(names, laid_over(item.attributes, {}, len(names)), strict=True))
        told = "".join(f"  {one}={'' if value is None else f'{value:g}'}" for one, value in values.items())
        text = f"#{number:<6} {split:8}  {name:{wide}}  {item.source}{told}  {' '.join(item.caption.split())}".rstrip()
        known = {"number": number, "file": item.source, "class": name, "caption": item.caption, "attributes": values}
        reporter.result(text, **known, split=as_imported.split, left_out=out)


async def jobs(options: argparse.Namespace, reporter: Reporter) -> int:
    """The queue, which the window works off."""
    async with session(options, reporter) as now:
        queue = now.library.jobs()
        for job in queue:
            text = f"{job.id:32} {job.state:12} {job.device:8} {job.title}" + (f"  ({job.reason})" if job.reason else "")
            reporter.result(
                text, id=job.id, run=job.run, state=job.state, device=job.device, title=job.title, reason=job.reason
            )
    _none(reporter, queue, "the queue is empty")
    return 0
