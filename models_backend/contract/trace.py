"""Traces: what sampling tells about each of its steps, and what the trajectory panel shows.

A recorded trace is a folder part of a sample: ``trace.npz`` with one array a channel, (steps, B, *shape) in
float16, and a :class:`TraceInfo` in the sample's record. Token kinds follow with the families that need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

TRACE_KINDS = ("denoise", "unmask", "autoregressive", "path")
TraceKind = Literal["denoise", "unmask", "autoregressive", "path"]

#: channel name -> how the panel labels it
CHANNELS = {
    "x": "x_t",
    "x0": "predicted x0",
    "eps": "noise",
    "v": "velocity",
    "score": "score",
    "guidance": "guidance difference",
}


class Stopped(Exception):
    """Raised by ``on_step`` to leave a sampler early: the caller asked for it."""


class Left(BaseException):
    """Raised from outside (a signal's handler) into work that nobody waits for; no handler of ``Exception`` may swallow it."""


@dataclass
class Step:
    """One step of a sampler, told through ``on_step`` (tensors; (B, *shape)).

    ``time`` is what ``start`` takes to go on from here; ``sigma`` the noise level as noise std over signal scale
    (0 = clean), whatever the family calls its time; ``channels`` the tensors named in CHANNELS, "x" always.
    Step 0 is told before the first update (x = noise) and the last one holds the finished items. ``state``: what to go
    on from where that is not channel "x" (latents, which the channels show decoded).
    """

    index: int
    total: int
    time: float
    sigma: float
    channels: Mapping[str, Any] = field(default_factory=dict)
    state: Any = None


class TraceStep(msgspec.Struct):
    """The plain part of a recorded step. ``change``: mean |x0_i - x0_(i-1)| over items."""

    index: int
    time: float
    sigma: float
    change: float = 0.0


class TraceInfo(msgspec.Struct):
    """A recorded trace. ``shape`` is one item's; ``straightness`` = 1 - |x_end - x_start| / path length, 0 is straight;
    ``fresh_noise``: whether noise was drawn on the way."""

    kind: TraceKind
    channels: tuple[str, ...]
    shape: tuple[int, ...]
    count: int
    steps: tuple[TraceStep, ...]
    straightness: float = 0.0
    fresh_noise: bool = False
