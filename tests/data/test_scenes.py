"""Scenes: a function of their arguments, true captions, combinations that are never shown."""

import numpy as np

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


def test_the_built_in_set_keeps_captions_factors_and_classes(tmp_path):
    with Library.open(tmp_path / "library") as library:
        data = open_data(library, builtin.make(library, "scenes:size=16,count=60,leave_out=1").id)
        assert data.spec.captioned and data.spec.shape == (3, 16, 16) and len(data.spec.classes) == 48
        assert set(data.factors()) == set(scenes.ONE) and data.record.options["scenes"] == 1
        two = open_data(library, builtin.make(library, "scenes:size=16,count=20,objects=2").id)
        assert two.spec.classes == () and set(two.factors()) == set(scenes.TWO)
