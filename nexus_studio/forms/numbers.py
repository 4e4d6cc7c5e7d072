"""Numbers as people write them (``number_text``), and their places on a slider."""

from __future__ import annotations

import math

from models_backend.contract.fields import FieldSpec

from ..number_text import listed, parsed, shown

__all__ = ["TICKS", "Scale", "listed", "parsed", "scale_of", "shown"]

TICKS = 1000
DECADES_FROM_ZERO = 9.0


class Scale:
    """A bounded number <-> a slider position from 0 to TICKS. A log scale that begins at zero puts zero at the left end."""

    def __init__(self, low: float, high: float, log: bool, whole: bool, step: float | None = None):
        self.low, self.high, self.log, self.whole, self.step = low, high, log, whole, step
        self._floor = low if low > 0 else high * 10**-DECADES_FROM_ZERO

    def value(self, position: int) -> float | int:
        """The number at a position."""
        share = position / TICKS
        if not self.log:
            return self._neat(self.low + share * (self.high - self.low))
        if self.low <= 0 and position == 0:
            return self._neat(self.low)
        return self._neat(self._floor * (self.high / self._floor) ** share)

    def position(self, value: float) -> int:
        """The position of a number; one outside the bounds stands at the end."""
        value = min(max(value, self.low), self.high)
        if not self.log:
            return round(TICKS * (value - self.low) / (self.high - self.low))
        if value <= self._floor:
            return 0
        return round(TICKS * math.log(value / self._floor) / math.log(self.high / self._floor))

    def _neat(self, value: float) -> float | int:
        """Two digits of what a slider can tell apart; whole numbers whole."""
        if self.step:
            value = self.low + round((value - self.low) / self.step) * self.step
        if self.whole:
            return int(min(max(round(_digits(value, 2) if self.log else value), math.ceil(self.low)), math.floor(self.high)))
        value = _digits(value, 2) if self.log else round(value, max(0, 2 - math.floor(math.log10(self.high - self.low))))
        return min(max(value, self.low), self.high)


def _digits(value: float, count: int) -> float:
    return float(f"{value:.{count}g}")


def scale_of(spec: FieldSpec) -> Scale | None:
    """The slider of a number field, or None where it has no two bounds or far too many values for one."""
    if spec.low is None or spec.high is None or spec.high <= spec.low:
        return None
    if spec.scale != "log" and spec.kind == "int" and spec.high - spec.low > 100_000:
        return None
    return Scale(spec.low, spec.high, spec.scale == "log", spec.kind == "int", spec.step)
