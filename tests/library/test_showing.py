"""How a data set reaches a model: where it begins, what is kept, and the spec that follows."""

from __future__ import annotations

import msgspec
import pytest

from models_backend.contract.family import Attribute
from models_backend.contract.run_layout import DatasetRecord
from models_backend.library import showing


def pictures(shape=(), side=0, **more) -> DatasetRecord:
    return DatasetRecord("d", "Photos", "image", "f" * 64, 10, ("cat", "dog"), True, 3, shape=shape, side=side, **more)


@pytest.mark.parametrize(
    ("shape", "side", "begins"),
    [
        ((1, 8, 8), 8, 8),  # the built-in digits
        ((1, 28, 28), 28, 28),  # MNIST keeps its own size
        ((3, 64, 64), 64, 64),
        ((3, 83, 83), 83, 64),  # not a multiple of 8
        ((3, 50, 50), 50, 48),
        ((3, 30, 30), 30, 24),
        ((3, 480, 640), 480, 64),
        ((), 40, 40),  # mixed sizes: what nine in ten have
        ((), 1080, 64),
        ((), 3, 8),  # icons smaller than the smallest side
        ((), 0, 32),  # imported before sizes were noted
    ],
)
def test_pictures_begin_at_a_side_that_suits_them(shape, side, begins):
    assert showing.data_settings(pictures(shape, side))["resolution"] == begins


@pytest.mark.parametrize(
    ("shape", "side", "said"),
    [
        ((1, 28, 28), 28, "at 28 × 28 px, their own size"),
        ((3, 480, 640), 480, "at 64 × 64 px: larger pictures are shrunk"),
        ((), 41, "at 40 × 40 px: the largest multiple of 8 px that nine in ten have"),
        ((), 3, "at 8 × 8 px: no model sees less than 8 px"),
        ((), 0, "at 32 × 32 px, for nothing is known"),
    ],
)
def test_at_which_resolution_pictures_are_seen_is_said_with_the_reason(shape, side, said):
    assert said in showing.seen_at(pictures(shape, side))
    assert "at 16 × 16 px, as it is set" in showing.seen_at(pictures(shape, side, settings={"resolution": 16}))


def test_points_begin_with_the_defaults():
    record = DatasetRecord("p", "Moons", "points", "f", 10, shape=(2,))
    assert showing.seen_at(record) == ""
    assert showing.data_settings(record)["resolution"] == 32 and showing.shape_of(record, {}) == (2,)


def test_only_what_differs_is_kept_with_the_data_set():
    record = pictures(side=640)
    whole = showing.data_settings(record)
    assert showing.changes_of(record, whole) is None
    assert showing.changes_of(record, whole | {"flip": True, "resolution": 32}) == {"flip": True, "resolution": 32}
    kept = msgspec.structs.replace(record, settings={"flip": True, "of a later version": 1})
    assert showing.data_settings(kept) == whole | {"flip": True}


def test_what_a_model_is_told_can_be_less_than_is_known():
    record = pictures(attributes=(Attribute("age"),), left_out=3)
    told = {kind: showing.spec_of(record, {"conditions": kind}, (3, 8, 8), "f") for kind in ("auto", "classes", "none")}
    assert told["auto"].captioned and told["auto"].classes and told["auto"].attributes and told["auto"].count == 7
    assert not told["classes"].captioned and told["classes"].classes == ("cat", "dog") and told["classes"].attributes
    assert (told["none"].captioned, told["none"].classes, told["none"].attributes) == (False, (), ())
