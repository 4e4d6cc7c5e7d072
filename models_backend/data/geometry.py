"""How a picture of any shape becomes a square of one side: numpy and OpenCV only, so that the decoder child can use it.

Shrinking averages over the area (no aliasing), enlarging is bicubic. "centre" cuts the largest central square, "pad"
shows the whole picture on black bars, "stretch" ignores the aspect.
"""

from __future__ import annotations

import numpy as np


def fit(picture: np.ndarray, side: int, crop: str) -> np.ndarray:
    """A picture (H, W) or (H, W, 3) uint8 as (side, side[, 3])."""
    if crop == "pad":
        return _padded(picture, side)
    if crop == "centre":
        picture = _central(picture)
    return resized(picture, side, side)


def resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resampled without aliasing: by area where it shrinks, bicubic where it grows."""
    import cv2  # only where pictures are resampled: the importer's own process does without it

    old_height, old_width = picture.shape[:2]
    if (old_width, old_height) == (width, height):
        return picture
    shrinks = width <= old_width and height <= old_height
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _central(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def _padded(picture: np.ndarray, side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    inner = resized(picture, max(1, round(width * scale)), max(1, round(height * scale)))
    square = np.zeros((side, side, *picture.shape[2:]), np.uint8)
    top, left = (side - inner.shape[0]) // 2, (side - inner.shape[1]) // 2
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return square


def recoloured(pictures: np.ndarray, channels: int) -> np.ndarray:
    """Pictures (N, H, W, C) uint8 with ``channels`` 1 (Rec. 601 luma) or 3."""
    if pictures.shape[-1] == channels:
        return pictures
    if channels == 3:
        return np.repeat(pictures, 3, axis=-1)
    luma = pictures.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.round(luma).astype(np.uint8)[..., None]


def fitted(pictures: np.ndarray, side: int, crop: str = "centre") -> np.ndarray:
    """A batch (N, H, W, C) uint8 as (N, side, side, C)."""
    channels = pictures.shape[-1]
    if pictures.shape[1:3] == (side, side):
        return pictures
    squares = [fit(p[..., 0] if channels == 1 else p, side, crop) for p in pictures]
    return np.stack(squares).reshape(len(pictures), side, side, channels)
