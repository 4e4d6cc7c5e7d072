"""The GAN: conformance, the order of its two losses, its penalty, and its two time scales."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
import small_families
import torch
from conformance import Conformance, batch, built, data, draw, fresh_networks, seeded

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import build
from models_backend.contract.messages import TroubleError
from models_backend.families.gan import GAN, Config
from models_backend.networks import growing, weights
from models_backend.networks.critic import Likeness
from models_backend.networks.self_attention import SelfAttention

POINTS = DataSpec("points", (2,))
PICTURES = DataSpec("image", (1, 8, 8))


def make(spec: DataSpec, **config) -> GAN:
    small = {"type": "auto", "width": 8, "depth": 0}
    return GAN(build(Config, {"latent": 4, "generator": small, "discriminator": small, **config}), spec)


class TestGAN(Conformance):
    key, family = "gan", GAN


class Grown(GAN):
    """A GAN that grows."""

    modalities = ("image",)
    presets = tuple(msgspec.structs.replace(p, config=p.config | {"growing": {"type": "growing"}}) for p in GAN.presets)


class TestGrowing(Conformance):
    key, family = "gan", Grown
    gradient_steps = 10  # to nine tenths of the run: every level is reached

    @pytest.mark.parametrize("odd", [DataSpec("image", (3, 12, 20)), DataSpec("image", (2, 14, 14))], ids=str)
    def test_batch_of_one_and_odd_sizes(self, odd):
        super().test_batch_of_one_and_odd_sizes(odd)


def test_discriminator_comes_first_and_its_loss_leaves_the_generator_alone():
    member = make(POINTS)
    nets = fresh_networks(member)
    losses = member.losses(nets, batch(GAN, POINTS))
    first = next(losses)
    first.value.backward()
    assert first.network == "discriminator"
    assert all(p.grad is None for p in nets["generator"].parameters())
    assert next(losses).network == "generator"
    assert next(losses, None) is None


def test_generator_is_judged_by_the_discriminator_as_it_was_just_stepped():
    member = make(POINTS)
    nets = fresh_networks(member)
    losses = member.losses(nets, batch(GAN, POINTS))
    next(losses)
    with torch.no_grad():
        for parameter in nets["discriminator"].parameters():
            parameter.zero_()
    assert next(losses).value.item() == pytest.approx(0.6931472, abs=1e-6)


def test_penalty_comes_every_so_many_steps_and_weighs_that_much_more():
    member, plain = make(POINTS, penalty={"type": "r1", "gamma": 2.0, "every": 4}), make(POINTS, penalty={"type": "none"})
    nets = fresh_networks(member)

    def loss_at(family, step):
        x = data(POINTS)
        return next(family.losses(nets, Batch(x, torch.arange(8), seeded(), step, 0.0)))

    on, off = loss_at(member, 4), loss_at(member, 5)
    assert "r1" in on.figures and "r1" not in off.figures
    assert off.value.item() == pytest.approx(loss_at(plain, 5).value.item())
    extra = on.value.item() - loss_at(plain, 4).value.item()
    assert extra == pytest.approx(0.5 * 2.0 * 4 * on.figures["r1"].item(), rel=1e-4)


def test_discriminator_learns_at_its_own_rate():
    member = make(POINTS, discriminator_rate=4.0, beta1=0.5, beta2=0.9)
    assert (member.sharing("discriminator").rate, member.sharing("generator").rate) == (4.0, 1.0)
    assert member.sharing("generator").betas == member.sharing("discriminator").betas == (0.5, 0.9)


@pytest.mark.parametrize("spec", [POINTS, PICTURES], ids=["points", "image"])
def test_spectral_norm_bounds_every_layer_by_one(spec):
    member = make(spec, spectral_norm=True, discriminator={"type": "mlp", "width": 16, "depth": 2})
    judge = member.networks()["discriminator"].train()
    for _ in range(30):
        judge(data(spec))
    judge.eval()
    largest = [
        torch.linalg.matrix_norm(m.weight.flatten(1), 2).item() for m in judge.modules() if isinstance(m, torch.nn.Linear)
    ]
    assert largest and all(v == pytest.approx(1.0, abs=0.02) for v in largest)


UNROLLED = {"type": "unrolled", "steps": 2, "rate": 0.1}
OPTIONS = (
    {"spectral_norm": True}, {"batch_spread": True}, {"shifts": True},
    {"shifts": True, "shifted_share": 0.3}, {"generator_norm": "batch"}, {"label_flips": 0.2},
    {"game": {"type": "minimax"}}, {"game": {"type": "hinge"}}, {"game": {"type": "least_squares"}},
    {"batch_likeness": 4}, {"goal": {"type": "feature_matching"}}, {"goal": {"type": "feature_matching", "fooling": 0.5}},
    {"opponent": UNROLLED}, {"opponent": UNROLLED, "spectral_norm": True, "shifts": True}, {"attention": 4}, {"attention": 8},
)  # fmt: skip
GROWING = {"growing": {"type": "growing"}}


@pytest.mark.parametrize("grows", [{}, GROWING], ids=["whole", "growing"])
@pytest.mark.parametrize("extra", OPTIONS, ids=lambda extra: "-".join(extra))
def test_every_option_trains(extra, grows):
    member = make(PICTURES, **extra, **grows)
    nets = fresh_networks(member)
    for progress in (0.1, 0.6, 0.9) if grows else (0.1,):
        for loss in member.losses(nets, replace(batch(GAN, PICTURES), progress=progress)):
            loss.value.backward()
            assert torch.isfinite(loss.value)
    assert draw(member, nets).shape == (4, 1, 8, 8)


@pytest.mark.parametrize("levels", [(0, 64, 128, 191, 255), ()], ids=["few", "many"])
@pytest.mark.parametrize("on", [True, False])
def test_the_judge_sees_made_pictures_at_the_levels_of_the_data_and_teaches_through_them(on, levels):
    member = make(msgspec.structs.replace(PICTURES, levels=levels), at_levels=on)
    nets, seen = fresh_networks(member), []
    nets["discriminator"].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    *_, (_, made) = [(loss.value.backward(), seen[-1]) for loss in member.losses(nets, batch(GAN, PICTURES))]
    held, known = 127.5 * (made[..., None] + 1), torch.tensor(levels or (0,), dtype=torch.float32)
    assert bool(torch.isclose(held, known, atol=1e-3).any(-1).all()) == (on and bool(levels))
    assert all(p.grad.abs().sum() > 0 for p in nets["generator"].parameters())


def test_shifts_on_points_are_a_problem():
    (problem,) = make(POINTS, shifts=True).problems()
    assert "shifts" in problem and "points" in problem


def test_truncation_zero_gives_one_item_and_its_path_stands_still():
    member = built(GAN, POINTS)
    nets = fresh_networks(member)
    noise, told = torch.randn(3, 4, generator=seeded()), []
    items = member.sample(nets, noise, {}, member.Sampling(truncation=0.0), told.append, seeded())
    assert torch.allclose(items, items[:1].expand_as(items), atol=1e-6)
    assert torch.allclose(told[0].channels["x"], items, atol=1e-6)


def test_a_branch_from_an_item_is_refused_in_plain_words():
    member = built(GAN, POINTS)
    with pytest.raises(TroubleError, match="no way back"):
        draw(member, fresh_networks(member), noise=data(POINTS), start=0.5)


def test_diagnostics_tell_a_collapsed_generator_from_a_perfect_one():
    member = built(GAN, POINTS)
    nets = fresh_networks(member)
    x = data(POINTS, 200)
    with torch.no_grad():
        for parameter in nets["generator"].parameters():
            parameter.zero_()
        told = member.diagnostics(nets, x, seeded())
    assert told["recall"] < 0.02 and told["spread"] < 1e-6 and 0 < told["d_held_out"] < 1


# ------------------------------------------------------------------------------------------------ what may be added


def test_flipped_labels_are_those_of_so_many_items_and_an_even_game_at_a_half():
    member = make(POINTS, label_flips=0.25)
    real, fake = member._flips(Batch(torch.zeros(4000, 2), None, seeded(), 0, 0.0))
    assert real.float().mean().item() == pytest.approx(0.25, abs=0.03) and not torch.equal(real, fake)
    assert make(POINTS)._flips(batch(GAN, POINTS)) is None


def judged_batch() -> Batch:
    return Batch(data(POINTS, 16), torch.arange(16), seeded(3), 1, 0.0)


def test_an_unrolled_opponent_is_the_discriminator_after_those_steps():
    """Its score is that of a copy that was really moved by plain gradient descent on its own loss."""
    member = make(POINTS, penalty={"type": "none"}, opponent={"type": "unrolled", "steps": 3, "rate": 0.5})
    nets = fresh_networks(member)
    before = {k: v.clone() for k, v in nets["discriminator"].state_dict().items()}
    ahead = member.generator_loss(nets, judged_batch()).value.item()
    assert all(torch.equal(v, before[k]) for k, v in nets["discriminator"].state_dict().items())

    plain = make(POINTS, penalty={"type": "none"})
    moved = fresh_networks(plain)
    optimiser = torch.optim.SGD(moved["discriminator"].parameters(), lr=0.5)
    for _ in range(3):
        loss = plain.discriminator_loss(moved, judged_batch())  # the same generator of noise: the same latents
        optimiser.zero_grad()
        loss.value.backward()
        optimiser.step()
    assert ahead == pytest.approx(plain.generator_loss(moved, judged_batch()).value.item(), abs=1e-5)
    assert ahead != pytest.approx(plain.generator_loss(fresh_networks(plain), judged_batch()).value.item(), abs=1e-3)


def test_the_slope_through_the_unrolled_steps_is_exact():
    """Against finite differences, so small that no rectifier changes its side: the generator knows how its items change
    the discriminator."""
    member = make(POINTS, penalty={"type": "none"}, opponent={"type": "unrolled", "steps": 2, "rate": 1.0})
    nets = {name: net.double() for name, net in fresh_networks(member).items()}
    x = data(POINTS, 6).double()
    z = torch.randn(6, 4, generator=seeded(), dtype=torch.float64)
    given = Batch(x, torch.arange(6), seeded(), 1, 0.0)
    weight = nets["generator"].body.layers[-1].bias

    def cost() -> torch.Tensor:
        return member.fooling(nets, nets["generator"](z), given).double()

    (slope,) = torch.autograd.grad(cost(), weight)
    plain = torch.autograd.grad(make(POINTS).fooling(nets, nets["generator"](z), given), weight)[0]
    for i in range(2):
        values = []
        for step in (2e-5, -2e-5):
            with torch.no_grad():
                weight[i] += step
            values.append(cost().item())
            with torch.no_grad():
                weight[i] -= step
        assert slope[i].item() == pytest.approx((values[0] - values[1]) / 4e-5, rel=2e-2, abs=2e-3)
    assert not torch.allclose(slope, plain, rtol=0.05)


def test_feature_matching_is_content_once_the_mean_features_agree():
    member = make(POINTS, goal={"type": "feature_matching"})
    nets, given = fresh_networks(member), judged_batch()
    assert member.fooling(nets, given.x.flip(0), given).item() == pytest.approx(0.0, abs=1e-9)
    assert member.fooling(nets, given.x + 1.0, given).item() > 1e-3


def test_a_batch_that_is_all_alike_is_seen():
    likeness = Likeness(6, 3)
    apart = likeness(50 * torch.randn(8, 6, generator=seeded()))
    same = likeness(torch.randn(1, 6, generator=seeded()).expand(8, 6))
    assert apart.shape == (8, 3) and torch.allclose(same, torch.ones(8, 3)) and apart.mean() < 0.05
    assert torch.equal(likeness(torch.randn(1, 6)), torch.zeros(1, 3))


def test_attention_needs_maps_of_that_side():
    assert make(PICTURES, attention=4).problems() == []
    problems = make(PICTURES, attention=5).problems()
    assert len(problems) == 2 and "8, 4" in problems[0]
    assert any("no maps" in problem for problem in make(POINTS, attention=4).problems())


def test_attention_begins_as_the_identity_and_then_hears_the_whole_picture():
    layer = SelfAttention(8)
    h = torch.randn(2, 8, 4, 4, generator=seeded(), requires_grad=True)
    assert torch.equal(layer(h), h)
    with torch.no_grad():
        layer.share.fill_(1.0)
    (slope,) = torch.autograd.grad(layer(h)[0, :, 0, 0].sum(), h)
    assert (slope[0].abs().sum(0) > 0).all() and slope[1].abs().sum() == 0


# ------------------------------------------------------------------------------------------------ growing


def side_of(pictures: torch.Tensor) -> int:
    """The smallest side that the pictures (B, C, H, W) can be shrunk to without loss."""

    def lost(level: int) -> float:
        return (growing.enlarged(growing.reduced(pictures, level), level) - pictures).abs().max().item()

    return pictures.shape[-1] >> max(level for level in range(4) if lost(level) < 1e-6)


def test_the_stage_follows_progress_alone_and_is_told_to_the_curve_and_to_samples():
    member = make(DataSpec("image", (1, 16, 16)), **GROWING)
    nets = fresh_networks(member)
    for progress, side in ((0.99, 16), (0.0, 4), (0.4, 8), (0.6, 8), (0.8, 16)):
        told = list(member.losses(nets, replace(batch(GAN, member.spec), progress=progress)))
        assert all(loss.figures["side"] == side for loss in told)
        assert side_of(draw(member, nets)) == side
    with torch.no_grad():
        list(member.losses(nets, replace(batch(GAN, member.spec), progress=0.0)))
    assert side_of(draw(member, nets)) == 16


def test_real_pictures_are_judged_as_the_stage_shows_them():
    """The discriminator's loss on pictures is that on their coarse versions, until the networks have grown beyond them."""
    member = make(PICTURES, penalty={"type": "none"}, **GROWING)
    nets = fresh_networks(member)

    def loss(progress: float, coarse: bool) -> float:
        given = replace(batch(GAN, PICTURES), progress=progress)
        x = growing.enlarged(growing.reduced(given.x, 1), 1) if coarse else given.x
        return next(member.losses(nets, replace(given, x=x))).value.item()

    assert loss(0.2, True) == pytest.approx(loss(0.2, False), abs=1e-6)
    assert loss(0.9, True) != pytest.approx(loss(0.9, False), abs=1e-4)


