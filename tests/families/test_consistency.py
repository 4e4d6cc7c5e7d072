"""Consistency models: conformance, the boundary, curricula against closed forms, targets, and exact known answers."""

from __future__ import annotations

import math

import msgspec
import pytest
import safetensors.torch
import torch
from conformance import SPECS, Conformance, batch, built, draw, fresh_networks, sampling_of, seeded, stirred, train

from models_backend.contract.family import DataSpec, LoadedRun
from models_backend.contract.fields import FieldError, build, merged, plain
from models_backend.families.consistency import Config, Consistency, Sampling
from models_backend.families.ddpm import DDPM
from models_backend.families.ddpm import Config as TeacherConfig
from models_backend.objectives import consistency, denoising, schedules

STD = 0.6
WAYS = ("ict", "ct", "cd")


def taught(spec, **changes) -> dict[str, LoadedRun]:
    """A DDPM run of the tiny preset, as a teacher."""
    tiny = {"network": {"type": "auto", "size": "tiny"}}
    family = DDPM(build(TeacherConfig, merged(merged(plain(TeacherConfig()), tiny), changes)), spec)
    return {"teacher": LoadedRun(family, stirred(fresh_networks(family)), family.config, spec, torch.device("cpu"))}


def member(way: str, spec=SPECS["points"], teacher: dict | None = None, way_changes: dict | None = None, **changes):
    """The tiny preset with a way; with a teacher where the way needs one."""
    tiny = {"network": {"type": "auto", "size": "tiny"}, "way": {"type": way, **(way_changes or {})}}
    parts = (teacher or taught(spec)) if way == "cd" else {}
    return Consistency(build(Config, merged(merged(plain(Config()), tiny), changes)), spec, parts)


class TestConsistency(Conformance):
    key, family = "consistency", Consistency


# ------------------------------------------------------------------------------------------------ the function


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_item_at_the_lowest_noise_is_left_exactly_as_it_is(way, spec):
    family = member(way, spec)
    nets = stirred(fresh_networks(family))
    x = torch.randn(6, *spec.shape, generator=seeded())
    with torch.no_grad():
        assert torch.equal(family.jump(nets["consistency"], x, torch.full((6,), family.ends[0])), x)
        assert not torch.equal(family.jump(nets["consistency"], x, torch.full((6,), 1.1 * family.ends[0])), x)
        assert float(consistency.grid(10, *family.ends).float()[0]) == family.ends[0]


def test_the_boundary_is_the_published_one():
    sigma = torch.tensor([0.002, 0.5, 80.0], dtype=torch.float64)
    keep, add = consistency.boundary(sigma, 0.002, 0.5)
    assert keep.tolist() == pytest.approx([1.0, 0.25 / (0.498**2 + 0.25), 0.25 / (79.998**2 + 0.25)])
    assert add.tolist() == pytest.approx([0.0, 0.5 * 0.498 / math.sqrt(0.5), 0.5 * 79.998 / math.sqrt(6400.25)])


def test_noise_is_scaled_with_the_data():
    points, pictures = member("ict"), member("ict", SPECS["image"])
    assert pictures.ends == pytest.approx((0.002, 80.0)) and points.ends == pytest.approx((0.004, 160.0))
    assert member("ict", SPECS["image"], data_std=0.25).ends == pytest.approx((0.001, 40.0))


@pytest.mark.parametrize("prediction", ["v", "eps", "x0"])
def test_the_student_begins_as_the_teachers_clean_item(prediction):
    """c_skip and c_out of width 1 are the teacher's own, but for the shift by the lowest noise."""
    spec = SPECS["points"]
    family = member("cd", teacher=taught(spec, prediction=prediction))
    net = fresh_networks(family)["consistency"].eval()
    x, sigma = torch.randn(5, 2, generator=seeded()), torch.tensor([0.3, 1.0, 3.0, 10.0, 50.0])
    with torch.no_grad():
        clean = family._denoised(x * sigma[:, None], sigma)
        assert torch.allclose(family.jump(net, x * sigma[:, None], sigma), clean, atol=0.08, rtol=0.05)


# ------------------------------------------------------------------------------------------------ curricula


