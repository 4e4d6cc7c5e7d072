"""Archives: hostile members are refused one by one, everything else is imported as from a folder."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
from bad_files import encoded, picture

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout
from models_backend.contract.settings import DataSettings
from models_backend.data.archives import hostile
from models_backend.data.importing import import_paths
from models_backend.data.reading import open_data
from models_backend.library.datasets import DatasetFolder

MEMBERS = {f"set/{name}/{i}.png": encoded("PNG", seed) for seed, (name, i) in enumerate((n, i) for n in "ab" for i in range(3))}


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def write_tar(path, members, mode):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def write(path, members):
    if path.suffix == ".zip":
        write_zip(path, members)
    else:
        write_tar(path, members, {".tar": "w", ".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}[path.suffix])


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_an_archive_is_as_good_as_its_folder(library_root, tmp_path, name):
    write(tmp_path / name, {**MEMBERS, "set/a/0.txt": b"a caption", "set/read me.md": b"hello"})
    before = (tmp_path / name).read_bytes()
    record, report = import_paths(library_root, [tmp_path / name])
    items = DatasetFolder(LibraryLayout(library_root).dataset(record.id)).items()
    assert (record.count, record.classes, report.captioned) == (6, ("a", "b"), 1)
    assert items[0].source == f"{tmp_path / name}!/set/a/0.png" and items[0].caption == "a caption"
    assert (tmp_path / name).read_bytes() == before
    data = open_data(library_root, record.id, DataSettings(resolution=32))
    assert data.train.count + data.validation.count == 6
    (tmp_path / name).unlink()
    with pytest.raises(TroubleError, match="6 of 6 pictures are not where they were"):
        open_data(library_root, record.id, DataSettings(resolution=16))
    assert open_data(library_root, record.id, DataSettings(resolution=32)).spec.shape == (3, 32, 32)


@pytest.mark.parametrize("name", ["../up.png", "a/../../up.png", "/etc/up.png", "C:\\up.png", "..\\up.png", "a\0b.png"])
def test_names_that_lead_elsewhere(name):
    assert hostile(name)
    assert not hostile("a/b..c/..d.png")


def hostile_zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.png", encoded("PNG", 1))
        archive.writestr("../escape.png", encoded("PNG", 2))
        archive.writestr("/abs.png", encoded("PNG", 3))
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("inner.zip", b"PK\5\6" + bytes(18))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("bomb.png", bytes(64 << 20))
    return {"../escape.png": "archive-path", "/abs.png": "archive-path", "link.png": "archive-link", "bomb.png": "archive-bomb"}


def hostile_tar(path):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in (
            ("good.png", encoded("PNG", 1)),
            ("../escape.png", encoded("PNG", 2)),
            ("bomb.png", bytes(64 << 20)),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, kind in (("link.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("device.png", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    special = dict.fromkeys(("link.png", "hard.png", "device.png"), "archive-link")
    return {"../escape.png": "archive-path", "bomb.png": "archive-bomb", **special}


@pytest.mark.parametrize(("name", "make"), [("hostile.zip", hostile_zip), ("hostile.tar.gz", hostile_tar)])
def test_hostile_members_are_refused_one_by_one(library_root, tmp_path, name, make):
    (tmp_path / "in").mkdir()
    expected = make(tmp_path / "in" / name)
    assert (tmp_path / "in" / name).stat().st_size < 200_000
    record, report = import_paths(library_root, [tmp_path / "in"])
    assert {line.source.partition("!/")[2]: line.code for line in report.unreadable} == expected
    assert record.count == 1
    assert sorted(os.listdir(tmp_path)) == ["in", "library"] and os.listdir(tmp_path / "in") == [name]  # noqa: PTH208
    if name.endswith("zip"):
        assert [line.code for line in report.ignored] == ["archive"]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_truncated_archive_is_named(library_root, tmp_path, name):
    noisy = {f"{i}.bmp": encoded("BMP", i) for i in range(10)}
    write(tmp_path / name, noisy)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[: (tmp_path / name).stat().st_size * 7 // 10])
    (tmp_path / "good.png").write_bytes(encoded("PNG", 99))
    record, report = import_paths(library_root, [tmp_path])
    assert all(line.source.startswith(str(tmp_path / name)) for line in report.unreadable) and report.unreadable
    assert {line.code for line in report.unreadable} <= {"archive-damaged", "truncated"}
    assert record.count >= (1 if name == "a.zip" else 5)


def test_encrypted_members_and_things_that_are_no_archives(library_root, tmp_path):
    write_zip(tmp_path / "locked.zip", {"a.png": encoded("PNG")})
    data = bytearray((tmp_path / "locked.zip").read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.find(signature) + offset] |= 1
    (tmp_path / "locked.zip").write_bytes(bytes(data))
    (tmp_path / "letter.zip").write_bytes(b"Dear reader")
    (tmp_path / "empty.tar.gz").write_bytes(b"")
    (tmp_path / "good.png").write_bytes(encoded("PNG", 1))
    _, report = import_paths(library_root, [tmp_path])
    codes = {line.source.rpartition("/")[2]: line.code for line in report.unreadable}
    assert codes == {"a.png": "archive-encrypted", "letter.zip": "archive-damaged", "empty.tar.gz": "archive-damaged"}


def test_pixels_from_an_archive_are_the_pictures(library_root, tmp_path):
    write(tmp_path / "a.tar.gz", MEMBERS)
    record, _ = import_paths(library_root, [tmp_path / "a.tar.gz"])
    rows = np.load(LibraryLayout(library_root).dataset(record.id).cache / "thumbs.npy")
    for seed in range(6):
        assert np.array_equal(rows[seed], picture(seed))


def test_a_tar_that_ends_with_a_zip_is_a_tar(library_root, tmp_path):
    write_zip(tmp_path / "inner.zip", {"inside.png": encoded("PNG", 1)})
    write_tar(tmp_path / "a.tar", {"good.png": encoded("PNG", 2), "inner.zip": (tmp_path / "inner.zip").read_bytes()}, "w")
    record, report = import_paths(library_root, [tmp_path / "a.tar"])
    assert record.count == 1 and [line.code for line in report.ignored] == ["archive"]
