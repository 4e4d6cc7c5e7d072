"""What is seen in pictures of one or two coloured objects on a ground: shape, colour, size and place, from pixels alone.

Written against the meaning of the words and sharing no code with the renderer: things are connected regions that stand out
from the border, a colour is a hue, a shape is the one whose ideal of the same area and middle fits best, a size is the radius
that gives the area. A border pixel counts by its cover, so that 16 pixels a side are enough.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

#: Of ``data.scenes`` only the words and their order are shared.
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "white")
#: Typical inks (RGB): in a thin outline no pixel may be covered whole, and its cover must still be told.
INKS = np.array([[225, 50, 50], [50, 190, 80], [60, 95, 240], [240, 220, 60], [165, 65, 205], [240, 140, 40], [70, 215, 230],
                 [240, 240, 240]], np.float64)  # fmt: skip
#: What the words mean, about the centre of gravity at radius 1 (x to the right, y down): where it is ink. Area of each there.
MEANING: dict[str, tuple[Callable[[NDArray, NDArray], NDArray], float]] = {
    "circle": (lambda x, y: x * x + y * y < 1, 3.14),
    "square": (lambda x, y: np.maximum(abs(x), abs(y)) < 0.9, 3.24),
    "triangle": (lambda x, y: (y < 0.62) & (y > -1.24 + 1.86 * abs(x)), 1.86),
    "diamond": (lambda x, y: abs(x) + abs(y) < 1.05, 2.2),
    "cross": (lambda x, y: (np.maximum(abs(x), abs(y)) < 1) & (np.minimum(abs(x), abs(y)) < 0.36), 2.36),
    "ring": (lambda x, y: (x * x + y * y < 1) & (x * x + y * y > 0.27), 2.29),
}
SHAPES = tuple(MEANING)
#: A thing that differs from every shape by more than this share of its area (squared) is none.
UNLIKE = 0.3
#: Hue in degrees up to which a colour has its name; less saturated than ``PALE`` is white; dimmer than ``DARK`` is nothing.
HUES = ((15, "red"), (41, "orange"), (80, "yellow"), (160, "green"), (207, "cyan"), (255, "blue"), (320, "purple"),
        (360, "red"))  # fmt: skip
PALE, DARK = 0.3, 60.0
SIZES = (0.1425, 0.1825)  # radii between small, medium and large, of the side
PLACES = (0.37, 0.63)  # between left, centre and right, and between top, middle and bottom, of the side
#: What is smaller than this share of the largest thing is a speck.
SPECK = 0.2
FINE = 5  # lines of a pixel at which an ideal is looked up


@dataclass(frozen=True)
class Seen:
    """One object; -1 where nothing can be told. Lengths are fractions of the side."""

    shape: int = -1
    colour: int = -1
    size: int = -1
    place: int = -1
    x: float = 0.0
    y: float = 0.0


def read(picture: NDArray[np.uint8]) -> list[Seen]:
    """The things in a picture (H, W, 3), largest first, without specks."""
    pixels = picture.astype(np.float64)
    ground = np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), 0)
    strength = np.linalg.norm(pixels - ground, axis=2)
    if strength.max() < DARK:
        return []
    standing = (strength > 0.33 * strength.max()).astype(np.uint8)
    _, regions, stats, _ = cv2.connectedComponentsWithStats(standing, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    big = [1 + i for i in np.argsort(-areas, kind="stable") if areas[i] >= max(3, SPECK * areas.max())]
    return [_thing(pixels, ground, _around(regions, mark)) for mark in big]


def _around(regions: NDArray[np.int32], mark: int) -> NDArray[np.bool_]:
    """The region with the pixels that it touches, which other regions keep."""
    grown = cv2.dilate((regions == mark).astype(np.uint8), np.ones((3, 3), np.uint8))
    return (grown > 0) & ((regions == mark) | (regions == 0))


def _thing(pixels: NDArray, ground: NDArray, region: NDArray[np.bool_]) -> Seen:
    away = pixels - ground
    side, strength = len(region), np.linalg.norm(away, axis=2) * region
    full = strength > 0.9 * strength.max()
    colour = _colour(pixels[full].mean(0))
    ink = _ink(away[full].mean(0), INKS[colour] - ground)
    cover = np.clip(away @ (ink / (ink @ ink)), 0, 1) * region
    area = float(cover.sum())
    rows, columns = np.mgrid[:side, :side] + 0.5
    x, y = float((cover * columns).sum() / area), float((cover * rows).sum() / area)
    shape, unlike = _shape(cover, area, x, y)
    if unlike > UNLIKE or area > 0.5 * side * side:
        return Seen(colour=colour, x=x / side, y=y / side)
    size = int(np.digitize(np.sqrt(area / MEANING[SHAPES[shape]][1]) / side, SIZES))
    place = 3 * int(np.digitize(y / side, PLACES)) + int(np.digitize(x / side, PLACES))
    return Seen(shape, colour, size, place, x / side, y / side)


def _shape(cover: NDArray, area: float, x: float, y: float) -> tuple[int, float]:
    """The shape whose ideal of that area and middle is most like the cover, and by what share of the area they differ."""
    rows, columns = _window(cover.any(1)), _window(cover.any(0))
    seen = cover[rows, columns]
    across, down = _lines(columns)[None] - x, _lines(rows)[:, None] - y
    unlike = []
    for inside, ideal in MEANING.values():
        radius = np.sqrt(area / ideal)
        drawn = inside(across / radius, down / radius)
        share = drawn.reshape(seen.shape[0], FINE, seen.shape[1], FINE).mean((1, 3))
        unlike.append(float(((seen - share) ** 2).sum()) / area)
    return int(np.argmin(unlike)), min(unlike)


def _window(covered: NDArray[np.bool_]) -> slice:
    """From first to last, and a little more: a shape that reaches farther than what is seen must show."""
    where = np.flatnonzero(covered)
    return slice(max(0, where[0] - 2), min(len(covered), where[-1] + 3))


def _lines(window: slice) -> NDArray[np.float64]:
    """The fine lines across a window of pixels."""
    return (np.arange(window.start * FINE, window.stop * FINE) + 0.5) / FINE


def _ink(seen: NDArray, typical: NDArray) -> NDArray:
    """The ink over the ground that a whole pixel would have: the typical one, if what was seen is most of it."""
    return typical if 0.6 < np.linalg.norm(seen) / np.linalg.norm(typical) < 1.0 else seen


def _colour(ink: NDArray) -> int:
    """The colour's name by its hue, as an index into COLOURS."""
    hue, saturation, _ = colorsys.rgb_to_hsv(*(float(c) for c in ink))
    return COLOURS.index("white" if saturation < PALE else next(name for limit, name in HUES if 360 * hue <= limit))
