"""A heat map painted at once: a matrix through viridis or magma, labelled sides, a scale, hover readout."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QWidget

from nexus_studio import figures, paint
from nexus_studio.pictures import color_map, mapped, to_image

LEFT, BOTTOM, SCALE = 44, 20, 62


class HeatMap(QWidget):
    """A matrix (rows, columns), first row on top. ``pointed`` tells row, column and value; (-1, -1, 0) outside."""

    pointed = Signal(int, int, float)

    def __init__(
        self, parent: QWidget | None = None, *, colors: str = "viridis", x_label: str = "", y_label: str = "", hint: str = ""
    ):
        super().__init__(parent)
        self.colors, self.x_label, self.y_label, self.hint = colors, x_label, y_label, hint
        self._values, self._image = np.empty((0, 0)), QImage()
        self._limits = (0.0, 1.0)
        self._cell = (-1, -1)
        self._x_range: tuple[float, float] | None = None
        self._y_range: tuple[float, float] | None = None
        self.setMouseTracking(True)
        self.setAccessibleName(y_label or self.tr("Heat map"))
        self.setMinimumSize(120, 80)

    def set_values(
        self,
        values: np.ndarray,
        low: float | None = None,
        high: float | None = None,
        x_range: tuple[float, float] | None = None,
        y_range: tuple[float, float] | None = None,
    ) -> None:
        """Show a matrix; limits default to its finite range, ranges label the sides."""
        self._values = np.asarray(values, dtype=np.float64)
        finite = self._values[np.isfinite(self._values)]
        self._limits = (
            float(finite.min()) if low is None and finite.size else low or 0.0,
            float(finite.max()) if high is None and finite.size else high or 1.0,
        )
        self._x_range, self._y_range = x_range, y_range
        self._image = to_image(mapped(self._values, self.colors, *self._limits)) if self._values.size else QImage()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(360, 200)

    def _room(self) -> QRectF:
        return QRectF(LEFT, 6, max(8, self.width() - LEFT - SCALE), max(8, self.height() - BOTTOM - 8))

    def cell_at(self, point: QPointF) -> tuple[int, int]:
        """Row and column under a widget point, or (-1, -1)."""
        room = self._room()
        if not self._values.size or not room.contains(point):
            return -1, -1
        rows, columns = self._values.shape
        row = int((point.y() - room.top()) / room.height() * rows)
        return min(rows - 1, row), min(columns - 1, int((point.x() - room.left()) / room.width() * columns))

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        if self._image.isNull():
            paint.draw_hint(painter, QRectF(self.rect()), self.hint)
            return
        room = self._room()
        painter.drawImage(room, self._image)
        self._paint_scale(painter, room)
        self._paint_sides(painter, room)

    def _paint_scale(self, painter: QPainter, room: QRectF) -> None:
        bar = QRectF(room.right() + 8, room.top(), 8, room.height())
        painter.drawImage(bar, to_image(np.ascontiguousarray(color_map(self.colors)[::-1, None])))
        painter.setFont(paint.figures(10))
        painter.setPen(paint.ink("text3"))
        words = QRectF(bar.right() + 4, bar.top() - 2, SCALE - 20, bar.height() + 4)
        painter.drawText(words, Qt.AlignmentFlag.AlignTop, figures.short(self._limits[1]))
        painter.drawText(words, Qt.AlignmentFlag.AlignBottom, figures.short(self._limits[0]))

    def _paint_sides(self, painter: QPainter, room: QRectF) -> None:
        painter.setPen(paint.ink("text3"))
        below = QRectF(room.left(), room.bottom() + 3, room.width(), BOTTOM - 4)
        left = QRectF(0, room.top(), LEFT - 6, room.height())
        if self._x_range:
            painter.drawText(below, Qt.AlignmentFlag.AlignLeft, figures.short(self._x_range[0]))
            painter.drawText(below, Qt.AlignmentFlag.AlignRight, figures.short(self._x_range[1]))
        if self._y_range:
            painter.drawText(left, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, figures.short(self._y_range[0]))
            painter.drawText(left, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, figures.short(self._y_range[1]))
        painter.drawText(left, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self.y_label)
        row, column = self._cell
        reading = self.x_label if row < 0 else figures.short(float(self._values[row, column]))
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, reading)

    def mouseMoveEvent(self, event) -> None:
        self._set_cell(self.cell_at(event.position()))

    def leaveEvent(self, event) -> None:
        self._set_cell((-1, -1))

    def _set_cell(self, cell: tuple[int, int]) -> None:
        if cell != self._cell:
            self._cell = cell
            self.update()
            self.pointed.emit(*cell, float(self._values[cell]) if cell[0] >= 0 else 0.0)

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()
