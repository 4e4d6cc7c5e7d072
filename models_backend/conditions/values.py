"""The plain values of conditions, as panels and scripts give them, made into tensors for a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from models_backend.contract import names
from models_backend.contract.asked import refuse_strangers
from models_backend.contract.family import DataSpec, Family, heard
from models_backend.contract.messages import TroubleError

from . import prompts


class Conditions:
    """Checked once; ``batch(first, count)`` gives the tensors of those items. One value goes to all items; a list goes
    round. Raises TroubleError for a condition that the family does not take or a value that it does not know."""

    def __init__(self, family: Family, values: dict[str, Any]):
        self._family = family
        taken = [kind for kind in heard(family.conditions, family.spec) if kind in READERS]
        refuse_strangers(family.title, family.conditions, family.spec, values)
        self._rows = {kind: READERS[kind](values.get(kind), family.spec) for kind in taken}

    def batch(self, first: int, count: int, device: torch.device) -> dict[str, torch.Tensor]:
        """Condition kind -> tensor (count, ...)."""
        return {kind: rows[torch.arange(first, first + count) % len(rows)].to(device) for kind, rows in self._rows.items()}


def read_classes(value: Any, spec: DataSpec) -> torch.Tensor:
    """Classes by name or position ("#3", or a whole number), one, several, or every one in turn (see ``contract.names``), as
    (N,) int64; None is the null class, the row after the last."""
    return torch.tensor(
        [_class(one, spec) for one in _several(names.in_turn("class", value, spec.classes, spec.unseen))], dtype=torch.long
    )


def _several(value: Any) -> list[Any]:
    """One value, or those of a list; nothing is one that is not said."""
    return (list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]) or [None]


def _class(value: Any, spec: DataSpec) -> int:
    count = len(spec.classes)
    if value is None or value == "":
        return count
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= count:
        return _seen(value, spec)
    if not spec.classes:
        raise TroubleError("the data of this run have no classes", str(value), advice="leave the class out")
    return _seen(names.place(spec.classes, str(value), "class", spec.unseen), spec)


def _seen(position: int, spec: DataSpec) -> int:
    """The position of a class that the run was shown. TroubleError for one that no item was of."""
    if spec.classes[position : position + 1] and spec.classes[position] in spec.unseen:
        what = "no item was of this class when the run was made, so it cannot be asked for"
        advice = f"choose one of {names.offered(spec.classes, spec.unseen)}"
        raise TroubleError(what, spec.classes[position], advice=advice)
    return position


def read_texts(value: Any, spec: DataSpec) -> torch.Tensor:
    """A prompt or several as tokens (N, L) int64 (see ``prompts``); None is the null caption. TroubleError for one that is too
    long or written badly."""
    try:
        return torch.from_numpy(prompts.tokens(["" if caption is None else str(caption) for caption in _several(value)]))
    except ValueError as error:
        raise TroubleError(str(error), "text", advice="mend the prompt") from error


def read_images(value: Any, spec: DataSpec) -> torch.Tensor:
    """Pictures (N, C, H, W) in [-1, 1] of the model's shape, as they are (files are opened where data are read, see
    ``data.asked_pictures``); None is one picture that is not a number anywhere: none is given."""
    if value is None or (isinstance(value, (str, Sequence)) and not value):
        return torch.full((1, *spec.shape), torch.nan)
    try:
        found = torch.from_numpy(np.asarray(value, np.float32))
    except (TypeError, ValueError) as error:
        raise TroubleError("this is no picture", "image", advice="choose a picture file") from error
    if tuple(found.shape[1:]) != tuple(spec.shape) or not len(found):
        raise TroubleError(f"pictures of {tuple(found.shape)} do not fit the model's {spec.shape}", "image")
    return found.clamp(-1, 1)


def read_masks(value: Any, spec: DataSpec) -> torch.Tensor:
    """Masks (N, 1, H, W), 1 where a picture is made anew and 0 where it is kept, from pictures that are white there; None is
    one mask that is not a number anywhere."""
    pictures = read_images(value, spec)
    return ((pictures + 1) / 2).mean(1, keepdim=True) if len(spec.shape) == 3 else pictures


def attribute_rows(values: np.ndarray, spec: DataSpec) -> np.ndarray:
    """Attributes (N, A) in their own units, NaN where unknown -> float32 (N, 2 A): on a scale of -1 to 1, then which are known.
    Zeros say that nothing is."""
    low, high = (np.array([getattr(a, end) for a in spec.attributes], np.float64) for end in ("low", "high"))
    known = np.isfinite(values)
    scaled = np.clip(2 * (np.where(known, values, low) - low) / (high - low) - 1, -2, 2)
    return np.concatenate([np.where(known, scaled, 0.0), known], 1).astype(np.float32)


def read_attributes(value: Any, spec: DataSpec) -> torch.Tensor:
    """Attributes by name ({"smiling": 1}, or "smiling=1, age=30") or a list of such as (N, 2 A); unknown where not named."""
    rows = [_attributes(one, spec) for one in _several(value)]
    return torch.from_numpy(attribute_rows(np.array(rows, np.float64).reshape(len(rows), len(spec.attributes)), spec))


def _attributes(value: Any, spec: DataSpec) -> list[float]:
    known = [attribute.name for attribute in spec.attributes]
    if not isinstance(value, dict):
        value = names.attributes_of("" if value is None else str(value), known)
    row = [np.nan] * len(known)
    for name, number in value.items():
        place = names.place(known, name, "attribute")
        try:
            row[place] = float(number)
        except (TypeError, ValueError) as error:
            raise TroubleError("an attribute is a number", f"{name}: {number}", advice="for example 1") from error
    return row


READERS: dict[str, Callable[[Any, DataSpec], torch.Tensor]] = {
    "class": read_classes, "attributes": read_attributes, "text": read_texts, "image": read_images, "mask": read_masks,
}  # fmt: skip
