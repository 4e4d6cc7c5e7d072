"""Principal components of latents: the plane that a map is drawn on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WIDE = 4096  # dimensions beyond which the small side of the data is decomposed


@dataclass
class Plane:
    """z ~ mean + xy @ axes. ``axes`` (2, L) orthonormal; ``explained`` (2,) shares of the variance."""

    mean: np.ndarray
    axes: np.ndarray
    explained: np.ndarray

    def project(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, L) -> places (N, 2)."""
        return (z - self.mean) @ self.axes.T

    def lift(self, xy: np.ndarray) -> np.ndarray:
        """Places (N, 2) -> the latents (N, L) of the plane itself."""
        return self.mean + xy @ self.axes


def principal_plane(z: np.ndarray) -> Plane:
    """The plane of largest variance of z (N, L), N and L at least 1. An axis points where its largest entry is positive."""
    z = np.asarray(z, np.float64)
    mean = z.mean(0)
    centred = z - mean
    variances, axes = _small_side(centred) if z.shape[1] > len(z) else _eigen(centred.T @ centred)
    axes = axes[:2] if len(axes) >= 2 else np.vstack([axes, np.zeros((2 - len(axes), z.shape[1]))])
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)
    axes = axes * np.where(largest < 0, -1.0, 1.0)
    shares = variances[:2] / max(variances.sum(), 1e-30)
    return Plane(mean, axes, np.pad(shares, (0, 2 - len(shares))))


def _eigen(scatter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(scatter)
    return values[::-1].clip(0), vectors.T[::-1]


def _small_side(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fewer items than dimensions: the axes from the items' products with one another."""
    values, vectors = _eigen(centred @ centred.T)
    kept = values > max(values[0], 1e-30) * 1e-10 if len(values) else np.zeros(0, bool)
    axes = (vectors[kept] @ centred) / np.sqrt(values[kept])[:, None]
    return values, axes
