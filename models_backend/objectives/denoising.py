"""The denoising objective: noising, what the network predicts, and how losses are weighted.

x_t = alpha x_0 + sigma eps, alpha^2 + sigma^2 = 1. Levels are (B, 1, ...) tensors beside x (B, ...).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
import torch

from models_backend.contract.fields import Field

Prediction = Literal["eps", "v", "x0"]


class Unweighted(msgspec.Struct, frozen=True, tag="simple"):
    """Every level counts alike: L_simple (Ho 2020, eq. 14)."""


class MinSNR(msgspec.Struct, frozen=True, tag="min_snr"):
    """Levels are balanced as tasks: weight min(SNR, gamma) on x0 (Hang 2023)."""

    title: ClassVar[str] = "Min-SNR"
    gamma: Annotated[float, Field("Where the weight of clean levels stops growing", low=0.1, high=100.0, scale="log")] = 5.0


Weighting = Unweighted | MinSNR


# ------------------------------------------------------------------------------------------------ noising


def alpha_sigma(log_snr: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """alpha, sigma (B, 1, ...) of x's type from log_snr (B,): alpha^2 = sigmoid(log_snr)."""
    shape = (-1, *[1] * (like.ndim - 1))
    alpha, sigma = log_snr.sigmoid().sqrt(), (-log_snr).sigmoid().sqrt()
    return alpha.to(like).view(shape), sigma.to(like).view(shape)


def q_sample(x0: torch.Tensor, eps: torch.Tensor, alpha: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """x_t given x_0 (Ho 2020, eq. 4)."""
    return alpha * x0 + sigma * eps


def normal_like(x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Standard normal noise like x, drawn on the generator's device."""
    device = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype).to(x.device)


# --------------------------------------------------------------------------------------------- predictions


def target(
    prediction: Prediction, x0: torch.Tensor, eps: torch.Tensor, alpha: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """What the network should say. v = alpha eps - sigma x0 (Salimans & Ho 2022, arXiv:2202.00512, appendix D)."""
    if prediction == "v":
        return alpha * eps - sigma * x0
    return eps if prediction == "eps" else x0


def clean_and_noise(
    prediction: Prediction, said: torch.Tensor, x: torch.Tensor, alpha: torch.Tensor | float, sigma: torch.Tensor | float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(x0, eps) with x = alpha x0 + sigma eps, from what the network said of x."""
    if prediction == "v":
        return alpha * x - sigma * said, sigma * x + alpha * said
    if prediction == "eps":
        return (x - sigma * said) / alpha, said
    return said, (x - alpha * said) / sigma


def noise_of(x0: torch.Tensor, x: torch.Tensor, alpha: torch.Tensor | float, sigma: torch.Tensor | float) -> torch.Tensor:
    """The noise that stands beside a given (say, clamped) x0."""
    return (x - alpha * x0) / sigma


# ---------------------------------------------------------------------------------------------- weighting


def weight(weighting: Weighting, prediction: Prediction, log_snr: torch.Tensor) -> torch.Tensor:
    """Weights (B,) of the squared error of what the network predicts."""
    if isinstance(weighting, Unweighted):
        return torch.ones_like(log_snr)
    snr = log_snr.exp()
    capped = snr.clamp(max=weighting.gamma)  # Hang 2023, arXiv:2303.09556, eq. 11
    if prediction == "x0":
        return capped
    return capped / (snr + 1 if prediction == "v" else snr)


def noise_error_per(prediction: Prediction, log_snr: torch.Tensor) -> torch.Tensor:
    """|eps - eps_hat|^2 over the squared error of what is predicted (B,): 1 for eps, alpha^2 for v, SNR for x0."""
    if prediction == "eps":
        return torch.ones_like(log_snr)
    return log_snr.sigmoid() if prediction == "v" else log_snr.exp()


def squared_error(said: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean squared error of each item (B,), in float32."""
    return (said.float() - wanted.float()).square().flatten(1).mean(1)
