"""The reader of scenes sees on the renderer's own pictures what was drawn, and nothing where nothing is."""

import colorsys

import cv2
import numpy as np
import pytest

from models_backend.data import scenes
from models_backend.evaluation import scene_reader
from models_backend.evaluation.scene_reader import COLOURS, SHAPES, Seen, read


def joint(pictures, factors) -> float:
    """Share of pictures of one object whose shape, colour, size and place are all read as drawn."""
    seen = [read(picture) for picture in pictures]
    right = [len(s) == 1 and (s[0].shape, s[0].colour, s[0].size, s[0].place) == tuple(f[:4]) for s, f in zip(seen, factors)]
    return float(np.mean(right))


@pytest.mark.parametrize(("side", "least"), [(16, 0.97), (20, 0.99), (32, 0.99), (64, 0.99), (128, 0.99)])
def test_one_object_is_read_as_it_was_drawn(side, least):
    made = scenes.make_scenes(side, 800 if side < 64 else 200, seed=5)
    assert joint(made.pictures, made.factors) >= least
    where = np.array([(s.x, s.y) for s in (read(picture)[0] for picture in made.pictures)])
    upright = made.factors[:, 0] != SHAPES.index("triangle")  # whose centre of gravity is not the middle of its height
    assert np.abs(where - made.factors[:, 5:7])[upright].max() < 0.5 / side


def test_noise_and_blur_as_of_a_model_do_not_confuse_it():
    made, rng = scenes.make_scenes(32, 500, seed=6), np.random.default_rng(0)
    noisy = np.clip(made.pictures + rng.normal(0, 12, made.pictures.shape), 0, 255).astype(np.uint8)
    soft = np.stack([cv2.GaussianBlur(picture, (0, 0), 0.6) for picture in made.pictures])
    assert joint(noisy, made.factors) >= 0.98 and joint(soft, made.factors) >= 0.98


def test_ideals_have_the_area_that_is_stated_and_their_middle_at_the_origin():
    line = (np.arange(1500) + 0.5) / 500 - 1.5
    for name, (inside, area) in scene_reader.MEANING.items():
        ink = inside(line[None], line[:, None]) & np.ones((1500, 1500), bool)
        assert ink.sum() / 500**2 == pytest.approx(area, abs=0.02), name
        rows, columns = np.nonzero(ink)
        assert abs(line[rows].mean()) < 0.01 and abs(line[columns].mean()) < 0.01, name


def test_typical_inks_bear_their_own_names():
    assert [COLOURS[scene_reader._colour(ink)] for ink in scene_reader.INKS] == list(COLOURS)
    for degrees, name in (
        (0, "red"),
        (30, "orange"),
        (60, "yellow"),
        (120, "green"),
        (185, "cyan"),
        (240, "blue"),
        (280, "purple"),
    ):
        ink = np.array(colorsys.hsv_to_rgb(degrees / 360, 0.8, 220.0))
        assert COLOURS[scene_reader._colour(ink)] == name


@pytest.mark.parametrize("side", [16, 32, 64])
def test_two_objects_are_two_and_each_is_read(side):
    made = scenes.make_scenes(side, 200, seed=3, objects=2)
    for picture, row in zip(made.pictures, made.factors):
        seen = {(s.colour, s.shape) for s in read(picture)}
        assert seen == {(row[1], row[0]), (row[5], row[4])}


def test_a_second_object_and_a_speck_are_told_apart():
    picture = scenes.render([scenes.Thing(0, 0, 0.2, 0.3, 0.3)], 32)
    picture[28, 28] = 200
    assert len(read(picture)) == 1
    assert len(read(scenes.render([scenes.Thing(0, 0, 0.2, 0.3, 0.3), scenes.Thing(1, 2, 0.12, 0.75, 0.75)], 32))) == 2


def test_nothing_is_seen_in_noise_and_darkness():
    noise = np.random.default_rng(0).integers(0, 255, (20, 32, 32, 3)).astype(np.uint8)
    assert all(s.shape == -1 for picture in noise for s in read(picture))
    assert read(np.full((32, 32, 3), 18, np.uint8)) == [] and Seen().shape == -1


def test_order_of_shapes_and_colours_is_shared():
    assert SHAPES == scenes.SHAPES and COLOURS == scenes.COLOURS
