"""Sources are taken as unchanged only where their files' status says so."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from models_backend.contract.run_layout import DatasetRecord, LibraryLayout
from models_backend.data.importing import import_paths
from models_backend.library import storage, unchanged

LONG_AGO = 1_600_000_000_123_456_789


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (24, 24, 3), np.uint8)).save(path, format="BMP")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))


@pytest.fixture
def folder(tmp_path):
    for i in range(6):
        picture(tmp_path / "set" / "in" / f"{i}.bmp", i)
    (tmp_path / "set" / "in" / "0.txt").write_text("a red boat")
    return tmp_path / "set"


@pytest.fixture
def of_age(monkeypatch):
    monkeypatch.setattr(unchanged, "YOUNG_S", float("-inf"))


def taken(library, *paths):
    layout = LibraryLayout(library)
    standing = [layout.dataset(path.parent.name) for path in layout.datasets.glob("*/dataset.json")]
    return unchanged.since([(storage.read_json(one.record, DatasetRecord), one) for one in standing], paths)


def edit_with_the_old_times(folder):
    """As many bytes, the same inode and the same time of the content: only the time of the status tells."""
    path = folder / "in" / "3.bmp"
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))


def one_nanosecond_later(folder):
    os.utime(folder / "in" / "3.bmp", ns=(LONG_AGO, LONG_AGO + 1))


def another_file_under_the_name(folder):
    picture(folder / "in" / "other", 99)
    (folder / "in" / "other").replace(folder / "in" / "3.bmp")


CHANGES = {
    "edited": edit_with_the_old_times,
    "later": one_nanosecond_later,
    "replaced": another_file_under_the_name,
    "added": lambda folder: picture(folder / "in" / "new.bmp", 7),
    "removed": lambda folder: (folder / "in" / "5.bmp").unlink(),
    "renamed": lambda folder: (folder / "in").rename(folder / "out"),
    "caption": lambda folder: (folder / "in" / "0.txt").write_text("a big boat"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_is_taken_as_it_stands_until_anything_in_it_changes(tmp_path, folder, of_age, change):
    record, _ = import_paths(tmp_path / "library", [folder])
    found, _ = taken(tmp_path / "library", folder)
    assert found == record
    CHANGES[change](folder)
    assert taken(tmp_path / "library", folder) is None


def test_young_files_are_read_again(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(unchanged, "YOUNG_S", 1e9)
    import_paths(tmp_path / "library", [folder])
    assert taken(tmp_path / "library", folder) is None
    monkeypatch.setattr(unchanged, "YOUNG_S", float("-inf"))
    import_paths(tmp_path / "library", [folder])
    assert taken(tmp_path / "library", folder) is not None


def test_where_a_picture_could_not_be_read_or_lies_elsewhere_everything_is_read_again(tmp_path, folder, of_age):
    shutil.copytree(folder, tmp_path / "copy")
    import_paths(tmp_path / "library", [folder])
    import_paths(tmp_path / "library", [tmp_path / "copy"])
    assert taken(tmp_path / "library", tmp_path / "copy") is None and taken(tmp_path / "library", folder) is not None
    (folder / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    import_paths(tmp_path / "library", [folder])
    assert taken(tmp_path / "library", folder) is None


def test_links_are_followed_to_their_files(tmp_path, folder, of_age):
    picture(tmp_path / "far" / "one.bmp", 31)
    (folder / "in" / "one.bmp").symlink_to(tmp_path / "far" / "one.bmp")
    first = unchanged.look([folder])
    os.utime(tmp_path / "far" / "one.bmp", ns=(LONG_AGO, LONG_AGO + 1))
    assert unchanged.look([folder]).mark != first.mark
