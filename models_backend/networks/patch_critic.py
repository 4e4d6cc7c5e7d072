"""A discriminator that judges patches instead of whole pictures (Isola et al. 2017, arXiv:1611.07004)."""

from __future__ import annotations

from torch import Tensor, nn

from .convolutional import channels_at, normalised

#: Slope of the leaky rectifier.
LEAK = 0.2


class PatchCritic(nn.Module):
    """Pictures (B, C, H, W) -> logits (B, 1, h, w), one a patch: positive means real; any size: sides halve rounding up."""

    def __init__(self, channels: int, width: int, levels: int):
        super().__init__()
        stages: list[nn.Module] = [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.LeakyReLU(LEAK)]
        for level in range(1, levels):
            c, below = channels_at(level - 1, width), channels_at(level, width)
            stages += [nn.Conv2d(c, below, 3, stride=2, padding=1), normalised("group", below), nn.LeakyReLU(LEAK)]
        last = channels_at(levels - 1, width)
        self.stages = nn.Sequential(*stages, nn.Conv2d(last, last, 3, padding=1), normalised("group", last),
                                    nn.LeakyReLU(LEAK), nn.Conv2d(last, 1, 3, padding=1, bias=False))  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(x)
