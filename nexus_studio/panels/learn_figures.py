"""Living figures of a guide: drawn from the user's own runs, or a card that says how to get one.

Each is a plain picture for the page; a click on it goes to where the real thing lives.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPen, QPolygonF

from .. import paint, theme
from ..figures import labels, short, ticks
from ..pictures import to_image

#: kind -> (caption with a run, words without one, the workspace that a click opens)
KINDS = {
    "samples": ("Samples of your run {run}", "Train a model and its samples appear here", "train"),
    "proof": ("What the family's proof made of built-in data", "No proof of this family has been run", "train"),
    "loss": ("Loss of your run {run}", "Train a model and its loss appears here", "train"),
    "levels": ("Loss by noise level of your run {run}", "Train a model and its loss by noise level appears here", "train"),
    "trace": ("A recorded path of your run {run}", "Record a trace in Trajectory and it appears here", "trajectory"),
}
MARGIN = QRectF(52, 14, -16, -40)


@dataclass
class Material:
    """What the figures are drawn from: the title of the run, its curves and pictures; sheets of the family's proofs."""

    run: str = ""
    loss: tuple[np.ndarray, np.ndarray] | None = None
    validation: tuple[np.ndarray, np.ndarray] | None = None
    levels: list[float] = field(default_factory=list)
    samples: list[QImage] = field(default_factory=list)
    trace: list[QImage] = field(default_factory=list)
    proof: list[QImage] = field(default_factory=list)


def draw(kind: str, material: Material, width: int, ratio: float = 1.0) -> QImage:
    """The figure of a kind, ``width`` logical pixels wide."""
    height = {"samples": 150, "trace": 150, "proof": _height(material.proof, width)}.get(kind, 240)
    picture = QImage(round(width * ratio), round(height * ratio), QImage.Format.Format_ARGB32_Premultiplied)
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    room = QRectF(0.5, 0.5, width - 1, height - 1)
    painter.setPen(QPen(paint.ink("line"), 1))
    painter.setBrush(paint.ink("bg1"))
    painter.drawRoundedRect(room, 10, 10)
    caption, missing, _ = KINDS[kind]
    if _DRAWERS[kind](painter, room, material):
        _caption(painter, room, caption.format(run=material.run))
    else:
        paint.draw_hint(painter, room, missing)
    painter.end()
    return picture


def _caption(painter: QPainter, room: QRectF, text: str) -> None:
    painter.setFont(paint.words(11))
    painter.setPen(paint.ink("text2"))
    painter.drawText(room.adjusted(16, 0, -16, -8), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, text)


def _row_of(pictures: list[QImage], painter: QPainter, room: QRectF) -> bool:
    """As many pictures as fit side by side, evenly picked."""
    if not pictures:
        return False
    side, gap = room.height() - 52, 8.0
    fitting = max(1, int((room.width() - 32 + gap) // (side + gap)))
    picked = [pictures[i] for i in np.linspace(0, len(pictures) - 1, min(fitting, len(pictures))).round().astype(int)]
    for place, picture in enumerate(picked):
        paint.draw_rounded(painter, picture, QRectF(room.left() + 16 + place * (side + gap), room.top() + 16, side, side))
    return True


def _samples(painter: QPainter, room: QRectF, material: Material) -> bool:
    return _row_of(material.samples, painter, room)


def _height(sheets: list[QImage], width: int) -> int:
    """Logical pixels that sheets below one another take, with their caption."""
    return 56 + sum(_tall(sheet, width - 32) + 8 for sheet in sheets) if sheets else 64


def _tall(sheet: QImage, width: float) -> int:
    return round(sheet.height() * min(1.0, width / sheet.width()))


def _proof(painter: QPainter, room: QRectF, material: Material) -> bool:
    """Sheets below one another, no larger than they are."""
    top = room.top() + 16
    for sheet in material.proof:
        tall = _tall(sheet, room.width() - 32)
        paint.draw_rounded(painter, sheet, QRectF(room.left() + 16, top, sheet.width() * tall / sheet.height(), tall))
        top += tall + 8
    return bool(material.proof)


def _trace(painter: QPainter, room: QRectF, material: Material) -> bool:
    return _row_of(material.trace, painter, room)


def _loss(painter: QPainter, room: QRectF, material: Material) -> bool:
    curves = [(c, n) for c, n in ((material.loss, "train"), (material.validation, "validation")) if c and _usable(c)]
    if not curves:
        return False
    plot = room.adjusted(MARGIN.x(), MARGIN.y(), MARGIN.width(), MARGIN.height() - 14)
    xs = np.concatenate([c[0] for c, _ in curves])
    logs = np.concatenate([np.log10(c[1][c[1] > 0]) for c, _ in curves])
    x_low, x_high = float(xs.min()), max(float(xs.max()), float(xs.min()) + 1)
    y_low, y_high = np.quantile(logs, 0.002) - 0.05, np.quantile(logs, 0.998) + 0.05
    _axes(painter, plot, (x_low, x_high), (float(y_low), float(y_high)))
    painter.setClipRect(plot)
    for order, (curve, _) in enumerate(curves):
        kept = curve[1] > 0
        x = plot.left() + (curve[0][kept] - x_low) / (x_high - x_low) * plot.width()
        y = plot.bottom() - (np.log10(_smooth(curve[1][kept])) - y_low) / (y_high - y_low) * plot.height()
        painter.setPen(QPen(theme.series_color(order), 1.8))
        painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(x, y)]))
    painter.setClipping(False)
    _legend(painter, plot, [name for _, name in curves])
    return True


