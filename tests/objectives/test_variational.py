"""The parts of the variational bound against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Laplace, Normal, kl_divergence

from models_backend.objectives import variational as elbo


def test_kl_of_gaussians_is_the_closed_form():
    mean, logvar = torch.randn(5, 3), torch.randn(5, 3)
    exact = kl_divergence(Normal(mean, (0.5 * logvar).exp()), Normal(0.0, 1.0))
    assert torch.allclose(elbo.gaussian_kl(mean, logvar), exact, atol=1e-6)
    assert elbo.gaussian_kl(torch.zeros(1, 2), torch.zeros(1, 2)).abs().max() == 0


@pytest.mark.parametrize(("mine", "theirs"), [(elbo.gaussian_log_likelihood, Normal), (elbo.laplace_log_likelihood, Laplace)])
def test_likelihoods_sum_over_every_dimension(mine, theirs):
    x, mean, width = torch.randn(4, 3, 5, 5), torch.randn(4, 3, 5, 5), torch.tensor(0.7)
    exact = theirs(mean, width).log_prob(x).sum((1, 2, 3))
    assert torch.allclose(mine(x, mean, width.log()), exact, rtol=1e-5)


def test_reparameterised_draws_have_the_posterior_moments_and_its_gradients():
    mean, logvar = torch.full((20_000, 1), 2.0, requires_grad=True), torch.full((20_000, 1), math.log(0.25))
    z = elbo.reparameterised(mean, logvar, torch.Generator().manual_seed(0))
    assert z.mean().item() == pytest.approx(2.0, abs=0.02) and z.std().item() == pytest.approx(0.5, abs=0.02)
    z.sum().backward()
    assert torch.all(mean.grad == 1)


def test_free_bits_charge_at_least_that_much_a_dimension():
    kl = torch.tensor([[0.0, 2.0], [0.2, 4.0]])
    assert elbo.with_free_bits(kl, 0.5).item() == pytest.approx(0.5 + 3.0)
    assert elbo.with_free_bits(kl, 0.0).item() == pytest.approx(kl.sum(1).mean().item())


def test_importance_bound_is_exact_for_equal_weights_and_above_their_mean():
    assert torch.allclose(elbo.importance_bound(torch.full((7, 3), -2.5)), torch.full((3,), -2.5))
    weights = torch.randn(50, 3)
    assert (elbo.importance_bound(weights) > weights.mean(0)).all()


def test_prior_density_and_active_units():
    z = torch.randn(6, 4)
    assert torch.allclose(elbo.standard_normal_log_density(z), Normal(0.0, 1.0).log_prob(z).sum(1), atol=1e-5)
    means = torch.stack([torch.randn(100), torch.full((100,), 3.0), 0.05 * torch.randn(100)], 1)
    assert elbo.active_units(means) == 1


def test_cycles_begin_at_zero_and_the_run_ends_at_one():
    assert elbo.cyclical(0.0, 4, 0.5) == 0.0 and elbo.cyclical(0.25, 4, 0.5) == 0.0
    assert elbo.cyclical(0.0625, 4, 0.5) == pytest.approx(0.5)
    assert elbo.cyclical(1.0, 4, 0.5) == 1.0
