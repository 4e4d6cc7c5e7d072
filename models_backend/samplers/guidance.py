"""Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598): what a network says with and without its condition.

``scale`` w: 0 leaves the condition out, 1 is what the network says of it, above 1 goes further that way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import msgspec
import torch
from torch import Tensor

from models_backend.conditions import text
from models_backend.contract.fields import Field

Conditions = Mapping[str, Tensor]

Scale = Annotated[
    float,
    Field(
        "How strongly the condition is followed: 0 not, 1 as learned, more at the cost of variety",
        low=0.0,
        high=30.0,
        title="Guidance scale",
        needs="condition",
    ),
]


class Guidance(msgspec.Struct, frozen=True):
    """How it is done, beside its scale."""

    rescale: Annotated[
        float, Field("Share of the guided prediction brought back to the plain one's spread, against burnt contrast",
                     low=0.0, high=1.0)
    ] = 0.0  # fmt: skip
    begin: Annotated[float, Field("Share of the way from noise at which guidance begins", low=0.0, high=1.0)] = 0.0
    end: Annotated[float, Field("Share of the way at which it ends", low=0.0, high=1.0)] = 1.0


PLAIN = Guidance()


def guided(said: Callable[[Tensor, Conditions], Tensor], x: Tensor, given: Conditions, null: Conditions, scale: float,
           how: Guidance = PLAIN, passed: float = 0.0) -> Tensor:  # fmt: skip
    """null + scale (given - null) of what is ``said`` of x (B, ...), in one pass of 2 B items where both are needed.

    Any prediction that is linear in the clean item may be guided: noise, v, velocity or the item itself. ``passed``: the
    share of the way from noise that is behind, 0 to 1; outside of guidance's interval (Kynkäänniemi 2024, arXiv:2404.07724)
    the condition is followed as learned."""
    inside = how.begin <= passed <= how.end
    if not given or scale == 1 or (not inside and scale > 1):
        return said(x, given)
    if scale == 0:
        return said(x, null)
    with_it, pushed = combined(said, x, given, null, scale)
    return _rescaled(pushed, with_it, how.rescale) if how.rescale else pushed


def combined(said: Callable[[Tensor, Conditions], Tensor], x: Tensor, given: Conditions, null: Conditions,
             scale: float | Tensor) -> tuple[Tensor, Tensor]:  # fmt: skip
    """What is ``said`` of x (B, ...) with its condition, and guided; ``scale`` for all, or (B, 1, ...) for each item."""
    both = {kind: torch.cat(_as_long(given[kind], null[kind])) for kind in given}
    with_it, without = said(torch.cat([x, x]), both).chunk(2)
    # Ho & Salimans 2022, eq. 6, with their w written as scale - 1
    return with_it, without + scale * (with_it - without)


def _rescaled(pushed: Tensor, plain: Tensor, share: float) -> Tensor:
    """Lin 2023 (arXiv:2305.08891), eq. 15 and 16: each item's standard deviation as that of the plain prediction."""
    dims = tuple(range(1, pushed.ndim))
    as_plain = pushed * (plain.std(dims, keepdim=True) / pushed.std(dims, keepdim=True).clamp(min=1e-8))
    return share * as_plain + (1 - share) * pushed


def _as_long(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Two rows of tokens (B, L) filled up to one length; what has no length is left."""
    if one.ndim < 2 or one.shape[1] == other.shape[1]:
        return one, other
    length = max(one.shape[1], other.shape[1])
    return tuple(torch.nn.functional.pad(t, (0, length - t.shape[1])) for t in (one, other))


def null_of(given: Conditions, classes: int, negative: Conditions | None = None) -> dict[str, Tensor]:
    """The null conditions beside ``given``: the row after the last class, captions of no bytes, or a negative prompt's."""
    made = {}
    for kind, value in given.items():
        if negative and kind in negative:
            made[kind] = negative[kind].expand(len(value), *negative[kind].shape[1:])
        elif kind == "class":
            made[kind] = torch.full_like(value, classes)
        elif kind == "text":
            made[kind] = torch.zeros_like(value)
            made[kind][:, 0] = text.BEGIN
        else:
            made[kind] = torch.zeros_like(value)
    return made
