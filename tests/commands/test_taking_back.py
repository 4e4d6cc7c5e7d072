"""``edit`` says how what it did is taken back, and that command does it."""

# ruff: noqa: F811  fixtures of another file
from __future__ import annotations

import subprocess

import pytest
from library import records
from test_editing import dataset, edit, stored  # noqa: F401

from models_backend import cli
from models_backend.contract.family import Attribute
from models_backend.contract.run_layout import Item
from models_backend.library.library import Library


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


@pytest.fixture
def taken_back(edit, library_root, capsys):
    """Edits, follows what is then said to take that back, and says what that was."""

    def taken_back(stored, *options):
        before = (stored.record(), stored.items(), stored.edits())
        assert cli.main(["edit", stored.id, *options, "--library", str(library_root)]) == 0
        said = capsys.readouterr().err
        assert stored.edits() != before[2]
        command = said.partition("`")[2].rpartition("` takes that back")[0]
        words = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout
        assert cli.main([*words.decode().split("\0")[1:-1], "--library", str(library_root)]) == 0
        capsys.readouterr()
        assert (stored.record(), stored.items()) == before[:2]
        return command

    return taken_back


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (["--caption", "0.png=it's `new` $HOME"], "--caption '#0=number 0'"),
        (["--class", "#0=", "--class", "#1=round"], "--class '#0=round' --class '#1=square'"),
        (["--rename-class", "round=square one", "--rename-class", "square=round"], "--rename-class"),
        (["--rename-class", "round=sea", "--add-class", "round", "--class", "#0=round"], "--remove-class round --rename-class"),
        (["--leave-out", "#0,2-4"], "--bring-back-all"),
        (["--leave-out-class", "square"], "--bring-back-all"),
        (["--title=--odd = title"], "--title Photos"),
        (["--set", "resolution=16", "--set", "flip=yes"], "--set resolution="),
    ],
)
def test_what_an_edit_says_takes_it_back(taken_back, stored, options, command):
    assert command in taken_back(stored, *options)


def test_what_takes_an_edit_back_leaves_earlier_ones(taken_back, edit, stored):
    edit("--caption", "#0=it's\na `boat`\\", "--caption", "#5=-x", "--class", "#1=", "--rename-class", "round=a=b",
         "--add-class=-sea", "--class", "#2=-sea", "--leave-out", "#3", "--set", "resolution=16", "--title=-Mine")  # fmt: skip
    assert "--bring-back '#1-2,4'" in taken_back(stored, "--leave-out", "#1-4")
    assert "--leave-out '#3'" in taken_back(stored, "--bring-back-all")
    assert "--caption '#5=-x'" in taken_back(stored, "--caption", "#0=new", "--caption", "#5=")
    assert "--title=" in taken_back(stored, "--title", "new")
    taken_back(stored, "--as-imported")
    taken_back(
        stored, "--as-imported", "--title", "Again", "--class", "#0=square", "--set", "resolution=32", "--leave-out", "#5"
    )
    assert "--add-class=-sea" in taken_back(stored, "--class", "#2=", "--remove-class=-sea")


def test_attributes_are_taken_back_as_exactly_as_they_were(taken_back, aged):
    aged.edit_many(attributes={0: (1 / 3, None)})
    command = taken_back(aged, "--attribute", "#0=age=5", "--attribute", "#0=smiles=yes", "--attribute", "#2=age=1")
    assert "'#0=age=0.3333333333333333' --attribute '#0=smiles=' --attribute '#2=age='" in command


def test_a_class_that_was_made_goes_again_where_nothing_is_of_it(edit, stored):
    edit("--add-class", "sea", "--add-class", "land", "--class", "#0=land")
    assert edit("--remove-class", "land", status=1)["what"] == "1 item is of the class"
    assert edit("--remove-class", "square", status=1)["what"] == "the class was imported"
    edit("--remove-class", "sea")
    assert stored.record().classes == ("round", "square", "land") and stored.items()[0].label == 2


def test_as_imported_is_also_how_pictures_are_shown(edit, stored):
    assert edit("--set", "resolution=16", "--title", "Mine")["edited"] == ["how pictures are shown"]
    assert cli.main(["edit", "Mine", "--as-imported", "--library", str(stored.layout.root.parent.parent)]) == 0
    assert stored.record().settings == {} and stored.edited() == [] and stored.record().title == "Mine"


def test_numbers_beyond_the_last_item_are_refused(edit, stored):
    assert "no item is named so" in edit("--leave-out", "#2-9", status=1)["what"] and stored.record().left_out == 0
