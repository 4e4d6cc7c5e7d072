"""``edit``: the Data panel's edits on the command line, by names that people have."""

from __future__ import annotations

import json

import msgspec
import pytest
from library import records

from models_backend import cli
from models_backend.contract.run_layout import LEFT_OUT, Item
from models_backend.library.library import Library


@pytest.fixture
def dataset(library_root):
    """Six pictures in two classes, half of them captioned, the last a copy."""
    items = [Item(f"/photos/{'ab'[n % 2]}/{n}.png", f"{n:064x}", n % 2, f"number {n}" if n < 3 else "", 640, 480,
                  "validation" if n == 4 else "train", 0 if n == 5 else -1) for n in range(6)]  # fmt: skip
    with Library.open(library_root) as library:
        record = records.dataset_record(items, title="Photos", captioned=True, side=480, channels=3)
        library.create_dataset(record, items)
    return record.id


@pytest.fixture
def edit(library_root, dataset, capsys):
    def edit(*options, status=0):
        assert cli.main(["edit", "Photos", *options, "--library", str(library_root), "--json"]) == status
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return lines[-1]

    return edit


@pytest.fixture
def stored(library_root, dataset):
    return Library.open(library_root, own=False).dataset(dataset)


def test_without_options_it_is_told_how_the_data_stand(edit):
    told = edit()
    figures = {name: told[name] for name in ("count", "captioned", "train", "held_out", "left_out", "edited")}
    assert figures == {"count": 6, "captioned": 3, "train": 5, "held_out": 1, "left_out": 0, "edited": []}


def test_many_edits_in_one_command(edit, stored):
    edit("--caption", "3.png=a = b", "--class", "b/1.png=sky", "--rename-class", "round=sky", "--add-class", "sea",
         "--class", "#0=sea", "--leave-out", "/photos/a/2.png", "--title", "Prints")  # fmt: skip
    items = stored.items()
    assert items[3].caption == "a = b" and [items[0].label, items[1].label] == [2, 0] and items[2].split == LEFT_OUT
    assert stored.record().classes == ("sky", "square", "sea") and stored.record().title == "Prints"


@pytest.mark.parametrize(
    ("option", "out"),
    [
        (["--leave-out-uncaptioned"], [3, 4, 5]),
        (["--leave-out-duplicates"], [5]),
        (["--leave-out-class", "square"], [1, 3, 5]),
        (["--leave-out", "1.png", "--leave-out", "4.png"], [1, 4]),
        (["--leave-out-uncaptioned", "--bring-back", "4.png"], [3, 5]),
    ],
)
def test_items_are_left_out_one_by_one_or_by_what_they_are(edit, stored, option, out):
    told = edit(*option)
    assert [n for n, item in enumerate(stored.items()) if item.split == LEFT_OUT] == out
    assert told["left_out"] == len(out) and told["count"] == 6 - len(out)
    assert edit("--bring-back-all")["left_out"] == 0 and stored.items() == stored.imported()


def test_everything_is_taken_back(edit, stored):
    edit("--caption", "0.png=other", "--add-class", "sea", "--leave-out", "1.png", "--set", "resolution=32")
    assert edit("--as-imported")["edited"] == [] and stored.items() == stored.imported()
    assert stored.record().settings == {"resolution": 32}, "how pictures are shown is no edit of items"


def test_how_pictures_are_shown_is_kept_with_them(edit, stored):
    edit("--set", "data.resolution=48", "--set", "flip=yes")
    edit("--set", "channels=grey")
    assert stored.record().settings == {"resolution": 48, "flip": True, "channels": "grey"}
    edit("--set", "resolution=64")
    assert stored.record().settings == {"flip": True, "channels": "grey"}, "64 px is where photos begin"


@pytest.mark.parametrize(
    ("options", "what", "advice"),
    [
        (["--leave-out", "9.png"], "no item is named so", "#17"),
        (["--leave-out", "#6"], "no item is named so", "#17"),
        (["--leave-out", ".png"], "no item is named so", ""),
        (["--class", "0.png=trees"], "there is no such class", "round, square"),
        (["--leave-out-class", "trees"], "there is no such class", "round, square"),
        (["--add-class", "round"], "there is a class “round” already", "another name"),
        (["--rename-class", "round"], "--rename-class is written key=value", "old=new"),
        (["--set", "resolution=4"], "data.resolution: 4 is not allowed", ""),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(edit, stored, options, what, advice):
    told = edit("--title", "Not this", *options, status=1)
    assert what.split(" is not")[0] in told["what"] and advice in told.get("advice", "")
    assert stored.record().title == "Photos" and not stored.layout.edits.exists()


def test_a_name_that_several_items_have_is_told_with_them(library_root, edit, stored):
    twice = [msgspec.structs.replace(item, source=f"/photos/{n}/x.png") for n, item in enumerate(records.items())]
    with Library.open(library_root) as library:
        library.create_dataset(records.dataset_record(twice, title="Twice"), twice)
    assert cli.main(["edit", "Twice", "--leave-out", "x.png", "--library", str(library_root)]) == 1
    assert cli.main(["edit", "Twice", "--leave-out", "2/x.png", "--library", str(library_root)]) == 0


def test_names_with_signs_of_equality_other_case_and_other_unicode(library_root, stored):
    odd = [Item(f"/photos/{name}", f"{n:064x}", n, "", 64, 64) for n, name in enumerate(("a=b.png", "cafe\u0301.JPG", "1.png"))]
    with Library.open(library_root) as library:
        made = library.create_dataset(
            records.dataset_record(odd, title="Odd", classes=("x=1", "Stra\u00dfe", "2"), channels=3), odd
        )

    def edit(*options):
        return cli.main(["edit", "Odd", *options, "--library", str(library_root)])

    assert edit("--caption", "a=b.png=1 + 1 = 2", "--caption", "caf\u00e9.jpg=coffee", "--class", "1.png=x=1") == 0
    assert edit("--class", "a=b.png=STRASSE", "--class", "caf\u00e9.jpg=#2", "--rename-class", "x=1=y=2") == 0
    folder = Library.open(library_root, own=False).dataset(made.id)
    assert [(item.caption, item.label) for item in folder.items()] == [("1 + 1 = 2", 1), ("coffee", 2), ("", 0)]
    assert folder.record().classes == ("y=2", "Stra\u00dfe", "2")
    assert edit("--rename-class", "3=4") == 1 and edit("--caption", "b.png=x") == 1
