"""Runs are checked before they are made: settings, modality, parts."""

from typing import Annotated, Literal

import msgspec
import pytest

from models_backend.contract.family import Condition, FamilyDescription, Part, Preset
from models_backend.contract.fields import Field, FieldError, describe
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord
from models_backend.engine import creation


class Config(msgspec.Struct, frozen=True):
    """Settings of a model."""

    width: Annotated[int, Field("Width", low=1, high=64)] = 8
    kind: Annotated[Literal["a", "b"], Field("Kind")] = "a"


class Sampling(msgspec.Struct, frozen=True):
    """Settings of sampling."""

    steps: Annotated[int, Field("Steps", low=1, high=100)] = 10


FAMILY = FamilyDescription(
    key="toy", title="Toy", glyph="", group="Parts", summary="", paper="", modalities=("image",), conditions=(),
    uses=(Part("teacher", "image model", optional=False),), provides=("image model",), latents=(), trace="path", health=(),
    config=describe(Config, "config"), sampling=describe(Sampling, "sampling"),
    presets=(Preset("tiny", "Tiny", {"width": 4}, {"steps": 5}), Preset("paper", "Paper")), proofs=(),
)  # fmt: skip


def dataset(shape=(1, 8, 8), modality="image", channels=1):
    return DatasetRecord("d", "Digits", modality, "f" * 64, 100, ("0", "1"), channels=channels, shape=shape)


def wish(**more):
    return creation.Wish(**{"family": FAMILY, "dataset": dataset(), **more})


def test_changes_lie_over_the_preset_over_the_defaults():
    record = creation.record_of(wish(preset="tiny", training={"batch_size": 3}), "id")
    assert (record.config["width"], record.config["kind"]) == (4, "a")
    assert (record.training["steps"], record.training["batch_size"]) == (5, 3)
    assert record.sampling["steps"] == 10
    assert record.title == "Toy on Digits" and record.versions["nexus-studio"]


def test_previews_and_the_like_are_made_three_times_or_more_but_for_what_was_asked_for():
    every = ("preview_every", "validate_every", "checkpoint_every")

    def made(**training):
        kept = creation.record_of(wish(preset="tiny", training=training), "id").training
        return tuple(kept[name] for name in every)

    assert made(steps=60) == (20, 20, 20) and made(steps=2) == (1, 1, 1) and made(steps=6000) == (200, 200, 500)
    assert made(steps=60, preview_every=50, validate_every=0) == (50, 0, 20)


@pytest.mark.parametrize(
    "shape, channels, changes, expected",
    [
        ((1, 8, 8), 1, {}, (1, 8, 8)),
        ((1, 8, 8), 1, {"resolution": 16, "channels": "rgb"}, (3, 16, 16)),
        ((3, 256, 256), 3, {}, (3, 64, 64)),
        ((), 3, {"channels": "grey"}, (1, 32, 32)),
    ],
)
def test_the_spec_is_what_the_model_will_see(shape, channels, changes, expected):
    record = creation.record_of(wish(dataset=dataset(shape, channels=channels), data=changes), "id")
    assert record.spec.shape == expected
    assert record.spec.fingerprint == "f" * 64 and record.spec.classes == ("0", "1")


def test_the_settings_kept_with_the_data_set_are_those_of_a_run_and_a_wish_lies_over_them():
    kept = msgspec.structs.replace(dataset((3, 256, 256), channels=3), settings={"resolution": 48, "flip": True})
    record = creation.record_of(wish(dataset=kept), "id")
    assert record.spec.shape == (3, 48, 48) and record.data["flip"]
    record = creation.record_of(wish(dataset=kept, data={"resolution": 16}), "id")
    assert record.spec.shape == (3, 16, 16) and record.data["flip"]


def test_a_run_knows_the_data_as_they_are_now():
    record = creation.record_of(wish(fingerprint="edited"), "id")
    assert record.spec.fingerprint == "edited"


def test_a_run_knows_which_classes_no_item_is_of_where_it_is_told_classes():
    assert creation.record_of(wish(unseen=("1",)), "id").spec.unseen == ("1",)
    assert creation.record_of(wish(unseen=("1",), data={"conditions": "none"}), "id").spec.unseen == ()


def test_a_run_made_before_a_setting_came_was_trained_the_same_way():
    old = creation.record_of(wish(), "id")
    del old.data["conditions"]
    assert creation.same_training(old, wish()) and not creation.same_training(old, wish(data={"conditions": "none"}))