def test_levels_and_decay_of_training_are_the_closed_forms():
    """N(k) and mu(k) of Song 2023, appendix C, in integers k and K."""
    total, first, last = 1000, 2, 150
    for k in (0, 1, 10, 250, 500, 999, 1000):
        wanted = math.ceil(math.sqrt(k / total * ((last + 1) ** 2 - first**2) + first**2) - 1) + 1
        family = member("ct")
        assert len(family.levels(k / total)) == wanted
        assert family.decay(k / total) == pytest.approx(0.9 ** (first / wanted))
    assert consistency.square_root_levels(0, first, last) == 2 and consistency.square_root_levels(1, first, last) == 151


def test_levels_of_improved_training_double_at_even_times():
    """N(k) = min(s_0 2^floor(k / K'), s_1) + 1, K' = K / (log2(s_1 / s_0) + 1): 8 stages of 100 steps."""
    total, stage = 800, 100
    for k in (0, 99, 100, 199, 200, 500, 699, 700, 799, 800):
        assert consistency.doubling_levels(k / total, 10, 1280) == min(10 * 2 ** (k // stage), 1280) + 1


def test_pairs_are_drawn_as_the_cut_normal_says():
    family = member("ict", SPECS["image"], way_changes={"first": 10, "last": 10})
    sigmas, made = family.levels(0.0), batch(Consistency, SPECS["points"])
    made.x = torch.zeros(40_000, 1)
    seen = torch.bincount((10 * family._draw(sigmas, made)).long(), minlength=10) / 40_000
    normal = torch.distributions.Normal(-1.1, 2.0)
    wanted = normal.cdf(sigmas[1:].log()) - normal.cdf(sigmas[:-1].log())
    assert torch.allclose(seen.double(), wanted / wanted.sum(), atol=1e-3)


def test_the_grid_is_that_of_karras():
    sigmas = consistency.grid(18, 0.002, 80.0)
    wanted = [(0.002 ** (1 / 7) + i / 17 * (80 ** (1 / 7) - 0.002 ** (1 / 7))) ** 7 for i in range(18)]
    assert sigmas.tolist() == pytest.approx(wanted) and sigmas[0] == 0.002 and sigmas[-1] == 80.0


def test_distances_are_the_closed_forms():
    one, other = torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [0.0, 0.0]])
    c = 0.00054 * math.sqrt(2)
    assert consistency.distance("pseudo_huber", one, other).tolist() == pytest.approx([math.sqrt(25 + c * c) - c, 0.0])
    assert consistency.distance("squared", one, other).tolist() == [12.5, 0.0]
    assert consistency.distance("absolute", one, other, 2.0).tolist() == [1.75, 0.0]


# ------------------------------------------------------------------------------------------------ training


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("distance", ["pseudo_huber", "squared", "absolute"])
def test_every_way_and_distance_trains(way, distance):
    family = member(way, distance=distance)
    nets = fresh_networks(family)
    assert ("target" in nets) == (way != "ict")
    before = [p.clone() for p in nets["consistency"].parameters()]
    assert all(map(math.isfinite, train(family, nets, 3)))
    assert any(not torch.equal(a, b) for a, b in zip(before, nets["consistency"].parameters(), strict=True))


def test_the_target_follows_after_the_step_and_in_training_only():
    family = member("ct")
    nets = stirred(fresh_networks(family))
    made = batch(Consistency, SPECS["points"])
    before = [p.clone() for p in nets["target"].parameters()]
    with torch.no_grad():
        list(family.losses({k: n.train() for k, n in nets.items()}, made))
    list(family.losses({k: n.eval() for k, n in nets.items()}, made))
    assert all(torch.equal(a, b) for a, b in zip(before, nets["target"].parameters(), strict=True))
    nets["consistency"].train()
    for _ in family.losses(nets, made):
        with torch.no_grad():
            for p in nets["consistency"].parameters():
                p += 1.0
    mu = family.decay(made.progress)
    for old, slow, quick in zip(before, nets["target"].parameters(), nets["consistency"].parameters(), strict=True):
        assert torch.allclose(slow, mu * old + (1 - mu) * quick, atol=1e-6)
    assert not any(p.requires_grad for p in nets["target"].parameters())


