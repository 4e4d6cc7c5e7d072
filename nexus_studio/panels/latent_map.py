"""The map of a latent space: dots coloured by class, thumbnails where there is room, the drawn path, the chosen place."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from .. import paint, theme
from ..viewers.points_view import GROUP_COLORS, PointsView, group_color
from .latent_path import MOST, curve, thinned

THUMB_PX, SLACK_PX = 34, 6
STILL_PX = 5
NEAR_PX = 14  # how near the mouse has to be to a place of the path to take hold of it
STEP_PX = 8  # how far an arrow moves a place
ARROWS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)}
STRAY_PX = 5  # how far the places kept of a drag may leave it


class LatentMapView(PointsView):
    """``place_chosen`` (x, y) follows the mouse while it is pressed, and the place of the path that is moved; ``path_drawn``
    tells the (N, 2) places of a path once it is drawn, or one of them is let go or taken away.

    Places of the path are dragged; or Page Down and Page Up choose one, arrows move it, finely with Shift, Delete takes it
    away, Escape leaves it."""

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
        self._held, self._under = -1, -1  # the places of the path that is chosen and that is under the mouse
        self._grip: np.ndarray | None = None  # from the mouse to the place it drags
        self._moved = False
        self.pressed.connect(self._press)
        self.dragged.connect(self._drag_to)
        self.released.connect(lambda *_: self._release())
        self.hovered.connect(self._look_under)

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
        self._path = np.asarray(places, np.float64)
        if len(self._path) > MOST:
            self._path = thinned(self._path, self._unit() * STRAY_PX)
        self._moved, self._grip = False, None
        self._show_path(-1)

    def _show_path(self, held: int) -> None:
        self._line, self._held, self._under = curve(self._path), held, -1
        x, y = self._path[held] if held >= 0 else (0.0, 0.0)
        told = self.tr("Place {0} of {1} of the path, at {2}, {3}").format(held + 1, len(self._path), f"{x:.2f}", f"{y:.2f}")
        self.setAccessibleDescription(told if held >= 0 else "")
        self.update()

    def _near(self, x: float, y: float) -> int:
        """The place of the path that is nearest to a point of the map, and near enough to be meant; -1 for none."""
        away = np.linalg.norm(self._path - (x, y), axis=1) / self._unit()
        return int(away.argmin()) if len(away) and away.min() <= theme.px(NEAR_PX) else -1

    def _unit(self) -> float:
        """The width of a pixel on the map."""
        left, right, _, _ = self.seen()
        return (right - left) / self.plane().width()

    # ------------------------------------------------------------------------------------------- drawing

    def _press(self, x: float, y: float) -> None:
        held = self._near(x, y)
        self._choose(held)
        if held >= 0:
            self._grip = self._path[held] - (x, y)
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            return
        self._drawn = [(x, y)]
        self.set_place(x, y)
        self.place_chosen.emit(x, y)

    def _drag_to(self, x: float, y: float) -> None:
        if self._grip is not None:
            left, right, bottom, top = self.seen()
            self._move(np.clip(self._grip + (x, y), (left, bottom), (right, top)))
        elif self._drawn:
            self._drawn.append((x, y))
            self.set_place(x, y)
            self.place_chosen.emit(x, y)

    def _release(self) -> None:
        if self._grip is not None:
            self._grip = None
            self.setCursor(Qt.CursorShape.OpenHandCursor)
            self._let_go()
            return
        drawn, self._drawn = self._drawn, []
        if len(drawn) > 2 and self._length_px(drawn) > STILL_PX * 3:
            self.set_path(thinned(np.asarray(drawn), self._unit() * STRAY_PX))
            self.path_drawn.emit(self._path)
        self.update()

    def _look_under(self, x: float, y: float) -> None:
        under = self._near(x, y)
        self.setCursor(Qt.CursorShape.OpenHandCursor) if under >= 0 else self.unsetCursor()
        if under != self._under:
            self._under = under
            self.update()

    # ----------------------------------------------------------------------------------- places of the path

    def _choose(self, held: int) -> None:
        """Chooses a place, -1 for none, and decodes it."""
        self._show_path(held)
        if held >= 0:
            self.set_place(*self._path[held])
            self.place_chosen.emit(*self._path[held])

    def _move(self, to: np.ndarray) -> None:
        """Moves the chosen place; it is told once it is let go."""
        self._path = self._path.copy()
        self._path[self._held] = to
        self._moved = True
        self._choose(self._held)

    def _let_go(self) -> None:
        if self._moved:
            self._moved = False
            self.path_drawn.emit(self._path)

    def _take_away(self) -> None:
        """Takes the chosen place away; one alone is no path."""
        self._path = np.delete(self._path, self._held, axis=0) if len(self._path) > 2 else np.empty((0, 2))
        self._moved = True
        self._choose(min(self._held, len(self._path) - 1))
        self._let_go()

    def keyPressEvent(self, event) -> None:
        key, held = event.key(), self._held
        if key in (Qt.Key.Key_PageDown, Qt.Key.Key_PageUp) and len(self._path):
            down = key == Qt.Key.Key_PageDown
            self._choose(min(len(self._path) - 1, held + 1) if down else max(0, held - 1))
            self._bring_into_view()
        elif held >= 0 and key in ARROWS:
            step = self._unit() * (1 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else STEP_PX)
            self._move(self._path[held] + step * np.array(ARROWS[key]))
            self._bring_into_view()
        elif held >= 0 and key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self._take_away()
        elif held >= 0 and key == Qt.Key.Key_Escape:
            self._choose(-1)
        else:
            super().keyPressEvent(event)

    def _bring_into_view(self) -> None:
        left, right, bottom, top = self.seen()
        x, y = self._path[self._held]
        if not (left <= x <= right and bottom <= y <= top):
            wide, high = (right - left) / 2, (top - bottom) / 2
            self.set_bounds((x - wide, x + wide, y - high, y + high))

    def keyReleaseEvent(self, event) -> None:
        if not event.isAutoRepeat():
            self._let_go()
        super().keyReleaseEvent(event)

    def focusOutEvent(self, event) -> None:
        self._let_go()
        super().focusOutEvent(event)

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
        if len(self._drawn) < 2:
            self._paint_places(painter)
        self._paint_legend(painter)

    def _paint_places(self, painter: QPainter) -> None:
        painter.setPen(QPen(paint.ink("text"), 2))
        for place, (x, y) in enumerate(self._path):
            painter.setBrush(paint.ink("accent" if place == self._held else "bg1"))
            side = 5.5 if place in (self._held, self._under) else 4.0
            painter.drawRect(QRectF(-side, -side, 2 * side, 2 * side).translated(self.to_screen(x, y)))

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
