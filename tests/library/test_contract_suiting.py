"""Which models suit which data: on the families as they describe themselves, and on made-up ones."""

import pytest

from models_backend.contract.family import Attribute
from models_backend.contract.suiting import Facts, lacking, ranked


@pytest.fixture(scope="module")
def families():
    from models_backend.workers.registry import descriptions

    return descriptions()


def best(families, first, **facts):
    return [suit.family.key for suit in ranked(families, Facts(**facts))][:first]


FOUR = ("leaves", "rocks", "shells", "water")


@pytest.mark.parametrize(
    ("facts", "first"),
    [
        ({"modality": "image", "count": 500}, "ddpm"),
        ({"modality": "image", "count": 500, "classes": FOUR}, "conditional_diffusion"),
        ({"modality": "image", "count": 8000, "captions": 1.0}, "conditional_diffusion"),
        ({"modality": "image", "count": 400, "attributes": (Attribute("age"),)}, "conditional_diffusion"),
        ({"modality": "image", "count": 400, "classes": ("A", "B")}, "cycle_gan"),
        ({"modality": "image", "count": 400, "classes": ("trainA", "trainB")}, "cycle_gan"),
        ({"modality": "image", "count": 400, "classes": ("summer_a", "winter_b")}, "cycle_gan"),
        ({"modality": "points", "count": 20_000}, "ddpm"),
    ],
)
def test_the_first_model_follows_what_the_data_have(families, facts, first):
    assert best(families, 1, **facts) == [first]


def test_pictures_without_labels_are_offered_models_of_every_kind_and_none_of_words(families):
    groups = {suit.family.group for suit in ranked(families, Facts("image", 500))[:5]}
    assert groups >= {"Diffusion", "Flow", "Adversarial", "Autoencoders"}
    of_words = {"pixart_alpha", "stable_diffusion", "mmdit", "image_codec"}
    assert not of_words & set(best(families, 12, modality="image", count=500))


def test_captions_bring_the_models_of_words_to_the_top(families):
    assert {"stable_diffusion", "pixart_alpha", "mmdit"} <= set(best(families, 4, modality="image", count=8000, captions=1.0))


def test_two_classes_offer_a_translation_and_four_say_why_not(families):
    two = ranked(families, Facts("image", 400, ("cats", "dogs")))
    assert two[1].family.key == "cycle_gan" and two[1].reason == "Turns cats into dogs and back, without pairs"
    four = {suit.family.key: suit for suit in ranked(families, Facts("image", 400, FOUR))}
    assert not four["cycle_gan"].suits and four["cycle_gan"].reason == "Needs exactly two classes; there are 4"


def test_partial_captions_are_counted_in_the_reason(families):
    suits = {suit.family.key: suit for suit in ranked(families, Facts("image", 123, (), captions=80 / 123))}
    assert suits["pixart_alpha"].reason == "Follows the captions; 43 of 123 items have no caption"
    assert best(families, 1, modality="image", count=123, captions=80 / 123) == ["ddpm"]


def test_a_few_missing_captions_change_no_rank_and_are_told(families):
    whole, few = (ranked(families, Facts("image", 120, captions=share)) for share in (1.0, 108 / 120))
    assert [suit.family.key for suit in few] == [suit.family.key for suit in whole]
    reasons = {suit.family.key: suit.reason for suit in few}
    assert reasons["pixart_alpha"] == "Follows the captions; 12 of 120 items have no caption and are learned without words"
    assert reasons["ddpm"].endswith("; captions are not used")
    half = {suit.family.key: suit.reason for suit in ranked(families, Facts("image", 120, captions=0.5))}
    assert half["ddpm"].endswith("; captions are not used")


def test_parts_to_be_trained_first_come_later_until_they_are_there(families):
    data = Facts("image", 8000, captions=1.0)
    without, there = ranked(families, data), ranked(families, data, {"guided diffusion"})
    assert next(s.reason for s in without if s.family.key == "lcm") == "Needs a guided diffusion run first"
    place = [[s.family.key for s in found].index("lcm") for found in (without, there)]
    assert place[1] < place[0] and place[0] >= 4


def test_every_model_is_ranked_once_those_that_cannot_learn_it_last_with_what_they_lack(families):
    suits = ranked(families, Facts("points", 100))
    assert sorted(s.family.key for s in suits) == sorted(f.key for f in families)
    able = [suit.suits for suit in suits]
    assert able == sorted(able, reverse=True) and all(suit.reason[:1].isupper() for suit in suits)
    assert {s.family.key: s.reason for s in suits}["dit"] == "Learns pictures; these are points"


def test_what_families_say_they_need_is_what_they_refuse(families):
    """The descriptions and the families' own checks agree: on no classes, two and three, with captions and without."""
    from models_backend.contract.family import DataSpec
    from models_backend.workers.registry import families as classes

    for family in families:
        if "image" not in family.modalities or any(not part.optional for part in family.uses):
            continue
        for names in ((), ("a", "b"), ("a", "b", "c")):
            for captioned in (False, True):
                spec = DataSpec("image", (3, 16, 16), 100, names, captioned)
                made = classes()[family.key](classes()[family.key].Config(), spec)
                refused = [problem for problem in made.problems() if "class" in problem or "conditioned" in problem]
                assert bool(refused) == bool(lacking(family, Facts("image", 100, names, captions=float(captioned)))), (
                    family.key, names, captioned, refused,
                )  # fmt: skip
