"""The doctor: exact and near duplicates are found, different pictures are not, and 100,000 take seconds."""

import io
import time

import numpy as np
import pytest
from bad_files import encoded, picture
from PIL import Image

from models_backend.contract.run_layout import Item, LibraryLayout
from models_backend.data import shapes
from models_backend.data.decoding import Target, decode
from models_backend.data.doctor import look_alike, mark_duplicates, near_pairs
from models_backend.data.importing import import_paths
from models_backend.library.datasets import DatasetFolder


def variants(seed):
    """One picture as people have it twice: other quality, other size, other format, a little brighter."""
    image = Image.fromarray(picture(seed, 256))
    jpeg, small, webp, bright = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    image.save(jpeg, "JPEG", quality=60)
    image.resize((180, 180), Image.Resampling.LANCZOS).save(small, "PNG")
    image.save(webp, "WEBP", quality=70)
    image.point(lambda v: min(255, v + 2)).save(bright, "PNG")
    return {"low.jpg": jpeg, "small.png": small, "other.webp": webp, "bright.png": bright}


def test_copies_and_look_alikes_are_found_and_kept_in_one_split(library_root, tmp_path):
    for seed in range(20):
        (tmp_path / f"{seed:02d}-a.png").write_bytes(encoded("PNG", seed, 256))
    (tmp_path / "00-copy.png").write_bytes(encoded("PNG", 0, 256))
    (tmp_path / "01-same-pixels.bmp").write_bytes(encoded("BMP", 1, 256))
    for name, stream in variants(2).items():
        (tmp_path / f"02-{name}").write_bytes(stream.getvalue())
    record, report = import_paths(library_root, [tmp_path])
    items = DatasetFolder(LibraryLayout(library_root).dataset(record.id)).items()
    assert (report.exact_duplicates, report.near_duplicates) == (2, 4)
    groups = {}
    for i, item in enumerate(items):
        groups.setdefault(item.source.rpartition("/")[2][:2], []).append((i, item))
    for members in groups.values():
        first = members[0][0]
        assert {item.split for _, item in members} == {members[0][1].split}
        assert all(item.duplicate_of == (-1 if i == first else first) for i, item in members)
    assert {name for name, members in groups.items() if len(members) > 1} == {"00", "01", "02"}


def looks_of(pictures):
    found = [decode(png_of(p), [Target(16)]) for p in pictures]
    looks = np.array([f.look for f in found], np.uint64)
    return looks, np.frombuffer(b"".join(f.signature for f in found), np.uint8).reshape(len(found), -1)


def png_of(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def test_simple_pictures_that_differ_are_no_duplicates():
    pictures, _, factors, _ = shapes.make_shapes(64, 400, seed=2)
    pairs = list(near_pairs(*looks_of(pictures)))
    for i, j in pairs:
        assert np.abs(factors[i] - factors[j])[:4].max() == 0 and np.abs(factors[i] - factors[j]).max() < 0.03


def test_random_pictures_have_no_near_pairs_and_noisy_twins_all_do():
    originals = [picture(seed, 96) for seed in range(150)]
    rng = np.random.default_rng(0)
    noisy = [np.clip(p + rng.normal(0, 3, p.shape), 0, 255).astype(np.uint8) for p in originals]
    looks, signatures = looks_of(originals + noisy)
    pairs = {tuple(sorted((int(i), int(j)))) for i, j in near_pairs(looks, signatures)}
    assert pairs == {(i, i + 150) for i in range(150)}


def test_flat_pictures_of_different_grey_are_different():
    flat = [np.full((32, 32, 3), level, np.uint8) for level in range(0, 250, 25)]
    assert not list(near_pairs(*looks_of(flat)))
    assert look_alike(*np.array([[10] * 432, [12] * 432], np.uint8)[:, None])[0]


def test_the_bands_miss_nothing_that_differs_in_six_bits():
    rng = np.random.default_rng(1)
    looks = rng.integers(0, 2**63, 300, np.uint64)
    flips = np.array([sum(1 << int(b) for b in rng.choice(64, 6, replace=False)) for _ in looks], np.uint64)
    both = np.concatenate([looks, looks ^ flips])
    pairs = {tuple(sorted((int(i), int(j)))) for i, j in near_pairs(both, np.zeros((600, 432), np.uint8))}
    assert {(i, i + 300) for i in range(300)} <= pairs


@pytest.mark.parametrize("alike", [False, True])
def test_a_hundred_thousand_pictures_take_seconds(alike):
    rng = np.random.default_rng(0)
    count = 100_000
    looks = rng.integers(0, 3 if alike else 2**63, count, np.uint64)
    signatures = rng.integers(0, 256, (count, 432), np.uint8)
    signatures[1::2] = signatures[::2]
    looks[1::2] = looks[::2]
    items = [Item(str(i), f"{i:064x}") for i in range(count)]
    started = time.process_time()
    mark_duplicates(items, [b"%d" % i for i in range(count)], looks, signatures)
    assert time.process_time() - started < 20
    assert sum(item.duplicate_of >= 0 for item in items) == count // 2
