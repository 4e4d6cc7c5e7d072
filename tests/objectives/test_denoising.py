"""The denoising objective: moments of noising, conversions, weights."""

from __future__ import annotations

import math

import pytest
import torch

from models_backend.objectives import denoising
from models_backend.objectives.denoising import MinSNR, Unweighted

KINDS = ("eps", "v", "x0")


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("log_snr", [-6.0, -1.0, 0.0, 2.0, 8.0])
def test_moments_of_q_sample(log_snr):
    x0 = torch.full((200_000, 1), 0.8, dtype=torch.float64)
    alpha, sigma = denoising.alpha_sigma(torch.full((200_000,), log_snr), x0)
    x = denoising.q_sample(x0, drawn(0, 200_000, 1), alpha, sigma)
    alpha_bar = 1 / (1 + math.exp(-log_snr))
    assert float(x.mean()) == pytest.approx(math.sqrt(alpha_bar) * 0.8, abs=0.01)
    assert float(x.var()) == pytest.approx(1 - alpha_bar, rel=0.02)


def test_alpha_and_sigma_keep_the_variance_and_fit_the_items():
    alpha, sigma = denoising.alpha_sigma(torch.linspace(-20, 20, 7), torch.zeros(7, 3, 4, 4))
    assert alpha.shape == sigma.shape == (7, 1, 1, 1) and alpha.dtype == torch.float32
    assert torch.allclose(alpha**2 + sigma**2, torch.ones_like(alpha))


@pytest.mark.parametrize("kind", KINDS)
def test_targets_are_read_back_as_clean_and_noise(kind):
    x0, eps = drawn(1, 5, 3), drawn(2, 5, 3)
    alpha, sigma = denoising.alpha_sigma(torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0]), x0)
    x = denoising.q_sample(x0, eps, alpha, sigma)
    said = denoising.target(kind, x0, eps, alpha, sigma)
    clean, noise = denoising.clean_and_noise(kind, said, x, alpha, sigma)
    assert torch.allclose(clean, x0) and torch.allclose(noise, eps)
    assert torch.allclose(denoising.noise_of(clean, x, alpha, sigma), eps)


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_said_stands_with_its_noise(kind):
    """x = alpha x0 + sigma eps holds for any output, also a wrong one."""
    x, said, alpha, sigma = drawn(3, 4, 2), drawn(4, 4, 2), 0.6, 0.8
    clean, noise = denoising.clean_and_noise(kind, said, x, alpha, sigma)
    assert torch.allclose(alpha * clean + sigma * noise, x)


@pytest.mark.parametrize("kind", KINDS)
def test_errors_in_noise_are_errors_in_what_is_said(kind):
    x0, eps, wrong = drawn(5, 6, 4), drawn(6, 6, 4), 0.1 * drawn(7, 6, 4)
    log_snr = torch.linspace(-4, 4, 6, dtype=torch.float64)
    alpha, sigma = denoising.alpha_sigma(log_snr, x0)
    x = denoising.q_sample(x0, eps, alpha, sigma)
    wanted = denoising.target(kind, x0, eps, alpha, sigma)
    _, noise = denoising.clean_and_noise(kind, wanted + wrong, x, alpha, sigma)
    in_noise = (noise - eps).square().mean(1)
    assert torch.allclose(in_noise, denoising.noise_error_per(kind, log_snr) * wrong.square().mean(1))


def test_min_snr_weights():
    """Hang 2023: min(SNR, 5) on x0, over SNR for noise, over SNR + 1 for v."""
    log_snr = torch.tensor([math.log(0.5), math.log(5.0), math.log(40.0)])
    weight = lambda kind: denoising.weight(MinSNR(), kind, log_snr).tolist()  # noqa: E731
    assert weight("x0") == pytest.approx([0.5, 5.0, 5.0])
    assert weight("eps") == pytest.approx([1.0, 1.0, 0.125])
    assert weight("v") == pytest.approx([0.5 / 1.5, 5 / 6, 5 / 41])


def test_min_snr_weighs_all_predictions_alike():
    """The same weight on the error of x0, whatever is predicted: |x0 - x0_hat|^2 = |eps - eps_hat|^2 / SNR."""
    log_snr = torch.linspace(-6, 6, 13)
    on_x0 = [
        denoising.weight(MinSNR(), kind, log_snr) / denoising.noise_error_per(kind, log_snr) * log_snr.exp() for kind in KINDS
    ]
    assert torch.allclose(on_x0[0], on_x0[2], rtol=1e-4) and torch.allclose(on_x0[1], on_x0[2], rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_unweighted_is_one(kind):
    assert torch.equal(denoising.weight(Unweighted(), kind, torch.randn(9)), torch.ones(9))


def test_squared_error_is_a_mean_of_each_item_in_full_precision():
    said, wanted = torch.zeros(2, 3, 4, 4, dtype=torch.bfloat16), torch.zeros(2, 3, 4, 4)
    wanted[1] = 2.0
    error = denoising.squared_error(said, wanted)
    assert error.tolist() == [0.0, 4.0] and error.dtype == torch.float32


def test_noise_is_a_function_of_the_generator():
    x = torch.zeros(4, 2)
    one, other = (denoising.normal_like(x, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one, other) and one.dtype == x.dtype and one.std() > 0
