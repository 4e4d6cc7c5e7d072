"""Arrays to pictures: uint8 (H, W, C) to QImage, a model's floats to uint8, and colour maps as lookup tables."""

from __future__ import annotations

from functools import cache

import numpy as np
from PySide6.QtGui import QImage

_FORMATS = {1: QImage.Format.Format_Grayscale8, 3: QImage.Format.Format_RGB888, 4: QImage.Format.Format_RGBA8888}

# Anchors of matplotlib's perceptually uniform maps (van der Walt & Smith 2015), evenly spaced, interpolated in between.
_ANCHORS = {
    "viridis": "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725",
    "magma": "000004 140e36 3b0f70 641a80 8c2981 b73779 de4968 f7705c fe9f6d fecf92 fcfdbf",
    "signed": "2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b",
}


def to_image(array: np.ndarray) -> QImage:
    """A QImage with its own memory from uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4). Raises ValueError otherwise."""
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in _FORMATS:
        raise ValueError(f"a picture is uint8 (H, W, 1, 3 or 4), not {array.dtype} {array.shape}")
    height, width = array.shape[:2]
    data = np.ascontiguousarray(array)
    return QImage(data.data, width, height, width * channels, _FORMATS[channels]).copy()


def from_model(values: np.ndarray) -> np.ndarray:
    """A model's (..., C, H, W) floats in [-1, 1] as uint8 (..., H, W, C); values outside are clipped, NaN is black."""
    scaled = np.nan_to_num(values.astype(np.float32), nan=-1.0) * 127.5 + 127.5
    return np.moveaxis(np.clip(np.rint(scaled), 0, 255).astype(np.uint8), -3, -1)


@cache
def color_map(name: str) -> np.ndarray:
    """A lookup table (256, 3) uint8: "viridis" or "magma" for amounts, "signed" for differences around the middle."""
    anchors = np.array([[int(h[i : i + 2], 16) for i in (0, 2, 4)] for h in _ANCHORS[name].split()], dtype=np.float64)
    at = np.linspace(0, len(anchors) - 1, 256)
    columns = [np.interp(at, np.arange(len(anchors)), anchors[:, c]) for c in range(3)]
    return np.rint(np.stack(columns, axis=1)).astype(np.uint8)


def mapped(values: np.ndarray, name: str = "viridis", low: float | None = None, high: float | None = None) -> np.ndarray:
    """Values (H, W) through a colour map to uint8 (H, W, 3); ``low`` and ``high`` default to the finite range."""
    finite = values[np.isfinite(values)]
    low = float(finite.min()) if low is None and finite.size else low or 0.0
    high = float(finite.max()) if high is None and finite.size else high or 1.0
    span = max(high - low, 1e-12)
    place = np.clip((np.nan_to_num(values, nan=low) - low) / span * 255.0, 0, 255).astype(np.uint8)
    return color_map(name)[place]


def downscaled(array: np.ndarray, side_px: int) -> np.ndarray:
    """uint8 (N, H, W, C) thinned to at most about ``side_px`` a side by whole steps: for thumbnails of large frames."""
    step = max(1, min(array.shape[1], array.shape[2]) // max(1, side_px))
    return array[:, ::step, ::step]
