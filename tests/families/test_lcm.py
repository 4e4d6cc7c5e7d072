"""LCM: conformance, its boundary, its target, and distillation of a teacher that is known exactly."""

from __future__ import annotations

import msgspec
import pytest
import torch
from conformance import PARTS, SPECS, Conformance, batch, built, draw, fresh_networks, seeded, stirred
from halving_codec import halving

from models_backend.contract.family import DataSpec, LoadedRun
from models_backend.families.conditional_diffusion import ConditionalDiffusion
from models_backend.families.lcm import LCM, Config, Sampling
from models_backend.networks import conditional
from models_backend.networks.text_encoder import TextTransformer
from models_backend.networks.unet import UNet
from models_backend.samplers.few_step import kept_times


def taught(spec: DataSpec) -> dict[str, LoadedRun]:
    """A conditional diffusion run of the tiny preset, as a teacher."""
    family = built(ConditionalDiffusion, spec)
    nets = stirred(fresh_networks(family))
    return {"teacher": LoadedRun(family, nets, family.config, spec, torch.device("cpu"))}


PARTS[LCM] = taught


class TestLCM(Conformance):
    key, family = "lcm", LCM


def test_the_jump_from_time_zero_is_exactly_the_item():
    family = built(LCM, SPECS["points"])
    nets = stirred(fresh_networks(family))
    x, zero = torch.randn(6, 2, generator=seeded()), torch.zeros(6)
    end = family.jump(nets["student"], x, zero, family._levels(zero, x), {}, torch.full((6,), 3.0))
    assert torch.equal(end, x)


def test_the_student_begins_as_the_teacher_whatever_the_scale():
    family = built(LCM, SPECS["points"])
    student, teacher = fresh_networks(family)["student"].eval(), family.teacher.nets["denoiser"]
    x, time, given = torch.randn(4, 2, generator=seeded()), torch.full((4,), 300.0), {"class": torch.tensor([0, 1, 2, 3])}
    with torch.no_grad():
        for scale in (0.0, 7.0):
            assert torch.allclose(
                student(x, time, given | {"scale": torch.full((4,), scale)}), teacher(x, time, given), atol=1e-6
            )


def test_a_unet_that_attends_to_words_hears_the_scale_in_its_time_and_not_at_first():
    spec = DataSpec("image", (3, 8, 8), captioned=True)
    unet = UNet(width=8, multipliers=[1, 2], blocks=1, attention=[4], head=8, groups=4)
    net = stirred({"net": conditional.make(unet, spec, conditional.CrossAttention(), TextTransformer(16, 1, 2), ("text",))})[
        "net"
    ]
    x, time, given = (
        torch.randn(2, 3, 8, 8, generator=seeded()),
        torch.full((2,), 300.0),
        {"text": torch.tensor([[1, 9], [1, 7]])},
    )
    with torch.no_grad():
        before = net.eval()(x, time, given)
        net.hear_scale()
        low, high = (given | {"scale": torch.full((2,), scale)} for scale in (0.0, 7.0))
        assert torch.equal(net(x, time, high), before)
        torch.nn.init.normal_(net.net.unet.time_embedding.cond_proj.weight, generator=seeded())
        assert not torch.allclose(net(x, time, low), net(x, time, high), atol=1e-3)
    assert net.net.unet.config.time_cond_proj_dim == conditional.OF_SCALE


def test_the_target_follows_the_student_in_training_only():
    family = built(LCM, SPECS["points"])
    nets = fresh_networks(family)
    before = [p.clone() for p in nets["target"].parameters()]
    with torch.no_grad():
        for p in nets["student"].parameters():
            p += 1.0
        list(family.losses({k: n.eval() for k, n in nets.items()}, batch(LCM, SPECS["points"])))
    assert all(torch.equal(a, b) for a, b in zip(before, nets["target"].parameters(), strict=True))
    nets["student"].train()
    list(family.losses(nets, batch(LCM, SPECS["points"])))
    for old, slow, quick in zip(before, nets["target"].parameters(), nets["student"].parameters(), strict=True):
        assert torch.allclose(slow, 0.95 * old + 0.05 * quick, atol=1e-6)


def test_kept_times_are_those_of_the_published_scheduler():
    from diffusers import LCMScheduler

    scheduler = LCMScheduler(original_inference_steps=50)
    for steps in (1, 2, 4, 8):
        scheduler.set_timesteps(steps)
        assert [round(1000 * t) - 1 for t in kept_times(steps, 50)] == scheduler.timesteps.tolist()
    assert kept_times(4, 50, 0.6) == [0.6, 0.5, 0.26]


