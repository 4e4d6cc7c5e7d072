"""Buckets: which shapes there are, where pictures go, and that nothing but the outermost edge of them is cut off."""

import cv2
import numpy as np
import pytest
from bad_files import picture
from PIL import Image

from models_backend.contract.run_layout import Item
from models_backend.contract.settings import DataSettings
from models_backend.data.buckets import nearest, open_buckets, shapes
from models_backend.data.builtin import make
from models_backend.data.importing import import_paths
from models_backend.data.reading import open_data

BUCKETED = DataSettings(resolution=32, buckets=3)
HIGH, SQUARE, WIDE = (24, 40), (32, 32), (40, 24)


@pytest.mark.parametrize(("side", "count"), [(64, 3), (128, 2), (256, 5), (512, 7), (1000, 7)])
def test_shapes_are_symmetric_about_the_square_and_of_about_its_area(side, count):
    sizes = shapes(DataSettings(resolution=side, buckets=count))
    assert len(sizes) == count and sizes == [size[::-1] for size in reversed(sizes)]
    assert sorted(sizes) == sizes and ((side, side) in sizes) == bool(count % 2)
    for width, height in sizes:
        assert (width, height) == (side, side) or not (width % 8 or height % 8)
        assert width * height == pytest.approx(side**2, rel=0.15 if side < 100 else 0.07)
    assert sizes[count // 2 + 1 :] == [] or sizes[-1][0] / sizes[-1][1] == pytest.approx((4 / 3) ** ((count - 1) / 2), rel=0.08)


def test_small_pictures_have_fewer_shapes_and_none_asked_are_none():
    assert shapes(DataSettings(resolution=8, buckets=5)) == []
    assert shapes(DataSettings(resolution=32, buckets=5)) == [HIGH, SQUARE, WIDE]
    assert shapes(DataSettings()) == shapes(DataSettings(buckets=1)) == []


def test_a_picture_goes_where_its_proportions_differ_by_the_smallest_factor():
    sizes = [(300, 300), (120, 100), (100, 120), (400, 300), (3, 4), (9000, 10), (0, 0)]
    items = [Item("", width=width, height=height) for width, height in sizes]
    assert nearest(items, [HIGH, SQUARE, WIDE]).tolist() == [1, 1, 1, 2, 0, 2, 1]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Forty pictures: upright, square and wide ones, some of them JPEG files that are turned by their EXIF tag."""
    pictures, root = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("library")
    for n in range(40):
        pixels = picture(n, 96)[:, : 96 if n % 4 == 0 else 60] if n % 4 < 2 else picture(n, 96)[:60]
        if n % 4 == 3:  # stored upright, shown wide
            exif = Image.Exif()
            exif[0x0112] = 6
            Image.fromarray(np.ascontiguousarray(np.rot90(pixels))).save(pictures / f"{n:02d}.jpg", exif=exif, quality=98)
        else:
            Image.fromarray(pixels).save(pictures / f"{n:02d}.png")
    data = open_data(root, import_paths(root, [pictures])[0].id, BUCKETED)
    return data, open_buckets(data)


def test_every_picture_lies_whole_in_the_nearest_shape(opened):
    data, buckets = opened
    assert sorted(np.concatenate(buckets.members)) == list(range(data.train.count))
    sizes = [buckets.take(members[:2]).shape[:1:-1] for members in buckets.members]
    assert sizes == [HIGH, SQUARE, WIDE]
    for members, (width, height) in zip(buckets.members, sizes, strict=True):
        for member, shown in zip(members, buckets.take(members), strict=True):
            item = data.items[data.train.positions[member]]
            number = int(item.source[-6:-4])
            whole = picture(number, 96)[: item.height, : item.width].astype(np.float64)
            scale = min(item.width / width, item.height / height)
            wide, high = round(width * scale), round(height * scale)
            assert wide * high > 0.95 * item.width * item.height
            top, left = (item.height - high) // 2, (item.width - wide) // 2
            expected = cv2.resize(whole[top : top + high, left : left + wide], (width, height), interpolation=cv2.INTER_AREA)
            seen = (shown.transpose(1, 2, 0) + 1) * 127.5
            assert np.abs(seen - expected).max() <= (30 if item.source.endswith("jpg") else 1.01)


def test_the_squares_stay_and_nothing_is_made_twice(opened):
    data, _ = opened
    made = {path.name: path.stat().st_mtime_ns for path in data.layout.cache.iterdir()}
    assert {name for name in made if name.endswith(".npy")} == {
        "thumbs.npy", "32-rgb-centre.npy", "32-rgb-centre-of-3-24x40.npy", "32-rgb-centre-of-3-40x24.npy"
    }  # fmt: skip
    root = data.layout.root.parent.parent
    plain = open_data(root, data.record.id, DataSettings(resolution=32))
    assert plain.spec == data.spec and data.spec.shape == (3, 32, 32) and open_buckets(plain) is None
    assert np.array_equal(plain.train.take(range(9)), data.train.take(range(9)))
    open_buckets(open_data(root, data.record.id, BUCKETED))
    assert {path.name: path.stat().st_mtime_ns for path in data.layout.cache.iterdir()} == made


def test_pictures_are_mirrored_left_to_right(opened):
    root, wide = opened[0].layout.root.parent.parent, opened[1].members[2]
    data = open_data(root, opened[0].record.id, DataSettings(resolution=32, buckets=3, flip=True))
    mirrored, plain = open_buckets(data).take(wide, np.random.default_rng(0)), opened[1].take(wide)
    turned = [np.array_equal(a, b[..., ::-1]) for a, b in zip(mirrored, plain, strict=True)]
    same = [np.array_equal(a, b) for a, b in zip(mirrored, plain, strict=True)]
    assert all(a != b for a, b in zip(turned, same, strict=True)) and any(turned) and any(same)


def test_square_pictures_need_no_cache_beside_their_own(library_root):
    data = open_data(library_root, make(library_root, "shapes:size=32,count=30").id, DataSettings(resolution=32, buckets=3))
    buckets = open_buckets(data)
    assert np.array_equal(buckets.members[0], np.arange(data.train.count)) and len(buckets.members) == 1
    assert np.array_equal(buckets.take(np.array([3, 1])), data.train.take([3, 1]))
