"""``--set key=value``: which of a run's groups of settings a key means, and what its text stands for there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from models_backend.contract import names
from models_backend.contract.family import FamilyDescription
from models_backend.contract.fields import FieldSpec, allowed, merged, nested
from models_backend.contract.messages import TroubleError
from models_backend.engine import creation

GROUPS = ("training", "config", "data", "sampling")


def groups_of(family: FamilyDescription) -> dict[str, FieldSpec]:
    """The groups of settings that a run of this family has."""
    return {"training": creation.TRAINING, "config": family.config, "data": creation.DATA, "sampling": family.sampling}


Families = Iterable[FamilyDescription]


def changes(family: FamilyDescription, pairs: list[str], known: Families = ()) -> dict[str, dict[str, Any]]:
    """``["steps=100", "network.width=32", "sampling.steps=20"]`` as changes by group.

    A key may begin with its group; without one it is looked for in training, config, data and sampling, in this order.
    ``known``: the families of which one that has an unknown key is told.
    Raises TroubleError for a pair without "=" and for a key that no group has."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in GROUPS}
    specs = groups_of(family)
    for pair in spelled(pairs):
        key, text = split(pair)
        group, path = _placed(specs, key, known)
        found[group].append((path, text))
    return {group: put_all({}, specs[group], given, known, group) for group, given in found.items()}


def split(pair: str, example: str = "--set learning_rate=3e-4", form: str = "KEY=VALUE") -> tuple[str, str]:
    """Key and text of ``key=value``. Raises TroubleError, saying the ``form`` in which the help has the option."""
    key, sign, text = pair.partition("=")
    if not sign or not key.strip():
        raise TroubleError(f"{example.split()[0]} is written {form}", pair, advice=f"For example {example}")
    return key.strip(), text.strip()


def _placed(specs: dict[str, FieldSpec], key: str, known: Families) -> tuple[str, str]:
    first, _, rest = key.partition(".")
    if first in specs and rest:
        return first, rest
    for group in GROUPS:
        if any(field.name == first for field in specs[group].fields):
            return group, key
    raise _unknown(key, [specs[group] for group in GROUPS], known)


def _unknown(path: str, specs: list[FieldSpec], known: Families, group: str = "") -> TroubleError:
    """What is set, and what does not exist here: the settings below others that are called so, else those that there are, and
    the families that have this one (in the group that is meant, where one is)."""
    there = [field.name for spec in specs[:3] for field in spec.fields]
    below = list(dict.fromkeys(place for spec in specs for place in _below(spec, path)))
    if below:
        return TroubleError(f"There is no setting “{path}”; did you mean {' or '.join(below)}?")
    near = names.nearest(path, there)
    said = f"; did you mean {near}?" if near else f" (there are {', '.join(there)})" if "." not in path else ""
    having = [f.key for f in known if any(spec_at(spec, path) for name, spec in groups_of(f).items() if group in ("", name))]
    advice = f"These families have one: {', '.join(having)}" if having else ""
    return TroubleError(f"There is no setting “{path}”{said}", advice=advice)


def _below(spec: FieldSpec, name: str) -> list[str]:
    """The dotted paths below the fields of ``spec`` of those that are called ``name``."""
    found = []
    for field in spec.fields:
        for inside in (field, *field.variants):
            found += [f"{field.name}.{one.name}" for one in inside.fields if one.name == name]
            found += [f"{field.name}.{place}" for place in _below(inside, name)]
    return found


def put_all(
    values: dict[str, Any], spec: FieldSpec, pairs: Iterable[tuple[str, str]], known: Families = (), group: str = ""
) -> dict[str, Any]:
    """``values`` with the text at each dotted path set, in whatever order they are given: what chooses comes before what is set
    inside of it; of two texts for one path the later counts. Raises TroubleError."""
    for path, text in sorted(pairs, key=lambda pair: _turn(spec, *pair)):
        values = put(values, spec, path, text, known, group)
    return values


def _turn(spec: FieldSpec, path: str, text: str) -> tuple[bool, int]:
    """Sorts choices first, and of them those that hold others."""
    path = path.removesuffix(".type")
    field = spec_at(spec, path)
    chooses = field is not None and field.kind == "choice" and (not text.startswith("{") or '"type"' in text)
    return not chooses, path.count(".") if chooses else 0


def put(values: dict[str, Any], spec: FieldSpec, path: str, text: str, known: Families = (), group: str = "") -> dict[str, Any]:
    """``values`` with the text at a dotted path set, read as the field there means it. ``group``: whose ``spec`` is. Raises
    TroubleError."""
    field = spec_at(spec, path)
    if field is None:
        raise _unknown(path, [spec], known, group)
    if field.kind == "choice" and not text.startswith("{"):
        return merged(values, nested(f"{path}.type", text))
    if field.kind in ("text", "enum", "path", "run"):
        return merged(values, nested(path, text))
    if field.kind == "bool" and text.lower() in _BOOLS:
        return merged(values, nested(path, _BOOLS[text.lower()]))
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        value = text
    return merged(values, nested(path, value))


_BOOLS = {"yes": True, "no": False, "on": True, "off": False, "true": True, "false": False}


def spec_at(spec: FieldSpec, path: str) -> FieldSpec | None:
    """The field at a dotted path; inside a choice the first variant that has it."""
    first, _, rest = path.partition(".")
    inside = [f for variant in (spec, *spec.variants) for f in variant.fields if f.name == first]
    if spec.kind == "choice" and first == "type":
        return FieldSpec("type", "enum", options=tuple(v.name for v in spec.variants))
    if not inside:
        return None
    if not rest:
        return inside[0]
    return next((deeper for f in inside if (deeper := spec_at(f, rest))), None)


def lines(spec: FieldSpec, at: str = "", chosen: tuple[str, ...] = ()) -> list[str]:
    """What can be set below the path ``at``, one line a field: path and default as ``--set`` takes them, the choices that it
    stands in (``chosen``), range, help."""
    told = []
    for field in spec.fields:
        path = f"{at}.{field.name}".strip(".")
        where = f"with {', '.join(chosen)}; " if chosen else ""
        if field.kind == "group":
            told.append(f"{path}  {field.help}")
            told += lines(field, path, chosen)
        else:
            told.append(f"{path}={as_set(field)}  ({where}{allowed(field)})  {field.help}")
        for variant in field.variants:
            told += lines(variant, path, (*chosen, f"{path}={variant.name}"))
    return told


def as_set(field: FieldSpec) -> str:
    """The default of a field as ``--set`` takes it: a choice by its name."""
    default = field.default
    if field.kind == "choice" and isinstance(default, dict) and "type" in default:
        return str(default["type"])
    if isinstance(default, bool):
        return "yes" if default else "no"
    return default if isinstance(default, str) else msgspec.json.encode(default).decode()


def spelled(pairs: Iterable[str]) -> list[str]:
    """Pairs in which a choice may be made on the way: ``encoder[mlp].width=8`` is ``encoder=mlp``, then ``encoder.width=8``."""
    found: list[str] = []
    for pair in pairs:
        key, sign, text = pair.partition("=")
        while made := _CHOSEN.search(key):
            found.append(f"{key[: made.start()]}={made[1]}")
            key = key[: made.start()] + key[made.end() :]
        found.append(f"{key}{sign}{text}")
    return found


_CHOSEN = re.compile(r"\[(\w+)\]")
