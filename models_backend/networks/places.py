"""Where each patch of a picture stands: waves whose lengths fit the grid, in place of the published table.

The published sines and cosines (Peebles & Xie 2022) are 6 to 63,000 patches long. On 8 x 8 patches most of them hardly change:
neighbours are told apart by 2 % of their table, and a small network takes thousands of steps to find out which patches touch.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from models_backend.contract.fields import Field

Places = Annotated[
    Literal["published", "fitted"],
    Field("Waves that tell patches where they are: published ones suit hundreds of patches a side, fitted ones this picture's"),
]

#: The shortest wave, in patches; the longest is so many sides of the grid.
SHORTEST, SIDES = 3.0, 4


def waves(height: int, width: int, lengths: Tensor) -> Tensor:
    """Sines and cosines (height x width, 4 K) of K lengths in patches along both axes."""

    def along(count: int) -> Tensor:
        angles = torch.arange(count, device=lengths.device)[:, None] * (2 * math.pi / lengths)
        return torch.cat([angles.sin(), angles.cos()], 1)

    rows, columns = along(height)[:, None].expand(-1, width, -1), along(width)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], 2).flatten(0, 1)


def lengths(grid: int, channels: int) -> list[float]:
    """A quarter as many lengths as channels, geometric from ``SHORTEST`` to ``SIDES`` sides of a grid."""
    return torch.logspace(math.log10(SHORTEST), math.log10(max(SIDES * grid, SHORTEST)), channels // 4).tolist()


def fit(embed: nn.Module, grid: int) -> None:
    """Gives diffusers' ``PatchEmbed`` fitted waves for its table: in the table itself where that is kept with the weights, so
    that they load elsewhere, else beside it, for pictures of any shape."""
    known = lengths(grid, embed.proj.out_channels)
    if embed.pos_embed_max_size:
        embed.pos_embed.copy_(table(grid, grid, torch.tensor(known), embed.proj.out_channels))
        return
    embed.pos_embed = None
    embed.register_forward_hook(partial(_placed, lengths=known))


def table(height: int, width: int, lengths: Tensor, channels: int) -> Tensor:
    """The waves (height x width, channels); channels beyond them are zero."""
    found = waves(height, width, lengths)
    return nn.functional.pad(found, (0, channels - found.shape[1]))


def _placed(embed: nn.Module, given: tuple[Any, ...], patches: Tensor, lengths: list[float]) -> Tensor:
    height, width = (side // embed.patch_size for side in given[0].shape[-2:])
    return patches + table(height, width, torch.tensor(lengths, device=patches.device), patches.shape[-1]).to(patches.dtype)
