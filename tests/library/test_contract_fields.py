"""Fields: declared once; described, checked, built and merged as plain data."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
import pytest

from models_backend.contract.fields import (
    FIELD_KINDS,
    Field,
    FieldError,
    FieldSpec,
    When,
    allowed,
    build,
    check,
    defaults,
    describe,
    merged,
    plain,
    relevant,
    renamed,
    variant_of,
)
from models_backend.contract.settings import DataSettings, TrainingSettings
from models_backend.contract.words import written


class Linear(msgspec.Struct, frozen=True, tag="linear"):
    """A straight schedule."""

    start: Annotated[float, Field("First variance", low=0.0, high=1.0)] = 1e-4


class Cosine(msgspec.Struct, frozen=True, tag="cosine"):
    """A cosine schedule."""


class Inner(msgspec.Struct, frozen=True):
    """A group."""

    depth: Annotated[int, Field("Layers", low=1, high=8)] = 2


class Settings(msgspec.Struct, frozen=True):
    """All kinds of fields."""

    flag: Annotated[bool, Field("A switch", live=True)] = False
    count: Annotated[int, Field("How many", low=1, high=10, unit="items")] = 3
    rate: Annotated[float, Field("How fast", low=0.0, scale="log")] = 0.5
    name: Annotated[str, Field("What")] = ""
    mode: Annotated[Literal["a", "b"], Field("Which")] = "a"
    folder: Annotated[str, Field("Where", path="folder")] = ""
    widths: Annotated[tuple[int, ...], Field("Channels")] = (8, 16)
    inner: Annotated[Inner, Field("A group")] = Inner()
    schedule: Annotated[Linear | Cosine, Field("Noise", title="Noise schedule")] = Linear()
    teacher: Annotated[str | None, Field("A run", run="diffusion")] = None
    limit: Annotated[float | None, Field("At most", high=2.0)] = None
    extra: Annotated[float, Field("Counts in b", when=When("mode", ("b",), "only mode b uses it"))] = 0.0


SPEC = describe(Settings, "config")


def field(name):
    return next(f for f in SPEC.fields if f.name == name)


def test_every_kind_is_described():
    kinds = {f.name: f.kind for f in SPEC.fields}
    assert kinds == {
        "flag": "bool", "count": "int", "rate": "float", "name": "text", "mode": "enum", "folder": "path",
        "widths": "list", "inner": "group", "schedule": "choice", "teacher": "run", "limit": "float", "extra": "float",
    }  # fmt: skip
    assert set(kinds.values()) == set(FIELD_KINDS)
    assert (field("count").low, field("count").high, field("count").unit) == (1, 10, "items")
    assert field("mode").options == ("a", "b")
    assert [v.name for v in field("schedule").variants] == ["linear", "cosine"]
    assert field("schedule").title == "Noise schedule"
    assert field("widths").item.kind == "int"
    assert field("inner").fields[0].name == "depth"
    assert field("limit").optional
    assert not field("count").optional
    assert field("flag").live
    assert field("teacher").run == "diffusion"
    assert SPEC.help == "All kinds of fields."


def test_a_description_survives_json():
    assert msgspec.json.decode(msgspec.json.encode(SPEC), type=FieldSpec) == SPEC
    for settings in (TrainingSettings, DataSettings):
        spec = describe(settings)
        assert msgspec.json.decode(msgspec.json.encode(spec), type=FieldSpec) == spec


def test_defaults_are_the_types_own_and_hold():
    values = defaults(SPEC)
    assert values["schedule"] == {"type": "linear", "start": 1e-4}
    assert check(SPEC, values) == []
    assert build(Settings, values) == Settings()
    assert build(Settings, {}) == Settings()
    assert build(TrainingSettings, defaults(describe(TrainingSettings))) == TrainingSettings()


GOOD = [
    ("count", 1), ("count", 10), ("rate", 0), ("rate", 1e9), ("limit", None), ("limit", -5.0), ("teacher", None),
    ("teacher", "run-a"), ("widths", []), ("widths", [1]), ("schedule", {"type": "cosine"}), ("schedule", {"type": "linear"}),
    ("inner", {}), ("mode", "b"),
]  # fmt: skip
BAD = [
    ("count", 0, "count"), ("count", 11, "count"), ("count", 2.5, "count"), ("count", True, "count"), ("count", "3", "count"),
    ("count", None, "count"), ("rate", -1, "rate"), ("rate", math.nan, "rate"), ("rate", math.inf, "rate"),
    ("flag", 1, "flag"), ("name", 3, "name"), ("mode", "c", "mode"), ("folder", [], "folder"), ("widths", 3, "widths"),
    ("widths", [1, "x"], "widths.1"), ("inner", {"depth": 9}, "inner.depth"), ("inner", 3, "inner"),
    ("inner", {"width": 1}, "inner.width"), ("schedule", "linear", "schedule"), ("schedule", {"type": "sigmoid"}, "schedule"),
    ("schedule", {"type": "linear", "start": 2}, "schedule.start"), ("limit", 3.0, "limit"), ("unknown", 1, "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_values_within_their_range_pass_and_build(name, value):
    assert check(SPEC, {name: value}) == []
    built = msgspec.to_builtins(getattr(build(Settings, {name: value}), name))
    if not isinstance(value, dict):
        assert built == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(("name", "value", "where"), BAD)
def test_values_outside_name_field_value_and_range(name, value, where):
    with pytest.raises(FieldError) as caught:
        build(Settings, {name: value})
    problem = caught.value.problems[0]
    assert problem.field.removeprefix("config.") == where
    assert problem.value is value or problem.value == value or where.count(".")
    assert problem.allowed in str(caught.value)
    assert where in str(caught.value)


def test_every_problem_is_listed():
    with pytest.raises(FieldError, match=r"\(and 1 more\)") as caught:
        build(Settings, {"count": 0, "mode": "c"})
    assert [p.field for p in caught.value.problems] == ["count", "mode"]


def test_a_field_of_another_variant_is_told_with_the_choice_that_has_it():
    (problem,) = check(SPEC, {"schedule": {"type": "cosine", "start": 0.5}})
    said = "it must be left out with config.schedule=cosine: it is a setting of config.schedule=linear"
    assert str(problem) == f"config.schedule.start: 0.5 is not allowed; {said}"
    (unknown,) = check(SPEC, {"schedule": {"type": "cosine", "nothing": 1}})
    assert unknown.allowed == "left out: there is no such field"


class Heads(msgspec.Struct, frozen=True):
    """A width that heads divide, sizes that rise."""

    width: Annotated[int, Field("Width", low=8, high=64, multiple_of="heads")] = 32
    heads: Annotated[int, Field("Heads", low=1)] = 4
    least: Annotated[float, Field("Least", at_most="most")] = 1.0
    most: Annotated[float, Field("Most")] = 8.0
    sizes: Annotated[list[Annotated[int, Field("", low=1)]], Field("Sizes", low=1)] = msgspec.field(default_factory=lambda: [1])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"width": 13}, "width: 13 is not allowed; it must be a multiple of heads (4): take 12"),
        ({"width": 9}, "width: 9 is not allowed; it must be a multiple of heads (4): take 8"),
        ({"width": 9, "heads": 7}, "width: 9 is not allowed; it must be a multiple of heads (7): take 14"),
        ({"width": 64, "heads": 33}, "width: 64 is not allowed; it must be a multiple of heads (33): take 33"),
        ({"width": 40, "heads": 70}, "width: 40 is not allowed; it must be a multiple of heads (70)"),
        ({"heads": 5}, "width: 32 is not allowed; it must be a multiple of heads (5): take 30"),
        ({"least": 9}, "least: 9 is not allowed; it must be at most most (8)"),
        ({"width": "x", "least": 9}, "width: 'x' is not allowed; it must be a whole number from 8 to 64"),
        ({"sizes": []}, "sizes: [] is not allowed; it must be a list of 1 or more"),
        ({"sizes": [1, 0]}, "sizes.1: 0 is not allowed; it must be a whole number of at least 1"),
    ],
)
def test_a_value_that_does_not_fit_its_sibling_is_told_with_one_that_would(values, words):
    assert [str(problem) for problem in check(describe(Heads), values)] == [words]
    with pytest.raises(FieldError):
        build(Heads, values)
    assert check(describe(Heads), {}) == []


def test_ranges_in_words():
    assert allowed(field("count")) == "a whole number from 1 to 10 items"
    assert allowed(field("rate")) == "a number of at least 0"
    assert allowed(field("limit")) == "a number of at most 2"
    assert allowed(field("mode")) == "one of a, b"
    assert allowed(field("schedule")) == "one of linear, cosine"
    assert str(check(SPEC, {"count": None})[0]).endswith("nothing is not allowed; it must be a whole number from 1 to 10 items")


def test_a_field_counts_only_where_its_sibling_says_so():
    assert relevant(field("extra"), {"mode": "b"})
    assert not relevant(field("extra"), {"mode": "a"})
    assert relevant(field("count"), {})
    tagged = msgspec.structs.replace(field("extra"), when=When("schedule", ("cosine",), ""))
    assert relevant(tagged, {"schedule": {"type": "cosine"}})


def test_variants_are_found_by_their_tag():
    assert variant_of(field("schedule"), {"type": "cosine"}).name == "cosine"
    assert variant_of(field("schedule"), {"type": "other"}) is None
    assert variant_of(field("schedule"), "cosine") is None


def test_a_choice_that_names_no_variant_is_its_defaults():
    assert variant_of(field("schedule"), {"start": 0.5}).name == "linear"
    assert build(Settings, {"schedule": {"start": 0.5}}).schedule == Linear(0.5)
    assert check(SPEC, {"schedule": {"start": 2.0}})[0].field == "config.schedule.start"


def test_merging_replaces_a_choice_whose_type_changes():
    old = {"a": 1, "s": {"type": "linear", "start": 1, "end": 2}, "g": {"x": 1, "y": 2}}
    assert merged(old, {"s": {"start": 5}}) == {**old, "s": {"type": "linear", "start": 5, "end": 2}}
    assert merged(old, {"s": {"type": "linear", "end": 9}})["s"] == {"type": "linear", "start": 1, "end": 9}
    assert merged(old, {"s": {"type": "cosine"}})["s"] == {"type": "cosine"}
    assert merged(old, {"g": {"y": 3}})["g"] == {"x": 1, "y": 3}
    assert merged(old, {"a": {"b": 1}, "new": 2}) == {**old, "a": {"b": 1}, "new": 2}
    assert old == {"a": 1, "s": {"type": "linear", "start": 1, "end": 2}, "g": {"x": 1, "y": 2}}


def test_plain_values_and_structs_are_two_forms_of_one_thing():
    settings = Settings(schedule=Cosine(), widths=(1, 2, 3), inner=Inner(4))
    values = plain(settings)
    assert msgspec.json.decode(msgspec.json.encode(values)) == msgspec.to_builtins(values, str_keys=True) | {
        "widths": [1, 2, 3]
    }
    assert build(Settings, msgspec.json.decode(msgspec.json.encode(values))) == settings


def test_a_settings_type_must_be_complete():
    class NoDefault(msgspec.Struct):
        count: int

    class NoKind(msgspec.Struct):
        when: bytes = b""

    with pytest.raises(TypeError, match="needs a default"):
        describe(NoDefault)
    with pytest.raises(TypeError, match="no field kind"):
        describe(NoKind)


# ------------------------------------------------------------------------------------- earlier names, what data must have


class Planned(msgspec.Struct, frozen=True, tag="planned"):
    """A choice with a field that was called otherwise."""

    plan: Annotated[int, Field("Items", low=1, high=9, was="at_once")] = 3


class Alone(msgspec.Struct, frozen=True, tag="alone"):
    """Another one."""


class Renamed(msgspec.Struct, frozen=True):
    """Settings whose names changed."""

    conditioning: Annotated[Planned | Alone, Field("How", was="hearing")] = Alone()
    text: Annotated[int, Field("Reads", needs="text")] = 1


def test_values_under_earlier_names_still_build_and_count_more_than_defaults():
    assert build(Renamed, {"hearing": {"type": "planned", "at_once": 5}}).conditioning == Planned(5)
    spec = describe(Renamed)
    assert renamed(spec, {"hearing": {"type": "planned", "at_once": 5}, "text": 2}) == {
        "conditioning": {"type": "planned", "plan": 5}, "text": 2,
    }  # fmt: skip
    whole = merged(defaults(spec), {"hearing": {"type": "planned"}})
    assert build(Renamed, whole).conditioning == Planned()
    assert renamed(spec, {"conditioning": {"type": "alone"}}) == {"conditioning": {"type": "alone"}}
    assert spec.fields[1].needs == "text"


@pytest.mark.parametrize(
    ("value", "text"),
    [(10_000_000, "10,000,000"), (1e7, "10,000,000"), (0.0002, "2e-4"), (0.5, "0.5"), (1e-7, "1e-7"), (0, "0"), (2.0, "2")],
)
def test_numbers_are_written_as_people_do(value, text):
    assert written(value) == text
