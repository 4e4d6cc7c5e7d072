"""Samplers against the diffusers scheduler of the same name: the same noise, the same grid, state by state."""

from __future__ import annotations

import pytest
import torch

from models_backend.objectives import schedules
from models_backend.samplers import ancestral, karras, levels, multistep

STEPS = 20
TABLES = {"linear": schedules.Linear(), "squaredcos_cap_v2": schedules.Cosine()}


def network(x: torch.Tensor, index: float) -> torch.Tensor:
    """A smooth function of state and time, which stands for a network that predicts noise."""
    return torch.tanh(1.3 * x + 0.2) * (0.4 + 0.5 * index / 1000) + 0.1 * x.flip(-1)


def model(x: torch.Tensor, level: levels.Level) -> levels.Denoised:
    eps = network(x, level.time * 1000 - 1)
    return levels.Denoised((x - level.sigma * eps) / level.alpha, eps)


def noise() -> torch.Tensor:
    return torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def ours(sampler, spacing: str, table: str = "linear", model=model, **options) -> list[torch.Tensor]:
    """The states at every step, x_T first and items last."""
    states: list[torch.Tensor] = []
    grid = levels.grid(schedules.tabulated(TABLES[table]), STEPS, spacing)
    sampler(model, noise(), grid, lambda step: states.append(step.channels["x"]), **options)
    return states


def theirs(scheduler, ask=lambda scheduler, x, t: network(scheduler.scale_model_input(x, t), float(t)), **options):
    """The states of a diffusers sampling loop, in its own scaling."""
    scheduler.set_timesteps(STEPS)
    x = noise() * scheduler.init_noise_sigma
    states = [x]
    for t in scheduler.timesteps:
        x = scheduler.step(ask(scheduler, x, t).to(x), t, x, **options).prev_sample.double()
        states.append(x)
    return states


def assert_same(one: list[torch.Tensor], other: list[torch.Tensor]) -> None:
    assert len(one) == len(other)
    for i, (a, b) in enumerate(zip(one, other, strict=True)):
        scale = max(1.0, float(b.abs().max()))
        assert float((a - b).abs().max()) <= 1e-4 * scale, f"step {i}: {float((a - b).abs().max())}"


