"""Import: what a stranger's folder holds is either imported whole or reported with the right reason, and never touched."""

import hashlib
import json
import os
import shutil
import threading

import numpy as np
import pytest
from bad_files import encoded, make_bad, make_good, picture
from PIL import Image

from models_backend.contract.family import Attribute
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout
from models_backend.contract.settings import DataSettings
from models_backend.data.importing import import_paths
from models_backend.data.reading import open_data
from models_backend.data.watch import Cancelled
from models_backend.library.datasets import DatasetFolder


def state_of(folder):
    """Every file below a folder: bytes, mode and times of change."""
    state = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        state[path.relative_to(folder)] = (content, status.st_mode, status.st_mtime_ns, status.st_ctime_ns)
    return state


def imported(library_root, *paths, **more):
    """(items, report, record) of an import."""
    record, report = import_paths(library_root, list(paths), **more)
    return DatasetFolder(LibraryLayout(library_root).dataset(record.id)).items(), report, record


def thumbs(library_root, record):
    return np.load(LibraryLayout(library_root).dataset(record.id).cache / "thumbs.npy")


def test_every_bad_file_is_named_with_its_reason_and_nothing_else_is_lost(library_root, tmp_path):
    folder = tmp_path / "mixed"
    expected = make_bad(folder)
    make_good(folder, 30)
    before = state_of(folder)
    items, report, record = imported(library_root, folder)
    assert {line.source.rpartition("/")[2]: line.code for line in report.unreadable} == expected
    assert all(line.reason for line in report.unreadable)
    assert len(items) == report.imported == record.count == 30
    assert report.found == 30 + len(expected)
    assert state_of(folder) == before
    assert thumbs(library_root, record).shape == (30, 64, 64, 3)


def test_rows_stand_in_the_order_of_items(library_root, tmp_path):
    for i in range(60):
        Image.fromarray(picture(i)).save(tmp_path / f"{i:03d}.png")
    items, _, record = imported(library_root, tmp_path)
    rows = thumbs(library_root, record)
    for i, item in enumerate(items):
        assert item.source.endswith(f"{i:03d}.png")
        assert item.sha256 == hashlib.sha256((tmp_path / f"{i:03d}.png").read_bytes()).hexdigest()
        assert np.array_equal(rows[i], picture(i))


def test_same_pictures_same_data_set(library_root, tmp_path):
    make_good(tmp_path / "a", 5)
    first, _ = import_paths(library_root, [tmp_path / "a"])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    second, _ = import_paths(library_root, [tmp_path / "b"])
    assert first.id == second.id == first.fingerprint[:16]
    (tmp_path / "b" / "00000.txt").write_text("a fern")
    third, _ = import_paths(library_root, [tmp_path / "b"])
    assert third.id != first.id and third.captioned and not first.captioned, "captions that were written make it another"


def test_a_data_set_is_named_after_what_was_dropped(library_root, tmp_path):
    paths = make_good(tmp_path / "ferns", 4)
    make_good(tmp_path / "moss", 1, first_seed=50)
    assert imported(library_root, *paths)[2].title == "ferns"
    assert imported(library_root, paths[0])[2].title == "00000"
    assert imported(library_root, tmp_path / "ferns", tmp_path / "moss")[2].title == "ferns, moss"


# ------------------------------------------------------------------------------------------------ kinds of pictures


def only(library_root, path):
    """(thumbnail, item, report, record) of an import of one picture."""
    items, report, record = imported(library_root, path)
    return thumbs(library_root, record)[0], items[0], report, record


def test_sixteen_bits_become_eight_by_the_high_byte(library_root, tmp_path):
    grey = picture(3, 64, 1).astype(np.uint16) * 257
    Image.fromarray(grey).save(tmp_path / "deep.png")
    row, _, report, record = only(library_root, tmp_path / "deep.png")
    assert np.array_equal(row[..., 0], picture(3, 64, 1))
    assert (report.grey, record.channels) == (1, 1)


