"""Where the tiles of a grid lie: pure arithmetic, no widget."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect

GAP = 6
CAPTION_PX = 18
GUTTER_PX = 56
#: Long row labels take no more than one part in so many of the view.
GUTTER_SHARE = 5
HEADER_PX = 20
MOST_FITTING_COLUMNS = 64


@dataclass
class TileLayout:
    """Tiles in rows in a view of ``width`` x ``height`` pixels. ``fixed`` columns, or as many as fit at ``tile`` pixels,
    or (``fit``) so many that all ``count`` tiles are seen as large as can be. Room is kept for row labels, column
    labels and captions where there are any. No tile is larger than ``largest``, where that is set."""

    tile: int = 96
    fixed: int = 0
    fit: bool = False
    count: int = 0
    width: int = 100
    height: int = 100
    row_labels: int = 0  # pixels of the longest
    column_labels: int = 0  # lines of text above the first row
    captions: int = 0  # lines of text below each
    largest: int = 0
    scale: float = 1.0  # of the text

    @property
    def gutter(self) -> int:
        return max(round(GUTTER_PX * self.scale), min(self.row_labels, self.width // GUTTER_SHARE)) if self.row_labels else 0

    @property
    def header(self) -> int:
        return round(HEADER_PX * self.scale) * self.column_labels

    @property
    def caption(self) -> int:
        return round(CAPTION_PX * self.scale) * self.captions

    @property
    def columns(self) -> int:
        """Tiles in a row."""
        if self.fixed:
            return self.fixed
        if self.fit and self.count:
            return max(range(1, min(self.count, MOST_FITTING_COLUMNS) + 1), key=self._side_in)
        return max(1, (self._across + GAP) // (self.tile + GAP))

    @property
    def side(self) -> int:
        """Side of a tile."""
        columns = self.columns
        if self.fit and self.count:
            return max(8, self._side_in(columns))
        side = (self._across - GAP * (columns - 1)) // columns
        return max(8, min(side, self.largest) if self.largest else side)

    @property
    def pitch(self) -> int:
        """From one row to the next."""
        return self.side + self.caption + GAP

    @property
    def rows(self) -> int:
        return -(-self.count // self.columns)

    @property
    def total_height(self) -> int:
        """Of everything, seen or not."""
        return self.header + max(0, self.rows * self.pitch - GAP)

    def rect(self, index: int, top: int) -> QRect:
        """Where a tile lies in a view scrolled down by ``top``."""
        row, column = divmod(index, self.columns)
        side = self.side
        return QRect(self.gutter + column * (side + GAP), self.header + row * self.pitch - top, side, side)

    def index_at(self, point: QPoint, top: int) -> int:
        """The tile under a point of the view, or -1."""
        side, columns = self.side, self.columns
        x, y = point.x() - self.gutter, point.y() + top - self.header
        column, row = x // (side + GAP), y // self.pitch
        inside = 0 <= column < columns and x % (side + GAP) < side and row >= 0
        index = row * columns + column
        return index if inside and 0 <= index < self.count else -1

    def seen(self, top: int) -> range:
        """Tiles whose row is at least partly in view."""
        first = max(0, top - self.header) // self.pitch * self.columns
        last = ((top + self.height) // self.pitch + 1) * self.columns
        return range(max(0, first), min(self.count, last))

    @property
    def _across(self) -> int:
        return max(24, self.width - self.gutter)

    def _side_in(self, columns: int) -> int:
        rows = -(-self.count // columns)
        across = (self._across - GAP * (columns - 1)) // columns
        return min(across, (self.height - self.header - GAP * (rows - 1)) // rows - self.caption)
