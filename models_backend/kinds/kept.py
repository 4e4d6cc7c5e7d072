"""Pictures of which a part is kept, while the rest is made to fit it.

At every step the clean item that the model expects is replaced by the given picture where that is kept, so that every sampler's
way leads there (Lugmayr 2022, arXiv:2201.09865, without its going back; for jumps Song 2023, arXiv:2303.01469, algorithm 4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from models_backend.contract.family import Condition
from models_backend.contract.messages import TroubleError

#: Declared by every family that can do it.
CONDITIONS = (
    Condition("image", help="A picture of which a part is kept; with a mask"),
    Condition(
        "mask",
        help="White where the picture is made anew, black where it is kept; or painted on, or erased from, a transparent layer",
    ),
)


class Kept(NamedTuple):
    """``picture`` (B, *shape); ``share`` (B, 1, H, W) of it that is kept at each place, 0 to 1."""

    picture: Tensor
    share: Tensor

    def into(self, x: Tensor) -> Tensor:
        """x (B, *shape) with the picture where it is kept."""
        return x + self.share * (self.picture - x)


class Keeping:
    """Beside ``Family``: what is kept of a given picture, as the network sees it. A family that is told more repeats
    ``CONDITIONS`` behind its own."""

    conditions = CONDITIONS

    def held(self, conditions: dict[str, Any] | None) -> Kept | None:
        """Of each item; None where nothing is."""
        return of(conditions)

    def finished(self, conditions: dict[str, Any] | None) -> Callable[[Tensor], Tensor]:
        """What is done to items at last: within their bounds, and the picture where it is kept."""
        held, bound = self.held(conditions), self.bound()

        def finish(x: Tensor) -> Tensor:
            x = x if bound is None else x.clamp(-bound, bound)
            return x if held is None else held.into(x)

        return finish


def of(conditions: dict[str, Any] | None) -> Kept | None:
    """What the conditions say is kept of each item, None where nothing is. TroubleError for a picture or mask alone."""
    given = conditions or {}
    picture, mask = given.get("image"), given.get("mask")
    lacks = [x is None or bool(x.isnan().all()) for x in (picture, mask)]
    if all(lacks):
        return None
    if any(lacks):
        missing = "mask" if lacks[1] else "image"
        raise TroubleError("a picture and a mask belong together: white is made anew", missing, advice="give both, or neither")
    share = (1 - mask).nan_to_num(0.0) * (~picture.isnan()).all(1, keepdim=True)
    return Kept(picture.nan_to_num(0.0), share)


def coarse(kept: Kept, picture: Tensor) -> Kept:
    """The same for latents ``picture`` (B, c, h, w) of the picture: a place is kept as far as all of its pixels are."""
    factor = kept.share.shape[-1] // picture.shape[-1]
    return Kept(picture, -nn.functional.max_pool2d(-kept.share, factor))
