"""What pictures of different classes can have in common: how much ink, where it lies, how it leans. Pure functions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating]


def style(items: Rows) -> Rows:
    """Pictures (N, C, H, W) -> ink (share of full brightness), centre along and down (pixels), lean (shear to the right when
    going up), (N, 4). Brightness is the brightest channel's, above the picture's darkest place."""
    shine = np.asarray(items, np.float64).max(1)
    shine = (shine - shine.min((1, 2), keepdims=True)) / 2
    height, width = shine.shape[1:]
    share = shine / np.maximum(shine.sum((1, 2), keepdims=True), 1e-9)
    across, down = np.arange(width)[None, None, :], np.arange(height)[None, :, None]
    x, y = (share * across).sum((1, 2)), (share * down).sum((1, 2))
    dx, dy = across - x[:, None, None], down - y[:, None, None]
    lean = -(share * dx * dy).sum((1, 2)) / np.maximum((share * dy**2).sum((1, 2)), 1e-9)
    return np.stack([shine.mean((1, 2)), x, y, lean], 1)


def kept(styles: Rows) -> float:
    """Styles (K classes, N latents, S) of items made of the same latents: correlation of one class's with another's over
    the latents, averaged over pairs of classes and measures. 1: a latent's style is the same in all; 0: it says nothing."""
    found = []
    for a, b in combinations(styles, 2):
        for u, v in zip(a.T, b.T, strict=True):
            flat = u.std() < 1e-9 or v.std() < 1e-9
            found.append(0.0 if flat else np.corrcoef(u, v)[0, 1])
    return float(np.mean(found)) if found else 0.0
