"""What models make, as it travels and is kept: uint8 pictures with channels last, float32 points, arrays as messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from models_backend.contract.family import DataSpec
from models_backend.contract.messages import Array


def on_the_wire(items: Any, spec: DataSpec) -> np.ndarray:
    """Items (N, *shape) of a model -> uint8 (N, H, W, C) for images in [-1, 1], at the levels that the data hold where these
    are few; float32 (N, D) for points."""
    if spec.modality != "image":
        return np.asarray(items, np.float32)
    from .pictures import at_levels, to_uint8

    return at_levels(to_uint8(items), spec.levels)


def as_array(values: np.ndarray) -> Array:
    """An array as a message."""
    values = np.ascontiguousarray(values)
    return Array(values.dtype.name, values.shape, values.tobytes())
