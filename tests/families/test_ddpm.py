"""DDPM: conformance, and what only diffusion has."""

from __future__ import annotations

import itertools

import msgspec
import pytest
import torch
from conformance import SPECS, Conformance, batch, built, draw, fresh_networks, sampling_of, seeded, stirred, train

from models_backend.contract.fields import build, merged, plain
from models_backend.families.ddpm import DDPM, Config
from models_backend.kinds.diffusion import DPMSolver, HeunSampler, Sampling
from models_backend.objectives import denoising, schedules

SCHEDULES = ("linear", "cosine", "sigmoid", "learned")
PREDICTIONS = ("eps", "v", "x0")
TIMESTEPS = ("uniform", "importance", "loss_aware", "logit_normal")
SAMPLERS = ("ddpm", "ddim", "dpmpp_2m", "euler", "heun", "unipc")
MEAN, STD = 0.5, 0.3


def member(spec=SPECS["points"], **changes) -> DDPM:
    """The tiny preset with changes to its config."""
    tiny = next(p for p in DDPM.presets if p.name == "tiny")
    return DDPM(build(Config, merged(merged(plain(Config()), tiny.config), changes)), spec)


def kind(name: str) -> dict:
    return {"type": name}


class TestDDPM(Conformance):
    key, family = "ddpm", DDPM


class Perfect(torch.nn.Module):
    """The best network for data N(MEAN, STD^2): what it should say follows from x and the time alone."""

    def __init__(self, family: DDPM):
        super().__init__()
        self.plan, self.prediction = schedules.tabulated(family.config.schedule), family.config.prediction

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        time = (told.double() * self.plan.steps / 1000 + 1) / self.plan.steps
        alpha, sigma = denoising.alpha_sigma(self.plan.log_snr(time), x.double())
        x0 = MEAN + alpha * STD**2 / (alpha**2 * STD**2 + sigma**2) * (x - alpha * MEAN)
        return denoising.target(self.prediction, x0, (x - alpha * x0) / sigma, alpha, sigma).to(x.dtype)


def perfect(**changes):
    family = member(**changes)
    return family, {"denoiser": Perfect(family)}


# ------------------------------------------------------------------------------------------------ every choice


@pytest.mark.parametrize(("schedule", "prediction"), itertools.product(SCHEDULES, PREDICTIONS))
def test_every_schedule_and_prediction_trains_and_samples(schedule, prediction):
    family = member(schedule=kind(schedule), prediction=prediction, weighting=kind("min_snr"))
    nets = fresh_networks(family)
    assert all(torch.isfinite(torch.tensor(train(family, nets, 3))))
    assert torch.isfinite(draw(family, stirred(nets))).all()


@pytest.mark.parametrize("timesteps", TIMESTEPS)
def test_every_way_of_drawing_times_trains(timesteps):
    family = member(timesteps=kind(timesteps))
    nets = fresh_networks(family)
    assert all(torch.isfinite(torch.tensor(train(family, nets, 3))))
    assert ("history" in nets) == (timesteps == "loss_aware")


@pytest.mark.parametrize(("sampler", "prediction"), [*itertools.product(SAMPLERS, ["v"]), ("ddim", "eps"), ("ddim", "x0")])
def test_a_perfect_network_gives_the_data_back(sampler, prediction):
    """Mean and spread within 2 %, through the whole family: schedule, condition, conversion, grid, sampler."""
    family, nets = perfect(prediction=prediction)
    steps = {"ddpm": 1000, "ddim": 300, "euler": 300}.get(sampler, 60)  # the first-order ones need more
    settings = build(Sampling, {"sampler": kind(sampler), "steps": steps})
    noise = torch.randn(20_000, 2, generator=seeded())
    items = family.sample(nets, noise, {}, settings, None, seeded(1))
    assert float(items.mean()) == pytest.approx(MEAN, rel=0.02) and float(items.std()) == pytest.approx(STD, rel=0.02)


def test_loss_of_a_perfect_network_is_the_known_one():
    """E|eps - eps_hat|^2 = alpha^2 s^2 / (alpha^2 s^2 + sigma^2), averaged over the levels, however times are drawn."""
    plan = schedules.tabulated(schedules.Cosine())
    log_snr = plan.log_snr(torch.arange(1, 1001, dtype=torch.float64) / 1000)
    snr = log_snr.exp() * STD**2
    wanted = float((snr / (snr + 1)).mean())
    x = MEAN + STD * torch.randn(40_000, 2, generator=seeded(5))
    for timesteps in ("uniform", "importance"):
        family, nets = perfect(prediction="eps", timesteps=kind(timesteps))
        (loss,) = family.losses(nets, batch_of(x))
        assert float(loss.value) == pytest.approx(wanted, rel=0.02)


def batch_of(x: torch.Tensor):
    made = batch(DDPM, SPECS["points"])
    made.x = x
    return made


# ------------------------------------------------------------------------------------------------ schedule and history


def test_the_learned_schedule_moves_and_its_gradient_ignores_the_loss_scale():
    family = member(schedule=kind("learned"), prediction="eps")
    gradients = []
    for factor in (1.0, 64.0):
        nets = stirred(fresh_networks(family))
        rounds = family.losses(nets, batch(DDPM, SPECS["points"]))
        (next(rounds).value * factor).backward()
        second = next(rounds)
        nets["schedule"].zero_grad()
        second.value.backward()
        assert second.network == "schedule"
        gradients.append([p.grad.clone() for p in nets["schedule"].parameters()])
    assert all(float(g.abs().sum()) > 0 for g in gradients[0])
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-7) for a, b in zip(*gradients, strict=True))


