"""The conditional VAE: conformance, its priors, and what it learns of data whose classes and styles are known."""

from __future__ import annotations

import pytest
import torch
from conformance import Conformance, data, draw, fresh_networks, seeded

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import build
from models_backend.families.cvae import CVAE, Config

SPEC = DataSpec("points", (2,), classes=("left", "right"))
SMALL = {"type": "mlp", "width": 32, "depth": 1}


def make(spec: DataSpec = SPEC, **config) -> CVAE:
    return CVAE(build(Config, config), spec)


class TestCVAE(Conformance):
    key, family = "cvae", CVAE


class TestCVAEWithItsOwnPriors(Conformance):
    key = "cvae"

    class family(CVAE):
        Config = Config
        presets = tuple(
            type(p)(p.name, p.title, {**p.config, "prior": {"type": "of_class"}}, p.training, p.sampling, p.note)
            for p in CVAE.presets
        )


def test_data_of_one_class_are_a_problem_that_names_its_remedy():
    (problem,) = make(DataSpec("image", (1, 8, 8), classes=("all",))).problems()
    assert "folder" in problem and make().problems() == []


def test_nothing_asked_is_the_row_after_the_last_class():
    member = make()
    assert member.label(torch.zeros(3, 2), {}).tolist() == [2, 2, 2]
    nets = fresh_networks(member)
    null = draw(member, nets, conditions={"class": torch.full((4,), 2)})
    assert torch.equal(null, draw(member, nets, conditions={}))


def test_a_prior_of_its_own_moves_what_a_latent_means():
    """A class whose prior is N(3, e^2): its white latent e decodes as 3 + e^1 e does under N(0, I)."""
    own, plain = make(prior={"type": "of_class"}, latent=2), make(latent=2)
    nets, plain_nets = fresh_networks(own), fresh_networks(plain)
    plain_nets["vae"].load_state_dict(nets["vae"].state_dict(), strict=False)
    with torch.no_grad():
        nets["vae"].priors.weight[1] = torch.tensor([3.0, 3.0, 2.0, 2.0])
        z, label = torch.randn(5, 2, generator=seeded()), {"class": torch.ones(5, dtype=torch.long)}
        moved = own.decoded(nets["vae"], z, label)
        assert torch.allclose(moved, plain.decoded(plain_nets["vae"], 3 + torch.e * z, label), atol=1e-5)


def test_the_bound_is_that_of_the_class_asked_for():
    member = make(annealing={"type": "full"})
    nets, x = fresh_networks(member), data(SPEC)
    values = []
    for label in (0, 1):
        (loss,) = member.losses(nets, Batch(x, torch.arange(8), seeded(), 1, 1.0, {"class": torch.full((8,), label)}))
        values.append(loss.value.item())
    assert values[0] != values[1]


def two_bars(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points (side, height): the class says the side, -1 or 1; a height in N(0, 1) is the style, the same for both."""
    generator = seeded(seed)
    label = torch.randint(2, (count,), generator=generator)
    noise = 0.05 * torch.randn(count, 2, generator=generator)
    return torch.stack([2.0 * label - 1, torch.randn(count, generator=generator)], 1) + noise, label


@pytest.mark.parametrize("prior", ["standard", "of_class"])
def test_the_class_decides_the_side_and_the_latent_the_height(prior):
    member = make(latent=2, encoder=SMALL, decoder=SMALL, annealing={"type": "full"}, prior={"type": prior})
    (x, label), nets, generator = two_bars(4000, 1), fresh_networks(member), seeded(2)
    optimiser = torch.optim.Adam(nets["vae"].parameters(), lr=5e-3)
    for step in range(500):
        index = torch.randint(len(x), (128,), generator=generator)
        batch = Batch(x[index], index, generator, step, step / 500, {"class": label[index]})
        (loss,) = member.losses(nets, batch)
        optimiser.zero_grad()
        loss.value.backward()
        optimiser.step()
    noise = torch.randn(500, 2, generator=seeded(3))
    left, right = (draw(member, nets, noise=noise, conditions={"class": torch.full((500,), k)}) for k in (0, 1))
    assert left[:, 0].mean() == pytest.approx(-1, abs=0.1) and right[:, 0].mean() == pytest.approx(1, abs=0.1)
    assert left[:, 1].std() == pytest.approx(1, abs=0.2)
    assert torch.corrcoef(torch.stack([left[:, 1], right[:, 1]]))[0, 1].abs() > 0.9
