"""Kernel distance, Inception-style score and structural similarity against what is known of them."""

import numpy as np
import pytest

from models_backend.evaluation import likeness

RNG = np.random.default_rng(0)


def test_the_kernel_distance_of_one_distribution_is_zero_and_grows_with_a_shift():
    a, b = RNG.normal(size=(2, 1500, 16))
    same, near, far = (likeness.kernel_distance(a, b + shift) for shift in (0.0, 0.5, 1.0))
    assert abs(same) < 0.05 < near < far


def test_the_kernel_distance_is_its_closed_form():
    """k(x, y) = (x y / d + 1)^3 in one dimension: E k(a, a') - 2 E k(a, b) + E k(b, b') from the moments."""
    a, b = RNG.normal(0, 1, (4000, 1)), RNG.normal(0, 2, (4000, 1))
    moments = lambda s: (0.0, s**2, 0.0)  # noqa: E731  first three of N(0, s^2)
    expected = lambda s, t: 1 + 3 * moments(s)[0] * moments(t)[0] + 3 * moments(s)[1] * moments(t)[1]  # noqa: E731
    wanted = expected(1, 1) - 2 * expected(1, 2) + expected(2, 2)
    assert likeness.kernel_distance(a, b, subsets=40, size=1000) == pytest.approx(wanted, rel=0.15)


def test_the_score_is_the_number_of_sure_even_classes():
    sure = np.eye(5)[np.arange(500) % 5]
    assert likeness.inception_score(sure) == pytest.approx(5.0, rel=1e-6)
    assert likeness.inception_score(np.full((100, 5), 0.2)) == pytest.approx(1.0)
    assert likeness.inception_score(np.eye(5)[np.zeros(100, int)]) == pytest.approx(1.0)


@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_similarity_is_one_for_the_same_and_falls_with_noise(side):
    x = np.tanh(RNG.normal(size=(6, 3, side, side)))
    noisy = [likeness.similarity(x, np.clip(x + s * RNG.normal(size=x.shape), -1, 1)) for s in (0.0, 0.2, 1.0)]
    assert noisy[0] == pytest.approx(1.0, abs=1e-5) and noisy[0] > noisy[1] > noisy[2]


def test_a_class_of_one_picture_is_all_alike():
    pictures = np.tanh(RNG.normal(size=(40, 1, 16, 16)))
    labels = np.arange(40) % 2
    repeated = pictures[labels]
    assert likeness.similarity_within(repeated, labels) == pytest.approx(1.0, abs=1e-5)
    assert likeness.similarity_within(pictures, labels) < 0.5
    assert np.isnan(likeness.similarity_within(pictures[:1], labels[:1]))
