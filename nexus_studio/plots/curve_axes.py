"""The pyqtgraph half of ``curves``: axes, lines and marks. Import this only after the first paint (0.6 s)."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPen

from nexus_studio import figures, paint, theme

RAW_ALPHA = 0.36
WORDS_FROM_PX = 110  # a plot less tall than this has no words along its axes
MARK_PX = 220  # the words of a mark are wrapped where they would be wider


class RoundAxis(pg.AxisItem):
    """An axis with round numbers in few characters, on a linear or a logarithmic scale."""

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        about = min(9.0, size / (90 if self.orientation == "bottom" else 45))
        if not self.logMode:
            values = figures.ticks(low, high, about)
            return [(values[1] - values[0] if len(values) > 1 else 1.0, values)]
        return [(1.0, _log_ticks(low, high, about))]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if self.logMode:
            return figures.log_labels([10.0**value for value in values])
        return figures.labels(values)


def _log_ticks(low: float, high: float, about: float) -> list[float]:
    """Round values between 10^low and 10^high, as logarithms: 1-2-5 in a few decades, decades in many."""
    if high - low < 0.9:
        return [math.log10(v) for v in figures.ticks(10.0**low, 10.0**high, about) if v > 0]
    factors = (1, 2, 5) if (high - low) * 3 <= about * 1.5 else (1,)
    every = max(1, round((high - low) / max(about, 1.0)))
    decades = range(math.floor(low), math.ceil(high) + 1)
    found = [d + math.log10(f) for d in decades if d % every == 0 for f in factors]
    return [value for value in found if low <= value <= high]


class CurveAxes(pg.PlotWidget):
    """Lines over steps. Values come in data units; on a logarithmic scale those that are not positive are left out."""

    pointed = Signal(object)  # the x under the cursor, or None

    def __init__(self) -> None:
        axes = {side: RoundAxis(orientation=side) for side in ("left", "bottom")}
        super().__init__(axisItems=axes, enableMenu=False)
        self._lines: dict[str, tuple[pg.PlotCurveItem, pg.PlotCurveItem]] = {}
        self._marks: list[pg.InfiniteLine] = []
        self._log = False
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self.hideButtons()
        self.setAntialiasing(True)
        self.plotItem.addItem(self._cursor, ignoreBounds=True)
        self._cursor.hide()
        box = self.plotItem.getViewBox()
        box.setDefaultPadding(0.02)
        for moved in (box.sigRangeChanged, box.sigResized):
            moved.connect(self._place_marks)
        self.scene().sigMouseMoved.connect(self._point)
        self.retheme()

    def retheme(self) -> None:
        """Take the colours and fonts of the theme in force."""
        self.setBackground(paint.ink("bg0"))
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(None))
            axis.setTickPen(pg.mkPen(paint.ink("line")))
            axis.setTextPen(paint.ink("text3"))
            axis.enableAutoSIPrefix(False)
            axis.setTickFont(paint.figures(10))
            axis.setStyle(tickLength=0, maxTickLevel=0, tickTextOffset=6)
        self.getAxis("left").setGrid(160)
        self.getAxis("left").setWidth(theme.px(46))
        self._cursor.setPen(pg.mkPen(paint.ink("text3"), width=1))

    def set_labels(self, x: str, y: str) -> None:
        """Words along the axes."""
        style = {"color": paint.ink("text3").name(), "font-size": f"{paint.words(11).pixelSize()}px"}
        self.setLabel("bottom", x, **style)
        self.setLabel("left", y, **style)
        self._spare_words()

    def set_log(self, log: bool) -> None:
        """A logarithmic or a linear value axis; lines must be set again."""
        if log != self._log:
            self._log = log
            self.getAxis("left").setLogMode(False, log)
            self.getAxis("left").logMode = log
            self.fit()

    def set_line(self, key: str, color: QColor, line: tuple, raw: tuple | None, dashed: bool = False) -> None:
        """The line ``(x, y)`` of a key, with the raw values faint behind it."""
        if key not in self._lines:
            self._lines[key] = (pg.PlotCurveItem(), pg.PlotCurveItem())
            for item, depth in zip(self._lines[key], (-10, 10)):
                item.setZValue(depth)
                self.addItem(item)
        behind, front = self._lines[key]
        behind.setData(*(self._placed(*raw) if raw is not None else ([], [])), connect="finite")
        front.setData(*self._placed(*line), connect="finite")
        faint = QColor(color)
        faint.setAlphaF(RAW_ALPHA)
        behind.setPen(pg.mkPen(faint, width=1))
        front.setPen(pg.mkPen(color, width=2, style=Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine))

    def keep_lines(self, keys: set[str]) -> None:
        """Take away every line whose key is not among ``keys``."""
        for key in [k for k in self._lines if k not in keys]:
            for item in self._lines.pop(key):
                self.removeItem(item)

    def set_marks(self, marks: list[tuple[float, str]]) -> None:
        """Dashed lines with text inside the plot, one under the other where they are close."""
        for mark in self._marks:
            self.removeItem(mark)
        self._marks = [self._mark(x, text) for x, text in marks]
        self._spare_words()

    def _mark(self, x: float, text: str) -> pg.InfiniteLine:
        color = paint.ink("warn")
        pen = QPen(color, 1.2, Qt.PenStyle.DashLine)
        pen.setCosmetic(True)
        options = {"color": color, "movable": False}
        line = pg.InfiniteLine(pos=x, angle=90, pen=pen, label=text.replace("{", "{{").replace("}", "}}"), labelOpts=options)
        line.label.setFont(paint.words(11))
        self.plotItem.addItem(line, ignoreBounds=True)
        return line

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        if hasattr(self, "_marks"):  # pyqtgraph resizes as it is made
            self._spare_words()

    def _spare_words(self) -> None:
        """In a low plot the curves take the room of the words along the axes and at the marks."""
        tall = self.height() >= theme.px(WORDS_FROM_PX)
        for side in ("left", "bottom"):
            self.getAxis(side).showLabel(tall)
        self._place_marks()

    def _place_marks(self, *_: object) -> None:
        """The words of each mark stand on the side of its line where they have room, below those they would cover; a low plot
        has none of them."""
        box, tall = self.getViewBox(), self.height() >= theme.px(WORDS_FROM_PX)
        wide, high = box.width(), box.height()
        taken: list[QRectF] = []
        for mark in self._marks:
            x, words = box.mapFromView(QPointF(mark.value(), 0)).x(), mark.label.textItem
            mark.label.setVisible(tall and 0 <= x <= wide)
            if not mark.label.isVisible() or high <= 0:
                continue
            words.setTextWidth(-1)
            natural, before = words.boundingRect().width(), x > wide - x
            before = before and natural > wide - x
            words.setTextWidth(min(natural, theme.px(MARK_PX), x if before else wide - x))
            size = words.boundingRect().size()
            place = QRectF(QPointF(x - size.width() if before else x, 0), size)
            for other in taken:
                if place.intersects(other):
                    place.moveTop(other.bottom())
            if place.bottom() > high:  # more than there is height for begin at the top again
                place.moveTop(0)
            taken.append(place)
            mark.label.anchors = [(float(before), 0)] * 2
            mark.label.setPosition(1 - place.top() / high)

    def fit(self) -> None:
        """Show everything, and follow what comes."""
        self.enableAutoRange()

    def _placed(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not self._log:
            return x, y
        with np.errstate(invalid="ignore", divide="ignore"):
            return x, np.where(y > 0, np.log10(np.where(y > 0, y, 1.0)), np.nan)

    def _point(self, place: QPointF) -> None:
        box = self.getViewBox()
        if not box.sceneBoundingRect().contains(place):
            self.leaveEvent(None)
            return
        x = box.mapSceneToView(place).x()
        self._cursor.setPos(x)
        self._cursor.show()
        self.pointed.emit(x)

    def leaveEvent(self, event) -> None:
        self._cursor.hide()
        self.pointed.emit(None)
        if event is not None:
            super().leaveEvent(event)

    def mouseDoubleClickEvent(self, event) -> None:
        self.fit()
