"""The choice of network for families that go straight between items and vectors (autoencoders, GANs)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar

import msgspec
from torch import nn

from ..contract.fields import Field
from .convolutional import ConvDecoder, ConvEncoder, Norm, pyramid
from .dense import Perceptron, Wrap, unchanged


class Auto(msgspec.Struct, frozen=True, tag="auto"):
    """Convolutions for pictures, a perceptron for points."""

    width: Annotated[int, Field("Channels of the first layer; a perceptron takes four times as many", low=4, high=512)] = 32
    depth: Annotated[int, Field("Blocks at each size; a perceptron has two layers more", low=0, high=8)] = 1


class Mlp(msgspec.Struct, frozen=True, tag="mlp"):
    """A perceptron on the flattened item."""

    title: ClassVar[str] = "MLP"
    width: Annotated[int, Field("Units of a hidden layer", low=4, high=8192)] = 256
    depth: Annotated[int, Field("Hidden layers; 0 makes it linear", low=0, high=16)] = 3


class Conv(msgspec.Struct, frozen=True, tag="conv"):
    """Strided convolutions; pictures only."""

    width: Annotated[int, Field("Channels at full size; they double with every halving", low=4, high=512)] = 32
    depth: Annotated[int, Field("Residual blocks at each size", low=0, high=8)] = 1


Body = Auto | Mlp | Conv


def settled(body: Body, shape: tuple[int, ...]) -> Mlp | Conv:
    """What ``Auto`` stands for on items of this shape."""
    if not isinstance(body, Auto):
        return body
    return Conv(body.width, body.depth) if len(shape) == 3 else Mlp(4 * body.width, body.depth + 2)


def body_problems(body: Body, shape: tuple[int, ...], name: str) -> list[str]:
    """Why this body cannot work on items of this shape."""
    if isinstance(body, Conv) and len(shape) != 3:
        return [f"{name}: convolutions need pictures; choose auto or mlp for points"]
    return []


def attention_problems(body: Body, shape: tuple[int, ...], side: int, name: str) -> list[str]:
    """Why no map of this body can attend to itself at that side."""
    if not side:
        return []
    if not isinstance(settled(body, shape), Conv):
        return [f"attention: the {name} has no maps; choose convolutions on pictures, or 0"]
    sides = [max(size) for size in pyramid(*shape[1:])]
    known = ", ".join(str(s) for s in sides)
    return [] if side in sides else [f"attention: the {name} has no maps of side {side}; choose one of {known}, or 0"]


def encoder(body: Body, shape: tuple[int, ...], out: int, norm: Norm = "group",
            activation: Callable[[], nn.Module] = nn.SiLU, wrap: Wrap = unchanged,
            attention: int = 0) -> nn.Module:  # fmt: skip
    """Items (B, *shape) -> vectors (B, out). Of the norms a perceptron knows layer norm only."""
    body = settled(body, shape)
    if isinstance(body, Conv):
        return ConvEncoder(shape, out, body.width, body.depth, norm, activation, wrap, attention)
    return Perceptron(shape, (out,), body.width, body.depth, activation, wrap, norm == "layer")


def decoder(body: Body, latent: int, shape: tuple[int, ...], norm: Norm = "group",
            activation: Callable[[], nn.Module] = nn.SiLU, attention: int = 0) -> nn.Module:  # fmt: skip
    """Vectors (B, latent) -> items (B, *shape), unbounded."""
    body = settled(body, shape)
    if isinstance(body, Conv):
        return ConvDecoder(latent, shape, body.width, body.depth, norm, activation, attention)
    return Perceptron((latent,), shape, body.width, body.depth, activation)
