"""What stands between a series and its line: smoothing and thinning, both fast enough to run at every repaint."""

from __future__ import annotations

import numpy as np

BLOCK = 64


def smoothed(values: np.ndarray, weight: float) -> np.ndarray:
    """Exponential moving average, debiased (Kingma & Ba 2015, sec. 3): s_n = sum_k w^(n-k) v_k / sum_k w^(n-k).

    ``weight`` in [0, 1); O(n) in blocks, so that a million values take some 20 ms. Not finite values count as absent."""
    if weight <= 0 or not len(values):
        return np.asarray(values, dtype=np.float64)
    present = np.isfinite(values)
    if present.all():
        return _decayed_sum(values, weight) * (1 - weight) / -np.expm1(np.arange(1, len(values) + 1) * np.log(weight))
    total = _decayed_sum(np.where(present, values, 0.0), weight)
    share = _decayed_sum(present.astype(np.float64), weight)
    return np.divide(total, share, out=np.full(len(values), np.nan), where=share > 1e-300)


def _decayed_sum(values: np.ndarray, weight: float) -> np.ndarray:
    """y_n = weight * y_(n-1) + v_n, block by block: inside a block a triangular product, between blocks a carry."""
    count = len(values)
    blocks = np.zeros((-(-count // BLOCK), BLOCK))
    blocks.flat[:count] = values
    lag = np.subtract.outer(np.arange(BLOCK), np.arange(BLOCK))
    response = np.where(lag >= 0, weight ** np.maximum(lag, 0), 0.0)
    inside = blocks @ response.T
    carry, carried, fade = 0.0, np.empty(len(blocks)), weight**BLOCK
    for row, last in enumerate(inside[:, -1].tolist()):
        carried[row] = carry
        carry = carry * fade + last
    return (inside + carried[:, None] * weight ** np.arange(1, BLOCK + 1)).ravel()[:count]


def thinned(x: np.ndarray, y: np.ndarray, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """At most about 2 * ``buckets`` points that draw the same line: the least and the greatest of each bucket, in order."""
    size = len(x) // max(1, buckets)
    if size <= 2:
        return x, y
    whole = len(x) // size * size
    rows = y[:whole].reshape(-1, size)
    finite = np.isfinite(rows)
    low = np.where(finite, rows, np.inf).argmin(axis=1)
    high = np.where(finite, rows, -np.inf).argmax(axis=1)
    start = np.arange(len(rows)) * size
    kept = np.concatenate([np.sort(np.stack([start + low, start + high], axis=1), axis=1).ravel(), np.arange(whole, len(x))])
    kept = np.unique(np.concatenate([[0], kept, [len(x) - 1]]))
    return x[kept], y[kept]


def evenly(x: np.ndarray, y: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """At most ``count`` points of a smooth line, evenly chosen, both ends kept."""
    if len(x) <= count:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, count).round().astype(np.int64))
    return x[kept], y[kept]
