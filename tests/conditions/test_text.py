"""Captions as bytes: there and back in any language, and the one that is too long is named."""

from types import SimpleNamespace

import numpy as np
import pytest

from models_backend.conditions import text
from models_backend.conditions.values import Conditions
from models_backend.contract.family import Attribute, Condition, DataSpec, Family, follows
from models_backend.contract.messages import TroubleError
from models_backend.training import given

SAID = ["a small red circle", "", "Grüße aus 東京 🎨"]


def test_captions_come_back():
    rows = text.tokens(SAID)
    assert rows.shape == (3, 1 + max(len(s.encode()) for s in SAID)) and rows.dtype == np.int64
    assert [text.text(row) for row in rows] == SAID
    assert rows.max() < text.VOCABULARY and (rows[:, 0] == text.BEGIN).all()


def test_a_caption_that_is_too_long_is_named():
    with pytest.raises(ValueError, match="blue blue"):
        text.tokens(["red", "blue " * 60])


@pytest.mark.parametrize(
    "caption, kept",
    [
        ("a red circle", "a red circle"),
        ("x" * 255, "x" * 255),
        ("very " * 70, ("very " * 51)[:-1]),
        ("y" * 300, "y" * 255),
        ("ö" * 200, "ö" * 127),
        ("円" * 100, "円" * 85),
        ("z" * 200 + " " + "w" * 100, "z" * 200 + " " + "w" * 54),
        ("🎨" * 70, "🎨" * 63),
        ("v " * 100 + "🎨" * 20, ("v " * 100)[:-1]),
    ],
)
def test_a_long_caption_is_cut_at_a_letter_and_at_a_word_that_ends_near(caption, kept):
    assert text.cut(caption) == kept and len(kept.encode()) <= text.LONGEST
    assert text.text(text.tokens([text.cut(caption)])[0]) == kept


class Told(Family):
    title = "Told"
    conditions = (Condition("class"), Condition("text"))


class Knows(Family):
    title = "Knows"
    conditions = (Condition("attributes"),)


def test_attributes_are_scaled_and_what_is_not_named_is_open():
    member = Knows(None, DataSpec("points", (2,), attributes=(Attribute("smiling"), Attribute("age", 20, 60))))
    given = Conditions(member, {"attributes": ["smiling=1, age=30", {"age": 60}, None]}).batch(0, 3, "cpu")["attributes"]
    assert given.tolist() == [[1, -0.5, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]]
    assert Conditions(member, {}).batch(0, 1, "cpu")["attributes"].tolist() == [[0, 0, 0, 0]]
    with pytest.raises(TroubleError, match="no such attribute"):
        Conditions(member, {"attributes": "height=2"})
    with pytest.raises(TroubleError, match="is a number"):
        Conditions(member, {"attributes": "age=old"})


@pytest.mark.parametrize(
    "low, high, span",
    [(0.001, 0.002, "0.001 to 0.002"), (1000.0001, 1000.0002, "1000.0001 to 1000.0002"),
     (1.7e9, 1.7e9 + 4, "1700000000 to 1700000004"),
     (0, 1, "0 to 1"), (-2e-9, 3e-9, "-2e-09 to 3e-09")],
)  # fmt: skip
def test_attributes_of_small_range_are_told_apart(low, high, span):
    attribute = Attribute("a", low, high)
    member = Knows(None, DataSpec("points", (2,), attributes=(attribute,)))
    asked = [{"a": low}, {"a": (low + high) / 2}, {"a": high}]
    given = Conditions(member, {"attributes": asked}).batch(0, 3, "cpu")["attributes"][:, 0]
    assert np.allclose(given, [-1, 0, 1], atol=1e-3) and attribute.span == span


