"""``edit``: the Data panel's edits on the command line, by names that people have."""

from __future__ import annotations

import json

import msgspec
import pytest
from library import records

from models_backend import cli
from models_backend.commands import editing
from models_backend.contract.family import Attribute
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LEFT_OUT, Item
from models_backend.library import attributes
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


def test_the_items_of_a_data_set_are_listed_as_they_are_now_with_the_numbers_that_edits_take(edit, library_root, capsys):
    edit("--leave-out", "3.png", "--caption", "#5=a  red\nboat", "--class", "#0=", "--rename-class", "square=sky")
    assert cli.main(["datasets", "photos", "--library", str(library_root), "--json"]) == 0
    *told, missing = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (missing["kind"], missing["missing"]) == ("missing", 6)
    assert [one["number"] for one in told] == list(range(6)) and [one["left_out"] for one in told].index(True) == 3
    assert told[5] == {"kind": "result", "number": 5, "file": "/photos/b/5.png", "class": "sky", "caption": "a  red\nboat",
                       "attributes": {}, "split": "train", "left_out": False}  # fmt: skip
    assert (told[4]["split"], told[3]["split"], told[0]["class"]) == ("validation", "train", "")
    assert cli.main(["datasets", "Photos", "--library", str(library_root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [f"#{n}" for n in range(6)]
    assert lines[5].endswith("to train  sky    /photos/b/5.png  a red boat") and "left out  sky " in lines[3]
    assert "held out" in lines[4]
    assert cli.main(["datasets", "nothing", "--library", str(library_root)]) == 1


def test_a_title_that_another_data_set_has_gets_a_number_as_on_import(edit, stored, library_root, capsys):
    twice = [Item(f"/others/{n}.png", f"{n + 90:064x}") for n in range(20)]
    with Library.open(library_root) as library:
        other = library.create_dataset(records.dataset_record(twice, title="Prints", side=64, channels=3), twice)
    assert cli.main(["edit", "Photos", "--title", "prints", "--library", str(library_root)]) == 0
    told = capsys.readouterr()
    assert "There is another data set called “prints”: this one is called “prints (2)”" in told.err
    assert stored.record().title == "prints (2)" and told.out.splitlines()[-1].startswith("prints (2): 6 items")
    other.rename("Prints")
    assert other.record().title == "Prints", "its own title is free"
    other.rename("PRINTS (2)")
    assert other.record().title == "PRINTS (2) (2)", "also where the window renames it"


def test_what_is_left_out_is_told_in_one_place(edit, library_root, capsys):
    twice = [Item(f"/others/{n}.png", f"{n + 90:064x}") for n in range(20)]
    with Library.open(library_root) as library:
        record = records.dataset_record(twice, title="Prints", side=64, channels=3)
        library.create_dataset(record, twice).leave_out(range(15))
    assert cli.main(["edit", "Prints", "--library", str(library_root)]) == 0
    told = capsys.readouterr()
    assert told.out.count("  left out: ") == 6 and "  left out: and 10 more" in told.out
    assert len(told.err.splitlines()) == 1 and "20 of 20 pictures are not where they were" in told.err


@pytest.fixture
def aged(library_root):
    """Three pictures with an age and a yes or no, one of them unknown."""
    items = [Item(f"/faces/{n}.png", f"{n + 9:064x}", attributes=(age, smiles)) for n, (age, smiles) in
             enumerate([(3.0, 0.0), (80.0, 1.0), (None, None)])]  # fmt: skip
    with Library.open(library_root) as library:
        known = (Attribute("age", 3.0, 80.0), Attribute("smiles", 0.0, 1.0))
        record = records.dataset_record(items, title="Faces", side=64, channels=3, attributes=known)
        library.create_dataset(record, items)
    return Library.open(library_root, own=False).dataset(record.id)


def test_attributes_are_given_and_taken_away_and_decide_what_is_learned(aged, library_root, capsys):
    def edit(*options):
        assert cli.main(["edit", "Faces", *options, "--library", str(library_root), "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    before = aged.fingerprint()
    told = edit("--attribute", "2.png=age=41.5", "--attribute", "2.png=Smiles=yes", "--attribute", "0.png=age=")
    assert [item.attributes for item in aged.items()] == [(None, 0.0), (80.0, 1.0), (41.5, 1.0)]
    assert told["edited"] == ["2 items with other attributes"] and aged.fingerprint() != before
    edit("--attribute", "0.png=age=3")
    assert aged.edited() == ["1 item with other attributes"], "what is as it was imported is no edit"
    edit("--as-imported")
    assert aged.items()[2].attributes == (None, None) and aged.fingerprint() == before


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2.png=age=inf", "“inf” is no value of it. Nothing was changed. Give a number (they go from 3 to 80), or nothing"),
        ("2.png=age=nan", "“nan” is no value of it"),
        ("2.png=age=old", "“old” is no value of it"),
        ("2.png=age=yes", "“yes” is no value of it"),
        ("2.png=weight=3", "weight"),
        ("9.png=age=3", "9.png"),
    ],
)
def test_a_value_that_an_attribute_cannot_have_is_one_clear_error(aged, library_root, capsys, value, said):
    assert cli.main(["edit", "Faces", "--attribute", value, "--library", str(library_root)]) == 1
    told = capsys.readouterr().err
    assert said in told and len(told.strip().splitlines()) == 1 and "Traceback" not in told
    assert aged.edited() == []


def test_attributes_are_listed_with_the_value_of_every_item(aged, library_root, capsys):
    def told(*words):
        assert cli.main(["datasets", *words, "--library", str(library_root)]) == 0
        return capsys.readouterr().out.splitlines()

    assert ", attributes age, smiles" in told()[0]
    assert [one["name"] for one in json.loads(told("--json")[0])["attributes"]] == ["age", "smiles"]
    first, second, third = told("Faces")
    assert "/faces/1.png  age=80  smiles=1" in second and "/faces/2.png  age=  smiles=" in third
    items = [one for one in map(json.loads, told("Faces", "--json")) if one["kind"] == "result"]
    values = [one["attributes"] for one in items]
    assert values[1:] == [{"age": 80.0, "smiles": 1.0}, {"age": None, "smiles": None}]
    assert all(set(one) == {"age", "smiles"} for one in values) and first


def test_an_edit_of_attributes_is_undone_and_done_again(aged):
    undo = aged.edit_many(attributes={2: (5.0, None)})
    again = aged.undo(undo)
    assert aged.items()[2].attributes == (None, None)
    aged.undo(again)
    assert aged.items()[2].attributes == (5.0, None)
    for wrong in ((5.0,), (float("nan"), None)):
        with pytest.raises(TroubleError):
            aged.edit_many(attributes={1: wrong})
    assert aged.items()[1].attributes == (80.0, 1.0)


def test_the_range_of_an_attribute_follows_what_items_are_given_and_what_a_run_knew_stays(aged):
    first, known = aged.edits(), aged.record().attributes
    aged.edit_many(attributes={2: (0.0, None), 0: (95.5, 0.5)})
    assert aged.record().attributes == (Attribute("age", 0.0, 95.5), Attribute("smiles", 0.0, 1.0))
    assert aged.record(first).attributes == known == aged.imported_record().attributes
    aged.edit_many(attributes={0: (4.0, 0.0)})
    assert aged.record().attributes[0] == Attribute("age", 0.0, 80.0)
    aged.reset()
    assert aged.record().attributes == known


def test_what_is_asked_for_beyond_what_a_model_learned_is_said():
    known = (Attribute("age", 3.0, 80.0), Attribute("Smiles", 0.0, 1.0))
    assert attributes.beyond(known, "age=90, smiles=1") == ["age=90 is beyond what the model has learned: 3 to 80"]
    assert attributes.beyond(known, "age=3, smiles=-0.5") == ["Smiles=-0.5 is beyond what the model has learned: 0 to 1"]
    assert attributes.beyond(known, "age=old, height=3") == [], "what is no number or no attribute is the model's to refuse"


def test_a_command_that_is_refused_brings_no_earlier_edit_in_and_takes_none_back(edit, stored):
    edit("--caption", "0.png=kept")
    before = stored.edits()
    told = edit("--as-imported", "--add-class", "sea", "--rename-class", "round=square", status=1)
    assert "there is a class “square” already" in told["what"] and told["kept"] == "Nothing was changed"
    edit("--as-imported", "--set", "resolution=4", status=1)
    assert stored.edits() == before


def test_a_title_of_the_library_goes_before_a_folder_of_that_name_which_is_not_read(edit, stored, tmp_path, monkeypatch):
    (tmp_path / "Photos").mkdir()
    (tmp_path / "Photos" / "a.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    assert edit("--leave-out", "0.png")["left_out"] == 1
    assert "no item is named so" in edit("--leave-out", "typo.png", status=1)["what"]


def test_people_are_told_a_few_of_what_is_left_out_and_how_many_more(library_root, capsys):
    items = [Item(f"/photos/{n}.png", f"{n + 50:064x}", 0) for n in range(12)]
    with Library.open(library_root) as library:
        library.create_dataset(records.dataset_record(items, title="Dozen", side=64, channels=3), items)
    command = ["edit", "Dozen", "--leave-out-uncaptioned", "--bring-back", "#3", "--library", str(library_root)]
    assert cli.main(command) == 0
    told = capsys.readouterr()
    assert sum(line.startswith("  left out: /photos") for line in told.out.splitlines()) == 5
    assert "and 6 more" in told.out + told.err
    assert cli.main([*command, "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(str(line.get("left_out")).startswith("/photos") for line in told) == 11, "scripts read them all"


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
    assert stored.record().settings == {}


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
        (["--rename-class", "round"], "--rename-class is written OLD=NEW", "old=new"),
        (["--set", "resolution=4"], "data.resolution: 4 is not allowed", ""),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(edit, stored, options, what, advice):
    told = edit("--title", "Not this", *options, status=1)
    assert what.split(" is not")[0] in told["what"] and advice in told.get("advice", "")
    assert stored.record().title == "Photos" and not stored.layout.edits.exists()


def test_how_pictures_are_shown_is_told_as_it_is_set(edit, library_root, capsys):
    edit("--set", "flip=yes")
    assert cli.main(["edit", "Photos", "--library", str(library_root)]) == 0
    assert "flip yes" in capsys.readouterr().out


@pytest.mark.parametrize(("option", "form"), [("--caption", "ITEM=TEXT"), ("--class", "ITEM=CLASS")])
def test_an_option_without_its_sign_is_told_in_the_form_of_its_help(edit, option, form):
    assert edit(option, "3.png", status=1)["what"] == f"{option} is written {form}"


@pytest.mark.parametrize("title", ["", "  "])
def test_a_title_of_nothing_is_refused(edit, stored, title):
    told = edit("--title", title, status=1)
    assert told["what"] == "a data set needs a title" and told["item"] == "Photos" and "Nothing was changed" in told["kept"]
    assert not stored.layout.edits.exists()


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


def test_items_of_one_name_are_counted_also_those_that_are_not_listed():
    items = [Item(f"/photos/{n}/cat.png") for n in range(5)]
    with pytest.raises(TroubleError) as refused:
        editing.place(items, "cat.png")
    assert refused.value.trouble.what == "5 items are named so"
    assert refused.value.trouble.advice == "They are /photos/0/cat.png, /photos/1/cat.png, /photos/2/cat.png and 2 more"


def test_leaving_out_a_class_that_nothing_is_of_is_said(edit, stored, library_root, capsys):
    edit("--add-class", "sea")
    for name, said in (("Sea", True), ("square", False)):
        assert cli.main(["edit", "Photos", "--leave-out-class", name, "--library", str(library_root)]) == 0
        assert ("nothing is of the class “sea”: leaving it out changes nothing" in capsys.readouterr().err) == said
    assert stored.record().left_out == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [("0,5", 0.5), ("-1,25", -1.25), ("0,125", 0.125), ("1234,5", 1234.5), ("12,3456", 12.3456), (",5", 0.5), ("0,000", 0.0)],
)
def test_decimals_behind_a_comma_are_read_where_they_can_be_nothing_else(text, value):
    assert attributes.given(Attribute("size", 0.0, 2000.0), text) == value


@pytest.mark.parametrize("text", ["1,000", "-12,500"])
def test_a_comma_that_may_part_thousands_is_refused_with_both_ways_to_write_it(text):
    with pytest.raises(TroubleError, match="can be read in two ways") as refused:
        attributes.given(Attribute("size", 0.0, 2000.0), text)
    assert refused.value.trouble.advice == f"Write {text.replace(',', '')} or {text.replace(',', '.')}"
    with pytest.raises(TroubleError, match="is no value of it"):
        attributes.given(Attribute("size", 0.0, 2000.0), "1,2,3")
