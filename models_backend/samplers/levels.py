"""Noise levels, grids of them, and what a sampler tells about each step.

A level is (time, alpha, sigma): x_t = alpha x_0 + sigma eps. Time counts down from 1 (noise) to 0 (clean) and means what
the schedule says. A grid runs from noise to clean; its last level is usually CLEAN. All coefficients are Python floats
(double), so that a sampler's arithmetic is exact whatever the type of x.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import torch

from models_backend.contract.trace import Step

Spacing = Literal["trailing", "leading", "linspace", "karras", "log_snr"]

#: Noise scales above this (noise std over signal scale) hold no signal; grids that are even in noise start here.
LARGEST_SCALE = 80.0


class Level(NamedTuple):
    """x_t = alpha x_0 + sigma eps at ``time``."""

    time: float
    alpha: float
    sigma: float

    @property
    def scale(self) -> float:
        """Noise std over signal scale, the sigma of Karras 2022."""
        return self.sigma / self.alpha if self.alpha > 0 else math.inf

    @property
    def lam(self) -> float:
        """lambda = log(alpha / sigma), half the log signal-to-noise ratio (Lu 2022, arXiv:2206.00927)."""
        return math.inf if self.sigma == 0 else math.log(self.alpha) - math.log(self.sigma)


CLEAN = Level(0.0, 1.0, 0.0)


class Denoised(NamedTuple):
    """A model's word on x at a level: the clean item and the noise, with x = alpha x0 + sigma eps. ``variance``, where it tells
    one: like x, -1 for a step's posterior's to 1 for the forward step's."""

    x0: torch.Tensor
    eps: torch.Tensor
    variance: torch.Tensor | None = None


Model = Callable[[torch.Tensor, Level], Denoised]
OnStep = Callable[[Step], None] | None


class Schedule(Protocol):
    """What a grid needs to know of a noise schedule."""

    steps: int

    def log_snr(self, time: torch.Tensor) -> torch.Tensor: ...

    def time_at(self, log_snr: torch.Tensor) -> torch.Tensor: ...


# ------------------------------------------------------------------------------------------------ grids


def level_at(time: float, log_snr: float) -> Level:
    """The variance-preserving level with that log signal-to-noise ratio: alpha^2 = sigmoid(log_snr)."""
    return Level(time, math.sqrt(_sigmoid(log_snr)), math.sqrt(_sigmoid(-log_snr)))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def levels(schedule: Schedule, times: Sequence[float]) -> list[Level]:
    """The schedule's levels at those times."""
    with torch.no_grad():
        log_snr = schedule.log_snr(torch.as_tensor(times, dtype=torch.float64)).double().tolist()
    return [level_at(t, v) for t, v in zip(times, log_snr, strict=True)]


def grid(schedule: Schedule, steps: int, spacing: Spacing = "trailing", start: float | None = None) -> list[Level]:
    """``steps`` levels from noise on, and CLEAN. With ``start``, only what follows that time, beginning there."""
    full = levels(schedule, _SPACINGS[spacing](schedule, max(1, min(steps, schedule.steps))))
    if start is not None:
        if start <= CLEAN.time:
            return [CLEAN]
        later = [level for level in full if level.time < start - 1e-9]
        full = [*levels(schedule, [start]), *later]
    return [*full, CLEAN]


# Indices k in 0..T-1 of the published tables stand at time (k + 1) / T, so that time 0 is clean.
# The rounding is diffusers' own (timestep_spacing), after Lin 2023, arXiv:2305.08891, table 2.


def _trailing(schedule: Schedule, steps: int) -> list[float]:
    ratio = schedule.steps / steps
    return [_index_time(round(schedule.steps - i * ratio) - 1, schedule) for i in range(steps)]


def _leading(schedule: Schedule, steps: int) -> list[float]:
    ratio = schedule.steps // steps
    return [_index_time(i * ratio, schedule) for i in reversed(range(steps))]


def _linspace(schedule: Schedule, steps: int) -> list[float]:
    last = schedule.steps - 1
    return [_index_time(round(last - i * last / max(1, steps - 1)), schedule) for i in range(steps)]


def _index_time(index: int, schedule: Schedule) -> float:
    return (index + 1) / schedule.steps


def _karras(schedule: Schedule, steps: int, rho: float = 7.0) -> list[float]:
    """Even in scale^(1/rho) (Karras 2022, eq. 5)."""
    high, low = (math.exp(-v / 2) for v in _range(schedule))
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    scale = (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    return _times(schedule, -2 * scale.log())


def _log_snr(schedule: Schedule, steps: int) -> list[float]:
    """Even in log signal-to-noise (Lu 2022)."""
    low, high = _range(schedule)
    return _times(schedule, torch.linspace(low, high, steps, dtype=torch.float64))


def _range(schedule: Schedule) -> tuple[float, float]:
    ends = torch.tensor([1.0, 1 / schedule.steps], dtype=torch.float64)
    with torch.no_grad():
        low, high = schedule.log_snr(ends).double().tolist()
    return max(low, -2 * math.log(LARGEST_SCALE)), high


def _times(schedule: Schedule, log_snr: torch.Tensor) -> list[float]:
    with torch.no_grad():
        return schedule.time_at(log_snr).double().tolist()


_SPACINGS: dict[str, Callable[[Any, int], list[float]]] = {
    "trailing": _trailing, "leading": _leading, "linspace": _linspace, "karras": _karras, "log_snr": _log_snr,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------ telling


def tell(on_step: OnStep, grid: Sequence[Level], index: int, x: torch.Tensor, said: Denoised) -> None:
    """Step ``index``, before its update: the state and everything that the model said of it."""
    if on_step is None:
        return
    level = grid[index]
    on_step(Step(index, len(grid) - 1, level.time, level.scale, {"x": x, **views(level, said)}))


def finish(on_step: OnStep, grid: Sequence[Level], x: torch.Tensor, said: Denoised | None) -> torch.Tensor:
    """The last step: the finished items, with the model's last word beside them. Returns x."""
    if on_step is None:
        return x
    before = grid[max(0, len(grid) - 2)]
    channels = {"x": x, **(views(before, said) if said else {}), "x0": x}
    on_step(Step(len(grid) - 1, len(grid) - 1, grid[-1].time, grid[-1].scale, channels))
    return x


def within(on_step: OnStep, finish: Callable[[torch.Tensor], torch.Tensor]) -> OnStep:
    """``on_step`` that sees the finished items through ``finish``, as the caller will return them."""
    if on_step is None:
        return None

    def tell_finished(step: Step) -> None:
        if step.index == step.total:
            step.channels["x"] = finish(step.channels["x"])
        on_step(step)

    return tell_finished


def views(level: Level, said: Denoised) -> dict[str, torch.Tensor]:
    """The same prediction as clean item, noise, velocity v = alpha eps - sigma x0, and score = -eps / sigma."""
    x0, eps = said.x0, said.eps
    velocity = level.alpha * eps - level.sigma * x0
    return {"x0": x0, "eps": eps, "v": velocity, "score": -eps / max(level.sigma, 1e-8)}
