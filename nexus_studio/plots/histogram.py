"""A histogram painted at once: bars of counts or of given heights, axis labels, hover readout."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QWidget

from nexus_studio import figures, paint, theme

LEFT, BOTTOM = 40, 20


class Histogram(QWidget):
    """Bars over [low, high]. ``pointed`` tells the bar under the cursor, -1 none."""

    pointed = Signal(int)

    def __init__(self, parent: QWidget | None = None, *, x_label: str = "", y_label: str = "", color: int = 0, hint: str = ""):
        super().__init__(parent)
        self.x_label, self.y_label, self.color, self.hint = x_label, y_label, color, hint
        self._heights, self._range, self._names = np.empty(0), (0.0, 1.0), []
        self._bar = -1
        self.setMouseTracking(True)
        self.setAccessibleName(y_label or self.tr("Histogram"))
        self.setMinimumSize(80, 60)

    def set_values(self, values: np.ndarray, bins: int = 32) -> None:
        """Count values (n,) into bins."""
        finite = np.asarray(values, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        counts, edges = np.histogram(finite, bins=bins) if len(finite) else (np.empty(0), np.array([0.0, 1.0]))
        self.set_bars(counts.astype(np.float64), float(edges[0]), float(edges[-1]))

    def set_bars(self, heights: np.ndarray, low: float = 0.0, high: float = 1.0, names: list[str] | None = None) -> None:
        """Bars of given heights over [low, high]; NaN is a gap. ``names`` label the bars instead of numbers."""
        self._heights, self._range, self._names = np.asarray(heights, dtype=np.float64), (low, high), names or []
        self.update()

    def heights(self) -> np.ndarray:
        return self._heights

    def sizeHint(self) -> QSize:
        return QSize(280, 140)

    def _room(self) -> QRectF:
        return QRectF(
            theme.px(LEFT), 8, max(8, self.width() - theme.px(LEFT) - 8), max(8, self.height() - theme.px(BOTTOM) - 8)
        )

    def _top(self) -> tuple[float, float]:
        finite = self._heights[np.isfinite(self._heights)]
        if not finite.size:
            return 0.0, 1.0
        low, high = min(0.0, float(finite.min())), max(0.0, float(finite.max()))
        return low, high if high > low else low + 1.0

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        if not np.isfinite(self._heights).any():
            paint.draw_hint(painter, QRectF(self.rect()), self.hint)
            return
        room = self._room()
        self._paint_scale(painter, room)
        self._paint_bars(painter, room)
        self._paint_words(painter, room)

    def _paint_scale(self, painter: QPainter, room: QRectF) -> None:
        low, high = self._top()
        painter.setFont(paint.figures(10))
        values = figures.ticks(low, high, min(8.0, room.height() / 36))
        for value, text in zip(values, figures.labels(values)):
            y = room.bottom() - (value - low) / (high - low) * room.height()
            painter.setPen(paint.ink("line"))
            painter.drawLine(int(room.left()), int(y), int(room.right()), int(y))
            painter.setPen(paint.ink("text3"))
            align = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(0, y - theme.px(8), theme.px(LEFT) - 6, theme.px(16)), align, text)

    def _paint_bars(self, painter: QPainter, room: QRectF) -> None:
        low, high = self._top()
        zero = room.bottom() + low / (high - low) * room.height()
        base = theme.series_color(self.color)
        for place, height in enumerate(self._heights):
            if np.isfinite(height):
                reach = height / (high - low) * room.height()
                bar = QRectF(self._bar_left(room, place), zero - reach, self._bar_width(room), reach).normalized()
                painter.fillRect(bar, base.lighter(125) if place == self._bar else QColor(base))

    def _bar_width(self, room: QRectF) -> float:
        pitch = room.width() / len(self._heights)
        return max(1.0, pitch - (2 if pitch > 6 else 0))

    def _bar_left(self, room: QRectF, place: int) -> float:
        return room.left() + place * room.width() / len(self._heights)

    def _paint_words(self, painter: QPainter, room: QRectF) -> None:
        painter.setPen(paint.ink("text3"))
        painter.setFont(paint.figures(10))
        below = QRectF(room.left(), room.bottom() + 3, room.width(), theme.px(BOTTOM) - 4)
        low, high = self._range
        if not self._names:
            painter.drawText(below, Qt.AlignmentFlag.AlignLeft, figures.short(low))
            painter.drawText(below, Qt.AlignmentFlag.AlignRight, figures.short(high))
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, self.reading(self._bar) if self._bar >= 0 else self.x_label)

    def reading(self, bar: int) -> str:
        """A bar in words: its range or name, and its height."""
        height = figures.short(float(self._heights[bar]))
        if self._names:
            return f"{self._names[bar]}: {height}"
        low, high = self._range
        width = (high - low) / len(self._heights)
        return f"{figures.short(low + bar * width)} to {figures.short(low + (bar + 1) * width)}: {height}"

    def mouseMoveEvent(self, event) -> None:
        room, count = self._room(), len(self._heights)
        place = int((event.position().x() - room.left()) / room.width() * count) if count else -1
        self._set_bar(place if 0 <= place < count else -1)

    def leaveEvent(self, event) -> None:
        self._set_bar(-1)

    def _set_bar(self, bar: int) -> None:
        if bar != self._bar:
            self._bar = bar
            self.update()
            self.pointed.emit(bar)

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()