class Known(torch.nn.Module):
    """v of data N(1, 0): the clean item is 1 whatever is seen; heard or not."""

    def __init__(self, family):
        super().__init__()
        self.schedule = family.teacher.family.schedule({})

    def forward(self, x, told, given):
        log_snr = self.schedule.log_snr(told / 1000).view(-1, 1).to(x)
        alpha, sigma = log_snr.sigmoid().sqrt(), (-log_snr).sigmoid().sqrt()
        return (alpha * x - 1.0) / sigma.clamp(min=1e-6)


def test_a_perfect_student_of_a_perfect_teacher_has_no_loss_and_jumps_home():
    family = built(LCM, SPECS["points"])
    perfect = Known(family)
    family.teacher.nets["denoiser"] = perfect
    with torch.no_grad():
        (loss,) = family.losses({"student": perfect, "target": perfect}, batch(LCM, SPECS["points"], count=64))
        items = family.sample({"student": perfect}, torch.randn(50, 2, generator=seeded()), {}, Sampling(steps=1), None, None)
    assert float(loss.value) < 0.01 and torch.allclose(items, torch.ones(50, 2), atol=0.01)


def test_distilling_brings_one_jump_to_the_teachers_end():
    """The mean of one jump nears the mean of the teacher's path, from a teacher of N(1, 0) and a fresh student."""
    family = LCM(Config(grid=4, decay=0.5), SPECS["points"], taught(SPECS["points"]))
    family.teacher.nets["denoiser"] = stirred(fresh_networks(built(ConditionalDiffusion, SPECS["points"])))["denoiser"]
    nets = fresh_networks(family)
    family.teacher.nets["denoiser"] = Known(family)
    optimiser = torch.optim.Adam(nets["student"].parameters(), 2e-3)

    def away():
        items = family.sample(nets, torch.randn(200, 2, generator=seeded()), {}, Sampling(steps=1), None, None)
        return float((items - 1).abs().mean())

    with torch.no_grad():
        before = away()
    for step in range(500):
        for loss in family.losses({k: n.train() for k, n in nets.items()}, batch(LCM, SPECS["points"], step, 128)):
            optimiser.zero_grad()
            loss.value.backward()
            optimiser.step()
    with torch.no_grad():
        assert away() < 0.5 * before


def test_it_works_on_the_latents_of_its_teachers_codec():
    spec = DataSpec("image", (1, 16, 16), classes=("a", "b", "c"))
    inner = msgspec.structs.replace(spec, shape=(4, 8, 8))
    parts = taught(inner)
    parts["teacher"].parts["codec"] = halving(spec)
    parts["teacher"].spec = spec
    family = LCM(Config(), spec, parts)
    assert family.problems() == [] and family.noise_shape() == (4, 8, 8)
    assert draw(family, stirred(fresh_networks(family))).shape == (4, 1, 16, 16)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (DataSpec("points", (3,), classes=("a", "b", "c")), "items of 2, these data are 3"),
        (msgspec.structs.replace(SPECS["points"], captioned=True), "other conditions"),
    ],
)
def test_a_teacher_that_does_not_fit_is_named(spec, words):
    (problem,) = LCM(Config(), spec, taught(SPECS["points"])).problems()
    assert problem.startswith("teacher") and words in problem


def test_a_missing_teacher_is_named():
    (problem,) = LCM(Config(), SPECS["points"]).problems()
    assert problem.startswith("teacher")


class Bend(torch.nn.Module):
    """A network of no use that says something of every x, time left aside."""

    def forward(self, x, told, given):
        return torch.sin(3 * x) + 0.3 * x.roll(1, -1)


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_jumps_are_the_published_schedulers_step_by_step(steps):
    from diffusers import LCMScheduler

    from models_backend.objectives import schedules

    family, told = built(LCM, SPECS["points"]), []
    x = torch.randn(5, 2, generator=seeded())
    items = family.sample({"student": Bend()}, x, {}, Sampling(steps=steps), told.append, seeded(9))
    betas = schedules.betas(family.teacher.family.config.schedule).float().tolist()
    scheduler = LCMScheduler(
        trained_betas=betas, prediction_type="v_prediction", clip_sample=False, original_inference_steps=50
    )
    scheduler.set_timesteps(steps)
    generator = seeded(9)
    for step, time in zip(told, scheduler.timesteps, strict=False):
        assert torch.allclose(step.channels["x"], x, atol=1e-4)
        x = scheduler.step(Bend()(x, None, None), time, x, generator=generator).prev_sample
    assert len(told) == steps + 1 and torch.allclose(items, x, atol=1e-4)
