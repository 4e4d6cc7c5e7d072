"""A folder as people have it: 120 photographs of many sizes and formats in class folders, some of them with captions.

They are pieces of the two photographs that scikit-learn ships, and two files that cannot be read. ``make(folder)`` writes them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

CLASSES = ("temple", "garden", "details")
GOOD, CAPTIONED = 120, 78  # of three photographs, about two have a caption
#: What is done on the way: a caption written, a class renamed, items left out, another size; and the titles of the runs.
CAPTION, CLASS, LEFT_OUT, RESOLUTION = "petals of an orange dahlia", "close-ups", 10, 16
TITLE, SECOND = "Dahlias and temples", "The other one"
BROKEN = ("temple/cut off.jpg", "garden/letter.png")
WORDS = {"temple": "a temple roof under a grey sky", "garden": "a red flower before leaves", "details": "a detail close by"}


@dataclass
class Photographs:
    """What lies in the folder: class -> names of good files, those with a caption, and what each shows as (H, W, 3) uint8."""

    names: dict[str, list[str]] = field(default_factory=dict)
    captions: dict[str, str] = field(default_factory=dict)
    seen: dict[str, np.ndarray] = field(default_factory=dict)


def make(folder: Path, good: int = GOOD, captioned: int = CAPTIONED) -> Photographs:
    """Writes the folder; captions stand beside every picture but each third, until there are enough."""
    chance, found = np.random.default_rng(5), Photographs({name: [] for name in CLASSES})
    whole = dict(zip(("temple", "garden"), load_sample_images().images, strict=True))
    for n in range(good):
        kind = CLASSES[n % 3]
        piece = _piece(whole[kind if kind in whole else ("temple", "garden")[n % 2]], chance, close=kind == "details")
        suffix, content, seen = FORMATS[n // 3 % len(FORMATS)](piece)
        name = f"{kind}/{PREFIXES[n % 4]}{n:04d}{suffix}"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        found.names[kind].append(name)
        found.seen[name] = seen
        if n // 3 % 3 and len(found.captions) < captioned:
            found.captions[name] = f"{WORDS[kind]}, number {n}"
            path.with_suffix(".txt").write_text(found.captions[name] + "\n", encoding="utf-8")
    (folder / BROKEN[0]).write_bytes(_saved(whole["temple"], "JPEG")[:9000])
    (folder / BROKEN[1]).write_text("Dear grandmother, the pictures follow tomorrow.\n" * 20)
    return found


PREFIXES = ("IMG_", "DSC0", "photo ", "Ausflug_")


def _piece(photograph: np.ndarray, chance: np.random.Generator, close: bool) -> np.ndarray:
    """A piece of a photograph, of a size and shape of its own."""
    height, width = photograph.shape[:2]
    tall, wide = (int(chance.integers(*((90, 150) if close else (180, 400)))) for _ in range(2))
    top, left = int(chance.integers(0, height - tall)), int(chance.integers(0, width - wide))
    return np.ascontiguousarray(photograph[top : top + tall, left : left + wide])


def _saved(pixels: np.ndarray, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format, **options)
    return stream.getvalue()


def _plain(suffix: str, format: str, mode: str = "RGB", **options: object):
    def written(piece: np.ndarray) -> tuple[str, bytes, np.ndarray]:
        image, stream = Image.fromarray(piece).convert(mode), io.BytesIO()
        image.save(stream, format, **options)
        return suffix, stream.getvalue(), np.asarray(image.convert("RGB"))

    return written


def _on_its_side(piece: np.ndarray) -> tuple[str, bytes, np.ndarray]:
    """As telephones write: lying, with the tag that says how to stand it up."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = np.ascontiguousarray(np.rot90(piece))
    return ".jpg", _saved(lying, "JPEG", quality=92, exif=exif), piece


FORMATS = (
    _plain(".jpg", "JPEG", quality=92), _on_its_side, _plain(".png", "PNG"), _plain(".webp", "WEBP", quality=92),
    _plain(".jpg", "JPEG", "L", quality=92), _plain(".jpeg", "JPEG", "CMYK", quality=92), _plain(".JPG", "JPEG", quality=80),
    _plain(".png", "PNG", "L"),
)  # fmt: skip
