"""Pictures to small maps of vectors and back, for codecs whose latents keep their places."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .convolutional import Block, normalised
from .dense import unchanged


def grid_sizes(shape: tuple[int, ...], levels: int) -> list[tuple[int, int]]:
    """The sizes of a picture on its way down, the full one first; sides halve rounding up."""
    sizes = [(shape[1], shape[2])]
    for _ in range(levels):
        h, w = sizes[-1]
        sizes.append(((h + 1) // 2, (w + 1) // 2))
    return sizes


class GridEncoder(nn.Module):
    """Pictures (B, C, H, W) -> maps (B, out, h, w), each side halved ``levels`` times."""

    def __init__(self, shape: tuple[int, ...], out: int, width: int, levels: int, depth: int):
        super().__init__()
        stages: list[nn.Module] = [nn.Conv2d(shape[0], width, 3, padding=1)]
        for _ in range(levels):
            stages += [nn.SiLU(), nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)]
            width *= 2
        stages += [Block(width, depth, "group", nn.SiLU, unchanged), normalised("group", width), nn.SiLU()]
        self.stages = nn.Sequential(*stages, nn.Conv2d(width, out, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.stages(x)


class GridDecoder(nn.Module):
    """Maps (B, out, h, w) -> pictures (B, C, H, W), exactly as large as those that went in; unbounded."""

    def __init__(self, shape: tuple[int, ...], out: int, width: int, levels: int, depth: int):
        super().__init__()
        self.sizes = grid_sizes(shape, levels)[-2::-1]
        top = width * 2**levels
        self.first = nn.Sequential(nn.Conv2d(out, top, 3, padding=1), Block(top, depth, "group", nn.SiLU, unchanged))
        self.ups = nn.ModuleList(nn.Conv2d(top // 2**i, top // 2 ** (i + 1), 3, padding=1) for i in range(levels))
        self.last = nn.Sequential(Block(width, 1, "group", nn.SiLU, unchanged), normalised("group", width), nn.SiLU(),
                                  nn.Conv2d(width, shape[0], 3, padding=1))  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        h = self.first(z)
        for size, up in zip(self.sizes, self.ups):
            h = F.silu(up(F.interpolate(h, size=size, mode="nearest")))
        return self.last(h)


class GridAutoencoder(nn.Module):
    """Both ways as one module with one optimiser."""

    def __init__(self, shape: tuple[int, ...], out: int, width: int, levels: int, depth: int):
        super().__init__()
        self.encoder = GridEncoder(shape, out, width, levels, depth)
        self.decoder = GridDecoder(shape, out, width, levels, depth)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures -> maps (B, out, h, w), float32."""
        return self.encoder(x).float()

    def decode(self, z: Tensor) -> Tensor:
        """Maps -> pictures, float32."""
        return self.decoder(z).float()
