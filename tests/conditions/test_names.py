"""Names are names: classes and attributes that are called as numbers, as words of this program, with commas and signs."""

import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest

from models_backend.conditions.values import Conditions
from models_backend.contract import names
from models_backend.contract.family import Attribute, Condition, DataSpec
from models_backend.contract.messages import TroubleError

NUMBERS = ("1", "2", "3", "10", "007")
WORDS = ("any", "none", "every", "all", "null", "true")
ODD = ("a=b", "red, large", "#1", " Ab", "caf\u00e9", "stra\u00dfe")


def positions(classes, *values):
    spec = DataSpec("image", (3, 8, 8), classes=classes)
    member = SimpleNamespace(conditions=(Condition("class"),), spec=spec, title="Member")
    given = Conditions(member, {"class": values[0] if len(values) == 1 else list(values)})
    return given.batch(0, len(values), "cpu")["class"].tolist()


def test_classes_are_called_by_their_names_whatever_these_look_like():
    for classes in (NUMBERS, WORDS, ODD):
        assert positions(classes, *classes) == list(range(len(classes)))
    assert positions(NUMBERS, "#0", "#4", 0, None, "") == [0, 4, 0, 5, 5], "positions have a notation of their own"
    assert positions(ODD, "#1") == [2] and positions(ODD, "#0") == [0]


def test_case_and_the_ways_to_write_a_letter_make_no_difference_unless_names_differ_by_them():
    assert positions(ODD, unicodedata.normalize("NFD", "CAF\u00c9"), "STRASSE", "ab") == [4, 5, 3]
    assert positions(("cat", "Cat"), "cat", "Cat") == [0, 1]
    with pytest.raises(TroubleError, match="2 names are alike") as told:
        positions(("cat", "Cat"), "CAT")
    assert told.value.trouble.advice == "write one of “cat” (#0), “Cat” (#1) exactly"


def test_a_number_that_no_class_is_called_is_refused_with_the_notation_of_positions():
    for value in ("0", "4", "1.0", "#5", "01"):
        with pytest.raises(TroubleError, match="there is no such class") as told:
            positions(NUMBERS, value)
        assert told.value.trouble.advice == "choose one of 1, 2, 3, 10, 007; a position is written #0 to #4"


@pytest.mark.parametrize(("classes", "value", "expected"), [
    (NUMBERS, "all", [0, 1, 2, 3, 4]), (NUMBERS, "#all", [0, 1, 2, 3, 4]), (WORDS, "all", [3] * 5),
    (WORDS, "#all", [0, 1, 2, 3, 4]),
    (("All", "b"), "all", [0, 1, 0, 1, 0]), (("All", "b"), "ALL", [0] * 5), (("#all", "b"), "#all", [0] * 5),
])  # fmt: skip
def test_every_class_in_turn_leaves_classes_of_that_name_reachable(classes, value, expected):
    spec = DataSpec("image", (3, 8, 8), classes=classes)
    member = SimpleNamespace(conditions=(Condition("class"),), spec=spec, title="Member")
    assert Conditions(member, {"class": value}).batch(0, 5, "cpu")["class"].tolist() == expected


def test_a_class_without_items_is_refused_once_and_never_offered():
    spec = DataSpec("image", (3, 8, 8), classes=("cat", "EMPTY", "dog"), unseen=("EMPTY",))
    member = SimpleNamespace(conditions=(Condition("class"),), spec=spec, title="Member")
    for value in ("EMPTY", "empty", "#1", 1, ["cat", "EMPTY"]):
        with pytest.raises(TroubleError, match="no item was of this class") as told:
            Conditions(member, {"class": value})
        assert (told.value.trouble.item, told.value.trouble.advice) == ("EMPTY", "choose one of cat, dog")
    with pytest.raises(TroubleError, match="there is no such class") as told:
        Conditions(member, {"class": "cow"})
    assert told.value.trouble.advice == "choose one of cat, dog; a position is written #0 to #2"
    asked = {"class": ["cat", "#2", None]}, {"class": "all"}
    given = [Conditions(member, one).batch(0, 4, "cpu")["class"].tolist() for one in asked]
    assert given == [[0, 2, 3, 0], [0, 2, 0, 2]], "the places of the others stay"


def test_attributes_are_named_as_they_are_called():
    called = ("1", "a=b", "red, large", "x=1, y", "caf\u00e9")
    known = tuple(Attribute(name, 0, 10) for name in called)
    member = SimpleNamespace(
        conditions=(Condition("attributes"),), spec=DataSpec("image", (3, 8, 8), attributes=known), title="Member"
    )

    def row(value):
        scaled, told = np.split(Conditions(member, {"attributes": value}).batch(0, 1, "cpu")["attributes"][0].numpy(), 2)
        return [round(float(5 * (v + 1)), 4) if t else None for v, t in zip(scaled, told)]

    assert row("1=2, a=b=3,red, large=4, x=1, y=5,CAFE\u0301=6") == [2, 3, 4, 5, 6]
    assert row({"1": 7, "x=1, y": 0}) == [7, None, None, 0, None]
    with pytest.raises(TroubleError, match="no such attribute"):
        row("2=1")
    with pytest.raises(TroubleError, match="an attribute is a number"):
        row("a=b=red")


def test_a_prompt_is_text_also_one_that_is_a_number():
    spec = DataSpec("image", (3, 8, 8), captioned=True)
    member = SimpleNamespace(conditions=(Condition("text"),), spec=spec, title="Member")

    def read(value):
        return Conditions(member, {"text": value}).batch(0, 1, "cpu")["text"].tolist()

    assert read(1999) == read("1999") != read(None)
    assert read(0) == read("0") != read(None)


def test_commas_inside_known_names_divide_nothing():
    known = ("red, large", "1", "b")
    assert names.listed("b, red, large,1,,new", lambda part: bool(names.places(known, part))) == ["b", "red, large", "1", "new"]
