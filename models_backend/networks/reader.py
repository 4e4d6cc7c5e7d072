"""A small residual network that reads pictures: the judge of made items, and their features."""

from __future__ import annotations

from torch import Tensor, nn

from .convolutional import Block, channels_at, normalised, pyramid, unchanged


class Reader(nn.Module):
    """Pictures (B, C, H, W) in [-1, 1] -> class logits (B, K); ``features`` (B, F) is the layer before."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int = 24, depth: int = 1):
        super().__init__()
        levels = len(pyramid(*shape[1:]))
        stages: list[nn.Module] = [nn.Conv2d(shape[0], width, 3, padding=1)]
        for level in range(1, levels):
            c, below = channels_at(level - 1, width), channels_at(level, width)
            stages += [Block(c, depth, "batch", nn.ReLU, unchanged), nn.Conv2d(c, below, 3, stride=2, padding=1)]
        last = channels_at(levels - 1, width)
        stages += [Block(last, depth, "batch", nn.ReLU, unchanged), normalised("batch", last), nn.ReLU(), nn.Flatten()]
        h, w = pyramid(*shape[1:])[-1]
        self.stages = nn.Sequential(*stages)
        self.squeeze = nn.Sequential(nn.Dropout(0.2), nn.Linear(last * h * w, FEATURES), nn.ReLU())
        self.last = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer judges by, (B, FEATURES)."""
        return self.squeeze(self.stages(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.features(x))


#: Width of the feature layer: few enough that a covariance of some hundred items is well determined.
FEATURES = 48
