"""Measures of pictures whose arithmetic torchmetrics keeps (kernel distance, structural similarity), Inception-style score, and
cosines of embeddings.

Pictures are (N, C, H, W) in [-1, 1], features and probabilities rows. torchmetrics is imported where it is used: it takes
two seconds.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

Rows = NDArray[np.floating]

#: Pairs of pictures whose similarity is averaged.
PAIRS = 400
KERNEL = 7


def kernel_distance(real: Rows, made: Rows, subsets: int = 20, size: int = 200, seed: int = 0) -> float:
    """KID (Binkowski 2018, arXiv:1801.01401): unbiased squared MMD with the cubic kernel, mean over random subsets.

    May be slightly negative for sets of one distribution; features are taken as they are."""
    from torchmetrics.image.kid import poly_mmd

    picks, size = np.random.default_rng(seed), min(size, len(real), len(made))
    a, b = (torch.from_numpy(np.asarray(rows, np.float64)) for rows in (real, made))
    drawn = [(picks.choice(len(a), size, replace=False), picks.choice(len(b), size, replace=False)) for _ in range(subsets)]
    return float(np.mean([float(poly_mmd(a[i], b[j])) for i, j in drawn]))


def inception_score(probabilities: Rows) -> float:
    """exp E KL(p(y|x) | p(y)) (Salimans 2016, arXiv:1606.03498) of a classifier's probabilities (N, K): 1 to K."""
    p = np.clip(np.asarray(probabilities, np.float64), 1e-12, 1)
    divergence = (p * (np.log(p) - np.log(p.mean(0)))).sum(1)
    return float(np.exp(divergence.mean()))


def clip_score(pictures: Rows, captions: Rows) -> float:
    """CLIPScore (Hessel 2021, arXiv:2104.08718, section 3) of embeddings paired row by row: mean of max(100 cos, 0)."""
    return float(np.maximum(100 * _cosines(pictures, captions), 0).mean())


def feature_distance(a: Rows, b: Rows) -> float:
    """Mean of 1 - cos of features paired row by row: 0 to 2."""
    return float((1 - _cosines(a, b)).mean())


def _cosines(a: Rows, b: Rows) -> Rows:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)


def similarity(a: Rows, b: Rows) -> float:
    """Mean MS-SSIM (Wang 2003) of pictures paired row by row; as many scales as their side has room for (one at 8 px)."""
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        structural_similarity_index_measure,
    )

    x, y = (torch.from_numpy(np.ascontiguousarray(rows, np.float32)) for rows in (a, b))
    side, scales = min(x.shape[-2:]), 1
    while scales < 5 and side / 2**scales >= KERNEL:
        scales += 1
    settings = {"gaussian_kernel": False, "kernel_size": min(KERNEL, side - 1 + side % 2), "data_range": 2.0}
    if scales == 1:
        return float(structural_similarity_index_measure(x, y, **settings))
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:scales])  # Wang 2003, section 3.2
    betas = tuple(float(w) for w in weights / weights.sum())
    return float(multiscale_structural_similarity_index_measure(x, y, betas=betas, normalize="relu", **settings))


def similarity_within(pictures: Rows, labels: NDArray[np.integer], seed: int = 0) -> float:
    """Mean MS-SSIM of random pairs of one class (Odena 2017, arXiv:1610.09585): high where a class holds one picture."""
    picks, pairs = np.random.default_rng(seed), []
    for label in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            pairs += [picks.choice(members, 2, replace=False) for _ in range(max(1, PAIRS // len(np.unique(labels))))]
    if not pairs:
        return float("nan")
    first, second = np.array(pairs).T
    return similarity(pictures[first], pictures[second])