def test_the_learned_schedule_takes_its_gradient_from_the_denoisers_own_pass():
    """The same as autograd through the whole bound, by hand."""
    family = member(schedule=kind("learned"), prediction="eps")
    nets = stirred(fresh_networks(family))
    rounds = family.losses(nets, batch(DDPM, SPECS["points"]))
    next(rounds).value.backward()
    nets["schedule"].zero_grad()
    next(rounds).value.backward()
    found = [p.grad.clone() for p in nets["schedule"].parameters()]

    b, plan = batch(DDPM, SPECS["points"]), nets["schedule"]
    time, _ = family._draw_times(nets, b, plan)
    log_snr = plan.log_snr(time)
    error, _ = family._errors(nets, b, plan, time, log_snr)
    squared = (-0.5 * plan.slope(time) * error).square()
    wanted = torch.autograd.grad(squared.mean() / squared.mean().detach(), list(plan.parameters()))
    for a, exact in zip(found, wanted, strict=True):
        assert torch.allclose(a, exact, rtol=2e-2, atol=1e-4 * float(exact.abs().max() + 1e-12) + 1e-7)


def test_the_schedule_is_left_alone_without_a_gradient_pass():
    family = member(schedule=kind("learned"))
    with torch.no_grad():
        assert [loss.network for loss in family.losses(fresh_networks(family), batch(DDPM, SPECS["points"]))] == ["denoiser"]


def test_the_schedule_has_its_own_rate():
    family = member(schedule={"type": "learned", "rate": 0.1})
    assert family.sharing("schedule").rate == 0.1 and family.sharing("denoiser").rate == 1.0


def test_the_history_grows_in_training_only():
    family = member(timesteps={"type": "loss_aware", "bins": 4, "history": 2})
    nets = fresh_networks(family)
    train(family, nets, 2)
    grown = int(nets["history"].seen.sum())
    assert grown == 8
    nets["history"].eval()
    list(family.losses(nets, batch(DDPM, SPECS["points"])))
    assert int(nets["history"].seen.sum()) == grown


# ------------------------------------------------------------------------------------------------ latents, field, noise


@pytest.mark.parametrize("solver", [HeunSampler(), DPMSolver()])
def test_encoded_items_come_back(solver):
    family, nets = perfect()
    x = MEAN + STD * torch.randn(500, 2, generator=seeded(3))
    z = family.encode(nets, x)
    assert float(z.mean()) == pytest.approx(0, abs=0.15) and float(z.std()) == pytest.approx(1, abs=0.15)
    again = family.decode(nets, z, msgspec.structs.replace(Sampling(), sampler=solver, steps=50))
    assert float((again - x).abs().mean()) < 0.05


def test_decoding_adds_no_noise_even_with_the_ancestral_sampler():
    family, nets = perfect()
    z = torch.randn(8, 2, generator=seeded())
    settings = build(Sampling, {"sampler": kind("ddpm"), "steps": 20})
    assert torch.equal(family.decode(nets, z, settings), family.decode(nets, z, settings))


def test_the_field_is_the_slope_of_the_path():
    """Between two near states of a finely solved path the field is their difference over the time between them."""
    family, nets = perfect()
    told = []
    settings = build(Sampling, {"sampler": kind("heun"), "steps": 1000, "clip": False})
    family.sample(nets, torch.randn(32, 2, generator=seeded()), {}, settings, told.append, seeded())
    for i in (200, 500, 800):
        before, after = told[i - 1], told[i + 1]
        slope = (after.channels["x"] - before.channels["x"]) / (before.time - after.time)
        field = family.vector_field(nets, told[i].channels["x"], told[i].time, settings)
        assert torch.allclose(field, slope, rtol=0.02, atol=0.02)


def test_an_item_does_not_depend_on_its_batch_when_each_has_its_generator():
    family = member()
    nets = stirred(fresh_networks(family))
    settings = build(Sampling, {"sampler": kind("ddpm"), "steps": 8})
    noise = torch.randn(5, 2, generator=seeded())
    generators = lambda chosen: [seeded(50 + i) for i in chosen]  # noqa: E731
    with torch.no_grad():
        together = family.sample(nets, noise, {}, settings, None, generators(range(5)))
        alone = family.sample(nets, noise[3:4], {}, settings, None, generators([3]))
    assert torch.allclose(together[3:4], alone, atol=1e-5)


def test_clipping_keeps_predictions_in_range():
    family = built(DDPM, SPECS["image"])
    nets = stirred(fresh_networks(family))
    seen: dict[bool, float] = {}
    for clip in (True, False):
        told = []
        settings = msgspec.structs.replace(sampling_of(DDPM), clip=clip)
        with torch.no_grad():
            family.sample(nets, 3 * torch.randn(2, 1, 8, 8, generator=seeded()), {}, settings, told.append, seeded())
        seen[clip] = max(float(s.channels["x0"].abs().max()) for s in told)
    assert seen[True] <= 1.0 < seen[False]


def test_a_network_that_does_not_fit_is_named():
    (problem,) = member(SPECS["points"], network={"type": "unet"}).problems()
    assert "network" in problem and "points" in problem
