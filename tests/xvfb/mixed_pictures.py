"""A stranger's folder: pictures of many formats, sizes and kinds, and bad files in twenty ways among them.

``make(folder, good, bad)`` writes it and returns what an import must find. Every good picture is coarse coloured blobs of a
seed of its own, so that a thumbnail can be told to belong to its file whatever format lay between.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "data"))

from bad_files import KINDS as BAD_KINDS

CLASSES = ("birds", "boats", "bridges", "buildings")
OTHERS_EVERY = 5  # one picture in so many is not a plain 256 x 256 JPEG

#: kinds of bad files, those of tests/data/bad_files.py, and two that are no regular files
BAD = ("empty.jpg", "cut.jpg", "cut-in-header.jpg", "hole.jpg", "cut.png", "bit-rot.png", "short-rows.png", "claims-60000.png",
       "bomb.png", "cut.webp", "cut.gif", "cut.bmp", "negative.bmp", "cut.tiff", "cut.avif", "page.jpg", "zeros.tif",
       "phone.heic", "pipe.jpg", "dangling.jpg")  # fmt: skip


@dataclass
class Mixed:
    """What lies in the folder: ``good`` path -> seen as (64, 64, 3) uint8, ``bad`` path -> code of the reason."""

    good: dict[str, np.ndarray] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    mislabelled: int = 0


def blobs(seed: int, width: int = 256, height: int = 256) -> np.ndarray:
    """Coarse coloured blobs: uint8 (height, width, 3), different for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """The central square at 64 px, as the window shows it."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    how = cv2.INTER_AREA if side > 64 else cv2.INTER_CUBIC
    return cv2.resize(pixels[top : top + side, left : left + side], (64, 64), interpolation=how)


def _saved(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


Kind = Callable[[int], tuple[str, bytes, np.ndarray]]  # seed -> (extension, bytes, what is seen)


def _plain(extension: str, format: str, width: int = 256, height: int = 256, mode: str = "RGB", **options: object) -> Kind:
    def make(seed: int) -> tuple[str, bytes, np.ndarray]:
        image = Image.fromarray(blobs(seed, width, height)).convert(mode)
        return extension, _saved(image, format, **options), np.asarray(image.convert("RGB"))

    return make


def _deep(extension: str, format: str) -> Kind:
    """16 bits of grey."""

    def make(seed: int) -> tuple[str, bytes, np.ndarray]:
        grey = cv2.cvtColor(blobs(seed), cv2.COLOR_RGB2GRAY)
        return extension, _saved(Image.fromarray(grey.astype(np.uint16) * 257), format), np.dstack([grey] * 3)

    return make


def _half_clear(seed: int) -> tuple[str, bytes, np.ndarray]:
    """The right half is transparent: it is seen on white."""
    seen = blobs(seed)
    layers = np.dstack([seen, np.full(seen.shape[:2], 255, np.uint8)])
    layers[:, 128:, 3] = 0
    seen[:, 128:] = 255
    return ".png", _saved(Image.fromarray(layers), "PNG"), seen


def _on_its_side(seed: int) -> tuple[str, bytes, np.ndarray]:
    """Stored lying, with the tag that says how to stand it up."""
    upright, exif = blobs(seed, 300, 400), Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
    return ".jpg", _saved(lying, "JPEG", quality=90, exif=exif), upright


def _moving(seed: int) -> tuple[str, bytes, np.ndarray]:
    """An animation: its first frame counts."""
    seen = blobs(seed, 128, 128)
    return ".gif", _saved(Image.fromarray(seen), "GIF", save_all=True, append_images=[Image.new("RGB", (128, 128))]), seen


JPEG = _plain(".jpg", "JPEG", quality=90)
OTHERS: tuple[Kind, ...] = (
    _plain(".png", "PNG"), _plain(".png", "PNG", 48, 48), _plain(".png", "PNG", 8, 8), _plain(".png", "PNG", mode="P"),
    _deep(".png", "PNG"), _half_clear, _plain(".webp", "WEBP", 320, 200, quality=85),
    _plain(".webp", "WEBP", lossless=True), _plain(".gif", "GIF", 128, 96), _moving, _plain(".bmp", "BMP", 200, 150),
    _plain(".tiff", "TIFF", compression="tiff_lzw"), _deep(".tif", "TIFF"), _plain(".avif", "AVIF", 192, 192, quality=80),
    _plain(".jpeg", "JPEG", 640, 480, quality=85, progressive=True), _plain(".jpg", "JPEG", mode="L", quality=90),
    _plain(".jpg", "JPEG", mode="CMYK", quality=92), _on_its_side, _plain(".jpg", "JPEG", 1920, 1280, quality=85),
    _plain(".jpg", "PNG", 96, 96), _plain(".png", "JPEG", 300, 300, quality=90),
)  # fmt: skip
MISLABELLED = 2  # the last of OTHERS


def make(folder: Path, good: int, bad: int, first_seed: int = 0) -> Mixed:
    """Writes ``good`` pictures and ``bad`` files (each way as often as the others) into class folders."""
    found = Mixed()
    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for n in range(good):
        kind = n // OTHERS_EVERY % len(OTHERS) if n % OTHERS_EVERY == 0 else -1
        extension, data, seen = (JPEG if kind < 0 else OTHERS[kind])(first_seed + n)
        path = folder / CLASSES[n % len(CLASSES)] / f"{_name(n)}{extension}"
        path.write_bytes(data)
        found.good[str(path)] = thumbnail(seen)
        found.mislabelled += kind >= len(OTHERS) - MISLABELLED
    contents: dict[str, bytes] = {}
    for n in range(bad):
        kind = BAD[n % len(BAD)]
        path = folder / CLASSES[n % len(CLASSES)] / f"{n:05d}-{kind}"
        found.bad[str(path)] = _spoil(path, kind, contents)
    return found


def _name(n: int) -> str:
    """Names as they come: numbers mostly, some with what a shell or a list would stumble over."""
    odd = {7: f"{n:05d} two\nlines", 8: f"{n:05d} " + "w" * 244, 9: f"{n:05d} 数 ü “quoted”", 10: f"  {n:05d} & spaces "}
    return odd.get(n, f"{n:05d}")


def _spoil(path: Path, kind: str, contents: dict[str, bytes]) -> str:
    """Writes one bad file; returns the code that its line must carry."""
    if kind == "pipe.jpg":
        os.mkfifo(path)
        return "special-file"
    if kind == "dangling.jpg":
        path.symlink_to(path.parent / "nowhere.jpg")
        return "gone"
    code, content = BAD_KINDS[kind]
    if kind not in contents:
        contents[kind] = content()
    path.write_bytes(contents[kind])
    return code
