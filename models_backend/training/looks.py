"""What previews look like beside held-out items, in a few honest figures: enough to tell noise, flat grey, many copies of one
item and burnt-out colours from pictures; and points that lie beside the data from those that lie among them."""

from __future__ import annotations

import numpy as np

#: Values within this share of the range from its ends count as saturated.
EDGE = 0.01
FEWEST = 4
#: So many points are drawn to be looked at beside twice as many real ones; with fewer than the least nothing is said.
POINTS, FEWEST_POINTS = 1024, 64


def looks(made: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Figures of ``made`` and ``real`` items: uint8 (N, H, W, C), or float32 (N, D) for points; {} for too few."""
    if made.ndim == 2:
        return _of_points(made, real)
    if min(len(made), len(real)) < FEWEST:
        return {}
    here, there = _of_pictures(made), _of_pictures(real)
    return {f"made_{name}": value for name, value in here.items()} | {f"real_{name}": value for name, value in there.items()}


def _of_pictures(items: np.ndarray) -> dict[str, float]:
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


def _of_points(made: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """How well real points are told from made ones, from other real ones, and from a cloud of the same middle and width, which
    is what one makes who has learned nothing else of the data."""
    count = min(len(made), len(real) // 2, POINTS)
    if count < FEWEST_POINTS or not np.isfinite(made).all():
        return {}
    here, there = real[: 2 * count : 2].astype(np.float64), real[1 : 2 * count : 2].astype(np.float64)
    cloud = real.mean(0) + real.std(0) * np.random.default_rng(0).standard_normal(here.shape)
    found = {"made_spread": float(made.std(0).mean()), "real_spread": float(real.std(0).mean())}
    for name, others in (("made", made[:count]), ("real", there), ("noise", cloud)):
        found[f"{name}_told"], found[f"{name}_energy"] = apart(others, here)
    return found


def apart(made: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Two measures of how far two sets of as many points are apart. The share of points whose nearest other one is of their own
    kind (a half where the two are alike, 1 at most) sees fine structure; the energy coefficient (0 where they are alike, 1 at
    most) sees where the mass lies."""
    # Lopez-Paz and Oquab 2017 (arXiv:1610.06545), section 3, each point left out in turn; Szekely and Rizzo 2013, eq. 6.1
    both, n = np.concatenate([made, real]).astype(np.float64), len(made)
    squares = (both**2).sum(1)
    far = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * both @ both.T, 0.0))
    between, within = 2 * far[:n, n:].mean(), (far[:n, :n].sum() + far[n:, n:].sum()) / (n * (n - 1))
    np.fill_diagonal(far, np.inf)
    kind = np.arange(2 * n) < n
    return float((kind[far.argmin(1)] == kind).mean()), float((between - within) / max(between, 1e-12))
