"""Items as pictures: the ends of the range, the places of a sheet, and points where they are."""

import numpy as np
import torch

from models_backend.media.pictures import (
    GROUND,
    at_levels,
    bounds_of,
    contact_sheet,
    enlarged,
    fitting_scale,
    points_picture,
    to_uint8,
)


def test_the_range_maps_to_bytes_and_back():
    levels = np.arange(256, dtype=np.uint8)
    floats = (levels.astype(np.float32) / 127.5 - 1).reshape(1, 1, 16, 16)
    assert np.array_equal(to_uint8(floats).ravel(), levels)
    assert np.array_equal(to_uint8(torch.tensor(floats, dtype=torch.float64)).ravel(), levels)


def test_what_is_outside_or_not_a_number_stays_a_picture():
    odd = np.array([-9.0, 9.0, np.nan, np.inf, -np.inf, 0.0], np.float32).reshape(1, 1, 2, 3)
    assert to_uint8(odd).ravel().tolist() == [0, 255, 128, 255, 0, 128]
    assert to_uint8(torch.zeros(2, 3, 4, 5, dtype=torch.bfloat16)).shape == (2, 4, 5, 3)


def test_a_sheet_shows_every_item_in_its_place():
    items = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), np.uint8)
    sheet = contact_sheet(items, columns=3, gap=2)
    assert sheet.shape == (2 * 6 + 2, 3 * 8 + 2, 3)
    for i, item in enumerate(items):
        top, left = 2 + (i // 3) * 6, 2 + (i % 3) * 8
        assert np.array_equal(sheet[top : top + 4, left : left + 6], item)
    assert (sheet[-6:, -8:] == GROUND).all()
    assert contact_sheet(items[..., :1]).shape[2] == 3


def test_a_sheet_has_no_empty_places_where_rows_can_be_whole():
    wide = {1: 1, 2: 2, 3: 3, 4: 2, 6: 3, 7: 3, 8: 4, 10: 5, 12: 4, 16: 4, 18: 6, 64: 8}
    sheets = {count: contact_sheet(np.zeros((count, 4, 4, 3), np.uint8), gap=0) for count in wide}
    assert {count: sheet.shape[1] // 4 for count, sheet in sheets.items()} == wide


def test_scales_are_whole_and_bounded():
    assert [fitting_scale(side, side) for side in (8, 100, 768, 5000)] == [16, 7, 1, 1]
    assert enlarged(np.eye(2, dtype=np.uint8)[..., None], 3).shape == (6, 6, 1)


def test_points_are_drawn_where_they_are():
    picture = points_picture(np.array([[0.9, 0.9], [-0.9, -0.9], [-0.9, -0.9]]), 64, (-1, 1, -1, 1)).astype(int).sum(2)
    ground = sum(GROUND)
    assert picture[:8, -8:].max() > ground and picture[-8:, :8].max() > picture[:8, -8:].max()
    assert (picture[:32, :32] == ground).all() and (picture[32:, 32:] == ground).all()


def test_bounds_hold_the_points_whatever_they_are():
    cloud = np.random.default_rng(0).normal(3, 0.5, (5000, 2))
    left, right, bottom, top = bounds_of(cloud)
    assert abs((right - left) - (top - bottom)) < 1e-9
    assert ((cloud[:, 0] > left) & (cloud[:, 0] < right)).mean() > 0.995
    assert bounds_of(np.full((3, 2), np.nan)) == (-1.0, 1.0, -1.0, 1.0)
    assert points_picture(np.full((3, 2), np.nan), 16).shape == (16, 16, 3)


def test_made_pictures_hold_the_levels_of_the_data():
    made = np.array([[0, 7, 9, 120, 255]], np.uint8)
    assert at_levels(made, (0, 16, 128, 239)).tolist() == [[0, 0, 16, 128, 239]]
    assert at_levels(made, ()) is made
    assert at_levels(made, (255, 0)).tolist() == [[0, 0, 0, 0, 255]]