def test_both_ends_of_a_pair_lose_the_same_activations():
    """With dropout a pair at one and the same noise would still agree: the masks are the same."""
    family = member("ict", SPECS["image"], network={"type": "unet", "width": 8, "groups": 8, "multipliers": [1], "blocks": 1,
                                                    "attention": [], "dropout": 0.5})  # fmt: skip
    nets = stirred(fresh_networks(family))
    nets["consistency"].train()
    masks = []
    for layer in nets["consistency"].modules():
        if isinstance(layer, torch.nn.Dropout) and layer.p > 0:
            layer.register_forward_hook(lambda m, given, made: masks.append((made == 0) & (given[0] != 0)))
    list(family.losses(nets, batch(Consistency, SPECS["image"])))
    half = len(masks) // 2
    assert half and all(torch.equal(a, b) and bool(a.any()) for a, b in zip(masks[:half], masks[half:], strict=True))


@pytest.mark.parametrize("way", ["ct", "cd"])
def test_a_resumed_run_is_bit_equal_target_included(way):
    """Four steps, and two steps whose networks and optimiser go through their saved state before two more."""
    family = member(way)

    def steps(nets, optimiser, which):
        for step in which:
            for loss in family.losses({k: n.train() for k, n in nets.items()}, batch(Consistency, SPECS["points"], step)):
                optimiser.zero_grad()
                loss.value.backward()
                optimiser.step()

    def fresh(seed):
        nets = fresh_networks(family, seed)
        return nets, torch.optim.Adam(nets["consistency"].parameters(), 1e-2)

    whole, first, second = fresh(0), fresh(0), fresh(99)
    steps(*whole, range(4))
    steps(*first, range(2))
    for name, net in second[0].items():
        net.load_state_dict(safetensors.torch.load(safetensors.torch.save(first[0][name].state_dict())))
    second[1].load_state_dict(first[1].state_dict())
    steps(*second, range(2, 4))
    for name in ("consistency", "target"):
        for a, b in zip(whole[0][name].parameters(), second[0][name].parameters(), strict=True):
            assert torch.equal(a, b), name
    assert any(not torch.equal(a, b) for a, b in zip(*(whole[0][n].parameters() for n in whole[0]), strict=True))


# ------------------------------------------------------------------------------------------------ known answers


class Exact(torch.nn.Module):
    """What makes f the exact consistency function of data N(0, STD^2): x scaled by the ratio of the widths."""

    def __init__(self, family: Consistency):
        super().__init__()
        self.family = family

    def forward(self, calm, told):
        family = self.family
        sigma = (told / 25.0).exp() * family.scale
        x = calm * (sigma.square() + family.data_std**2).sqrt()[:, None]
        low = family.ends[0]
        end = x * ((STD**2 + low**2) / (STD**2 + sigma.square())).sqrt()[:, None]
        keep, add = consistency.boundary(sigma, low, family.data_std)
        return (end - keep[:, None] * x) / add.clamp(min=1e-6)[:, None]


@pytest.mark.parametrize("steps", [1, 2, 5, 40])
def test_the_exact_function_gives_the_data_back_in_any_number_of_jumps(steps):
    family = member("ict")
    told = []
    noise = torch.randn(20_000, 2, generator=seeded())
    items = family.sample({"consistency": Exact(family)}, noise, {}, Sampling(steps=steps), told.append, seeded(1))
    assert float(items.std()) == pytest.approx(STD, rel=0.02) and float(items.mean()) == pytest.approx(0, abs=0.02)
    assert len(told) == steps + 1 and told[0].sigma == pytest.approx(160.0, rel=1e-3) and told[-1].sigma == 0
    assert all(0.9 < float(s.channels["x"].std()) < 1.1 for s in told[:1])


class Knows(torch.nn.Module):
    """v of the best denoiser of data N(0, STD^2), for the teacher's schedule and times."""

    def forward(self, x, told):
        schedule = schedules.tabulated(schedules.Cosine())
        log_snr = schedule.log_snr((told.double() * schedule.steps / 1000 + 1) / schedule.steps)
        alpha, sigma = denoising.alpha_sigma(log_snr, x.double())
        x0 = alpha * STD**2 / (alpha**2 * STD**2 + sigma**2) * x
        return denoising.target("v", x0, (x - alpha * x0) / sigma, alpha, sigma).to(x.dtype)


