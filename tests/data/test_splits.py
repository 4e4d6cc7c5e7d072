"""What is held out: a tenth of the items in whole groups, every class keeping most; the user's own splits where there are."""

import hashlib
import random
import shutil
from collections import Counter

import cv2
import numpy as np
import pytest
from bad_files import make_good

from models_backend.contract.run_layout import Item, LibraryLayout
from models_backend.data import own_splits, splits
from models_backend.data.importing import import_paths
from models_backend.library.datasets import DatasetFolder


def items_in(*groups, label=-1, salt=""):
    """Items in groups of so many look-alikes each, with content hashes as good as random ones."""
    made = []
    for size in groups:
        first = len(made)
        for k in range(size):
            mark = hashlib.sha256(f"{salt}/{label}/{first + k}".encode()).hexdigest()
            made.append(Item(f"{label}-{first + k}", mark, label, duplicate_of=first if k else -1))
    return made


def joined(*parts):
    """Lists of items as one; positions of groups moved along."""
    made = []
    for part in parts:
        start = len(made)
        for item in part:
            item.duplicate_of += start if item.duplicate_of >= 0 else 0
            made.append(item)
    return made


def held(items):
    return [item for item in items if item.split == "validation"]


def assert_whole(items):
    """No group straddles the split."""
    for i, item in enumerate(items):
        origin = items[item.duplicate_of] if item.duplicate_of >= 0 else items[i]
        assert item.split == origin.split


@pytest.mark.parametrize(
    "groups, least, most",
    [
        ([1] * 1000, 100, 100),
        ([60] * 12, 60, 180),
        ([60] + [1] * 12, 1, 18),
        ([1] * 30 + [10] * 7, 5, 15),
        ([3] * 40, 9, 14),
        ([500] + [5] * 20, 30, 60),
        ([1] * 20, 2, 2),
        ([1, 1], 1, 1),
        ([40] * 5, 40, 40),
    ],
)
def test_about_a_tenth_in_whole_groups(groups, least, most):
    items = items_in(*groups)
    splits.assign(items)
    assert least <= len(held(items)) <= most
    assert_whole(items)


def test_what_the_data_do_not_allow_is_said_in_one_sentence():
    alike, one, few, clip = items_in(50), items_in(1), items_in(30, 30), items_in(60, *[1] * 6)
    assert splits.assign(alike) == "None of 50 is held out: they all look alike" and not held(alike)
    assert splits.assign(one).startswith("None of 1 is held out") and not held(one)
    assert "2 groups of look-alikes" in splits.assign(few) and not held(few), "half of the data is too much"
    assert splits.assign(clip) == "Only 2 of 66 are held out: 60 look alike and stay together, to train on"
    assert splits.assign(items_in(*[1] * 300)) == ""


def test_every_class_keeps_most_of_its_items():
    parts = [items_in(*[1] * 200, label=0), items_in(20, label=1), items_in(5, 5, 5, 5, label=2), items_in(1, 1, label=3)]
    items = joined(*parts)
    assert splits.assign(items) == ""
    assert_whole(items)
    every, out = Counter(item.label for item in items), Counter(item.label for item in held(items))
    assert 12 <= len(held(items)) <= 36
    assert all(2 * out[label] < every[label] for label in every)
    assert out[1] == out[3] == 0, "a class of one group, and one of two items, are trained on"


