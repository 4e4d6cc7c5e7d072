"""Grids: samples that were made over values of one or two settings, and the place of each in its grid."""

from __future__ import annotations

from typing import Any

import msgspec


class GridAxis(msgspec.Struct, frozen=True):
    """A setting and the values that it takes along one side. ``path`` is dotted; "seed" and "condition.<kind>" too."""

    path: str
    title: str
    values: tuple[Any, ...]

    def named(self) -> list[str]:
        """Each value after the name of the setting."""
        return [f"{self.title} {text}" for text in self.labels()]

    def labels(self) -> list[str]:
        """The values as text."""
        return [f"{v:g}" if isinstance(v, float) else str(v) for v in self.values]


class GridCell(msgspec.Struct, frozen=True):
    """That a sample is a cell of a grid: which, the axes of the whole, and its own place. ``down`` None: there is one row."""

    id: str
    across: GridAxis
    down: GridAxis | None = None
    row: int = 0
    column: int = 0

    @property
    def rows(self) -> int:
        return len(self.down.values) if self.down else 1

    @property
    def columns(self) -> int:
        return len(self.across.values)

    @property
    def place(self) -> int:
        """Which cell it is, counted row by row from 0."""
        return self.row * self.columns + self.column

    @property
    def axes(self) -> tuple[GridAxis, ...]:
        return (self.across, self.down) if self.down else (self.across,)

    @property
    def over(self) -> str:
        """What the grid lies over: "Steps × Seed"."""
        return " × ".join(axis.title for axis in self.axes)

    @property
    def words(self) -> str:
        """The values of this cell: "Steps 5, Seed 1"."""
        places = zip(self.axes, (self.column, self.row), strict=False)
        return ", ".join(axis.named()[at] for axis, at in places)


def named(title: str, cell: GridCell | None) -> str:
    """The title of a sample; of a cell, whose title is that of its grid, with its values."""
    return f"{title} · {cell.words}" if cell else title
