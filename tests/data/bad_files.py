"""Twenty-odd kinds of bad files, and good pictures beside them: what an import from a stranger's disk meets.

``make_bad(folder)`` writes one of each kind and returns file name -> code of the reason that the report must give.
``make_good(folder, count)`` writes distinct JPEG pictures. Used by the tests of the importer and of the window.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, side: int = 64, channels: int = 3) -> np.ndarray:
    """A picture with structure of its own: uint8 (side, side[, 3]), smooth blobs, different for every seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
    pixels = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    return pixels if channels == 3 else pixels[..., 0]


def encoded(format: str, seed: int = 0, side: int = 64, **options: object) -> bytes:
    """A picture as the bytes of a file."""
    stream = io.BytesIO()
    Image.fromarray(picture(seed, side)).save(stream, format, **options)
    return stream.getvalue()


def make_good(folder: Path, count: int, side: int = 64, first_seed: int = 1000) -> list[Path]:
    """``count`` JPEG pictures named 00000.jpg and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{i:05d}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        path.write_bytes(encoded("JPEG", first_seed + i, side, quality=90))
    return paths


# ------------------------------------------------------------------------------------------------ building blocks


def chunk(name: bytes, data: bytes) -> bytes:
    """A PNG chunk with its check sum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, body: bytes, colour: int = 2, depth: int = 8) -> bytes:
    """A PNG of any claimed size."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body, 9)) + chunk(b"IEND", b"")


def png_bomb() -> bytes:
    """20,000 x 20,000 black pixels in about 1.6 MB: 1.2 GB once decoded. One packed row, repeated."""
    packer, row = zlib.compressobj(9, zlib.DEFLATED, -15), 20_000 * 3 + 1
    packed = packer.compress(bytes(row)) + packer.flush(zlib.Z_FULL_FLUSH)
    check = (20_000 * row % 65521) << 16 | 1  # Adler-32 of that many zeros
    body = b"\x78\xda" + packed * 20_000 + packer.flush() + struct.pack(">I", check)
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def flipped(data: bytes, at: float) -> bytes:
    """One byte changed."""
    changed = bytearray(data)
    changed[int(len(data) * at)] ^= 0x5A
    return bytes(changed)


def cut(data: bytes, share: float) -> bytes:
    """Only the first part."""
    return data[: int(len(data) * share)]


def hole(data: bytes, at: float, size: int) -> bytes:
    """A piece out of the middle missing."""
    start = int(len(data) * at)
    return data[:start] + data[start + size :]


def with_size(data: bytes, offset: int, form: str, *size: int) -> bytes:
    """The size in a header overwritten."""
    changed = bytearray(data)
    struct.pack_into(form, changed, offset, *size)
    return bytes(changed)


# ------------------------------------------------------------------------------------------------ the kinds

JPEG_NOISE = np.random.default_rng(5).integers(0, 256, (96, 96, 3), np.uint8)


def _noisy_jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(JPEG_NOISE).save(stream, "JPEG", quality=90)
    return stream.getvalue()


#: file name -> (code, bytes)
KINDS = {
    "empty.jpg": ("empty", lambda: b""),
    "cut.jpg": ("truncated", lambda: cut(encoded("JPEG"), 0.6)),
    "cut-in-header.jpg": ("truncated", lambda: encoded("JPEG")[:30]),
    "cut-by-two-bytes.jpg": ("truncated", lambda: encoded("JPEG")[:-2]),
    "hole.jpg": ("damaged", lambda: hole(_noisy_jpeg(), 0.5, 400)),
    "no-picture.jpg": ("damaged", lambda: b"\xff\xd8\xff\xd9" + bytes(64)),
    "cut.png": ("truncated", lambda: cut(encoded("PNG"), 0.5)),
    "bit-rot.png": ("damaged", lambda: flipped(encoded("PNG"), 0.6)),
    "no-pixels.png": ("damaged", lambda: png(0, 0, b"")),
    "short-rows.png": ("damaged", lambda: png(64, 64, bytes(500))),
    "claims-60000.png": ("too-large", lambda: png(60_000, 60_000, b"\0")),
    "bomb.png": ("too-large", png_bomb),
    "cut.webp": ("truncated", lambda: cut(encoded("WEBP", lossless=True), 0.7)),
    "cut.gif": ("truncated", lambda: cut(encoded("GIF"), 0.7)),
    "claims-65535.gif": ("too-large", lambda: with_size(encoded("GIF"), 6, "<HH", 65535, 65535)),
    "cut.bmp": ("truncated", lambda: cut(encoded("BMP"), 0.5)),
    "negative.bmp": ("damaged", lambda: with_size(encoded("BMP"), 18, "<i", -5)),
    "claims-billions.bmp": ("too-large", lambda: with_size(encoded("BMP"), 18, "<ii", 50_000, 50_000)),
    "cut.tiff": ("truncated", lambda: cut(encoded("TIFF"), 0.5)),
    "cut.avif": ("truncated", lambda: cut(encoded("AVIF"), 0.6)),
    "text.png": ("not-a-picture", lambda: b"This is a letter, not a picture.\n" * 20),
    "page.jpg": ("not-a-picture", lambda: b"<!DOCTYPE html><html><body>404 not found</body></html>"),
    "document.jpeg": ("not-a-picture", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 4),
    "noise.webp": ("not-a-picture", lambda: bytes(np.random.default_rng(1).integers(128, 256, 4096, np.uint8))),
    "zeros.tif": ("not-a-picture", lambda: bytes(4096)),
    "phone.heic": ("unsupported", lambda: struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(100)),
    "drawing.svg": ("unsupported", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
}


def make_bad(folder: Path, links: bool = True) -> dict[str, str]:
    """One file of each kind in ``folder``; name -> code. ``links``: also a pipe, a dangling link and a circle of links."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, make) in KINDS.items():
        (folder / name).write_bytes(make())
    codes = {name: code for name, (code, _) in KINDS.items()}
    if links and hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
        (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
        (folder / "circle.jpg").symlink_to(folder / "circle.jpg")
        codes |= {"pipe.jpg": "special-file", "dangling.jpg": "gone", "circle.jpg": "gone"}
    return codes
