"""Measures of made items against real ones. Pure functions of arrays: no model, no data set, no file.

Features and items are rows, (N, F) float. "Real" is what a measure is held against, "made" what is judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, pdist
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from ..contract.measures import LEAST

Rows = NDArray[np.floating]

#: A made item is a near-copy when it is closer to a training item than this share of held-out items is to theirs.
NEAR_SHARE = 0.01
#: A mode is covered when it holds at least this share of the items that an even maker would put there.
MODE_SHARE = 0.2
#: Variance below which a linear model has no noise.
NO_NOISE = 1e-9


# ------------------------------------------------------------------------------------------------ distributions


def frechet(real: Rows, made: Rows) -> float:
    """Frechet distance of the Gaussians fitted to two sets of features; squared length units of the features."""
    # Heusel et al. 2017 (arXiv:1706.08500), eq. 6: |m - n|^2 + tr(C + D - 2 (C D)^(1/2))
    real, made = np.asarray(real, np.float64), np.asarray(made, np.float64)
    return gaussian_frechet(real.mean(0), np.cov(real, rowvar=False), made.mean(0), np.cov(made, rowvar=False))


def gaussian_frechet(mean_a: Rows, cov_a: Rows, mean_b: Rows, cov_b: Rows) -> float:
    """Frechet distance of N(mean_a, cov_a) and N(mean_b, cov_b)."""
    cov_a, cov_b = np.atleast_2d(cov_a), np.atleast_2d(cov_b)
    values, vectors = np.linalg.eigh(cov_a)
    root_a = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    between = np.linalg.eigvalsh(root_a @ cov_b @ root_a).clip(0)  # the eigenvalues of C D, by a symmetric matrix
    apart = float(np.square(np.asarray(mean_a) - np.asarray(mean_b)).sum())
    return max(0.0, apart + float(np.trace(cov_a) + np.trace(cov_b) - 2 * np.sqrt(between).sum()))


def w2(a: Rows, b: Rows) -> float:
    """Exact 2-Wasserstein distance of two point sets of equal size, each point of equal weight (an assignment problem)."""
    if len(a) != len(b):
        raise ValueError(f"w2 compares sets of equal size, not {len(a)} and {len(b)}")
    cost = cdist(np.asarray(a, np.float64), np.asarray(b, np.float64), "sqeuclidean")
    rows, columns = linear_sum_assignment(cost)
    return float(np.sqrt(cost[rows, columns].mean()))


def w1(a: Rows, b: Rows) -> float:
    """Exact 1-Wasserstein (earth mover's) distance of two point sets of equal size, each point of equal weight."""
    if len(a) != len(b):
        raise ValueError(f"w1 compares sets of equal size, not {len(a)} and {len(b)}")
    cost = cdist(np.asarray(a, np.float64), np.asarray(b, np.float64))
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())


@dataclass(frozen=True)
class Modes:
    """``covered`` of ``count`` modes; ``within`` is the share of items within three standard deviations of one;
    ``shares`` (count,) of the items nearest to each mode and within three standard deviations of it."""

    covered: int
    count: int
    within: float
    shares: tuple[float, ...]


def mode_coverage(points: Rows, centres: Rows, std: float) -> Modes:
    """Which modes of an even mixture of round Gaussians a set of points has; a mode counts from ``MODE_SHARE`` of its due."""
    distance = cdist(np.asarray(points, np.float64), np.asarray(centres, np.float64))
    nearest, close = distance.argmin(1), distance.min(1) <= 3 * std
    shares = np.bincount(nearest[close], minlength=len(centres)) / max(1, len(points))
    covered = int((shares >= MODE_SHARE / len(centres)).sum())
    return Modes(covered, len(centres), float(close.mean()), tuple(float(s) for s in shares))


