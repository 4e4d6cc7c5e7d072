"""Rectified flow: conformance, and what only flows and reflow have."""

from __future__ import annotations

import math

import pytest
import torch
from conformance import SPECS, Conformance, batch, draw, fresh_networks, seeded, stirred, train

from models_backend.contract.family import DataSpec, LoadedRun
from models_backend.contract.fields import build, merged, plain
from models_backend.families.rectified_flow import Config, RectifiedFlow
from models_backend.kinds.flow import Sampling

MEAN, STD = 0.5, 0.3


def member(spec: DataSpec = SPECS["points"], parts=None, **changes) -> RectifiedFlow:
    """The tiny preset with changes to its config."""
    tiny = next(p for p in RectifiedFlow.presets if p.name == "tiny")
    return RectifiedFlow(build(Config, merged(merged(plain(Config()), tiny.config), changes)), spec, parts)


def taught(spec: DataSpec = SPECS["points"], net=None, **changes) -> RectifiedFlow:
    """A reflow run whose teacher has ``net``, or a network of its own."""
    family = member(spec)
    nets = {"velocity": net} if net is not None else stirred(fresh_networks(family))
    return member(parts={"teacher": LoadedRun(family, nets, family.config, spec, torch.device("cpu"))}, **changes)


class Perfect(torch.nn.Module):
    """E[x1 - z | x_t] for data N(MEAN, STD^2), in closed form."""

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        t = (told / 1000).view(-1, 1).to(x)
        var = t**2 * STD**2 + (1 - t) ** 2
        return MEAN + (t * STD**2 - (1 - t)) / var * (x - t * MEAN)


class TestRectifiedFlow(Conformance):
    key, family = "rectified_flow", RectifiedFlow


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun", "rk4"])
def test_a_perfect_network_gives_the_data_back(solver):
    settings = build(Sampling, {"solver": solver, "steps": 200 if solver == "euler" else 50})
    items = member().sample({"velocity": Perfect()}, torch.randn(20_000, 2, generator=seeded()), {}, settings, None, None)
    assert float(items.mean()) == pytest.approx(MEAN, rel=0.02) and float(items.std()) == pytest.approx(STD, rel=0.02)


def test_loss_of_a_perfect_network_is_the_known_one():
    """Var[x1 - z | x_t] averaged over t, with x1 and z independent: s^2 / (t^2 s^2 + (1 - t)^2)."""
    t = (torch.arange(10_000) + 0.5) / 10_000
    wanted = float((STD**2 / (t**2 * STD**2 + (1 - t) ** 2)).mean())
    made = batch(RectifiedFlow, SPECS["points"])
    made.x = MEAN + STD * torch.randn(40_000, 2, generator=seeded(5))
    (loss,) = member().losses({"velocity": Perfect()}, made)
    assert float(loss.value) == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("time", [{"type": "uniform"}, {"type": "logit_normal", "mean": 0.5}])
def test_every_way_of_drawing_times_trains(time):
    family = member(time=time)
    assert all(math.isfinite(v) for v in train(family, fresh_networks(family), 3))


def test_levels_are_told_as_noise():
    """Level 1 is pure noise, as for diffusion, though the flow's own time runs the other way."""
    family = member(time={"type": "logit_normal", "mean": 5.0, "std": 0.1})
    (loss,) = family.losses(fresh_networks(family), batch(RectifiedFlow, SPECS["points"]))
    assert float(loss.levels[0].max()) < 0.05


def test_encoded_items_come_back():
    x = MEAN + STD * torch.randn(500, 2, generator=seeded(3))
    z = member().encode({"velocity": Perfect()}, x)
    assert float(z.std()) == pytest.approx(1, abs=0.1)
    assert torch.allclose(member().decode({"velocity": Perfect()}, z, Sampling(steps=50)), x, atol=0.05)


def test_the_field_is_the_velocity():
    x = torch.randn(9, 2, generator=seeded())
    field = member().vector_field({"velocity": Perfect()}, x, 0.3, Sampling())
    assert torch.allclose(field, Perfect()(x, torch.full((9,), 300.0)))


# ------------------------------------------------------------------------------------------------ reflow


def test_pairs_are_the_teachers_own():
    family = taught(net=Perfect(), pairs=3)
    made = family.derive({}, torch.zeros(50, 2), seeded())
    assert made["x"].shape == made["z"].shape == (150, 2)
    again = member().sample({"velocity": Perfect()}, made["z"], {}, Sampling(steps=25), None, None)
    assert torch.allclose(again, made["x"])
    assert float(made["z"].std()) == pytest.approx(1, abs=0.15)


def test_without_a_teacher_nothing_is_derived():
    assert member().derive({}, torch.zeros(5, 2), seeded()) is None


def test_training_takes_the_pairs():
    """With pairs the noise is given: nothing but the time is drawn."""
    family, made = taught(net=Perfect()), batch(RectifiedFlow, SPECS["points"])
    made.extra = {"z": torch.randn(8, 2, generator=seeded(2))}
    z, x1 = family.pairs(made)
    assert torch.equal(z, made.extra["z"]) and torch.equal(x1, made.x)


