"""Grids over two fields: which fields can be an axis, what values it takes, and the request of each cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from models_backend.contract import fields, names
from models_backend.contract.fields import FieldSpec
from models_backend.contract.messages import Sample

MOST_CELLS = 144
SUGGESTED = 5
MOST_SUGGESTED = 12
SEED = FieldSpec("seed", "int", "Seed", low=0, high=2**31 - 1, default=0)


@dataclass(frozen=True)
class Axis:
    """A field and the values that it takes along one side. ``path`` is dotted; "seed" and "condition.<kind>" too."""

    path: str
    title: str
    values: tuple[Any, ...]

    def named(self) -> list[str]:
        """Each value after the name of the field."""
        return [f"{self.title} {text}" for text in self.labels()]

    def labels(self) -> list[str]:
        """The values as text."""
        return [f"{v:g}" if isinstance(v, float) else str(v) for v in self.values]


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


def changed(request: Sample, path: str, value: Any, choices: frozenset[str] = frozenset()) -> Sample:
    """A request with one field set. ``choices``: paths whose value is the name of a variant."""
    if path == "seed":
        return msgspec.structs.replace(request, seed=int(value))
    if path.startswith("condition."):
        return msgspec.structs.replace(request, conditions=request.conditions | {path.removeprefix("condition."): value})
    nested: Any = {"type": value} if path in choices else value
    for part in reversed(path.split(".")):
        nested = {part: nested}
    return msgspec.structs.replace(request, sampling=fields.merged(request.sampling, nested))


def cells(request: Sample, across: Axis, down: Axis | None, choices: frozenset[str] = frozenset()) -> list[Sample]:
    """The request of every cell, row by row, titled by its values after the title of ``request``.

    Raises ValueError for more than ``MOST_CELLS``."""
    rows = down.values if down else (None,)
    if len(rows) * len(across.values) > MOST_CELLS:
        raise ValueError(f"{len(rows)} x {len(across.values)} are too many; a grid has at most {MOST_CELLS} cells")
    found = []
    for row, below in zip(rows, down.named() if down else [""]):
        base = changed(request, down.path, row, choices) if down else request
        for value, beside in zip(across.values, across.named()):
            what = ", ".join(filter(None, (beside, below)))
            cell = changed(base, across.path, value, choices)
            found.append(msgspec.structs.replace(cell, title=f"{request.title} · {what}" if request.title else what))
    return found
