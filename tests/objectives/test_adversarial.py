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