def test_transparency_is_laid_on_white(library_root, tmp_path):
    layers = np.dstack([picture(4), np.full((64, 64), 255, np.uint8)])
    layers[:32, :, 3] = 0
    Image.fromarray(layers).save(tmp_path / "clear.png")
    row, _, report, _ = only(library_root, tmp_path / "clear.png")
    assert (row[:32] == 255).all() and np.array_equal(row[32:], picture(4)[32:])
    assert report.alpha == 1


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 6, 8])
def test_rotation_is_applied(tmp_path, format, orientation):
    from models_backend.data.decoding import Target, decode

    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:32, :64], pixels[:32, 64:], pixels[32:, :64] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned"
    Image.fromarray(pixels).save(path, format, exif=exif, **({"lossless": True} if format == "WEBP" else {}))
    found = decode(path.read_bytes(), [Target(32, "stretch")])
    turn = {1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 6: lambda p: np.rot90(p, -1), 8: np.rot90}
    expected = turn[orientation](pixels)
    assert (found.height, found.width) == expected.shape[:2]
    row = np.frombuffer(found.arrays[0], np.uint8).reshape(32, 32, 3).astype(int)
    step_y, step_x = expected.shape[0] // 32, expected.shape[1] // 32
    inner = (slice(4, 12), slice(20, 28))
    for rows in inner:
        for columns in inner:
            wanted = expected[::step_y, ::step_x][rows, columns].astype(int)
            assert np.abs(row[rows, columns] - wanted).max() < 30


@pytest.mark.parametrize("format", ["GIF", "WEBP", "AVIF", "TIFF", "PNG"])
def test_an_animation_gives_its_first_frame(tmp_path, format):
    from models_backend.data.decoding import Target, decode

    frames = [Image.new("RGB", (64, 64), colour) for colour in ((200, 40, 40), (40, 200, 40))]
    path = tmp_path / "moving"
    frames[0].save(path, format, save_all=True, append_images=frames[1:])
    found = decode(path.read_bytes(), [Target(64)])
    assert found.code == ""
    assert np.abs(np.frombuffer(found.arrays[0], np.uint8).reshape(64, 64, 3).astype(int) - (200, 40, 40)).max() < 12
    assert found.notes == [("pages" if format == "TIFF" else "film", format)]
    frames[0].save(path, format)
    assert decode(path.read_bytes(), [Target(64)]).notes == []


@pytest.mark.parametrize(
    "folders, classes, said",
    [
        (
            ("temple", "flower", "img/10_sks cat"),
            ("10_sks cat", "flower", "temple"),
            "Folders such as 10_sks cat: their whole name is the class; a number of repeats",
        ),
        (
            ("more/temple", "lora/img/10_cat", "lora/reg/1_pet"),
            ("10_cat", "1_pet", "more"),
            "Folders such as 10_cat: their whole name is the class; a number of repeats",
        ),
        (("cat/1_morning", "cat/2_noon", "dog/1_morning", "bird"), ("bird", "cat", "dog"), ""),
        (("cat/1_morning", "cat/other", "dog"), ("cat", "dog"), ""),
        (
            ("10_cat", "5_dog"),
            ("10_cat", "5_dog"),
            "Folders such as 10_cat: their whole name is the class; a number of repeats",
        ),
        (("img/20_sks cat",), (), "Folders such as 20_sks cat: their name is neither class nor caption; a number of repeats"),
        (("10_cat", "dog"), ("10_cat", "dog"), ""),
        (("2019_spring", "2020_spring"), ("2019_spring", "2020_spring"), ""),
        (("cat", "dog"), ("cat", "dog"), ""),
    ],
)
def test_repeats_in_the_names_of_folders_are_said_to_be_unused(tmp_path, folders, classes, said):
    for number, name in enumerate(folders):
        make_good(tmp_path / "set" / name, 3, first_seed=10 * number)
    record, report = import_paths(tmp_path / "library", [tmp_path / "set"])
    notes = [note for note in report.notes if "repeats" in note]
    assert record.classes == classes
    assert [note[: len(said)] for note in notes] == ([said] if said else [])


