"""What several things differ in."""

from __future__ import annotations

from typing import Annotated

import msgspec

from models_backend.contract.differing import differing, flat, whole
from models_backend.contract.fields import Field, describe
from models_backend.contract.settings import TrainingSettings


def test_names_that_differ_keep_their_order_and_what_is_missing_is_said():
    things = [{"a": 1, "b": [2], "c": None}, {"d": 4, "b": [2], "a": 1, "c": 0}, {"b": [2], "a": 1, "c": None}]
    assert differing(things, "-") == [("c", [None, 0, None]), ("d", ["-", 4, "-"])]
    assert differing(things[:1], "-") == [] == differing([], "-")


def test_settings_are_named_as_they_are_set():
    nested = {"optimiser": {"type": "adam", "beta1": 0.9}, "parts": {}, "type": "x"}
    assert flat(nested) == {"optimiser": "adam", "optimiser.beta1": 0.9, "parts": {}, "type": "x"}


class Small(msgspec.Struct, frozen=True, tag="small"):
    """Small."""

    size: Annotated[int, Field("Size")] = 2


class Large(msgspec.Struct, frozen=True, tag="large"):
    """Large."""

    width: Annotated[int, Field("Width", was="breadth")] = 64
    inner: Annotated[Small, Field("Inside")] = Small()


class Config(msgspec.Struct, frozen=True):
    """A choice and a number."""

    net: Annotated[Small | Large, Field("Network")] = Small()
    rate: Annotated[float, Field("Rate")] = 0.5


def test_settings_in_effect_are_told_where_a_record_leaves_them_out():
    spec, inner = describe(Config, "config"), {"type": "small", "size": 2}
    for kept in ({"type": "large", "breadth": 8}, {"type": "large", "width": 8}):
        assert whole(spec, {"net": kept}) == {"net": {"type": "large", "width": 8, "inner": inner}, "rate": 0.5}
    assert whole(spec, {}) == {"net": {"type": "small", "size": 2}, "rate": 0.5}
    assert whole(spec, {"net": {"type": "gone", "x": 1}, "old": 3}) == {"net": {"type": "gone", "x": 1}, "rate": 0.5, "old": 3}
    training = whole(describe(TrainingSettings, "training"), {"optimiser": {"type": "sgd"}})
    assert flat(training)["optimiser"] == "sgd" and len([key for key in flat(training) if key.startswith("optimiser.")]) > 0
