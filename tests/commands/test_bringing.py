"""``import`` on a terminal: what was read, what was passed over, whose split it is, and pictures that moved."""

import json

import numpy as np
import pytest
from PIL import Image

from models_backend import cli


def picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (24, 24, 3), np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        picture(tmp_path / "set" / f"{i}.png", i)
    return tmp_path / "set"


@pytest.fixture
def run(library_root, capsys):
    def run(*arguments, status=0):
        assert cli.main([*map(str, arguments), "--library", str(library_root)]) == status
        told = capsys.readouterr()
        return told.out + told.err

    return run


def test_what_is_passed_over_is_told_by_kind_with_an_example(run, folder):
    for i in range(3):
        (folder / f"{i}.xmp").write_text("x")
        (folder / f"lost {i}.caption").write_text("x")
    (folder / "prices.csv").write_text("what,price\nbread,2\n")
    (folder / ".hidden").write_text("x")
    said = run("import", folder)
    assert "passed over: 3 .xmp files, such as" in said and "passed over: 3 .caption files, such as" in said
    assert "passed over: 1 .csv file, such as" in said and "passed over: 1 file, such as" in said


def test_whose_split_it_is_and_what_is_odd_is_told(run, folder):
    (folder / "metadata.csv").write_text("file_name;split;age\n" + "".join(
        f"{i}.png;{'test' if i > 3 else 'train'};{'x' if i == 2 else i}\n" for i in range(6)))  # fmt: skip
    said = run("import", folder)
    assert "Split as the folders or tables say: 4 to train, 2 test" in said
    assert "metadata.csv, line 4: “age” is no number here and counts as unknown: x" in said


def test_a_folder_that_moved_is_said_and_can_be_looked_for(run, folder, tmp_path):
    run("import", folder, "--title", "mine")
    folder.rename(tmp_path / "moved")
    assert "its pictures are now taken from" in run("import", tmp_path / "moved")
    (tmp_path / "moved").rename(tmp_path / "again")
    (tmp_path / "again" / "5.png").unlink()
    said = run("import", tmp_path / "again", "--look-for", "mine", status=1)
    assert "5 of 6 missing pictures found" in said and "still missing: " in said and "5.png" in said
    picture(tmp_path / "elsewhere" / "other name.png", 5)
    assert "1 of 1 missing pictures found" in run("import", tmp_path / "elsewhere", "--look-for", "mine")
    assert "no picture is missing" in run("import", tmp_path, "--look-for", "mine")
    assert len(run("datasets").strip().splitlines()) == 1


def test_lists_that_are_no_json_are_told_in_json_too(run, folder):
    (folder / "metadata.jsonl").write_text("x\n")
    lines = [json.loads(line) for line in run("import", folder, "--json").splitlines()]
    assert any("line 1: not understood" in str(line) for line in lines)
