"""Archives as sources: members are read in memory and never unpacked to their names, so a hostile name leads nowhere.

Refused, each member by itself: absolute names and ``..``, links and devices, encryption, more than MAX_BYTES, and an
expansion beyond RATIO of anything large. Reading stops where all that an archive gives is out of proportion to its size.
Compressed tars, which only read forwards, are spooled to an unnamed temporary file once.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from models_backend.contract.run_layout import Unreadable
from models_backend.library.source_paths import INSIDE, as_text

from .formats import MAX_BYTES
from .sources import Found, Source, clutter, place

RATIO = 100
SMALL = 4 << 20  # members up to this size may be compressed as well as they can
TOTAL, TOTAL_RATIO = 1 << 30, 200
MEMBERS = 2_000_000
HEADER = 256 << 10  # what a tar says of one member: its long name, its extended header

#: what reading a damaged archive raises
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError,
    ValueError, IndexError, KeyError, OSError,
)  # fmt: skip


class Refused(Exception):
    """An archive or a member that is not read: ``code``, and the reason in words."""

    def __init__(self, code: str, reason: str):
        self.code, self.reason = code, reason
        super().__init__(reason)


def hostile(name: str) -> str:
    """Why a member's name is refused, or ""."""
    plain = name.replace("\\", "/")
    if plain.startswith("/") or (len(plain) > 1 and plain[1] == ":"):
        return "its name is an absolute path"
    if ".." in plain.split("/"):
        return "its name leads out of the archive (“..”)"
    return "its name holds a zero byte" if "\0" in plain else ""


class Archive:
    """An open archive: ``members`` by name in the archive's order, ``refused`` members. ``read`` may be called from several
    threads."""

    def __init__(self, path: str):
        self.path, self.members, self.refused = path, {}, []
        self._total, self._size = 0, max(1, Path(path).stat().st_size)
        self._open()

    def _open(self) -> None:
        raise NotImplementedError

    def read(self, member: str, most: int = MAX_BYTES) -> bytes:
        """The bytes of a member, at most ``most``. Raises KeyError and what is in DAMAGE."""
        raise NotImplementedError

    def size(self, member: str) -> int:
        """The bytes of a member as the archive states them."""
        raise NotImplementedError

    def close(self) -> None:
        """Lets the file go."""
        raise NotImplementedError

    def _admit(self, name: str, entry: Any, size: int, packed: int, refusal: tuple[str, str] | None) -> bool:
        """Takes a member in, or notes why not."""
        if refusal is None and (reason := hostile(name)):
            refusal = ("archive-path", reason)
        refusal = refusal or self._out_of_proportion(size, packed)
        if refusal:
            self.refused.append(Unreadable(self.path_of(name), *refusal))
            return False
        self.members[as_text(name)] = entry
        return True

    def _out_of_proportion(self, size: int, packed: int) -> tuple[str, str] | None:
        if size > SMALL and size > RATIO * max(packed, 1):
            return "archive-bomb", f"it would grow {size // max(packed, 1):,}-fold when unpacked"
        if size > MAX_BYTES:
            return "too-large", f"{size >> 20} MiB are more than the limit of {MAX_BYTES >> 20} MiB a picture"
        return None

    def _count(self, size: int) -> None:
        """Adds up what was given. Raises Refused where that is out of proportion."""
        self._total += size
        if self._total > max(TOTAL, TOTAL_RATIO * self._size) or len(self.members) > MEMBERS:
            raise Refused("archive-bomb", "the archive unpacks to far more than its size allows; the rest of it is left out")

    def path_of(self, name: str) -> str:
        """How the report calls a member."""
        return as_text(self.path) + INSIDE + as_text(name)


class Zip(Archive):
    """A zip archive."""

    def _open(self) -> None:
        self._zip = zipfile.ZipFile(self.path)
        for info in self._zip.infolist():
            if info.is_dir():
                continue
            refusal = None
            if stat.S_ISLNK(info.external_attr >> 16):
                refusal = ("archive-link", "it is a link, which archives from strangers must not hold")
            elif info.flag_bits & 1:
                refusal = ("archive-encrypted", "it is encrypted")
            self._admit(info.orig_filename, info, info.file_size, info.compress_size, refusal)

    def read(self, member: str, most: int = MAX_BYTES) -> bytes:
        info = self.members[member]
        self._count(min(info.file_size, most))
        with self._zip.open(info) as file:
            return file.read(most)

    def size(self, member: str) -> int:
        return self.members[member].file_size

    def close(self) -> None:
        self._zip.close()


