"""Noise schedules: the published tables, their ends, and the learned one."""

from __future__ import annotations

import math

import pytest
import torch

from models_backend.objectives import schedules
from models_backend.objectives.schedules import Cosine, Learned, LearnedSchedule, Linear, Sigmoid, tabulated

TABLES = [Linear(), Cosine(), Sigmoid(), Linear(steps=200), Cosine(steps=37)]


@pytest.mark.parametrize(("chosen", "name"), [(Linear(), "linear"), (Cosine(), "squaredcos_cap_v2")])
def test_tables_are_those_of_diffusers(chosen, name):
    from diffusers import DDPMScheduler

    wanted = DDPMScheduler(beta_schedule=name, beta_start=1e-4, beta_end=0.02).alphas_cumprod.double()
    found = schedules.alphas_bar(chosen)
    assert torch.allclose(found, wanted, atol=2e-6) and found.dtype == torch.float64


@pytest.mark.parametrize("chosen", TABLES, ids=str)
def test_ends_and_monotony(chosen):
    alpha_bar = schedules.alphas_bar(chosen)
    assert len(alpha_bar) == chosen.steps and bool((alpha_bar.diff() < 0).all())
    assert alpha_bar[0] > 0.99 and alpha_bar[-1] < 0.05 and bool((alpha_bar > 0).all())
    assert bool((schedules.betas(chosen) <= schedules.LARGEST_BETA).all())


def test_rising_roots_are_the_table_of_stable_diffusion():
    from diffusers import DDPMScheduler

    wanted = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).alphas_cumprod.double()
    assert torch.allclose(schedules.alphas_bar(Linear(first=0.00085, last=0.012, root=True)), wanted, atol=2e-6)


def test_linear_first_and_last_steps_are_those_of_the_paper():
    betas = schedules.betas(Linear())
    assert float(betas[0]) == pytest.approx(1e-4) and float(betas[-1]) == pytest.approx(0.02)
    assert float(schedules.alphas_bar(Linear())[-1]) == pytest.approx(4.04e-5, rel=1e-2)


def test_cosine_is_half_way_in_the_middle():
    middle = float(schedules.alphas_bar(Cosine())[499])
    assert middle == pytest.approx(0.4938, abs=1e-3)  # cos^2((1/2 + s) / (1 + s) pi / 2) / f(0)


