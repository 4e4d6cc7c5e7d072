"""Three captioned sets that are no part of the product, as people would drop them: folders of 32 px pictures with their words.

"soft": shapes with blurred edges on light plain grounds, words in side files. "photo": hard shapes on cuttings of photographs,
in five wordings, words in a jsonl table. "digits": real handwritten digits in colours on dark gradients, words in a csv table.
Each picture is drawn from its factors (colour, place, shape); what has no factor varies freely.

    python tests/captioned_sets.py SET FOLDER [--count 8000] [--seed 0]
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits, load_sample_images

SIDE, FINE = 32, 8

#: What is asked of each picture.
FACTORS = ("colour", "place", "shape")


@dataclass(frozen=True)
class Words:
    """The words of one set: colour word -> RGB, place words -> (x, y) of the side, shapes, wordings."""

    colours: dict[str, tuple[int, int, int]]
    places: dict[str, tuple[float, float]]
    shapes: tuple[str, ...]
    wordings: tuple[str, ...]

    def of(self, factor: str) -> tuple[str, ...]:
        """The words of a factor, in the order of its numbers."""
        return {"colour": tuple(self.colours), "place": tuple(self.places), "shape": self.shapes}[factor]


@dataclass(frozen=True)
class Made:
    """``pictures`` uint8 (N, 32, 32, 3) RGB, ``captions``, ``factors`` int (N, 3) in the order of FACTORS."""

    pictures: np.ndarray
    captions: list[str]
    factors: np.ndarray


NEAR, MIDDLE, FAR = 0.27, 0.5, 0.73
SOFT = Words(
    {"red": (205, 40, 45), "orange": (240, 140, 30), "green": (40, 150, 70), "blue": (45, 80, 200), "purple": (130, 55, 165),
     "black": (30, 30, 34)},
    {"in the upper left": (NEAR, NEAR), "at the top": (MIDDLE, NEAR), "in the upper right": (FAR, NEAR),
     "on the left": (NEAR, MIDDLE), "in the centre": (MIDDLE, MIDDLE), "on the right": (FAR, MIDDLE),
     "in the lower left": (NEAR, FAR), "at the bottom": (MIDDLE, FAR), "in the lower right": (FAR, FAR)},
    ("circle", "square", "triangle", "star", "heart"),
    ("a {colour} {shape} {place}",),
)  # fmt: skip
PHOTO = Words(
    {"crimson": (220, 20, 60), "lime": (120, 250, 30), "azure": (20, 130, 255), "gold": (255, 205, 0),
     "magenta": (245, 30, 230), "ivory": (255, 255, 240)},
    {"top-left corner": (NEAR, NEAR), "top-right corner": (FAR, NEAR), "middle": (MIDDLE, MIDDLE),
     "bottom-left corner": (NEAR, FAR), "bottom-right corner": (FAR, FAR)},
    ("disc", "plus", "crescent", "arrow", "hourglass"),
    ("{colour} {shape}, {place}", "photo with a {colour} {shape} in the {place}", "{place}: {shape}, {colour}",
     "In the {place} there is one {shape}, coloured {colour}.", "the {shape} in the {place} is {colour}"),
)  # fmt: skip
DIGITS = Words(
    {"red": (235, 60, 55), "green": (70, 210, 90), "blue": (80, 130, 255), "yellow": (245, 225, 70), "pink": (255, 130, 200),
     "white": (245, 245, 245)},
    {"at the top": (MIDDLE, NEAR), "at the bottom": (MIDDLE, FAR), "on the left": (NEAR, MIDDLE),
     "on the right": (FAR, MIDDLE), "in the centre": (MIDDLE, MIDDLE)},
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("a {size} {colour} {shape} {place}",),
)  # fmt: skip
#: Handwritten digits that no model is shown, for the judge's own test.
KEPT_BACK = 400


# ------------------------------------------------------------------------------------------------ outlines


def _star(points: int, inner: float) -> np.ndarray:
    angles = np.arange(2 * points) * np.pi / points - np.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], 1) * np.where(np.arange(2 * points) % 2, inner, 1.0)[:, None]


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 60)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([np.sin(t) ** 3, -y / 16], 1)


def _crescent() -> np.ndarray:
    outer, inner = np.linspace(0.3 * np.pi, 1.7 * np.pi, 40), np.linspace(1.58 * np.pi, 0.42 * np.pi, 40)
    rim, hollow = (np.stack([np.cos(a), np.sin(a)], 1) for a in (outer, inner))
    return np.concatenate([rim, hollow * 0.85 + np.array([0.8, 0.0])])


_ROUND = np.stack([np.cos(np.linspace(0, 2 * np.pi, 60)), np.sin(np.linspace(0, 2 * np.pi, 60))], 1)
_PLUS = np.array([(-1, -0.3), (-0.3, -0.3), (-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3)])
_OUTLINES = {
    "circle": 0.95 * _ROUND, "disc": 0.95 * _ROUND, "square": 0.85 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]),
    "triangle": np.array([(0, -1), (1, 0.8), (-1, 0.8)]), "star": 1.15 * _star(5, 0.42), "heart": _heart(),
    "plus": np.concatenate([_PLUS, -_PLUS]), "crescent": _crescent(),
    "arrow": np.array([(0, -1), (0.95, 0), (0.35, 0), (0.35, 1), (-0.35, 1), (-0.35, 0), (-0.95, 0)]),
    "hourglass": np.array([(-0.85, -1), (0.85, -1), (0.15, 0), (0.85, 1), (-0.85, 1), (-0.15, 0)]),
}  # fmt: skip


def _filled(outline: np.ndarray, centre: np.ndarray, radius: float, turn: float) -> np.ndarray:
    """How much of each pixel lies inside: float (32, 32)."""
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    mask = np.zeros((FINE * SIDE, FINE * SIDE), np.uint8)
    cv2.fillPoly(mask, [np.round((outline @ rotation * radius + centre) * FINE * SIDE).astype(np.int32)], 255)
    return cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


# ------------------------------------------------------------------------------------------------ the three sets

#: (rng, colour RGB, centre, shape word) -> picture (32, 32, 3) in 0..255, words that the caption needs beside the factors
Draw = Callable[[np.random.Generator, np.ndarray, np.ndarray, str], tuple[np.ndarray, dict[str, str]]]


def _laid(ground: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return ground * (1 - mask[..., None]) + colour * mask[..., None]


def _soft(rng: np.random.Generator, colour: np.ndarray, centre: np.ndarray, shape: str) -> tuple[np.ndarray, dict[str, str]]:
    mask = _filled(_OUTLINES[shape], centre, rng.uniform(0.17, 0.22), rng.uniform(-0.15, 0.15))
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 0.9))
    return _laid(np.broadcast_to(rng.uniform(205, 250, 3), (SIDE, SIDE, 3)), mask, colour + rng.normal(0, 6, 3)), {}


@cache
def _photographs() -> tuple[np.ndarray, ...]:
    return tuple(load_sample_images().images)


def _photo(rng: np.random.Generator, colour: np.ndarray, centre: np.ndarray, shape: str) -> tuple[np.ndarray, dict[str, str]]:
    whole = _photographs()[int(rng.integers(2))]
    side = int(rng.integers(48, 240))
    top, left = (int(rng.integers(0, length - side)) for length in whole.shape[:2])
    ground = cv2.resize(whole[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    mask = _filled(_OUTLINES[shape], centre, rng.uniform(0.18, 0.23), 0.0) >= 0.5
    return _laid(0.7 * ground.astype(np.float32), mask.astype(np.float32), colour.astype(np.float32)), {}


@cache
def _digits(kept_back: bool) -> dict[int, np.ndarray]:
    found = load_digits()
    part = slice(-KEPT_BACK, None) if kept_back else slice(None, -KEPT_BACK)
    return {k: found.images[part][found.target[part] == k] for k in range(10)}


def _handwritten(kept_back: bool) -> Draw:
    def draw(rng: np.random.Generator, colour: np.ndarray, centre: np.ndarray, shape: str) -> tuple[np.ndarray, dict[str, str]]:
        of_it = _digits(kept_back)[DIGITS.shapes.index(shape)]
        size = ("small", "large")[int(rng.integers(2))]
        side = int(rng.integers(11, 13) if size == "small" else rng.integers(15, 17))
        digit = cv2.resize(of_it[int(rng.integers(len(of_it)))].astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
        mask = np.zeros((SIDE, SIDE), np.float32)
        left, top = np.clip(np.round(centre * SIDE - side / 2), 0, SIDE - side).astype(int)
        mask[top : top + side, left : left + side] = np.clip(digit / 14, 0, 1)
        dark, way = rng.uniform(5, 75, (2, 3)), rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1) - 0.5
        share = np.clip(0.5 + x * np.cos(way) + y * np.sin(way), 0, 1)[..., None]
        return _laid(dark[0] * share + dark[1] * (1 - share), mask, colour), {"size": size}

    return draw


SETS: dict[str, Words] = {"soft": SOFT, "photo": PHOTO, "digits": DIGITS}
JITTER = 0.03


def make(name: str, count: int, seed: int = 0, kept_back: bool = False) -> Made:
    """Pictures of a set with their captions and factors; a function of its arguments."""
    words, rng = SETS[name], np.random.default_rng([seed, list(SETS).index(name)])
    draw = {"soft": _soft, "photo": _photo, "digits": _handwritten(kept_back)}[name]
    pictures, captions, factors = [], [], []
    for _ in range(count):
        row = [int(rng.integers(len(words.of(factor)))) for factor in FACTORS]
        said = {factor: words.of(factor)[k] for factor, k in zip(FACTORS, row, strict=True)}
        centre = np.array(words.places[said["place"]]) + rng.uniform(-JITTER, JITTER, 2)
        picture, more = draw(rng, np.array(words.colours[said["colour"]], np.float32), centre, said["shape"])
        pictures.append(np.clip(np.round(picture), 0, 255).astype(np.uint8))
        caption = words.wordings[int(rng.integers(len(words.wordings)))].format(**said, **more)
        captions.append(re.sub(r"\ba (?=[aeiou])", "an ", caption))
        factors.append(row)
    return Made(np.stack(pictures), captions, np.array(factors))


# ------------------------------------------------------------------------------------------------ folders


def write(name: str, folder: Path, count: int = 8000, seed: int = 0) -> Made:
    """A set as a folder of PNG with its words beside them."""
    made = make(name, count, seed)
    folder.mkdir(parents=True)
    names = [f"{i:05}.png" for i in range(count)]
    for file, picture in zip(names, made.pictures, strict=True):
        cv2.imwrite(str(folder / file), picture[..., ::-1])
    {"soft": _side_files, "photo": _jsonl, "digits": _csv}[name](folder, names, made.captions)
    return made


def _side_files(folder: Path, names: list[str], captions: list[str]) -> None:
    for file, caption in zip(names, captions, strict=True):
        (folder / file).with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")


def _jsonl(folder: Path, names: list[str], captions: list[str]) -> None:
    rows = (json.dumps({"file_name": file, "text": caption}) for file, caption in zip(names, captions, strict=True))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _csv(folder: Path, names: list[str], captions: list[str]) -> None:
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file_name", "text"), *zip(names, captions, strict=True)])


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    write(options.set, options.folder, options.count, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