def test_a_run_made_before_previews_were_fitted_to_few_steps_was_trained_the_same_way():
    wanted = wish(preset="tiny", training={"steps": 60})
    old = creation.record_of(wanted, "id")
    old.training.update(preview_every=200, validate_every=200, checkpoint_every=500)
    assert creation.record_of(wanted, "id").training != old.training and creation.same_training(old, wanted)
    assert not creation.same_training(old, wish(preset="tiny", training={"steps": 60, "preview_every": 30}))
    assert not creation.same_training(old, wish(preset="tiny", training={"steps": 61}))


@pytest.mark.parametrize(
    "more, words",
    [
        ({"config": {"width": 65}}, "config.width: 65 .* from 1 to 64"),
        ({"config": {"kind": "c"}}, "config.kind: 'c' .* one of a, b"),
        ({"training": {"steps": 0}}, "training.steps: 0"),
        ({"sampling": {"guidance": 2}}, "no such field"),
    ],
)
def test_a_wrong_setting_names_field_value_and_range(more, words):
    with pytest.raises(FieldError, match=words):
        creation.record_of(wish(**more), "id")


def test_an_unknown_preset_lists_what_there_is():
    with pytest.raises(TroubleError, match="tiny, paper"):
        creation.record_of(wish(preset="huge"), "id")


def test_a_family_that_cannot_learn_the_data_says_so():
    with pytest.raises(TroubleError, match="Digits: Toy makes images, but these data are points"):
        creation.record_of(wish(dataset=dataset((2,), "points")), "id")


def test_parts_must_be_there_and_fit():
    made = creation.record_of(wish(), "teacher-run")
    families, runs = {"toy": FAMILY}, {"teacher-run": made}
    creation.check_parts(FAMILY, {"teacher": "teacher-run"}, families, runs)
    for parts in ({}, {"teacher": "other"}, {"teacher": "teacher-run", "pupil": "teacher-run"}):
        with pytest.raises(FieldError, match=r"parts\."):
            creation.check_parts(FAMILY, parts, families, runs)


@pytest.mark.parametrize("classes, refused", [(("a", "b"), False), (("a", "b", "c"), True), ((), True)])
def test_a_family_that_needs_two_classes_is_refused_on_others_before_a_run_is_made(classes, refused):
    family = msgspec.structs.replace(FAMILY, uses=(), classes_needed=(2, 2))
    wanted = wish(family=family, dataset=msgspec.structs.replace(dataset(), classes=classes))
    if not refused:
        assert creation.record_of(wanted, "id").spec.classes == classes
        return
    with pytest.raises(TroubleError, match=r"Toy cannot learn these data: it needs .*No run was made. Choose another"):
        creation.record_of(wanted, "id")


@pytest.mark.parametrize("learned", ["auto", "classes", "none"])
def test_whether_a_family_can_learn_the_data_goes_by_what_the_run_is_to_learn(learned):
    captioned = msgspec.structs.replace(dataset(), captioned=True, classes=())
    by_words = msgspec.structs.replace(FAMILY, uses=(), classes_needed=(1, 0), conditions=(Condition("text"),))
    many = msgspec.structs.replace(dataset(), classes=("a", "b", "c"))
    no_more_than_two = msgspec.structs.replace(FAMILY, uses=(), classes_needed=(0, 2), conditions=(Condition("class"),))
    for family, data, suits in ((by_words, captioned, ("auto",)), (no_more_than_two, many, ("none",))):
        wanted = wish(family=family, dataset=data, data={"conditions": learned})
        if learned in suits:
            assert creation.record_of(wanted, "id").data["conditions"] == learned
        else:
            with pytest.raises(TroubleError, match="Toy cannot learn these data: it needs"):
                creation.record_of(wanted, "id")


def test_a_batch_larger_than_the_data_is_refused_unless_it_is_the_preset_s():
    family = msgspec.structs.replace(
        FAMILY, presets=(Preset("large", "Large", {}, {"batch_size": 512}), Preset("plain", "Plain"))
    )
    for preset, size in (("plain", 100), ("large", 512)):
        made = creation.record_of(wish(family=family, preset=preset, training={"batch_size": size}), "id")
        assert made.training["batch_size"] == size
    assert creation.record_of(wish(family=family, preset="large"), "id").training["batch_size"] == 512
    for preset, size, most in (("plain", 101, 100), ("large", 513, 512)):
        with pytest.raises(FieldError) as caught:
            creation.record_of(wish(family=family, preset=preset, training={"batch_size": size}), "id")
        assert f"at most {most} (the data have 100 items)" in str(caught.value) and "batch_size" in str(caught.value)
