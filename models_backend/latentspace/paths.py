"""Lines through a space of any dimension, as their places in order."""

from __future__ import annotations

import numpy as np


def evenly(line: np.ndarray, count: int) -> np.ndarray:
    """Where ``count`` places (count,) at even distances along a line (N, L) lie, both ends included: 1.5 is halfway between
    its second and its third place. ``count`` and N at least 1."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return np.interp(np.linspace(0.0, lengths[-1], count), lengths, np.arange(len(line)))


def at(line: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The places (M, L) of a line (N, L) that lie at ``where`` (M,), as :func:`evenly` counts."""
    return np.stack([np.interp(where, np.arange(len(line)), column) for column in line.T], axis=1)
