"""Levels, grids and what is told of steps."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from models_backend.contract.trace import Step
from models_backend.objectives import schedules
from models_backend.samplers import flow, levels
from models_backend.samplers.noise import fresh

CHOSEN = [schedules.Linear(), schedules.Cosine(), schedules.Sigmoid(), schedules.Learned()]
SPACINGS = ["trailing", "leading", "linspace", "karras", "log_snr"]


def plan(chosen):
    return schedules.LearnedSchedule(chosen) if isinstance(chosen, schedules.Learned) else schedules.tabulated(chosen)


@pytest.mark.parametrize("chosen", CHOSEN, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 17, 1000])
def test_grids_fall_from_noise_to_clean(chosen, spacing, steps):
    grid = levels.grid(plan(chosen), steps, spacing)
    assert len(grid) == steps + 1 and grid[-1] == levels.CLEAN
    assert all(a.time > b.time and a.lam < b.lam for a, b in pairwise(grid))
    assert all(level.alpha**2 + level.sigma**2 == pytest.approx(1) for level in grid)


@pytest.mark.parametrize("chosen", CHOSEN, ids=lambda c: type(c).__name__)
def test_trailing_begins_at_pure_noise(chosen):
    assert levels.grid(plan(chosen), 20)[0].time == 1.0


def test_more_steps_than_levels_are_as_many_as_there_are_levels():
    assert len(levels.grid(plan(schedules.Cosine(steps=50)), 400)) == 51


@pytest.mark.parametrize("spacing", SPACINGS)
def test_branching_keeps_the_rest_of_the_grid(spacing):
    full = levels.grid(plan(schedules.Cosine()), 20, spacing)
    rest = levels.grid(plan(schedules.Cosine()), 20, spacing, start=full[7].time)
    assert len(rest) == len(full) - 7
    assert torch.allclose(torch.tensor(rest), torch.tensor(full[7:]), atol=1e-9)
    assert levels.grid(plan(schedules.Cosine()), 20, spacing, start=0.0) == [levels.CLEAN]


def test_branching_may_begin_between_levels():
    rest = levels.grid(plan(schedules.Cosine()), 10, start=0.55)
    assert [level.time for level in rest] == pytest.approx([0.55, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    assert flow.times(4, 0.6) == [0.6, 0.75, 1.0] and flow.times(4, 1.0) == [1.0]


def test_karras_spacing_is_even_in_the_seventh_root():
    scales = [level.scale ** (1 / 7) for level in levels.grid(plan(schedules.Linear()), 12, "karras")[:-1]]
    gaps = [a - b for a, b in pairwise(scales)]
    assert gaps == pytest.approx([gaps[0]] * len(gaps), rel=1e-6)


def test_log_snr_spacing_is_even_and_begins_where_signal_begins():
    grid = levels.grid(plan(schedules.Cosine()), 12, "log_snr")[:-1]
    gaps = [b.lam - a.lam for a, b in pairwise(grid)]
    assert gaps == pytest.approx([gaps[0]] * len(gaps), rel=1e-6)
    assert grid[0].scale == pytest.approx(levels.LARGEST_SCALE)


def test_a_clean_level_has_no_noise():
    assert levels.CLEAN.lam == math.inf and levels.CLEAN.scale == 0
    assert levels.Level(1.0, 0.0, 1.0).scale == math.inf


def test_only_the_finished_items_are_finished():
    seen: list[Step] = []
    told = levels.within(seen.append, lambda x: x.clamp(-1, 1))
    for index in (0, 1):
        told(Step(index, 1, 0.0, 0.0, {"x": torch.tensor([3.0])}))
    assert [float(s.channels["x"]) for s in seen] == [3.0, 1.0]
    assert levels.within(None, torch.abs) is None


def test_fresh_noise_is_standard_and_seeded():
    x = torch.zeros(20_000, 2, dtype=torch.float64)
    noise = fresh(x, torch.Generator().manual_seed(0))
    assert noise.dtype == x.dtype and abs(float(noise.mean())) < 0.02 and float(noise.std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(noise, fresh(x, torch.Generator().manual_seed(0)))
