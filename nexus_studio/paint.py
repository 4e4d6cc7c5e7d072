"""Small things that every viewer and plot paints with: theme colours, figure fonts, rounded pictures."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QImage, QPainter, QPainterPath, QPen, QPixmap, QTransform

from nexus_studio import theme

#: A source picture that is at most this wide is magnified pixel by pixel: it is pixel art, not a photograph.
PIXEL_EXACT_BELOW = 96


ink = theme.color


def figures(size_px: float = 11) -> QFont:
    """The monospaced font for figures, at ``size_px`` pixels times the chosen text size."""
    return theme.font("mono", size_px)


def words(size_px: float = 12, bold: bool = False) -> QFont:
    """The text font, at ``size_px`` pixels times the chosen text size."""
    return theme.font("text", size_px, 600 if bold else 400)


def is_magnified_exactly(image: QImage, width: float) -> bool:
    """Whether ``image`` drawn ``width`` pixels wide keeps hard pixel edges."""
    return max(image.width(), image.height()) <= PIXEL_EXACT_BELOW and width > image.width()


def fitted(image: QImage, room: QRectF) -> QRectF:
    """The largest rectangle of the picture's shape, centred in ``room``."""
    if image.isNull() or room.isEmpty():
        return QRectF(room)
    scale = min(room.width() / image.width(), room.height() / image.height())
    width, height = image.width() * scale, image.height() * scale
    return QRectF(room.center().x() - width / 2, room.center().y() - height / 2, width, height)


def draw_rounded(painter: QPainter, image: QImage, room: QRectF, radius: float = 4.0) -> None:
    """Draw ``image`` fitted into ``room`` with round corners; tiny pictures keep their pixels."""
    target = fitted(image, room)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not is_magnified_exactly(image, target.width()))
    brush = QBrush(image)
    scale = target.width() / max(1, image.width())
    brush.setTransform(QTransform(scale, 0, 0, scale, target.x(), target.y()))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(brush)
    painter.drawRoundedRect(target, radius, radius)
    painter.restore()


def rounded_tile(image: QImage, side_px: int, ratio: float, radius: float = 4.0) -> QPixmap:
    """A square tile of ``side_px`` logical pixels holding ``image``, ready to be copied to the screen."""
    tile = QPixmap(max(1, round(side_px * ratio)), max(1, round(side_px * ratio)))
    tile.setDevicePixelRatio(ratio)
    tile.fill(Qt.GlobalColor.transparent)
    painter = QPainter(tile)
    source = image
    if image.width() > side_px * ratio * 1.5:
        wanted = round(side_px * ratio)
        mode = Qt.TransformationMode.SmoothTransformation
        source = image.scaled(wanted, wanted, Qt.AspectRatioMode.KeepAspectRatio, mode)
    draw_rounded(painter, source, QRectF(0, 0, side_px, side_px), radius)
    painter.end()
    return tile


def draw_ring(painter: QPainter, room: QRectF, color: QColor, width: float = 2.0, radius: float = 5.0) -> None:
    """A ring around a picture: selection, focus, the locked frame."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(color, width))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(room.adjusted(width / 2, width / 2, -width / 2, -width / 2), radius, radius)
    painter.restore()


def draw_arrow(painter: QPainter, tail: QPointF, tip: QPointF, head_px: float = 3.5) -> None:
    """A line with a small head, in the painter's pen and brush."""
    along = tip - tail
    length = (along.x() ** 2 + along.y() ** 2) ** 0.5
    if length < 0.5:
        return
    unit = along / length
    side = QPointF(-unit.y(), unit.x())
    base = tip - unit * min(head_px * 1.6, length)
    painter.drawLine(tail, base)
    path = QPainterPath(tip)
    path.lineTo(base + side * head_px * 0.6)
    path.lineTo(base - side * head_px * 0.6)
    path.closeSubpath()
    painter.fillPath(path, painter.pen().color())


def draw_hint(painter: QPainter, room: QRectF, text: str) -> None:
    """A quiet line in the middle of an empty viewer."""
    painter.setPen(ink("text3"))
    painter.setFont(words(13))
    painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, text)