@pytest.mark.parametrize("sizes", [(45, 38, 31, 13), (8, 8, 8), (200, 9, 13), (1000, 8), (14,) * 12, (40, 3, 2)])
def test_every_class_has_about_a_tenth_of_its_own_held_out(sizes):
    for salt in map(str, range(8)):
        items = joined(*[items_in(*[1] * size, label=k, salt=salt) for k, size in enumerate(sizes)])
        assert splits.assign(items) == ""
        out = Counter(item.label for item in held(items))
        for label, size in enumerate(sizes):
            assert max(size >= splits.ENOUGH, size // 10) <= out[label] <= size // 10 + 1, (salt, out)
        assert 0.8 * sum(sizes) / 10 <= len(held(items)) <= max(len(sizes), 1.3 * sum(sizes) / 10)


def test_look_alikes_of_a_class_stay_together_and_it_is_held_out_all_the_same():
    items = joined(items_in(*[1] * 60, label=0), items_in(9, 6, 5, label=1), items_in(12, 1, label=2), items_in(*[1] * 40))
    splits.assign(items)
    assert_whole(items)
    out = Counter(item.label for item in held(items))
    assert (out[1], out[2]) == (5, 1), "the smallest of groups that are all too large, and the one that is not"
    assert 6 <= out[0] <= 7 and out[-1] >= 1, "what has no class is held out too"
    both = joined(items_in(*[1] * 20, label=0), items_in(*[1] * 20, label=1))
    for i in range(20):
        both[20 + i].duplicate_of = i  # every picture stands in both classes
    splits.assign(both)
    assert_whole(both)
    assert Counter(item.label for item in held(both)) == {0: 2, 1: 2}


def test_classes_of_one_group_each_lose_one_and_it_is_said():
    items = joined(*[items_in(60, label=k) for k in range(12)])
    said = splits.assign(items, [f"burst{k}" for k in range(12)])
    assert len(held(items)) == 60 and len({item.label for item in held(items)}) == 1
    assert said.startswith(f"Held out is every item of burst{held(items)[0].label}:")


def test_the_split_is_that_of_the_pictures_not_of_their_order():
    items = joined(*[items_in(*[1] * 50, 7, 3, label=k) for k in range(4)])
    splits.assign(items)
    before = {item.source for item in held(items)}
    order = list(range(len(items)))
    random.Random(0).shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    shuffled = [items[i] for i in order]
    for item in shuffled:
        item.duplicate_of = place[item.duplicate_of] if item.duplicate_of >= 0 else -1
    splits.assign(shuffled)
    assert {item.source for item in held(shuffled)} == before


def test_adding_pictures_moves_few():
    old, new = items_in(*[1] * 1000), items_in(*[1] * 100, salt="new")
    splits.assign(old)
    before = {item.source: item.split for item in old}
    splits.assign(joined(old, new))
    assert sum(item.split != before[item.source] for item in old) <= 15


# ------------------------------------------------------------------------------------------------ the user's own


def folders(text):
    return [tuple(part.split("/")) for part in text.split()]


@pytest.mark.parametrize(
    "given, said, left",
    [
        ("train/cat train/dog val/cat", "train train validation", "cat dog cat"),
        ("cat/train cat/test dog/train", "train test train", "cat cat dog"),
        ("images/train images/val", "train validation", "images images"),
        ("train/images valid/images test/images", "train validation test", "images images images"),
        ("trainA trainB testA testB", "train train test test", "A B A B"),
        ("train_a train_b val_a", "train train validation", "A B A"),
        ("set/train2017 set/val2017", "train validation", "set set"),
        ("Training/x Testing/x", "train test", "x x"),
        # an archive of each split that holds a folder of its name; classes within splits that are called like splits
        ("train/train/a train/train/b test/test/a", "train train test", "a b a"),
        ("train/train test/test", "train test", "- -"),
        ("train/test train/train val/test val/train", "train train validation validation", "test train test train"),
        ("train/trainA train/trainB test/testA test/testB", "train train test test", "A B A B"),
        ("train/cat train/dog test/cat extra/cat", "train train test ", "cat dog cat extra/cat"),
        ("seg_train/sea seg_test/sea", "train test", "sea sea"),
        ("dev train", "validation train", "- -"),
        # classes that happen to have such names
        ("train bus car", " - - -", "train bus car"),
        ("valid invalid", "- -", "valid invalid"),
        ("test prod dev", "- - -", "test prod dev"),
        ("land/train air/plane road/bus", "- - -", "land/train air/plane road/bus"),
        ("land/train lab/test", "- -", "land/train lab/test"),
        ("train/train train/bus test/train test/bus", "train train test test", "train bus train bus"),
        ("trainA trainB", "- -", "A B"),
        # not everything that splits need
        ("train/cat train/dog", "- -", "train/cat train/dog"),
        ("val/cat val/dog test/cat", "- - -", "cat dog cat"),
    ],
)
def test_folders_that_are_splits_and_folders_that_are_not(given, said, left):
    found, rest = own_splits.by_folders(folders(given))
    expected = [word.strip("-") for word in (said.split(" ") if not said.startswith(" ") else said.split())]
    assert found == expected
    assert rest == [() if text == "-" else tuple(text.split("/")) for text in left.split()]


def imported(root, *paths):
    record, report = import_paths(root, list(paths))
    return DatasetFolder(LibraryLayout(root).dataset(record.id)).items(), report, record


def test_own_folders_are_respected_and_said(library_root, tmp_path):
    for number, (name, count) in enumerate((("train/a", 6), ("train/b", 6), ("val/a", 2), ("test/b", 3))):
        make_good(tmp_path / "set" / name, count, first_seed=100 * number)
    items, report, record = imported(library_root, tmp_path / "set")
    assert {item.source.split("/")[-3] for item in held(items)} == {"val", "test"} and len(held(items)) == 5
    assert record.classes == ("a", "b") and (report.train, report.validation) == (12, 5)
    said = "Split as the folders or tables say: 12 to train, 2 validation, 3 test; validation and test are both held out"
    assert report.split_note == said


def blurred(rng, width, height):
    """A picture of soft patches, as photographs are."""
    return cv2.resize(rng.integers(0, 255, (9, 9, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def write_clip(folder, frames, seed, slow):
    """Frames of a camera that moves a pixel in two frames, or stands still (``slow`` 0), with noise in every other."""
    rng, folder = np.random.default_rng(seed), folder / f"clip{seed}"
    folder.mkdir(parents=True)
    scene = blurred(rng, 160, 48).astype(int)
    for i in range(frames):
        left = i * slow // 2
        frame = scene[:, left : left + 48] + rng.integers(-2, 3, (48, 48, 3)) * (i % 2)
        cv2.imwrite(str(folder / f"{i:03}.png"), np.clip(frame, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    "clips, frames, slow, photos, least, most", [(1, 60, 1, 12, 1, 18), (12, 20, 0, 0, 20, 60), (3, 30, 1, 40, 5, 33)]
)
def test_frames_of_clips_stay_together_and_most_are_trained_on(
    library_root, tmp_path, clips, frames, slow, photos, least, most
):
    for seed in range(clips):
        write_clip(tmp_path / "set", frames, seed, slow)
    for seed in range(photos):
        picture = blurred(np.random.default_rng(100 + seed), 48, 48)
        cv2.imwrite(str(tmp_path / "set" / f"photo{seed}.png"), picture)
    items, report, _ = imported(library_root, tmp_path / "set")
    assert len(items) == clips * frames + photos and least <= report.validation == len(held(items)) <= most
    assert_whole(items)


def test_the_layout_of_unpaired_sets_is_two_classes_with_their_test_pictures_held_out(library_root, tmp_path):
    for number, name in enumerate(("trainA", "trainB", "testA", "testB")):
        make_good(tmp_path / "horse2zebra" / name, 5, first_seed=100 * number)
    items, _, record = imported(library_root, tmp_path / "horse2zebra")
    assert record.classes == ("A", "B")
    found = Counter((item.source.split("/")[-2], record.classes[item.label], item.split) for item in items)
    assert found == {("trainA", "A", "train"): 5, ("trainB", "B", "train"): 5,
                     ("testA", "A", "validation"): 5, ("testB", "B", "validation"): 5}  # fmt: skip


def test_another_own_split_of_the_same_pictures_is_another_data_set(library_root, tmp_path):
    make_good(tmp_path / "set" / "train", 6)
    make_good(tmp_path / "set" / "test", 2, first_seed=50)
    _, _, first = imported(library_root, tmp_path / "set")
    (tmp_path / "set" / "test").rename(tmp_path / "set" / "other")
    items, report, second = imported(library_root, tmp_path / "set")
    assert second.id != first.id and report.split_note == "" and len(held(items)) == 1


def test_look_alikes_on_both_sides_of_an_own_split_are_counted(library_root, tmp_path):
    make_good(tmp_path / "train", 4)
    make_good(tmp_path / "test", 1, first_seed=70)
    shutil.copy(tmp_path / "train" / "00000.jpg", tmp_path / "test" / "copy.jpg")
    _, report, _ = imported(library_root, tmp_path / "train", tmp_path / "test")
    assert report.split_note.endswith("1 of those held out look like one that is trained on")
    assert (report.exact_duplicates, report.validation) == (1, 2)
