"""Points in the plane: their density as a raster, single points over it, arrows of a field, paths, labelled axes.

Everything is in data units; the view keeps both axes at one scale. It tells presses and drags in data units too,
so that panels can build on it (decode at a place, draw a path).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from nexus_studio import paint, theme
from nexus_studio.figures import labels, ticks
from nexus_studio.pictures import to_image

from .density import Bounds, bounds_of, raster

AXIS_LEFT, AXIS_BOTTOM = 38, 22
SINGLE_POINTS_UP_TO = 20_000

#: Paul Tol's "bright" and "light" schemes: told apart with every common colour vision.
GROUP_COLORS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbcc33", "#ee8866", "#77aadd", "#ffaabb",
)  # fmt: skip


def group_color(group: int) -> QColor:
    """The colour of the items of a group; negative: of none."""
    return QColor(GROUP_COLORS[group % len(GROUP_COLORS)]) if group >= 0 else paint.ink("text3")


class PointsView(QWidget):
    """A plane of points, overlay, field and paths. ``pressed``, ``dragged``, ``released`` and ``hovered`` tell (x, y)."""

    hovered = Signal(float, float)
    pressed = Signal(float, float)
    dragged = Signal(float, float)
    released = Signal(float, float)
    view_changed = Signal()

    def __init__(
        self, parent: QWidget | None = None, *, axes: bool = True, hint: str = "", names: tuple[str, str] = ("x₁", "x₂")
    ):
        super().__init__(parent)
        self.hint, self.names, self.axes = hint, names, axes
        self.drag_pans = True
        self.overlays: list[Callable[[QPainter, PointsView], None]] = []
        self._points = self._over = np.empty((0, 2), np.float32)
        self._groups: np.ndarray | None = None
        self._field: tuple[np.ndarray, Bounds] | None = None
        self._paths: list[tuple[np.ndarray, QColor]] = []
        self._bounds: Bounds = (-3.0, 3.0, -3.0, 3.0)
        self._fixed = False
        self._raster, self._raster_key = QImage(), None
        self._drag: QPointF | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Points"))
        self.setMinimumSize(64, 64)

    # ------------------------------------------------------------------------------------------- contents

    def set_points(self, points: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Points (N, D), the first two coordinates drawn: as a density, or as coloured dots where ``groups`` (N,) are given."""
        self._points = np.ascontiguousarray(np.asarray(points, dtype=np.float32)[:, :2])
        self._groups, self._raster_key = groups, None
        if not self._fixed:
            self._bounds = bounds_of(self._points)
        self.update()

    def set_overlay(self, points: np.ndarray) -> None:
        """Single points (N, D) drawn over the density in the second colour."""
        self._over = np.asarray(points, dtype=np.float32)[:, :2]
        self.update()

    def set_field(self, field: np.ndarray | None, bounds: Bounds | None = None) -> None:
        """Arrows (n, n, 2), row = y from low to high, over ``bounds`` (default: what is seen); None takes them away."""
        self._field = None if field is None else (np.asarray(field, dtype=np.float32), bounds or self._bounds)
        self.update()

    def set_paths(self, paths: list[np.ndarray], colors: list[QColor] | None = None) -> None:
        """Lines (T, 2) through the plane, each with a dot at its end."""
        colors = colors or [paint.ink("accent", 0.7)] * len(paths)
        self._paths = list(zip(paths, colors))
        self.update()

    def set_bounds(self, bounds: Bounds | None) -> None:
        """Look at left, right, bottom, top; None follows the points again."""
        self._fixed = bounds is not None
        self._bounds = bounds or bounds_of(self._points)
        self._raster_key = None
        self.update()
        self.view_changed.emit()

    def bounds(self) -> Bounds:
        return self._bounds

    # ------------------------------------------------------------------------------------------- geometry

    def plane(self) -> QRectF:
        """The square of the widget that shows ``bounds``."""
        left, bottom = (theme.px(AXIS_LEFT), theme.px(AXIS_BOTTOM)) if self.axes else (0, 0)
        return QRectF(left, 4 if self.axes else 0, max(8, self.width() - left - 4), max(8, self.height() - bottom - 4))

    def seen(self) -> Bounds:
        """The data bounds of the whole plane: ``bounds`` widened so that both axes have one scale."""
        plane = self.plane()
        left, right, bottom, top = self._bounds
        unit = max((right - left) / plane.width(), (top - bottom) / plane.height())
        x, y = (left + right) / 2, (bottom + top) / 2
        half_x, half_y = unit * plane.width() / 2, unit * plane.height() / 2
        return (x - half_x, x + half_x, y - half_y, y + half_y)

    def to_screen(self, x: float, y: float) -> QPointF:
        """Data units to widget pixels."""
        plane, (left, right, bottom, top) = self.plane(), self.seen()
        return QPointF(
            plane.left() + (x - left) / (right - left) * plane.width(),
            plane.top() + (top - y) / (top - bottom) * plane.height(),
        )

    def to_data(self, point: QPointF) -> tuple[float, float]:
        """Widget pixels to data units."""
        plane, (left, right, bottom, top) = self.plane(), self.seen()
        x = left + (point.x() - plane.left()) / plane.width() * (right - left)
        return x, top - (point.y() - plane.top()) / plane.height() * (top - bottom)

    def sizeHint(self) -> QSize:
        return QSize(320, 320)

    # ------------------------------------------------------------------------------------------- painting

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.fillRect(self.plane(), paint.ink("bg1"))
        if self.axes:
            self._paint_axes(painter)
        painter.setClipRect(self.plane())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not len(self._points) and not self._paths and self._field is None:
            paint.draw_hint(painter, self.plane(), self.hint)
        self._paint_points(painter)
        self._paint_field(painter)
        for path, color in self._paths:
            self._paint_path(painter, path, color)
        self._paint_dots(painter, self._over, paint.ink("accent2"), 2.6)
        for overlay in self.overlays:
            overlay(painter, self)
        painter.setClipping(False)
        if self.hasFocus():
            paint.draw_ring(painter, self.plane(), paint.ink("accent", 0.5), 1, 2)

    def _paint_axes(self, painter: QPainter) -> None:
        left, right, bottom, top = self.seen()
        plane = self.plane()
        painter.setFont(paint.figures(10))
        wide = painter.fontMetrics().horizontalAdvance(self.names[0]) + 8
        high = theme.px(16)
        names = (  # where each axis ends
            QRectF(plane.right() - wide, plane.bottom() + 3, wide, high),
            QRectF(0, plane.top(), plane.left() - 6, high),
        )
        for values, across in (
            (ticks(left, right, plane.width() / 80), True),
            (ticks(bottom, top, plane.height() / 60), False),
        ):
            for value, text in zip(values, labels(values)):
                self._paint_tick(painter, plane, value, text, across, names[0 if across else 1])
        painter.setPen(paint.ink("text2"))
        for name, room in zip(self.names, names):
            painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)

    def _paint_tick(self, painter: QPainter, plane: QRectF, value: float, text: str, across: bool, taken: QRectF) -> None:
        """A line of the grid and its number, which gives way to the name of the axis."""
        at = self.to_screen(value, value)
        painter.setPen(QPen(paint.ink("line"), 1))
        if across:
            painter.drawLine(QPointF(at.x(), plane.top()), QPointF(at.x(), plane.bottom()))
            room = QRectF(at.x() - theme.px(30), plane.bottom() + 3, theme.px(60), theme.px(16))
            align = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop
        else:
            painter.drawLine(QPointF(plane.left(), at.y()), QPointF(plane.right(), at.y()))
            room = QRectF(0, at.y() - theme.px(8), theme.px(AXIS_LEFT) - 6, theme.px(16))
            align = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(paint.ink("text3"))
        if not painter.boundingRect(room, align, text).intersects(taken):
            painter.drawText(room, align, text)

    def _paint_points(self, painter: QPainter) -> None:
        if not len(self._points):
            return
        if self._groups is not None and len(self._points) <= SINGLE_POINTS_UP_TO:
            for group in np.unique(self._groups):
                self._paint_dots(painter, self._points[self._groups == group], group_color(int(group)), 2.4)
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(self.plane(), self._density())

    def _density(self) -> QImage:
        plane, cell = self.plane(), self._cell_px()
        key = (self.seen(), plane.width(), plane.height(), id(self._points), cell, theme.current())
        if key != self._raster_key:
            width, height = max(1, int(plane.width() / cell)), max(1, int(plane.height() / cell))
            on_dark = theme.current() == "dark"
            self._raster = to_image(raster(self._points, self.seen(), width, height, on_dark=on_dark))
            self._raster_key = key
        return self._raster

    def _cell_px(self) -> float:
        """Fewer points on more room get coarser cells, so that a thousand are as visible as a million."""
        plane = self.plane()
        room_each = plane.width() * plane.height() / max(1, len(self._points))
        return min(6.0, max(1.5, math.sqrt(room_each) / 5))

    def _paint_dots(self, painter: QPainter, points: np.ndarray, color: QColor, radius: float) -> None:
        if not len(points):
            return
        painter.setPen(QPen(color, radius * 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawPoints(self._polygon(points))

    def _paint_path(self, painter: QPainter, path: np.ndarray, color: QColor) -> None:
        painter.setPen(QPen(color, 1.4))
        painter.drawPolyline(self._polygon(path))
        self._paint_dots(painter, path[-1:], color, 2.4)

    def _paint_field(self, painter: QPainter) -> None:
        if self._field is None:
            return
        field, (left, right, bottom, top) = self._field
        n = field.shape[0]
        painter.setPen(QPen(paint.ink("text2", 0.85), 1.1))
        cell = abs(self.to_screen(right, 0).x() - self.to_screen(left, 0).x()) / max(1, n)
        longest = float(np.quantile(np.linalg.norm(field, axis=-1), 0.95)) or 1.0
        xs, ys = np.linspace(left, right, n), np.linspace(bottom, top, n)
        for row, column in np.ndindex(n, n):
            tail = self.to_screen(xs[column], ys[row])
            dx, dy = field[row, column] / longest * cell * 0.8
            if math.isfinite(dx) and math.isfinite(dy):
                paint.draw_arrow(painter, tail, tail + QPointF(float(dx), -float(dy)))

    def _polygon(self, points: np.ndarray) -> QPolygonF:
        plane, (left, right, bottom, top) = self.plane(), self.seen()
        finite = points[np.isfinite(points).all(axis=1)]
        x = plane.left() + (finite[:, 0] - left) * (plane.width() / (right - left))
        y = plane.top() + (top - finite[:, 1]) * (plane.height() / (top - bottom))
        return QPolygonF([QPointF(a, b) for a, b in zip(x.tolist(), y.tolist())])

    # --------------------------------------------------------------------------------------------- events

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def wheelEvent(self, event) -> None:
        factor = 1 / 1.2 if event.angleDelta().y() > 0 else 1.2
        x, y = self.to_data(event.position())
        self._zoom_about(x, y, factor)

    def _zoom_about(self, x: float, y: float, factor: float) -> None:
        left, right, bottom, top = self.seen()
        self.set_bounds((x + (left - x) * factor, x + (right - x) * factor, y + (bottom - y) * factor, y + (top - y) * factor))

    def mousePressEvent(self, event) -> None:
        self._drag = event.position()
        self.pressed.emit(*self.to_data(event.position()))

    def mouseReleaseEvent(self, event) -> None:
        self._drag = None
        self.released.emit(*self.to_data(event.position()))

    def mouseDoubleClickEvent(self, event) -> None:
        self.set_bounds(None)

    def mouseMoveEvent(self, event) -> None:
        if self._drag is None:
            self.hovered.emit(*self.to_data(event.position()))
            return
        if self.drag_pans:
            self._pan(event.position() - self._drag)
            self._drag = event.position()
        self.dragged.emit(*self.to_data(event.position()))

    def _pan(self, by: QPointF) -> None:
        left, right, bottom, top = self.seen()
        plane = self.plane()
        dx, dy = by.x() / plane.width() * (right - left), by.y() / plane.height() * (top - bottom)
        self.set_bounds((left - dx, right - dx, bottom + dy, top + dy))

    def keyPressEvent(self, event) -> None:
        moves = {Qt.Key.Key_Left: (40, 0), Qt.Key.Key_Right: (-40, 0), Qt.Key.Key_Up: (0, 40), Qt.Key.Key_Down: (0, -40)}
        left, right, bottom, top = self._bounds
        if event.key() in moves:
            self._pan(QPointF(*moves[event.key()]))
        elif event.key() in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            factor = 1.2 if event.key() == Qt.Key.Key_Minus else 1 / 1.2
            self._zoom_about((left + right) / 2, (bottom + top) / 2, factor)
        elif event.key() == Qt.Key.Key_0:
            self.set_bounds(None)
        else:
            super().keyPressEvent(event)
