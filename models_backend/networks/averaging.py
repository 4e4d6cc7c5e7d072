"""Power-function averages of weights, and any width of them made afterwards (Karras 2024, arXiv:2312.02696, section 3).

A profile weighs the weights of step t by p(t) ~ t^gamma up to the step it stands at; its width, the profile's standard
deviation as a share of the training so far, says how far it looks back. Two widths are kept in every checkpoint, and a
profile of another width is fitted by those of all checkpoints that stand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import CheckpointLayout

#: Widths that are kept while training.
KEPT = (0.05, 0.10)
#: Between a checkpoint's name and the width that is wanted of it: "step-000004000@0.07".
SIGN = "@"


def gamma_of(width: float) -> float:
    """The power of the profile of a relative width (algorithm 2)."""
    inverse = width**-2.0
    return float(np.roots([1.0, 7.0, 16.0 - inverse, 12.0 - inverse]).real.max())


def mixing(steps: Sequence[float], widths: Sequence[float], step: float, width: float) -> np.ndarray:
    """Factors (N,) of kept averages, each at a step and of a width, that make the one of ``width`` at ``step`` best in the
    least-squares sense (algorithm 3)."""
    times, gammas = np.asarray(steps, np.float64), np.array([gamma_of(w) for w in widths])
    among = _overlap(times[:, None], gammas[:, None], times, gammas)
    return np.linalg.lstsq(among, _overlap(times, gammas, np.float64(step), gamma_of(width)), rcond=1e-12)[0]


def _overlap(t: np.ndarray, g: np.ndarray, u: np.ndarray, h: np.ndarray | float) -> np.ndarray:
    """The integral of the product of the profiles (gamma g up to t) and (h up to u)."""
    shorter, longer = np.minimum(t, u), np.maximum(t, u)
    inner = np.where(t < u, h, g)  # the power of the one that reaches further decides how much of it the other sees
    return (g + 1) * (h + 1) / ((g + h + 1) * longer) * (shorter / longer) ** inner


def split(name: str) -> tuple[str, float | None]:
    """A checkpoint's name and the width asked of it, if any. TroubleError for what is no width."""
    kept, sign, asked = name.partition(SIGN)
    if not sign:
        return kept, None
    try:
        width = float(asked)
    except ValueError:
        width = 0.0
    if not 0.0 < width < 0.28:  # beyond, gamma falls below zero: the profile of a plain mean has a width of 1 / sqrt(12)
        raise TroubleError("this is no width of an average", name, advice="Write a share of the training, such as @0.07")
    return kept, width


def named(asked: str, step: int) -> str:
    """The full name of the checkpoint that was asked for: the newest stands at ``step``."""
    return asked if asked.partition(SIGN)[0] else f"step-{step:09d}{asked}"


def blended(
    newest: CheckpointLayout, others: Sequence[CheckpointLayout], network: str, width: float
) -> dict[str, torch.Tensor]:
    """A network's weights averaged to ``width`` at the checkpoint ``newest``, from it and those before it; what is no
    floating number stands as in the newest. TroubleError where the run kept no such averages."""
    from .weights import read_tensors

    kept = [layout for layout in (newest, *others) if layout.name <= newest.name and layout.wide(network, 0).exists()]
    kept = list({layout.name: layout for layout in kept}.values())
    if not newest.wide(network, 0).exists():
        raise TroubleError("this run kept no averages from which others could be made", newest.root.parent.parent.name,
                           advice="Train with ema_power on, or take the checkpoint without a width")  # fmt: skip
    places = [(layout, i) for layout in kept for i in range(len(KEPT))]
    factors = mixing([layout.step for layout, _ in places], [KEPT[i] for _, i in places], newest.step, width)
    made: dict[str, torch.Tensor] = {}
    for (layout, i), factor in zip(places, factors / factors.sum(), strict=True):
        for name, value in read_tensors(layout.wide(network, i)).items():
            if not value.is_floating_point():
                made.setdefault(name, value)
            elif name in made:
                made[name] += factor * value.double()
            else:
                made[name] = factor * value.double()
    return {name: value.float() if value.dtype == torch.float64 else value for name, value in made.items()}
