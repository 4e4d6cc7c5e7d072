"""Scenes: a function of their arguments, true captions, combinations that are never shown."""

import re
import time

import numpy as np
import pytest

from models_backend.data import builtin, scenes
from models_backend.data.reading import open_data
from models_backend.library.library import Library


def test_the_same_arguments_give_the_same_scenes():
    one, again, other = (scenes.make_scenes(32, 50, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.pictures, again.pictures) and one.captions == again.captions
    assert not np.array_equal(one.pictures, other.pictures)
    assert len({len(c.split()) for c in one.captions}) > 2, "several wordings"


def test_captions_say_what_is_there():
    made = scenes.make_scenes(32, 200, 1)
    for caption, row, label in zip(made.captions, made.factors, made.labels):
        shape, colour, size = scenes.SHAPES[int(row[0])], scenes.COLOURS[int(row[1])], scenes.SIZES[int(row[2])]
        assert shape in caption and colour in caption and size in caption
        assert scenes.CLASSES[label] == f"{colour} {shape}"
    pairs = scenes.make_scenes(32, 100, 1, objects=2)
    for caption, row in zip(pairs.captions, pairs.factors):
        first, second = caption.find(scenes.SHAPES[int(row[0])]), caption.find(scenes.SHAPES[int(row[4])])
        assert 0 <= first < second and scenes.RELATIONS[int(row[8])] in caption


def test_what_is_left_out_never_appears_and_is_all_that_unseen_prompts_ask_for():
    gone = scenes.left_out()
    assert len(gone) == 6 and {s for s, _ in gone} == set(range(6))
    shown = scenes.make_scenes(32, 2000, 0, leave_out=True).factors
    assert not {(int(f[0]), int(f[1])) for f in shown} & gone
    captions, factors = scenes.unseen(100)
    assert {(int(f[0]), int(f[1])) for f in factors} <= gone and len(captions) == 100
    captions, factors = scenes.unseen(100, objects=2)
    assert {(int(f[0]), int(f[1])) for f in factors} <= gone and not {(int(f[4]), int(f[5])) for f in factors} & gone
    assert all(
        scenes.SHAPES[int(f[0])] in caption.split(scenes.RELATIONS[int(f[8])])[0] for caption, f in zip(captions, factors)
    )


def test_place_and_relation_words_are_true():
    places = scenes.make_scenes(16, 400, 2).factors
    thirds = np.digitize(places[:, 6], (0.37, 0.63)) * 3 + np.digitize(places[:, 5], (0.37, 0.63))
    assert np.array_equal(thirds, places[:, 3]) and set(thirds) == set(range(9))
    rows = scenes.make_scenes(16, 200, 2, objects=2).factors
    dx, dy = (rows[:, 6] - rows[:, 2]), (rows[:, 7] - rows[:, 3])
    true = np.stack([dx > 0.3, dx < -0.3, dy > 0.3, dy < -0.3])
    assert true[rows[:, 8].astype(int), np.arange(200)].all() and (rows[:, 1] != rows[:, 5]).all()


def test_every_wording_is_spoken_well():
    said = scenes.make_scenes(16, 1500, 0).captions + scenes.make_scenes(16, 500, 0, objects=2).captions
    assert not any(re.search(r"\ba orange", caption) for caption in said) and any("an orange" in caption for caption in said)
    assert max(len(caption) for caption in said) < 64


@pytest.mark.parametrize("side", [16, 33, 128])
def test_outlines_are_smooth_and_objects_lie_in_the_picture(side):
    made = scenes.make_scenes(side, 60, 1)
    pictures, reach = made.pictures, np.abs(made.factors[:, 5:7] - 0.5).max(1) + made.factors[:, 4]
    assert pictures.shape[1:] == (side, side, 3) and reach.max() < 0.5
    assert np.mean([len(np.unique(picture.reshape(-1, 3), axis=0)) for picture in pictures]) > 6


def test_twelve_thousand_pictures_take_seconds():
    begun = time.process_time()
    scenes.make_scenes(32, 1200)
    assert time.process_time() - begun < 2.0


def test_the_built_in_set_keeps_captions_factors_and_classes(tmp_path):
    with Library.open(tmp_path / "library") as library:
        data = open_data(library, builtin.make(library, "scenes:size=16,count=60,leave_out=1").id)
        assert data.spec.captioned and data.spec.shape == (3, 16, 16) and len(data.spec.classes) == 48
        assert set(data.factors()) == set(scenes.ONE) and data.record.options["scenes"] == 1
        two = open_data(library, builtin.make(library, "scenes:size=16,count=20,objects=2").id)
        assert two.spec.classes == () and set(two.factors()) == set(scenes.TWO)
