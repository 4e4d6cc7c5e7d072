"""A folder that was changed and is imported again: the edits of what is the same come along, and it is said what is new."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models_backend.contract.run_layout import LEFT_OUT, LibraryLayout
from models_backend.data.importing import import_paths
from models_backend.library import inheriting
from models_backend.library.datasets import DatasetFolder
from models_backend.library.edits import Edits


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (24, 24, 3), np.uint8)).save(path)


@pytest.fixture
def odd(tmp_path):
    """Eight pictures in the classes sea and sky, one that cannot be read, ages in a table."""
    folder = tmp_path / "odd"
    for n in range(8):
        picture(folder / ("sea", "sky")[n % 2] / f"{n}.png", n)
    (folder / "sky" / "broken.png").write_bytes(b"x")
    (folder / "ages.csv").write_text(
        "file_name,age\n" + "".join(f"{'sky' if n % 2 else 'sea'}/{n}.png,{n}\n" for n in range(8))
    )
    return folder


@pytest.fixture
def imported(library_root):
    def imported(folder):
        record, report = import_paths(library_root, [folder])
        return DatasetFolder(LibraryLayout(library_root).dataset(record.id)), report

    return imported


def at(stored, name):
    return next(n for n, item in enumerate(stored.imported()) if item.source.endswith(name))


def known(stored):
    """File name -> caption, class, age, and whether it is left out."""
    classes = stored.record().classes
    return {one.source.rpartition("/")[2]: (one.caption, classes[one.label], one.attributes, one.split == LEFT_OUT)
            for one in stored.items()}  # fmt: skip


def test_the_edits_of_what_is_the_same_are_taken_over_and_what_is_new_is_said(imported, odd):
    old, report = imported(odd)
    assert report.newer == ""
    old.edit_many({at(old, "0.png"): "a boat", at(old, "2.png"): "a ship"}, {at(old, "4.png"): 2}, ("water", "sky", "land"),
                  {at(old, "6.png"): True, at(old, "7.png"): True}, settings={"resolution": 16},
                  attributes={at(old, "1.png"): (30.0,)})  # fmt: skip
    before = known(old)
    picture(odd / "sky" / "broken.png", 50)
    picture(odd / "aaa" / "first.png", 51)  # every item and class gets another number
    picture(odd / "sea" / "2.png", 52)
    (odd / "sky" / "7.png").unlink()
    (odd / "sky" / "1.png").rename(odd / "sky" / "one.png")
    (odd / "ages.csv").write_text((odd / "ages.csv").read_text().replace("sky/1.png", "sky/one.png"))
    new, report = imported(odd)
    assert new.record().title == "odd (2)" and new.record().classes == ("aaa", "water", "sky", "land")
    after = known(new)
    assert after["0.png"] == ("a boat", "water", (0.0,), False) and after["4.png"] == before["4.png"] == (
        "",
        "land",
        (4.0,),
        False,
    )
    assert after["6.png"] == ("", "water", (6.0,), True) and after["one.png"] == ("", "sky", (30.0,), False)
    assert after["2.png"][0] == "" and not after["broken.png"][3], "what changed is not what the edit was of"
    assert new.record().settings == {"resolution": 16} and new.record().left_out == 1
    assert report.newer == (
        "“odd (2)” is a newer import of “odd”: 2 pictures are new, 1 picture changed, 1 picture is gone; its edits were taken "
        "over (1 caption changed, 1 item moved to another class, 1 item with other attributes, 1 item left out, "
        "1 class renamed, 1 class added, how pictures are shown); 2 edits of what is not the same any more stayed behind"
    )
    assert new.report().newer == report.newer and not any("another data set called" in note for note in report.notes)
    assert known(old) == before, "the old one stays as it is"
    new.reset()
    assert new.edited() == [] and new.record().classes == ("aaa", "sea", "sky")


def test_what_the_folder_says_anew_counts_more_than_an_edit_before(imported, odd):
    old, _ = imported(odd)
    old.edit_many({at(old, "0.png"): "a boat"}, {at(old, "2.png"): 1, at(old, "4.png"): 1})
    (odd / "sea" / "0.txt").write_text("a red ship")
    (odd / "sea" / "2.png").rename(odd / "2.png")
    new, report = imported(odd)
    told = known(new)
    assert told["0.png"][0] == "a red ship" and told["4.png"][1] == "sky"
    assert new.items()[at(new, "2.png")].label == -1
    assert "of 2 the caption, class, number or split is another; its edits were taken over (1 item moved" in report.newer
    assert report.newer.endswith("; 2 edits of what is not the same any more stayed behind")


def test_copies_keep_their_own_edits(imported, odd):
    picture(odd / "sea" / "copy.png", 0)
    old, _ = imported(odd)
    old.edit_many({at(old, "copy.png"): "the copy"}, left_out={at(old, "0.png"): True})
    picture(odd / "aaa.png", 0)
    new, report = imported(odd)
    told = {item.source.rpartition("/")[2]: (item.caption, item.split == LEFT_OUT) for item in new.items()}
    assert (told["copy.png"], told["0.png"], told["aaa.png"]) == (("the copy", False), ("", True), ("", False))
    assert "1 picture is new; its edits" in report.newer


def test_the_newest_of_the_same_folder_counts_and_no_other_folder(imported, odd, tmp_path):
    old, _ = imported(odd)
    old.edit(0, "first")
    picture(odd / "sky" / "8.png", 8)
    middle, _ = imported(odd)
    middle.edit(1, "second")
    picture(odd / "sky" / "9.png", 9)
    new, report = imported(odd)
    assert [new.items()[n].caption for n in (0, 1)] == [
        "first",
        "second",
    ] and "newer import of “odd (2)”: 1 picture" in report.newer
    odd.rename(tmp_path / "elsewhere")
    picture(tmp_path / "elsewhere" / "sky" / "10.png", 10)
    other, report = imported(tmp_path / "elsewhere")
    assert report.newer == "" and other.edits() == Edits()
    again, report = imported(tmp_path / "elsewhere")
    assert again.id == other.id and report.newer == "" and again.report().newer == ""


def test_points_that_are_imported_again_keep_their_edits(imported, tmp_path):
    table = tmp_path / "points.csv"
    table.write_text("x,y\n" + "".join(f"{n},{n * n}\n" for n in range(9)))
    old, _ = imported(table)
    old.leave_out([3])
    table.write_text("x,y\n9,9\n" + "".join(f"{n},{n * n}\n" for n in range(9)))
    new, report = imported(table)
    assert new.edits().left_out == (4,) and "1 point is new; its edits were taken over (1 item left out)" in report.newer


@pytest.mark.parametrize(
    ("old", "named", "new", "names"),
    [
        (("a", "b"), ("b", "a"), ("a", "b", "c"), ("b", "a", "c")),
        (("sky",), ("clouds",), ("clouds", "sky"), ("clouds", "sky")),
        (("a", "b"), ("b", "c"), ("a", "b", "c"), ("a", "b", "c")),
        (("a",), ("x", "more", "b"), ("a", "b"), ("x", "b", "more")),
        (("a", "b"), ("one",), ("a", "b"), ("one", "b")),
    ],
)
def test_no_two_classes_get_one_name(old, named, new, names):
    assert inheriting._classes(old, named, new) == names
