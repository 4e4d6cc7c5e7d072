"""Samplers against the exact solution: a mixture of Gaussians whose best denoiser is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from models_backend.objectives.schedules import Cosine, tabulated
from models_backend.samplers import adaptive, ancestral, flow, karras, levels, multistep

CENTRES = torch.tensor([[1.0, 0.2], [-0.8, 0.9], [0.1, -1.1]], dtype=torch.float64)
STD = 0.35


def mixture_model(x: torch.Tensor, level: levels.Level) -> levels.Denoised:
    """E[x0 | x] of an even mixture of N(centre, STD^2 I): posterior-weighted means, each Gaussian's in closed form."""
    var = level.alpha**2 * STD**2 + level.sigma**2
    offsets = x[:, None] - level.alpha * CENTRES
    share = torch.softmax(-offsets.square().sum(-1) / (2 * var), 1)
    means = CENTRES + (level.alpha * STD**2 / var) * offsets
    x0 = (share[..., None] * means).sum(1)
    return levels.Denoised(x0, (x - level.alpha * x0) / level.sigma)


def gaussian_model(mean: float, std: float):
    """E[x0 | x] of N(mean, std^2)."""

    def ask(x: torch.Tensor, level: levels.Level) -> levels.Denoised:
        var = level.alpha**2 * std**2 + level.sigma**2
        x0 = mean + (level.alpha * std**2 / var) * (x - level.alpha * mean)
        return levels.Denoised(x0, (x - level.alpha * x0) / level.sigma)

    return ask


def even_grid(steps: int, low: float = -4.0, high: float = 4.0) -> list[levels.Level]:
    """Levels even in log_snr between two noisy ends, where every solver is in its asymptotic range."""
    return [levels.level_at(1 - i / steps, low + (high - low) * i / steps) for i in range(steps + 1)]


def start(count: int = 64) -> torch.Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def order_of(errors: dict[int, float]) -> float:
    """The slope of log error against log steps, by least squares, as a positive order."""
    x = torch.tensor([math.log(n) for n in errors], dtype=torch.float64)
    y = torch.tensor([math.log(e) for e in errors.values()], dtype=torch.float64)
    return -float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


@pytest.fixture(scope="module")
def exact() -> torch.Tensor:
    """The probability-flow ODE's solution, by Heun in 4,000 steps (error about 1e-7)."""
    return karras.heun(mixture_model, start(), even_grid(4000))


@pytest.mark.parametrize(
    ("sampler", "order"),
    [
        (ancestral.ddim, 1),
        (karras.euler, 1),
        (karras.heun, 2),
        (multistep.dpmpp_2m, 2),
        (lambda *a: multistep.unipc(*a, order=1), 2),
        (lambda *a: multistep.unipc(*a, order=2), 3),
    ],
    ids=["ddim", "euler", "heun", "dpmpp_2m", "unipc-1", "unipc-2"],
)
def test_error_falls_at_the_published_order(exact, sampler, order):
    counts = (40, 80, 160)
    errors = {n: float((sampler(mixture_model, start(), even_grid(n)) - exact).norm(dim=1).mean()) for n in counts}
    assert order_of(errors) == pytest.approx(order, abs=0.35)
    assert errors[160] < 0.02


def test_third_order_unipc_beats_second_order(exact):
    grid = even_grid(80)
    second, third = ((multistep.unipc(mixture_model, start(), grid, order=p) - exact).abs().mean() for p in (2, 3))
    assert third < second


def test_euler_and_ddim_are_the_same_solution():
    grid = even_grid(20)
    assert torch.allclose(ancestral.ddim(mixture_model, start(), grid), karras.euler(mixture_model, start(), grid), atol=1e-12)


