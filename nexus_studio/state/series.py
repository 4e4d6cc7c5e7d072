"""A curve that grows: steps and values in arrays that double when they are full."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


class Series:
    """Steps (n,) float64 and values (n,) float64; appending is O(1), the arrays handed out are views."""

    def __init__(self) -> None:
        import numpy

        self._steps, self._values = numpy.empty(256), numpy.empty(256)
        self._count = 0

    def append(self, step: float, value: float) -> None:
        """Adds a figure; a step told again (a run resumed from an older checkpoint) cuts what came after it."""
        while self._count and self._steps[self._count - 1] >= step:
            self._count -= 1
        if self._count == len(self._steps):
            self._grow()
        self._steps[self._count], self._values[self._count] = step, value
        self._count += 1

    def _grow(self) -> None:
        import numpy

        self._steps = numpy.concatenate([self._steps, numpy.empty_like(self._steps)])
        self._values = numpy.concatenate([self._values, numpy.empty_like(self._values)])

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """(steps, values) so far."""
        return self._steps[: self._count], self._values[: self._count]

    def __len__(self) -> int:
        return self._count

    @property
    def last(self) -> float | None:
        """The newest value."""
        return float(self._values[self._count - 1]) if self._count else None
