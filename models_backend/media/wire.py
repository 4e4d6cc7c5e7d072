"""What models make, as it travels and is kept: uint8 pictures with channels last, float32 points, arrays as messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from models_backend.contract.messages import Array


def on_the_wire(items: Any, modality: str) -> np.ndarray:
    """Items (N, *shape) of a model -> uint8 (N, H, W, C) for images in [-1, 1], float32 (N, D) for points."""
    if modality != "image":
        return np.asarray(items, np.float32)
    from .pictures import to_uint8

    return to_uint8(items)


def as_array(values: np.ndarray) -> Array:
    """An array as a message."""
    values = np.ascontiguousarray(values)
    return Array(values.dtype.name, values.shape, values.tobytes())