@pytest.mark.parametrize("table", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("spacing", ["trailing", "leading"])
def test_ddpm(table, spacing):
    from diffusers import DDPMScheduler

    generator = lambda: torch.Generator().manual_seed(9)  # noqa: E731
    scheduler = DDPMScheduler(beta_schedule=table, clip_sample=False, timestep_spacing=spacing)
    wanted = theirs(scheduler, generator=generator())
    assert_same(ours(ancestral.ddpm, spacing, table, generator=generator()), wanted)


def told(x: torch.Tensor, index: float) -> torch.Tensor:
    """A variance in [-1, 1] that differs from place to place."""
    return torch.sin(3 * x + index / 100)


def telling(x: torch.Tensor, level: levels.Level) -> levels.Denoised:
    """As ``model``, within the range of pictures, with a variance beside it."""
    said = model(x, level)
    return levels.Denoised(said.x0.clamp(-1, 1), said.eps, told(x, level.time * 1000 - 1))


@pytest.mark.parametrize("table", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("spacing", ["trailing", "leading"])
def test_ddpm_with_a_learned_variance(table, spacing):
    """With trailing steps diffusers puts noise on the finished items too: there the last state is left out."""
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(beta_schedule=table, variance_type="learned_range", timestep_spacing=spacing)
    both = lambda scheduler, x, t: torch.cat([network(x, float(t)), told(x, float(t))], 1)  # noqa: E731
    generator = lambda: torch.Generator().manual_seed(9)  # noqa: E731
    last = STEPS if spacing == "trailing" else STEPS + 1
    wanted = theirs(scheduler, both, generator=generator())[:last]
    assert_same(ours(ancestral.ddpm, spacing, table, telling, generator=generator(), variance="learned")[:last], wanted)
    fixed = ours(ancestral.ddpm, spacing, table, telling, generator=generator())
    assert float((fixed[STEPS - 1] - wanted[STEPS - 1]).abs().max()) > 0.1


@pytest.mark.parametrize("table", ["linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("eta", [0.0, 0.7])
@pytest.mark.parametrize("spacing", ["trailing", "leading"])
def test_ddim(table, eta, spacing):
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(beta_schedule=table, clip_sample=False, timestep_spacing=spacing)
    generator = lambda: torch.Generator().manual_seed(9)  # noqa: E731
    wanted = theirs(scheduler, eta=eta, generator=generator())
    assert_same(ours(ancestral.ddim, spacing, table, eta=eta, generator=generator()), wanted)


def test_dpmpp_2m():
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, timestep_spacing="trailing")
    scheduler = scheduler.from_config(scheduler.config, beta_schedule="linear", beta_start=1e-4, beta_end=0.02)
    assert_same(ours(multistep.dpmpp_2m, "trailing"), theirs(scheduler))


def test_unipc():
    from diffusers import UniPCMultistepScheduler

    scheduler = UniPCMultistepScheduler(solver_order=2, solver_type="bh2", timestep_spacing="trailing")
    assert_same_predicted(scheduler, 2)


def test_unipc_of_third_order():
    from diffusers import UniPCMultistepScheduler

    assert_same_predicted(UniPCMultistepScheduler(solver_order=3, solver_type="bh2", timestep_spacing="trailing"), 3)


def assert_same_predicted(scheduler, order: int) -> None:
    """diffusers returns states before they are mended by the corrector: compare what the model was asked about."""
    asked: list[torch.Tensor] = []

    def listening(x, level):
        asked.append(x)
        return model(x, level)

    grid = levels.grid(schedules.tabulated(TABLES["linear"]), STEPS, "trailing")
    items = multistep.unipc(listening, noise(), grid, order=order)
    assert_same([*asked, items], theirs(scheduler))


def karras_states(states: list[torch.Tensor]) -> list[torch.Tensor]:
    """Our states in diffusers' scaling, x / alpha."""
    grid = levels.grid(schedules.tabulated(TABLES["linear"]), STEPS, "trailing")
    return [x / level.alpha for x, level in zip(states, grid, strict=True)]


def test_euler():
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(timestep_spacing="trailing")
    grid = levels.grid(schedules.tabulated(TABLES["linear"]), STEPS, "trailing")
    scheduler.set_timesteps(STEPS)
    assert grid[0].scale == pytest.approx(float(scheduler.sigmas[0]), rel=1e-4)
    assert_same(karras_states(ours(karras.euler, "trailing")), from_same_state(scheduler, grid))


def test_heun():
    from diffusers import HeunDiscreteScheduler

    scheduler = HeunDiscreteScheduler(timestep_spacing="trailing", beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    grid = levels.grid(schedules.tabulated(TABLES["linear"]), STEPS, "trailing")
    states = from_same_state(scheduler, grid)
    assert_same(karras_states(ours(karras.heun, "trailing")), [*states[:-1:2], states[-1]])


def from_same_state(scheduler, grid: list[levels.Level]) -> list[torch.Tensor]:
    """As ``theirs``, begun at our x_T in their scaling: diffusers rounds the first signal scale to 0."""
    scheduler.set_timesteps(STEPS)
    x = noise() / grid[0].alpha
    states = [x]
    for t in scheduler.timesteps:
        said = network(scheduler.scale_model_input(x, t), float(t))
        x = scheduler.step(said, t, x).prev_sample.double()
        states.append(x)
    return states


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
@pytest.mark.parametrize("steps", [7, 20, 50, 1000])
def test_grids_stand_on_the_same_levels(spacing, steps):
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    grid = levels.grid(schedules.tabulated(TABLES["linear"]), steps, spacing)
    assert [round(level.time * 1000) - 1 for level in grid[:-1]] == scheduler.timesteps.tolist()
    alphas_bar = scheduler.alphas_cumprod[scheduler.timesteps].double()
    assert torch.allclose(torch.tensor([level.alpha**2 for level in grid[:-1]], dtype=torch.float64), alphas_bar, atol=1e-6)
