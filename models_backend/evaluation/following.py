"""How a conditional run follows what it is asked for: read back, and along its guidance scale.

Classes: ``class_accuracy`` (made items that the data set's reader sees as the class asked for), ``class_diversity`` (spread
within a class over that of real items). Captions of scenes, read back by ``scene_reader`` and held against the stored factors
of the item that each is of: ``text_shape text_colour text_place`` and ``text_joint`` (all three; a second thing is wrong) on
held-out captions; of two objects ``pair_accuracy``, ``relation_accuracy`` and ``text_joint`` (both); ``text_unseen``, joint on
combinations that the data never show; ``text_swapped``, joint against another item's caption (chance).
Where sampling has ``guidance``, at each of ``SCALES``: ``accuracy_w<scale>`` of classes or ``text_joint_w<scale>``, and
``diversity_w<scale>``, the spread of what one class or one caption gives over that of real items of one class; at 0 the
condition is not heard, so ``entropy_w0`` tells the marginal of classes.
Pictures: ``cycle_psnr`` of held-out ones that are translated to the next class and back; of filled and outlined shapes also
``content_kept content_colour content_place content_shape domain_switched`` and ``switched_before`` (of the pictures as given).
For families with a latent "z" also ``style_kept``: whether a latent has the same style in every class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..conditions.prompts import escaped
from ..contract.family import LoadedRun, heard, translates
from ..contract.fields import describe
from ..contract.measures import REAL
from ..data import asked_pictures, scenes
from ..data.reading import Dataset, Split
from . import measures, scene_reader, style, translation
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
    """What a run is asked for: "image", "text", "class" or nothing ("")."""
    kinds = heard(loaded.family.conditions, loaded.spec)
    if translates(loaded.family.conditions):
        return "image"
    if "text" in kinds and len(prompts(data)):
        return "text"
    return "class" if "class" in kinds else ""


def asked(loaded: LoadedRun, data: Dataset) -> dict[str, Any]:
    """The conditions under which a run is measured: held-out captions in turn, or every class in turn that has items."""
    kind = hears(loaded, data)
    if kind == "image":
        return asked_pictures.translations(data, PROMPTS)
    if kind == "text":
        return {"text": [escaped(asked_split(data).captions[i]) for i in prompts(data)]}
    return {"class": [int(i) for i in shown(loaded, data)]} if kind else {}


def asked_split(data: Dataset) -> Split:
    """Where prompts come from: the held-out items, or the training items where no held-out one has a caption."""
    return data.validation if _captioned(data.validation) else data.train


def prompts(data: Dataset) -> np.ndarray:
    """The places (N,) in ``asked_split`` whose captions are asked for."""
    return np.array(_captioned(asked_split(data))[:PROMPTS], int)


def _captioned(split: Split) -> list[int]:
    return [i for i, caption in enumerate(split.captions) if caption]


def measured(loaded: LoadedRun, data: Dataset, features: Features, made: np.ndarray, make: Make,
             seed: int) -> dict[str, float]:  # fmt: skip
    """Everything that applies. ``made``: items of ``asked``, in turn; ``make`` makes more."""
    kind, guided = hears(loaded, data), "guidance" in {f.name for f in describe(type(loaded.family).Sampling).fields}
    if kind == "image":
        return _of_pictures(data, made, make)
    if kind == "text":
        found = _of_text(data, made, make) if readable(data) else {}
        return found | (_along_text(data, features, make, seed) if guided else {})
    if kind == "class" and labelled(data):
        found = of_classes(loaded, data, features, made, seed) | across_classes(loaded, make)
        found["class_accuracy_real"] = features.accuracy
        return found | (along_guidance(loaded, data, features, make, seed) if guided else {})
    return {}


def readable(data: Dataset) -> bool:
    """Whether the data are scenes whose pictures can be read without a network."""
    return "scenes" in data.record.options and data.spec.shape[0] == 3 and bool(data.factors())


def spread_of_real(data: Dataset, features: Features, seed: int) -> float:
    """Spread of real items of one class; where there are no classes, of one relation of two objects, or of all."""
    kinds = data.train.labels
    if not labelled(data):
        kinds = data.factors().get("relation", np.zeros(data.record.count))[data.train.positions].astype(np.int64)
    known = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(kinds >= 0))[: 4 * ITEMS])
    return max(measures.spread_within(features(data.train.take(known)), kinds[known]), 1e-12)


# ------------------------------------------------------------------------------------------------ classes


def shown(loaded: LoadedRun, data: Dataset) -> np.ndarray:
    """The classes that have items (all of them where nothing is labelled): no run can be asked for what was never there."""
    found = np.unique(np.concatenate([data.train.labels, data.validation.labels]))
    found = found[found >= 0]
    return found if len(found) else np.arange(len(loaded.spec.classes))


def in_turn(loaded: LoadedRun, data: Dataset, count: int) -> np.ndarray:
    """The class (count,) that each item was asked for."""
    return np.resize(shown(loaded, data), count)


def of_classes(loaded: LoadedRun, data: Dataset, features: Features, made: np.ndarray, seed: int) -> dict[str, float]:
    """Accuracy and diversity of items made of every class in turn."""
    labels = in_turn(loaded, data, len(made))
    return {
        "class_accuracy": measures.accuracy(features.scores(made), labels),
        "class_diversity": measures.spread_within(features(made), labels) / spread_of_real(data, features, seed),
    }


def along_guidance(loaded: LoadedRun, data: Dataset, features: Features, make: Make, seed: int) -> dict[str, float]:
    """The curve of guidance on classes."""
    found: dict[str, float] = {}
    for scale in SCALES:
        made = make(ITEMS, asked(loaded, data), scale)
        told = of_classes(loaded, data, features, made, seed)
        found |= {f"accuracy_w{scale:g}": told["class_accuracy"], f"diversity_w{scale:g}": told["class_diversity"]}
        if scale == 0:
            found["entropy_w0"] = measures.class_entropy(features.probabilities(made))
    return found


def across_classes(loaded: LoadedRun, make: Make) -> dict[str, float]:
    """How far the same latents have the same style in every class; nothing where there is no latent "z"."""
    if "z" not in loaded.family.latents:
        return {}
    seen = [name for name in loaded.spec.classes if name not in loaded.spec.unseen]
    made = [make(STYLED, {"class": name}, None) for name in seen[:CLASSES]]
    return {"style_kept": style.kept(np.stack([style.style(items) for items in made]))}


# ------------------------------------------------------------------------------------------------ pictures


def _of_pictures(data: Dataset, made: np.ndarray, make: Make) -> dict[str, float]:
    """What is kept and what is changed of the pictures asked for in turn, and how they come back."""
    given = asked_pictures.translations(data, PROMPTS)
    if "class" not in given:
        return {}
    count = min(len(made), len(given["image"]))
    start, goal, made = given["image"][:count], np.array(given["class"][:count]), made[:count]
    origin = [int(k - 1) % len(data.spec.classes) for k in goal]
    returned = make(count, {"image": made, "class": origin}, None)
    found = {"cycle_psnr": translation.psnr(start, returned)}
    if data.record.options.get("style") and data.spec.shape[0] == 3:
        found |= translation.of_styles(start, made, goal == 1)
        before = translation.of_styles(start, start, goal == 1)
        found["switched_before"] = before.pop("domain_switched")
        found |= {name + REAL: value for name, value in before.items()}
    return found


# ------------------------------------------------------------------------------------------------ captions


def _of_text(data: Dataset, made: np.ndarray, make: Make) -> dict[str, float]:
    """What items of the prompts in turn show, of what each caption's own item shows."""
    factors = _factors(data)
    told = factors[np.arange(len(made)) % len(factors)]
    found = judged(made, told)
    real = judged(asked_split(data).take(prompts(data)), factors)
    found |= {name + REAL: value for name, value in real.items()}
    if len(factors) > 1:
        swapped = factors[(np.arange(len(made)) + 1) % len(factors)]
        found["text_swapped"] = judged(made, swapped)["text_joint"]
    if data.record.options.get("leave_out"):
        captions, combined = scenes.unseen(PROMPTS, objects=data.record.options["scenes"])
        found["text_unseen"] = judged(make(PROMPTS, {"text": captions}, None), combined)["text_joint"]
    return found


