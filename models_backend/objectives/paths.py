"""Conditional paths between noise z (t = 0) and an item x_1 (t = 1): x_t = alpha x_1 + sigma z.

The target of flow matching is the derivative of the path, d_alpha x_1 + d_sigma z (Lipman 2022, arXiv:2210.02747, theorem 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, NamedTuple

import msgspec
import torch
from torch import Tensor

from models_backend.contract.fields import Field

from .denoising import normal_like


class Straight(msgspec.Struct, frozen=True, tag="straight"):
    """A straight line at constant speed, from the noise to the item itself (Liu 2022; Tong 2023)."""

    sigma: Annotated[float, Field("Standard deviation of fresh noise about the line", low=0.0, high=1.0)] = 0.0


class Lipman(msgspec.Struct, frozen=True, tag="ot"):
    """Straight too, but ends in a small Gaussian about the item: the OT path (Lipman 2022)."""

    title: ClassVar[str] = "Lipman's OT path"
    sigma_min: Annotated[float, Field("Standard deviation that is left at the item", low=1e-5, high=0.5, scale="log")] = 1e-3


class VariancePreserving(msgspec.Struct, frozen=True, tag="vp"):
    """A quarter circle, alpha^2 + sigma^2 = 1 (Albergo & Vanden-Eijnden 2022; Tong 2023)."""

    title: ClassVar[str] = "Variance-preserving"


Path = Straight | Lipman | VariancePreserving


class Coefficients(NamedTuple):
    """Of x_t = alpha x_1 + sigma z, and their derivatives by t."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor


def coefficients(path: Path, t: Tensor) -> Coefficients:
    """The path's coefficients at times t, of t's shape and type."""
    if isinstance(path, VariancePreserving):
        angle = 0.5 * math.pi * t  # Albergo & Vanden-Eijnden 2022, arXiv:2209.15571, eq. 5
        sin, cos = torch.sin(angle), torch.cos(angle)
        return Coefficients(sin, cos, 0.5 * math.pi * cos, -0.5 * math.pi * sin)
    left = path.sigma_min if isinstance(path, Lipman) else 0.0
    one = torch.ones_like(t)
    return Coefficients(t, 1 - (1 - left) * t, one, -(1 - left) * one)  # Lipman 2022, eq. 20


def at(path: Path, t: float) -> tuple[float, float, float, float]:
    """The path's coefficients at one time."""
    found = coefficients(path, torch.tensor(t, dtype=torch.float64))
    return tuple(c.item() for c in found)


def towards(path: Path, x: Tensor, velocity: Tensor, change: Callable[[Tensor], Tensor], t: Tensor) -> Tensor:
    """The velocity (B, ...) at x_t (B, ...) and times t (B,) once the item that it leads to is changed; where no noise is left
    it stays."""
    alpha, sigma, d_alpha, d_sigma = coefficients(path, t.to(x).view(-1, *[1] * (x.ndim - 1)))
    item = (sigma * velocity - d_sigma * x) / (sigma * d_alpha - d_sigma * alpha)
    changed = change(item)
    noise = (x - alpha * changed) / sigma.clamp(min=1e-6)
    return torch.where(sigma > 1e-6, d_alpha * changed + d_sigma * noise, velocity)


def point(path: Path, z: Tensor, x1: Tensor, t: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """x_t (B, ...) at times t (B,) and the velocity there that the network should say (Lipman 2022, eq. 23; Tong 2023,
    arXiv:2302.00482, eq. 14 and 15)."""
    alpha, sigma, d_alpha, d_sigma = coefficients(path, t.to(x1).view(-1, *[1] * (x1.ndim - 1)))
    x = sigma * z + alpha * x1
    if isinstance(path, Straight) and path.sigma > 0:
        x = x + path.sigma * normal_like(x1, generator)
    return x, d_alpha * x1 + d_sigma * z