class _Header(tarfile.TarInfo):
    """A header of a tar, refused where what belongs to it would have to be read whole and is longer than any name or note."""

    _NOTES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0 or (self.type in self._NOTES and self.size > HEADER):
            raise Refused("archive-bomb", f"a header in the archive tells of {self.size:,} bytes; the rest of it is left out")
        return super()._proc_member(tar)


class Tar(Archive):
    """A tar archive, plain or compressed. ``members`` holds (offset, size) in a plain file."""

    _PACKED = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}

    def _open(self) -> None:
        self._file: BinaryIO = open(self.path, "rb")  # noqa: SIM115, PTH123  closed by close()
        unpacked = self._PACKED.get(self._file.read(2))
        self._file.seek(0)
        try:
            if unpacked is None:
                self._list_whole(self._file, "r:", None)
            else:
                self._spool(unpacked)
        except BaseException:
            self._file.close()
            raise

    def _spool(self, unpacked: Any) -> None:
        spool = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the archive
        try:
            with unpacked(self._file) as stream:
                self._list_whole(_Counted(stream, self._count), "r|", spool)
        except BaseException:
            spool.close()
            raise
        self._file.close()
        spool.flush()
        self._file = spool

    def _list_whole(self, stream: Any, mode: str, spool: BinaryIO | None) -> None:
        """Lists what is whole; where the archive breaks off that is one refusal, and what came before stays."""
        try:
            with tarfile.open(fileobj=stream, mode=mode, tarinfo=_Header) as tar:
                self._list(tar, spool)
        except Refused as refused:
            self.refused.append(Unreadable(as_text(self.path), refused.code, refused.reason))
        except DAMAGE as error:
            if not self.members:
                raise
            self.refused.append(Unreadable(as_text(self.path), "truncated", f"the archive breaks off: {error}"))

    def _list(self, tar: tarfile.TarFile, spool: BinaryIO | None) -> None:
        at = 0
        for info in tar:
            if info.size < 0:  # as an extended header may say; the next header would be looked for before this one
                raise Refused("archive-damaged", "a header in the archive tells of a negative size; the rest is left out")
            if info.isdir():
                continue
            refusal = None
            if not info.isreg() or info.issparse():
                kind = "a link" if info.issym() or info.islnk() else "not a plain file"
                refusal = ("archive-link", f"it is {kind}, which archives from strangers must not hold")
            packed = self._size if spool else info.size
            entry = (at if spool else info.offset_data, info.size)
            if self._admit(info.name, entry, info.size, packed, refusal) and spool:
                data = tar.extractfile(info).read()
                at += spool.write(data)
                if len(data) < info.size:
                    raise EOFError("it ends inside a file")

    def read(self, member: str, most: int = MAX_BYTES) -> bytes:
        offset, size = self.members[member]
        data = _read_at(self._file, min(size, most), offset)
        if len(data) < min(size, most):
            raise EOFError("the archive ends inside this file")
        return data

    def size(self, member: str) -> int:
        return self.members[member][1]

    def close(self) -> None:
        self._file.close()


class _Counted:
    """A stream whose bytes are counted as they come."""

    def __init__(self, stream: BinaryIO, count: Any):
        self._stream, self._count_bytes = stream, count

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._count_bytes(len(data))
        return data


def _read_at(file: BinaryIO, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        pieces, left = [], size
        while left and (piece := os.pread(file.fileno(), left, offset + size - left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
    file.seek(offset)
    return file.read(size)


def open_archive(path: str) -> Archive:
    """Opens by content, not by name. Raises Refused where it is not an archive, damaged or encrypted as a whole."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  a name of any bytes
            begins_as_zip = file.read(2) == b"PK"
        return Zip(path) if begins_as_zip else Tar(path)
    except FileNotFoundError:
        raise Refused("gone", "it is not there any more") from None
    except PermissionError:
        raise Refused("no-permission", "you have no permission to read it") from None
    except DAMAGE as error:
        words = str(error).strip() or type(error).__name__
        raise Refused("archive-damaged", f"the archive cannot be read: {words[:200]}") from error


def find_inside(source: Source, archive: Archive, found: Found) -> None:
    """Sorts the members of an archive into what was found."""
    found.unreadable += archive.refused
    for member in archive.members:
        parts = tuple(part for part in member.replace("\\", "/").split("/") if part not in ("", "."))
        inner = Source(source.path, archive.path_of(member), (*source.where[:-1], *parts), member, archive.size(member))
        if not parts or any(clutter(part) for part in parts):
            found.ignore(inner.name, "hidden", "hidden files and folders are passed over")
            continue
        try:
            place(inner, found, lambda member=member: archive.read(member, 64))
        except DAMAGE as error:
            found.refuse(inner.name, "archive-damaged", f"it cannot be unpacked: {str(error)[:200]}")
