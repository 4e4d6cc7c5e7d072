"""Curves over steps: lines with the raw figures faint behind, marks, legend chips, a log axis and smoothing.

Setting data is possible at once. The drawing library is loaded after the widget has first been painted, so that the
first paint never waits for it; until then the frame stands empty.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from functools import cache

import numpy as np
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import QObject, QRectF, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QPushButton, QSizePolicy, QSlider, QStackedLayout, QVBoxLayout, QWidget

from nexus_studio import figures, paint, pieces, theme
from nexus_studio.layouts import Strip

from .smoothing import evenly, smoothed, thinned

#: A figure on the screen is at most this old while a run trains; a repaint takes 5 to 10 ms.
REDRAW_MS = 200
SOON_MS = 10
SLICE_S = 0.005
DEFAULT_SMOOTHING = 0.9
#: The weight counts for this many figures; with more or fewer the window stays the same share of the curve.
FULL_LENGTH = 1000


@dataclass
class Curve:
    """One series as the caller gave it. ``color`` is a position in the theme's series list."""

    title: str
    steps: np.ndarray
    values: np.ndarray
    color: int
    raw: bool = True
    dashed: bool = False
    smooth: bool = True
    shown: bool = True


class _Loading(QObject):
    """Imports the drawing half once for the whole program, between events, and tells everybody who waits.

    All on the GUI thread: PySide makes its classes when they are first asked for, and two threads that make some at the
    same time crash the process. pyqtgraph asks for every one, half of its time, so they are asked for in slices first.
    """

    ready = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.axes: type | None = None
        self._names = [(module, name) for module in (QtCore, QtGui, QtWidgets) for name in dir(module)]
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._step)

    def begin(self) -> None:
        if self.axes is None:
            self._timer.start(0)

    def _step(self) -> None:
        until = time.monotonic() + SLICE_S
        while self._names and time.monotonic() < until:
            getattr(*self._names.pop(), None)
        if not self._names and time.monotonic() < until:
            self._timer.stop()
            self.axes = importlib.import_module("nexus_studio.plots.curve_axes").CurveAxes
            self.ready.emit()


@cache
def loading() -> _Loading:
    """The one loader; made on first use, when the application stands."""
    return _Loading()


