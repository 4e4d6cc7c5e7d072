"""Fields: how a setting is declared once and then checked, stored and drawn everywhere.

A settings type is a frozen msgspec struct whose attributes are annotated with :class:`Field`. ``describe``
turns the type into plain :class:`FieldSpec` data, which crosses the process line; ``check`` validates plain
values against that data (the studio has no access to the type), and ``build`` makes the typed struct.

    class Adam(msgspec.Struct, frozen=True, tag="adam"):
        beta1: Annotated[float, Field("Decay of the first moment", title="Beta 1", low=0.0, high=0.999)] = 0.9

Kinds: bool int float text enum path list group choice run. A *choice* is a union of tagged structs and its
plain value is ``{"type": <tag>, ...}``; a variant whose tag does not spell its name says ``title: ClassVar[str]``.
A *run* is the id of another run, or None.
"""

from __future__ import annotations

import math
import types
import typing
from typing import Annotated, Any, Literal, Union

import msgspec

from .words import written

FIELD_KINDS = ("bool", "int", "float", "text", "enum", "path", "list", "group", "choice", "run")
FieldKind = Literal["bool", "int", "float", "text", "enum", "path", "list", "group", "choice", "run"]


class When(msgspec.Struct, frozen=True):
    """A field counts only while its sibling ``field`` has one of ``values``; else it is greyed with ``reason``."""

    field: str
    values: tuple[Any, ...]
    reason: str


class Field(msgspec.Struct, frozen=True):
    """What an annotation adds to a type: one help line, bounds (inclusive; of a list, how many items), unit. ``multiple_of``
    and ``at_most`` name a sibling that bounds it, too. ``needs`` names what the data must have for it to count (see
    ``family.unmet``), ``was`` an earlier name, under which old records keep it."""

    help: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    title: str = ""
    scale: Literal["linear", "log"] = "linear"
    step: float | None = None
    when: When | None = None
    live: bool = False
    path: Literal["", "file", "folder"] = ""
    run: str = ""
    needs: str = ""
    was: str = ""
    multiple_of: str = ""
    at_most: str = ""


#: A whole number from one on, as an item of a list.
Positive = Annotated[int, Field("", low=1)]


class FieldSpec(msgspec.Struct, omit_defaults=True):
    """A field as plain data. ``fields`` belongs to a group, ``variants`` (groups) to a choice, ``item`` to a list."""

    name: str
    kind: FieldKind
    title: str = ""
    help: str = ""
    default: Any = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    scale: str = "linear"
    step: float | None = None
    optional: bool = False
    live: bool = False
    options: tuple[str, ...] = ()
    fields: tuple[FieldSpec, ...] = ()
    variants: tuple[FieldSpec, ...] = ()
    item: FieldSpec | None = None
    when: When | None = None
    path: str = ""
    run: str = ""
    needs: str = ""
    was: str = ""
    multiple_of: str = ""
    at_most: str = ""


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with one value. ``field`` is a dotted path, ``allowed`` says the range in words."""

    field: str
    value: Any
    allowed: str

    def __str__(self) -> str:
        shown = "nothing" if self.value is None else repr(self.value)
        return f"{self.field}: {shown} is not allowed; it must be {self.allowed}"


class FieldError(ValueError):
    """Values that do not fit their fields; ``problems`` lists every one, the message the first."""

    def __init__(self, problems: list[Problem]):
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")


# ---------------------------------------------------------------------------------------------- describing


def describe(settings: type, name: str = "", title: str = "") -> FieldSpec:
    """The plain description of a settings struct, with its defaults."""
    hints = typing.get_type_hints(settings, include_extras=True)
    info = {f.name: f for f in msgspec.structs.fields(settings)}
    fields = tuple(_describe_one(key, hint, _default(info[key])) for key, hint in hints.items() if key in info)
    doc = (settings.__doc__ or "").strip().splitlines()
    return FieldSpec(name, "group", title or _titled(name), doc[0] if doc else "", None, fields=fields)


def _default(info: msgspec.structs.FieldInfo) -> Any:
    if info.default is not msgspec.NODEFAULT:
        return _as_json(info.default)
    if info.default_factory is not msgspec.NODEFAULT:
        return _as_json(info.default_factory())
    raise TypeError(f"settings field {info.name!r} needs a default")


def _as_json(value: Any) -> Any:
    """A value as it comes back from JSON (tuples as lists), so that a description survives the wire unchanged."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _describe_one(name: str, hint: Any, default: Any) -> FieldSpec:
    declared = Field("")
    if typing.get_origin(hint) is typing.Annotated:
        hint, *extras = typing.get_args(hint)
        declared = next((e for e in extras if isinstance(e, Field)), declared)
    members = _union_members(hint)
    optional = type(None) in members
    members = [m for m in members if m is not type(None)]
    common = {
        "title": declared.title or _titled(name), "help": declared.help, "default": default, "unit": declared.unit,
        "low": _real(declared.low), "high": _real(declared.high), "step": _real(declared.step), "scale": declared.scale,
        "when": declared.when,
        "optional": optional, "live": declared.live, "path": declared.path, "run": declared.run,
        "needs": declared.needs, "was": declared.was, "multiple_of": declared.multiple_of, "at_most": declared.at_most,
    }  # fmt: skip
    if len(members) > 1 or (_is_struct(members[0]) and members[0].__struct_config__.tag):
        variants = tuple(describe(m, m.__struct_config__.tag, _title_of(m)) for m in members)
        return FieldSpec(name, "choice", **common, variants=variants)
    return _describe_plain(name, members[0], common)


