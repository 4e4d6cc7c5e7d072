"""Values of more than eight bits as bytes: scaled by what they hold, which is said.

Whole numbers lie in a container of 16 or 32 bits but often come from 10, 12 or 14: the fewest of 8, 10, 12, 14, 16 bits that
hold the largest value tell what white is, unless the file says it. Numbers below zero, and larger ones, are stretched from the
least to the largest, as a viewer of medical pictures does. Floating point from 0 to 1 is taken as it is.
"""

from __future__ import annotations

import numpy as np

_BITS = (8, 10, 12, 14, 16)


def to_bytes(values: np.ndarray, white: int = 0) -> tuple[np.ndarray, str]:
    """Values of any number type as uint8 of the same shape, and what was done in words. ``white``: the value of white where
    the file states it."""
    floats = values.dtype.kind == "f"
    if floats:
        values = _finite(values)
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low < 0 or high > 65535:
        return _scaled(values, float(values.min()), high), "values stretched from the least to the largest"
    words, top = _range_of(values.dtype, high, white)
    return _scaled(values, 0.0, top), words


def _range_of(kind: np.dtype, high: float, white: int) -> tuple[str, float]:
    """In words, and the value that becomes white."""
    if white and high <= white:
        return f"values up to {white:,}, as the file says", white
    if kind.kind == "f":
        return _range_of_floats(high)
    bits = next(bits for bits in _BITS if high < 1 << bits)
    return f"{bits}-bit values in {8 * kind.itemsize} bits", (1 << bits) - 1


def _range_of_floats(high: float) -> tuple[str, float]:
    if high <= 1.0:
        return "floating point from 0 to 1", 1.0
    if high < 16:
        return "floating point scaled by its largest value", high
    bits = next(bits for bits in _BITS if high < 1 << bits)
    return f"floating point with {bits}-bit values", (1 << bits) - 1


def _finite(values: np.ndarray) -> np.ndarray:
    """What is no number becomes the least that is one."""
    known = np.isfinite(values)
    if known.all():
        return values
    return np.where(known, values, values[known].min() if known.any() else 0)


def _scaled(values: np.ndarray, low: float, top: float) -> np.ndarray:
    """Row by row, so that a large picture is never held in floating point as a whole."""
    out, factor = np.empty(values.shape, np.uint8), np.float32(255 / max(top - low, 1e-30))
    for row, line in zip(out, values):
        row[...] = np.clip((line.astype(np.float64) - low) * factor + 0.5, 0, 255)
    return out
