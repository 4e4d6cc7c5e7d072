"""Preferences: closed forms for two sides, known strengths found again, and sentences that say what the figures say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from library import studied
from scipy import optimize, stats

from models_backend.library import preference


@pytest.mark.parametrize(("wins", "losses", "ties"), [(25, 15, 0), (7, 3, 4), (1, 1, 0), (90, 2, 1)])
def test_two_sides_have_the_closed_form(wins, losses, ties):
    result = preference.result_of(studied.two(wins, losses, ties))
    w, m = wins + ties / 2, losses + ties / 2
    n, p = w + m, w / (w + m)
    assert result.lead == pytest.approx(400 * math.log10(w / m), abs=1e-6)
    half = preference.Z95 * preference.ELO / math.sqrt(n * p * (1 - p))
    assert result.lead_high - result.lead == pytest.approx(half, rel=1e-6)
    assert not result.bounded
    assert sum(s.elo for s in result.standings) == pytest.approx(0, abs=1e-6)
    best = result.standings[0]
    assert (best.id, best.wins, best.losses, best.ties) == ("run-a", wins, losses, ties)


def test_intervals_and_p_values_are_those_of_scipy():
    for wins, losses in [(25, 15), (0, 6), (40, 40), (700, 600)]:
        test = stats.binomtest(wins, wins + losses)
        assert preference.sign_test(wins, losses) == pytest.approx(test.pvalue, rel=1e-9)
        assert preference.wilson(wins, wins + losses) == pytest.approx(tuple(test.proportion_ci(0.95, "wilson")), abs=1e-9)


def simulated(strengths: np.ndarray, count: int, seed: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    ones = dice.integers(0, len(strengths), count)
    others = (ones + dice.integers(1, len(strengths), count)) % len(strengths)
    share = dice.random(count) < 1 / (1 + np.exp(strengths[others] - strengths[ones]))
    return preference.win_table(len(strengths), zip(ones.tolist(), others.tolist(), share.astype(float).tolist()))


def test_known_strengths_are_found_again():
    known = np.array([-1.2, -0.3, 0.1, 1.4])
    found, covariance = preference.bradley_terry(simulated(known, 40_000, 0))
    assert np.abs(found - known).max() < 0.05
    assert np.abs(found - known).max() < 4 * np.sqrt(np.diag(covariance)).max()


def test_strengths_maximise_the_likelihood():
    wins = np.array([[0, 8, 3], [2, 0, 5], [1.5, 4, 0]])

    def loss(b):
        return float((wins * np.log1p(np.exp(b[None, :] - b[:, None]))).sum())

    best = optimize.minimize(loss, np.zeros(3), tol=1e-12).x
    assert preference.bradley_terry(wins)[0] == pytest.approx(best - best.mean(), abs=1e-4)


def test_intervals_cover_the_truth_as_often_as_they_say():
    known = np.array([-0.5, 0.0, 0.5])
    inside = []
    for seed in range(300):
        found, covariance = preference.bradley_terry(simulated(known, 150, seed))
        inside.append(np.abs(found - known) <= preference.Z95 * np.sqrt(np.diag(covariance)))
    assert 0.93 < np.mean(inside) < 0.97


def test_a_side_that_never_lost_stays_finite_and_is_said_to():
    result = preference.result_of(studied.two(12, 0, 0))
    assert result.bounded
    assert result.lead == pytest.approx(400 * math.log10(12.5 / 0.5))
    assert result.standings[0].losses == 0
    circle = np.array([[0, 3, 0], [0, 0, 3], [3, 0, 0]])
    assert preference.is_bounded(circle)
    assert not preference.is_bounded(np.triu(np.ones((3, 3)), 1))


def test_sentences_say_what_was_found():
    def say(*counts):
        return preference.result_of(studied.two(*counts)).sentence

    assert say(27, 13, 0) == "“Run A” is preferred: 68 % of 40 answers, p = 0.038."
    assert "No difference can be told yet: “Run A” has 55 % of 40 answers, p = 0.64" in say(22, 18, 0)
    assert "stand level after 10 answers" in say(5, 5, 0)
    assert "nothing can be said" in say(0, 0, 0)


@pytest.mark.parametrize(("wins", "losses"), [(22, 18), (6, 3), (55, 45), (3, 0)])
def test_as_many_answers_as_are_said_to_be_needed_do_tell(wins, losses):
    more = preference.result_of(studied.two(wins, losses, 0)).more
    total = wins + losses + more
    share = wins / (wins + losses)
    assert preference.sign_test(round(total * share), total - round(total * share)) < 0.06
    short = round(0.8 * total)
    assert preference.sign_test(round(short * share), short - round(short * share)) > 0.05


def test_of_three_the_best_is_compared_with_the_next():
    result = preference.result_of(studied.three({(0, 1): (18, 6), (0, 2): (20, 4), (1, 2): (14, 10)}))
    assert [s.id for s in result.standings] == ["run-a", "run-b", "run-c"]
    assert result.p < 0.05
    assert "Elo above “Run B”, the next, after 72 answers" in result.sentence
    assert result.rate is None
