"""Small drawings for cards and lists: a spark line, and curves with a cursor, painted without any plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from nexus_studio import figures, paint, theme

from .smoothing import thinned

WORDS_APART = 14


class Spark(QWidget):
    """A line without axes, for a card."""

    def __init__(self, parent: QWidget | None = None, *, color: int = 0):
        super().__init__(parent)
        self.color = color
        self._values = np.empty(0)
        self.setFixedHeight(24)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def set_values(self, values: np.ndarray) -> None:
        """The figures, oldest first."""
        self._values = np.asarray(values, dtype=np.float64)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(80, 24)

    def paintEvent(self, event) -> None:
        values = self._values[np.isfinite(self._values)]
        if len(values) < 2 or self.width() < 24:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = QRectF(self.rect()).adjusted(1, 2, -1, -2)
        x, y = thinned(np.arange(len(values), dtype=np.float64), values, max(8, self.width() // 2))
        painter.setPen(QPen(theme.series_color(self.color), 1.4))
        painter.drawPolyline(_polygon(x, y, room, (0.0, float(len(values) - 1)), _limits(y)))

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()


class Line(NamedTuple):
    """A curve of SmallCurves. ``log``: drawn on a logarithmic scale (its values are told as they are). Lines
    of one ``scale`` that is named have the vertical range of all of them."""

    name: str
    x: np.ndarray
    y: np.ndarray
    color: QColor
    log: bool = False
    scale: str = ""

    def drawn(self) -> np.ndarray:
        """The values on the scale on which they are drawn."""
        return np.log10(np.maximum(self.y, 1e-3)) if self.log else self.y


class SmallCurves(QWidget):
    """A few short curves over one axis with a vertical cursor: hover scrubs, a click places it. Each line, or scale
    of lines, has its own vertical range. The words above tell each curve's value at the cursor; ``ends`` name both ends of the
    axis."""

    pointed = Signal(float)
    placed = Signal(float)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.ends = ("", "")
        self._lines: list[Line] = []
        self._cursor: float | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(120, 72)
        self.setAccessibleName(self.tr("Curves"))

    def set_lines(self, lines: Sequence[Line]) -> None:
        """The curves, and their names in the words above."""
        self._lines = [line._replace(x=np.asarray(line.x, np.float64), y=np.asarray(line.y, np.float64)) for line in lines]
        self.update()

    def set_cursor(self, x: float | None) -> None:
        """Where the vertical line stands, in x units."""
        self._cursor = x
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, 120)

    def _room(self) -> QRectF:
        return QRectF(self.rect()).adjusted(10, theme.px(26), -10, -theme.px(20) if any(self.ends) else -8)

    def _span(self) -> tuple[float, float]:
        everything = [line.x for line in self._lines if len(line.x)]
        if not everything:
            return 0.0, 1.0
        low, high = min(float(x.min()) for x in everything), max(float(x.max()) for x in everything)
        return low, high if high > low else low + 1.0

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room, span = self._room(), self._span()
        if not self._lines:
            return
        painter.setPen(paint.ink("line"))
        for share in (0.25, 0.5, 0.75):
            y = round(room.top() + room.height() * share)
            painter.drawLine(QPointF(room.left(), y), QPointF(room.right(), y))
        for line in self._lines:
            y = line.drawn()
            painter.setPen(QPen(line.color, 1.8))
            painter.drawPolyline(_polygon(line.x, y, room, span, self.limits(line)))
        self._paint_words(painter)
        self._paint_cursor(painter, room, span)

    def limits(self, line: Line) -> tuple[float, float]:
        """The lowest and the highest value that a line is drawn between."""
        alike = [one for one in self._lines if one is line or (line.scale and one.scale == line.scale)]
        return _limits(np.concatenate([one.drawn() for one in alike]))

    def _paint_words(self, painter: QPainter) -> None:
        painter.setFont(self.words_font())
        left = 10.0
        for line in self._lines:
            text = self._told(line)
            painter.setPen(line.color)
            painter.drawText(QPointF(left, theme.px(18)), text)
            left += painter.fontMetrics().horizontalAdvance(text) + WORDS_APART

    def words_font(self) -> QFont:
        """Smaller where the words above would not fit in the width."""
        fonts = [paint.figures(size) for size in (11, 10, 9, 8, 7)]
        return next((font for font in fonts if self.words_width(font) <= self.width() - 20), fonts[-1])

    def words_width(self, font: QFont) -> int:
        """How wide the words above are in a font."""
        metrics = QFontMetrics(font)
        words = [metrics.horizontalAdvance(self._told(line)) for line in self._lines]
        return sum(words) + WORDS_APART * max(0, len(words) - 1)

    def _told(self, line: Line) -> str:
        """The name of a curve and its value at the cursor."""
        if self._cursor is None or not len(line.x):
            return line.name
        return f"{line.name} {figures.short(float(np.interp(self._cursor, line.x, line.y)))}"

    def _paint_cursor(self, painter: QPainter, room: QRectF, span: tuple[float, float]) -> None:
        painter.setFont(paint.figures(10))
        painter.setPen(paint.ink("text3"))
        below = QRectF(room.left(), room.bottom() + 3, room.width(), theme.px(16))
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, self.ends[0])
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, self.ends[1])
        if self._cursor is None:
            return
        x = room.left() + (self._cursor - span[0]) / (span[1] - span[0]) * room.width()
        painter.setPen(QPen(paint.ink("text", 0.75), 1))
        painter.drawLine(QPointF(x, room.top()), QPointF(x, room.bottom()))

    def _x_at(self, place: float) -> float:
        room, (low, high) = self._room(), self._span()
        return low + min(1.0, max(0.0, (place - room.left()) / room.width())) * (high - low)

    def mouseMoveEvent(self, event) -> None:
        if self._lines:
            self.pointed.emit(self._x_at(event.position().x()))

    def mousePressEvent(self, event) -> None:
        if self._lines:
            self.placed.emit(self._x_at(event.position().x()))

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()


def _limits(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _polygon(x: np.ndarray, y: np.ndarray, room: QRectF, span: tuple[float, float], limits: tuple[float, float]) -> QPolygonF:
    good = np.isfinite(x) & np.isfinite(y)
    across = room.left() + (x[good] - span[0]) / (span[1] - span[0]) * room.width()
    up = room.bottom() - (y[good] - limits[0]) / (limits[1] - limits[0]) * room.height()
    return QPolygonF([QPointF(a, b) for a, b in zip(across.tolist(), up.tolist())])
