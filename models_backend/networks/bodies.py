"""The choice of network for families that go straight between items and vectors (autoencoders, GANs)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, ClassVar

import msgspec
from torch import nn

from ..contract.fields import Field
from .convolutional import ConvDecoder, ConvEncoder, Norm, pyramid
from .dense import Perceptron, Wrap, unchanged
from .growing import GrowingDecoder, GrowingEncoder, beginnings


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


def growing_problems(bodies: dict[str, Body], shape: tuple[int, ...], first: int) -> list[str]:
    """Why these bodies cannot grow to items of this shape from pictures of side ``first`` (0: as small as can be)."""
    if len(shape) != 3:
        return ["growing: only pictures can double in side; turn it off for points"]
    for name, body in bodies.items():
        if not isinstance(settled(body, shape), Conv):
            return [f"growing: the {name} has no maps that could double; choose convolutions, or turn growing off"]
    known = beginnings(*shape[1:])
    size = " x ".join(str(side) for side in shape[1:])
    if not known:
        return [f"growing: pictures of {size} px are no doubling of smaller ones; choose a resolution that is, such as 32, "
                "or turn growing off"]  # fmt: skip
    if first and first not in known:
        fitting = ", ".join(str(side) for side in sorted(known))
        return [f"growing: no doublings of {first} px end at {size} px; begin with one of {fitting}, or with 0"]
    return []


def encoder(body: Body, shape: tuple[int, ...], out: int, norm: Norm = "group",
            activation: Callable[[], nn.Module] = nn.SiLU, wrap: Wrap = unchanged,
            attention: int = 0, doublings: int = 0) -> nn.Module:  # fmt: skip
    """Items (B, *shape) -> vectors (B, out). Of the norms a perceptron knows layer norm only. ``doublings``: how often the
    side of pictures doubles while the network trains."""
    body = settled(body, shape)
    if isinstance(body, Conv):
        kind = partial(GrowingEncoder, doublings=doublings) if doublings else ConvEncoder
        return kind(shape, out, body.width, body.depth, norm, activation, wrap, attention)
    return Perceptron(shape, (out,), body.width, body.depth, activation, wrap, norm == "layer")


def decoder(body: Body, latent: int, shape: tuple[int, ...], norm: Norm = "group",
            activation: Callable[[], nn.Module] = nn.SiLU, attention: int = 0,
            doublings: int = 0) -> nn.Module:  # fmt: skip
    """Vectors (B, latent) -> items (B, *shape), unbounded. ``doublings``: as those of ``encoder``."""
    body = settled(body, shape)
    if isinstance(body, Conv):
        kind = partial(GrowingDecoder, doublings=doublings) if doublings else ConvDecoder
        return kind(latent, shape, body.width, body.depth, norm, activation, attention)
    return Perceptron((latent,), shape, body.width, body.depth, activation)
