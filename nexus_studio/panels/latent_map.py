"""The map of a latent space: dots coloured by class, thumbnails where there is room, the drawn path, the chosen place."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from .. import paint
from ..viewers.points_view import GROUP_COLORS, PointsView, group_color
from .latent_path import MOST, curve, thinned

THUMB_PX, SLACK_PX = 34, 6
STILL_PX = 5
STRAY_PX = 3  # how far the places kept of a drag may leave it


class LatentMapView(PointsView):
    """``place_chosen`` (x, y) follows the mouse while it is pressed; ``path_drawn`` tells the (N, 2) places of a path."""

    place_chosen = Signal(float, float)
    path_drawn = Signal(object)

    def __init__(self) -> None:
        super().__init__(names=("PC 1", "PC 2"), hint="")
        self.drag_pans = False
        self.setAccessibleName(self.tr("Latent map"))
        self.overlays.append(self._paint_over)
        self.show_thumbs = True
        self._thumbs: list[QImage] = []
        self._legend: list[tuple[QColor, str]] = []
        self._places = np.empty((0, 2), np.float32)
        self._chosen: tuple[float, float] | None = None
        self._drawn: list[tuple[float, float]] = []  # the drag that is under way
        self._path = self._line = np.empty((0, 2))
        self.pressed.connect(self._press)
        self.dragged.connect(self._drag_to)
        self.released.connect(lambda *_: self._release())

    def set_map(self, places: np.ndarray, groups: np.ndarray | None, thumbs: list[QImage], names: Sequence[str] = ()) -> None:
        """Shows items at ``places`` (N, 2), coloured by ``groups`` (N,) whose ``names`` stand in a legend, with small
        pictures where they are given."""
        self._places, self._thumbs = places, thumbs
        found = [] if groups is None else [int(group) for group in np.unique(groups) if 0 <= group < len(names)]
        self._legend = [(group_color(group), names[group]) for group in found]
        self._chosen = None
        self.set_path(np.empty((0, 2)))
        self.set_points(places, groups)
        self.set_bounds(None)

    def set_place(self, x: float, y: float) -> None:
        """Marks the place that is decoded."""
        self._chosen = (x, y)
        self.update()

    def path(self) -> np.ndarray:
        """The places (N, 2) of the path."""
        return self._path

    def set_path(self, places: np.ndarray) -> None:
        """Draws a path through places (N, 2); of more than ``MOST`` those that its line needs."""
        self._path = np.asarray(places)
        if len(self._path) > MOST:
            self._path = thinned(self._path, self._unit() * STRAY_PX)
        self._line = curve(self._path)
        self.update()

    def _unit(self) -> float:
        """The width of a pixel on the map."""
        left, right, _, _ = self.seen()
        return (right - left) / self.plane().width()

    # ------------------------------------------------------------------------------------------- drawing

    def _press(self, x: float, y: float) -> None:
        self._drawn = [(x, y)]
        self.set_place(x, y)
        self.place_chosen.emit(x, y)

    def _drag_to(self, x: float, y: float) -> None:
        if self._drawn:
            self._drawn.append((x, y))
            self.set_place(x, y)
            self.place_chosen.emit(x, y)

    def _release(self) -> None:
        drawn, self._drawn = self._drawn, []
        if len(drawn) > 2 and self._length_px(drawn) > STILL_PX * 3:
            self.set_path(thinned(np.asarray(drawn), self._unit() * STRAY_PX))
            self.path_drawn.emit(self._path)
        self.update()

    def _length_px(self, drawn: list[tuple[float, float]]) -> float:
        points = [self.to_screen(x, y) for x, y in drawn]
        return sum((b - a).manhattanLength() for a, b in itertools.pairwise(points))

    def _paint_over(self, painter: QPainter, _view: PointsView) -> None:
        if self.show_thumbs:
            self._paint_thumbs(painter)
        line = np.asarray(self._drawn) if len(self._drawn) > 1 else self._line
        if len(line) > 1:
            painter.setPen(QPen(paint.ink("text"), 2.4))
            painter.drawPolyline(self._polygon(line))
        if self._chosen is not None:
            at = self.to_screen(*self._chosen)
            painter.setPen(QPen(QColor("#0e1014"), 1.5))
            painter.setBrush(QColor("#ffffff"))
            painter.drawEllipse(at, 6.5, 6.5)
        self._paint_legend(painter)

    def _paint_legend(self, painter: QPainter) -> None:
        """The names of the groups beside their colours, top left: as many as there are colours and room, then how many more."""
        painter.setFont(paint.words(11))
        words, line = painter.fontMetrics(), painter.fontMetrics().height() + 3
        room = max(1, int((self.plane().height() - 24) // line))
        room = min(room, len(GROUP_COLORS) + 1)
        shown = self._legend if len(self._legend) < room else self._legend[: room - 1]
        left = len(self._legend) - len(shown)
        more = [(paint.ink("text3"), self.tr("{0} more").format(left))] if left else []
        rows = [(color, words.elidedText(name, Qt.TextElideMode.ElideRight, 140)) for color, name in [*shown, *more]]
        if not rows:
            return
        wide = max(words.horizontalAdvance(name) for _, name in rows) + 30
        box = QRectF(self.plane().left() + 8, self.plane().top() + 8, wide, line * len(rows) + 10)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(paint.ink("bg0", 0.82))
        painter.drawRoundedRect(box, 6, 6)
        for place, (color, name) in enumerate(rows):
            top = box.top() + 5 + place * line
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            painter.drawEllipse(QPointF(box.left() + 11, top + line / 2), 3.5, 3.5)
            painter.setPen(paint.ink("text2"))
            painter.drawText(QRectF(box.left() + 20, top, wide, line), Qt.AlignmentFlag.AlignVCenter, name)

    def _paint_thumbs(self, painter: QPainter) -> None:
        """One picture a cell of the screen: the item nearest to the cell's middle, where one is near enough to overlap none."""
        if not self._thumbs:
            return
        plane, (left, right, bottom, top) = self.plane(), self.seen()
        x = plane.left() + (self._places[:, 0] - left) / (right - left) * plane.width()
        y = plane.top() + (top - self._places[:, 1]) / (top - bottom) * plane.height()
        for item in one_a_cell(np.stack([x, y], axis=1), THUMB_PX + 2 * SLACK_PX, SLACK_PX):
            box = QRectF(x[item] - THUMB_PX / 2, y[item] - THUMB_PX / 2, THUMB_PX, THUMB_PX)
            if plane.intersects(box):
                paint.draw_rounded(painter, self._thumbs[item], box, 4)


def one_a_cell(places: np.ndarray, cell_px: float, slack_px: float) -> list[int]:
    """Of places (N, 2) the one nearest to the middle of each square cell, where it lies within ``slack_px`` of it both ways."""
    cells = np.floor(places / cell_px)
    off = np.abs(places - (cells + 0.5) * cell_px).max(axis=1)
    best: dict[tuple[float, float], int] = {}
    for item in np.argsort(off, kind="stable"):
        if off[item] > slack_px:
            break
        best.setdefault(tuple(cells[item]), int(item))
    return list(best.values())
