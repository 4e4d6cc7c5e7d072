"""Measures of a run on held-out data, each beside its real-against-real floor or the same share of real items.

Names stand in ``contract.measures`` with their words. ``<name>_real`` is a share's counterpart of real held-out items and
``<name>_ratio`` their quotient, ``<name>_floor`` a distance's between real items. Pictures are measured by the data's reader
(see ``features``), points in data units; ``w2_<n>step``, ``fd_<n>step`` for n of ``FEW`` and ``straightness`` where sampling
takes steps; conditional runs by ``following``; latents by ``disentanglement`` on data with known factors; then what the
family's own diagnostics say, and ``health_<monitor>``: 0 ok, 1 warn, 2 bad.

With a pretrained model also, under the model's name (``clip`` for one): ``fd_clip fd_floor_clip kid_clip kid_floor_clip
precision_clip recall_clip density_clip coverage_clip``, ``class_diversity_clip`` of runs that are asked for classes,
``reconstruction_distance_clip`` (1 - cos) where the run reconstructs; by a whole CLIP of runs that are asked for captions,
``clip_score`` and ``clip_score_real``, that of the pictures that the captions belong to.

Where few items are held out, what would be compared with them is left out; ``held_out`` tells their number, and
``contract.measures.warnings`` what that means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import torch

from models_backend.contract.words import counted

from ..contract.course import weighed_since
from ..contract.family import Family, LoadedRun
from ..contract.fields import build, describe, merged, plain
from ..contract.measures import CALIBRATED, LEAST, NEIGHBOURS, REAL, with_ratios
from ..contract.messages import Health, Levels, Metrics, Progress, TroubleError
from ..contract.run_layout import RunRecord
from ..contract.trace import TraceInfo
from ..data.densities import MIXTURES
from ..data.reading import Dataset, Split, pictures_to_float
from . import disentanglement, following, likeness, measures, pretrained
from .features import Features, labelled, reader
from .health import judge

#: Items for the measures that cost the square of their number, and for the family's diagnostics.
SQUARE, DIAGNOSED, TRACED = 2000, 1000, 64
#: Reconstructions that a pretrained model looks at.
LOOKED_AT = 500
#: Training items whose latents are set beside their known factors.
CODED = 4000
#: Steps at which few-step sampling is measured.
FEW = (1, 2, 4)
#: Values (items times dimensions) on which a likelihood is asked.
LIKELIHOOD_VALUES = 100_000
#: Diagnostics that compare sets of items.
COMPARING = ("coverage", "recall")
LEVELS = {"ok": 0.0, "warn": 1.0, "bad": 2.0}


#: The family's diagnostics -> what a run's monitors say.
Judged = Callable[[Mapping[str, Any]], Health]


class Draw(Protocol):
    """Makes ``count`` items of the run: float32 (N, *shape), or uint8 (N, H, W, C) as they travel; with the trace of the
    first ``trace`` of them. ``conditions``: plain values, as a Sample request has them."""

    def __call__(
        self, count: int, seed: int, sampling: dict[str, Any], trace: int = 0, conditions: dict[str, Any] | None = None
    ) -> tuple[Any, TraceInfo | None]: ...


def evaluate(library: object, loaded: LoadedRun, data: Dataset, count: int, seed: int, sampling: dict[str, Any], draw: Draw,
             judged: Judged | None = None, tell: Callable[[Progress], None] | None = None,
             features: str = "") -> dict[str, float]:  # fmt: skip
    """All measures that apply, finite ones only. ``sampling``: plain changes to the family's defaults; ``judged``: what
    the run's monitors say, given the family's diagnostics; ``features``: a pretrained model's folder, for its measures too.
    Raises Stopped if ``draw`` does, and TroubleError for features that cannot be used, before anything is made."""
    say = _teller(tell)
    seen_by = _opened(features, data, loaded.device, tell) if features else None
    own = reader(data, tell) if data.spec.modality == "image" else None  # what it costs is told first
    say(0, f"making {counted(count, 'item')}")
    steps = "steps" in {f.name for f in describe(type(loaded.family).Sampling).fields}
    given, found = following.asked(loaded, data), {"held_out": data.validation.count}
    made, trace = draw(count, seed, sampling, TRACED if steps else 0, given)
    found |= {"straightness": trace.straightness} if trace is not None and steps else {}
    say(1, "measuring them")
    made, few = _array(made), {}
    found["made"] = len(made)
    if steps and comparable(data, made):
        few = {n: _array(draw(count, seed, {**sampling, "steps": n}, 0, given)[0]) for n in FEW}
    found |= _of_points(data, made, few, seed) if own is None else _of_pictures(own, data, made, few, seed)
    if seen_by is not None:
        found |= _of_features(seen_by, loaded, data, made, seed)
    if given and data.spec.modality == "image":
        found |= following.measured(loaded, data, own, made, _maker(draw, seed, sampling), seed)
    say(2, "asking the model itself")
    found = _of_model(loaded, data, sampling, seed, judged, seen_by) | found  # what was measured on the items stands
    say(3, "done")
    return with_ratios({name: float(value) + 0.0 for name, value in found.items() if math.isfinite(value)})


def comparable(data: Dataset, made: np.ndarray) -> bool:
    """Whether there are enough items, held out, known and made, to compare sets of them."""
    return min(data.validation.count, data.train.count, len(made)) >= LEAST


def _maker(draw: Draw, seed: int, sampling: dict[str, Any]) -> following.Make:
    """(count, conditions, guidance or None) -> items, drawn as the run is measured."""

    def make(count: int, conditions: dict[str, Any], guidance: float | None) -> np.ndarray:
        changed = sampling if guidance is None else {**sampling, "guidance": guidance}
        return _array(draw(count, seed + 1, changed, 0, conditions)[0])

    return make


def judged_by(record: RunRecord, family: Family, events: Any, step: int, looks: Mapping[str, float]) -> Judged:
    """A run's monitors with the evidence that they have in training: the figures and noise levels told up to ``step``, and
    what a look at its previews finds."""
    series, levels = told_by(events, step)
    training = record.training | {"steps": record.steps}
    since = weighed_since(record, family, series)
    return lambda told: judge(family.health, series, {**looks, **told}, levels, step, record.config, training, since)


def told_by(events: Any, step: int) -> tuple[dict[str, list[tuple[int, float]]], list[float]]:
    """What a run told up to a step: its figures as name -> (step, value) in order, and its newest losses by noise level."""
    series: dict[str, list[tuple[int, float]]] = {}
    levels: list[float] = []
    for event in events:
        body = event.body
        if isinstance(body, Metrics) and body.step <= step:
            for name, value in body.values.items():
                series.setdefault(name, []).append((body.step, value))
        elif isinstance(body, Levels) and body.step <= step:
            levels = body.losses
    return series, levels


def _teller(tell: Callable[[Progress], None] | None) -> Callable[[int, str], None]:
    return lambda done, what: tell(Progress(done, 3, what)) if tell else None


def _array(items: Any) -> np.ndarray:
    """Items as the models see them, float32 (N, *shape), from a tensor or from uint8 pictures (N, H, W, C)."""
    items = items.detach().cpu().numpy() if isinstance(items, torch.Tensor) else np.asarray(items)
    return pictures_to_float(items) if items.dtype == np.uint8 else items.astype(np.float32, copy=False)


def some(split: Split, count: int, seed: int) -> np.ndarray:
    """Up to ``count`` items of a split, chosen by the seed."""
    return split.take(chosen(split, count, seed))


def chosen(split: Split, count: int, seed: int) -> np.ndarray:
    """The places of these items in the split, in its order."""
    return np.sort(np.random.default_rng(seed).permutation(split.count)[:count])


# ------------------------------------------------------------------------------------------------ points


def _of_points(data: Dataset, made: np.ndarray, few: dict[int, np.ndarray], seed: int) -> dict[str, float]:
    """Measures in data units."""
    found = _compared(data, made, few, seed) if comparable(data, made) else {}
    mixture = MIXTURES.get(data.record.options.get("density", ""))
    if mixture is not None:
        modes = measures.mode_coverage(data.in_units(made), mixture.centres, mixture.std)
        found |= {"modes": modes.covered, "within_3sd": modes.within, "least_mode": min(modes.shares)}
    if mixture is not None and data.validation.count >= LEAST:
        real = data.in_units(some(data.validation, len(made), seed))
        modes = measures.mode_coverage(real, mixture.centres, mixture.std)
        found |= {"within_3sd_real": modes.within, "least_mode_real": min(modes.shares)}
    return found


def _compared(data: Dataset, made: np.ndarray, few: dict[int, np.ndarray], seed: int) -> dict[str, float]:
    """Distances of points."""
    n = min(len(made), data.validation.count, data.train.count, SQUARE)
    seen = some(data.validation, n, seed)
    real, train = data.in_units(seen), data.in_units(some(data.train, n, seed))
    points = data.in_units(made)
    more = np.random.default_rng(seed).permutation(data.in_units(some(data.train, len(points), seed)))  # ``some`` sorts
    found = {"w2": mean_w2(real, points), "w2_floor": mean_w2(real, more)} | _manifold(real, points[:n], train)
    found |= {
        "w1": measures.w1(real, points[:n]),
        "w1_floor": measures.w1(real, train),
        "w1_model": measures.w1(seen, made[:n]),
    }
    return found | {f"w2_{steps}step": measures.w2(real, data.in_units(items)[:n]) for steps, items in few.items()}


def mean_w2(real: np.ndarray, made: np.ndarray) -> float:
    """W2 between ``real`` and as many of ``made`` at a time, averaged: one set alone is lucky or unlucky in its shares."""
    n = min(len(real), len(made))
    chunks = [made[i : i + n] for i in range(0, len(made) - n + 1, n)]
    return float(np.mean([measures.w2(real[:n], chunk) for chunk in chunks[:8]]))


def _manifold(real: np.ndarray, made: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """How made items lie among held-out ones, and how as many training items (``other``) do; nothing where they are few."""
    if min(len(real), len(made)) < NEIGHBOURS:
        return {}
    found, truly = asdict(measures.manifold(real, made)), asdict(measures.manifold(real, other[: len(made)]))
    return found | {name + REAL: value for name, value in truly.items()}


# ------------------------------------------------------------------------------------------------ pictures


def _of_pictures(features: Features, data: Dataset, made: np.ndarray, few: dict[int, np.ndarray],
                 seed: int) -> dict[str, float]:  # fmt: skip
    places = chosen(data.validation, SQUARE, seed)
    held_out = data.validation.take(places)
    train = some(data.train, max(8 * SQUARE, len(held_out)), seed)
    limit = measures.near_limit(train, held_out)
    found = {"near_copies": measures.near_copies(made, train, limit)}
    if comparable(data, made):
        found |= {"near_copies_real": measures.near_copies(held_out, train, limit)}
        found |= _distances(features, held_out, made, train, few, seed)
    return found | (_of_classes(features, data, made, places) if labelled(data) else {})


def _distances(features: Features, held_out: np.ndarray, made: np.ndarray, train: np.ndarray, few: dict[int, np.ndarray],
               seed: int) -> dict[str, float]:  # fmt: skip
    """What compares sets of pictures by their features."""
    real, of_made = features(held_out), features(made)
    of_train = np.random.default_rng(seed).permutation(features(train))  # ``some`` keeps the data set's order: by class, often
    found = {"fd": mean_frechet(real, of_made), "fd_floor": mean_frechet(real, of_train),
             "kid": likeness.kernel_distance(real, of_made), "kid_floor": likeness.kernel_distance(real, of_train)}  # fmt: skip
    found |= _manifold(real, of_made[: len(real)], of_train)
    return found | {f"fd_{steps}step": mean_frechet(real, features(items)) for steps, items in few.items()}


def mean_frechet(real: np.ndarray, made: np.ndarray) -> float:
    """Frechet distance between ``real`` and as many of ``made`` at a time, averaged: sets of one size have one bias."""
    n = min(len(real), len(made))
    chunks = [made[i : i + n] for i in range(0, len(made) - n + 1, n)]
    return float(np.mean([measures.frechet(real, chunk) for chunk in chunks[:8]]))


def _of_classes(features: Features, data: Dataset, made: np.ndarray, places: np.ndarray) -> dict[str, float]:
    """What the reader sees in made items, and in held-out ones at ``places``."""
    found = _seen(features.probabilities(made), made) | {"classifier_accuracy": features.accuracy}
    if features.temperatures:
        found["temperature"] = features.temperatures[0]
    if len(places) >= LEAST:
        held_out = data.validation.take(places)
        truly = _seen(features.held_out_probabilities(held_out, places), held_out)
        found |= {name + REAL: value for name, value in truly.items()}
    return found


def _seen(probabilities: np.ndarray, items: np.ndarray) -> dict[str, float]:
    return {"sure": measures.sure(probabilities), "least_class": float(measures.class_shares(probabilities).min()),
            "class_entropy": measures.class_entropy(probabilities),
            "inception_score": likeness.inception_score(probabilities),
            "ms_ssim_within": likeness.similarity_within(items, probabilities.argmax(1))}  # fmt: skip


# ------------------------------------------------------------------------------------------------ pretrained features


def _opened(folder: str, data: Dataset, device: torch.device, tell: Any) -> pretrained.Pretrained:
    if data.spec.modality != "image":
        what = f"features are of pictures, and this run makes {data.spec.modality}"
        raise TroubleError(what, folder, advice="Measure it without them")
    return pretrained.opened(folder, device, tell)


def _of_features(features: pretrained.Pretrained, loaded: LoadedRun, data: Dataset, made: np.ndarray,
                 seed: int) -> dict[str, float]:  # fmt: skip
    """What the data set's reader measures, by a pretrained model; floors from as many training items as were made."""
    heard = following.hears(loaded, data)
    seen = features(made)
    words = _of_words(features, data, seen) if heard == "text" and features.say else {}
    if not comparable(data, made):
        return words
    picks = np.random.default_rng(seed)
    held_out = np.sort(picks.permutation(data.validation.count)[: min(len(made), SQUARE)])
    train = picks.permutation(data.train.count)[: max(len(made), len(held_out))]
    real, other = features(data.validation.take(held_out)), features(data.train.take(train))
    found = {"fd": mean_frechet(real, seen), "fd_floor": mean_frechet(real, other),
             "kid": likeness.kernel_distance(real, seen), "kid_floor": likeness.kernel_distance(real, other)}  # fmt: skip
    found |= _manifold(real, seen[: len(real)], other)
    if heard == "class" and labelled(data):
        labels = data.validation.labels[held_out]
        within = measures.spread_within(seen, following.in_turn(loaded, data, len(seen)))
        found["class_diversity"] = within / max(measures.spread_within(real[labels >= 0], labels[labels >= 0]), 1e-12)
    return words | {f"{name}_{features.name}": value for name, value in found.items()}


