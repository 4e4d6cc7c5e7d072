"""``show``: all that is kept of one run, or what sets several apart and how they stand, side by side."""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import msgspec

from models_backend.contract import measures
from models_backend.contract.differing import differing, flat, whole
from models_backend.contract.fields import merged
from models_backend.contract.losses import loss_kind
from models_backend.contract.messages import Health, HealthLine
from models_backend.contract.run_layout import RunRecord, step_of
from models_backend.contract.words import counted
from models_backend.engine import creation
from models_backend.engine.terminal import Reporter, duration
from models_backend.library.standings import Standing, evaluation, parameters, standing

from .session import Session, described, found, session, works_in_of
from .settings import groups_of

KEPT = ("family", "dataset", "preset", "config", "training", "data", "sampling", "parts", "versions", "extended")
#: A monitor's word -> what is said before it.
LEVELS = {"ok": "healthy", "warn": "watch", "bad": "trouble"}
NOTHING = "–"
#: What of an evaluation tells how it was made.
HOW = ("step", "checkpoint", "count", "seed", "sampling", "features")


async def show(options: argparse.Namespace, reporter: Reporter) -> int:
    """One run as it stands, with all its settings; or several beside one another."""
    async with session(options, reporter) as now:
        records = [found(now.library, "run", name) for name in options.runs]
        if len(records) > 1:
            await _side_by_side(now, records)
        else:
            await _whole(now, records[0])
    return 0


async def _whole(now: Session, record: RunRecord) -> None:
    reporter, folder = now.reporter, now.library.run(record.id)
    state = await now.engine.run_state(record.id)
    made = time.strftime("%d %B %Y, %H:%M", time.localtime(record.created))
    reporter.result(f"{record.title} ({record.id}), {state.state} at step {state.step:,}, made {made}", id=record.id,
                    title=record.title, state=state.state, step=state.step)  # fmt: skip
    if state.reason:
        reporter.result(f"  reason: {state.reason}", reason=state.reason)
    told, size = standing(folder), parameters(folder)
    for name, words, value in _figures(told, size):
        reporter.result(f"  {name}: {words}", **{name.replace("-", " ").replace(" ", "_"): value})
    for line, values in health_told(told.health):
        reporter.result(f"  {line}", health=values)
    kept = _kept(now, record)
    if place := works_in_of(now, record):
        reporter.result(f"  works in: {place}", works_in=place)
    data = _data(now).get(record.dataset)
    for name in KEPT:
        words = f"{data} ({record.dataset})" if name == "dataset" and data else written(kept[name])
        reporter.result(f"  {name}: {words}", **{name: kept[name]})
    saved = [checkpoint.name for checkpoint in folder.checkpoints()]
    reporter.result(f"  checkpoints: {', '.join(saved) or 'none'}", checkpoints=saved)
    if measured := evaluation(folder):
        tell_evaluation(reporter, record, measured, "  ")
    if damage := folder.damage():
        reporter.note(f"{record.title}: {damage}", kind="trouble")


def _kept(now: Session, record: RunRecord) -> dict[str, Any]:
    """All that is kept of a run, with every setting that is in effect."""
    kept = msgspec.to_builtins(record)
    family = described(now, record)
    groups = groups_of(family) if family else {"training": creation.TRAINING, "data": creation.DATA}
    return {name: whole(groups[name], kept[name]) if name in groups else kept[name] for name in KEPT}


def _data(now: Session) -> dict[str, str]:
    """What the data sets of the library are called, by their ids."""
    return {record.id: record.title for record in now.library.datasets()}


def _figures(told: Standing, size: int) -> list[tuple[str, str, Any]]:
    """What a run has come to: name, in words, and as it is."""
    lines = [("parameters", f"{size:,}" if size else "", size), ("time", duration(told.seconds), round(told.seconds, 3)),
             ("loss", _at(told.loss), told.loss), ("held-out loss", _at(told.held_out), told.held_out)]  # fmt: skip
    if told.held_out and told.lowest and told.lowest[0] != told.held_out[0]:
        lines.append(("lowest held-out loss", _at(told.lowest), told.lowest))
    return [line for line in lines if line[2]]


