"""Many points as a picture: counts in pixels, through a colour map. 100,000 points take about a millisecond."""

from __future__ import annotations

import numpy as np

from nexus_studio.pictures import color_map

Bounds = tuple[float, float, float, float]


def bounds_of(points: np.ndarray, margin: float = 0.08) -> Bounds:
    """left, right, bottom, top holding the points (N, 2) but for the outermost 0.1 %, square, with a margin."""
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(finite):
        return (-1.0, 1.0, -1.0, 1.0)
    low, high = np.quantile(finite, (0.001, 0.999), axis=0)
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-6) * (1 + margin)
    return (float(middle[0] - half), float(middle[0] + half), float(middle[1] - half), float(middle[1] + half))


def counted(points: np.ndarray, bounds: Bounds, width: int, height: int) -> np.ndarray:
    """How many points (N, 2) fall in each pixel: (height, width), first row on top."""
    left, right, bottom, top = bounds
    x = (points[:, 0] - np.float32(left)) * np.float32(width / (right - left))
    y = (np.float32(top) - points[:, 1]) * np.float32(height / (top - bottom))
    with np.errstate(invalid="ignore"):
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = y[inside].astype(np.int32) * width + x[inside].astype(np.int32)
    return np.bincount(place, minlength=width * height).reshape(height, width)


def raster(
    points: np.ndarray, bounds: Bounds, width: int, height: int, colors: str = "magma", on_dark: bool = True
) -> np.ndarray:
    """The density of points (N, 2) as uint8 (height, width, 4); empty is clear. It grows with the square root from dim to
    bright on a dark ground, from light to dark on a light one."""
    counts = counted(points, bounds, width, height)
    filled = counts[counts > 0]
    peak = int(np.quantile(filled[:: max(1, len(filled) // 4000)], 0.99)) if len(filled) else 1
    shades = np.zeros((max(1, peak) + 1, 4), dtype=np.uint8)
    level = np.sqrt(np.arange(1, len(shades)) / max(1, peak))
    shade = 90 + level * 165 if on_dark else 190 - level * 150
    shades[1:, :3] = color_map(colors)[shade.astype(np.uint8)]
    shades[1:, 3] = 255
    return shades[np.minimum(counts, len(shades) - 1)]


def thumbnail(points: np.ndarray, side_px: int = 96, bounds: Bounds | None = None) -> np.ndarray:
    """A small opaque picture (side, side, 3) of points (N, D); the first two coordinates are drawn, blurred to be seen."""
    plane = np.asarray(points, dtype=np.float32)[:, :2]
    counts = counted(plane, bounds or bounds_of(plane), side_px, side_px).astype(np.float32)
    for _ in range(_passes(len(plane), side_px)):
        counts = _spread(counts)
    peak = max(float(counts.max()), 1e-6)
    return color_map("magma")[(np.sqrt(counts / peak) * 235).astype(np.uint8)]


def _passes(count: int, side_px: int) -> int:
    """Few points on a large picture are blurred more, so that each is seen."""
    cells_each = side_px * side_px / max(1, count)
    return 0 if cells_each < 1 else 1 if cells_each < 20 else 3 if cells_each < 200 else 6


def _spread(counts: np.ndarray) -> np.ndarray:
    for axis in (0, 1):
        padded = np.pad(counts, [(1, 1) if a == axis else (0, 0) for a in (0, 1)])
        before, after = np.roll(padded, 1, axis), np.roll(padded, -1, axis)
        whole = 0.25 * before + 0.5 * padded + 0.25 * after
        counts = whole[1:-1] if axis == 0 else whole[:, 1:-1]
    return counts
