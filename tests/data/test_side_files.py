"""Files beside pictures that say something of them, through a whole import."""

import json
import zipfile

import pytest
from bad_files import make_good

from models_backend.contract.run_layout import LibraryLayout
from models_backend.data.importing import import_paths
from models_backend.library.datasets import DatasetFolder


def imported(root, *paths):
    record, report = import_paths(root, list(paths))
    return DatasetFolder(LibraryLayout(root).dataset(record.id)).items(), report, record


@pytest.mark.parametrize("name", ["{}.caption", "{}.txt", "{}.jpg.txt", "{}.TXT", "{}.cap"])
def test_a_text_beside_a_picture(library_root, tmp_path, name):
    for path in make_good(tmp_path / "set", 3):
        (path.parent / name.format(path.stem)).write_text(f"cat {path.stem}\n")
    items, report, _ = imported(library_root, tmp_path / "set")
    assert [item.caption for item in items] == ["cat 00000", "cat 00001", "cat 00002"] and not report.ignored


@pytest.mark.parametrize(
    "told, caption",
    [
        ({"caption": "a cat", "tags": ["x"]}, "a cat"),
        ({"text": "a cat", "score": 3}, "a cat"),
        ({"tags": ["cat", "red"]}, "cat, red"),
        ({"tag_string": "cat red"}, "cat red"),
        ({"prompt": ["a cat", "b"]}, "a cat"),
        ("a cat", "a cat"),
        ({"caption": None}, ""),
    ],
)
def test_a_json_beside_a_picture(library_root, tmp_path, told, caption):
    (path,) = make_good(tmp_path / "set", 1)
    path.with_suffix(".json").write_text(json.dumps(told))
    assert imported(library_root, tmp_path / "set")[0][0].caption == caption


def test_classes_and_numbers_of_json_side_files(library_root, tmp_path):
    for i, path in enumerate(make_good(tmp_path / "set", 3)):
        path.with_suffix(".json").write_text(json.dumps({"label": "ab"[i % 2], "age": i, "created": "2020"}))
    items, _, record = imported(library_root, tmp_path / "set")
    assert record.classes == ("a", "b") and [a.name for a in record.attributes] == ["age"]
    assert [(item.label, item.attributes) for item in items] == [(0, (0,)), (1, (1,)), (0, (2,))]


def test_text_wins_over_caption_and_that_over_json_and_it_is_said(library_root, tmp_path):
    one, two = make_good(tmp_path / "set", 2)
    for path, suffixes in ((one, (".json", ".caption", ".txt")), (two, (".json", ".caption"))):
        for suffix in suffixes:
            path.with_suffix(suffix).write_text(json.dumps({"caption": "j"}) if suffix == ".json" else suffix)
    items, report, _ = imported(library_root, tmp_path / "set")
    assert [item.caption for item in items] == [".txt", ".caption"]
    assert any("another side file has a caption too" in note for note in report.notes)


def test_boxes_are_no_captions_and_lines_are_one(library_root, tmp_path):
    boxes, lines, _ = make_good(tmp_path / "set", 3)
    boxes.with_suffix(".txt").write_text("0 0.5 0.5 0.25 0.25\n3 0.1 0.2 0.3 0.4\n")
    lines.with_suffix(".txt").write_text("a cat\n\n  on a mat\n")
    items, report, _ = imported(library_root, tmp_path / "set")
    assert [item.caption for item in items] == ["", "a cat on a mat", ""]
    said = "\n".join(report.notes)
    assert "00000.txt: boxes, no caption" in said and "00001.txt: several lines" in said


def test_side_files_of_another_encoding_are_counted(library_root, tmp_path):
    for path in make_good(tmp_path / "set", 3):
        path.with_suffix(".txt").write_bytes("un café".encode("cp1252"))
    items, report, _ = imported(library_root, tmp_path / "set")
    assert {item.caption for item in items} == {"un café"}
    assert [note for note in report.notes if note.endswith("00000.txt and 2 more files: no UTF-8, read as Windows-1252")]


def test_a_long_caption_is_named_and_kept_whole(library_root, tmp_path):
    paths = make_good(tmp_path / "set", 3)
    paths[1].with_suffix(".txt").write_text("very " * 70)
    (tmp_path / "set" / "metadata.csv").write_text(f"file_name,text\n00000.jpg,short\n00002.jpg,{'ö' * 130}\n")
    items, report, _ = imported(library_root, tmp_path / "set")
    assert len(items[1].caption) == 349
    said = "\n".join(report.notes)
    assert (
        "00001.txt: the caption is longer than the 255 bytes" in said and "metadata.csv, line 3: the caption is longer" in said
    )


