"""The path between two latents that one-pass families tell instead of a trajectory.

Every item's path runs from one common latent, drawn from a seed of its own, to the item's latent: along the great
circle in direction and along a line in length, so that no place on it is less likely under the prior than both ends.
A place is decoded only when somebody looks at it: sampling without a recorder costs one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import torch
from torch import Tensor

from ..contract.fields import Field
from ..contract.trace import Step

#: Fields of a family's Sampling.
InterpolationPoints = Annotated[int, Field("Points on the path between two latents, in the trajectory",
                                           was="path_places", low=2, high=256)]  # fmt: skip
InterpolationSeed = Annotated[int, Field("Seed of the latent at which every interpolation starts",
                                         was="path_origin", low=0, high=2**31 - 1)]  # fmt: skip


class Shown(Mapping):
    """Channels of a step that are computed when they are looked at."""

    def __init__(self, **made: Callable[[], Any]):
        self._made, self._known = made, {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._made[name]()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def origin(seed: int, like: Tensor) -> Tensor:
    """The latent (L,) at which every path starts; a function of the seed alone."""
    z = torch.randn(like.shape[1:], generator=torch.Generator().manual_seed(seed))
    return z.to(like.device, like.dtype)


def slerp(a: Tensor, b: Tensor, share: float) -> Tensor:
    """From a (B, L) to b (B, L): the direction along the great circle, the length along a line."""
    # Shoemake 1985; directions only, since lengths of Gaussian latents differ
    length_a, length_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    u, v = a / length_a.clamp_min(1e-12), b / length_b.clamp_min(1e-12)
    angle = torch.acos((u * v).sum(-1, keepdim=True).clamp(-1 + 1e-6, 1 - 1e-6))
    turned = (torch.sin((1 - share) * angle) * u + torch.sin(share * angle) * v) / torch.sin(angle)
    return turned * ((1 - share) * length_a + share * length_b)


def latent_path(decode: Callable[[Tensor], Tensor], first: Tensor, last: Tensor, places: int,
                on_step: Callable[[Step], None]) -> Tensor:  # fmt: skip
    """Tells ``places`` places from ``first`` to ``last`` (B, L), time 0 to 1, and gives the items at the end."""
    total = places - 1
    for i in range(total):
        share = i / total
        on_step(Step(i, total, share, 0.0, Shown(x=lambda s=share: decode(slerp(first, last, s)))))
    items = decode(last)
    on_step(Step(total, total, 1.0, 0.0, {"x": items}))
    return items