def test_the_teachers_heun_steps_follow_the_exact_path():
    """The path of N(0, STD^2) is x sqrt((STD^2 + s'^2) / (STD^2 + s^2)): a fine step keeps to it."""
    teacher = taught(SPECS["points"])
    teacher["teacher"].nets["denoiser"] = Knows()
    family = member("cd", teacher=teacher)
    sigmas = consistency.grid(60, 0.02, 20.0).float()
    place = torch.arange(59)
    below, above = sigmas[place], sigmas[place + 1]
    x = torch.randn(59, 2, generator=seeded()) * (STD**2 + above.square()).sqrt()[:, None]
    exact = x * ((STD**2 + below.square()) / (STD**2 + above.square())).sqrt()[:, None]
    assert torch.allclose(family._teachers_step(x, above, below), exact, rtol=2e-3, atol=2e-3)


def test_health_figures_of_a_perfect_student_are_near_zero():
    teacher = taught(SPECS["points"])
    family = member("cd", teacher=teacher)
    blank = fresh_networks(family)
    x = STD * torch.randn(64, 2, generator=seeded())
    with torch.no_grad():
        untaught = family.diagnostics(blank, x, seeded(1))
        assert untaught["teacher_gap"] == pytest.approx(1.0, abs=0.05), "it begins as the teacher's single step"
    trained = member("ict")
    with torch.no_grad():
        perfect = trained.diagnostics({"consistency": Exact(trained)}, x, seeded(1))
        blank = trained.diagnostics(fresh_networks(trained), x, seeded(1))
    assert set(perfect) == {"self_consistency"} and perfect["self_consistency"] > 0
    assert math.isfinite(blank["self_consistency"])


def test_training_brings_one_jump_to_the_data():
    """Data N(1, 0): every path ends at 1, and so does one jump, from a fresh network that ends near 0."""
    family = member("ict", way_changes={"first": 10, "last": 20})
    nets = fresh_networks(family)
    optimiser = torch.optim.Adam(nets["consistency"].parameters(), 3e-3)

    def away() -> float:
        with torch.no_grad():
            items = family.sample(nets, torch.randn(200, 2, generator=seeded()), {}, Sampling(steps=1), None, seeded(1))
        return float((items - 1).abs().mean())

    before = away()
    for step in range(300):
        made = batch(Consistency, SPECS["points"], step, 64)
        made.x, made.progress = torch.ones(64, 2), step / 300
        for loss in family.losses(nets, made):
            optimiser.zero_grad()
            loss.value.backward()
            optimiser.step()
    assert away() < 0.3 * before


def test_a_half_way_state_goes_on_as_the_whole_did():
    family = built(Consistency, SPECS["points"])
    nets = stirred(fresh_networks(family))
    told = []
    draw(family, nets, on_step=told.append)
    assert len(told) == sampling_of(Consistency).steps + 1
    assert [s.time for s in told] == sorted((s.time for s in told), reverse=True) and told[0].time == 1.0


# ------------------------------------------------------------------------------------------------ bad input


def test_a_teacher_that_is_missing_or_unasked_or_does_not_fit_is_named():
    spec = SPECS["points"]
    config = msgspec.structs.replace(member("cd").config)
    (missing,) = Consistency(config, spec).problems()
    (unasked,) = Consistency(Config(), spec, taught(spec)).problems()
    (other,) = Consistency(config, DataSpec("points", (3,)), taught(spec)).problems()
    assert "choose one" in missing and "only distillation" in unasked and "items of 2, these data are 3" in other


def test_a_grid_that_shrinks_and_a_network_that_does_not_fit_are_named():
    (problem,) = member("ict", network={"type": "unet"}).problems()
    assert problem.startswith("network:")
    with pytest.raises(FieldError, match=r"way.first: 100 .* at most last"):
        member("ict", way_changes={"first": 100, "last": 10})
