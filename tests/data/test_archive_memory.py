"""Archives that would fill the memory: what is refused is let go, and headers are refused before they are read."""

import gzip
import io
import tarfile
import tracemalloc
import zipfile

import pytest
from bad_files import encoded, make_good

from models_backend.data import archives
from models_backend.data.importing import import_paths


def header(kind, size):
    """One tar header of a kind that tells of ``size`` bytes."""
    head = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    head[156:157] = kind
    head[124:136] = b"%011o\0" % size if size >= 0 else b"\xff" * 4 + (size).to_bytes(8, "big", signed=True)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def member(name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info.tobuf() + data + bytes(-len(data) % 512)


KINDS = [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_header_of_many_megabytes_is_refused_unread(tmp_path, kind, packed):
    body = member("a.png", encoded("PNG", 1)) + header(kind, 64 << 20) + bytes(64 << 20)
    path = tmp_path / ("a.tar.gz" if packed else "a.tar")
    path.write_bytes(gzip.compress(body, 1) if packed else body)
    del body
    tracemalloc.start()
    archive = archives.open_archive(str(path))
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()
    assert list(archive.members) == ["a.png"] and archive.refused[0].code == "archive-bomb"
    archive.close()


def test_negative_sizes_end_the_list_instead_of_looping(tmp_path):
    record = b"18 size=-1000000\n"
    extended = header(b"x", len(record)) + record + bytes(512 - len(record))
    for name, body in (("plain", header(b"0", -512)), ("extended", extended + header(b"0", 0))):
        path = tmp_path / f"{name}.tar"
        path.write_bytes(member("a.png", encoded("PNG", 1)) + body + bytes(2048))
        archive = archives.open_archive(str(path))
        assert list(archive.members) == ["a.png"], name
        archive.close()


def test_long_names_and_notes_of_honest_archives_are_read(tmp_path):
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "a.tar", "w", format=form) as tar:
            info = tarfile.TarInfo("ü" * 120 + "/" + "b" * 200 + ".png")
            info.size, info.pax_headers = 4, {"comment": "c" * 100_000} if form == tarfile.PAX_FORMAT else {}
            tar.addfile(info, io.BytesIO(b"abcd"))
        archive = archives.open_archive(str(tmp_path / "a.tar"))
        assert archive.read(next(iter(archive.members))) == b"abcd" and not archive.refused
        archive.close()


def test_what_a_guard_refuses_is_not_kept(tmp_path, library_root, monkeypatch):
    """One member in ten may be read; of the others not even the bytes are taken, nor stay where an error holds them."""
    monkeypatch.setattr(archives, "TOTAL", 8 << 20)
    (tmp_path / "set").mkdir()
    make_good(tmp_path / "set", 1)
    with zipfile.ZipFile(tmp_path / "set" / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(80):
            file.writestr(f"{i}.png", bytes(1 << 20))
    tracemalloc.start()
    record, report = import_paths(library_root, [tmp_path / "set"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert record.count == 1 and peak < 60 << 20
    assert sum(line.code == "archive-bomb" for line in report.unreadable) >= 60