def _at(told: tuple[int, float] | None) -> str:
    return f"{told[1]:.5g} at step {told[0]:,}" if told else ""


def health_lines(health: Health | None) -> list[str]:
    """What a run's monitors say, those first that find something wrong; one line where none does."""
    return [line for line, _ in health_told(health)]


def health_told(health: Health | None) -> list[tuple[str, dict[str, Any]]]:
    """The same lines, each with its step, state, monitor, sentence and remedy ("" for those that there are none of)."""
    if health is None:
        return []
    wrong = sorted((line for line in health.lines if line.level != "ok"), key=lambda line: line.level)  # bad, then warn
    at = f"health at step {health.step:,}"
    fine = "healthy, as far as its monitors see"
    return [(f"{at}, {LEVELS[line.level]}: {_said(line)}", _told(health.step, LEVELS[line.level], line.text, line))
            for line in wrong] or [(f"{at}: {fine}", _told(health.step, LEVELS["ok"], fine))]  # fmt: skip


def _told(step: int, state: str, sentence: str, line: HealthLine | None = None) -> dict[str, Any]:
    remedy = line.remedy.text if line and line.remedy else ""
    return {"step": step, "state": state, "monitor": line.monitor if line else "", "sentence": sentence, "remedy": remedy}


def _said(line: HealthLine) -> str:
    return f"{line.text}. {line.remedy.text}" if line.remedy else line.text