def test_sigmoid_is_symmetric_between_its_ends():
    curve = schedules.sigmoid_curve(Sigmoid(), torch.linspace(0, 1, 11, dtype=torch.float64))
    assert torch.allclose(curve + curve.flip(0), torch.ones(11, dtype=torch.float64))
    assert float(curve[0]) == 1 and float(curve[-1]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("chosen", TABLES, ids=str)
def test_log_snr_stands_on_the_table_and_is_inverted(chosen):
    plan = tabulated(chosen)
    index = torch.arange(chosen.steps)
    time = (index + 1).double() / chosen.steps
    alpha_bar = schedules.alphas_bar(chosen)
    assert torch.allclose(plan.log_snr(time).sigmoid(), alpha_bar, atol=1e-12)
    assert torch.allclose(plan.condition(time, None), index.double() * (1000 / chosen.steps), atol=1e-6)
    between = torch.linspace(1.5 / chosen.steps, 1, 53, dtype=torch.float64)
    assert torch.allclose(plan.time_at(plan.log_snr(between)), between, atol=1e-9)


@pytest.mark.parametrize("chosen", TABLES, ids=str)
def test_times_before_the_first_level_are_the_first_level(chosen):
    plan = tabulated(chosen)
    first = plan.log_snr(torch.tensor([1 / chosen.steps], dtype=torch.float64))
    assert torch.equal(plan.log_snr(torch.tensor([0.0], dtype=torch.float64)), first)


def test_training_sees_the_levels_of_the_table():
    plan = tabulated(Cosine(steps=50))
    time = plan.snap(torch.rand(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(time * 50, (time * 50).round()) and float(time.min()) == 1 / 50 and float(time.max()) == 1.0


@pytest.mark.parametrize(
    "plan", [tabulated(Linear()), tabulated(Cosine()), LearnedSchedule(Learned())], ids=["linear", "cosine", "learned"]
)
def test_slope_is_the_derivative(plan):
    time, step = torch.linspace(0.1, 0.9, 33, dtype=torch.float64), 1e-3
    numeric = (plan.log_snr(time + step) - plan.log_snr(time - step)) / (2 * step)
    assert torch.allclose(plan.slope(time).to(numeric), numeric, rtol=2e-2)
    assert bool((plan.slope(time) < 0).all())


# ------------------------------------------------------------------------------------------------ learned


def test_learned_ends_are_fixed_whatever_the_weights():
    plan = LearnedSchedule(Learned(high=8.0, low=-6.0))
    ends = torch.tensor([0.0, 1.0])
    assert torch.allclose(plan.log_snr(ends), torch.tensor([8.0, -6.0]))
    with torch.no_grad():
        for parameter in plan.parameters():
            parameter += torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(plan.log_snr(ends), torch.tensor([8.0, -6.0]))
    assert bool((plan.log_snr(torch.linspace(0, 1, 500)).diff() < 0).all())


def test_learned_begins_near_a_straight_line_and_is_inverted():
    plan, time = LearnedSchedule(Learned()), torch.linspace(0, 1, 21)
    with torch.no_grad():
        assert torch.allclose(plan.log_snr(time), 9 - 18 * time, atol=1.0)
        assert torch.allclose(plan.time_at(plan.log_snr(time)), time, atol=1e-4)


def test_learned_tells_the_network_the_noise_level():
    plan = LearnedSchedule(Learned(high=10.0, low=-10.0))
    told = plan.condition(torch.tensor([0.3, 0.3]), torch.tensor([10.0, -10.0]))
    assert told.tolist() == pytest.approx([0.0, 999.0])


def test_variance_falls_when_the_schedule_learns():
    """With a known error f(log_snr) the best density of levels is proportional to f: then L does not vary at all."""
    plan = LearnedSchedule(Learned(high=6.0, low=-6.0))
    optimiser = torch.optim.Adam(plan.parameters(), lr=3e-2)
    error_at = lambda v: 0.1 + torch.sigmoid(v - 1)  # noqa: E731

    def spread() -> float:
        with torch.no_grad():
            time = torch.linspace(0.005, 0.995, 100)
            bound = -0.5 * plan.slope(time) * error_at(plan.log_snr(time))
            return float(bound.std() / bound.mean())

    before = spread()
    for step in range(300):
        time = torch.rand(256, generator=torch.Generator().manual_seed(step))
        level = plan.log_snr(time).detach().requires_grad_()
        error = error_at(level)
        (gradient,) = torch.autograd.grad(error.sum(), level)
        optimiser.zero_grad()
        schedules.variance_loss(plan, time, error.detach(), gradient).backward()
        optimiser.step()
    assert before > 0.5 and spread() < 0.3 * before


def test_variance_gradient_is_that_of_the_squared_bound():
    plan, time = LearnedSchedule(Learned()), torch.linspace(0.1, 0.9, 16)
    error_at = lambda v: 0.3 + torch.sigmoid(v)  # noqa: E731
    bound = -0.5 * plan.slope(time) * error_at(plan.log_snr(time))
    wanted = torch.autograd.grad((bound.square()).mean() / bound.square().mean().detach(), list(plan.parameters()))
    level = plan.log_snr(time).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(error_at(level).sum(), level)
    loss = schedules.variance_loss(plan, time, error_at(level).detach(), gradient)
    for found, exact in zip(torch.autograd.grad(loss, list(plan.parameters())), wanted, strict=True):
        assert torch.allclose(found, exact, rtol=1e-3, atol=1e-6)


def test_learned_survives_autocast_in_full_precision():
    plan, time = LearnedSchedule(Learned()), torch.linspace(0, 1, 9)
    with torch.autocast("cpu", torch.bfloat16):
        inside = plan.log_snr(time)
    assert inside.dtype == torch.float32 and torch.equal(inside, plan.log_snr(time))


def test_extreme_levels_are_finite():
    for chosen in TABLES:
        log_snr = tabulated(chosen).log_snr(torch.tensor([1 / chosen.steps, 1.0], dtype=torch.float64))
        assert torch.isfinite(log_snr).all() and not math.isnan(float(log_snr.exp().sum()))
