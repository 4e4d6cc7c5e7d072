"""How a conditional run follows what it is asked for: read back, class by class, and along its guidance scale.

Names: ``class_accuracy`` (made items that the data set's reader sees as the class asked for), ``class_diversity`` (spread
within a class over that of real items), and for families whose sampling has ``guidance`` both again at each of ``SCALES``:
``accuracy_w<scale>``, ``diversity_w<scale>``; at 0 the condition is not heard, so ``entropy_w0`` tells the marginal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..contract.family import LoadedRun
from ..contract.fields import describe
from ..data.reading import Dataset
from . import measures
from .features import Features

#: Guidance scales along which accuracy and diversity are measured, and items at each.
SCALES, ITEMS = (0.0, 1.0, 2.0, 4.0), 500


def asked(loaded: LoadedRun) -> dict[str, Any]:
    """The conditions under which a run is measured: every class in turn where it takes one."""
    takes_class = any(c.kind == "class" for c in loaded.family.conditions) and len(loaded.spec.classes) > 0
    return {"class": "all"} if takes_class else {}


def in_turn(loaded: LoadedRun, count: int) -> np.ndarray:
    """The class (count,) that each item was asked for."""
    return np.arange(count) % len(loaded.spec.classes)


def of_classes(loaded: LoadedRun, data: Dataset, features: Features, made: np.ndarray, seed: int) -> dict[str, float]:
    """Accuracy and diversity of items made of every class in turn."""
    labels = in_turn(loaded, len(made))
    known = np.random.default_rng(seed).permutation(np.flatnonzero(data.train.labels >= 0))[: 4 * ITEMS]
    real = measures.spread_within(features(data.train.take(np.sort(known))), data.train.labels[np.sort(known)])
    return {
        "class_accuracy": measures.accuracy(features.probabilities(made), labels),
        "class_diversity": measures.spread_within(features(made), labels) / max(real, 1e-12),
    }


def along_guidance(loaded: LoadedRun, data: Dataset, features: Features, draw: Any, sampling: dict[str, Any], seed: int,
                   array: Any) -> dict[str, float]:  # fmt: skip
    """The curve of guidance: accuracy and diversity at each scale; nothing where sampling has no guidance."""
    if "guidance" not in {f.name for f in describe(type(loaded.family).Sampling).fields}:
        return {}
    found: dict[str, float] = {}
    for scale in SCALES:
        made = array(draw(ITEMS, seed, {**sampling, "guidance": scale}, 0, asked(loaded))[0])
        told = of_classes(loaded, data, features, made, seed)
        found |= {f"accuracy_w{scale:g}": told["class_accuracy"], f"diversity_w{scale:g}": told["class_diversity"]}
        if scale == 0:
            found["entropy_w0"] = measures.class_entropy(features.probabilities(made))
    return found
