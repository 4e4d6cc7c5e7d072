"""Items as pictures: model tensors to bytes, contact sheets, film strips, and points as a raster of their density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

GROUND = (14, 16, 20)

# the density of points, from none to most: dark ground over indigo and rose to cream
_RAMP = np.array([GROUND, (58, 52, 130), (140, 70, 170), (232, 100, 122), (252, 176, 110), (255, 244, 214)], np.float32)


def to_uint8(items: Any) -> np.ndarray:
    """(N, C, H, W) in [-1, 1] (a tensor or array) -> uint8 (N, H, W, C). Values that are not finite become the mid grey;
    uint8 is taken as pictures already."""
    if hasattr(items, "detach"):
        items = items.detach().float().cpu().numpy()
    items = np.asarray(items)
    if items.dtype == np.uint8:
        return items
    values = np.nan_to_num(items.astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
    pixels = np.round((np.clip(values, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(pixels, 1, -1))


def at_levels(pictures: np.ndarray, levels: Sequence[int]) -> np.ndarray:
    """uint8 pictures with every value moved to the nearest of ``levels``; as they are where there are none."""
    if not len(levels):
        return pictures
    known = np.sort(np.asarray(levels, np.int16))
    nearest = np.abs(np.arange(256, dtype=np.int16)[:, None] - known).argmin(1)
    return known.astype(np.uint8)[nearest][pictures]


def rgb(pictures: np.ndarray) -> np.ndarray:
    """uint8 (..., 1 or 3) -> (..., 3)."""
    return np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures


def enlarged(picture: np.ndarray, scale: int) -> np.ndarray:
    """Each pixel (H, W, C) as a block of ``scale`` x ``scale``."""
    return picture.repeat(scale, axis=0).repeat(scale, axis=1) if scale > 1 else picture


def fitting_scale(width: int, height: int, wanted: int = 768, most: int = 16) -> int:
    """The whole enlargement that brings a picture to about ``wanted`` pixels."""
    return max(1, min(most, wanted // max(width, height, 1)))


def contact_sheet(items: np.ndarray, columns: int = 0, gap: int = 1, ground: tuple[int, int, int] = GROUND) -> np.ndarray:
    """Pictures uint8 (N, H, W, C) in rows of ``columns`` (0: about square, without empty places where that can be) ->
    (H', W', 3). Empty places show the ground."""
    count, height, width = items.shape[:3]
    columns = min(columns or _columns(count), max(count, 1))
    rows = math.ceil(count / columns)
    sheet = np.empty((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), np.uint8)
    sheet[:] = ground
    for i, picture in enumerate(rgb(items)):
        top, left = (i // columns) * (height + gap) + gap, (i % columns) * (width + gap) + gap
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _columns(count: int) -> int:
    """The least number of whole rows' columns, up to three times as wide as high; else so many that it is about square."""
    side = math.ceil(math.sqrt(count))
    return next((wide for wide in range(side, math.isqrt(3 * count) + 1) if wide and count % wide == 0), side)


def bounds_of(points: np.ndarray) -> tuple[float, float, float, float]:
    """(left, right, bottom, top) that hold 99.8 % of points (N, D >= 2) with a margin, of equal scale in both."""
    finite = points[np.isfinite(points).all(-1)][:, :2]
    if not len(finite):
        return (-1.0, 1.0, -1.0, 1.0)
    low, high = np.quantile(finite, [0.001, 0.999], axis=0)
    centre, half = (low + high) / 2, 0.55 * max(float((high - low).max()), 1e-6)
    return (centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half)


def points_picture(points: np.ndarray, size: int = 640, bounds: tuple[float, float, float, float] | None = None) -> np.ndarray:
    """Points (N, D >= 2) as uint8 (size, size, 3): how many fall near each pixel, on a logarithmic ramp, y upwards."""
    left, right, bottom, top = bounds or bounds_of(points)
    finite = points[np.isfinite(points).all(-1)].astype(np.float64)
    edges = [[bottom, top], [left, right]]
    counts, _, _ = np.histogram2d(finite[:, 1], finite[:, 0], bins=size, range=edges)
    spread = _softened(counts[::-1], max(1, round(size / 320)))
    level = np.log1p(spread) / max(float(np.log1p(spread).max()), 1e-9)
    return _ramped(level)


def _softened(counts: np.ndarray, radius: int) -> np.ndarray:
    """Each point as a small disc: a separable triangular kernel of that radius."""
    weights = 1.0 - np.abs(np.arange(-radius, radius + 1)) / (radius + 1)
    for axis in (0, 1):
        counts = sum(w * np.roll(counts, k, axis) for k, w in zip(range(-radius, radius + 1), weights))
    return counts


def _ramped(level: np.ndarray) -> np.ndarray:
    at = np.clip(level, 0, 1) * (len(_RAMP) - 1)
    index = np.minimum(at.astype(int), len(_RAMP) - 2)
    share = (at - index)[..., None]
    return np.round(_RAMP[index] * (1 - share) + _RAMP[index + 1] * share).astype(np.uint8)