def _of_words(features: pretrained.Pretrained, data: Dataset, seen: np.ndarray) -> dict[str, float]:
    """How items (their features, N) made of the prompts in turn go with them, and how the prompts' own pictures do."""
    split, prompts = following.asked_split(data), following.prompts(data)
    words = features.words([split.captions[i] for i in prompts])
    return {"clip_score": likeness.clip_score(seen, words[np.arange(len(seen)) % len(words)]),
            "clip_score_real": likeness.clip_score(features(split.take(prompts)), words)}  # fmt: skip


# ------------------------------------------------------------------------------------------------ the model itself


def _of_model(loaded: LoadedRun, data: Dataset, sampling: dict[str, Any], seed: int, judged: Judged | None,
              seen_by: pretrained.Pretrained | None) -> dict[str, float]:  # fmt: skip
    """The family's diagnostics on held-out items, its reconstructions, and its health."""
    held_out, told, found = some(data.validation, DIAGNOSED, seed), {}, {}
    if len(held_out):
        generator = torch.Generator(device=loaded.device).manual_seed(seed)
        with torch.no_grad():
            told = loaded.family.diagnostics(loaded.nets, torch.from_numpy(held_out).to(loaded.device), generator)
        few = COMPARING if len(held_out) < NEIGHBOURS else ()
        found = {k: v for k, v in told.items() if isinstance(v, (int, float)) and k not in few}
        found |= _reconstructions(loaded, data, sampling, seed, seen_by)
        found |= _likelihood(loaded, data, held_out, seed)
    if min(data.train.count, data.validation.count) >= CALIBRATED:
        found |= _disentanglement(loaded, data, seed)
    if judged is not None:
        found |= {f"health_{line.monitor}": LEVELS[line.level] for line in judged(told).lines}
    return found