def test_films_that_were_taken_as_their_first_picture_are_told_once(tmp_path):
    folder = tmp_path / "set"
    make_good(folder, 3)
    frames = [Image.new("RGB", (64, 64), colour) for colour in ((200, 40, 40), (40, 200, 40))]
    for name in ("a.gif", "b.gif", "c.webp"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    report = import_paths(tmp_path / "library", [folder])[1]
    told = f"3 films (GIF: 2, WEBP: 1) were taken as their first picture; the first is {folder / 'a.gif'}"
    assert report.notes[0] == told and report.imported == 6


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_kind_of_pixels_is_read(tmp_path, mode):
    from models_backend.data.decoding import Target, decode

    path = tmp_path / "pixels.tif"
    values = picture(2, 64, 1)
    if mode in ("I;16", "F"):
        image = Image.fromarray(values.astype(np.uint16) * 257 if mode == "I;16" else values.astype(np.float32) / 255)
        expected = np.dstack([values] * 3)
    else:
        image = Image.fromarray(picture(2)).convert(mode)
        expected = np.asarray(image.convert("RGB"))
    image.save(path)
    found = decode(path.read_bytes(), [Target(64)])
    assert found.code == ""
    assert np.array_equal(np.frombuffer(found.arrays[0], np.uint8).reshape(64, 64, 3), expected)


def test_content_wins_over_the_extension_and_is_told(library_root, tmp_path):
    (tmp_path / "really-a-jpeg.png").write_bytes(encoded("JPEG", 1))
    (tmp_path / "no-extension").write_bytes(encoded("PNG", 2))
    (tmp_path / "notes.md").write_text("hello")
    items, report, _ = imported(library_root, tmp_path)
    assert len(items) == 2 and not report.unreadable
    assert any("really-a-jpeg.png is in truth a JPEG" in note for note in report.notes)
    assert [line.source.endswith("notes.md") for line in report.ignored] == [True]


def test_crop_pad_and_stretch(library_root, tmp_path):
    pixels = np.full((64, 192, 3), 200, np.uint8)
    pixels[:, :64], pixels[:, 128:] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    record, _ = import_paths(library_root, [tmp_path])
    raw = {}
    for crop in ("centre", "pad", "stretch"):
        raw[crop] = open_data(library_root, record.id, DataSettings(resolution=48, crop=crop)).train.raw([0])[0]
    assert (raw["centre"][:, 4:-4] == 200).all()
    assert (raw["pad"][:12] == 0).all() and (raw["pad"][20:28, :10] == (255, 0, 0)).all()
    assert (raw["stretch"][:, :10] == (255, 0, 0)).all() and (raw["stretch"][:, -10:] == (0, 0, 255)).all()


# ------------------------------------------------------------------------------------------------ labels and captions


def test_class_folders_with_splits_and_a_wrapper(library_root, tmp_path):
    for split in ("train", "val"):
        for k, name in enumerate(("10", "9", "cat")):
            make_good(tmp_path / "set" / split / name, 2, first_seed=10 * k + (split == "val") * 100)
    items, report, record = imported(library_root, tmp_path / "set")
    assert record.classes == ("9", "10", "cat")
    assert all(record.classes[item.label] == item.source.split("/")[-2] for item in items)
    assert report.labels == {"9": 4, "10": 4, "cat": 4}


def test_folders_dropped_together_are_classes(library_root, tmp_path):
    make_good(tmp_path / "x" / "one", 2, first_seed=1)
    make_good(tmp_path / "y" / "two", 2, first_seed=5)
    _, _, record = imported(library_root, tmp_path / "x" / "one", tmp_path / "y" / "two")
    assert record.classes == ("one", "two")


def test_captions_from_side_files_and_tables(library_root, tmp_path):
    make_good(tmp_path, 6)
    (tmp_path / "00000.txt").write_text("\ufeffa side caption\n", "utf-8")
    (tmp_path / "00001.txt").write_bytes("café".encode("latin-1"))
    (tmp_path / "orphan.txt").write_text("nobody")
    rows = [
        {"file_name": "00002.jpg", "text": "from the table", "label": "b"},
        {"file_name": "00000.jpg", "caption": "the table wins"},
        {"file_name": "./00003.jpg", "label": 1},
        {"file_name": "gone.jpg", "text": "x"},
    ]
    (tmp_path / "metadata.jsonl").write_text("\n".join([*map(json.dumps, rows), "{broken", ""]))
    items, report, record = imported(library_root, tmp_path)
    assert [item.caption for item in items] == ["the table wins", "café", "from the table", "", "", ""]
    assert [item.label for item in items] == [-1, -1, 1, 0, -1, -1] and record.classes == ("1", "b")
    assert record.captioned and report.captioned == 3
    assert any("line 5" in note for note in report.notes) and any("gone.jpg" in note for note in report.notes)
    assert any(line.source.endswith("orphan.txt") for line in report.ignored)


def test_captions_from_a_csv_with_commas_and_newlines(library_root, tmp_path):
    make_good(tmp_path, 2)
    (tmp_path / "metadata.csv").write_text('file_name,text\n00000.jpg,"a, b\nand ""c"""\n00001.jpg,plain\n')
    items, _, _ = imported(library_root, tmp_path)
    assert [item.caption for item in items] == ['a, b\nand "c"', "plain"]


def test_other_columns_of_numbers_are_attributes(library_root, tmp_path):
    make_good(tmp_path, 4)
    head = "file_name,text,smiling,age,name,same,id\n"
    table = head + "00000.jpg,a,true,30,Ann,1,5\n00001.jpg,b,False,60,3,1,6\n00002.jpg,c,1,,Bo,1,7\n"
    (tmp_path / "metadata.csv").write_text(table)
    items, _, record = imported(library_root, tmp_path)
    assert record.attributes == (Attribute("smiling", 0, 1), Attribute("age", 30, 60))
    assert [item.attributes for item in items] == [(1, 30), (0, 60), (1, None), (None, None)]
    data = open_data(library_root, record.id, DataSettings(resolution=16))
    assert data.spec.attributes == record.attributes
    known = np.concatenate([data.train.attributes, data.validation.attributes])
    assert known.shape == (4, 2) and np.isnan(known).sum() == 3
    (tmp_path / "metadata.csv").write_text(table.replace("true,30", "true,31"))
    assert imported(library_root, tmp_path)[2].fingerprint != record.fingerprint, "other numbers are other data"


# ------------------------------------------------------------------------------------------------ links


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("name", ["000 before.jpg", "after.jpg", "deeper/there.jpg"])
def test_a_link_to_a_picture_of_the_import_is_no_second_picture(library_root, tmp_path, link, name):
    (tmp_path / "set" / "deeper").mkdir(parents=True)
    make_good(tmp_path / "set", 3)
    link(tmp_path / "set" / "00001.jpg", tmp_path / "set" / name)
    items, report, _ = imported(library_root, tmp_path / "set")
    assert len(items) == 3 and report.exact_duplicates == 0
    (line,) = report.ignored
    assert line.code == "same-file" and "is imported" in line.reason
    assert link is os.link or line.source.endswith(name)


def test_what_links_lead_to_elsewhere_is_listed_and_not_read(library_root, tmp_path):
    """A picture, a caption, a table and a folder: who made the links may be a stranger."""
    make_good(tmp_path / "pool", 2)
    make_good(tmp_path / "set", 2)
    (tmp_path / "pool" / "key").write_text("PRIVATE")
    (tmp_path / "pool" / "table.csv").write_text("file_name,text\n00001.jpg,PRIVATE\n")
    for name, target in {"z.jpg": "00000.jpg", "00000.txt": "key", "metadata.csv": "table.csv", "more": ""}.items():
        (tmp_path / "set" / name).symlink_to(tmp_path / "pool" / target)
    items, report, _ = imported(library_root, tmp_path / "set")
    assert len(items) == 2 and not any(item.caption for item in items)
    assert sorted(line.source.rpartition("/")[2] for line in report.ignored) == ["00000.txt", "metadata.csv", "more", "z.jpg"]
    assert all(line.code == "link" and "is not followed" in line.reason for line in report.ignored)


def test_links_to_what_was_chosen_too_are_followed(library_root, tmp_path):
    """Into another folder that was chosen, and by a chosen name that is a link itself."""
    paths = make_good(tmp_path / "pool" / "a", 4)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").symlink_to(tmp_path / "pool" / "a")
    (tmp_path / "short").symlink_to(tmp_path / "set")
    items, report, _ = imported(library_root, tmp_path / "short", tmp_path / "pool")
    assert len(items) == len(paths) and not [line for line in report.ignored if "not followed" in line.reason]


def test_linked_captions_belong_to_each_picture(library_root, tmp_path):
    make_good(tmp_path / "set", 3)
    (tmp_path / "set" / "00000.txt").write_text("a fern")
    os.link(tmp_path / "set" / "00000.txt", tmp_path / "set" / "00001.txt")
    (tmp_path / "set" / "00002.txt").symlink_to("00000.txt")
    assert [item.caption for item in imported(library_root, tmp_path / "set")[0]] == ["a fern"] * 3


def test_a_folder_and_a_file_of_it_given_together(library_root, tmp_path):
    paths = make_good(tmp_path / "set", 3)
    (tmp_path / "set" / "00000.txt").write_text("a fern")
    items, report, _ = imported(library_root, tmp_path / "set", paths[0], paths[1], tmp_path / "set" / "00000.txt")
    assert len(items) == 3 and not report.ignored and items[0].caption == "a fern"


# ------------------------------------------------------------------------------------------------ names and accidents


def test_names_of_any_bytes(library_root, tmp_path):
    names = [b"two\nlines.png", b"\xff\xfe not utf-8.png", b"a" * 251 + b".png", "数 ü.png".encode(), b"quote\"'.png", b" .png"]
    for i, name in enumerate(names):
        (tmp_path / os.fsdecode(name)).write_bytes(encoded("PNG", i))
    items, report, record = imported(library_root, tmp_path)
    assert len(items) == len(names) and not report.unreadable
    data = open_data(library_root, record.id, DataSettings(resolution=16))
    assert data.train.count + data.validation.count == len(names)


def test_a_folder_that_vanishes_costs_only_what_was_not_read(library_root, tmp_path):
    make_good(tmp_path / "set" / "stays", 40)
    make_good(tmp_path / "set" / "vanishes", 200, first_seed=5000)
    told = threading.Event()

    def tell(progress):
        if progress.what == "Reading pictures" and not told.is_set():
            told.set()
            shutil.rmtree(tmp_path / "set" / "vanishes")

    items, report, _ = imported(library_root, tmp_path / "set", tell=tell)
    assert told.is_set()
    assert sum("/stays/" in item.source for item in items) == 40
    assert {line.code for line in report.unreadable} <= {"gone"}
    assert len(items) + len(report.unreadable) == 240


def test_nothing_to_import_is_one_clear_error(library_root, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"")
    with pytest.raises(TroubleError, match="there is nothing in it"):
        import_paths(library_root, [tmp_path / "empty"])
    with pytest.raises(TroubleError, match="no bytes"):
        import_paths(library_root, [tmp_path / "bad"])
    with pytest.raises(TroubleError, match="no file or folder"):
        import_paths(library_root, [tmp_path / "nowhere"])
    assert list((library_root / "datasets").iterdir()) == []


def test_cancelling_leaves_nothing(library_root, tmp_path):
    make_good(tmp_path, 60)
    asked = iter([False] * 3)
    with pytest.raises(Cancelled):
        import_paths(library_root, [tmp_path], cancelled=lambda: next(asked, True))
    assert list((library_root / "datasets").iterdir()) == []


def test_a_form_that_is_asked_for_is_cached_at_once(library_root, tmp_path):
    make_good(tmp_path, 8)
    settings = DataSettings(resolution=24, channels="grey", crop="pad")
    record, _ = import_paths(library_root, [tmp_path], settings=settings)
    shutil.rmtree(tmp_path / "nothing", ignore_errors=True)
    at_import = open_data(library_root, record.id, settings).train
    assert at_import.raw([0]).shape == (1, 24, 24, 1)
    cache = LibraryLayout(library_root).dataset(record.id).cache
    for path in cache.glob("24-grey-pad.*"):
        path.unlink()
    again = open_data(library_root, record.id, settings).train
    everything = range(at_import.count)
    assert np.array_equal(at_import.raw(everything), again.raw(everything))


def test_progress_goes_from_none_to_all(library_root, tmp_path):
    make_good(tmp_path, 50)
    told = []
    import_paths(library_root, [tmp_path], tell=told.append)
    reading = [p for p in told if p.what == "Reading pictures"]
    assert reading[-1].done == reading[-1].total == 50
    assert [p.done for p in reading] == sorted(p.done for p in reading)


def test_where_nothing_can_be_read_up_to_three_files_are_named_and_what_can_be(library_root, tmp_path):
    empty, odd, names = tmp_path / "empty", tmp_path / "odd", ("a.docx", "b.xyz", "c.xyz", "d.xyz", "e.xyz")
    empty.mkdir()
    odd.mkdir()

    def refused(path):
        with pytest.raises(TroubleError) as caught:
            import_paths(library_root, [path])
        trouble = caught.value.trouble
        assert "can be read" in trouble.advice and "PNG" in trouble.advice and "rop " not in trouble.advice
        return trouble.what

    assert refused(empty) == "there is nothing in it"
    (odd / ".hidden").write_text("words")
    (odd / names[0]).write_text("words")
    assert refused(odd).startswith("nothing in it can be read: a.docx: neither its name nor its content is that of a picture;")
    assert refused(odd / names[0]) == "neither its name nor its content is that of a picture"
    for name in names:
        (odd / name).write_text("words")
    what = refused(odd)
    assert [name for name in names if name in what] == ["a.docx", "b.xyz", "c.xyz"] and what.endswith("; and 3 more files")