def test_what_belongs_to_no_picture_is_listed(library_root, tmp_path):
    make_good(tmp_path / "set", 1)
    for name in ("lost.txt", "lost.caption", "lost.json", "prices.csv", "x.xmp"):
        (tmp_path / "set" / name).write_text("[1, 2]")
    _, report, _ = imported(library_root, tmp_path / "set")
    assert {line.source.rpartition("/")[2]: line.code for line in report.ignored} == {
        "lost.txt": "text", "lost.caption": "text", "lost.json": "text", "prices.csv": "table", "x.xmp": "not-a-picture",
    }  # fmt: skip


def test_side_files_and_tables_inside_an_archive(library_root, tmp_path):
    paths = make_good(tmp_path / "set", 3)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for i, path in enumerate(paths):
            archive.write(path, f"00000/img{i}.jpg")
        archive.writestr("00000/img1.caption", "one")
        archive.writestr("dataset.json", json.dumps({"labels": [[f"00000/img{i}.jpg", i % 2] for i in range(3)]}))
    items, _, record = imported(library_root, tmp_path / "set.zip")
    assert [(item.label, item.caption) for item in items] == [(0, ""), (1, "one"), (0, "")] and record.classes == ("0", "1")


def test_a_split_column_is_the_split(library_root, tmp_path):
    make_good(tmp_path / "set", 5)
    rows = "".join(f"0000{i}.jpg,{split}\n" for i, split in enumerate(("train", "train", "train", "val", "test")))
    (tmp_path / "set" / "metadata.csv").write_text("file_name,split\n" + rows)
    items, report, _ = imported(library_root, tmp_path / "set")
    assert [item.split for item in items] == ["train"] * 3 + ["validation"] * 2
    assert report.split_note.startswith("Split as the folders or tables say: 3 to train, 1 validation, 1 test")


@pytest.mark.parametrize(
    "pictures, texts",
    [
        ("images", "captions"),
        ("set/images/cat", "set/captions/cat"),
        ("train/img", "train/txt"),
        (".", "captions"),
        ("images", "."),
        ("images/train", "labels/train"),
    ],
)
def test_texts_in_a_folder_of_their_own(library_root, tmp_path, pictures, texts):
    make_good(tmp_path / "set" / pictures, 3)
    (tmp_path / "set" / texts).mkdir(parents=True, exist_ok=True)
    for i in range(3):
        (tmp_path / "set" / texts / f"{i:05}.txt").write_text(f"cat {i}")
    items, report, _ = imported(library_root, tmp_path / "set")
    assert [item.caption for item in items] == ["cat 0", "cat 1", "cat 2"] and not report.ignored
    assert any("and 2 more files: read for the picture of its name in another folder" in note for note in report.notes)


def test_a_text_is_never_taken_for_another_folders_picture(library_root, tmp_path):
    (lost, *_), _ = make_good(tmp_path / "set" / "cat", 2), make_good(tmp_path / "set" / "dog", 2)
    (tmp_path / "set" / "dog" / "00000.txt").write_text("beside")
    lost.unlink()
    lost.with_suffix(".txt").write_text("a picture that is gone")
    (tmp_path / "set" / "words").mkdir()
    (tmp_path / "set" / "words" / "00001.txt").write_text("two pictures of this name")
    (tmp_path / "set" / "words" / "00000.txt").write_text("one of this name, which has its own words")
    items, report, _ = imported(library_root, tmp_path / "set")
    assert [item.caption for item in items] == ["", "beside", ""]
    assert sorted(line.source.rpartition("/")[2] for line in report.ignored) == ["00000.txt", "00001.txt"]


def test_boxes_in_a_folder_of_their_own_are_no_captions(library_root, tmp_path):
    make_good(tmp_path / "set" / "images", 2)
    (tmp_path / "set" / "labels").mkdir()
    for i in range(2):
        (tmp_path / "set" / "labels" / f"{i:05}.txt").write_text("0 0.5 0.5 0.2 0.2\n1 0.1 0.2 0.3 0.4\n")
    items, report, _ = imported(library_root, tmp_path / "set")
    assert [item.caption for item in items] == ["", ""] and any("boxes, no caption" in note for note in report.notes)