def _likelihood(loaded: LoadedRun, data: Dataset, held_out: np.ndarray, seed: int) -> dict[str, float]:
    """Mean log p(x) on held-out items, beside the best linear-Gaussian model of as many latents on the same items."""
    family = loaded.family
    if type(family).log_likelihood is Family.log_likelihood:
        return {}
    x = held_out[: max(16, LIKELIHOOD_VALUES // max(1, math.prod(data.spec.shape)))]
    generator = torch.Generator(device=loaded.device).manual_seed(seed)
    with torch.no_grad():
        nats = family.log_likelihood(loaded.nets, torch.from_numpy(x).to(loaded.device), generator).mean().item()
    linear = measures.ppca_nats(some(data.train, 8 * SQUARE, seed), x, math.prod(family.noise_shape()))
    return {"log_likelihood": nats, "ppca_nats": linear, "ppca_gap": abs(nats - linear)}


def _disentanglement(loaded: LoadedRun, data: Dataset, seed: int) -> dict[str, float]:
    """How single latent dimensions stand for the factors that the data were drawn from, where those are known."""
    factors = data.generative()
    if not factors or not _encodes(loaded.family):
        return {}
    rng, codes, known = np.random.default_rng(seed), [], []
    for split, count in ((data.train, CODED), (data.validation, DIAGNOSED)):
        index = np.sort(rng.permutation(split.count)[:count])
        with torch.no_grad():
            parts = [split.take(rows) for rows in np.array_split(index, max(1, len(index) // 500))]
            codes.append(np.concatenate([_array(loaded.family.encode(loaded.nets, torch.from_numpy(x).to(loaded.device)))
                                         for x in parts]))  # fmt: skip
        known.append({name: values[split.positions[index]] for name, values in factors.items()})
    return disentanglement.scores(codes[0], known[0], codes[1], known[1])


def _encodes(family: Family) -> bool:
    """Whether the family has a latent "z" and finds an item's."""
    return "z" in family.latents and type(family).encode is not Family.encode


def _reconstructions(loaded: LoadedRun, data: Dataset, sampling: dict[str, Any], seed: int,
                     seen_by: pretrained.Pretrained | None) -> dict[str, float]:  # fmt: skip
    """Held-out items through encode and decode, where the family's latent has both."""
    family = loaded.family
    if not _encodes(family):
        return {}
    index = np.random.default_rng(seed).permutation(data.validation.count)[:DIAGNOSED]
    x = data.validation.take(index)
    settings = build(family.Sampling, merged(plain(family.Sampling()), sampling))
    with torch.no_grad():
        z = family.encode(loaded.nets, torch.from_numpy(x).to(loaded.device))
        again = _array(family.decode(loaded.nets, z, settings))
    found = {"reconstruction_psnr": measures.psnr(x, again)}
    if data.spec.modality == "image":
        found["reconstruction_ssim"] = likeness.similarity(x, again)
    if seen_by is not None:
        pair = seen_by(x[:LOOKED_AT]), seen_by(again[:LOOKED_AT])
        found[f"reconstruction_distance_{seen_by.name}"] = likeness.feature_distance(*pair)
    if data.spec.modality == "image" and labelled(data):
        of, labels = reader(data), data.validation.labels[index]
        found["reconstruction_accuracy"] = measures.accuracy(of.scores(again), labels)
        found["reconstruction_accuracy_real"] = measures.accuracy(of.scores(x), labels)
    return found
