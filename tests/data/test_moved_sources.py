"""A folder that moved: imported again or looked for, the data set takes the new paths, found by content."""

import shutil
import zipfile

import pytest
from bad_files import encoded, make_good

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout
from models_backend.contract.settings import DataSettings
from models_backend.data.importing import import_paths
from models_backend.data.moving import look_for
from models_backend.data.reading import open_data
from models_backend.library.datasets import DatasetFolder


class Place:
    """A library, and a folder of six pictures that was imported into it."""

    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        make_good(folder, 6, side=96)
        self.first = self.imported(folder)

    def imported(self, *paths):
        return import_paths(self.root, list(paths))[0]

    @property
    def stored(self):
        return DatasetFolder(LibraryLayout(self.root).dataset(self.first.id))

    @property
    def sources(self):
        return [item.source for item in self.stored.items()]

    def trains(self, size):
        """Whether pictures can be had at a size that is not cached."""
        return open_data(self.root, self.first.id, DataSettings(resolution=size)).train.count > 0


@pytest.fixture
def place(library_root, tmp_path):
    return Place(library_root, tmp_path / "set")


def count_of(root):
    return len(list(LibraryLayout(root).datasets.glob("*/dataset.json")))


def test_importing_it_where_it_is_now_takes_the_new_paths(place, tmp_path):
    place.folder.rename(tmp_path / "moved")
    assert len(place.stored.missing()) == 6
    again = place.imported(tmp_path / "moved")
    assert again.id == place.first.id and again.roots == (str(tmp_path / "moved"),)
    assert place.sources == [str(tmp_path / "moved" / f"{i:05d}.jpg") for i in range(6)]
    assert place.stored.missing() == [] and place.trains(48)


def test_files_that_were_renamed_inside_too(place, tmp_path):
    place.stored.edit(1, caption="the second")
    for i in range(6):
        (place.folder / f"{i:05d}.jpg").rename(place.folder / f"new name {9 - i}.jpg")
    place.folder.rename(tmp_path / "moved")
    assert place.imported(tmp_path / "moved").id == place.first.id and count_of(place.root) == 1
    assert place.sources == [str(tmp_path / "moved" / f"new name {9 - i}.jpg") for i in range(6)]
    assert place.stored.items()[1].caption == "the second" and place.trains(40)


def test_a_copy_beside_the_original_leaves_the_paths(place, tmp_path):
    shutil.copytree(place.folder, tmp_path / "copy")
    assert place.imported(tmp_path / "copy").roots == (str(place.folder),)
    assert all(source.startswith(str(place.folder)) for source in place.sources)
    (place.folder / "00002.jpg").write_bytes(encoded("JPEG", 77, 96))  # changed in place: the copy is what was imported
    place.imported(tmp_path / "copy")
    assert place.sources[2] == str(tmp_path / "copy" / "00002.jpg") and place.sources[3].startswith(str(place.folder))
    assert place.trains(48)


def test_every_folder_that_held_the_same_pictures_is_remembered_and_one_that_is_there_is_used(place, tmp_path):
    copy, again = tmp_path / "copy", tmp_path / "again"
    for folder in (copy, again):
        shutil.copytree(place.folder, folder)
        record = place.imported(folder)
    assert record.roots == (str(place.folder),) and record.also == ((str(copy),), (str(again),))
    assert place.imported(copy) == record, "it is known"
    shutil.rmtree(place.folder)
    assert place.sources == [str(copy / f"{i:05d}.jpg") for i in range(6)]
    assert place.stored.missing() == [] and place.trains(48)
    shutil.rmtree(copy)
    assert place.sources[3] == str(again / "00003.jpg") and place.stored.missing() == [] and place.trains(40)
    assert place.imported(again).roots == (str(again),) and place.stored.imported()[0].also == ()
    shutil.rmtree(again)
    assert len(place.stored.missing()) == 6, "all are gone"
    make_good(place.folder, 6, side=96)
    assert look_for(place.root, place.first.id, [place.folder]).also == () and place.stored.missing() == []


def test_a_picture_that_was_changed_in_one_folder_is_read_from_another(place, tmp_path):
    shutil.copytree(place.folder, tmp_path / "copy")
    place.imported(tmp_path / "copy")
    (place.folder / "00002.jpg").write_bytes(encoded("JPEG", 77, 96))
    assert place.trains(48), "the copy of it is what was imported"
    (tmp_path / "copy" / "00002.jpg").unlink()
    with pytest.raises(TroubleError, match="this source has changed since it was imported"):
        place.trains(40)


