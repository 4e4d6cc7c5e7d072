"""Measures against closed forms and constructed sets."""

from __future__ import annotations

import numpy as np
import pytest

from models_backend.evaluation import measures

RNG = np.random.default_rng


def test_frechet_of_two_gaussians_is_the_closed_form():
    mean = np.array([1.0, -2.0])
    found = measures.gaussian_frechet(np.zeros(2), np.diag([4.0, 1.0]), mean, np.diag([1.0, 9.0]))
    assert found == pytest.approx(5.0 + (2 - 1) ** 2 + (1 - 3) ** 2)


def test_frechet_is_zero_on_itself_and_turns_with_the_axes():
    rows = RNG(0).normal(size=(500, 6)) @ RNG(1).normal(size=(6, 6))
    other = RNG(2).normal(size=(500, 6)) + 1
    turn, _ = np.linalg.qr(RNG(3).normal(size=(6, 6)))
    assert measures.frechet(rows, rows) == pytest.approx(0.0, abs=1e-6)
    assert measures.frechet(rows @ turn, other @ turn) == pytest.approx(measures.frechet(rows, other), rel=1e-6)
    assert measures.frechet(rows, other) == pytest.approx(measures.frechet(other, rows), rel=1e-6)


def test_frechet_of_sampled_gaussians_nears_the_closed_form():
    a, b = RNG(0).normal(size=(40_000, 3)), 2 * RNG(1).normal(size=(40_000, 3)) + 1
    assert measures.frechet(a, b) == pytest.approx(3 * 1 + 3 * 1, rel=0.03)


def test_frechet_survives_a_feature_that_never_changes():
    rows = np.hstack([RNG(0).normal(size=(100, 2)), np.ones((100, 1))])
    assert measures.frechet(rows, rows + 2) == pytest.approx(12.0)


def test_w2_of_shifted_points_is_the_shift_and_order_does_not_matter():
    points = RNG(0).normal(size=(300, 2))
    shifted = RNG(1).permutation(points + (3.0, 4.0))
    assert measures.w2(points, shifted) == pytest.approx(5.0)
    assert measures.w2(points, points[::-1]) == pytest.approx(0.0, abs=1e-9)


def test_w2_is_that_of_optimal_transport():
    ot = pytest.importorskip("ot")
    a, b = RNG(0).normal(size=(80, 2)), RNG(1).uniform(-2, 2, size=(80, 2))
    even = np.full(80, 1 / 80)
    assert measures.w2(a, b) == pytest.approx(np.sqrt(ot.emd2(even, even, ot.dist(a, b))), rel=1e-9)


def test_w1_is_the_shift_the_sorted_difference_on_a_line_and_at_most_w2():
    a, b = RNG(0).normal(size=(200, 2)), RNG(1).uniform(-2, 2, size=(200, 2))
    assert measures.w1(a, RNG(2).permutation(a + (3.0, 4.0))) == pytest.approx(5.0)
    line = np.abs(np.sort(a[:, 0]) - np.sort(b[:, 0])).mean()
    assert measures.w1(a[:, :1], b[:, :1]) == pytest.approx(line)
    assert 0 < measures.w1(a, b) < measures.w2(a, b)
    with pytest.raises(ValueError, match="3 and 4"):
        measures.w1(np.zeros((3, 2)), np.zeros((4, 2)))


def test_w2_refuses_sets_of_unequal_size():
    with pytest.raises(ValueError, match="3 and 4"):
        measures.w2(np.zeros((3, 2)), np.zeros((4, 2)))


def test_modes_are_counted_from_a_fifth_of_their_due():
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    points = np.concatenate([np.repeat(centres[[0]], 60, 0), np.repeat(centres[[1]], 26, 0), np.repeat(centres[[2]], 4, 0),
                             np.full((10, 2), 5.0)])  # fmt: skip
    found = measures.mode_coverage(points, centres, 1.0)
    assert (found.covered, found.count) == (2, 4)
    assert found.within == pytest.approx(0.9)
    assert found.shares == pytest.approx((0.6, 0.26, 0.04, 0.0))