def _real(bound: float | None) -> float | None:
    """A bound as a float, also where the declaration says 1: the description is then the same on both sides of the wire."""
    return None if bound is None else float(bound)


def _describe_plain(name: str, hint: Any, common: dict) -> FieldSpec:
    origin = typing.get_origin(hint)
    if origin is Literal:
        return FieldSpec(name, "enum", **common, options=tuple(str(v) for v in typing.get_args(hint)))
    if origin in (list, tuple):
        return FieldSpec(name, "list", **common, item=_describe_one("item", typing.get_args(hint)[0], None))
    if _is_struct(hint):
        return FieldSpec(name, "group", **common, fields=describe(hint).fields)
    if hint is str:
        kind = "run" if common["run"] else "path" if common["path"] else "text"
        return FieldSpec(name, kind, **common)
    kinds: dict[Any, FieldKind] = {bool: "bool", int: "int", float: "float"}
    if hint not in kinds:
        raise TypeError(f"settings field {name!r}: no field kind for {hint!r}")
    return FieldSpec(name, kinds[hint], **common)


def _union_members(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (Union, types.UnionType):
        return list(typing.get_args(hint))
    return [hint]


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _title_of(variant: type) -> str:
    """The published name of a variant where its tag does not spell it: its class attribute ``title``."""
    title = getattr(variant, "title", "")
    return title if isinstance(title, str) else ""


def _titled(name: str) -> str:
    return name.replace("_", " ").capitalize()


# ------------------------------------------------------------------------------------------------ checking


def defaults(spec: FieldSpec) -> Any:
    """The plain default value of a field; of a group, the dictionary of its fields' defaults."""
    if spec.kind == "group" and spec.default is None:
        return {f.name: defaults(f) for f in spec.fields}
    return spec.default


def variant_of(spec: FieldSpec, value: Any) -> FieldSpec | None:
    """The variant of a choice that a plain value names, or None. A group of fields that names none is its default's: it may be
    older than the choice."""
    usual = spec.default.get("type") if isinstance(spec.default, dict) else None
    tag = value.get("type", usual) if isinstance(value, dict) else None
    return next((v for v in spec.variants if v.name == tag), None)


def relevant(spec: FieldSpec, siblings: dict[str, Any]) -> bool:
    """Whether a field counts, given the plain values beside it."""
    if spec.when is None:
        return True
    value = siblings.get(spec.when.field)
    if isinstance(value, dict):
        value = value.get("type")
    return value in spec.when.values


def check(spec: FieldSpec, value: Any, at: str = "") -> list[Problem]:
    """Everything wrong with a plain value; fields that are absent take their defaults."""
    path = f"{at}.{spec.name}".strip(".") if spec.kind != "group" or spec.name else at
    if value is None:
        missing = not spec.optional and spec.kind not in ("run",)
        return [Problem(path, None, allowed(spec))] if missing else []
    return _CHECKS[spec.kind](spec, value, path)


def allowed(spec: FieldSpec) -> str:
    """The range of a field in words."""
    unit = f" {spec.unit}" if spec.unit else ""
    nouns = {"bool": "true or false", "int": "a whole number", "float": "a number", "text": "text",
             "path": "a path", "list": "a list", "group": "a group of fields", "run": "the id of a run"}  # fmt: skip
    if spec.kind == "enum":
        return "one of " + ", ".join(spec.options)
    if spec.kind == "choice":
        return "one of " + ", ".join(v.name for v in spec.variants)
    text = nouns[spec.kind]
    if spec.kind == "list" and spec.low is not None:
        return f"{text} of {written(spec.low)} or more"
    if spec.low is not None and spec.high is not None:
        return f"{text} from {written(spec.low)} to {written(spec.high)}{unit}"
    if spec.low is not None:
        return f"{text} of at least {written(spec.low)}{unit}"
    if spec.high is not None:
        return f"{text} of at most {written(spec.high)}{unit}"
    return text + unit


def _in_bounds(spec: FieldSpec, value: float) -> bool:
    low = -math.inf if spec.low is None else spec.low
    high = math.inf if spec.high is None else spec.high
    return math.isfinite(value) and low <= value <= high


def _check_number(spec: FieldSpec, value: Any, path: str) -> list[Problem]:
    kinds = (int,) if spec.kind == "int" else (int, float)
    good = isinstance(value, kinds) and not isinstance(value, bool) and _in_bounds(spec, value)
    return [] if good else [Problem(path, value, allowed(spec))]


def _check_bool(spec: FieldSpec, value: Any, path: str) -> list[Problem]:
    return [] if isinstance(value, bool) else [Problem(path, value, allowed(spec))]


def _check_text(spec: FieldSpec, value: Any, path: str) -> list[Problem]:
    return [] if isinstance(value, str) else [Problem(path, value, allowed(spec))]


def _check_enum(spec: FieldSpec, value: Any, path: str) -> list[Problem]:
    return [] if value in spec.options else [Problem(path, value, allowed(spec))]


def _check_list(spec: FieldSpec, value: Any, path: str) -> list[Problem]:
    if not isinstance(value, (list, tuple)) or not _in_bounds(spec, len(value)):
        return [Problem(path, value, allowed(spec))]
    return [p for i, v in enumerate(value) for p in check(msgspec.structs.replace(spec.item, name=str(i)), v, path)]


def _check_group(spec: FieldSpec, value: Any, path: str, variants: tuple[FieldSpec, ...] = ()) -> list[Problem]:
    if not isinstance(value, dict):
        return [Problem(path or "settings", value, allowed(spec))]
    known = {f.name for f in spec.fields} | {"type"}
    problems = [
        Problem(f"{path}.{k}".strip("."), v, _left_out(k, spec, path, variants)) for k, v in value.items() if k not in known
    ]
    for field in spec.fields:
        if field.name in value:
            problems += check(field, value[field.name], path)
    return problems or unrelated(spec.fields, value, path)


def unrelated(fields: tuple[FieldSpec, ...], values: dict[str, Any], at: str = "") -> list[Problem]:
    """Those of values that fit their fields which do not fit the siblings that bound them."""
    whole = {field.name: values.get(field.name, field.default) for field in fields}
    problems = []
    for field in fields:
        value, path = whole[field.name], f"{at}.{field.name}".strip(".")
        if field.multiple_of and value % (unit := whole[field.multiple_of]):
            near = round(value / unit) * unit
            fit = next((f": take {n}" for n in (near, near + unit, near - unit) if n > 0 and _in_bounds(field, n)), "")
            problems.append(Problem(path, value, f"a multiple of {field.multiple_of} ({unit}){fit}"))
        if field.at_most and value > (most := whole[field.at_most]):
            problems.append(Problem(path, value, f"at most {field.at_most} ({written(most)})"))
    return problems


def _left_out(name: str, chosen: FieldSpec, path: str, variants: tuple[FieldSpec, ...]) -> str:
    """Why a field is to be left out: no variant of the choice at ``path`` has it, or others than the chosen one."""
    having = [f"{path}={variant.name}" for variant in variants if any(field.name == name for field in variant.fields)]
    if not having:
        return "left out: there is no such field"
    return f"left out with {path}={chosen.name}: it is a setting of {' and '.join(having)}"


def _check_choice(spec: FieldSpec, value: Any, path: str) -> list[Problem]:
    variant = variant_of(spec, value)
    if variant is None:
        return [Problem(path, value, allowed(spec))]
    return _check_group(variant, value, path, spec.variants)


_CHECKS = {
    "bool": _check_bool, "int": _check_number, "float": _check_number, "text": _check_text, "path": _check_text,
    "run": _check_text, "enum": _check_enum, "list": _check_list, "group": _check_group, "choice": _check_choice,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------ building


def build(settings: type, values: dict[str, Any]) -> Any:
    """The typed struct for plain values. Raises FieldError with every problem."""
    spec = describe(settings)
    values = renamed(spec, values)
    problems = check(spec, values)
    if problems:
        raise FieldError(problems)
    return msgspec.convert(_named(spec, values), settings, strict=False)


def renamed(spec: FieldSpec, value: Any) -> Any:
    """Plain values of a group or choice with the names that fields have now. What stands under an earlier name was given (by
    an old record, say) and counts more than a default under the new one."""
    group = spec if spec.kind == "group" else variant_of(spec, value) if spec.kind == "choice" else None
    if group is None or not isinstance(value, dict):
        return value
    now = {field.was: field.name for field in group.fields if field.was and field.was in value}
    value = {name: one for name, one in value.items() if name not in now.values()} if now else value
    value = {now.get(name, name): one for name, one in value.items()}
    inside = {field.name: field for field in group.fields}
    return {name: renamed(inside[name], one) if name in inside else one for name, one in value.items()}


def _named(spec: FieldSpec, value: Any) -> Any:
    """A plain value that has been checked, with the type of every choice in it."""
    if spec.kind not in ("group", "choice", "list") or value is None:
        return value
    if spec.kind == "list":
        return [_named(spec.item, one) for one in value]
    group = spec if spec.kind == "group" else variant_of(spec, value)
    fields = {field.name: field for field in group.fields}
    inside = {name: _named(fields[name], one) if name in fields else one for name, one in value.items()}
    return inside if group is spec else {"type": group.name, **inside}


def plain(settings: msgspec.Struct) -> dict[str, Any]:
    """A settings struct as plain values (dicts, lists, strings, numbers)."""
    return msgspec.to_builtins(settings)


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Plain values with changes laid over them; a choice whose type changes is replaced whole."""
    result = dict(values)
    for key, change in changes.items():
        old = result.get(key)
        nested = isinstance(old, dict) and isinstance(change, dict)
        same_choice = nested and change.get("type", old.get("type")) == old.get("type")
        result[key] = merged(old, change) if same_choice else change
    return result


def nested(key: str, value: Any) -> dict[str, Any]:
    """A value under a dotted path: "a.b" -> {"a": {"b": value}}."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value
