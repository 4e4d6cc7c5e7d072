"""The codebook against what it must converge to, and its figures against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from models_backend.codecs import usage
from models_backend.codecs.codebook import Codebook, straight_through


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CENTRES = torch.tensor([[4.0, 0.0], [-4.0, 0.0], [0.0, 4.0], [0.0, -4.0]])


def blobs(count: int, seed: int) -> torch.Tensor:
    generator = seeded(seed)
    return CENTRES[torch.randint(4, (count,), generator=generator)] + 0.1 * torch.randn(count, 2, generator=generator)


def test_codes_go_to_the_means_of_what_chooses_them():
    book = Codebook(4, 2, decay=0.9)
    for step in range(100):
        book.learn(blobs(256, step), seeded(1000 + step))
    index = book.nearest(CENTRES)
    assert sorted(index.tolist()) == [0, 1, 2, 3]
    assert torch.allclose(book(index), CENTRES, atol=0.03)


def test_codes_are_the_likelier_the_nearer_in_units_of_the_mean_distance_to_the_nearest():
    book = Codebook(4, 2)
    book.vectors.copy_(CENTRES)
    z = torch.tensor([[3.0, 0.0], [0.0, 1.0]])  # squared distances to the nearest: 1 and 9, 5 on average
    found = book.likely(z, 2.0)
    wanted = torch.tensor([[1.0, 49.0, 25.0, 25.0], [17.0, 17.0, 9.0, 25.0]]).div(-10.0).softmax(1)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert torch.equal(book.likely(z, 1e-4).argmax(1), book.nearest(z)) and book.likely(z, 1e-4).max(1).values.min() > 0.999


def test_a_running_mean_is_the_closed_form():
    """One code, no revival: counts n and sums follow N <- g N + (1 - g) n exactly."""
    book = Codebook(1, 1, decay=0.5, revive=0.0)
    book.started.fill_(True)
    book.counts.fill_(2.0)
    book.sums.fill_(6.0)
    book.learn(torch.tensor([[1.0], [1.0], [1.0], [1.0]]))
    assert book.counts.item() == pytest.approx(3.0) and book.sums.item() == pytest.approx(5.0)
    assert book.vectors.item() == pytest.approx(5.0 / 3.0)


def test_idle_codes_come_back_to_where_vectors_are():
    book = Codebook(8, 2, decay=0.9, revive=0.1)
    book.started.fill_(True)
    book.vectors.copy_(torch.full((8, 2), 1e3) + torch.arange(8.0)[:, None])
    book.vectors[0] = 0.0
    for step in range(60):
        book.learn(blobs(256, step), seeded(step))
    assert usage.figures(book.nearest(blobs(2000, 99)), 8)["dead_codes"] == 0


def test_without_revival_idle_codes_stay_idle():
    book = Codebook(8, 2, decay=0.9, revive=0.0)
    book.started.fill_(True)
    vectors = torch.full((8, 2), 1e3)
    vectors[0] = 0.0
    book.vectors.copy_(vectors)
    book.sums.copy_(vectors)
    for step in range(60):
        book.learn(blobs(256, step), seeded(step))
    assert usage.figures(book.nearest(blobs(2000, 99)), 8)["dead_codes"] == 7


def test_first_batch_places_the_codes_by_k_means():
    book = Codebook(4, 2)
    book.begin(blobs(64, 3), seeded(1))
    assert bool(book.started)
    error = (blobs(64, 3) - book(book.nearest(blobs(64, 3)))).square().sum(1).mean()
    assert error < 9.0  # four centres found by chance alone leave two of four blobs without one


def test_fewer_vectors_than_codes_are_no_trouble():
    book = Codebook(32, 3)
    book.learn(torch.randn(5, 3, generator=seeded()), seeded())
    assert torch.isfinite(book.vectors).all()


def test_nearest_is_nearest():
    book = Codebook(50, 7)
    z = torch.randn(200, 7, generator=seeded())
    assert torch.equal(book.nearest(z), torch.cdist(z, book.vectors).argmin(1))


def test_straight_through_gives_codes_and_the_gradient_of_what_was_coded():
    z, codes = torch.randn(3, 2, requires_grad=True), torch.randn(3, 2)
    out = straight_through(z, codes)
    (slope,) = torch.autograd.grad((out * torch.tensor([2.0, -1.0])).sum(), z)
    assert torch.allclose(out, codes, atol=1e-6) and torch.equal(slope, torch.tensor([[2.0, -1.0]] * 3))


def test_perplexity_of_even_and_of_one_sided_use():
    assert usage.perplexity(torch.full((16,), 1 / 16)) == pytest.approx(16.0)
    assert usage.perplexity(torch.tensor([1.0, 0.0, 0.0])) == pytest.approx(1.0)
    told = usage.figures(torch.tensor([[0, 0], [1, 1]]), 4)
    assert told == {"perplexity": pytest.approx(2.0), "codes_used": 0.5, "dead_codes": 2.0, "codes": 4.0}
    biased = torch.tensor([0.5, 0.25, 0.25])
    assert usage.perplexity(biased) == pytest.approx(math.exp(1.5 * math.log(2)))