def test_validation_makes_pairs_that_were_never_trained_on():
    family, made = taught(net=Perfect()), batch(RectifiedFlow, SPECS["points"])
    with torch.no_grad():
        z, x1 = family.pairs(made)
    assert torch.allclose(x1, family._taught(z)) and not torch.equal(x1, made.x)


def test_weights_are_inherited_where_they_fit():
    family = taught()
    teacher = family.teacher.nets["velocity"].state_dict()
    own = fresh_networks(family)["velocity"].state_dict()
    assert all(torch.equal(own[k], teacher[k]) for k in teacher)
    other = taught(inherit=False)
    assert not torch.equal(fresh_networks(other)["velocity"].leave.weight, other.teacher.nets["velocity"].leave.weight)
    assert "leave.weight" in fresh_networks(taught(network={"type": "mlp", "width": 16}))["velocity"].state_dict()


def test_a_teacher_of_other_items_is_named():
    (problem,) = taught(DataSpec("points", (3,))).problems()
    assert problem.startswith("teacher") and "3" in problem and "2" in problem


def test_reflow_straightens():
    """From a curved teacher in few steps: the student's paths are at least three times as straight."""
    family = taught(net=Curved(), network={"type": "mlp", "width": 32, "depth": 1})
    teacher = family.diagnostics({"velocity": Curved()}, torch.zeros(1, 2), seeded())["straightness"]
    pairs = family.derive({}, torch.zeros(512, 2), seeded())
    nets = fresh_networks(family)
    optimiser = torch.optim.Adam(nets["velocity"].parameters(), lr=1e-2)
    for step in range(150):
        made = batch(RectifiedFlow, SPECS["points"], step)
        index = torch.randint(0, len(pairs["x"]), (128,), generator=seeded(step))
        made.x, made.extra = pairs["x"][index], {"z": pairs["z"][index]}
        (loss,) = family.losses(nets, made)
        optimiser.zero_grad()
        loss.value.backward()
        optimiser.step()
    student = family.diagnostics({k: n.eval() for k, n in nets.items()}, torch.zeros(1, 2), seeded())["straightness"]
    assert teacher > 0.3 and student < teacher / 3


class Curved(torch.nn.Module):
    """Carries noise around a bend: one way at first, then another."""

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        angle = (told / 1000 * math.pi).view(-1, 1)
        return torch.cat([2 * angle.cos(), 2 * angle.sin()], 1).to(x).expand_as(x)


def test_one_step_of_euler_is_a_sample():
    family = member()
    nets = stirred(fresh_networks(family))
    told: list = []
    with torch.no_grad():
        family.sample(nets, torch.randn(4, 2), {}, Sampling("euler", 1), told.append, None)
    assert len(told) == 2 and draw(family, nets).shape == (4, 2)


# ---------------------------------------------------------------------------------------------- distillation


class Jump(torch.nn.Module):
    """Right at time 0 only: from z to MEAN + STD z, where the flow of N(MEAN, STD^2) ends."""

    def forward(self, x: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        return torch.where((told == 0).view(-1, 1), MEAN + (STD - 1) * x, torch.full_like(x, math.nan))


def test_distillation_learns_time_zero_alone():
    """A network that knows the teacher's jump at time 0, and nothing else, has no loss."""
    family, made = taught(net=Perfect(), learn="distil"), batch(RectifiedFlow, SPECS["points"])
    z = torch.randn(8, 2, generator=seeded(2))
    made.x, made.extra = MEAN + STD * z, {"z": z}
    (loss,) = family.losses({"velocity": Jump()}, made)
    assert float(loss.value) == pytest.approx(0, abs=1e-10) and bool((loss.levels[0] == 1).all())


@pytest.mark.parametrize("solver", ["rk4", "dopri5"])
def test_a_distilled_run_jumps_whatever_is_asked(solver):
    family, noise = taught(net=Perfect(), learn="distil"), torch.randn(50, 2, generator=seeded())
    told: list = []
    items = family.sample({"velocity": Jump()}, noise, {}, Sampling(solver, 20), told.append, None)
    assert torch.allclose(items, MEAN + STD * noise, atol=1e-6) and len(told) == 2
    back = family.encode({"velocity": Jump()}, items)
    assert torch.allclose(back, noise, atol=0.2), "the teacher's noise of the item"
    assert family.vector_field({"velocity": Jump()}, noise, 0.5, Sampling()).isfinite().all()
    assert family.diagnostics({"velocity": Jump()}, noise, seeded()) == {}


def test_distillation_needs_a_teacher():
    (problem,) = member(learn="distil").problems()
    assert problem.startswith("learn") and "teacher" in problem
    assert taught(learn="distil").problems() == []


def test_a_distilled_run_is_no_teacher():
    distilled = taught(learn="distil")
    loaded = LoadedRun(distilled, fresh_networks(distilled), distilled.config, distilled.spec, torch.device("cpu"))
    (problem,) = member(parts={"teacher": loaded}).problems()
    assert problem.startswith("teacher") and "distilled from" in problem
