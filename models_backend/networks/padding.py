"""Pictures whose sides a network cannot take as they are."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def to_multiple(x: Tensor, multiple: int, ask: Callable[[Tensor], Tensor]) -> Tensor:
    """``ask`` of x (B, C, H, W), its sides padded by reflection to a multiple, cropped to x's own again."""
    height, width = x.shape[-2:]
    down, right = -height % multiple, -width % multiple
    if down or right:
        x = nn.functional.pad(x, (0, right, 0, down), mode="reflect")
    return ask(x)[..., :height, :width]