def test_points_of_two_files_know_both(library_root, tmp_path):
    for name in ("one.csv", "two.csv", "three.csv"):
        (tmp_path / name).write_text("x,y\n" + "".join(f"{n},{n * n}\n" for n in range(9)))
    first = import_paths(library_root, [tmp_path / "one.csv"])[0]
    both = import_paths(library_root, [tmp_path / "two.csv"])[0]
    assert (both.id, both.roots, both.also) == (first.id, first.roots, ((str(tmp_path / "two.csv"),),))
    assert import_paths(library_root, [tmp_path / "two.csv"])[0] == both
    (tmp_path / "one.csv").unlink()
    assert import_paths(library_root, [tmp_path / "three.csv"])[0].roots == (str(tmp_path / "three.csv"),)


def test_a_folder_that_moved_in_part(place, tmp_path):
    (tmp_path / "half").mkdir()
    for i in range(3):
        (place.folder / f"{i:05d}.jpg").rename(tmp_path / "half" / f"{i:05d}.jpg")
    again = look_for(place.root, place.first.id, [tmp_path / "half"])
    assert set(again.roots) == {str(place.folder), str(tmp_path / "half")}
    assert place.stored.missing() == [] and place.trains(48)
    (tmp_path / "half").rename(place.folder / "deeper")
    assert place.imported(place.folder).id == place.first.id
    assert place.stored.missing() == [] and place.stored.record().roots == (str(place.folder),)


def test_into_an_archive_and_out_of_it(place, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(place.folder.iterdir()):
            archive.write(path, f"inside/{path.name}")
    shutil.rmtree(place.folder)
    assert place.imported(tmp_path / "all.zip").id == place.first.id
    assert place.sources[0] == f"{tmp_path / 'all.zip'}!/inside/00000.jpg" and place.stored.missing() == [] and place.trains(48)
    (tmp_path / "all.zip").rename(tmp_path / "other.zip")
    assert len(place.stored.missing()) == 6
    look_for(place.root, place.first.id, [tmp_path / "other.zip"])
    assert place.stored.missing() == [] and place.sources[5] == f"{tmp_path / 'other.zip'}!/inside/00005.jpg"


def test_copies_get_a_path_each(library_root, tmp_path):
    make_good(tmp_path / "set", 2)
    shutil.copy(tmp_path / "set" / "00000.jpg", tmp_path / "set" / "twin.jpg")
    first, _ = import_paths(library_root, [tmp_path / "set"])
    (tmp_path / "set").rename(tmp_path / "moved")
    look_for(library_root, first.id, [tmp_path / "moved"])
    items = DatasetFolder(LibraryLayout(library_root).dataset(first.id)).items()
    assert sorted(item.source.rpartition("/")[2] for item in items) == ["00000.jpg", "00001.jpg", "twin.jpg"]


def test_looking_for_them_finds_what_is_there_and_says_what_is_not(place, tmp_path):
    place.folder.rename(tmp_path / "moved")
    (tmp_path / "moved" / "00004.jpg").unlink()
    make_good(tmp_path / "around" / "deep", 3, first_seed=40)
    shutil.move(tmp_path / "moved", tmp_path / "around" / "deep" / "er")
    found = look_for(place.root, place.first.id, [tmp_path / "around"])
    assert found.id == place.first.id and count_of(place.root) == 1
    assert place.stored.missing() == [str(place.folder / "00004.jpg")]
    assert place.sources[0] == str(tmp_path / "around" / "deep" / "er" / "00000.jpg")
    with pytest.raises(TroubleError, match="1 missing picture is not there"):
        look_for(place.root, place.first.id, [tmp_path / "around"])


def test_a_size_that_needs_them_says_once_how_many_are_missing(place, tmp_path):
    place.folder.rename(tmp_path / "moved")
    with pytest.raises(TroubleError) as caught:
        place.trains(48)
    trouble = caught.value.trouble
    assert trouble.what.startswith("6 of 6 pictures are not where they were") and trouble.item.endswith("00000.jpg")
    assert "look for them in Data" in trouble.advice and "nexus-studio" not in trouble.advice
    assert "`nexus-studio import FOLDER --look-for DATA`" in trouble.on_terminal().advice


def test_other_captions_are_other_data_wherever_they_lie(place, tmp_path):
    place.folder.rename(tmp_path / "moved")
    (tmp_path / "moved" / "00000.txt").write_text("a fern")
    assert place.imported(tmp_path / "moved").id != place.first.id and count_of(place.root) == 2
