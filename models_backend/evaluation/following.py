"""How a conditional run follows what it is asked for: read back, and along its guidance scale.

Classes: ``class_accuracy`` (made items that the data set's reader sees as the class asked for), ``class_diversity`` (spread
within a class over that of real items). Captions of scenes, read back by ``scene_reader``: ``text_shape text_colour
text_place text_joint`` (all three) on held-out captions, ``text_unseen`` on combinations that the data never show,
``text_swapped`` against another picture's caption (chance); of two objects ``relation_accuracy`` and ``pair_accuracy``.
Where sampling has ``guidance``, at each of ``SCALES``: ``accuracy_w<scale>`` (of classes, or ``text_joint``) and
``diversity_w<scale>``; at 0 the condition is not heard, so ``entropy_w0`` tells the marginal of classes.
For families with a latent "z" also ``style_kept``: whether a latent has the same style in every class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..contract.family import LoadedRun
from ..contract.fields import describe
from ..data import scenes
from ..data.reading import Dataset
from . import measures, scene_reader, style
from .features import Features, labelled

#: Guidance scales along which accuracy and diversity are measured, and items at each.
SCALES, ITEMS = (0.0, 1.0, 2.0, 4.0), 500
#: Prompts that are asked for, and how many items of one prompt tell its diversity.
PROMPTS, OF_ONE = 400, 8

#: Latents that are made into each of so many classes, where style is compared.
STYLED, CLASSES = 200, 12

#: (count, plain conditions, guidance or None) -> items (N, *shape)
Make = Callable[[int, dict[str, Any], float | None], np.ndarray]


def hears(loaded: LoadedRun, data: Dataset) -> str:
    """What a run is asked for: "text", "class" or nothing ("")."""
    kinds = {c.kind for c in loaded.family.conditions}
    if "text" in kinds and data.spec.captioned:
        return "text"
    return "class" if "class" in kinds and loaded.spec.classes else ""


def asked(loaded: LoadedRun, data: Dataset) -> dict[str, Any]:
    """The conditions under which a run is measured: every class in turn, or held-out captions in turn."""
    kind = hears(loaded, data)
    if kind == "text":
        return {"text": [data.validation.captions[i] for i in prompts(data)]}
    return {"class": "all"} if kind else {}


def prompts(data: Dataset) -> np.ndarray:
    """The places (N,) in the validation split whose captions are asked for."""
    return np.array([i for i, caption in enumerate(data.validation.captions) if caption][:PROMPTS], int)


def measured(loaded: LoadedRun, data: Dataset, features: Callable[[], Features], made: np.ndarray, make: Make,
             seed: int) -> dict[str, float]:  # fmt: skip
    """Everything that applies. ``made``: items of ``asked``, in turn; ``make`` makes more."""
    kind, guided = hears(loaded, data), "guidance" in {f.name for f in describe(type(loaded.family).Sampling).fields}
    if kind == "text" and "scenes" in data.record.options:
        return _of_text(data, made, make, guided)
    if kind == "class" and labelled(data):
        found = of_classes(loaded, data, features(), made, seed) | across_classes(loaded, make)
        return found | (along_guidance(loaded, data, features(), make, seed) if guided else {})
    return {}


# ------------------------------------------------------------------------------------------------ classes


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


def along_guidance(loaded: LoadedRun, data: Dataset, features: Features, make: Make, seed: int) -> dict[str, float]:
    """The curve of guidance on classes."""
    found: dict[str, float] = {}
    for scale in SCALES:
        made = make(ITEMS, {"class": "all"}, scale)
        told = of_classes(loaded, data, features, made, seed)
        found |= {f"accuracy_w{scale:g}": told["class_accuracy"], f"diversity_w{scale:g}": told["class_diversity"]}
        if scale == 0:
            found["entropy_w0"] = measures.class_entropy(features.probabilities(made))
    return found


def across_classes(loaded: LoadedRun, make: Make) -> dict[str, float]:
    """How far the same latents have the same style in every class; nothing where there is no latent "z"."""
    if "z" not in loaded.family.latents:
        return {}
    shown = range(min(CLASSES, len(loaded.spec.classes)))
    made = [make(STYLED, {"class": loaded.spec.classes[k]}, None) for k in shown]
    return {"style_kept": style.kept(np.stack([style.style(items) for items in made]))}


# ------------------------------------------------------------------------------------------------ captions of scenes


def _of_text(data: Dataset, made: np.ndarray, make: Make, guided: bool) -> dict[str, float]:
    rows = data.validation.positions[prompts(data)]
    factors = np.stack([data.factors()[name][rows] for name in data.record.options["factors"]], 1)
    told = factors[np.arange(len(made)) % len(factors)]
    if data.record.options["scenes"] == 2:
        return _of_pairs(made, told)
    found = _shares(made, told)
    found["text_swapped"] = _shares(made, np.roll(told, 1, axis=0))["text_joint"]
    if data.record.options.get("leave_out"):
        captions, combined = scenes.unseen(PROMPTS)
        found["text_unseen"] = _shares(make(PROMPTS, {"text": captions}, None), combined)["text_joint"]
    for scale in SCALES if guided else ():
        captions = asked_again(data, PROMPTS // OF_ONE)
        again = make(PROMPTS, {"text": [c for c in captions for _ in range(OF_ONE)]}, scale)
        found[f"accuracy_w{scale:g}"] = _shares(again, np.repeat(factors[: len(captions)], OF_ONE, 0))["text_joint"]
        found[f"diversity_w{scale:g}"] = _spread(again)
    return found


def asked_again(data: Dataset, count: int) -> list[str]:
    """The first ``count`` prompts."""
    return [data.validation.captions[i] for i in prompts(data)[:count]]


def _shares(made: np.ndarray, told: np.ndarray) -> dict[str, float]:
    """Shares of items (N, C, H, W) whose shape, colour, place and all three are as told (N, 7)."""
    seen = [_first(scene_reader.read(picture)) for picture in as_bytes(made)]
    right = np.array([(s.shape == f[0], s.colour == f[1], s.place == f[3]) for s, f in zip(seen, told, strict=True)], float)
    names = ("text_shape", "text_colour", "text_place")
    return dict(zip(names, map(float, right.mean(0)), strict=True)) | {"text_joint": float(right.all(1).mean())}


def _first(seen: Sequence[scene_reader.Seen]) -> scene_reader.Seen:
    return seen[0] if seen else scene_reader.Seen()


def _spread(made: np.ndarray) -> float:
    """Mean distance of two items of one prompt (OF_ONE in a row each), of their values' range."""
    groups = made.reshape(-1, OF_ONE, int(np.prod(made.shape[1:])))
    return measures.spread_within(groups.reshape(len(made), -1), np.repeat(np.arange(len(groups)), OF_ONE)) / (
        2 * np.sqrt(groups.shape[-1])
    )


