"""The learned variance of a step: published tables, and the bound against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from models_backend.objectives import denoising, schedules, step_variance
from models_backend.objectives.schedules import Cosine, Linear, tabulated


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def every_time(plan) -> torch.Tensor:
    return torch.arange(1, plan.steps + 1, dtype=torch.float32) / plan.steps


@pytest.mark.parametrize("schedule", [Linear(), Cosine(), Linear(steps=100)])
def test_steps_are_the_published_tables(schedule):
    """Ho 2020, eq. 7; the first posterior variance, zero, is replaced by the second."""
    plan, beta, bar = tabulated(schedule), schedules.betas(schedule), schedules.alphas_bar(schedule)
    before = torch.cat([torch.ones(1, dtype=torch.float64), bar[:-1]])
    small = beta * (1 - before) / (1 - bar)
    small[0] = small[1]
    at = step_variance.step(plan, every_time(plan), torch.zeros(plan.steps, 2))
    wanted = (before.sqrt() * beta / (1 - bar), small.log(), beta.log())
    for got, known in zip(at[:3], wanted, strict=True):
        assert got.shape == (plan.steps, 1) and torch.allclose(got[:, 0].double(), known, atol=1e-5, rtol=1e-5)
    assert at.first.tolist() == [True] + [False] * (plan.steps - 1)


def test_the_bound_is_zero_where_the_model_is_the_posterior_and_known_elsewhere():
    plan, x0 = tabulated(Linear()), drawn(0, 999, 4)
    time, at = every_time(plan)[1:], step_variance.step(plan, every_time(plan)[1:], x0)
    low = torch.full_like(x0, -1.0)
    assert float(step_variance.bits(plan, time, x0, x0, low).abs().max()) < 1e-3  # of 1000 levels' rounding
    ratio = (at.small - at.large).exp()
    wide = 1000 / math.log(2) * 0.5 * (ratio - 1 - ratio.log())[:, 0]  # KL of two Gaussians of one mean
    assert torch.allclose(step_variance.bits(plan, time, x0, x0, -low), wide, rtol=1e-3, atol=1e-3)
    off = 1000 / math.log(2) * 0.5 * (0.1 * at.share[:, 0]).square() / at.small[:, 0].exp()
    assert torch.allclose(step_variance.bits(plan, time, x0, x0 + 0.1, low), off, rtol=1e-3, atol=1e-3)


def test_the_bound_teaches_the_variance_alone():
    plan, x0 = tabulated(Cosine()), drawn(1, 3, 2)
    clean, v = drawn(2, 3, 2).requires_grad_(), torch.zeros(3, 2, requires_grad=True)
    step_variance.bits(plan, torch.tensor([0.001, 0.4, 1.0]), x0, clean, v).sum().backward()
    assert clean.grad is None and bool((v.grad[1:] != 0).all())


@pytest.mark.parametrize(("mean", "std"), [(0.2, 0.5), (-1.4, 0.1), (0.9, 0.003)])
def test_probabilities_of_all_grey_values_sum_to_one(mean, std):
    grey = torch.linspace(-1, 1, 256, dtype=torch.float64)
    logs = step_variance.log_grey(grey, torch.tensor(mean, dtype=torch.float64), torch.tensor(2 * math.log(std)).double())
    assert float(logs.exp().sum()) == pytest.approx(1.0, abs=1e-6)
    inner = torch.distributions.Normal(mean, std).log_prob(grey[100]) + math.log(2 / 255)
    assert float(logs[100]) == pytest.approx(max(float(inner), math.log(1e-12)), abs=0.02)


def best(plan, time: torch.Tensor, like: torch.Tensor, std: float) -> tuple[torch.Tensor, torch.Tensor]:
    """For data N(0, std^2): what E[x_0 | x_t] takes of x_t, and the v of the reversed step's true variance."""
    at = step_variance.step(plan, time, like)
    alpha, sigma = denoising.alpha_sigma(plan.log_snr(time), like)
    spread = std**2 * sigma**2 / (alpha**2 * std**2 + sigma**2)
    # var[x_s | x_t] = beta-tilde + share^2 var[x_0 | x_t]; of the last step var[x_0 | x_1] alone
    logvar = torch.where(at.first.view_as(at.small), spread, at.small.exp() + at.share**2 * spread).log()
    return alpha * std**2 / (alpha**2 * std**2 + sigma**2), 2 * (logvar - at.small) / (at.large - at.small) - 1


def test_a_perfect_model_of_a_gaussian_needs_the_bits_of_its_entropy():
    """The reversed steps of Gaussian data are Gaussian, so that the bound is tight: h(x_0) - log2 of a grey value's width."""
    std, plan = 0.2, tabulated(Cosine(steps=20))
    time = every_time(plan).repeat(20_000)
    x0 = std * drawn(3, len(time), 1)
    x = denoising.q_sample(x0, drawn(4, len(time), 1), *denoising.alpha_sigma(plan.log_snr(time), x0))
    taken, v = best(plan, time, x0, std)
    entropy = 0.5 * math.log2(2 * math.pi * math.e * std**2) - math.log2(2 / 255)
    assert float(step_variance.bits(plan, time, x0, taken * x, v).mean()) == pytest.approx(entropy, abs=0.01)
    for other in (-1.0, 1.0):
        assert float(step_variance.bits(plan, time, x0, taken * x, torch.full_like(v, other)).mean()) > entropy + 0.05


def test_the_best_variance_lies_between_beta_tilde_and_beta():
    """Nichol & Dhariwal 2021, section 3.1: and the bound has its minimum there."""
    std, plan = 0.5, tabulated(Cosine(steps=50))
    time = torch.full((40_000,), 0.3)
    x0 = std * drawn(5, len(time), 1)
    x = denoising.q_sample(x0, drawn(6, len(time), 1), *denoising.alpha_sigma(plan.log_snr(time), x0))
    taken, v = best(plan, time, x0, std)
    assert -1 < float(v[0]) < 1
    at = [float(step_variance.bits(plan, time, x0, taken * x, v + change).mean()) for change in (-0.3, 0.0, 0.3)]
    assert at[1] < at[0] and at[1] < at[2]
