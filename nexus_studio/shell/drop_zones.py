"""Drop anywhere on the window: labelled zones show what would happen before the button is let go."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from .. import theme
from ..state.opening import Outcome, outcomes

GAP = 16


def local_paths(event: QDropEvent | QDragEnterEvent) -> list[str]:
    """The local files and folders that a drag carries."""
    mime = event.mimeData()
    return [url.toLocalFile() for url in mime.urls() if url.isLocalFile()] if mime.hasUrls() else []


def offered(found: list[Outcome]) -> list[Outcome]:
    """What can be done; where nothing can, the likeliest alone, to say why not."""
    return [one for one in found if not one.why_not] or found[:1]


def answer(event: QDropEvent) -> None:
    """Takes a drag as a copy: the originals are only read, and who moves them here would delete them."""
    event.setDropAction(Qt.DropAction.CopyAction)
    event.accept()


class DropZones(QWidget):
    """An overlay over the whole window, shown while files are dragged over it.

    ``dropped(paths, outcome key)`` is told when they are let go over a zone that is possible."""

    dropped = Signal(list, str)
    refused = Signal(str)

    def __init__(self, parent: QWidget):
        super().__init__(parent)
        self.zones: list[Outcome] = []
        self.hovered = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName(self.tr("Drop zones"))
        self.hide()

    # --------------------------------------------------------------------------- called by the window

    def enter(self, event: QDragEnterEvent, dataset_title: str) -> None:
        """A drag came over the window: shows what its files could become."""
        paths = local_paths(event)
        if not paths:
            event.ignore()
            return
        self.zones = offered(outcomes(paths, dataset_title))
        self.setGeometry(self.parentWidget().rect())
        self._hover(event.position().toPoint())
        self.show()
        self.raise_()
        answer(event)

    def move_over(self, event: QDragMoveEvent) -> None:
        """The drag moved: marks the zone below it."""
        self._hover(event.position().toPoint())
        answer(event)

    def leave(self) -> None:
        """The drag left the window."""
        self.hide()
        self.hovered = ""

    def drop(self, event: QDropEvent) -> None:
        """The files were let go."""
        self._hover(event.position().toPoint())
        zone = next((zone for zone in self.zones if zone.key == self.hovered), None)
        paths = local_paths(event)
        self.leave()
        answer(event)
        if zone is None or zone.why_not:
            self.refused.emit(f"{zone.title}: {zone.why_not}." if zone else self.tr("Nothing here can be opened."))
        else:
            self.dropped.emit(paths, zone.key)

    # ------------------------------------------------------------------------------------------ places

    def places(self) -> dict[str, QRectF]:
        """Zone key -> its rectangle: the likeliest large on the left, the others stacked at its right."""
        inner = QRectF(self.rect()).adjusted(48, 72, -48, -56)
        if not self.zones:
            return {}
        first, *others = self.zones
        if not others:
            return {first.key: inner}
        split = inner.width() * 0.58
        found = {first.key: QRectF(inner.left(), inner.top(), split - GAP / 2, inner.height())}
        height = (inner.height() - GAP * (len(others) - 1)) / max(1, len(others))
        for position, zone in enumerate(others):
            top = inner.top() + position * (height + GAP)
            found[zone.key] = QRectF(inner.left() + split + GAP / 2, top, inner.width() - split - GAP / 2, height)
        return found

    def _hover(self, point: QPoint) -> None:
        places = self.places()
        inside = [key for key, place in places.items() if place.contains(point)]
        self.hovered = inside[0] if inside else (self.zones[0].key if self.zones else "")
        self.update()

    # ----------------------------------------------------------------------------------------- drawing

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), theme.color("shade"))
        places = self.places()
        for zone in self.zones:
            self._draw_zone(painter, zone, places[zone.key])

    def _draw_zone(self, painter: QPainter, zone: Outcome, place: QRectF) -> None:
        possible, hovered = not zone.why_not, zone.key == self.hovered
        pen = QPen(theme.color("accent" if hovered and possible else "line"), 2)
        pen.setStyle(Qt.PenStyle.SolidLine if hovered and possible else Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.setBrush(theme.color("accent_soft" if hovered and possible else "bg1"))
        painter.drawRoundedRect(place, 12, 12)
        middle = place.center().y()
        tint = "text3" if not possible else "accent" if hovered else "text2"
        picture = theme.pixmap(zone.icon, tint, 32)
        painter.drawPixmap(round(place.center().x() - 16), round(middle - 58), picture)
        painter.setPen(theme.color("text" if possible else "text2"))
        painter.setFont(theme.font("text", 15, 600))
        line = QRectF(place.left() + 16, middle - 16, place.width() - 32, theme.px(24))
        painter.drawText(line, Qt.AlignmentFlag.AlignCenter, zone.title)
        painter.setPen(theme.color("text2"))
        painter.setFont(theme.font("text", 12))
        line = QRectF(place.left() + 16, middle + 10, place.width() - 32, max(20.0, place.bottom() - middle - 12))
        text = zone.text if possible else zone.why_not[:1].upper() + zone.why_not[1:] + "."
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(line, flags, text)
