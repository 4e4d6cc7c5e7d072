"""Optimal couplings of batches."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from models_backend.objectives import coupling


def batches(count: int, shape: tuple[int, ...] = (2,), seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *shape, generator=generator), 2 * torch.randn(count, *shape, generator=generator) + 1


def cost(z: torch.Tensor, x1: torch.Tensor) -> float:
    return float((z - x1).square().sum())


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)])
def test_it_is_a_permutation_no_dearer_than_none(shape):
    z, x1 = batches(64, shape)
    found = coupling.optimal(z, x1)
    assert torch.equal(found.sort().values, torch.arange(64))
    assert cost(z[found], x1) < cost(z, x1)


@pytest.mark.parametrize("seed", range(5))
def test_no_permutation_is_cheaper(seed):
    z, x1 = batches(5, seed=seed)
    least = min(cost(z[list(p)], x1) for p in permutations(range(5)))
    assert cost(z[coupling.optimal(z, x1)], x1) == pytest.approx(least, rel=1e-5)


def test_on_a_line_it_is_the_order():
    z, x1 = batches(100, (1,))
    found = coupling.optimal(z, x1)
    assert torch.equal(z[found].flatten().argsort(), x1.flatten().argsort())


def test_one_item_stays():
    assert coupling.optimal(*batches(1)).tolist() == [0]


def test_large_batches_are_planned_in_parts():
    z, x1 = batches(300)
    found = coupling.coupled(coupling.Optimal(128), z, x1)
    assert torch.equal(found.sort(0).values, z.sort(0).values)
    assert torch.equal(found[:128], z[coupling.optimal(z[:128], x1[:128])])
    assert torch.equal(found[256:], z[256:][coupling.optimal(z[256:], x1[256:])])
    assert torch.equal(coupling.coupled(coupling.Independent(), z, x1), z)
