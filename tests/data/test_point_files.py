"""Points from tables and arrays, and a table that names the pictures beside it."""

import numpy as np
import pytest
from PIL import Image

from models_backend.contract.messages import TroubleError
from models_backend.data import reading
from models_backend.data.importing import import_paths


def imported(library_root, path):
    return import_paths(library_root, [path])


@pytest.mark.parametrize(
    ("name", "text", "points"),
    [
        ("head.csv", "x,y\n1,2\n3,4.5\n-1,1e3\n", [[1, 2], [3, 4.5], [-1, 1000]]),
        ("bare.csv", "1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("german.csv", "x;y\r\n1,5;2,25\r\n0,1;3\r\n", [[1.5, 2.25], [0.1, 3]]),
        ("tabs.tsv", "\ufeffa\tb\n1\t2\n3\t4\n", [[1, 2], [3, 4]]),
    ],
)
def test_two_columns_of_numbers_are_points(library_root, tmp_path, name, text, points):
    (tmp_path / name).write_text(text, newline="")
    record, report = imported(library_root, tmp_path / name)
    assert (record.modality, record.count, record.shape, record.classes) == ("points", len(points), (2,), ())
    assert report.imported == len(points) and record.title == name.split(".")[0]
    stored = np.load(library_root / "datasets" / record.id / "cache" / "points.npy")
    assert np.allclose(stored, points)


def test_a_third_column_of_classes_is_kept_and_lines_that_are_none_are_told(library_root, tmp_path):
    (tmp_path / "iris.csv").write_text("length,width,species\n1,2,setosa\n3,4,virginica\n5,6,setosa\nx,1,setosa\n7,8,setosa\n")
    record, report = imported(library_root, tmp_path / "iris.csv")
    assert record.classes == ("setosa", "virginica") and report.labels == {"setosa": 3, "virginica": 1}
    assert report.notes == ("line 5 has no two numbers and was left out",) and (report.found, report.imported) == (5, 4)


@pytest.mark.parametrize("heading", ["", "a,b,kind\n"])
def test_a_column_of_words_beside_two_of_numbers_is_of_classes_whatever_its_heading(library_root, tmp_path, heading):
    (tmp_path / "iris.csv").write_text(heading + "1,2,setosa\n3,4,virginica\n5,6,setosa\n7,8,virginica\n")
    record, report = imported(library_root, tmp_path / "iris.csv")
    assert record.classes == ("setosa", "virginica") and (report.imported, report.notes) == (4, ())
    (tmp_path / "german.csv").write_text("blau;1,5;2\nrot;2;3\nblau;3;4\nrot;5;6\n")
    assert imported(library_root, tmp_path / "german.csv")[0].classes == ("blau", "rot")


@pytest.mark.parametrize("text", ["1,2,p1\n3,4,p2\n5,6,p3\n", "1,2,3\n3,4,3\n5,6,3\n", "1,2,nan\n3,4,nan\n",
                                  "red,2,a\nred,4,a\n", "1,2,far.png\n3,4,far.png\n"])  # fmt: skip
def test_a_third_column_that_may_be_anything_is_no_class_and_the_heading_for_one_is_said(library_root, tmp_path, text):
    (tmp_path / "odd.csv").write_text(text)
    with pytest.raises(TroubleError, match="below the heading x,y,label"):
        imported(library_root, tmp_path / "odd.csv")


def test_an_array_of_pairs_is_points_and_can_be_read_for_training(library_root, tmp_path):
    pairs = np.random.default_rng(0).normal(3, 2, (200, 2))
    np.save(tmp_path / "ring.npy", pairs)
    record, _ = imported(library_root, tmp_path / "ring.npy")
    assert record.count == 200 and np.allclose(record.options["mean"], pairs.mean(0), atol=1e-5)
    data = reading.open_data(library_root, record.id)
    assert data.train.take([0, 1]).shape == (2, 2) and abs(float(data.train.take(range(len(data.train))).mean())) < 0.3
    again, _ = imported(library_root, tmp_path / "ring.npy")
    assert again.id == record.id


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [("four.csv", "a,b,c,d\n1,2,3,4\n", "two columns of numbers"), ("one.csv", "a\n1\n", "two columns of numbers"),
     ("captions.csv", "file_name,text\nfar.png,a fern\n", "the pictures that it names are not beside it")],
)  # fmt: skip
def test_other_tables_say_what_is_needed(library_root, tmp_path, name, text, why):
    (tmp_path / name).write_text(text)
    with pytest.raises(TroubleError, match=why):
        imported(library_root, tmp_path / name)


def test_an_array_of_another_shape_says_what_is_needed(library_root, tmp_path):
    np.save(tmp_path / "cube.npy", np.zeros((3, 4, 5)))
    with pytest.raises(TroubleError, match="N rows of two numbers"):
        imported(library_root, tmp_path / "cube.npy")


@pytest.mark.parametrize("name", ["metadata.csv", "captions.csv"])
def test_a_table_that_names_the_pictures_beside_it_imports_its_folder(library_root, tmp_path, name):
    folder = tmp_path / "ferns"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (16, 16), (80 * number, 10, 10)).save(folder / f"{number}.png")
    (folder / name).write_text("file_name,text\n0.png,a fern\n1.png,a leaf\n2.png,a stem\n")
    record, report = imported(library_root, folder / name)
    assert (record.modality, record.count, record.title) == ("image", 3, "ferns") and report.imported == 3