def test_perfect_points_lie_within_three_deviations_as_the_rayleigh_law_says():
    points = RNG(0).normal(size=(50_000, 2))
    assert measures.mode_coverage(points, np.zeros((1, 2)), 1.0).within == pytest.approx(1 - np.exp(-4.5), abs=2e-3)


def test_manifold_measures_tell_apart_what_is_lost_and_what_is_wrong():
    real = RNG(0).normal(size=(400, 4))
    same = measures.manifold(real, RNG(1).normal(size=(400, 4)))
    assert min(same.precision, same.recall, same.coverage) > 0.85 and same.density == pytest.approx(1.0, abs=0.1)
    far = measures.manifold(real, RNG(1).normal(size=(400, 4)) + 50)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)
    narrow = measures.manifold(real, 0.05 * RNG(1).normal(size=(400, 4)))
    assert narrow.precision > 0.95 and narrow.recall < 0.05


def test_near_copies_are_one_for_a_copier_and_about_a_hundredth_for_a_perfect_maker():
    train, held_out, fresh = (RNG(seed).normal(size=(1000, 5)) for seed in range(3))
    limit = measures.near_limit(train, held_out)
    assert measures.near_copies(train[:500], train, limit) == 1.0
    assert measures.near_copies(train[:500] + 1e-3, train, limit) == 1.0
    assert measures.near_copies(fresh, train, limit) == pytest.approx(0.01, abs=0.01)
    half = np.concatenate([train[:500], fresh[:500]])
    assert measures.near_copies(half, train, limit) == pytest.approx(0.505, abs=0.01)


def test_nearest_distances_are_exact():
    items, among = RNG(0).normal(size=(20, 1, 3, 3)), RNG(1).normal(size=(50, 1, 3, 3))
    exact = np.sqrt(((items[:, None] - among[None]) ** 2).sum((2, 3, 4))).min(1)
    assert measures.nearest(items, among) == pytest.approx(exact, rel=1e-5)


def test_class_figures():
    probabilities = np.array([[0.95, 0.05, 0.0], [0.6, 0.4, 0.0], [0.02, 0.98, 0.0], [0.91, 0.09, 0.0]])
    assert measures.sure(probabilities) == 0.75
    assert measures.class_shares(probabilities) == pytest.approx([0.75, 0.25, 0.0])
    assert measures.accuracy(probabilities, [0, 1, 1, -1]) == pytest.approx(2 / 3)


def test_ppca_of_gaussian_data_is_minus_its_entropy():
    weight = RNG(0).normal(size=(2, 5))
    rng = RNG(1)
    train, held_out = (rng.normal(size=(n, 2)) @ weight + 0.5 * rng.normal(size=(n, 5)) for n in (50_000, 20_000))
    covariance = weight.T @ weight + 0.25 * np.eye(5)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
    assert measures.ppca_nats(train, held_out, 2) == pytest.approx(-entropy, abs=0.03)


def test_psnr_of_a_constant_error():
    assert measures.psnr(np.zeros((2, 4)), np.full((2, 4), 0.2)) == pytest.approx(20.0)


def test_where_few_are_held_out_training_items_tell_how_near_is_near():
    train = RNG(0).normal(size=(1000, 5))
    many, few = measures.near_limit(train, RNG(1).normal(size=(1000, 5))), measures.near_limit(train, train[:0])
    assert few == pytest.approx(many, rel=0.15)
    assert np.isnan(measures.near_limit(train[:1], train[:0]))
    assert np.isnan(measures.near_copies(train, train[:1], measures.near_limit(train[:1], train[:0])))


def test_a_linear_model_of_items_that_lie_in_a_plane_has_no_density():
    flat = np.zeros((50, 16))
    flat[:, :3] = RNG(0).normal(size=(50, 3))
    assert np.isnan(measures.ppca_nats(flat, flat[:5], 8)) and np.isnan(measures.ppca_nats(flat[:2], flat[:5], 8))
    assert np.isfinite(measures.ppca_nats(RNG(0).normal(size=(50, 16)), flat[:5], 8))
