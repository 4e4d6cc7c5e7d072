"""Picture files by their content: which format the bytes are, their size, and whether they are whole.

Strict where decoders are lenient: a picture that ends early or whose check sums are wrong is refused with a code, so that
nothing half decoded is ever imported. Only headers and chunk structure are read here; no pixel is decoded.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from . import signatures, tiff
from .signatures import EXTENSIONS, FOREIGN_EXTENSIONS, PICTURE_EXTENSIONS, sniff

__all__ = [
    "EXTENSIONS", "FOREIGN_EXTENSIONS", "MAX_BYTES", "PICTURE_EXTENSIONS", "BadPicture", "Header", "check_size", "inspect",
    "sniff",
]  # fmt: skip

#: most pixels a picture may have (a 100-megapixel camera's), and most bytes a file may have
MAX_PIXELS = 100_000_000
MAX_BYTES = 256 << 20


class BadPicture(Exception):
    """These bytes are not a whole picture. ``code``: empty, not-a-picture, unsupported, truncated, damaged or too-large."""

    def __init__(self, code: str, reason: str):
        self.code, self.reason = code, reason
        super().__init__(reason)


@dataclass(frozen=True)
class Header:
    """What the structure tells. ``plain``: 8-bit, no transparency, no rotation that a fast decoder would miss; ``inks``: CMYK;
    ``deep``: colours of more than 8 bits. ``profile``: the kind of what says how colours are meant ("icc", "cicp" or "gamma")
    and its bytes, "broken" where it is incomplete; ``tags`` of a TIFF."""

    format: str
    width: int = 0
    height: int = 0
    plain: bool = False
    grey: bool = False
    inks: bool = False
    deep: bool = False
    profile: tuple[str, bytes] = ("", b"")
    tags: tiff.Tags | None = None


def inspect(data: bytes) -> Header:
    """The header of a whole picture. Raises BadPicture."""
    if not data:
        raise BadPicture("empty", "the file has no bytes")
    found = sniff(data) or ("tga" if not signatures.other(data)[0] and signatures.looks_like_tga(data) else "")
    if found.startswith("foreign:"):
        raise unsupported(found[8:])
    if not found:
        name, advice = signatures.other(data)
        what = "the content is not a picture" + (f" but {name}" if name else "")
        raise BadPicture("not-a-picture", f"{what}; {advice}" if advice else what)
    header = _CHECKS[found](data) if found in _CHECKS else Header(found)
    check_size(header.width, header.height)
    return header


def unsupported(kind: str) -> BadPicture:
    """For a picture of a kind that is not read."""
    return BadPicture("unsupported", f"{kind} pictures are not read; {signatures.advice_for(kind)}")


def check_size(width: int, height: int) -> None:
    """Raises BadPicture for more pixels than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise BadPicture(
            "too-large", f"{width} × {height} pixels are more than the limit of {MAX_PIXELS // 10**6} megapixels"
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------ JPEG

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(data: bytes) -> Header:
    """Walks the segments to the first scan, then asks for the end marker (entropy-coded data cannot contain it)."""
    at, size, exif, samples, pieces = 2, None, False, 3, []
    while True:
        if at + 4 > len(data):
            raise BadPicture("truncated", "the JPEG ends inside its header")
        if data[at] != 0xFF:
            raise BadPicture("damaged", f"the JPEG header is damaged at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = (data[at + 2] << 8) + data[at + 3]
        if marker in _FRAMES and at + 10 <= len(data):
            size = struct.unpack_from(">HH", data, at + 5)
            samples = data[at + 9]
        if marker == 0xE1 and data[at + 4 : at + 8] == b"Exif":
            exif = True
        if marker == 0xE2 and data[at + 4 : at + 16] == b"ICC_PROFILE\0":
            pieces.append(data[at + 16 : at + 2 + length])
        if marker in (0xD9, 0xDA):
            break
        at += 2 + length
    if size is None or marker == 0xD9:
        raise BadPicture("damaged", "the JPEG holds no picture")
    if data.rfind(b"\xff\xd9") < at:
        raise BadPicture("truncated", "the JPEG ends before its last line")
    if 0 in size:
        raise BadPicture("damaged", "the JPEG says that it has no lines")
    return Header("jpeg", size[1], size[0], plain=not exif, grey=samples == 1, inks=samples == 4, profile=_joined(pieces))


def _joined(pieces: list[bytes]) -> tuple[str, bytes]:
    """The ICC profile of APP2 segments, each of which says its number and how many there are."""
    if not pieces:
        return "", b""
    pieces = sorted(pieces, key=lambda piece: piece[:1])
    whole = [piece[:2] for piece in pieces] == [bytes((i + 1, len(pieces))) for i in range(len(pieces))]
    return ("icc", b"".join(piece[2:] for piece in pieces)) if whole else ("broken", b"")


# ------------------------------------------------------------------------------------------------ PNG


def _png(data: bytes) -> Header:
    """Walks all chunks with their check sums; needs IHDR, image data and IEND."""
    at, names, colour = 8, set(), {}
    while b"IEND" not in names:
        if at + 12 > len(data):
            raise BadPicture("truncated", "the PNG ends before its end mark")
        length = int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        if at + 12 + length > len(data):
            raise BadPicture("truncated", "the PNG ends inside its data")
        stop = at + 8 + length
        if zlib.crc32(memoryview(data)[at + 4 : stop]) != int.from_bytes(data[stop : stop + 4], "big"):
            raise BadPicture("damaged", f"a check sum of the PNG is wrong ({name.decode('latin-1')!r} at byte {at})")
        if name in _COLOUR and name not in names:
            colour[name] = data[at + 8 : stop]
        names.add(name)
        at = stop + 4
    if data[12:16] != b"IHDR" or b"IDAT" not in names:
        raise BadPicture("damaged", "the PNG holds no picture")
    width, height, depth, kind = struct.unpack_from(">IIBB", data, 16)
    if not (width and height):
        raise BadPicture("damaged", "the PNG says that it has no pixels")
    plain = depth == 8 and kind in (0, 2) and not names & {b"tRNS", b"eXIf", b"acTL"}
    deep = depth == 16 and kind != 0
    return Header("png", width, height, plain, kind in (0, 4), deep=deep, profile=_stated(colour))


_COLOUR = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
LARGEST_PROFILE = 16 << 20


def _stated(chunks: dict[bytes, bytes]) -> tuple[str, bytes]:
    """What a PNG says of its colours; the first of those that it says counts (PNG specification, 4.3)."""
    if b"cICP" in chunks:
        return "cicp", chunks[b"cICP"]
    if b"iCCP" in chunks:
        _, _, packed = chunks[b"iCCP"].partition(b"\0")
        try:
            return "icc", zlib.decompressobj().decompress(packed[1:], LARGEST_PROFILE)
        except zlib.error:
            return "broken", b""
    if b"sRGB" in chunks or not (b"gAMA" in chunks or b"cHRM" in chunks):
        return "", b""
    return "gamma", chunks.get(b"gAMA", b"").ljust(4, b"\0")[:4] + chunks.get(b"cHRM", b"")


# ------------------------------------------------------------------------------------------------ the others


def _webp(data: bytes) -> Header:
    if len(data) < int.from_bytes(data[4:8], "little") + 8:
        raise BadPicture("truncated", "the WebP ends before the length that it states")
    return Header("webp")


def _gif(data: bytes) -> Header:
    if len(data) < 13:
        raise BadPicture("truncated", "the GIF ends inside its header")
    if not data.rstrip(b"\0").endswith(b";"):
        raise BadPicture("truncated", "the GIF ends before its end mark")
    width, height = struct.unpack_from("<HH", data, 6)
    return Header("gif", width, height)


def _bmp(data: bytes) -> Header:
    if len(data) < 26:
        raise BadPicture("truncated", "the BMP ends inside its header")
    stated = int.from_bytes(data[2:6], "little")
    if stated > len(data) and stated < MAX_BYTES:
        raise BadPicture("truncated", "the BMP ends before the length that it states")
    if int.from_bytes(data[14:18], "little") == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    if width <= 0 or height == 0:
        raise BadPicture("damaged", f"the BMP says that it has {width} × {height} pixels")
    return Header("bmp", width, abs(height))


def _tiff(data: bytes) -> Header:
    order = "little" if data[:2] == b"II" else "big"
    first = int.from_bytes(data[4:8], order) if data[2:4] in (b"*\0", b"\0*") else 0
    if first + 2 > len(data):
        raise BadPicture("truncated", "the TIFF ends before its directory")
    tags = tiff.first_directory(data)
    if tiff.is_raw(tags):
        raise unsupported("camera raw")
    width, height = (tags.get(tag, (0,))[0] for tag in (tiff.WIDTH, tiff.HEIGHT))
    return Header("tiff", width, height, deep=tiff.deep_colour(tags), tags=tags)


def _avif(data: bytes) -> Header:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
        at = len(data) if size == 0 else at + max(size, 8)
    if at > len(data):
        raise BadPicture("truncated", "the AVIF ends before the length that it states")
    codes = data.find(b"colrnclx", 0, 1 << 16) + 8
    return Header("avif", profile=("cicp", data[codes + 1 : codes + 4 : 2]) if codes >= 8 else ("", b""))


def _ppm(data: bytes) -> Header:
    """Only that there is a header; sizes are checked when it is read."""
    if len(data) < 8:
        raise BadPicture("truncated", "the PNM ends inside its header")
    return Header("pam" if data[:2] == b"P7" else "ppm")


def _tga(data: bytes) -> Header:
    width, height = struct.unpack_from("<HH", data, 12)
    return Header("tga", width, height)


_CHECKS = {"jpeg": _jpeg, "png": _png, "webp": _webp, "gif": _gif, "bmp": _bmp, "tiff": _tiff, "avif": _avif,
           "ppm": _ppm, "tga": _tga}  # fmt: skip
