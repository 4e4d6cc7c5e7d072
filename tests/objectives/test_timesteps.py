"""Which noise levels training sees: densities, weights, and the memory of losses."""

from __future__ import annotations

import pytest
import torch

from models_backend.objectives import timesteps
from models_backend.objectives.timesteps import Importance, LogitNormal, LossAware, LossHistory, Uniform


def quantiles(count: int = 100_000, even: bool = True) -> torch.Tensor:
    return timesteps.quantiles(count, even, torch.Generator().manual_seed(0), torch.device("cpu"))


def histogram(time: torch.Tensor, bins: int = 20) -> torch.Tensor:
    return torch.histc(time.double(), bins, 0, 1) * bins / len(time)


def test_even_quantiles_have_one_in_each_part():
    u = quantiles(64)
    assert torch.equal((u * 64).floor().long(), torch.arange(64)) and u.min() > 0 and u.max() < 1


def test_uniform_is_uniform_with_and_without_even_spreading():
    for even in (True, False):
        time, weight = timesteps.draw(Uniform(even), quantiles(even=even), lambda: None)
        assert torch.allclose(histogram(time), torch.ones(20, dtype=torch.float64), atol=0.05)
        assert torch.equal(weight, torch.ones_like(weight))


@pytest.mark.parametrize("chosen", [LogitNormal(), LogitNormal(mean=1.0, std=0.5), LogitNormal(mean=-1.2, std=1.2)], ids=str)
def test_logit_normal_has_its_published_density(chosen):
    time, weight = timesteps.draw(chosen, quantiles(), lambda: None)
    middles = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    wanted = timesteps.logit_normal_density(chosen, middles).view(20, 100).mean(1)
    assert torch.allclose(histogram(time), wanted, atol=0.03)
    assert torch.equal(weight, torch.ones_like(weight))
    assert float(timesteps.logit_normal_density(chosen, middles).mean()) == pytest.approx(1, abs=1e-3)


def test_binned_draws_follow_the_shares_and_weigh_back():
    share = torch.tensor([0.1, 0.6, 0.3])
    time, weight = timesteps.draw_binned(share, quantiles())
    assert torch.allclose(histogram(time, 3), 3 * share.double(), atol=0.01)
    # importance sampling is unbiased: E_q[w f] = E_uniform[f]
    assert float((weight * time**2).mean()) == pytest.approx(1 / 3, abs=2e-3)
    assert float(weight.mean()) == pytest.approx(1.0, abs=2e-3)


def test_floor_keeps_every_range_in_sight():
    share = timesteps.mixed(torch.tensor([0.0, 0.0, 1.0, 0.0]), floor=0.2)
    assert share.tolist() == pytest.approx([0.05, 0.05, 0.85, 0.05])


def test_expected_error_is_that_of_the_best_denoiser_of_a_gaussian():
    generator = torch.Generator().manual_seed(1)
    x0, eps = 0.5 * torch.randn(200_000, generator=generator), torch.randn(200_000, generator=generator)
    for log_snr in (-3.0, 0.0, 3.0):
        alpha_bar = torch.sigmoid(torch.tensor(log_snr))
        alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        x = alpha * x0 + sigma * eps
        best = sigma / (alpha**2 * 0.25 + sigma**2) * x
        wanted = float((eps - best).square().mean())
        assert float(timesteps.expected_noise_error(0.5, torch.tensor(log_snr))) == pytest.approx(wanted, rel=0.02)


def test_history_is_uniform_until_it_is_full():
    memory = LossHistory(LossAware(bins=4, history=3))
    for _ in range(2):
        memory.note(torch.tensor([0.1, 0.3, 0.6, 0.9]), torch.tensor([1.0, 1.0, 1.0, 100.0]))
    assert memory.shares().tolist() == [0.25] * 4


def test_history_leads_to_where_losses_are_large():
    memory = LossHistory(LossAware(bins=4, history=3, floor=0.1))
    for _ in range(3):
        memory.note(torch.tensor([0.1, 0.3, 0.6, 0.9]), torch.tensor([1.0, 1.0, 2.0, 4.0]))
    wanted = 0.9 * torch.tensor([1.0, 1.0, 2.0, 4.0]) / 8 + 0.025
    assert torch.allclose(memory.shares().float(), wanted)


def test_history_forgets_the_oldest():
    memory = LossHistory(LossAware(bins=2, history=2, floor=0.001))
    for loss in (9.0, 9.0, 1.0, 1.0):
        memory.note(torch.tensor([0.2, 0.7]), torch.tensor([loss, 1.0]))
    assert memory.shares().tolist() == pytest.approx([0.5, 0.5], abs=1e-3)


def test_history_takes_the_mean_square_of_a_batch_and_leaves_other_ranges_alone():
    memory = LossHistory(LossAware(bins=2, history=1))
    memory.note(torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 2.0, 3.0]))
    assert memory.squares[0, 0] == pytest.approx(14 / 3) and memory.seen.tolist() == [1, 0] and memory.squares[1, 0] == 0


def test_history_has_no_parameters_and_is_saved():
    memory = LossHistory(LossAware())
    assert list(memory.parameters()) == [] and set(memory.state_dict()) == {"squares", "seen"}


def test_importance_asks_for_shares_and_uniform_does_not():
    asked = []
    shares = lambda: asked.append(1) or torch.tensor([0.5, 0.5])  # noqa: E731
    timesteps.draw(Uniform(), quantiles(8), shares)
    timesteps.draw(LogitNormal(), quantiles(8), shares)
    assert asked == []
    timesteps.draw(Importance(), quantiles(8), shares)
    assert asked == [1]