class Curves(QWidget):
    """A plot with its header. Curves are drawn again at most five times a second, however often they are set."""

    pointed = Signal(object)  # step under the cursor, or None
    toggled = Signal(str, bool)

    def __init__(
        self,
        title: str = "",
        *,
        x_label: str = "step",
        y_label: str = "",
        log: bool = True,
        smoothing: float = DEFAULT_SMOOTHING,
        hint: str = "",
        header: bool = True,
        least: int = 48,
        parent: QWidget | None = None,
    ):
        super().__init__(parent)
        self.x_label, self.y_label, self.hint = x_label, y_label, hint
        self.axes = None
        self._curves: dict[str, Curve] = {}
        self._marks: list[tuple[float, str]] = []
        self._log, self._smoothing = log, smoothing
        self._chips: dict[str, QPushButton] = {}
        self._build_header(title, header)
        self._drawn_at = 0.0
        self._redraw = QTimer(self, singleShot=True)
        self._redraw.timeout.connect(self.draw)
        self._frame = _Frame(self, least)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._frame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addLayout(self._stack, 1)
        self.setAccessibleName(title or self.tr("Curves"))
        theme.signals.changed.connect(self._retheme)

    def _build_header(self, title: str, visible: bool) -> None:
        self.strip = Strip()
        self.header = pieces.Header(title, self.strip)
        self.log_chip = pieces.chip_button(self.tr("log y"), self._log)
        self.log_chip.toggled.connect(self.set_log)
        self.smooth_text = pieces.label("", "mono")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 99)
        self.slider.setValue(round(self._smoothing * 100))
        self.slider.setFixedWidth(56)
        self.slider.setAccessibleName(self.tr("Smoothing"))
        self.slider.setToolTip(self.tr("How strongly the line is smoothed; the raw figures stay faint behind it"))
        self.slider.valueChanged.connect(lambda value: self.set_smoothing(value / 100))
        for widget in (self.log_chip, self.smooth_text, self.slider):
            self.header.corner.addWidget(widget)
        self.header.setVisible(visible)
        self._tell_smoothing()

    # ------------------------------------------------------------------------------------------- contents

    def set_curve(
        self,
        key: str,
        steps: np.ndarray,
        values: np.ndarray,
        title: str = "",
        *,
        color: int | None = None,
        raw: bool = True,
        dashed: bool = False,
        smooth: bool = True,
    ) -> None:
        """Set or replace one curve; ``steps`` ascending. ``raw``: draw unsmoothed figures faintly behind."""
        known = self._curves.get(key)
        position = color if color is not None else known.color if known else len(self._curves)
        shown = known.shown if known else True
        self._curves[key] = Curve(title or key, steps, values, position, raw, dashed, smooth, shown)
        if known is None or known.title != (title or key) or known.color != position:
            self._rebuild_chips()
        self._soon()

    def keep_only(self, keys: list[str]) -> None:
        """Take every other curve away."""
        gone = [key for key in self._curves if key not in keys]
        for key in gone:
            del self._curves[key]
        if gone:
            self._rebuild_chips()
            self._soon()

    def clear(self) -> None:
        """No curve and no mark."""
        self.keep_only([])
        self.set_marks([])

    def names(self) -> list[str]:
        """The keys of all curves."""
        return list(self._curves)

    def set_marks(self, marks: list[tuple[float, str]]) -> None:
        """Dated changes: (step, text), drawn as dashed lines."""
        if list(marks) != self._marks:
            self._marks = list(marks)
            if self.axes is not None:
                self.axes.set_marks(self._marks)

    def marks(self) -> list[tuple[float, str]]:
        return list(self._marks)

    def set_shown(self, key: str, shown: bool) -> None:
        """Show or hide a curve, as its chip does."""
        if key in self._curves and self._curves[key].shown != shown:
            self._curves[key].shown = shown
            self._chips[key].setChecked(shown)
            self.toggled.emit(key, shown)
            self._soon()

    def set_log(self, log: bool) -> None:
        """A logarithmic or a linear value axis."""
        if log != self._log:
            self._log = log
            self._show_log()
            self._soon()

    def log(self) -> bool:
        """Whether the axis is logarithmic now: asked for, and no shown curve negative anywhere or zero everywhere."""
        return self._log and self._may_be_log()

    def _may_be_log(self) -> bool:
        shown = [c for c in self._curves.values() if c.shown and len(c.values)]
        return all(bool((c.values > 0).any()) and not bool((c.values < 0).any()) for c in shown)

    def _show_log(self) -> bool:
        """The chip is lit while the axis is logarithmic, and free where it can be; whether it is. The wish is kept."""
        may = self._may_be_log()
        with QSignalBlocker(self.log_chip):
            self.log_chip.setChecked(self._log and may)
        why = self.tr("A logarithmic axis has no place for values below 0, nor for a curve that is 0 everywhere")
        pieces.allow(self.log_chip, may, why)
        return self._log and may

    def set_smoothing(self, weight: float) -> None:
        """The weight of the moving average, 0 to 0.99."""
        self._smoothing = min(0.99, max(0.0, weight))
        self.slider.setValue(round(self._smoothing * 100))
        self._tell_smoothing()
        self._soon()

    def smoothing(self) -> float:
        return self._smoothing

    def _tell_smoothing(self) -> None:
        self.smooth_text.setText(self.tr("smooth {0}").format(f"{self._smoothing:.2f}"))

    # -------------------------------------------------------------------------------------------- drawing

    def line(self, key: str, points: int = 800) -> tuple[np.ndarray, np.ndarray]:
        """The smoothed and thinned line of a curve, as it is drawn."""
        curve = self._curves[key]
        if not curve.smooth or not self._smoothing:
            return thinned(curve.steps, curve.values, points)
        weight = self._smoothing ** (FULL_LENGTH / max(1, len(curve.values)))
        return evenly(curve.steps, smoothed(curve.values, min(weight, 0.99999)), points)

    def draw(self) -> None:
        """Bring the picture up to date now."""
        if self.axes is None or not self.isVisible():
            return
        self._drawn_at = time.monotonic()
        width = max(200, self.axes.width())
        self.axes.set_log(self._show_log())
        self.axes.keep_lines({key for key, curve in self._curves.items() if curve.shown})
        for key, curve in self._curves.items():
            if curve.shown:
                raw = thinned(curve.steps, curve.values, width // 2) if curve.raw and curve.smooth and self._smoothing else None
                self.axes.set_line(key, theme.series_color(curve.color), self.line(key, width // 2), raw, curve.dashed)
        self._choose_page()

    def _soon(self) -> None:
        """Draw after the events at hand, but no sooner than ``REDRAW_MS`` after the last time."""
        if not self._redraw.isActive():
            passed_ms = (time.monotonic() - self._drawn_at) * 1000
            self._redraw.start(max(SOON_MS, round(REDRAW_MS - passed_ms)))

    def _choose_page(self) -> None:
        filled = any(len(curve.steps) for curve in self._curves.values())
        self._stack.setCurrentWidget(self.axes if self.axes is not None and filled else self._frame)
        self._frame.update()

    def show_axes(self) -> None:
        """Make the drawing half, once it is loaded."""
        if self.axes is not None or loading().axes is None:
            return
        self.axes = loading().axes()
        self.axes.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored
        )  # as large as there is room, asking none
        self.axes.set_labels(self.x_label, self.y_label)
        self.axes.set_marks(self._marks)
        self.axes.pointed.connect(self._point)
        self._stack.addWidget(self.axes)
        self.draw()

    def load(self) -> None:
        """Begin loading the drawing half; called by the first paint."""
        if loading().axes is not None:
            QTimer.singleShot(0, self, self.show_axes)
            return
        loading().ready.connect(self.show_axes)
        loading().begin()

    def fit(self) -> None:
        """Show everything again."""
        if self.axes is not None:
            self.axes.fit()

    def is_drawn(self) -> bool:
        """Whether the drawing half stands."""
        return self.axes is not None

    def _point(self, step: float | None) -> None:
        self.header.set_hint("" if step is None else self.reading(step))
        self.pointed.emit(step)

    def reading(self, step: float) -> str:
        """The figures at the nearest known step, as a line of text."""
        texts = [f"{self.x_label} {max(0, round(step)):,}"]
        for key, curve in self._curves.items():
            if curve.shown and len(curve.steps):
                steps, values = self.line(key)
                texts.append(f"{curve.title} {figures.short(float(values[np.abs(steps - step).argmin()]))}")
        return " · ".join(texts)

    # ----------------------------------------------------------------------------------- chips and events

    def _rebuild_chips(self) -> None:
        self.strip.clear()
        self._chips = {key: self._chip(key, curve) for key, curve in self._curves.items()}
        for chip in self._chips.values():
            self.strip.add(chip)
        self.header.rescale()

    def _chip(self, key: str, curve: Curve) -> QPushButton:
        chip = pieces.chip_button(curve.title, curve.shown)
        chip.setIcon(_swatch(theme.series_color(curve.color), curve.dashed))
        chip.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        chip.setToolTip(self.tr("Show or hide “{0}”").format(curve.title))
        chip.toggled.connect(lambda shown, key=key: self.set_shown(key, shown))
        return chip

    def _retheme(self) -> None:
        """Take the colours and the text size in force."""
        self._rebuild_chips()
        if self.axes is not None:
            self.axes.retheme()
            self.axes.set_labels(self.x_label, self.y_label)
            self.axes.set_marks(self._marks)
        self._soon()

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._soon()

    def sizeHint(self) -> QSize:
        return QSize(480, 260)


class _Frame(QWidget):
    """What stands before there is anything to draw: quiet lines and the hint. Its first paint starts the loading."""

    def __init__(self, owner: Curves, least: int):
        super().__init__()
        self._owner, self._painted = owner, False
        self.setMinimumHeight(least)

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setPen(paint.ink("line"))
        for share in (0.2, 0.4, 0.6, 0.8):
            y = int(self.height() * share)
            painter.drawLine(12, y, self.width() - 12, y)
        if self._owner.hint and not any(len(c.steps) for c in self._owner._curves.values()):
            paint.draw_hint(painter, QRectF(self.rect()), self._owner.hint)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self._owner, self._owner.load)


def _swatch(color: QColor, dashed: bool) -> QIcon:
    picture = QPixmap(24, 24)
    picture.setDevicePixelRatio(2)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.fillRect(QRectF(0, 5, 12, 2) if not dashed else QRectF(0, 5, 5, 2), color)
    if dashed:
        painter.fillRect(QRectF(7, 5, 5, 2), color)
    painter.end()
    return QIcon(picture)
