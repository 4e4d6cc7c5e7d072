"""One picture: fitted or zoomed pixel by pixel, panned, probed, and compared with another by a sliding edge."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPen
from PySide6.QtWidgets import QWidget

from nexus_studio import paint, theme
from nexus_studio.fitting import one_line, tip
from nexus_studio.pictures import to_image

ZOOM_STEP = 1.25
ZOOM_LIMITS = (0.05, 64.0)


class ImageView(QWidget):
    """Shows a picture. Wheel zooms at the cursor, drag pans, double click switches between fitted and one to one.

    ``zoomed`` tells screen pixels per picture pixel; ``probed`` tells x, y and the pixel's value as text."""

    zoomed = Signal(float)
    probed = Signal(int, int, str)

    def __init__(self, parent: QWidget | None = None, hint: str = "", exact: bool = False):
        """``exact``: fitted pictures grow by whole factors of screen pixels only, every pixel as hard as it is."""
        super().__init__(parent)
        self.hint, self.caption, self._exact = hint, "", exact
        self._image, self._second = QImage(), QImage()
        self._zoom, self._offset = 0.0, QPointF()
        self._drag: QPointF | None = None
        self._split = 0.5
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Picture"))
        self.setMinimumSize(48, 48)

    def set_picture(self, picture: np.ndarray | QImage | None, caption: str = "") -> None:
        """Show a uint8 (H, W, C) array or an image; None empties the view. The zoom stays where sizes agree."""
        image = _as_image(picture)
        if image.size() != self._image.size():
            self._zoom, self._offset = 0.0, QPointF()
        self._image, self.caption = image, caption
        self.setToolTip(tip(caption))
        self.update()

    def set_comparison(self, picture: np.ndarray | QImage | None) -> None:
        """A second picture, seen right of an edge that follows the mouse; None ends the comparison."""
        self._second = _as_image(picture)
        self.update()

    def image(self) -> QImage:
        return self._image

    def zoom(self) -> float:
        """Screen pixels per picture pixel."""
        return self._zoom or self._fit_zoom()

    def fit(self) -> None:
        """Show the whole picture."""
        self._zoom, self._offset = 0.0, QPointF()
        self.update()
        self.zoomed.emit(self.zoom())

    def set_zoom(self, zoom: float, at: QPointF | None = None) -> None:
        """Zoom so that the picture point under ``at`` (widget pixels; default the middle) stays; whole factors above 2."""
        at = at or QPointF(self.rect().center())
        before = self.to_picture(at)
        zoom = min(ZOOM_LIMITS[1], max(ZOOM_LIMITS[0], zoom))
        self._zoom = float(round(zoom)) if zoom > 2 else zoom
        after = self._target().topLeft() + before * self._zoom
        self._offset += at - after
        self.update()
        self.zoomed.emit(self._zoom)

    def to_picture(self, point: QPointF) -> QPointF:
        """Widget pixels to picture pixels."""
        return (point - self._target().topLeft()) / self.zoom()

    def sizeHint(self) -> QSize:
        return QSize(256, 256)

    # ------------------------------------------------------------------------------------------- painting

    def _fit_zoom(self) -> float:
        if self._image.isNull():
            return 1.0
        room = self._room()
        zoom = max(1e-3, min(room.width() / self._image.width(), room.height() / self._image.height()))
        ratio = self.devicePixelRatioF()
        return math.floor(zoom * ratio) / ratio if self._exact and zoom * ratio >= 1 else zoom

    def _room(self) -> QRectF:
        return QRectF(self.rect()).adjusted(0, 0, 0, -theme.px(20) if self.caption else 0)

    def _target(self) -> QRectF:
        zoom = self.zoom()
        width, height = self._image.width() * zoom, self._image.height() * zoom
        middle = self._room().center() + self._offset
        left, top = middle.x() - width / 2, middle.y() - height / 2
        return QRectF(round(left), round(top), width, height) if self._exact else QRectF(left, top, width, height)

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        if self._image.isNull():
            paint.draw_hint(painter, QRectF(self.rect()), self.hint)
            return
        target = self._target()
        painter.setClipRect(self._room())
        if self._zoom or self._exact:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.zoom() < 1)
            painter.drawImage(target, self._image)
        else:
            paint.draw_rounded(painter, self._image, target, 8)
        if not self._second.isNull():
            self._paint_second(painter, target)
        painter.setClipping(False)
        self._paint_caption(painter)
        if self.hasFocus():
            paint.draw_ring(painter, target.intersected(self._room()), paint.ink("accent", 0.6), 1.5, 8)

    def _paint_second(self, painter: QPainter, target: QRectF) -> None:
        edge = target.left() + target.width() * self._split
        painter.save()
        painter.setClipRect(QRectF(edge, target.top(), target.right() - edge, target.height()).intersected(self._room()))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, target.width() < self._second.width())
        painter.drawImage(target, self._second)
        painter.restore()
        painter.setPen(QPen(paint.ink("text"), 1.5))
        painter.drawLine(QPointF(edge, target.top()), QPointF(edge, target.bottom()))

    def _paint_caption(self, painter: QPainter) -> None:
        if self.caption:
            painter.setFont(paint.figures(11))
            painter.setPen(paint.ink("text2"))
            target = self._target()
            high = theme.px(18)
            top = min(max(target.bottom(), 0.0) + 2, self.height() - float(high))
            left = max(0.0, target.left())
            place = QRectF(left, top, self.width() - left, high)
            text = painter.fontMetrics().elidedText(one_line(self.caption), Qt.TextElideMode.ElideRight, int(place.width()))
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

    # --------------------------------------------------------------------------------------------- events

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def wheelEvent(self, event) -> None:
        if not self._image.isNull():
            up = event.angleDelta().y() > 0
            self.set_zoom(self._next_zoom(up), event.position())

    def _next_zoom(self, up: bool) -> float:
        zoom = self.zoom()
        if zoom < 2 or (zoom <= 2 and not up):
            return zoom * ZOOM_STEP if up else zoom / ZOOM_STEP
        return max(zoom + 1, zoom * ZOOM_STEP) if up else min(zoom - 1, zoom / ZOOM_STEP)

    def mousePressEvent(self, event) -> None:
        self._drag = event.position()

    def mouseReleaseEvent(self, event) -> None:
        self._drag = None

    def mouseDoubleClickEvent(self, event) -> None:
        self.fit() if self._zoom else self.set_zoom(1.0 if self._fit_zoom() != 1.0 else 4.0, event.position())

    def mouseMoveEvent(self, event) -> None:
        if self._drag is not None and self._zoom:
            self._offset += event.position() - self._drag
            self._drag = event.position()
            self.update()
        elif not self._second.isNull():
            target = self._target()
            self._split = min(1.0, max(0.0, (event.position().x() - target.left()) / max(1.0, target.width())))
            self.update()
        self._probe(event.position())

    def _probe(self, point: QPointF) -> None:
        at = self.to_picture(point)
        x, y = int(at.x()), int(at.y())
        if not self._image.isNull() and self._image.valid(x, y) and at.x() >= 0 and at.y() >= 0:
            color = self._image.pixelColor(x, y)
            value = f"{color.red()}" if self._image.isGrayscale() else f"{color.red()} {color.green()} {color.blue()}"
            self.probed.emit(x, y, value)

    def keyPressEvent(self, event) -> None:
        key = event.key()
        if key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.set_zoom(self._next_zoom(True))
        elif key == Qt.Key.Key_Minus:
            self.set_zoom(self._next_zoom(False))
        elif key == Qt.Key.Key_0:
            self.fit()
        elif key == Qt.Key.Key_1:
            self.set_zoom(1.0)
        else:
            super().keyPressEvent(event)


def _as_image(picture: np.ndarray | QImage | None) -> QImage:
    if picture is None:
        return QImage()
    return picture if isinstance(picture, QImage) else to_image(picture)
