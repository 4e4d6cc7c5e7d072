"""The words of settings, claims and summaries: the field's terms, sentences with capitals, titles for every field."""

import re

import pytest

from models_backend.contract.family import Attribute, DataSpec, follows
from models_backend.contract.fields import FieldSpec, describe
from models_backend.contract.settings import DataSettings, TrainingSettings
from models_backend.contract.words import noun, sentence, series

#: Words that only this studio used for what the field has a term for.
OWN_WORDS = r"\b(hear|hears|heard|hearing|unheard|told|tells|at once|forger|yardstick|judge[sd]?|minds|differences \[\])\b"


@pytest.fixture(scope="module")
def families():
    from models_backend.workers.registry import descriptions

    return descriptions()


def fields_of(spec: FieldSpec):
    for field in spec.fields:
        yield field
        yield from fields_of(field)
        for variant in field.variants:
            yield from fields_of(variant)
        if field.item is not None:
            yield from fields_of(field.item)


@pytest.fixture(scope="module")
def fields(families):
    shared = [describe(TrainingSettings), describe(DataSettings)]
    return [field for spec in [*shared, *(s for f in families for s in (f.config, f.sampling))] for field in fields_of(spec)]


def test_settings_are_called_by_the_terms_of_the_field(fields):
    found = {f"{field.title}: {field.help}" for field in fields if re.search(OWN_WORDS, f"{field.title} {field.help}".lower())}
    assert not found
    titles = {field.title for field in fields}
    assert {"Conditioning", "Guidance scale", "Model output", "Negative prompt", "Text encoder"} <= titles
    assert not {"Hearing", "Told", "Even", "At once", "Path places", "Path origin", "Ema", "Eps"} & titles


def test_titles_and_sentences_begin_with_capitals(fields, families):
    assert not [field.help for field in fields if field.help[:1].islower() and not field.help.startswith("torch.")]
    assert not [field.title for field in fields if field.title[:1].islower() and field.title != "item"]
    assert not [f.summary for f in families if not f.summary[:1].isupper()]
    assert not [c.help for f in families for c in f.conditions if c.help[:1].islower()]


def test_steps_of_training_and_of_sampling_are_told_apart(families):
    training = next(field for field in describe(TrainingSettings).fields if field.name == "steps")
    sampling = {f.title for family in families for f in family.sampling.fields if f.name == "steps"}
    schedule = {f.title for family in families for f in fields_of(family.config) if f.name == "steps"}
    assert training.title == "Training steps" and sampling == {"Sampling steps"}
    assert "Steps" not in schedule - {"Steps"} and "Noise levels" in schedule


def test_claims_and_summaries_use_the_terms_of_the_field(families):
    said = [c.text for f in families for p in f.proofs for c in p.claims] + [f.summary for f in families]
    assert not [text for text in said if re.search(r"\b(unheard|hear|heard|forger|yardstick)\b", text.lower())]
    assert all(len(f.summary) <= 28 for f in families)


def test_what_needs_something_of_the_data_names_what_there_can_be(fields):
    assert {field.needs for field in fields} <= {"", "text", "condition", "image"}
    assert {field.name for field in fields if field.needs == "text"} == {"text", "negative"}


def test_settings_that_the_data_make_pointless_are_named_with_the_reason(families):
    from models_backend.contract.family import DataSpec, unmet

    family = next(f for f in families if f.key == "conditional_diffusion")
    classes = DataSpec("image", (3, 32, 32), 10, ("a", "b"))
    assert unmet(family.conditions, classes) == {"text": "The data have no captions"}
    assert unmet(family.conditions, classes, "classes") == {"text": "Captions are not used: the run learns classes"}
    alone = unmet(family.conditions, DataSpec("image", (3, 32, 32), 10), "none")
    assert set(alone) == {"text", "condition"} and "no captions" not in alone["text"]
    assert unmet(family.conditions, DataSpec("image", (3, 32, 32), 10, (), True)) == {}
    assert set(unmet(family.conditions, DataSpec("points", (2,), 10))) == {"text", "condition", "image"}


def test_items_are_counted_in_the_plural_and_words_are_set_in_a_row():
    assert [noun("image", n) for n in (1, 0, 180)] == ["image", "images", "images"]
    assert (noun("points", 1), noun("smells")) == ("point", "items")
    assert [series(words) for words in ((), "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    told = follows((), DataSpec("image", (1, 8, 8), 2, ("a", "b"), True, attributes=(Attribute("age", 0.0, 1.0),)))
    assert told == "Classes, captions and attributes of the data are not used"


def test_a_sentence_begins_with_a_capital_or_with_the_name_of_a_file():
    assert sentence("the disk is full") == "The disk is full" and sentence("input/output error") == "Input/output error"
    for text in ("moving.gif is a film", "stars/moving.gif has several pages", "metadata.csv, line 3: no text", ""):
        assert sentence(text) == text
