"""What several things differ in."""

from __future__ import annotations

from models_backend.contract.differing import differing, flat


def test_names_that_differ_keep_their_order_and_what_is_missing_is_said():
    things = [{"a": 1, "b": [2], "c": None}, {"d": 4, "b": [2], "a": 1, "c": 0}, {"b": [2], "a": 1, "c": None}]
    assert differing(things, "-") == [("c", [None, 0, None]), ("d", ["-", 4, "-"])]
    assert differing(things[:1], "-") == [] == differing([], "-")


def test_settings_are_named_as_they_are_set():
    nested = {"optimiser": {"type": "adam", "beta1": 0.9}, "parts": {}, "type": "x"}
    assert flat(nested) == {"optimiser": "adam", "optimiser.beta1": 0.9, "parts": {}, "type": "x"}