@pytest.mark.parametrize(
    "spec, config, words",
    [(POINTS, {}, "turn it off for points"), (DataSpec("image", (1, 9, 9)), {}, "9 x 9 px"),
     (DataSpec("image", (1, 28, 28)), {"first": 4}, "begin with one of 7, 14, or with 0"),
     (PICTURES, {"generator": {"type": "mlp"}}, "the generator has no maps")],
    ids=["points", "odd", "first", "mlp"],
)  # fmt: skip
def test_what_cannot_grow_is_one_problem_that_says_what_would(spec, config, words):
    chosen = {"type": "growing", **({"first": config.pop("first")} if "first" in config else {})}
    (problem,) = make(spec, growing=chosen, **config).problems()
    assert problem.startswith("growing: ") and words in problem
    assert make(DataSpec("image", (1, 28, 28)), growing={"type": "growing", "first": 7}).problems() == []


def test_a_growing_run_killed_while_a_level_fades_in_resumes_to_the_same_bits(library_root, monkeypatch):
    monkeypatch.setitem(small_families.FAMILIES, "gan", GAN)
    library, dataset = small_families.opened(library_root, "shapes:size=16,count=40")
    small = {"type": "conv", "width": 8, "depth": 0}
    config = {"latent": 4, "generator": small, "discriminator": small, **GROWING}

    def run():
        return small_families.make_run(library, dataset, "gan", config, {"resolution": 16}, batch_size=4)

    straight = small_families.trainer_of(library, run())
    straight.run()
    stopped = run()
    first = small_families.trainer_of(library, stopped)
    first.run(lambda trainer: trainer.request_stop() if trainer.step == 6 else None)
    generator = first.averages["ema"].nets["generator"].body.stage
    assert generator.levels() == [2, 1] and torch.equal(generator.grown, first.nets["generator"].body.stage.grown)
    again = small_families.trainer_of(library, stopped)
    assert again.averages["ema"].nets["generator"].body.stage.levels() == [2, 1]
    again.run()
    assert weights.digest(again.nets) == weights.digest(straight.nets)
    assert weights.digest(again.averages["ema"].nets) == weights.digest(straight.averages["ema"].nets)
    assert again.nets["generator"].body.stage.levels() == [0]
    library.close()
