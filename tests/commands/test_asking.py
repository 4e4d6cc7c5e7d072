"""What ``sample`` says of what it is asked for, before anything is made."""

from types import SimpleNamespace

import pytest
from library import records
from msgspec import structs

from models_backend.commands.asking import said_of, unheard
from models_backend.contract.family import Condition, DataSpec
from models_backend.library.library import Library

WORDS = SimpleNamespace(conditions=(Condition("text"),))
TURNS = SimpleNamespace(conditions=(Condition("class"), Condition("image")))


@pytest.fixture
def library(library_root):
    with Library.open(library_root) as made:
        yield made


def run_of(library, config=None, captions=("A red boat", "two Boats at sea")):
    """A run on pictures with these captions, and one that is held out."""
    items = [structs.replace(item, caption=caption) for item, caption in zip(records.items(), captions)]
    items = [*items, structs.replace(records.items()[0], caption="a zebra", split="validation", sha256="f" * 64)]
    record = records.dataset_record(items, captioned=True)
    library.create_dataset(record, items)
    spec = DataSpec("image", (1, 8, 8), len(items), record.classes, captioned=True, fingerprint=record.fingerprint)
    library.create_run(run := structs.replace(records.run_record(dataset=record.id), config=config or {}, spec=spec))
    return run


def test_words_that_no_caption_taught_are_named(library):
    record = run_of(library)
    said = said_of(library, record, WORDS, {"text": ["a spaceship over (sea:1.4)", "red Zebra"]}, {}, 2)
    assert said == [
        "“spaceship”, “over” and “Zebra” stand in no caption that the run has learned from: it cannot know what they mean"
    ]
    assert said_of(library, record, WORDS, {"text": "A RED boat, two boats"}, {}, 2) == []
    assert unheard(["boot"], ["boat"]) == [
        "“boot” stands in no caption that the run has learned from: it cannot know what it means"
    ]
    assert " (and 2 more) stand" in unheard(["a b c d e f g h i j"], ["boat"])[0] and unheard(["boot"], []) == []


def test_a_text_encoder_that_was_trained_elsewhere_knows_more_words(library):
    record = run_of(library, {"text": {"type": "frozen", "folder": "clip"}})
    assert said_of(library, record, WORDS, {"text": "a spaceship"}, {}, 1) == []
    above = structs.replace(record, id="run-b", config={}, parts={"teacher": record.id})
    assert said_of(library, above, WORDS, {"text": "a spaceship"}, {}, 1) == []


@pytest.mark.parametrize(
    "given, sampling, count, said",
    [
        ({}, {}, 2, ["noise is translated from “round” to “square”; --condition class=round turns it round; --condition "
                     "image=photo.png translates a picture"]),
        ({}, {"direction": "b_to_a"}, 2, ["noise is translated from “square” to “round”; --condition class=square turns it "
                                          "round; --condition image=photo.png translates a picture"]),
        ({"image": "a.png", "class": "round"}, {}, 1, []),
        ({"image": "a.png", "class": "round"}, {}, 2,
         ["2 are made, and a picture is always translated alike: it is the same one each time"]),
        ({"image": ["a.png", "b.png"], "class": "all"}, {}, 3,
         ["3 are made, and a picture is always translated alike: only 2 of them differ"]),
        ({"image": "a.png"}, {}, 1,
         ["the picture that is given is translated from “round” to “square”; --condition class=round turns it round"]),
    ],
)  # fmt: skip
def test_what_is_translated_into_what_is_told_and_what_is_the_same(library, given, sampling, count, said):
    record = structs.replace(run_of(library), sampling={"direction": "a_to_b"})
    assert said_of(library, record, TURNS, given, sampling, count) == said
