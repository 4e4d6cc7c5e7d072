"""Multistep consistency sampling on variance-preserving levels: jump to the end, put noise back, jump again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch

from .levels import CLEAN, Denoised, Level, OnStep, finish, tell
from .noise import Generators, fresh

#: (x (B, ...), level) -> the end of the path through x
Jump = Callable[[torch.Tensor, Level], torch.Tensor]


def kept_times(steps: int, grid: int, start: float | None = None) -> list[float]:
    """The times of ``steps`` jumps out of a grid of so many even times, from 1 on; with ``start`` that and what follows it.

    diffusers' LCMScheduler takes the same: 4 of 50 are 1, .76, .5 and .26."""
    steps = min(steps, grid)
    times = [(grid - j * grid // steps) / grid for j in range(steps)]
    return times if start is None else [start, *(t for t in times if t < start - 1e-9)]


def multistep(jump: Jump, x: torch.Tensor, levels: Sequence[Level], on_step: OnStep = None,
              generator: Generators = None) -> torch.Tensor:  # fmt: skip
    """Items from x at ``levels[0]`` (Song 2023, arXiv:2303.01469, algorithm 1, for x = alpha x_0 + sigma eps)."""
    grid, said = [*levels, CLEAN], None
    for i, (here, there) in enumerate(itertools.pairwise(grid)):
        end = jump(x, here)
        said = Denoised(end, (x - here.alpha * end) / here.sigma)
        tell(on_step, grid, i, x, said)
        x = end if there.sigma == 0 else there.alpha * end + there.sigma * fresh(x, generator)
    return finish(on_step, grid, x, said)
