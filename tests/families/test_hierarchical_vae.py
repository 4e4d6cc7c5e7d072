"""The hierarchical VAE: conformance, its levels, and that what the white latents say of it is what the levels' own say."""

from __future__ import annotations

import pytest
import torch
from conformance import Conformance, data, fresh_networks, seeded, stirred
from sklearn.decomposition import PCA
from torch.distributions import Independent, Normal, kl_divergence

from models_backend.contract.family import Batch, DataSpec
from models_backend.contract.fields import build
from models_backend.families.hierarchical_vae import Config, HierarchicalVAE
from models_backend.kinds.variational import at_mean
from models_backend.networks.autoencoder import mean_and_logvar
from models_backend.objectives import variational as elbo

SPEC = DataSpec("points", (3,))


def make(spec: DataSpec = SPEC, **config) -> HierarchicalVAE:
    return HierarchicalVAE(build(Config, config), spec)


class TestHierarchicalVAE(Conformance):
    key, family = "hierarchical_vae", HierarchicalVAE


def walk(net, x, generator):
    """The ladder in its own latents: (prior, posterior, z) of each level, and the state at the end."""
    state, found = torch.zeros(len(x), net.width), []
    for level, features in zip(net.ladder, net.features(x), strict=True):
        p_mean, p_logvar = (
            (torch.zeros(len(x), net.latent),) * 2 if level.prior is None else mean_and_logvar(level.prior(state))
        )
        delta, ratio = level.infer(features, state)
        p_std = (0.5 * p_logvar).exp()
        prior = Independent(Normal(p_mean, p_std), 1)
        posterior = Independent(Normal(p_mean + p_std * delta, p_std * (0.5 * ratio).exp()), 1)
        eps = torch.randn(delta.shape, generator=generator)
        z = posterior.mean + posterior.stddev * eps
        found.append((prior, posterior, z))
        state = level(state, (z - p_mean) / p_std)
    return found, state


def test_the_kl_of_white_latents_is_that_of_the_levels_own():
    member = make(levels=3, latent=2, width=16)
    nets, x = stirred(fresh_networks(member)), data(SPEC, 6)
    with torch.no_grad():
        _, kl = member.terms(nets["vae"], x, {}, seeded(5))
        levels, _ = walk(nets["vae"], x, seeded(5))
    expected = torch.stack([kl_divergence(posterior, prior) for prior, posterior, _ in levels], 1)
    assert torch.allclose(member.by_level(kl), expected, atol=1e-4) and expected.min() > 1e-3


def test_importance_weights_are_those_of_the_levels_own():
    member = make(levels=3, latent=2, width=16)
    nets, x = stirred(fresh_networks(member)), data(SPEC, 6)
    with torch.no_grad():
        (found,) = member.log_weights(nets["vae"], x, 1, seeded(5))
        levels, state = walk(nets["vae"], x, seeded(5))
        log_p = elbo.gaussian_log_likelihood(x, nets["vae"].decoder(state), nets["vae"].log_scale)
        expected = log_p + sum(prior.log_prob(z) - posterior.log_prob(z) for prior, posterior, z in levels)
    assert torch.allclose(found, expected, atol=1e-4)


def test_each_level_hears_those_above_it_and_the_top_one_none():
    member = make(levels=2, latent=2, width=16)
    nets, x = stirred(fresh_networks(member)), data(SPEC, 6)
    with torch.no_grad():
        _, still, _ = nets["vae"].encode(x, at_mean)
        _, moved, _ = nets["vae"].encode(x, lambda mean, logvar: mean + 1.0)
    assert torch.equal(still[:, :2], moved[:, :2])
    assert not torch.allclose(still[:, 2:], moved[:, 2:], atol=1e-4)


def test_an_item_comes_back_from_what_encode_says():
    member = make(levels=2, latent=2, width=16)
    nets, x = stirred(fresh_networks(member)), data(SPEC, 6)
    with torch.no_grad():
        z = member.encode(nets, x)
        assert torch.allclose(member.decode(nets, z, None), nets["vae"].decode(nets["vae"].encode(x, at_mean)[0]))
    assert z.shape == (6, 4) == (6, *member.noise_shape())


def test_free_bits_are_of_a_whole_level():
    member = make(levels=2, latent=2, annealing={"type": "full"}, free_bits=3.0)
    kl = torch.tensor([[0.5, 0.5, 2.0, 4.0]]).expand(7, 4)  # levels of 1 and 6 nats: 3 and 6 are charged
    assert member.charged(kl, 1.0).item() == pytest.approx(9.0)
    assert make(levels=2, latent=2, annealing={"type": "full"}).charged(kl, 1.0).item() == pytest.approx(7.0)


def test_levels_are_told_by_name():
    member = make(levels=3, latent=2, width=16)
    nets = stirred(fresh_networks(member))
    with torch.no_grad():
        told = member.diagnostics(nets, data(SPEC, 16), seeded())
    names = [f"kl_level_{i}" for i in (1, 2, 3)]
    assert sum(told[n] for n in names) == pytest.approx(told["kl"], rel=1e-4)
    assert told["least_level_kl"] == pytest.approx(min(told[n] for n in names))


def test_a_ladder_reaches_the_exact_marginal_of_linear_gaussian_data():
    """Tipping & Bishop 1999: log p(x) is known, its posterior is Gaussian, and a ladder's can have its correlations."""
    fixed = seeded(1)
    x = torch.randn(12_000, 2, generator=fixed) @ torch.tensor([[1.0, 1.0, 0.5, 0.0], [0.0, 0.5, -1.0, 1.0]])
    x = x + 0.5 * torch.randn(12_000, 4, generator=fixed)
    train, held_out, small = x[:10_000], x[10_000:], {"type": "mlp", "width": 32, "depth": 1}
    member = make(DataSpec("points", (4,)), levels=2, latent=1, width=32, encoder=small, decoder=small)
    nets, generator, steps = fresh_networks(member), seeded(2), 1200
    optimiser = torch.optim.Adam(nets["vae"].parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        index = torch.randint(len(train), (128,), generator=generator)
        (loss,) = member.losses(nets, Batch(train[index], index, generator, step, step / steps))
        optimiser.zero_grad()
        loss.value.backward()
        optimiser.step()
        schedule.step()
    exact = PCA(2).fit(train.numpy()).score(held_out.numpy())
    with torch.no_grad():
        told = member.diagnostics(nets, held_out, seeded(3))
        marginal = member.log_likelihood(nets, held_out, seeded(4)).mean().item()
    assert marginal == pytest.approx(exact, abs=0.04)
    assert exact - 0.1 < told["elbo"] < marginal + 0.02 and told["least_level_kl"] > 0.1
