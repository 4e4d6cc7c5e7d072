"""Drawing tokens: the shares are the probabilities, and an item's noise alone decides."""

from __future__ import annotations

import pytest
import torch

from models_backend.samplers import tokens


def test_shares_of_what_is_picked_are_the_probabilities():
    logits = torch.tensor([2.0, 0.0, 1.0, -30.0])
    u = tokens.uniform(torch.randn(40_000, generator=torch.Generator().manual_seed(0)))
    for temperature in (1.0, 0.5):
        picked = tokens.pick(logits.expand(len(u), -1), u, temperature)
        shares = torch.bincount(picked, minlength=4) / len(u)
        assert torch.allclose(shares, (logits / temperature).softmax(0), atol=0.01)


def test_temperature_zero_takes_the_likeliest():
    assert tokens.pick(torch.tensor([[0.1, 0.3, 0.2]] * 2), torch.tensor([0.01, 0.99]), 0.0).tolist() == [1, 1]


def test_nucleus_keeps_what_is_needed_and_always_the_likeliest():
    p = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.05, 0.9, 0.03, 0.02]])
    assert (tokens.nucleus(p, 0.7) > 0).tolist() == [[True, True, False, False], [False, True, False, False]]
    assert (tokens.nucleus(p, 0.01) > 0).sum(1).tolist() == [1, 1]


def test_the_ends_of_the_noise_pick_a_token_that_exists():
    u = tokens.uniform(torch.tensor([-40.0, 40.0]))
    assert tokens.pick(torch.zeros(2, 5), u).tolist() == [0, 4]
    assert u[0].item() == pytest.approx(0.0, abs=1e-9)
