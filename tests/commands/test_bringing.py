"""``import`` on a terminal: what was read, what was passed over, whose split it is, and pictures that moved."""

import json
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from models_backend import cli
from models_backend.commands import bringing
from models_backend.data.importing import import_paths
from models_backend.library import storage, unchanged
from models_backend.library.edits import Edits
from models_backend.library.library import Library


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
    assert said.count("models see pictures at ") == 1
    assert "passed over: 3 .xmp files, such as" in said and "passed over: 3 .caption files, such as" in said
    assert "passed over: 1 .csv file, such as" in said and "passed over: 1 file, such as" in said


def test_what_became_of_every_file_is_said_with_the_names_of_the_first_few(run, folder):
    for i in range(4):
        (folder / f"bad {i}.png").write_bytes(b"x")
    (folder / "other name.png").symlink_to("0.png")
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    (folder / ".hidden").write_text("x")
    said = run("import", folder)
    lost = "1 is the same file as another (other name.png), 4 could not be read (bad 0.png, bad 1.png, bad 2.png and 1 more)"
    assert f"set: Imported 7 of 12 pictures: {lost}." in said
    assert "Of the imported, 1 is an exact copy (copy.png of 1.png). 1 other file was passed over." in said
    done = json.loads(run("import", folder, "--json").splitlines()[-1])
    known = {"count": 7, "unreadable": 4, "found": 11, "exact_duplicates": 1, "near_duplicates": 0}
    known |= {"pictures": 12, "same_file": 1, "failed": 4, "passed_over": 1}
    assert {name: done[name] for name in known} == known
    assert done["pictures"] == done["count"] + done["same_file"] + done["failed"]


def test_one_picture_in_two_classes_or_with_and_without_a_caption_is_said_and_the_captioned_copy_is_kept(run, tmp_path):
    for name in ("cats/1", "cats/2", "cats/3", "dogs/4", "dogs/x/5"):
        picture(tmp_path / "pets" / f"{name}.png", int(name[-1]))
    for name, seed in (("dogs/1", 1), ("cats/zwei", 2), ("dogs/x/1", 1)):
        picture(tmp_path / "pets" / f"{name}.png", seed)
    (tmp_path / "pets" / "dogs" / "x" / "5.png").rename(tmp_path / "pets" / "dogs" / "x" / "2.png")
    (tmp_path / "pets" / "cats" / "zwei.txt").write_text("a tabby cat")
    (tmp_path / "pets" / "dogs" / "1.txt").write_text("a grey dog")
    said = run("import", tmp_path / "pets")
    assert "3 are exact copies (zwei.png of cats/2.png, dogs/1.png of cats/1.png, x/1.png of cats/1.png)" in said
    assert "the same picture is in different classes: dogs/1.png in class dogs, cats/1.png in class cats" in said
    assert "a caption and has none: zwei.png has one, cats/2.png has none; dogs/1.png has one, cats/1.png has none" in said
    advised = said.partition("`nexus-studio ")[2].partition("`")[0]
    assert advised.startswith("edit ") and advised.endswith(" --leave-out-duplicates")
    said = (
        run(*advised.split(), "--leave-out-class", "nothing" if False else "dogs/x")
        if "dogs/x" in said
        else run(*advised.split())
    )
    out = sorted(line.partition("pets/")[2] for line in said.splitlines() if "left out:" in line)
    assert out == ["cats/1.png", "cats/2.png", "dogs/x/1.png"]
    said = run(*advised.split(), "--leave-out", "zwei.png", "--bring-back", "cats/2.png")
    assert "left out: " in said and ", 3 left out," in said, "one of each stays in, whichever"
    assert "same picture" not in run("import", tmp_path / "pets"), "what was left out is no copy any more"


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
    assert "1 of 1 missing picture found" in run("import", tmp_path / "elsewhere", "--look-for", "mine")
    assert "no picture is missing" in run("import", tmp_path, "--look-for", "mine")
    assert len(run("datasets").strip().splitlines()) == 1


def test_the_second_folder_of_the_same_pictures_names_the_data_set_too(run, folder, tmp_path):
    run("import", folder, "--title", "mine")
    shutil.copytree(folder, tmp_path / "copy")
    assert f"what is not in {folder} any more is taken from {tmp_path / 'copy'}" in run("import", tmp_path / "copy")
    assert "any more" not in run("import", tmp_path / "copy")
    shutil.rmtree(folder)
    assert "mine: 6 items" in run("edit", tmp_path / "copy")
    assert str(tmp_path / "copy" / "5.png") in run("datasets", tmp_path / "copy")
    assert "no picture is missing" in run("import", tmp_path, "--look-for", "mine")


def test_an_unchanged_folder_is_not_read_again_and_a_changed_one_is(run, folder, library_root, monkeypatch):
    monkeypatch.setattr(unchanged, "YOUNG_S", float("-inf"))
    import_paths(library_root, [folder])
    train = ("train", "--family", "ddpm", "--preset", "tiny", "--set", "steps=1", "--set", "batch_size=2", "--data", folder)
    said = run(*train)
    assert "unchanged since the import of" in said and "imported before" not in said
    picture(folder / "6.png", 6)
    said = run(*train)
    assert "unchanged since" not in said and "not imported" not in said
    assert json.loads(run("datasets", "--json").splitlines()[0])["count"] == 7


