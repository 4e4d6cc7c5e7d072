"""How a picture of any shape becomes one of a given size: numpy and OpenCV only, so that the decoder child can use it.

Shrinking averages over the area (no aliasing), enlarging is bicubic. "centre" cuts the largest central piece of the wanted
proportions, "pad" shows the whole picture on black bars, "stretch" ignores the aspect. Sizes are (width, height) in px.
"""

from __future__ import annotations

import numpy as np


def fit(picture: np.ndarray, size: tuple[int, int], crop: str) -> np.ndarray:
    """A picture (H, W) or (H, W, 3) uint8 as (height, width[, 3])."""
    if crop == "pad":
        return _padded(picture, *size)
    if crop == "centre":
        picture = _central(picture, *size)
    return resized(picture, *size)


def resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resampled without aliasing: by area where it shrinks, bicubic where it grows."""
    import cv2  # only where pictures are resampled: the importer's own process does without it

    old_height, old_width = picture.shape[:2]
    if (old_width, old_height) == (width, height):
        return picture
    shrinks = width <= old_width and height <= old_height
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _central(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    old_height, old_width = picture.shape[:2]
    scale = min(old_width / width, old_height / height)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    top, left = (old_height - high) // 2, (old_width - wide) // 2
    return picture[top : top + high, left : left + wide]


def _padded(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    old_height, old_width = picture.shape[:2]
    scale = min(width / old_width, height / old_height)
    inner = resized(picture, max(1, round(old_width * scale)), max(1, round(old_height * scale)))
    whole = np.zeros((height, width, *picture.shape[2:]), np.uint8)
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    whole[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return whole


def recoloured(pictures: np.ndarray, channels: int) -> np.ndarray:
    """Pictures (N, H, W, C) uint8 with ``channels`` 1 (Rec. 601 luma) or 3."""
    if pictures.shape[-1] == channels:
        return pictures
    if channels == 3:
        return np.repeat(pictures, 3, axis=-1)
    luma = pictures.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.round(luma).astype(np.uint8)[..., None]


def fitted(pictures: np.ndarray, size: tuple[int, int], crop: str = "centre") -> np.ndarray:
    """A batch (N, H, W, C) uint8 as (N, height, width, C)."""
    channels, (width, height) = pictures.shape[-1], size
    if pictures.shape[1:3] == (height, width):
        return pictures
    made = [fit(p[..., 0] if channels == 1 else p, size, crop) for p in pictures]
    return np.stack(made).reshape(len(pictures), height, width, channels)
