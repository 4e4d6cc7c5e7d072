"""Rows of frames over the steps of something: hover scrubs, a click locks, arrows step.

The strip has one time axis for all its rows. When there are more steps than room, frames are thinned evenly, but
hovering and the arrows still reach every step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPen
from PySide6.QtWidgets import QWidget

from nexus_studio import paint, theme
from nexus_studio.pictures import to_image

GAP = 5
LABEL_PX = 18
SMALLEST_FRAME_PX = 44

Frames = np.ndarray | Sequence[QImage]


class FilmStrip(QWidget):
    """``scrubbed`` tells the step to show now (hovered, or else the locked one); ``locked`` tells a step chosen by click
    or key; ``row_chosen`` the row that was clicked; ``activated`` (row, step) a double click or Enter."""

    scrubbed = Signal(int)
    locked = Signal(int)
    row_chosen = Signal(int)
    activated = Signal(int, int)

    def __init__(self, parent: QWidget | None = None, *, frame_px: int = 64, hint: str = ""):
        super().__init__(parent)
        self.hint = hint
        self._frame_px = frame_px
        self._labels: list[str] = []
        self._rows: list[list[QImage | np.ndarray]] = []
        self._images: dict[tuple[int, int], QImage] = {}
        self._locked, self._hover, self._row = 0, -1, 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Film strip"))

    # ------------------------------------------------------------------------------------------- contents

    def set_rows(self, rows: Sequence[tuple[str, Frames]], row: int = -1) -> None:
        """Show labelled rows, each uint8 (T, H, W, C) or images; ``row`` is the chosen one. The locked step, and the chosen
        row where none is given, stay where they can."""
        self._labels = [label for label, _ in rows]
        self._rows = [list(frames) for _, frames in rows]
        self._images.clear()
        self._locked = min(self._locked, max(0, self.steps() - 1))
        self._row = min(row if row >= 0 else self._row, max(0, len(self._rows) - 1))
        self._hover = -1
        self.updateGeometry()
        self.update()

    def steps(self) -> int:
        """Steps on the time axis: those of the longest row."""
        return max((len(row) for row in self._rows), default=0)

    def step(self) -> int:
        """The step to show now."""
        return self._hover if self._hover >= 0 else self._locked

    def locked_step(self) -> int:
        return self._locked

    def lock(self, step: int) -> None:
        """Hold a step (clipped to the strip)."""
        if not self.steps():
            return
        before = self.step()
        self._hover = -1
        self._locked = min(self.steps() - 1, max(0, step))
        self.update()
        self.locked.emit(self._locked)
        if self._locked != before:
            self.scrubbed.emit(self._locked)

    def row(self) -> int:
        """The chosen row."""
        return self._row

    # --------------------------------------------------------------------------------------------- layout

    def sizeHint(self) -> QSize:
        rows = max(1, len(self._rows))
        return QSize(480, rows * (self._frame_px + GAP) + GAP)

    def minimumSizeHint(self) -> QSize:
        return QSize(160, max(1, len(self._rows)) * (SMALLEST_FRAME_PX + GAP) + GAP)

    def frame_side(self) -> float:
        """Side of a frame now, in pixels: as high as the rows allow, and no wider than every step side by side needs."""
        rows = max(1, len(self._rows))
        high = (self.height() - GAP * (rows + 1)) / rows
        shown = self.shown_steps_at(high)
        return max(8.0, min(high, (self._room() - GAP * (shown - 1)) / shown))

    def shown_steps_at(self, side: float) -> int:
        """How many frames fit beside one another at a side, at most every step."""
        steps = max(1, self.steps())
        evenly = (self._room() - GAP * (steps - 1)) / steps
        if evenly >= SMALLEST_FRAME_PX:
            return steps
        return max(1, min(steps, int((self._room() + GAP) // (min(side, self._frame_px) + GAP))))

    def shown_steps(self) -> list[int]:
        """The steps that have a frame on the strip, first and last always among them."""
        steps = self.steps()
        shown = self.shown_steps_at(self.frame_side())
        return [round(i * (steps - 1) / max(1, shown - 1)) for i in range(shown)] if steps else []

    def frame_rect(self, row: int, place: int) -> QRectF:
        """Where the ``place``-th shown frame of a row lies."""
        side, shown = self.frame_side(), max(1, len(self.shown_steps()))
        pitch = (self._room() - side) / (shown - 1) if shown > 1 else 0
        pitch = min(pitch, side + GAP)
        return QRectF(self._left() + place * pitch, GAP + row * (side + GAP), side, side)

    def step_at(self, x: float) -> int:
        """The step under a horizontal position, or -1 left or right of the frames."""
        shown = self.shown_steps()
        if not shown:
            return -1
        first, last = self.frame_rect(0, 0), self.frame_rect(0, len(shown) - 1)
        if not first.left() <= x <= last.right():
            return -1
        share = (x - first.left()) / max(1.0, last.right() - first.left())
        return min(self.steps() - 1, int(share * self.steps()))

    def _left(self) -> int:
        return theme.px(LABEL_PX) if any(self._labels) else 0

    def _room(self) -> float:
        return max(8.0, self.width() - self._left() - 2.0)

    # ------------------------------------------------------------------------------------------- painting

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        if not self.steps():
            paint.draw_hint(painter, QRectF(self.rect()), self.hint)
            return
        shown = self.shown_steps()
        for row, frames in enumerate(self._rows):
            self._paint_label(painter, row)
            for place, step in enumerate(shown):
                if step < len(frames):
                    paint.draw_rounded(painter, self._image(row, step), self.frame_rect(row, place), 4)
        self._paint_marker(painter, shown)

    def _paint_label(self, painter: QPainter, row: int) -> None:
        room = self.frame_rect(row, 0)
        painter.setFont(paint.figures(11))
        painter.setPen(paint.ink("text" if row == self._row and len(self._rows) > 1 else "text2"))
        place = QRectF(0, room.top(), theme.px(LABEL_PX) - 4, room.height())
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._labels[row][:2])

    def _paint_marker(self, painter: QPainter, shown: list[int]) -> None:
        near, held = (int((step + 0.5) / self.steps() * len(shown)) for step in (self.step(), self._locked))
        for row in range(len(self._rows)):
            if near != held:
                paint.draw_ring(painter, self.frame_rect(row, held).adjusted(-2, -2, 2, 2), paint.ink("accent", 0.5))
            color = paint.ink("accent") if self._hover < 0 else paint.ink("text")
            paint.draw_ring(painter, self.frame_rect(row, near).adjusted(-2, -2, 2, 2), color)
        if len(shown) < self.steps():
            self._paint_position(painter, shown)

    def _paint_position(self, painter: QPainter, shown: list[int]) -> None:
        """A line at the exact step where frames are thinned."""
        first, last = self.frame_rect(0, 0), self.frame_rect(0, len(shown) - 1)
        x = first.left() + (self.step() + 0.5) / self.steps() * (last.right() - first.left())
        painter.setPen(QPen(paint.ink("text", 0.6), 1))
        painter.drawLine(int(x), 0, int(x), int(self.frame_rect(len(self._rows) - 1, 0).bottom()) + GAP)

    def _image(self, row: int, step: int) -> QImage:
        if (row, step) not in self._images:
            frame = self._rows[row][step]
            self._images[row, step] = frame if isinstance(frame, QImage) else to_image(frame)
        return self._images[row, step]

    # --------------------------------------------------------------------------------------------- events

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def mouseMoveEvent(self, event) -> None:
        self._set_hover(self.step_at(event.position().x()))

    def leaveEvent(self, event) -> None:
        self._set_hover(-1)

    def _set_hover(self, step: int) -> None:
        if step == self._hover:
            return
        before = self.step()
        self._hover = step
        self.update()
        if self.step() != before:
            self.scrubbed.emit(self.step())

    def mousePressEvent(self, event) -> None:
        step = self.step_at(event.position().x())
        if step < 0:
            return
        self._choose_row(int((event.position().y() - GAP) // (self.frame_side() + GAP)))
        self.lock(step)

    def mouseDoubleClickEvent(self, event) -> None:
        if self.step_at(event.position().x()) >= 0:
            self.activated.emit(self._row, self._locked)

    def _choose_row(self, row: int) -> None:
        row = min(len(self._rows) - 1, max(0, row))
        if row != self._row:
            self._row = row
            self.row_chosen.emit(row)

    def keyPressEvent(self, event) -> None:
        key = event.key()
        moves = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_PageUp: -10, Qt.Key.Key_PageDown: 10,
                 Qt.Key.Key_Home: -self.steps(), Qt.Key.Key_End: self.steps()}  # fmt: skip
        if key in moves:
            self.lock(self._locked + moves[key])
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and len(self._rows) > 1:
            self._choose_row(self._row + (1 if key == Qt.Key.Key_Down else -1))
            self.update()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.activated.emit(self._row, self._locked)
        else:
            super().keyPressEvent(event)
