"""How well single latent dimensions stand for single known factors. Pure functions of arrays: no model, no data set, no file.

``codes`` (N, L) are latents of items, ``factors`` name -> (N,) what is known of the same items. A factor of few whole numbers
is a category, any other a quantity. All scores lie in [0, 1], 1 where each factor has a dimension of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

Rows = NDArray[np.floating]

#: A factor of at most so many different whole numbers is a category.
CATEGORIES = 20
#: Bins of a code, and of a quantity, where information is counted.
CODE_BINS, FACTOR_BINS = 20, 10
#: A dimension that moves by less than this share of the widest is idle: its mean says little, and its noise drowns that.
IDLE = 0.1
#: Trees of each forest of ``dci``.
TREES = 20


def categorical(factor: Rows) -> bool:
    """Whether the values are a category's."""
    values = np.unique(factor)
    return len(values) <= CATEGORIES and bool((values == np.round(values)).all())


def scores(codes: Rows, factors: Mapping[str, Rows], held_out: Rows, held_out_factors: Mapping[str, Rows]) -> dict[str, float]:
    """``mig sap dci dci_completeness dci_informativeness``; what is fitted is judged on the held-out items. Nothing where no
    factor varies or no code does."""
    varied = [name for name, values in factors.items() if len(np.unique(values)) > 1]
    spread = codes.std(0)
    alive = np.flatnonzero((spread > 1e-8) & (spread > IDLE * spread.max()))
    if not varied or not len(alive):
        return {}
    known, told = [factors[name] for name in varied], [held_out_factors[name] for name in varied]
    mean, spread = codes[:, alive].mean(0), spread[alive]
    codes, held_out = (codes[:, alive] - mean) / spread, (held_out[:, alive] - mean) / spread
    disentangled, complete, informative = dci(codes, known, held_out, told)
    return {"mig": mig(codes, known), "sap": sap(codes, known, held_out, told), "dci": disentangled,
            "dci_completeness": complete, "dci_informativeness": informative}  # fmt: skip


# ------------------------------------------------------------------------------------------------ information


def mig(codes: Rows, factors: list[Rows]) -> float:
    """Mutual information gap: by how much the best code of a factor tells more of it than the next, over its entropy."""
    # Chen et al. 2018 (arXiv:1802.04942), eq. 6; codes in equally wide bins as Locatello et al. 2019 (arXiv:1811.12359)
    binned = [in_bins(code) for code in np.asarray(codes, np.float64).T]
    gaps = []
    for factor in factors:
        known = np.unique(factor, return_inverse=True)[1] if categorical(factor) else in_shares(factor)
        told = sorted((mutual_information(code, known) for code in binned), reverse=True)
        gaps.append((told[0] - (told[1] if len(told) > 1 else 0.0)) / mutual_information(known, known))
    return float(np.mean(gaps))


def in_bins(values: Rows, bins: int = CODE_BINS) -> NDArray[np.int64]:
    """Which of equally wide bins between the least and the greatest value each value is in."""
    edges = np.linspace(values.min(), values.max(), bins + 1)[1:-1]
    return np.digitize(values, edges)


def in_shares(values: Rows, bins: int = FACTOR_BINS) -> NDArray[np.int64]:
    """Which of bins that hold equally many values each value is in."""
    return np.digitize(values, np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1])))


def mutual_information(a: NDArray[np.integer], b: NDArray[np.integer]) -> float:
    """I(a; b) in nats of two columns of whole numbers from 0, by counting; I(a; a) is the entropy."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1.0 / len(a))
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / apart[seen])).sum())


# ------------------------------------------------------------------------------------------------ prediction


def sap(codes: Rows, factors: list[Rows], held_out: Rows, told: list[Rows]) -> float:
    """Separated attribute predictability: by how much the code that alone predicts a factor best beats the next."""
    # Kumar et al. 2018 (arXiv:1711.00848), section 3: R^2 of a line for quantities, accuracy of a linear rule for categories
    gaps = []
    for factor, truth in zip(factors, told, strict=True):
        alone = _read_linearly if categorical(factor) else _squared_correlation
        best = sorted((alone(codes[:, [j]], factor, held_out[:, [j]], truth) for j in range(codes.shape[1])), reverse=True)
        chance = float((truth == _commonest(factor)).mean()) if categorical(factor) else 0.0
        gaps.append(best[0] - (best[1] if len(best) > 1 else chance))
    return float(np.mean(gaps))


def _commonest(factor: Rows) -> float:
    values, counts = np.unique(factor, return_counts=True)
    return float(values[counts.argmax()])


def _read_linearly(code: Rows, factor: Rows, held_out: Rows, truth: Rows) -> float:
    return float((LinearDiscriminantAnalysis().fit(code, factor).predict(held_out) == truth).mean())


def _squared_correlation(code: Rows, factor: Rows, held_out: Rows, truth: Rows) -> float:
    a, b = held_out[:, 0], truth
    return 0.0 if a.std() < 1e-12 or b.std() < 1e-12 else float(np.corrcoef(a, b)[0, 1] ** 2)


def dci(codes: Rows, factors: list[Rows], held_out: Rows, told: list[Rows]) -> tuple[float, float, float]:
    """Disentanglement, completeness and informativeness, by what small forests look at when they read the factors."""
    # Eastwood & Williams 2018 (ICLR), section 2
    importance, read = [], []
    for factor, truth in zip(factors, told, strict=True):
        kind = RandomForestClassifier if categorical(factor) else RandomForestRegressor
        forest = kind(TREES, max_features=None, min_samples_leaf=5, random_state=0).fit(codes, factor)
        importance.append(forest.feature_importances_)
        read.append(max(0.0, forest.score(held_out, truth)))
    table = np.array(importance).T  # (L, K)
    return (*purity(table), float(np.mean(read)))


def purity(importance: Rows) -> tuple[float, float]:
    """Of importances (L, K) of codes for factors: how far each code serves one factor (weighted by how much it serves), and
    how far each factor is served by one code."""
    total = importance.sum()
    if total <= 0:
        return 0.0, 0.0
    by_code = [_one_minus_entropy(row) * row.sum() / total for row in importance if row.sum() > 0]
    by_factor = [_one_minus_entropy(column) for column in importance.T]
    return float(np.sum(by_code)), float(np.mean(by_factor))


def _one_minus_entropy(weights: Rows) -> float:
    if len(weights) < 2 or weights.sum() <= 0:
        return 1.0 if weights.sum() > 0 else 0.0
    share = weights[weights > 0] / weights.sum()
    return float(1.0 + (share * np.log(share)).sum() / np.log(len(weights)))