def test_training_loses_whole_items_and_single_attributes():
    member = Knows(None, DataSpec("points", (2,), attributes=(Attribute("a"), Attribute("b"))))
    member.conditions = (Condition("attributes", 0.2),)
    split = SimpleNamespace(labels=None, attributes=np.ones((5000, 2), np.float32))
    seen = given.Given(member, split).at(np.arange(5000), 5000, "cpu", (0, 1, 0))["attributes"].numpy()
    assert set(map(tuple, seen)) == {(1, 1, 1, 1), (1, 0, 1, 0), (0, 1, 0, 1), (0, 0, 0, 0)}
    assert abs((seen[:, 2] == 0).mean() - (1 - 0.8 * 0.8)) < 0.02
    calm = given.Given(member, split).at(np.arange(3), 3, "cpu")["attributes"]
    assert calm.tolist() == [[1, 1, 1, 1]] * 3
    assert given.Given(member, split).at(None, 2, "cpu")["attributes"].tolist() == [[0, 0, 0, 0]] * 2


class Keeps(Family):
    title = "Keeps"
    conditions = (Condition("image"), Condition("mask"))


def test_a_mask_is_read_from_a_picture_in_any_colours():
    member = Keeps(None, DataSpec("image", (3, 2, 4)))
    drawn = np.full((1, 3, 2, 4), -1.0)
    drawn[..., 2:] = 1.0
    read = Conditions(member, {"image": drawn, "mask": drawn}).batch(0, 2, "cpu")["mask"]
    assert read.shape == (2, 1, 2, 4) and read[0, 0].tolist() == [[0, 0, 1, 1]] * 2
    nothing = Conditions(member, {}).batch(0, 2, "cpu")
    assert nothing["mask"].isnan().all() and nothing["mask"].shape == (2, 1, 2, 4)
    with pytest.raises(TroubleError, match="do not fit"):
        Conditions(member, {"mask": np.ones((1, 3, 5, 5))})


def test_plain_values_become_rows_that_go_round():
    member = Told(None, DataSpec("image", (1, 8, 8), classes=("cat", "dog"), captioned=True))
    named = Told(None, DataSpec("image", (1, 8, 8), classes=("cat", "dog")))
    assert Conditions(named, {"class": "all"}).batch(2, 4, "cpu")["class"].tolist() == [0, 1, 0, 1]
    assert Conditions(named, {}).batch(0, 2, "cpu")["class"].tolist() == [2, 2]
    given = Conditions(member, {"text": ["one", "two", "three"]}).batch(2, 4, "cpu")
    assert [text.text(row) for row in given["text"].numpy()] == ["three", "one", "two", "three"]
    nothing = Conditions(member, {}).batch(0, 2, "cpu")
    assert [text.text(row) for row in nothing["text"].numpy()] == ["", ""]
    with pytest.raises(TroubleError, match="longer than"):
        Conditions(member, {"text": "long " * 100})


@pytest.mark.parametrize(
    "asked, spec, words",
    [
        ({"text": "a cat"}, {"classes": ("cat", "dog")}, "no captions, so it was trained without them.*takes class"),
        ({"class": "cat"}, {"classes": ("cat", "dog"), "captioned": True}, "follows captions.*takes text"),
        ({"class": "cat"}, {"captioned": True}, "no classes, so it was trained without them"),
        ({"melody": "a.mid"}, {"captioned": True}, "Told has no condition of that kind"),
    ],
)
def test_what_a_run_was_never_told_is_refused_not_ignored(asked, spec, words):
    member = Told(None, DataSpec("image", (1, 8, 8), **spec))
    with pytest.raises(TroubleError, match=words):
        Conditions(member, asked)
    Conditions(member, dict.fromkeys(asked))  # nothing is asked


def test_what_a_run_follows_is_said_with_what_it_leaves_aside():
    said = [follows(Told.conditions, DataSpec("image", (1, 8, 8), **spec)) for spec in (
        {"classes": ("cat", "dog")}, {"classes": ("cat", "dog"), "captioned": True}, {"captioned": True}, {},
    )]  # fmt: skip
    assert said == [
        "It learns to follow classes; it is given no captions, so words mean nothing to it",
        "It learns to follow captions; classes of the data are not used",
        "It learns to follow captions", "It is given no captions, so words mean nothing to it",
    ]  # fmt: skip
    aside = follows((), DataSpec("image", (1, 8, 8), classes=("cat", "dog"), captioned=True))
    assert aside == "Classes and captions of the data are not used" and follows((), DataSpec("points", (2,))) == ""
