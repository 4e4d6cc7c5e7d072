"""Grids over two fields: which fields can be an axis, what values it takes, and the request of each cell."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from models_backend.contract import fields, names
from models_backend.contract.fields import FieldSpec
from models_backend.contract.grids import GridAxis, GridCell
from models_backend.contract.messages import Sample

MOST_CELLS = 144
SUGGESTED = 5
MOST_SUGGESTED = 12
SEED = FieldSpec("seed", "int", "Seed", low=0, high=2**31 - 1, default=0)


def leaves(spec: FieldSpec, values: dict[str, Any], at: str = "") -> list[tuple[str, FieldSpec]]:
    """Dotted path and field of everything in a group that can be an axis, inside the chosen variants too."""
    found: list[tuple[str, FieldSpec]] = []
    for one in spec.fields:
        path = f"{at}.{one.name}".strip(".")
        inside = values.get(one.name) if isinstance(values, dict) else None
        if one.kind in ("bool", "int", "float", "enum"):
            found.append((path, one))
        elif one.kind == "group":
            found += leaves(one, inside or {}, path)
        elif one.kind == "choice":
            found.append((path, one))
            variant = fields.variant_of(one, inside)
            found += leaves(variant, inside or {}, path) if variant else []
    return found


def suggested(spec: FieldSpec, value: Any = None) -> str:
    """A few values of a field as text, around the present one."""
    if spec.kind == "bool":
        return "false, true"
    if spec.kind == "enum":
        return ", ".join(spec.options[:MOST_SUGGESTED])
    if spec.kind == "choice":
        return ", ".join(variant.name for variant in spec.variants)
    if spec.name == "seed":
        return ", ".join(map(str, range(SUGGESTED)))
    return ", ".join(f"{number:g}" for number in _numbers(spec, value))


def _numbers(spec: FieldSpec, value: Any) -> list[float]:
    present = float(value) if isinstance(value, (int, float)) else float(spec.default or 0.0)
    low = spec.low if spec.low is not None else min(0.0, present)
    high = spec.high if spec.high is not None else max(1.0, present * 4)
    if spec.scale == "log" and present > 0:
        spread = present * 2.0 ** np.arange(-2, 3)
    else:
        span = min(high - low, max(4 * abs(present), 1.0))
        begin = min(max(low, present - span / 2), high - span)
        spread = np.linspace(begin, begin + span, SUGGESTED)
    spread = np.clip(spread, low, high)
    if spec.kind == "int":
        spread = np.rint(spread)
    return list(dict.fromkeys(float(f"{number:.4g}") for number in spread))


def as_text(values: tuple[Any, ...]) -> str:
    """Values as :func:`parse_values` takes them, to their last digit: "0, 2.5, 4"."""
    return ", ".join(_text_of(value) for value in values)


def _text_of(value: Any) -> str:
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_values(spec: FieldSpec, text: str) -> tuple[Any, ...]:
    """Values of a field from text separated by commas. Raises ValueError that names the value and its range."""
    parts = names.listed(text, lambda part: bool(names.places(spec.options, part)))
    if not parts:
        raise ValueError(f"{spec.title}: give at least one value")
    values = tuple(_parse(spec, part) for part in parts)
    for part, value in zip(parts, values):
        if fields.check(spec, value):
            raise ValueError(f"{spec.title}: “{part}” must be {fields.allowed(spec)}")
    return tuple(value["type"] if spec.kind == "choice" else value for value in values)


def _parse(spec: FieldSpec, text: str) -> Any:
    if spec.kind == "enum":
        return names.class_name(text, spec.options)
    if spec.kind == "choice":
        return {"type": text}
    if spec.kind == "bool":
        return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if spec.kind == "int" and number.is_integer() else number


def at(values: dict[str, Any], path: str) -> Any:
    """What plain values hold at a dotted path; None where there is nothing."""
    for part in path.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def changed(request: Sample, path: str, value: Any, choices: frozenset[str] = frozenset()) -> Sample:
    """A request with one field set. ``choices``: paths whose value is the name of a variant."""
    if path == "seed":
        return msgspec.structs.replace(request, seed=int(value))
    if path.startswith("condition."):
        return msgspec.structs.replace(request, conditions=request.conditions | {path.removeprefix("condition."): value})
    change = fields.nested(path, {"type": value} if path in choices else value)
    return msgspec.structs.replace(request, sampling=fields.merged(request.sampling, change))


def cells(
    request: Sample, across: GridAxis, down: GridAxis | None, choices: frozenset[str] = frozenset(), grid: str = ""
) -> list[Sample]:
    """The request of every cell, row by row, titled by the fields after the title of ``request``; ``grid``: the whole's id.

    Raises ValueError for more than ``MOST_CELLS``."""
    whole = GridCell(grid, across, down)
    if whole.rows * whole.columns > MOST_CELLS:
        raise ValueError(f"{whole.rows} x {whole.columns} are too many; a grid has at most {MOST_CELLS} cells")
    title = f"{request.title} · {whole.over}" if request.title else whole.over
    found = []
    for row in range(whole.rows):
        base = changed(request, down.path, down.values[row], choices) if down else request
        for column, value in enumerate(across.values):
            place = msgspec.structs.replace(whole, row=row, column=column)
            found.append(msgspec.structs.replace(changed(base, across.path, value, choices), title=title, grid=place))
    return found
