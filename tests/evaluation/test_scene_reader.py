"""The reader of scenes sees on the renderer's own pictures what was drawn, and nothing where nothing is."""

import numpy as np
import pytest

from models_backend.data import scenes
from models_backend.evaluation import following, scene_reader


@pytest.mark.parametrize(("side", "least"), [(32, 0.99), (48, 0.99), (64, 0.99)])
def test_one_object_is_read_as_it_was_drawn(side, least):
    made = scenes.make_scenes(side, 500, seed=5)
    seen = [scene_reader.read(picture)[0] for picture in made.pictures]
    right = [(s.shape, s.colour, s.place) == tuple(int(f[i]) for i in (0, 1, 3)) for s, f in zip(seen, made.factors)]
    assert np.mean(right) >= least
    assert np.mean([s.size == int(f[2]) for s, f in zip(seen, made.factors)]) > 0.93
    assert max(abs(s.x - f[5]) for s, f in zip(seen, made.factors)) < 0.04


def test_two_objects_are_read_and_how_they_stand():
    made = scenes.make_scenes(32, 400, seed=3, objects=2)
    found = following._of_pairs(np.moveaxis(made.pictures, -1, 1) / 127.5 - 1, made.factors)
    assert found["pair_accuracy"] >= 0.99 and found["relation_accuracy"] >= 0.99
    swapped = made.factors[:, [4, 5, 6, 7, 0, 1, 2, 3, 8]]
    assert following._of_pairs(np.moveaxis(made.pictures, -1, 1) / 127.5 - 1, swapped)["relation_accuracy"] == 0


def test_nothing_is_seen_in_noise_and_darkness():
    noise = np.random.default_rng(0).integers(0, 255, (20, 32, 32, 3)).astype(np.uint8)
    blank = np.full((1, 32, 32, 3), 18, np.uint8)
    read = [scene_reader.read(picture) for picture in (*noise, *blank)]
    named = [s for seen in read for s in seen if s.colour >= 0]
    assert len(named) <= 4 and read[-1] == []


def test_order_of_shapes_and_colours_is_shared():
    assert scene_reader.SHAPES == scenes.SHAPES and tuple(scene_reader.INKS) == scenes.COLOURS
    assert following.scenes.RELATIONS[following.stands(scene_reader.Seen(x=0.2), scene_reader.Seen(x=0.8))] == "left of"
