"""Multistep solvers that use what earlier steps said: DPM-Solver++ 2M and UniPC.

Both predict x_0 and integrate in lambda = log(alpha / sigma). A last step to a clean level is of first order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from .levels import Denoised, Level, Model, OnStep, finish, tell


def dpmpp_2m(model: Model, x: torch.Tensor, grid: Sequence[Level], on_step: OnStep = None) -> torch.Tensor:
    """DPM-Solver++ 2M (Lu 2022, arXiv:2211.01095, algorithm 2): second order, one evaluation a step."""
    said: Denoised | None = None
    before: torch.Tensor | None = None
    for i in range(len(grid) - 1):
        t, s = grid[i], grid[i + 1]
        said = model(x, t)
        tell(on_step, grid, i, x, said)
        direction = said.x0
        if before is not None and s.sigma > 0 and not (i == len(grid) - 2 and i < 14):
            h, h_before = s.lam - t.lam, t.lam - grid[i - 1].lam
            direction = said.x0 + (0.5 * h / h_before) * (said.x0 - before)  # D_i of algorithm 2
        x = (s.sigma / t.sigma) * x - s.alpha * math.expm1(t.lam - s.lam) * direction
        before = said.x0
    return finish(on_step, grid, x, said)


def unipc(model: Model, x: torch.Tensor, grid: Sequence[Level], on_step: OnStep = None, *, order: int = 2) -> torch.Tensor:
    """UniPC-p with B2(h) = e^h - 1 (Zhao 2023, arXiv:2302.04867, algorithms 5 and 6): predictor and corrector of order
    p, order p + 1 in all, one evaluation a step. The corrector mends the state with the evaluation that the next
    predictor needs anyway; the state told is the mended one. Towards a clean end the order falls to 1."""
    said: Denoised | None = None
    earlier: list[tuple[Level, torch.Tensor]] = []  # (level, x0 said there), newest last
    origin, used = x, 0
    for i in range(len(grid) - 1):
        t, s = grid[i], grid[i + 1]
        said = model(x, t)
        if used:
            x = _unified(origin, earlier, t, used, corrected=said.x0)
        tell(on_step, grid, i, x, said)
        earlier = [*earlier[-(order - 1) :], (t, said.x0)] if order > 1 else [(t, said.x0)]
        used = min(order, len(earlier), len(grid) - 1 - i if grid[-1].sigma == 0 else order)
        origin = x
        x = _unified(origin, earlier, s, used)
    return finish(on_step, grid, x, said)


def _unified(x: torch.Tensor, earlier: list[tuple[Level, torch.Tensor]], s: Level, order: int,
             corrected: torch.Tensor | None = None) -> torch.Tensor:  # fmt: skip
    """UniP (eq. 3) from the newest of ``earlier`` to s or, given the evaluation at s, UniC (eq. 8)."""
    (t, m0), others = earlier[-1], list(reversed(earlier[:-1]))[: order - 1]
    h = s.lam - t.lam
    # B2(-h) of the data-prediction form; e^-h - 1 is -1 at a clean level, where h is infinite
    b_h = math.expm1(-h)
    result = (s.sigma / t.sigma) * x - (s.alpha * b_h) * m0
    ratios = [(level.lam - t.lam) / h for level, _ in others]
    differences = [(m - m0) / r for r, (_, m) in zip(ratios, others, strict=True)]
    if corrected is not None:
        ratios, differences = [*ratios, 1.0], [*differences, corrected - m0]
    for a, difference in zip(_coefficients(ratios, h), differences, strict=True):
        result = result - (s.alpha * b_h * a) * difference
    return result


def _coefficients(ratios: list[float], h: float) -> list[float]:
    """a of theorem 3.1: R(r) a = b(h), with the paper's exact 1/2 where there is one unknown."""
    if len(ratios) < 2:
        return [0.5] * len(ratios)
    b, phi, factorial = [], math.expm1(-h) / -h - 1, 1
    for k in range(1, len(ratios) + 1):
        b.append(phi * factorial / math.expm1(-h))
        factorial *= k + 1
        phi = phi / -h - 1 / factorial
    powers = np.vander(np.array(ratios), increasing=True).T
    return np.linalg.solve(powers, np.array(b)).tolist()
