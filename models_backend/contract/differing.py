"""What several things differ in: the settings of runs and the facts of samples are compared by the same rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .fields import FieldSpec, renamed, variant_of


def flat(value: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    """The settings of a group by the keys that --set knows: "optimiser" for the one chosen, "optimiser.beta1" inside it."""
    told: dict[str, Any] = {}
    for key, one in value.items():
        path = at if key == "type" and at else f"{at}.{key}".strip(".")
        told |= flat(one, path) if isinstance(one, Mapping) and one else {path: one}
    return told


def whole(spec: FieldSpec, value: Any) -> Any:
    """A plain value as it is in effect: what a record leaves out (the rest of a variant that was chosen, what came since) with
    its default."""
    group = variant_of(spec, value) if spec.kind == "choice" else spec if spec.kind == "group" else None
    if group is None or not isinstance(value, dict):
        return value
    value = renamed(spec, value)
    inside = {field.name: whole(field, value.get(field.name, field.default)) for field in group.fields}
    return ({} if group is spec else {"type": group.name}) | inside | {k: v for k, v in value.items() if k not in inside}


def differing(things: Sequence[Mapping[str, Any]], absent: Any) -> list[tuple[str, list[Any]]]:
    """The names whose values are not the same in all of ``things``, in the order in which they first appear, each with its
    value in every one; ``absent`` stands where a thing has no such name."""
    rows = [(name, [one.get(name, absent) for one in things]) for name in dict.fromkeys(name for one in things for name in one)]
    return [(name, values) for name, values in rows if any(value != values[0] for value in values[1:])]
