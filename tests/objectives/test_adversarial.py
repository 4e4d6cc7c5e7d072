"""Adversarial losses, the R1 penalty and the coverage figures against known answers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from models_backend.objectives import adversarial
from models_backend.objectives.coverage import coverage, recall, spread


def test_losses_are_binary_cross_entropy_on_logits():
    real, fake = torch.randn(16), torch.randn(16)
    ones, zeros = torch.ones(16), torch.zeros(16)
    expected = F.binary_cross_entropy_with_logits(real, ones) + F.binary_cross_entropy_with_logits(fake, zeros)
    assert torch.allclose(adversarial.discriminator_loss(real, fake), expected)
    assert torch.allclose(adversarial.generator_loss(fake), F.binary_cross_entropy_with_logits(fake, ones))


def test_smoothing_moves_only_the_real_labels():
    real, fake = torch.randn(16), torch.randn(16)
    soft = F.binary_cross_entropy_with_logits(real, torch.full((16,), 0.9)) + F.softplus(fake).mean()
    assert torch.allclose(adversarial.discriminator_loss(real, fake, 0.1), soft)


def test_losses_neither_saturate_nor_overflow():
    far = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = adversarial.generator_loss(far)
    (slope,) = torch.autograd.grad(loss, far)
    assert loss.item() == pytest.approx(5e3) and slope[0].item() == pytest.approx(-0.5)
    assert torch.isfinite(adversarial.discriminator_loss(far, far))


GAMES = (adversarial.NonSaturating(), adversarial.Minimax(), adversarial.Hinge(), adversarial.LeastSquares())


@pytest.mark.parametrize("game", GAMES, ids=lambda game: type(game).__name__)
def test_every_game_pulls_the_two_apart_and_the_generator_up(game):
    real, fake = torch.zeros(8, requires_grad=True), torch.full((8,), 0.3, requires_grad=True)
    real_slope, fake_slope = torch.autograd.grad(adversarial.discriminator_loss(real, fake, game=game), (real, fake))
    assert (real_slope < 0).all() and (fake_slope > 0).all()
    (up,) = torch.autograd.grad(adversarial.generator_loss(fake, game), fake)
    assert (up < 0).all()


def test_games_at_known_scores():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
    assert adversarial.discriminator_loss(real, fake, game=adversarial.Hinge()).item() == pytest.approx(0.25 + 0.5)
    assert adversarial.generator_loss(fake, adversarial.Hinge()).item() == pytest.approx(1.5)
    squares = adversarial.LeastSquares()
    assert adversarial.discriminator_loss(real, fake, game=squares).item() == pytest.approx(0.5 * (0.625 + 4.5))
    assert adversarial.generator_loss(fake, squares).item() == pytest.approx(0.5 * 8.5)
    minimax = adversarial.generator_loss(fake, adversarial.Minimax())
    assert minimax.item() == pytest.approx((1 - fake.sigmoid()).log().mean().item(), rel=1e-6)


def test_the_slope_of_minimax_dies_where_made_items_are_seen_through_and_that_of_the_other_does_not():
    fake = torch.full((1,), -10.0, requires_grad=True)
    slopes = [torch.autograd.grad(adversarial.generator_loss(fake, game), fake)[0].item() for game in GAMES[:2]]
    assert slopes[0] == pytest.approx(-1.0, abs=1e-3) and abs(slopes[1]) < 1e-3


@pytest.mark.parametrize("game", GAMES, ids=lambda game: type(game).__name__)
def test_labels_that_are_all_swapped_swap_the_two(game):
    real, fake, every = torch.randn(9), torch.randn(9), torch.ones(9, dtype=torch.bool)
    swapped = adversarial.discriminator_loss(real, fake, game=game, swapped=(every, every))
    assert swapped.item() == pytest.approx(adversarial.discriminator_loss(fake, real, game=game).item(), rel=1e-5)


def test_slope_penalty_of_a_linear_judge_and_its_one_side():
    steep, flat = (adversarial.slopes(lambda x, w=w: x @ torch.tensor(w), torch.randn(9, 2)) for w in ([3.0, 4.0], [0.3, 0.4]))
    assert steep.tolist() == pytest.approx([5.0] * 9) and flat.tolist() == pytest.approx([0.5] * 9)
    assert adversarial.slope_penalty(steep).item() == pytest.approx(16.0)
    assert adversarial.slope_penalty(flat).item() == pytest.approx(0.25)
    assert adversarial.slope_penalty(flat, one_sided=True).item() == 0.0


def test_interpolates_lie_on_the_lines_between_pairs():
    real, fake = torch.zeros(500, 1, 2, 2), torch.ones(500, 1, 2, 2)
    between = adversarial.interpolates(real, fake, torch.Generator().manual_seed(0))
    assert (between == between[:, :, :1, :1]).all() and between.min() >= 0 and between.max() <= 1
    assert between.mean().item() == pytest.approx(0.5, abs=0.05)


def test_r1_of_a_linear_discriminator_is_its_squared_weight():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    penalty = adversarial.r1_penalty(lambda x: x @ weight, torch.randn(9, 2))
    assert penalty.item() == pytest.approx(25.0)
    penalty.backward()
    assert torch.allclose(weight.grad, 2 * weight.detach())


def test_accuracy_is_half_where_nothing_can_be_told():
    assert adversarial.accuracy(torch.ones(4), torch.ones(4)).item() == 0.5
    assert adversarial.accuracy(torch.ones(4), -torch.ones(4)).item() == 1.0


def test_shifts_move_pictures_and_let_gradients_through():
    x = torch.arange(64.0).reshape(1, 1, 8, 8).repeat(32, 1, 1, 1).requires_grad_()
    moved = adversarial.shifted(x, torch.Generator().manual_seed(0))
    assert moved.shape == x.shape and not torch.equal(moved[0], moved[1])
    inner = moved[:, 0, 1:-1, 1:-1]
    assert torch.allclose((inner[:, :, 1:] - inner[:, :, :-1]).max(), torch.tensor(1.0))
    moved.sum().backward()
    assert x.grad.sum().item() == x.numel()


def test_a_share_of_the_pictures_is_shifted_and_the_others_stay():
    x = torch.rand(2000, 1, 8, 8, generator=torch.Generator().manual_seed(1))

    def stay(often: float) -> float:
        moved = adversarial.shifted(x, torch.Generator().manual_seed(0), often=often)
        return (moved == x).flatten(1).all(1).float().mean().item()

    assert stay(0.0) == 1.0
    assert stay(0.3) == pytest.approx(0.7 + 0.3 / 9, abs=0.03)  # one of nine moves is none
    assert stay(1.0) == pytest.approx(1 / 9, abs=0.03)


def test_values_go_to_the_nearest_level_and_gradients_straight_through():
    x = torch.tensor([[-1.3, -0.6, -0.4, 0.2, 0.9]], requires_grad=True)
    found = adversarial.at_levels(x, torch.tensor([-1.0, 0.0, 1.0]))
    assert torch.allclose(found, torch.tensor([[-1.0, -1.0, 0.0, 0.0, 1.0]]))
    (found * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])).sum().backward()
    assert x.grad.tolist() == [[1.0, 2.0, 3.0, 4.0, 5.0]]


def test_coverage_and_recall_tell_a_collapse():
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[math.cos(a), math.sin(a)] for a in torch.arange(8) * math.pi / 4]) * 5
    real = centres.repeat(32, 1) + 0.1 * torch.randn(256, 2, generator=generator)
    same = centres.repeat(32, 1) + 0.1 * torch.randn(256, 2, generator=generator)
    one_mode = centres[:1].repeat(256, 1) + 0.1 * torch.randn(256, 2, generator=generator)
    assert coverage(real, same) > 0.9 and recall(real, same) > 0.9
    assert coverage(real, one_mode) < 0.15 and recall(real, one_mode) < 0.15
    average = torch.zeros(256, 2) + 1e-4 * torch.randn(256, 2, generator=generator)
    assert recall(real, average) == 0.0
    assert spread(one_mode) < 0.1 * spread(real)
