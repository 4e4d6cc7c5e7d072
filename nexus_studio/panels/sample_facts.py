"""What is known of how samples were made, in the field's terms: one table for one sample, and what two differ in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace
from PySide6.QtCore import QCoreApplication

from models_backend.contract import fields, names
from models_backend.contract.differing import differing
from models_backend.contract.family import DataSpec
from models_backend.contract.fields import FieldSpec
from models_backend.contract.run_layout import SampleRecord
from models_backend.contract.words import counted

from .. import figures
from ..state.session import Session

#: Values of one condition that are listed; a sample may have been asked for many.
SHOWN = 4
#: What two samples differ in where one of them has no such setting.
NONE = "—"


class Difference(NamedTuple):
    """Something that two samples differ in, in words."""

    name: str
    left: str
    right: str


def checkpoint_name(name: str) -> str:
    """A checkpoint in words: "Training step 1,234" for step-000001234; "" for none."""
    kept, _, width = name.partition("@")
    step = kept.removeprefix("step-").lstrip("0") or "0"
    known = kept.startswith("step-") and step.isdigit()
    words = _tr("Training step {0}").format(f"{int(step):,}") if known else kept
    return _tr("{0}, averaged over {1} %").format(words or _tr("Newest"), f"{100 * float(width):g}") if width else words


def settings(spec: FieldSpec | None, values: Mapping[str, Any], within: str = "") -> list[tuple[str, Any]]:
    """Titles and plain values of nested settings that count; what the form does not know stands under its own name."""
    found: list[tuple[str, Any]] = []
    known = {one.name: one for one in spec.fields} if spec is not None else {}
    whole = fields.merged(fields.defaults(spec), dict(values)) if known else values
    for name, value in values.items():
        field = known.get(name)
        if field is not None and not fields.relevant(field, whole):
            continue
        title = field.title if field is not None and field.title else name.replace("_", " ").capitalize()
        title = f"{within}: {title}" if within else title
        if isinstance(value, Mapping):
            found += [(title, value["type"])] if "type" in value else []
            inner = fields.variant_of(field, value) if field is not None and field.kind == "choice" else field
            found += settings(inner, {key: one for key, one in value.items() if key != "type"}, title)
        else:
            found.append((title, value))
    return found


def sampling(session: Session, family: str, values: dict[str, Any]) -> list[tuple[str, Any]]:
    """Titles and values of the sampling settings of a family."""
    known = session.catalogue.get(family)
    spec = known.sampling if known is not None else None
    return settings(spec, fields.renamed(spec, values) if spec is not None else values)


def conditions(asked: Mapping[str, Any], spec: DataSpec | None) -> list[tuple[str, Any]]:
    """Titles and values of what was asked for: names in place of the positions of classes."""
    titles = {"text": _tr("Prompt"), "class": _tr("Class")}
    found = []
    for kind, value in asked.items():
        if kind == "class" and spec is not None:
            value = _classes(value, spec)
        found.append((titles.get(kind, kind.replace("_", " ").capitalize()), value))
    return [(title, value) for title, value in found if value not in (None, "")]


def _classes(value: Any, spec: DataSpec) -> Any:
    if names.is_every(value, spec.classes):
        return _tr("Every class in turn")
    if isinstance(value, list | tuple):
        return [names.class_name(one, spec.classes) or _tr("any") for one in value]
    return names.class_name(value, spec.classes)


def facts(session: Session, record: SampleRecord) -> list[tuple[str, Any]]:
    """How a sample, or the grid that it stands for, was made: titles and values."""
    grid, record = record.grid, _spread(record)
    run, family = session.runs.get(record.run), session.catalogue.get(record.family)
    found = [
        (_tr("Model"), family.title if family else record.family),
        (_tr("Run"), run.title if run else record.run),
        (_tr("Checkpoint"), checkpoint_name(record.checkpoint)),
    ]
    drawn = record.kind == "path"
    size = f"{counted(grid.rows, 'row')} × {counted(grid.columns, 'column')}" if grid is not None else ""
    counts = [(_tr("Grid"), size)] if size else [(_tr("Items"), record.count)]
    found += _path(record) if drawn else [*counts, (_tr("Seed"), record.seed)]
    found += conditions(record.conditions, run.spec if run else None)
    if not drawn or (family is not None and "noise" in family.latents):  # no others decode by their sampling settings
        found += sampling(session, record.family, record.sampling)
    if record.start is not None:
        found.append((_tr("Branch of"), origin(session, record.start["sample"], record.start["step"])))
    return [(title, value) for title, value in found if value not in ("", None)]


def _spread(record: SampleRecord) -> SampleRecord:
    """The record of a cell with all values that its grid lies over in place of its own."""
    for axis in record.grid.axes if record.grid is not None else ():
        values: Any = list(axis.values)
        if axis.path == "seed":
            record = replace(record, seed=values)
        elif axis.path.startswith("condition."):
            record = replace(record, conditions=record.conditions | {axis.path.removeprefix("condition."): values})
        else:
            record = replace(record, sampling=fields.merged(record.sampling, fields.nested(axis.path, values)))
    return record


def drawn_places(record: SampleRecord) -> list[list[float]]:
    """The places (N, 2) that a kept path was drawn through; of an older one those of its frames, of other samples none."""
    path = record.path or {}
    return path.get("drawn") or path.get("xy") or []


def _path(record: SampleRecord) -> list[tuple[str, Any]]:
    """What a path through the latents was made of."""
    path = record.path or {}
    places, latents = path.get("xy") or [], path.get("z") or []
    found = [(_tr("Frames"), record.count)]
    if places:
        first, last = (f"({x:.2f}, {y:.2f})" for x, y in (places[0], places[-1]))
        found.append((_tr("Path"), _tr("{0} on the map, from {1} to {2}").format(counted(len(places), "point"), first, last)))
    elif latents:
        found.append((_tr("Path"), counted(len(latents), "latent")))
    return [*found, *([(_tr("Numbers in a latent"), len(latents[0]))] if latents else [])]


def origin(session: Session, sample: str, step: int) -> str:
    """The recorded state from which a branch goes on."""
    return _tr("{0}, sampling step {1}").format(session.title_of(sample) or _tr("A sample that is gone"), step)


def differences(session: Session, left: SampleRecord, right: SampleRecord) -> list[Difference]:
    """What two samples differ in, in the order of the table of one."""
    rows = differing([dict(facts(session, record)) for record in (left, right)], NONE)
    found = [Difference(name, *map(words, values)) for name, values in rows]
    runs = [session.runs.get(record.run) for record in (left, right)]
    if left.run != right.run and all(runs) and runs[0].title == runs[1].title:
        found.insert(0, Difference(_tr("Run"), *(f"{run.title}, {made_at(run.created)}" for run in runs)))
    return found


def made_at(seconds: float) -> str:
    """A date and a time of the day."""
    return time.strftime("%d %b %Y %H:%M", time.localtime(seconds))


def words(value: Any, most: int = 0) -> str:
    """A value as people read it; of a list the first ``most``, or all."""
    if isinstance(value, Mapping):
        rest = ", ".join(f"{key} {words(one)}" for key, one in value.items() if key != "type")
        return f"{value.get('type', '')} {rest}".strip()
    if isinstance(value, list | tuple):
        shown = value[:most] if most else value
        more = _tr(" · and {0} more").format(len(value) - len(shown)) if len(value) > len(shown) else ""
        return " · ".join(map(words, shown)) + more
    return figures.setting(value)


def _tr(text: str) -> str:
    return QCoreApplication.translate("samples", text)