def _usable(curve: tuple[np.ndarray, np.ndarray]) -> bool:
    return len(curve[0]) > 1 and bool((curve[1] > 0).sum() > 1)


def _smooth(values: np.ndarray, weight: float = 0.9) -> np.ndarray:
    """Exponential moving average with bias correction, for curves long enough to need it."""
    if len(values) < 60:
        return values
    out, mean = np.empty(len(values)), 0.0
    for i, value in enumerate(values):
        mean = weight * mean + (1 - weight) * value
        out[i] = mean / (1 - weight ** (i + 1))
    return out


def _axes(painter: QPainter, plot: QRectF, x: tuple[float, float], y: tuple[float, float]) -> None:
    painter.setFont(paint.figures(10))
    for value in _decades(*y):
        row = plot.bottom() - (value - y[0]) / (y[1] - y[0]) * plot.height()
        painter.setPen(QPen(paint.ink("line"), 1))
        painter.drawLine(QPointF(plot.left(), row), QPointF(plot.right(), row))
        painter.setPen(paint.ink("text2"))
        place = QRectF(plot.left() - 50, row - 8, 44, 16)
        painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, short(10**value))
    steps = ticks(*x, 5)
    for value, text in zip(steps, labels(steps)):
        column = plot.left() + (value - x[0]) / (x[1] - x[0]) * plot.width()
        painter.drawText(QRectF(column - 40, plot.bottom() + 3, 80, 14), Qt.AlignmentFlag.AlignCenter, text)
    painter.drawText(QRectF(plot.right() - 60, plot.bottom() + 18, 60, 14), Qt.AlignmentFlag.AlignRight, "step")


def _decades(low: float, high: float) -> list[float]:
    """Logarithms of 1, 2 and 5 times the powers of ten within bounds; only the powers where there are many."""
    exact = [(k + np.log10(m), m) for k in range(int(np.floor(low)), int(np.ceil(high)) + 1) for m in (1, 2, 5)]
    inside = [(value, m) for value, m in exact if low <= value <= high]
    return [float(value) for value, m in inside if m == 1 or len(inside) <= 7]


def _legend(painter: QPainter, plot: QRectF, names: list[str]) -> None:
    painter.setFont(paint.words(11))
    right = plot.right()
    for order, name in reversed(list(enumerate(names))):
        width = painter.fontMetrics().horizontalAdvance(name)
        painter.setPen(theme.series_color(order))
        painter.drawText(QPointF(right - width, plot.top() + 10), name)
        right -= width + 16


def _levels(painter: QPainter, room: QRectF, material: Material) -> bool:
    values = np.asarray(material.levels, dtype=float)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return False
    plot = room.adjusted(MARGIN.x(), MARGIN.y(), MARGIN.width(), MARGIN.height() - 14)
    pitch = plot.width() / len(values)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.series_color(0))
    for i, value in enumerate(values):
        if np.isfinite(value):
            tall = value / finite.max() * (plot.height() - 4)
            bar = QPainterPath()
            bar.addRoundedRect(QRectF(plot.left() + i * pitch + 1, plot.bottom() - tall, pitch - 2, tall), 2, 2)
            painter.drawPath(bar)
    painter.setFont(paint.figures(10))
    painter.setPen(paint.ink("text2"))
    top = QRectF(plot.left() - 50, plot.top() - 4, 44, 16)
    painter.drawText(top, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, short(float(finite.max())))
    foot = QRectF(plot.left(), plot.bottom() + 4, plot.width(), 14)
    painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, "0")
    painter.drawText(foot, Qt.AlignmentFlag.AlignCenter, "noise level")
    painter.drawText(foot, Qt.AlignmentFlag.AlignRight, "1")
    return True


_DRAWERS = {"samples": _samples, "proof": _proof, "loss": _loss, "levels": _levels, "trace": _trace}


def images(items: np.ndarray) -> list[QImage]:
    """Items as pictures: uint8 (N, H, W, C) as they are; points (N, D) together as one density."""
    if items.ndim == 4:
        return [to_image(item) for item in items]
    from ..viewers.density import thumbnail

    return [to_image(thumbnail(items))]
