"""Charts: the drawn line lies where the numbers say."""

import numpy as np
import pytest

from models_backend.media import charts


def coloured(picture, colour):
    rgb = np.asarray(picture).astype(int)
    target = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    rows, columns = np.nonzero(np.abs(rgb - target).sum(-1) < 60)
    inside = (rows > 44) & (rows < picture.height - 60) & (columns > 72)
    return rows[inside], columns[inside]


def test_a_falling_curve_is_drawn_falling():
    xs = list(range(100))
    picture = charts.curves({"train": (xs, [10 ** (1 - x / 50) for x in xs])}, "Loss", "step", "MSE")
    rows, columns = coloured(picture, charts.SERIES[0])
    assert np.corrcoef(rows, columns)[0, 1] > 0.99


def test_values_that_a_log_axis_cannot_show_are_left_out():
    with pytest.raises(ValueError, match="Loss"):
        charts.curves({"train": ([0, 1], [0.0, float("nan")])}, "Loss", "step", "MSE")


@pytest.mark.parametrize(("low", "high"), [(0, 100), (0, 3), (200, 30_000)])
def test_ticks_are_few_and_inside(low, high):
    ticks = charts._ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert all(low <= t <= high for t in ticks)


@pytest.mark.parametrize(("low", "high"), [(0.25, 0.9), (0.27, 0.31), (0.001, 8.0), (1e-7, 1e3)])
def test_a_log_axis_has_at_least_three_ticks_whatever_it_spans(low, high):
    ticks = charts._log_ticks(np.log10(low), np.log10(high))
    assert 3 <= len(ticks) <= 9 and ticks == sorted(ticks)
    assert all(low <= t <= high for t in ticks)
