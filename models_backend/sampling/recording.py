"""Recorded traces: every step of a few items, thinned to what a panel can show and a disk should hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from models_backend.contract.trace import Step, TraceInfo, TraceKind, TraceStep

#: The array of a trace that holds the states to go on from, where channel "x" shows them decoded.
STATE = "state"
STEPS_MOST = 256
BYTES_MOST = 256 << 20
_LARGEST = float(np.finfo(np.float16).max)


class Recorder:
    """Takes the steps of one batch: the first ``count`` items of each."""

    def __init__(self, count: int, item_size: int):
        self.count = count
        self._item_bytes = 2 * max(1, item_size)
        self.steps: list[Step] = []
        self.channels: dict[str, list[np.ndarray]] = {}
        self._kept: set[int] | None = None

    def take(self, step: Step) -> None:
        """Records a step, if it is one of those that are kept."""
        if self._kept is None:
            self._kept = chosen_steps(step.index, step.total, len(step.channels) * self.count * self._item_bytes)
        if step.index in self._kept:
            self.steps.append(Step(step.index, step.total, float(step.time), float(step.sigma)))
            for name in step.channels:
                self.channels.setdefault(name, []).append(_array(step.channels[name][: self.count]))
            if step.state is not None:
                self.channels.setdefault(STATE, []).append(_array(step.state[: self.count]))


def chosen_steps(first: int, last: int, bytes_a_step: int) -> set[int]:
    """Which of the steps first..last are kept: all, or evenly spaced ones with both ends."""
    most = int(min(STEPS_MOST, max(2, BYTES_MOST // max(1, bytes_a_step))))
    count = last - first + 1
    if count <= most:
        return set(range(first, last + 1))
    return {first + round(i * (count - 1) / (most - 1)) for i in range(most)}


def _array(values: Any) -> np.ndarray:
    return values.detach().to("cpu", torch.float32).numpy()


def joined(
    recorders: list[Recorder], kind: TraceKind, shape: tuple[int, ...], fresh_noise: bool = False
) -> tuple[TraceInfo, dict[str, np.ndarray]]:
    """All batches as one trace: its description, and channel -> (steps, B, *shape) float16. ``fresh_noise``: whether they
    drew noise on the way."""
    first = recorders[0]
    names = [n for n in first.channels if len(first.channels[n]) == len(first.steps)]
    whole = {n: np.concatenate([np.stack(r.channels[n]) for r in recorders], axis=1) for n in names}
    change = changes(whole.get("x0", whole["x"]))
    steps = tuple(TraceStep(s.index, s.time, s.sigma, float(c)) for s, c in zip(first.steps, change, strict=True))
    shown = tuple(name for name in names if name != STATE)
    info = TraceInfo(kind, shown, tuple(shape), whole["x"].shape[1], steps, straightness(whole["x"]), fresh_noise)
    return info, {name: values.clip(-_LARGEST, _LARGEST).astype(np.float16) for name, values in whole.items()}


def changes(x: np.ndarray) -> np.ndarray:
    """Mean |x_i - x_(i-1)| over items and dimensions for each step (steps,); 0 for the first."""
    return np.concatenate([[0.0], np.abs(np.diff(x, axis=0)).reshape(len(x) - 1, -1).mean(1)]) if len(x) else np.zeros(0)


def straightness(x: np.ndarray) -> float:
    """1 - |x_end - x_start| / path length, a mean over items of x (steps, B, ...): 0 is a straight line."""
    flat = x.reshape(len(x), x.shape[1], -1).astype(np.float64)
    length = np.linalg.norm(np.diff(flat, axis=0), axis=-1).sum(0)
    chord = np.linalg.norm(flat[-1] - flat[0], axis=-1)
    moved = length > 1e-12
    return float(np.mean(1 - chord[moved] / length[moved])) if moved.any() else 0.0
