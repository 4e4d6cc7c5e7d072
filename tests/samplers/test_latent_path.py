"""The path between two latents: its ends, its shape, and that nobody pays for places that nobody looks at."""

from __future__ import annotations

import math

import pytest
import torch

from models_backend.samplers.latent_path import Shown, latent_path, origin, slerp


def test_slerp_ends_where_it_should_and_keeps_to_the_sphere():
    a, b = torch.randn(6, 8), 3 * torch.randn(6, 8)
    assert torch.allclose(slerp(a, b, 0.0), a, atol=1e-5) and torch.allclose(slerp(a, b, 1.0), b, atol=1e-5)
    unit_a, unit_b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    assert torch.allclose(slerp(unit_a, unit_b, 0.3).norm(dim=1), torch.ones(6), atol=1e-5)
    assert torch.allclose(slerp(a, b, 0.25).norm(dim=1), 0.75 * a.norm(dim=1) + 0.25 * b.norm(dim=1), rtol=1e-4)


def test_slerp_turns_evenly():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    third = slerp(a, b, 1 / 3)[0]
    assert math.degrees(math.atan2(third[1], third[0])) == pytest.approx(30.0, abs=1e-3)


@pytest.mark.parametrize("b", [torch.tensor([[2.0, 0.0]]), torch.tensor([[-1.0, 0.0]]), torch.tensor([[0.0, 0.0]])])
def test_slerp_is_finite_where_directions_agree_oppose_or_are_missing(b):
    for share in (0.0, 0.5, 1.0):
        assert torch.isfinite(slerp(torch.tensor([[1.0, 0.0]]), b, share)).all()


def test_origin_depends_on_its_seed_alone():
    assert torch.equal(origin(3, torch.zeros(5, 4)), origin(3, torch.zeros(1, 4)))
    assert not torch.equal(origin(3, torch.zeros(5, 4)), origin(4, torch.zeros(5, 4)))


def test_places_are_decoded_only_when_looked_at():
    decoded, told = [], []

    def decode(z):
        decoded.append(len(z))
        return z * 2

    last = torch.randn(3, 4)
    items = latent_path(decode, origin(0, last).expand_as(last), last, 9, told.append)
    assert decoded == [3] and torch.equal(items, 2 * last)
    assert [s.time for s in told] == pytest.approx([i / 8 for i in range(9)])
    middle = told[4].channels["x"]
    assert torch.equal(middle, told[4].channels["x"]) and decoded == [3, 3]
    assert torch.allclose(middle, 2 * slerp(origin(0, last).expand_as(last), last, 0.5))


def test_shown_is_a_mapping():
    shown = Shown(x=lambda: 1, y=lambda: 2)
    assert dict(shown) == {"x": 1, "y": 2} and len(shown) == 2 and "z" not in shown and shown.get("z") is None
