"""What monitors see, how they are registered, and what several of them say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from models_backend.contract.messages import HealthLine, Remedy

History = Mapping[str, Sequence[tuple[int, float]]]
MONITORS: dict[str, Callable[[Evidence], HealthLine]] = {}

#: A series shorter than this says nothing yet.
ENOUGH = 8


@dataclass(frozen=True)
class Evidence:
    """All that monitors see. ``config`` and ``training`` are the run's plain settings, where the caller knows them. Losses of
    steps before ``since`` were weighed otherwise than now, and are not among the history."""

    history: History
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    levels: Sequence[float] = ()
    config: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    since: int = 0

    def values(self, name: str) -> list[float]:
        """The finite values of a series, oldest first."""
        return [v for _, v in self.history.get(name, ()) if math.isfinite(v)]

    def recent(self, name: str, share: float = 0.2) -> float | None:
        """The median over the newest ``share`` of a series; None while it is too short."""
        values = self.values(name)
        return median(values[-max(3, int(share * len(values))):]) if len(values) >= ENOUGH else None  # fmt: skip

    def figure(self, name: str) -> float | None:
        """A scalar of the diagnostics, if it is there and finite."""
        value = self.diagnostics.get(name)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

    def series_of(self, prefix: str) -> list[str]:
        """Names such as "grad/generator" under a prefix."""
        return sorted(n for n in self.history if n.startswith(prefix + "/"))

    @property
    def step(self) -> int:
        """The newest step that anything is known of."""
        return max((points[-1][0] for points in self.history.values() if points), default=0)

    @property
    def progress(self) -> float:
        """How far the run is, from 0 to 1; 1 where its length is not known."""
        steps = int(self.training.get("steps") or 0)
        return min(1.0, self.step / steps) if steps else 1.0

    @property
    def learning_rate(self) -> float | None:
        """The peak rate: the setting, else the largest seen."""
        seen = self.values("lr")
        return self.training.get("learning_rate") or (max(seen) if seen else None)


def monitor(function: Callable[[Evidence], HealthLine]) -> Callable[[Evidence], HealthLine]:
    """Registers a monitor under its function's name."""
    MONITORS[function.__name__] = function
    return function


def early(name: str) -> HealthLine:
    """What a monitor says before it can say anything."""
    return HealthLine(name, "ok", "too early to say")


def slower(evidence: Evidence, factor: float = 3.0) -> Remedy | None:
    """The remedy that lowers the learning rate of the run that goes on."""
    rate = evidence.learning_rate
    if rate is None:
        return None
    return Remedy(f"Learn {factor:g} times slower", training={"learning_rate": rate / factor}, live=True)


def longer(evidence: Evidence) -> dict[str, Any]:
    """Training settings of a run of twice the steps."""
    steps = evidence.training.get("steps")
    return {"steps": 2 * int(steps)} if steps else {}