@dataclass(frozen=True)
class Manifold:
    """Precision and density: made items among real ones; recall and coverage: real items among made ones."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(real: Rows, made: Rows, k: int = 5) -> Manifold:
    """Improved precision and recall (arXiv:1904.06991) and density and coverage (arXiv:2002.09797) with k neighbours."""
    real, made = np.asarray(real, np.float64), np.asarray(made, np.float64)
    real_radius, made_radius = _kth(real, k), _kth(made, k)
    between = cdist(real, made)
    inside_real = between <= real_radius[:, None]
    return Manifold(
        precision=float(inside_real.any(0).mean()),
        recall=float((between <= made_radius[None]).any(1).mean()),
        density=float(inside_real.sum(0).mean() / k),
        coverage=float((between.min(1) <= real_radius).mean()),
    )


def _kth(rows: Rows, k: int) -> Rows:
    """Distance of each row to its k-th other row."""
    return NearestNeighbors(n_neighbors=min(k + 1, len(rows))).fit(rows).kneighbors(rows)[0][:, -1]


# ------------------------------------------------------------------------------------------------ copies


def nearest(items: Rows, among: Rows) -> Rows:
    """Distance (N,) of each item to the nearest of ``among``, over all its flattened values."""
    flat = np.asarray(among, np.float32).reshape(len(among), -1)
    neighbours = NearestNeighbors(n_neighbors=1).fit(flat)
    return neighbours.kneighbors(np.asarray(items, np.float32).reshape(len(items), -1))[0][:, 0]


def near_limit(train: Rows, held_out: Rows) -> float:
    """The distance below which only ``NEAR_SHARE`` (1 %) of items that the model never saw have a training item. Where few are
    held out, training items stand in for them, each beside the others; NaN where there are no two."""
    if len(held_out) >= LEAST:
        return float(np.quantile(nearest(held_out, train), NEAR_SHARE))
    flat = np.asarray(train, np.float32).reshape(len(train), -1)
    if len(flat) < 2:
        return float("nan")
    others = NearestNeighbors(n_neighbors=2).fit(flat).kneighbors(flat)[0][:, 1]
    return float(np.quantile(others, NEAR_SHARE))


def near_copies(made: Rows, train: Rows, limit: float) -> float:
    """Share of made items within ``near_limit`` of a training item. A perfect maker scores about 0.01, one that repeats its
    training items 1."""
    return float((nearest(made, train) <= limit).mean()) if np.isfinite(limit) else float("nan")


# ------------------------------------------------------------------------------------------------ classes


def sure(probabilities: Rows, above: float = 0.9) -> float:
    """Share of items (N, K) of which a classifier gives one class more than ``above``."""
    return float((np.asarray(probabilities).max(1) > above).mean())


def class_shares(probabilities: Rows) -> NDArray[np.float64]:
    """Share of items (K,) that a classifier puts into each class."""
    probabilities = np.asarray(probabilities)
    return np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1]) / len(probabilities)


def class_entropy(probabilities: Rows) -> float:
    """Entropy of the class shares of items (N, K), 1 where every class has its even share."""
    shares = class_shares(probabilities)
    return -float((shares[shares > 0] * np.log(shares[shares > 0])).sum() / np.log(len(shares)))


def spread_within(rows: Rows, labels: NDArray[np.integer]) -> float:
    """Mean distance of two items of one class, averaged over the classes that have two."""
    groups = [np.asarray(rows, np.float64)[labels == label] for label in np.unique(labels)]
    return float(np.mean([pdist(group).mean() for group in groups if len(group) > 1] or [0.0]))


def accuracy(probabilities: Rows, labels: Sequence[int] | NDArray[np.integer]) -> float:
    """Share of items whose likeliest class is the label; items without one (negative) do not count. NaN where none has one."""
    labels = np.asarray(labels)
    known = labels >= 0
    return float((np.asarray(probabilities).argmax(1)[known] == labels[known]).mean()) if known.any() else float("nan")


# ------------------------------------------------------------------------------------------------ likelihood


def ppca_nats(train: Rows, held_out: Rows, latent: int) -> float:
    """Mean log density in nats of held-out items under the best linear-Gaussian model with ``latent`` dimensions; NaN where the
    training items leave nothing over for its noise."""
    # Tipping & Bishop 1999, eq. 3.7 and 3.8: the maximum-likelihood solution in closed form
    flat = np.asarray(train, np.float64).reshape(len(train), -1)
    latent = min(latent, flat.shape[1] - 1, len(flat) - 2)
    if latent < 1 or not flat.std(0).any():
        return float("nan")
    model = PCA(latent).fit(flat)
    if model.noise_variance_ < NO_NOISE:
        return float("nan")  # the items lie in a plane: no density
    return float(model.score(np.asarray(held_out, np.float64).reshape(len(held_out), -1)))


def psnr(real: Rows, made: Rows, span: float = 2.0) -> float:
    """Peak signal-to-noise ratio in dB over all values, for items whose values span ``span``."""
    error = float(np.square(np.asarray(real, np.float64) - np.asarray(made, np.float64)).mean())
    return float(10 * np.log10(span**2 / max(error, 1e-12)))
