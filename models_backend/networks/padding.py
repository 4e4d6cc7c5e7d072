"""Pictures whose sides a network cannot take as they are."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def to_multiple(x: Tensor, multiple: int, ask: Callable[[Tensor], Tensor]) -> Tensor:
    """``ask`` of x (B, C, H, W), its sides padded to a multiple, cropped to x's own again: by reflection, by repeating the edge
    where x is too small for that."""
    height, width = x.shape[-2:]
    down, right = -height % multiple, -width % multiple
    if down or right:
        mode = "reflect" if down < height and right < width else "replicate"
        x = nn.functional.pad(x, (0, right, 0, down), mode=mode)
    return ask(x)[..., :height, :width]
