"""Which network denoises: chosen by hand, or by the data."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from torch import nn

from models_backend.contract.family import DataSpec
from models_backend.contract.fields import Field

from .points import PointMLP, PointNetwork
from .unet import ImageNetwork, UNet, problems


class Automatic(msgspec.Struct, frozen=True, tag="auto"):
    """What suits the data: a U-Net for images, a perceptron for points."""

    size: Annotated[Literal["tiny", "small", "base"], Field("How large; base is the published size")] = "small"


Network = Automatic | UNet | PointMLP

_MLPS = {"tiny": PointMLP(32, 2), "small": PointMLP(128, 3), "base": PointMLP(256, 4)}


def resolved(network: Network, spec: DataSpec) -> UNet | PointMLP:
    """The network's own config, whatever was chosen."""
    if not isinstance(network, Automatic):
        return network
    return _MLPS[network.size] if spec.modality == "points" else _unet_for(network.size, spec.shape[-1])


def _unet_for(size: str, side: int) -> UNet:
    """Levels down to a side of 4, as in Ho 2020, but no more than four (five from 256 px on)."""
    depth = min(max(1, (side // 4).bit_length()), 5 if side >= 256 else 4)
    if size == "tiny":
        return UNet(16, [1, 2][:depth], blocks=1, attention=[])
    if size == "small":
        return UNet(32 if side > 32 else 48, [1, 2, 2, 2, 4][:depth], blocks=1, attention=[])
    return UNet(128, [1, 2, 2, 2, 4][:depth], blocks=2, attention=[16], head=64, groups=32)


def mismatches(network: Network, spec: DataSpec) -> list[str]:
    """What forbids this network on these data."""
    chosen = resolved(network, spec)
    if isinstance(chosen, UNet) and spec.modality == "points":
        return ["network: a U-Net needs pictures; take auto or mlp for points"]
    if isinstance(chosen, PointMLP) and spec.modality != "points":
        return ["network: the perceptron is for points; take auto or unet for pictures"]
    return problems(chosen, min(spec.shape[-2:])) if isinstance(chosen, UNet) else []


def make(network: Network, spec: DataSpec) -> nn.Module:
    """A fresh network (x (B, *shape), times (B,) on a scale of 1000) -> like x."""
    chosen = resolved(network, spec)
    if isinstance(chosen, PointMLP):
        return PointNetwork(chosen, spec.shape[0])
    return ImageNetwork(chosen, spec.shape[0], spec.shape[-1])