def _along_text(data: Dataset, features: Features, make: Make, seed: int) -> dict[str, float]:
    """The curve of guidance on captions: several items of each of a few prompts at every scale."""
    captions = [escaped(asked_split(data).captions[i]) for i in prompts(data)[: PROMPTS // OF_ONE]]
    which, real, found = np.repeat(np.arange(len(captions)), OF_ONE), spread_of_real(data, features, seed), {}
    for scale in SCALES:
        made = make(len(which), {"text": [captions[i] for i in which]}, scale)
        if readable(data):
            found[f"text_joint_w{scale:g}"] = judged(made, _factors(data)[which])["text_joint"]
        found[f"diversity_w{scale:g}"] = measures.spread_within(features(made), which) / real
    return found


def _factors(data: Dataset) -> np.ndarray:
    """The stored factors of the items whose captions are asked for, (N, F)."""
    rows, known = asked_split(data).positions[prompts(data)], data.factors()
    return np.stack([known[name][rows] for name in data.record.options["factors"]], 1)


def judged(made: np.ndarray, told: np.ndarray) -> dict[str, float]:
    """Shares of items (N, 3, H, W) in [-1, 1] that show what the factors (N, F) of one object or of two tell."""
    seen = [scene_reader.read(picture) for picture in as_bytes(made)]
    judge = _pair if told.shape[1] == len(scenes.TWO) else _one
    right = [judge(things, row) for things, row in zip(seen, told, strict=True)]
    return {name: float(np.mean([each[name] for each in right])) for name in right[0]}


def _one(seen: Sequence[scene_reader.Seen], row: np.ndarray) -> dict[str, bool]:
    """The picture shows one thing, and it is as told."""
    one = seen[0] if len(seen) == 1 else scene_reader.Seen()
    found = {"text_shape": one.shape == row[0], "text_colour": one.colour == row[1], "text_place": one.place == row[3]}
    return found | {"text_joint": all(found.values())}


def _pair(seen: Sequence[scene_reader.Seen], row: np.ndarray) -> dict[str, bool]:
    """``pair_accuracy``: two things, both as told. ``relation_accuracy``: the one of the colour that was named first stands to
    the one of the other as told (half of them by chance where both are there)."""
    by_colour = {s.colour: s for s in seen} if len(seen) == 2 else {}
    first, second = by_colour.get(int(row[1])), by_colour.get(int(row[5]))
    if first is None or second is None:
        return dict.fromkeys(("pair_accuracy", "relation_accuracy", "text_joint"), False)
    pair, stand = first.shape == row[0] and second.shape == row[4], stands(first, second) == int(row[8])
    return {"pair_accuracy": pair, "relation_accuracy": stand, "text_joint": pair and stand}


def stands(first: scene_reader.Seen, second: scene_reader.Seen) -> int:
    """How the first stands to the second: an index into ``scenes.RELATIONS``."""
    dx, dy = second.x - first.x, second.y - first.y
    if abs(dx) > abs(dy):
        return 0 if dx > 0 else 1
    return 2 if dy > 0 else 3


def as_bytes(items: np.ndarray) -> np.ndarray:
    """Items (N, C, H, W) in [-1, 1] as uint8 pictures (N, H, W, C)."""
    return np.moveaxis(np.clip(np.rint(np.nan_to_num(items, nan=-1.0) * 127.5 + 127.5), 0, 255).astype(np.uint8), 1, -1)
