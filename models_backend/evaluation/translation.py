"""How well pictures are translated: what shall stay has stayed, what shall change has changed, and they come back."""

from __future__ import annotations

import numpy as np

from ..data import shapes

#: A shape keeps its place if its centre moves by no more than so many pixels.
NEAR = 2.0


def psnr(start: np.ndarray, returned: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all values in [-1, 1] (a range of 2); at most 100."""
    error = float(((start.astype(np.float64) - returned) ** 2).mean())
    return float(10 * np.log10(4.0 / max(error, 4e-10)))


def of_styles(start: np.ndarray, made: np.ndarray, outlined: np.ndarray) -> dict[str, float]:
    """Shares of ``made`` (N, 3, H, W) whose shape, colour and place are those read in ``start``, all of them
    (``content_kept``), and that are read as the style asked for, ``outlined`` (N,) bool. What cannot be read has kept and
    switched nothing."""
    before, after = (shapes.read_styles(_bytes(x)) for x in (start, made))
    valid = after["valid"] & before["valid"]
    moved = np.hypot(after["x"] - before["x"], after["y"] - before["y"]) * start.shape[-1]
    kept = {"shape": valid & (after["shape"] == before["shape"]), "colour": valid & (after["colour"] == before["colour"]),
            "place": valid & (moved <= NEAR)}  # fmt: skip
    found = {f"content_{name}": float(share.mean()) for name, share in kept.items()}
    found["content_kept"] = float(np.logical_and.reduce(list(kept.values())).mean())
    return found | {"domain_switched": float((valid & (after["outlined"] == outlined)).mean())}


def _bytes(x: np.ndarray) -> np.ndarray:
    """(N, 3, H, W) in [-1, 1] as uint8 (N, H, W, 3)."""
    return np.round((np.clip(x, -1, 1).transpose(0, 2, 3, 1) + 1) * 127.5).astype(np.uint8)
