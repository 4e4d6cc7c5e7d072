"""What a mask file says, in whichever way a program wrote it: grey (H, W) uint8, white where a picture is made anew.

* without transparency: its brightness; labels of 0 and 1, and two colours such as red on black, become black and white;
* a layer with strokes of one colour on nothing: where it is painted;
* black and white paint on nothing: its brightness, and black where nothing is;
* a photograph of which a part was erased: where it was erased.
"""

from __future__ import annotations

import numpy as np

_ONE_COLOUR, _COLOURLESS, _ENDS = 24.0, 24, 0.9


def of_layers(picture: np.ndarray, share: np.ndarray | None) -> np.ndarray:
    """From RGB (H, W, 3) and, where there is transparency, its share (H, W)."""
    if share is None or share.min() == 255:
        return _two_levels(picture)
    painted = picture[share > 127].astype(np.int16)
    if not len(painted) or float(painted.std(0).max()) < _ONE_COLOUR:
        return share.copy()
    apart = painted.max(1) - painted.min(1)
    at_ends = (painted.max(1) < 64) | (painted.min(1) > 191)
    if float((apart < _COLOURLESS).mean()) > _ENDS and float(at_ends.mean()) > _ENDS:
        return (_brightness(picture).astype(np.uint16) * share // 255).astype(np.uint8)
    return 255 - share


def _brightness(picture: np.ndarray) -> np.ndarray:
    return np.round(picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.uint8)


def _two_levels(picture: np.ndarray) -> np.ndarray:
    """Brightness; black and white where the picture has two values that can only mean that."""
    grey = _brightness(picture)
    low, high = int(grey.min()), int(grey.max())
    coloured = int((picture.max(2).astype(np.int16) - picture.min(2)).max()) > _COLOURLESS
    two = low < high and bool(np.isin(grey, (low, high)).all())
    if two and (coloured or high == 1):
        return np.where(grey == high, 255, 0).astype(np.uint8)
    return grey