def test_lists_that_are_no_json_are_told_in_json_too(run, folder):
    (folder / "metadata.jsonl").write_text("x\n")
    lines = [json.loads(line) for line in run("import", folder, "--json").splitlines()]
    assert any("line 1: not understood" in str(line) for line in lines)


def test_changed_pictures_of_the_same_folder_are_a_second_data_set_with_a_name_of_its_own(run, folder):
    run("import", folder)
    picture(folder / "6.png", 6)
    assert "“set (2)” is a newer import of “set”: 1 picture is new\n" in run("import", folder)
    picture(folder / "7.png", 7)
    said = run("import", folder)
    assert "“set (3)” is a newer import of “set (2)”: 1 picture is new\n" in said and "set (3): Imported 8 pictures." in said
    assert "the same items were imported before, as set (3)" in run("import", folder)
    for title, count in (("set", 6), ("SET", 6), ("set (2)", 7), ("set (3)", 8)):
        assert json.loads(run("edit", title, "--json").splitlines()[-1])["count"] == count, title


def test_a_title_that_several_have_is_answered_with_what_tells_them_apart_and_ids_to_paste(run, folder, library_root):
    run("import", folder)
    picture(folder / "6.png", 6)
    run("import", folder)
    with Library.open(library_root) as library:
        records = sorted(library.datasets(), key=lambda record: record.count)
        storage.write_json(library.dataset(records[1].id).layout.edits, Edits(title="set"))  # as an older version let it be
    said = run("train", "--family", "ddpm", "--data", "set", status=1)
    assert "set: 2 data sets fit. Name one by its id: " in said
    day = time.strftime("%d %B %Y")
    for record in records:
        short = said.partition(f" (set, {record.count:,} items, {day}")[0].rpartition(" ")[2]
        assert 6 <= len(short) < len(record.id) and record.id.startswith(short)
        assert json.loads(run("edit", short, "--json").splitlines()[-1])["count"] == record.count


@pytest.mark.parametrize("grey, clear", [(0, 0), (2, 0), (0, 1), (6, 0), (1, 2)])
def test_pictures_with_transparency_and_grey_ones_are_told_with_what_models_see(run, folder, grey, clear):
    paths = sorted(folder.iterdir())
    for path in paths[:grey]:
        Image.open(path).convert("L").save(path)
    for path in paths[grey : grey + clear]:
        layers = Image.open(path).convert("RGBA")
        layers.putpixel((0, 0), (0, 0, 0, 0))
        layers.save(path)
    said = run("import", folder)
    transparent = "transparency: models see white where it is transparent; the files stay as they are"
    assert (f"{clear} picture{'s have' if clear > 1 else ' has'} {transparent}" in said) is bool(clear)
    assert (f"{grey} of 6 pictures {'is' if grey == 1 else 'are'} grey: models see three equal" in said) is (0 < grey < 6)
    assert ("All pictures are grey" in said) is (grey == 6) and said.count("grey:") == bool(grey)


def test_faults_of_another_file_are_not_told_of_one_with_the_same_items(run, tmp_path):
    good = "x,y\n" + "".join(f"{n},{n * n}\n" for n in range(30))
    (tmp_path / "points.csv").write_text(good + "a,b\n")
    (tmp_path / "other.csv").write_text(good)
    assert "line 32" in run("import", tmp_path / "points.csv")
    said = run("import", tmp_path / "other.csv")
    assert "that data set is taken" in said and "line 32" not in said and "30" in said
    assert "line 32" in run("import", tmp_path / "points.csv"), "that file's own"
    for n in range(4):
        picture(tmp_path / "one" / f"{n}.png", n)
        picture(tmp_path / "two" / f"{n}.png", n)
    (tmp_path / "one" / "bad.png").write_bytes(b"x")
    assert "not imported" in run("import", tmp_path / "one")
    said = run("import", tmp_path / "two")
    assert "that data set is taken" in said and "bad.png" not in said and "of 5" not in said


def test_what_was_mended_in_place_is_told_by_the_next_import(run, folder, tmp_path, library_root):
    good = "x,y\n" + "".join(f"{n},{n * n}\n" for n in range(30))
    (tmp_path / "points.csv").write_text(good + "a,b\n")
    (folder / "bad.png").write_bytes(b"x")
    assert "line 32" in run("import", tmp_path / "points.csv") and "not imported" in run("import", folder)
    (tmp_path / "points.csv").write_text(good)
    (folder / "bad.png").unlink()
    (folder / "notes.xyz").write_text("x")
    run("edit", "set", "--leave-out", "1.png")
    said = run("import", tmp_path / "points.csv")
    assert "line 32" not in said and "points: Imported 30 points." in said
    said = run("import", folder)
    assert "bad.png" not in said and "passed over: 1 .xyz file" in said and "set: Imported 6 pictures." in said
    with Library.open(library_root) as library:
        reports = {record.title: library.dataset(record.id).report() for record in library.datasets()}
    assert reports["points"].notes == () and reports["points"].found == 30
    assert reports["set"].unreadable == () and reports["set"].found == 6 and reports["set"].left_out == 1


