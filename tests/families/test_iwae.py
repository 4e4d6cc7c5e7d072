"""The IWAE: conformance, its bounds, and both gradients of them against what is known in closed form."""

from __future__ import annotations

import pytest
import torch
from conformance import Conformance, data, fresh_networks, seeded
from sklearn.decomposition import PCA

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import build
from models_backend.families.iwae import IWAE, Config

LINEAR = {"type": "mlp", "width": 8, "depth": 0}
PLAIN, DREG = {"type": "reparameterised"}, {"type": "doubly_reparameterised"}


def make(spec: DataSpec, **config) -> IWAE:
    return IWAE(build(Config, config), spec)


class TestIWAE(Conformance):
    key, family = "iwae", IWAE


def gradients(member: IWAE, nets: dict, x: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
    (loss,) = member.losses(nets, Batch(x, torch.arange(len(x)), seeded(seed), 1, 1.0))
    names = [n for n, p in nets["vae"].named_parameters() if p.requires_grad]
    return dict(zip(names, torch.autograd.grad(loss.value, [nets["vae"].get_parameter(n) for n in names]), strict=True))


def exact_posterior(gradient: dict) -> tuple[IWAE, dict, torch.Tensor]:
    """x = W z + .5 e, two numbers of one latent, and the encoder that says its exact posterior."""
    member = make(DataSpec("points", (2,)), latent=1, draws=5, encoder=LINEAR, decoder=LINEAR, gradient=gradient,
                  likelihood={"type": "gaussian", "sigma": 0.5})  # fmt: skip
    nets = fresh_networks(member)
    weight = torch.tensor([[1.0], [0.5]])
    precision = 1 + float(weight.square().sum()) / 0.25
    encoder, decoder = nets["vae"].encoder.layers[-1], nets["vae"].decoder.layers[-1]
    with torch.no_grad():
        decoder.weight.copy_(weight), decoder.bias.zero_()
        encoder.weight.copy_(torch.stack([weight[:, 0] / 0.25 / precision, torch.zeros(2)]))
        encoder.bias.copy_(torch.tensor([0.0, -torch.tensor(precision).log()]))
    return member, nets, torch.randn(64, 1, generator=seeded(1)) @ weight.T + 0.5 * torch.randn(64, 2, generator=seeded(2))


def test_every_draw_weighs_the_same_at_the_exact_posterior():
    """Then the bound of any k is log p(x) itself, which is N(0, W W^T + .25 I)."""
    member, nets, x = exact_posterior(DREG)
    weight = torch.tensor([[1.0], [0.5]])
    exact = torch.distributions.MultivariateNormal(torch.zeros(2), weight @ weight.T + 0.25 * torch.eye(2)).log_prob(x).mean()
    with torch.no_grad():
        told = member.diagnostics(nets, x, seeded(3))
    assert [told[f"bound_{k}"] for k in (1, 5, 50)] == [pytest.approx(exact.item(), abs=1e-4)] * 3


def test_the_doubly_reparameterised_gradient_has_no_noise_at_the_exact_posterior():
    """There the encoder has nothing left to learn: DReG says so at every draw, the plain gradient only on the mean."""
    member, nets, x = exact_posterior(DREG)
    double = gradients(member, nets, x, 3)
    plain = gradients(exact_posterior(PLAIN)[0], nets, x, 3)
    assert all(g.abs().max() < 1e-5 for n, g in double.items() if n.startswith("encoder"))
    assert max(g.abs().max() for n, g in plain.items() if n.startswith("encoder")) > 1e-2
    for name in (n for n in double if n.startswith("decoder")):
        assert torch.allclose(double[name], plain[name], atol=1e-5), name


def test_both_gradients_have_one_mean_and_the_double_one_less_noise():
    """Away from the exact posterior, over 3000 draws for one item."""
    found = {}
    for name, gradient in (("plain", PLAIN), ("double", DREG)):
        member, nets, x = exact_posterior(gradient)
        with torch.no_grad():
            nets["vae"].encoder.layers[-1].bias += torch.tensor([0.3, 0.4])
        many = x[:1].expand(3000, 2)
        rows = per_item(member, nets, many)
        found[name] = (rows.mean(0), rows.std(0) / 3000**0.5)
    (plain, noise), (double, less) = found["plain"], found["double"]
    assert (plain - double).abs().lt(4 * (noise**2 + less**2).sqrt()).all()
    assert (less < 0.9 * noise).all() and double.abs().max() > 10 * less.max()


def per_item(member: IWAE, nets: dict, x: torch.Tensor) -> torch.Tensor:
    """Gradients (N, 2) of each item's loss by its own posterior mean and log variance."""
    held = []

    class Watched(type(nets["vae"])):
        def encode(self, x):
            held.extend(v.detach().requires_grad_() for v in super().encode(x))
            return tuple(held)

    nets["vae"].__class__ = Watched
    (loss,) = member.losses(nets, Batch(x, torch.arange(len(x)), seeded(4), 1, 1.0))
    return torch.cat(torch.autograd.grad(len(x) * loss.value, held), 1)


def test_the_value_is_the_bound_whatever_the_gradient():
    values = []
    for gradient in (PLAIN, DREG):
        member, nets, x = exact_posterior(gradient)
        (loss,) = member.losses(nets, Batch(x, torch.arange(64), seeded(3), 1, 1.0))
        assert loss.value.item() == pytest.approx(-loss.figures["bound"].item(), rel=1e-5)
        values.append(loss.value.item())
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_one_draw_is_the_bound_of_the_vae_and_more_are_tighter():
    member = make(DataSpec("points", (3,)), latent=2)
    nets, x = fresh_networks(member), data(DataSpec("points", (3,)), 500)
    with torch.no_grad():
        told = member.diagnostics(nets, x, seeded(3))
        # the KL in closed form against the same by draws
        assert told["bound_1"] == pytest.approx(told["elbo"], abs=0.15)
    assert told["bound_1"] < told["bound_5"] < told["bound_50"]


def test_linear_networks_reach_the_exact_marginal_through_a_tighter_bound():
    """A code of two dimensions that lie askew to the data: a posterior without correlations cannot be exact, so that bounds
    differ, and that of many draws is still within .02 nats of probabilistic PCA."""
    fixed = seeded(1)
    weight, mean = torch.randn(2, 5, generator=fixed), torch.randn(5, generator=fixed)
    x = torch.randn(24_000, 2, generator=fixed) @ weight + mean + 0.5 * torch.randn(24_000, 5, generator=fixed)
    train, held_out = x[:20_000], x[20_000:]
    member = make(DataSpec("points", (5,)), latent=2, draws=5, encoder=LINEAR, decoder=LINEAR)
    nets, generator = fresh_networks(member), seeded(5)
    optimiser = torch.optim.Adam(nets["vae"].parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1200)
    for step in range(1200):
        index = torch.randint(len(train), (128,), generator=generator)
        (loss,) = member.losses(nets, Batch(train[index], index, generator, step, step / 1200))
        optimiser.zero_grad()
        loss.value.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        told = member.diagnostics(nets, held_out, seeded(3))
        marginal = member.log_likelihood(nets, held_out, seeded(4)).mean().item()
    assert marginal == pytest.approx(PCA(2).fit(train.numpy()).score(held_out.numpy()), abs=0.02)
    assert told["bound_1"] <= told["bound_5"] + 1e-3 and told["bound_5"] <= told["bound_50"] + 1e-3