def test_a_gaussian_is_solved_exactly_by_its_closed_form():
    """For N(m, s^2) the ODE keeps (x - alpha m) / sqrt(alpha^2 s^2 + sigma^2): every fine solver must agree."""
    grid, mean, std = even_grid(200), 0.7, 0.4
    noise = start()
    spread = lambda level: math.sqrt(level.alpha**2 * std**2 + level.sigma**2)  # noqa: E731
    wanted = grid[-1].alpha * mean + (noise - grid[0].alpha * mean) * spread(grid[-1]) / spread(grid[0])
    for sampler in (karras.heun, multistep.dpmpp_2m, multistep.unipc):
        assert torch.allclose(sampler(gaussian_model(mean, std), noise, grid), wanted, atol=2e-3)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_returns_the_moments_of_the_data(eta):
    grid, generator = levels.grid(tabulated(Cosine()), 1000), torch.Generator().manual_seed(1)
    noise = torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    items = ancestral.ddim(gaussian_model(0.5, 0.3), noise, grid, eta=eta, generator=generator)
    assert float(items.mean()) == pytest.approx(0.5, rel=0.02)
    assert float(items.std()) == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("variance", ["small", "large"])
def test_ddpm_returns_the_moments_of_the_data(variance):
    grid, generator = levels.grid(tabulated(Cosine()), 1000), torch.Generator().manual_seed(1)
    noise = torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    items = ancestral.ddpm(gaussian_model(0.5, 0.3), noise, grid, generator=generator, variance=variance)
    assert float(items.mean()) == pytest.approx(0.5, rel=0.02)
    assert float(items.std()) == pytest.approx(0.3, rel=0.02)


