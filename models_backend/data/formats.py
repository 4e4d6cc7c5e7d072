"""Picture files by their content: which format the bytes are, their size, and whether they are whole.

Strict where decoders are lenient: a picture that ends early or whose check sums are wrong is refused with a code, so that
nothing half decoded is ever imported. Only headers and chunk structure are read here; no pixel is decoded.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

#: most pixels a picture may have (a 100-megapixel camera's), and most bytes a file may have
MAX_PIXELS = 100_000_000
MAX_BYTES = 256 << 20

#: format -> the extensions that tell the truth
EXTENSIONS = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "png": (".png", ".apng"), "webp": (".webp",), "bmp": (".bmp", ".dib"),
    "tiff": (".tif", ".tiff"), "gif": (".gif",), "avif": (".avif", ".avifs"),
}  # fmt: skip
PICTURE_EXTENSIONS = frozenset(e for extensions in EXTENSIONS.values() for e in extensions)

#: extensions of pictures that the studio does not read; a file with one of them is told, not passed over
FOREIGN_EXTENSIONS = frozenset(
    (".heic", ".heif", ".jxl", ".jp2", ".psd", ".svg", ".raw", ".cr2", ".nef", ".dng", ".exr", ".ico", ".tga")
)


class BadPicture(Exception):
    """These bytes are not a whole picture. ``code``: empty, not-a-picture, unsupported, truncated, damaged or too-large."""

    def __init__(self, code: str, reason: str):
        self.code, self.reason = code, reason
        super().__init__(reason)


@dataclass(frozen=True)
class Header:
    """What the structure tells. ``plain``: 8-bit, no transparency, no rotation that a fast decoder would miss."""

    format: str
    width: int = 0
    height: int = 0
    plain: bool = False
    grey: bool = False


def sniff(data: bytes) -> str:
    """The format of the first bytes (32 suffice), "foreign:<name>" for a picture that is not read, or ""."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _brand(data)
    head = data[:32].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return "foreign:SVG" if head.startswith(b"<svg") else ""


_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif"), (b"BM", "bmp"),
    (b"II*\0", "tiff"), (b"MM\0*", "tiff"), (b"II+\0", "tiff"), (b"MM\0+", "tiff"), (b"8BPS", "foreign:Photoshop"),
    (b"\0\0\0\x0cjP  ", "foreign:JPEG 2000"), (b"\xff\x0a", "foreign:JPEG XL"), (b"\0\0\0\x0cJXL ", "foreign:JPEG XL"),
)  # fmt: skip


def _brand(data: bytes) -> str:
    size = min(int.from_bytes(data[:4], "big"), 64)
    brands = {data[8:12]} | {data[i : i + 4] for i in range(16, size, 4)}
    if brands & {b"avif", b"avis"}:
        return "avif"
    return "foreign:HEIC" if brands & {b"heic", b"heix", b"hevc", b"mif1", b"heim"} else ""


def inspect(data: bytes) -> Header:
    """The header of a whole picture. Raises BadPicture."""
    if not data:
        raise BadPicture("empty", "the file has no bytes")
    found = sniff(data)
    if found.startswith("foreign:"):
        raise BadPicture("unsupported", f"{found[8:]} pictures are not read; convert it to PNG or JPEG")
    if not found:
        raise BadPicture("not-a-picture", f"the content is not a picture{_guess(data)}")
    header = _CHECKS[found](data) if found in _CHECKS else Header(found)
    check_size(header.width, header.height)
    return header


def check_size(width: int, height: int) -> None:
    """Raises BadPicture for more pixels than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise BadPicture(
            "too-large", f"{width} × {height} pixels are more than the limit of {MAX_PIXELS // 10**6} megapixels"
        )  # fmt: skip


def _guess(data: bytes) -> str:
    for magic, name in ((b"PK", "a ZIP archive"), (b"%PDF", "a PDF"), (b"\x7fELF", "a program"), (b"MZ", "a program")):
        if data.startswith(magic):
            return f" but {name}"
    head = data[:256]
    if head.lstrip()[:1] == b"<":
        return " but a web page or XML"
    printable = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)
    return " but text" if printable > 0.95 * len(head) else ""


# ------------------------------------------------------------------------------------------------ JPEG

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(data: bytes) -> Header:
    """Walks the segments to the first scan, then asks for the end marker (entropy-coded data cannot contain it)."""
    at, size, exif, grey = 2, None, False, False
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
            grey = data[at + 9] == 1
        if marker == 0xE1 and data[at + 4 : at + 8] == b"Exif":
            exif = True
        if marker in (0xD9, 0xDA):
            break
        at += 2 + length
    if size is None or marker == 0xD9:
        raise BadPicture("damaged", "the JPEG holds no picture")
    if data.rfind(b"\xff\xd9") < at:
        raise BadPicture("truncated", "the JPEG ends before its last line")
    if 0 in size:
        raise BadPicture("damaged", "the JPEG says that it has no lines")
    return Header("jpeg", size[1], size[0], plain=not exif, grey=grey)


# ------------------------------------------------------------------------------------------------ PNG


def _png(data: bytes) -> Header:
    """Walks all chunks with their check sums; needs IHDR, image data and IEND."""
    at, names = 8, set()
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
        names.add(name)
        at = stop + 4
    if data[12:16] != b"IHDR" or b"IDAT" not in names:
        raise BadPicture("damaged", "the PNG holds no picture")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if not (width and height):
        raise BadPicture("damaged", "the PNG says that it has no pixels")
    plain = depth == 8 and colour in (0, 2) and not names & {b"tRNS", b"eXIf", b"acTL"}
    return Header("png", width, height, plain, colour in (0, 4))


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
    return Header("tiff")


def _avif(data: bytes) -> Header:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        size = int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else size
        at = len(data) if size == 0 else at + max(size, 8)
    if at > len(data):
        raise BadPicture("truncated", "the AVIF ends before the length that it states")
    return Header("avif")


_CHECKS = {"jpeg": _jpeg, "png": _png, "webp": _webp, "gif": _gif, "bmp": _bmp, "tiff": _tiff, "avif": _avif}