def _of_pairs(made: np.ndarray, told: np.ndarray) -> dict[str, float]:
    """``pair_accuracy``: both objects as told; ``relation_accuracy``: the one that was named first stands to the other as told
    (found by colour; half of them by chance where both are there), and nothing that cannot be read counts."""
    pair, related = [], []
    for picture, row in zip(as_bytes(made), told, strict=True):
        seen = {s.colour: s for s in scene_reader.read(picture, 2)}
        first, second = seen.get(int(row[1])), seen.get(int(row[5]))
        both = first is not None and second is not None
        pair.append(both and first.shape == row[0] and second.shape == row[4])
        related.append(both and stands(first, second) == int(row[8]))
    return {"pair_accuracy": float(np.mean(pair)), "relation_accuracy": float(np.mean(related))}


def stands(first: scene_reader.Seen, second: scene_reader.Seen) -> int:
    """How the first stands to the second: an index into ``scenes.RELATIONS``."""
    dx, dy = second.x - first.x, second.y - first.y
    if abs(dx) > abs(dy):
        return 0 if dx > 0 else 1
    return 2 if dy > 0 else 3


def as_bytes(items: np.ndarray) -> np.ndarray:
    """Items (N, C, H, W) in [-1, 1] as uint8 pictures (N, H, W, C)."""
    return np.moveaxis(np.clip(np.rint(np.asarray(items) * 127.5 + 127.5), 0, 255).astype(np.uint8), 1, -1)