def test_ddim_with_all_its_noise_is_ddpm_in_distribution():
    grid = levels.grid(tabulated(Cosine()), 100)
    noise = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    one = ancestral.ddim(mixture_model, noise, grid, eta=1.0, generator=torch.Generator().manual_seed(3))
    other = ancestral.ddpm(mixture_model, noise, grid, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(one, other, atol=1e-9)  # the same mean and variance at each step: even the same items


def test_noise_of_an_item_does_not_depend_on_its_batch():
    grid, noise = levels.grid(tabulated(Cosine()), 10), start(4)
    generators = lambda chosen: [torch.Generator().manual_seed(100 + i) for i in chosen]  # noqa: E731
    together = ancestral.ddpm(mixture_model, noise, grid, generator=generators(range(4)))
    alone = ancestral.ddpm(mixture_model, noise[2:3], grid, generator=generators([2]))
    assert torch.allclose(together[2:3], alone, atol=1e-12)


def test_a_generator_for_each_item_or_an_error():
    with pytest.raises(ValueError, match="2 generators for 4 items"):
        ancestral.ddpm(mixture_model, start(4), levels.grid(tabulated(Cosine()), 4), generator=[torch.Generator()] * 2)


@pytest.mark.parametrize("steps", [10, 30, 100])
def test_heun_begins_well_in_almost_pure_noise(steps):
    """A cosine's first level has a noise scale of 20,000: averaging slopes across that step ruined all items."""
    grid, fine = (levels.grid(tabulated(Cosine()), count) for count in (steps, 1000))
    wanted = multistep.dpmpp_2m(mixture_model, start(), fine)
    error = lambda sampler: float((sampler(mixture_model, start(), grid) - wanted).abs().mean())  # noqa: E731
    assert error(karras.heun) < 0.5 * error(karras.euler)


def test_inversion_finds_the_noise():
    grid = even_grid(60)
    items = karras.heun(mixture_model, start(), grid)
    back = karras.heun(mixture_model, items, list(reversed(grid)))
    assert torch.allclose(back, start(), atol=2e-2)


# ------------------------------------------------------------------------------------------------ flows


def mixture_velocity(x: torch.Tensor, t: float) -> torch.Tensor:
    """E[x1 - z | x_t = x] on straight paths, from the same posterior."""
    if t >= 1:
        t = 1 - 1e-9
    said = mixture_model(x / math.hypot(t, 1 - t), _level(t))
    return said.x0 - said.eps


def _level(t: float) -> levels.Level:
    norm = math.hypot(t, 1 - t)
    return levels.Level(1 - t, t / norm, (1 - t) / norm)


@pytest.fixture(scope="module")
def flowed() -> torch.Tensor:
    return flow.rk4(mixture_velocity, start(), flow.times(1000))


@pytest.mark.parametrize(("solver", "order"), [(flow.euler, 1), (flow.midpoint, 2), (flow.heun, 2), (flow.rk4, 4)])
def test_flow_error_falls_at_the_published_order(flowed, solver, order):
    counts = (24, 48, 96) if order < 4 else (16, 32, 64)
    errors = {n: float((solver(mixture_velocity, start(), flow.times(n)) - flowed).norm(dim=1).mean()) for n in counts}
    assert order_of(errors) == pytest.approx(order, abs=0.5)


def conditions_of_order_five(b: np.ndarray, a: np.ndarray) -> list[float]:
    """What is lacking in the seventeen conditions on a Runge-Kutta method, eight of them up to order four (Hairer, Norsett &
    Wanner, table II.2.2)."""
    c = a.sum(1)
    terms = [
        (np.ones_like(c), 1), (c, 2), (c**2, 3), (a @ c, 6), (c**3, 4), (c * (a @ c), 8), (a @ c**2, 12), (a @ a @ c, 24),
        (c**4, 5), (c**2 * (a @ c), 10), ((a @ c) ** 2, 20), (c * (a @ c**2), 15), (c * (a @ a @ c), 30), (a @ c**3, 20),
        (a @ (c * (a @ c)), 40), (a @ a @ c**2, 60), (a @ a @ a @ c, 120),
    ]  # fmt: skip
    return [float(b @ term - 1 / density) for term, density in terms]


def test_dormand_and_princes_pair_is_of_orders_five_and_four():
    nodes, rows, weights = adaptive.DOPRI5
    a = np.zeros((7, 7))
    for i, row in enumerate((*rows, weights)):
        a[i, : len(row)] = row
    five = np.array([*weights, 0.0])
    four = five - np.array(adaptive.ERROR)
    assert np.allclose(a.sum(1), [*nodes, 1.0])
    assert np.allclose(conditions_of_order_five(five, a), 0, atol=1e-14)
    assert np.allclose(conditions_of_order_five(four, a)[:8], 0, atol=1e-14)
    assert np.abs(conditions_of_order_five(four, a)[8:]).max() > 1e-4


def many_times(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """``mixture_velocity`` with a time for each item."""
    return torch.cat([mixture_velocity(x[i : i + 1], t[i].item()) for i in range(len(x))])


def growing(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """dx/dt = x cos(6 t): x(t) = x(0) exp(sin(6 t) / 6)."""
    return x * torch.cos(6 * t)[:, None]


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
def test_dopri5_keeps_its_tolerance(tolerance):
    exact_end = start() * math.exp(math.sin(6.0) / 6)
    found = adaptive.dopri5(growing, start(), flow.times(1), tolerance=tolerance)
    assert float((found - exact_end).abs().max()) < 20 * tolerance


def test_dopri5_agrees_with_scipys(flowed):
    x = start()[:6]
    found = adaptive.dopri5(many_times, x, flow.times(3), tolerance=1e-9)
    asked: list[float] = []

    def flat(t: float, y) -> torch.Tensor:
        asked.append(t)
        return mixture_velocity(torch.from_numpy(y).view(1, 2), t).flatten().numpy()

    wanted = [solve_ivp(flat, (0, 1), row.numpy(), rtol=1e-9, atol=1e-9).y[:, -1] for row in x]
    assert torch.allclose(found, torch.from_numpy(np.stack(wanted)), atol=1e-7)
    assert torch.allclose(found, flowed[:6], atol=1e-6)


def test_dopri5_takes_about_as_many_evaluations_as_scipys():
    counted: list[float] = []

    def counting(x, t):
        counted.append(1)
        return growing(x, t)

    x = torch.ones(1, 1, dtype=torch.float64)
    adaptive.dopri5(counting, x, flow.times(1), tolerance=1e-7)
    theirs = solve_ivp(lambda t, y: y * np.cos(6 * t), (0, 1), [1.0], rtol=1e-7, atol=1e-7).nfev
    assert theirs / 1.5 < len(counted) < theirs * 1.5


def test_dopri5_solves_an_item_as_if_it_were_alone():
    """A neighbour a million times as large does not change its steps."""
    x = torch.tensor([[1.0, 1.0], [1e6, 1e6]], dtype=torch.float64)
    turned = lambda x, t: growing(x, t) + x.square() * 1e-6  # noqa: E731
    together, alone = (adaptive.dopri5(turned, some, flow.times(4), tolerance=1e-4) for some in (x, x[:1]))
    assert torch.equal(together[:1], alone)


def test_dopri5_runs_backwards_and_tells_its_places():
    told: list = []
    x = adaptive.dopri5(growing, start(), flow.times(5), told.append, tolerance=1e-8)
    assert [s.time for s in told] == pytest.approx(flow.times(5)) and torch.equal(told[-1].channels["x"], x)
    assert torch.allclose(told[2].channels["x"], start() * math.exp(math.sin(2.4) / 6), atol=1e-6)
    assert torch.allclose(adaptive.dopri5(growing, x, flow.times(5)[::-1], tolerance=1e-8), start(), atol=1e-6)


def test_dopri5_ends_where_the_velocity_jumps_or_is_no_number():
    jump = lambda x, t: torch.where(t[:, None] < 0.37, x, -50 * x)  # noqa: E731
    wanted = start() * math.exp(0.37 - 50 * 0.63)
    assert torch.allclose(adaptive.dopri5(jump, start(), flow.times(1), tolerance=1e-6), wanted, atol=1e-3)
    assert adaptive.dopri5(lambda x, t: x * math.nan, start(), flow.times(2)).isnan().all()


def test_flow_and_diffusion_end_at_the_same_items(flowed):
    """The probability flow of a Gaussian source does not depend on the schedule (up to the two ends)."""
    grid = [*even_grid(2000, -16.0, 16.0), levels.CLEAN]
    assert torch.allclose(karras.heun(mixture_model, start(), grid), flowed, atol=5e-3)


def test_flow_runs_backwards_to_the_noise(flowed):
    back = flow.rk4(mixture_velocity, flowed, flow.times(200)[::-1])
    assert torch.allclose(back, start(), atol=1e-3)


def test_a_straight_flow_needs_one_step():
    target = start() + 3.0
    assert torch.allclose(flow.euler(lambda x, t: torch.full_like(x, 3.0), start(), flow.times(1)), target)


# ------------------------------------------------------------------------------------------------ telling


@pytest.mark.parametrize(
    "sampler", [ancestral.ddpm, ancestral.ddim, karras.euler, karras.heun, multistep.dpmpp_2m, multistep.unipc]
)
def test_every_step_tells_the_state_and_the_views_agree(sampler):
    grid, told = levels.grid(tabulated(Cosine()), 12), []
    items = sampler(mixture_model, start(), grid, told.append)
    assert [s.index for s in told] == list(range(13)) and {s.total for s in told} == {12}
    assert torch.equal(told[-1].channels["x"], items) and told[-1].time == 0 and told[-1].sigma == 0
    for step, level in zip(told[:-1], grid[:-1], strict=True):
        c = step.channels
        assert step.sigma == pytest.approx(level.sigma / level.alpha)
        assert torch.allclose(c["v"], level.alpha * c["eps"] - level.sigma * c["x0"])
        assert torch.allclose(c["score"], -c["eps"] / level.sigma)
        if sampler is not multistep.unipc:  # there the state told is mended after the model has spoken
            assert torch.allclose(c["x"], level.alpha * c["x0"] + level.sigma * c["eps"], atol=1e-9)


def test_a_sampler_without_anything_left_to_do_returns_its_input():
    told = []
    assert torch.equal(ancestral.ddim(mixture_model, start(), [levels.CLEAN], told.append), start())
    assert len(told) == 1 and told[0].index == told[0].total == 0
    assert torch.equal(flow.euler(mixture_velocity, start(), [1.0], told.append), start())


def test_flow_tells_clean_and_noise(flowed):
    told = []
    items = flow.heun(mixture_velocity, start(), flow.times(8), told.append)
    assert [s.time for s in told] == pytest.approx([i / 8 for i in range(9)]) and told[-1].sigma == 0
    assert torch.equal(told[-1].channels["x"], items)
    for step in told:
        c = step.channels
        assert torch.allclose(c["x"], (1 - step.time) * c["eps"] + step.time * c["x0"], atol=1e-9)
