"""What is seen in pictures of one or two coloured objects on a dark ground: shape, colour, size and place, from pixels alone.

Written without the renderer's geometry: an object's cover is measured by how bright it is, its outline by how much of it
lies in sectors around its middle, a hole by an empty middle, a point upwards by the skewness of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

#: Names and typical inks (RGB), as a person would name them; of ``data.scenes`` only the order is shared.
INKS = {
    "red": (225, 50, 50), "green": (50, 190, 80), "blue": (60, 95, 240), "yellow": (240, 220, 60), "purple": (165, 65, 205),
    "orange": (240, 140, 40), "cyan": (70, 215, 230), "white": (240, 240, 240),
}  # fmt: skip
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
#: Share of diagonal to straight cover below which an outline is a cross, a diamond, a circle; else a square.
OUTLINES = ((0.52, "cross"), (0.82, "diamond"), (1.28, "circle"))
SMALL, LARGE = 0.1425, 0.1825  # radii between small, medium and large, of the side


@dataclass(frozen=True)
class Seen:
    """One object; -1 where nothing can be told. Lengths are fractions of the side."""

    shape: int = -1
    colour: int = -1
    size: int = -1
    place: int = -1
    x: float = 0.0
    y: float = 0.0


def read(picture: np.ndarray, objects: int = 1) -> list[Seen]:
    """The ``objects`` largest things in a picture uint8 (H, W, 3), largest first; fewer where there are fewer."""
    picture = picture.astype(np.float64)
    ground = np.median(np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]), 0)
    bright = np.abs(picture - ground).max(-1)
    marks, count = ndimage.label(bright > 45, np.ones((3, 3)))
    sizes = ndimage.sum_labels(bright, marks, range(1, count + 1)) if count else []
    found = []
    for mark in 1 + np.argsort(sizes)[::-1][:objects]:
        area = ndimage.binary_dilation(marks == mark)
        seen = _object(picture, ground, np.where(area, bright, 0.0))
        if seen is not None:
            found.append(seen)
    return found


def _object(picture: np.ndarray, ground: np.ndarray, bright: np.ndarray) -> Seen | None:
    side = picture.shape[0]
    core = bright > 0.85 * bright.max()
    if bright.max() < 60 or core.sum() < 3:
        return None
    ink = np.median(picture[core], 0)
    way = ink - ground
    cover = np.clip(((picture - ground) @ way) / (way @ way), 0, 1) * (bright > 0)
    area = cover.sum()
    if area < 6 or area > 0.5 * side * side:
        return None
    grid = np.arange(side) + 0.5
    columns, rows = cover.sum(0), cover.sum(1)
    left, right, top, bottom = *_ends(cover.max(0)), *_ends(cover.max(1))
    middle, radius = ((left + right) / 2, (top + bottom) / 2), max(right - left, bottom - top) / 2
    if radius < 1.5 or min(right - left, bottom - top) < 0.6 * 2 * radius:
        return None
    colours = np.array(list(INKS.values()), np.float64)
    away = np.linalg.norm(colours - ink, axis=1)
    x, y = float(columns @ grid / area / side), float(rows @ grid / area / side)
    size = int(radius / side > SMALL) + int(radius / side > LARGE)
    place = 3 * int(np.digitize(middle[1] / side, (0.37, 0.63))) + int(np.digitize(middle[0] / side, (0.37, 0.63)))
    colour = int(away.argmin()) if away.min() < 60 else -1
    return Seen(SHAPES.index(_shape(cover, rows, grid, middle, radius)), colour, size, place, x, y)


def _ends(profile: np.ndarray) -> tuple[float, float]:
    """Where a run of cover begins and ends, its border pixels counted by their cover."""
    inside = np.flatnonzero(profile > 0.08)
    first, last = inside[0], inside[-1]
    return first + 1 - profile[first], last + profile[last]


def _shape(cover: np.ndarray, rows: np.ndarray, grid: np.ndarray, middle: tuple[float, float], radius: float) -> str:
    dx, dy = grid[None] - middle[0], grid[:, None] - middle[1]
    distance = np.hypot(dx, dy) / radius
    inner = distance < 0.34
    if (cover * inner).sum() < 0.45 * inner.sum():
        return "ring"
    share = rows / rows.sum()
    off = grid - share @ grid
    skew = (share @ off**3) / (share @ off**2) ** 1.5
    if abs(skew) > 0.3:
        return "triangle"
    # cover weighted smoothly by direction: cos^2 of four times the angle's half favours straight, sin^2 diagonal directions
    turned = np.cos(4 * np.arctan2(dy, dx))
    outer = distance > 0.34
    straight = (cover * outer * np.clip(turned, 0, 1)).sum()
    diagonal = (cover * outer * np.clip(-turned, 0, 1)).sum()
    ratio = diagonal / max(straight, 1e-9)
    return next((name for limit, name in OUTLINES if ratio < limit), "square")
