"""The conditional GAN: conformance, what both networks are told, and the two ways of minding a class."""

from __future__ import annotations

import math

import pytest
import torch
from conformance import Conformance, batch, data, draw, fresh_networks, seeded

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import build
from models_backend.families.conditional_gan import ConditionalGAN, Config
from models_backend.networks.told import any_class

POINTS = DataSpec("points", (2,), classes=("a", "b", "c"))
PICTURES = DataSpec("image", (1, 8, 8), classes=("a", "b", "c"))
WAYS = ({"type": "projection"}, {"type": "auxiliary_class", "weight": 2.0})


def make(spec: DataSpec = POINTS, **config) -> ConditionalGAN:
    small = {"type": "auto", "width": 8, "depth": 0}
    settings = {"latent": 4, "embedding": 4, "generator": small, "discriminator": small, **config}
    return ConditionalGAN(build(Config, settings), spec)


def labelled(label: torch.Tensor, step: int = 1) -> Batch:
    return Batch(data(POINTS, len(label), step), torch.arange(len(label)), seeded(step), step, 0.0, {"class": label})


class TestConditionalGAN(Conformance):
    key, family = "conditional_gan", ConditionalGAN


class TestAuxiliary(Conformance):
    """The same contract where the discriminator names the class."""

    class _Auxiliary(ConditionalGAN):
        presets = tuple(
            type(p)(p.name, p.title, p.config | {"judging": {"type": "auxiliary_class"}}, p.training, p.sampling, p.note)
            for p in ConditionalGAN.presets
        )

    key, family = "conditional_gan", _Auxiliary


def test_each_class_is_a_generator_of_its_own_on_the_same_latent():
    member = make()
    nets = fresh_networks(member)
    noise = torch.randn(1, 4, generator=seeded()).expand(3, 4)
    items = draw(member, nets, noise=noise, conditions={"class": torch.tensor([0, 1, 2])})
    assert len({tuple(row.tolist()) for row in items}) == 3


def test_a_class_left_open_is_read_off_the_latent_and_all_are_as_likely():
    z = torch.randn(30_000, 4, generator=seeded())
    shares = torch.bincount(any_class(z, 3), minlength=3) / len(z)
    assert shares.tolist() == pytest.approx([1 / 3] * 3, abs=0.01)
    member = make()
    wanted = member.wanted(z[:4], {"class": torch.tensor([1, 3, 0, 3])})
    assert wanted.tolist() == [1, any_class(z[:4], 3)[1].item(), 0, any_class(z[:4], 3)[3].item()]
    assert torch.equal(member.wanted(z, {}), any_class(z, 3))


def test_projection_is_the_score_and_the_inner_product_with_the_classs_row():
    judge = fresh_networks(make())["discriminator"].eval()
    x, label = data(POINTS, 5), torch.tensor([0, 1, 2, 3, 0])
    h = judge.describe(x)
    inner = torch.einsum("bf,bf->b", judge.table.weight[label], torch.nn.functional.leaky_relu(h, 0.2))
    assert torch.allclose(judge(x, label), judge.score(h) + inner, atol=1e-6)
    assert not torch.allclose(judge(x, label), judge(x, (label + 1) % 3))


def test_both_networks_pay_for_a_class_that_is_not_named_rightly():
    """A discriminator that says nothing of the class costs log 3 on real and log 3 on made items, weighed."""
    with_it, without = (make(judging={"type": "auxiliary_class", "weight": w}, penalty={"type": "none"}) for w in (2.0, 0.0))
    nets = fresh_networks(with_it)
    with torch.no_grad():
        for parameter in nets["discriminator"].naming.parameters():
            parameter.zero_()
    paid, free = (list(m.losses(nets, labelled(torch.tensor([0, 1, 2, 1])))) for m in (with_it, without))
    differences = [(p.value - f.value).item() for p, f in zip(paid, free, strict=True)]
    assert differences == pytest.approx([2 * 2.0 * math.log(3), 2.0 * math.log(3)], rel=1e-5)


def test_items_of_unknown_class_cost_nothing_for_their_name():
    member = make(judging={"type": "auxiliary_class", "weight": 1.0})
    nets = fresh_networks(member)
    unknown = member.weighed(nets["discriminator"], data(POINTS, 4), labelled(torch.full((4,), 3)))[1]
    assert unknown.item() == 0.0


@pytest.mark.parametrize("judging", WAYS, ids=["projection", "auxiliary"])
@pytest.mark.parametrize("extra", [{"spectral_norm": True}, {"shifts": True}, {"game": {"type": "least_squares"}}])
def test_every_option_trains(judging, extra):
    member = make(PICTURES, judging=judging, **extra)
    nets = fresh_networks(member)
    for loss in member.losses(nets, batch(ConditionalGAN, PICTURES)):
        loss.value.backward()
        assert torch.isfinite(loss.value)
    assert draw(member, nets).shape == (4, 1, 8, 8)


@pytest.mark.parametrize("judging", WAYS, ids=["projection", "auxiliary"])
def test_classes_are_learned(judging):
    """Three classes at three places: what is made of each lies nearest to its own."""
    member = make(judging=judging, penalty={"type": "r1", "gamma": 0.05}, generator={"type": "mlp", "width": 32, "depth": 2},
                  discriminator={"type": "mlp", "width": 32, "depth": 2})  # fmt: skip
    centres = torch.tensor([[1.5, 0.0], [-1.0, 1.0], [0.0, -1.5]])
    nets = fresh_networks(member)
    optimisers = {name: torch.optim.Adam(net.parameters(), lr=3e-3, betas=(0.0, 0.99)) for name, net in nets.items()}
    for step in range(250):
        label = torch.randint(3, (64,), generator=seeded(step))
        x = centres[label] + 0.1 * torch.randn(64, 2, generator=seeded(5000 + step))
        for loss in member.losses(nets, Batch(x, label, seeded(9000 + step), step, 0.0, {"class": label})):
            optimisers[loss.network].zero_grad()
            loss.value.backward()
            optimisers[loss.network].step()
    asked = torch.arange(3).repeat(40)
    items = draw(member, nets, noise=torch.randn(120, 4, generator=seeded()), conditions={"class": asked})
    assert (torch.cdist(items, centres).argmin(1) == asked).float().mean() > 0.9


def test_data_without_classes_are_a_problem():
    member = make(DataSpec("points", (2,)))
    assert any("classes" in problem for problem in member.problems())