def written(value: Any) -> str:
    """A value as it is written behind --set; settings of a group as key=value."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={written(one)}" for key, one in flat(value).items()) or "none"
    if isinstance(value, (list, tuple)):
        return "; ".join(written(one) for one in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)


# ------------------------------------------------------------------------------------------------ an evaluation


def tell_evaluation(reporter: Reporter, record: RunRecord, kept: dict[str, Any], indent: str = "") -> None:
    """What was measured, of what and how, then every figure with its words, then what to know before believing them."""
    found_there, said = kept["figures"], kept.get("health", {})
    tell_head = reporter.note if reporter.as_json else reporter.result
    tell_head(indent + measured_how(record, kept), kind="measured", **{k: v for k, v in kept.items() if k in HOW})
    for name, value in sorted(found_there.items()):
        monitor = name.removeprefix(measures.HEALTH)
        words = _judgement(monitor, value, said.get(monitor, "")) if monitor != name else measures.title(name)
        reporter.result(f"{indent}{name:28} {figure(value):<12} {words}", measure=name, value=value, run=record.id)
    for sentence in measures.warnings(found_there):
        reporter.note(f"{indent}{sentence}", "warning")


def _judgement(monitor: str, value: float, text: str) -> str:
    """What a figure of health means, and what is wrong."""
    level = ("good", "warns", "bad")[min(2, max(0, round(value)))]
    return f"Health, {monitor.replace('_', ' ')}: {level}" + (f", {text}" if text else "")


def figure(value: float) -> str:
    """Five digits, and no minus before a nought."""
    return f"{value + 0.0:.5g}" if math.isfinite(value) else "not a number"


def measured_how(record: RunRecord, kept: dict[str, Any]) -> str:
    """In one line: run, checkpoint, averaged weights or not, items, seed, sampler and steps."""
    checkpoint, sampling = str(kept.get("checkpoint", "")), merged(record.sampling, kept.get("sampling", {}))
    width = checkpoint.partition("@")[2]
    weights = f"averaged to a width of {width}" if width else ("averaged (EMA)" if record.training.get("ema") else "as trained")
    way = sampling.get("sampler") or sampling.get("solver")
    way = way.get("type", "") if isinstance(way, dict) else str(way or "")
    steps = counted(int(sampling["steps"]), "step") if "steps" in sampling else ""
    parts = [f"checkpoint of step {kept.get('step', step_of(checkpoint) or 0):,}, weights {weights}",
             f"{counted(int(kept.get('count', 0)), 'item')} made, seed {kept.get('seed', 0)}",
             " in ".join(filter(None, (way, steps)))]  # fmt: skip
    return f"evaluation of {record.title} ({record.id}): {'; '.join(filter(None, parts))}"


# ------------------------------------------------------------------------------------------------ several runs


async def _side_by_side(now: Session, records: list[RunRecord]) -> None:
    """The settings that differ, how each run stands, and what was measured of each last."""
    folders = [now.library.run(record.id) for record in records]
    states = [await now.engine.run_state(record.id) for record in records]
    told = [standing(folder) for folder in folders]
    rows = [("run", [record.title for record in records]), ("id", [record.id for record in records])]
    data = _data(now)
    named = [{"data set": data.get(record.dataset, NOTHING)} for record in records]
    rows += differing([name | _settings(now, record) for name, record in zip(named, records, strict=True)], NOTHING)
    rows.append(("state", [f"{state.state} at step {state.step:,}" for state in states]))
    figures = [{name: words for name, words, _ in _figures(one, parameters(folder))}
               for one, folder in zip(told, folders, strict=True)]  # fmt: skip
    rows += [(name, [one.get(name, NOTHING) for one in figures]) for name in _names(figures)]
    rows.append(("health", [_judged(one.health) for one in told]))
    kept = [evaluation(folder) for folder in folders]
    rows += _measured(records, kept)
    _table(now.reporter, rows)
    _tell_unlike(now, records, kept)


def _settings(now: Session, record: RunRecord) -> dict[str, str]:
    """All that is kept of a run, as it is written behind --set."""
    return {name: written(value) for name, value in flat(_kept(now, record)).items()}


def _judged(health: Health | None) -> str:
    if health is None:
        return NOTHING
    wrong = [f"{line.monitor.replace('_', ' ')}: {LEVELS[line.level]}" for line in health.lines if line.level != "ok"]
    return ", ".join(wrong) or LEVELS["ok"]


def _names(of: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for one in of for name in one))


def _measured(records: list[RunRecord], kept: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    if not any(kept):
        return []
    how = [measured_how(record, one).partition("): ")[2] if one else "not evaluated"
           for record, one in zip(records, kept, strict=True)]  # fmt: skip
    figures = [one.get("figures", {}) for one in kept]
    rows = [(name, [figure(one[name]) if name in one else NOTHING for one in figures]) for name in sorted(_names(figures))]
    return [("evaluated", how), *rows]


def _table(reporter: Reporter, rows: list[tuple[str, list[str]]]) -> None:
    first = max(len(name) for name, _ in rows) + 2
    widths = [min(44, max(len(values[i]) for _, values in rows)) + 2 for i in range(len(rows[0][1]))]
    for name, values in rows:
        cells = "".join(f"{value:{width - 2}}  " for value, width in zip(values, widths, strict=True))
        reporter.result(f"{name:{first}}{cells}".rstrip(), name=name, values=values)


def _tell_unlike(now: Session, records: list[RunRecord], kept: list[dict[str, Any]]) -> None:
    """What must not be compared."""
    families = {family.key: family for family in now.engine.descriptions()}
    kinds = [loss_kind(record, families.get(record.family)) for record in records]
    if any(kind != kinds[0] for kind in kinds):
        now.reporter.note("the losses are of different kinds: their heights cannot be compared", "unlike")
    asked = [(one.get("count"), one.get("seed")) for one in kept if one]
    if len(set(asked)) > 1:
        now.reporter.note("they were evaluated on other numbers of items or seeds: small differences mean nothing", "unlike")
    if len({record.spec.fingerprint for record in records}) > 1 and asked:
        now.reporter.note("they learned other data: measures against held-out items cannot be compared", "unlike")