def test_a_title_is_given_to_a_data_set_that_stood_already_as_an_edit(run, folder, library_root, tmp_path):
    run("import", folder)
    said = run("import", folder, "--title", "my title")
    [record] = Library.open(library_root, own=False).datasets()
    assert record.title == "my title" and "it was called “set” and is called “my title” now" in said
    assert f"edit {record.id} --title=set" in said
    assert "is called" not in run("import", folder, "--title", "my title"), "it has that title"
    assert "as my title: that data set is taken" in run("import", folder), "its own title stays where none is given"
    run("import", "points:density=rings,count=50", "--title", "rings")
    run("import", "points:density=moons,count=50", "--title", "rings")
    assert {one.title for one in Library.open(library_root, own=False).datasets()} == {"my title", "rings", "rings (2)"}
    assert "is called" not in run("import", "points:density=moons,count=50", "--title", "rings"), "it has the nearest free one"


@pytest.mark.parametrize("text", ["digitz", "Digits", "digit:size=32"])
def test_a_name_near_a_built_in_one_is_asked_back(run, text):
    assert "Did you mean “digits”?" in run("import", text, status=1)
    assert "Did you mean “digits”?" in run("train", "--family", "ddpm", "--data", text, status=1)
    said = run("import", "no such name at all", status=1)
    assert "there is no file or folder of that name" in said and "mean" not in said and "scenes" in said


def test_a_path_that_is_not_there_is_called_a_path(run, folder, tmp_path):
    run("import", folder)
    for command in (["train", "--family", "ddpm", "--data"], ["edit"], ["datasets"]):
        said = run(*command, tmp_path / "nope", status=1)
        assert f"{tmp_path / 'nope'}: there is no file or folder of that name" in said and "data set" not in said
    run("import", folder, "--title", "a/b")
    assert "a/b: 6 items" in run("edit", "a/b"), "a title may look like a path"
    run("delete", "a/b")
    assert "the data set “a/b” is in the trash" in run("edit", "a/b", status=1)


@pytest.mark.parametrize("command", [
    ("train", "--family", "ddpm", "--data", "nope"), ("train", "--family", "nope", "--data", "digits"), ("import", "nope"),
    ("import", "/nope"), ("import", "points:density=nope"), ("proof", "nope"), ("proof", "vae", "--again"),
])  # fmt: skip
def test_a_command_that_comes_to_nothing_leaves_no_library_behind(run, library_root, command):
    run(*command, status=1)
    assert not library_root.exists()
    library_root.mkdir()
    (library_root / ".mine").write_text("x")
    run(*command, status=1)
    assert [path.name for path in library_root.iterdir()] == [".mine"]
    run("import", "points:density=rings,count=50")
    run("delete", "--kind", "dataset", json.loads(run("datasets", "--json").splitlines()[0])["id"])
    run(*command, status=1)
    assert "brings one back" in run("trash"), "a library that stood already stays"


def test_a_folder_that_changed_is_a_newer_import_with_the_edits_and_how_to_take_them_back(run, folder):
    run("import", folder)
    run("edit", "set", "--caption", "0.png=a boat", "--set", "resolution=16")
    picture(folder / "6.png", 6)
    said = run("import", folder)
    told = next(line for line in said.splitlines() if "is a newer import of" in line)
    assert "“set (2)” is a newer import of “set”: 1 picture is new; its edits were taken over (1 caption changed, how" in told
    assert "another data set called" not in said and "models see pictures at 16" in said
    advised = told.partition("`nexus-studio ")[2].partition("`")[0]
    assert "As imported" in run(*advised.split())
    assert "is a newer import of" not in run("import", folder), "nothing of it is new any more"


def test_pictures_that_are_not_where_they_were_are_told_with_what_finds_them(run, folder, tmp_path, monkeypatch):
    run("import", folder)
    looks = [("edit", "set"), ("datasets", "set")]
    assert not any("not where" in run(*look) for look in looks)
    (folder / "5.png").rename(tmp_path / "5.png")
    assert all("1 of 6 pictures is not where it was" in run(*look) for look in looks)
    monkeypatch.setattr(bringing, "MANY", 5)
    assert not any("not where" in run(*look) for look in looks), "of many the folder alone is looked at"
    folder.rename(tmp_path / "moved")
    told = run("edit", "set")
    assert "6 of 6 pictures are not where they were" in told and "6 of 6 pictures are not where they were" in run(*looks[1])
    command = told.partition("`nexus-studio ")[2].partition("`")[0].replace("FOLDER", str(tmp_path))
    assert "6 of 6 missing pictures found" in run(*command.split())
    (tmp_path / "ring.csv").write_text("x,y\n1,2\n3,4\n")
    run("import", tmp_path / "ring.csv")
    (tmp_path / "ring.csv").unlink()
    assert "not where" not in run("edit", "ring"), "points are kept in the data set"
