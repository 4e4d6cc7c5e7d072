"""The conditions of training items as tensors, dropped as guidance wants it; how many captions are cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from models_backend.conditions import prompts as writing
from models_backend.conditions import text, values
from models_backend.contract.family import Condition, Family, heard, translates
from models_backend.contract.names import EVERY
from models_backend.contract.words import counted
from models_backend.data import asked_pictures
from models_backend.networks import frozen_text

from . import randomness

#: Prompts of previews: so many different captions of held-out items.
PROMPTS = 64


class Given:
    """What a split's items are labelled with, for a family that takes it. ``at`` gives the tensors of a batch."""

    def __init__(self, family: Family, split: Any):
        declared = {c.kind: c for c in family.conditions}
        self._null, self._names = len(family.spec.classes), family.spec.attributes
        self._label: Condition | None = declared.get("class") if family.spec.classes else None
        self._text: Condition | None = declared.get("text") if family.spec.captioned else None
        self._attributes: Condition | None = declared.get("attributes") if family.spec.attributes else None
        self._labels = split.labels
        self._known = values.attribute_rows(split.attributes, family.spec) if self._attributes else None
        self._tokens = text.tokens(split.captions) if self._text else None

    def at(self, index: np.ndarray | None, count: int, device: torch.device,
           where: tuple[int, int, int] | None = None, part: int = 0) -> dict[str, torch.Tensor]:  # fmt: skip
        """Condition kind -> tensor of the items at ``index``; None: of ``count`` items that nothing is known of. A dropped or
        missing class is the row after the last, a dropped caption has no bytes. ``where`` (seed, step, rank) decides what is
        dropped; None drops nothing."""
        draws = randomness.numpy_generator(*where, randomness.DROPS, part) if where is not None else None
        found: dict[str, np.ndarray] = {}
        if self._label is not None:
            labels = self._labels[index] if index is not None else np.full(count, -1)
            found["class"] = np.where((labels < 0) | _dropped(self._label, draws, count), self._null, labels).astype(np.int64)
        if self._attributes is not None:
            rows = self._known[index] if index is not None else np.zeros((count, 2 * len(self._names)), np.float32)
            found["attributes"] = np.where(self._lost(draws, count), np.float32(0), rows)
        if self._text is not None:
            rows = self._tokens[index] if index is not None else np.repeat(text.tokens([""]), count, 0)
            found["text"] = np.where(_dropped(self._text, draws, count)[:, None], text.tokens([""], rows.shape[1]), rows)
        return {kind: torch.from_numpy(rows).to(device) for kind, rows in found.items()}

    def _lost(self, draws: np.random.Generator | None, count: int) -> np.ndarray:
        """Which attributes are lost (count, 2 A): all of an item's, and single ones of others, so that any few can be asked."""
        whole = _dropped(self._attributes, draws, count)[:, None]
        shape = (count, len(self._names))
        single = draws.random(shape) < self._attributes.drop if draws is not None else np.zeros(shape, bool)
        return np.tile(whole | single, 2)


def _dropped(condition: Condition, draws: np.random.Generator | None, count: int) -> np.ndarray:
    """Which of ``count`` items lose that condition, (count,) bool."""
    return draws.random(count) < condition.drop if draws is not None and condition.drop > 0 else np.zeros(count, bool)


def prompts(family: Family, data: Any) -> dict[str, Any]:
    """Plain conditions for previews: captions of held-out items (of training items where none are), or every class in turn."""
    kinds = heard(family.conditions, family.spec)
    if translates(family.conditions):
        return asked_pictures.translations(data, PROMPTS)
    found: dict[str, Any] = {"class": EVERY} if "class" in kinds else {}
    if "text" in kinds:
        split = data.validation if data.validation.count else data.train
        said = list(dict.fromkeys(caption for caption in split.captions if caption))[:PROMPTS]
        found["text"] = [writing.escaped(caption) for caption in said] or None
    if "attributes" in kinds and not found:
        split = data.validation if data.validation.count else data.train
        names = [attribute.name for attribute in family.spec.attributes]
        rows = split.attributes[:PROMPTS]
        found["attributes"] = [{n: float(v) for n, v in zip(names, row, strict=True) if np.isfinite(v)} for row in rows]
    return found


def shortened(family: Family, data: Any, nets: Mapping[str, Any]) -> list[str]:
    """How many captions are longer than is read, so that training knows their beginning only; nothing where all are whole."""
    if family.spec.captioned is False or not any(condition.kind == "text" for condition in family.conditions):
        return []
    found = []
    if count := data.train.cut + data.validation.cut:
        found.append(_shortened(count, f"{text.LONGEST} bytes"))
    for encoder in frozen_text.frozen_in(nets)[:1]:
        captions = (*data.train.captions, *data.validation.captions)
        if count := sum(map(encoder.reading.is_cut, captions)):
            found.append(_shortened(count, f"{encoder.most} tokens of the text encoder"))
    return found


def _shortened(count: int, limit: str) -> str:
    return f"{counted(count, 'caption is', 'captions are')} cut to the {limit} that are read"
