"""What previews look like beside held-out items, in a few honest figures: enough to tell noise, flat grey, many copies of one
item and burnt-out colours from pictures; and points that lie beside the data from those that lie among them."""

from __future__ import annotations

import numpy as np

#: Values within this share of the range from its ends count as saturated.
EDGE = 0.01
FEWEST = 4


def looks(made: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Figures of ``made`` and ``real`` items: uint8 (N, H, W, C), or float32 (N, D) for points; {} for too few."""
    if min(len(made), len(real)) < FEWEST:
        return {}
    figures = _of_pictures if made.ndim == 4 else _of_points
    here, there = figures(made, real), figures(real, real)
    return {f"made_{name}": value for name, value in here.items()} | {f"real_{name}": value for name, value in there.items()}


def _of_pictures(items: np.ndarray, real: np.ndarray) -> dict[str, float]:
    x = items.astype(np.float32) / 255
    inside = x - x.mean((1, 2), keepdims=True)
    power = float((inside**2).mean())
    beside = [(inside[:, 1:] * inside[:, :-1]).mean(), (inside[:, :, 1:] * inside[:, :, :-1]).mean()]
    return {
        "contrast": power**0.5,
        "spread": float(x.std(0).mean()),
        "smoothness": float(np.mean(beside)) / power if power > 1e-8 else 1.0,
        "saturation": float(((x < EDGE) | (x > 1 - EDGE)).mean()),
    }


def _of_points(items: np.ndarray, real: np.ndarray) -> dict[str, float]:
    apart = np.sqrt(((items[:, None].astype(np.float64) - real[None]) ** 2).sum(2))
    if items is real:
        np.fill_diagonal(apart, np.inf)
    return {"spread": float(items.std(0).mean()), "distance": float(np.median(apart.min(1)))}
