"""The time left goes by the last steps, and is not told before there are a few of them."""

import pytest

from models_backend.contract.pace import RECENT, Pace


def marked(pace, begin, end, each_s, at=0.0):
    for step in range(begin, end):
        at += each_s
        pace.mark(at, step)
    return at


def test_the_first_step_counts_for_nothing():
    pace = Pace()
    pace.mark(480.0, 1)  # loaded, measured
    assert (pace.rate, pace.left_s(1, 100), pace.gap_s) == (0, 0, 0)
    pace.mark(481.0, 2), pace.mark(482.0, 3)
    assert pace.rate == 0
    pace.mark(483.0, 4)
    assert pace.rate == 1 and pace.left_s(4, 100) == 96 and pace.gap_s == 1


def test_only_recent_steps_count_and_a_single_slow_one_does_not():
    pace = Pace()
    at = marked(pace, 1, 500, 3.0)
    at = marked(pace, 500, 500 + RECENT + 1, 1.0, at)
    assert pace.rate == pytest.approx(1)
    pace.mark(at + 60, 500 + RECENT + 1)
    assert pace.rate == pytest.approx(1)


def test_figures_may_stand_for_many_steps():
    pace = Pace()
    for step in (10, 35, 60, 85, 110):
        pace.mark(step / 50, step)
    assert pace.rate == pytest.approx(50) and pace.left_s(110, 210) == pytest.approx(2)


def test_a_pause_is_left_out_and_what_begins_anew_is_begun_anew():
    pace = Pace()
    at = marked(pace, 1, 10, 1.0)
    pace.rest()
    at = marked(pace, 10, 12, 1.0, at + 900)
    assert pace.rate == 1
    pace.mark(at + 1, 3)  # resumed from an older checkpoint
    assert pace.rate == 0
    marked(pace, 4, 10, 2.0, at + 1)
    assert pace.rate == 0.5
    pace.forget()
    assert pace.rate == 0


def test_the_same_step_told_twice_is_no_step():
    pace = Pace()
    marked(pace, 1, 6, 1.0)
    pace.mark(30.0, 5)
    pace.mark(6.0, 6)
    assert pace.rate == 1 and pace.left_s(6, 6) == 0
