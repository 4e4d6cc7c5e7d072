"""Going on from a recorded state: other settings, another sampler or checkpoint, from the same place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from models_backend.contract.family import LoadedRun
from models_backend.contract.messages import StartFrom, TroubleError

from .recording import STATE


@dataclass
class Branch:
    """States x (B, *shape) float32 at ``time``, as their sampler told it."""

    x: torch.Tensor
    time: float


def branch_of(start: StartFrom, library: Any, loaded: LoadedRun) -> Branch:
    """The recorded state that a request names. ``step`` counts the recorded steps. TroubleError where there is none."""
    folder = library.sample(start.sample)
    info = folder.record().trace
    if info is None:
        raise TroubleError("this sample has no recorded trace", start.sample, "the sample is kept", "sample again with a trace")
    if not 0 <= start.step < len(info.steps):
        raise TroubleError(f"the trace has steps 0 to {len(info.steps) - 1}", f"{start.sample}, step {start.step}")
    if not -1 <= start.item < info.count:
        raise TroubleError(f"the trace has items 1 to {info.count}", f"{start.sample}, item {start.item + 1}")
    if tuple(info.shape) != tuple(loaded.spec.shape):
        raise TroubleError("the sample's items have another shape than this run's", start.sample)
    recorded = folder.trace()
    states = recorded.get(STATE, recorded["x"])[start.step]
    chosen = states if start.item < 0 else states[start.item : start.item + 1]
    return Branch(torch.from_numpy(chosen.astype("float32")), info.steps[start.step].time)
