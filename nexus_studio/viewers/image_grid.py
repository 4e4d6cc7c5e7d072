"""A grid of pictures that paints only what is seen: hover, selection, keyboard, zoom, row labels.

Pictures come from an array or, for endless lists, from a function that may answer None while it still loads
(``refresh(index)`` when it has arrived).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QImage, QPainter, QPixmap
from PySide6.QtWidgets import QAbstractScrollArea, QToolTip, QWidget

from nexus_studio import paint, theme
from nexus_studio.fitting import one_line, tip
from nexus_studio.pictures import to_image

from .tile_layout import TileLayout

TILES_KEPT = 2000
ZOOM_STEP = 1.2
LABEL_GAP = 8  # between the labels of rows and the tiles


class ImageGrid(QAbstractScrollArea):
    """Tiles in rows. ``columns`` 0 takes as many as fit at ``tile_px``; tiles grow to fill the width.

    ``fit`` makes all items as large as the view allows, which suits a handful of results. ``titled``: what stands below a tile
    is a title, cut in its middle since many begin alike, and a second line of what else tells it from others."""

    hovered = Signal(int)
    current_changed = Signal(int)
    selection_changed = Signal(list)
    activated = Signal(int)
    context_requested = Signal(int, QPoint)
    zoomed = Signal(int)
    scrolled = Signal()

    def __init__(
        self, parent: QWidget | None = None, *, tile_px: int = 96, columns: int = 0, fit: bool = False, hint: str = "",
        titled: bool = False,
    ):  # fmt: skip
        super().__init__(parent)
        self.hint, self._titled = hint, titled
        self._count, self._picture = 0, _nothing
        self._caption: Callable[[int], str] | None = None
        self._badge: Callable[[int], str] | None = None
        self._row_labels: list[str] = []
        self._column_labels: list[str] = []
        self._sides = ("", "")
        self.tiles = TileLayout(tile_px, columns, fit)
        self._current, self._hover, self._anchor = -1, -1, -1
        self._selected: set[int] = set()
        self._tiles: OrderedDict[tuple[int, int], QPixmap] = OrderedDict()
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Pictures"))
        theme.signals.changed.connect(self._relayout)
        self.viewport().setMouseTracking(True)
        self.viewport().setAutoFillBackground(False)
        self.verticalScrollBar().valueChanged.connect(lambda _: self.scrolled.emit())

    # ------------------------------------------------------------------------------------------- contents

    def set_items(self, items: np.ndarray, captions: list[str] | None = None) -> None:
        """Show uint8 pictures (N, H, W, C)."""
        caption = captions.__getitem__ if captions else None
        self.set_source(len(items), lambda i: to_image(items[i]), caption)

    def set_source(
        self, count: int, picture: Callable[[int], QImage | None], caption: Callable[[int], str] | None = None
    ) -> None:
        """Show ``count`` pictures asked for one by one; None means not loaded yet."""
        self._count, self._picture, self._caption = count, picture, caption
        self._tiles.clear()
        self._selected = {i for i in self._selected if i < count}
        self._current = min(self._current, count - 1)
        self._hover = -1
        self._relayout()

    def set_badges(self, badge: Callable[[int], str] | None) -> None:
        """A short mark in the corner of a tile ("★", say), by index."""
        self._badge = badge
        self.viewport().update()

    def set_labels(self, rows: list[str], columns: list[str] | None = None, down: str = "", across: str = "") -> None:
        """Text left of each row and above each column, for grids whose rows and columns mean something. ``down`` and
        ``across``: what they are values of; each name stands once, so that the values are seen whole."""
        self._row_labels, self._column_labels, self._sides = rows, columns or [], (down, across)
        self._relayout()

    def refresh(self, index: int | None = None) -> None:
        """Ask again for one picture, or for all."""
        if index is None:
            self._tiles.clear()
            self.viewport().update()
            return
        for key in [k for k in self._tiles if k[0] == index]:
            del self._tiles[key]
        self.viewport().update(self.tile_rect(index))

    def count(self) -> int:
        return self._count

    # --------------------------------------------------------------------------------------------- layout

    def columns(self) -> int:
        """Tiles in a row now."""
        return self.tiles.columns

    def tile_side(self) -> int:
        """Side of a tile now, in pixels."""
        return self.tiles.side

    def set_columns(self, columns: int) -> None:
        """A fixed number of columns, or 0 for as many as fit."""
        self.tiles.fixed = columns
        self._relayout()

    def set_largest(self, side_px: int) -> None:
        """The most that a tile may grow to; 0 for no limit."""
        self.tiles.largest = side_px
        self._relayout()

    def set_fit(self, fit: bool) -> None:
        """Whether all items are made to fit the view."""
        self.tiles.fit = fit
        self._relayout()

    def set_tile(self, side_px: int) -> None:
        """The wanted side of a tile; leaves fit mode."""
        self.tiles.tile = int(min(640, max(24, side_px)))
        self.tiles.fit = False
        if not self._row_labels:
            self.tiles.fixed = 0
        self._relayout()
        self.zoomed.emit(self.tiles.tile)

    def zoom(self, factor: float) -> None:
        """Make tiles larger or smaller, keeping the current one in view."""
        self.set_tile(round(self.tile_side() * factor))
        if self._current >= 0:
            self.reveal(self._current)

    def tile_rect(self, index: int) -> QRect:
        """Where a tile lies in the viewport."""
        return self.tiles.rect(index, self.verticalScrollBar().value())

    def index_at(self, point: QPoint) -> int:
        """The item under a viewport point, or -1."""
        return self.tiles.index_at(point, self.verticalScrollBar().value())

    def visible_range(self) -> range:
        """Items whose row is at least partly seen."""
        return self.tiles.seen(self.verticalScrollBar().value())

    def reveal(self, index: int) -> None:
        """Scroll until the item is wholly seen."""
        rect, bar = self.tile_rect(index), self.verticalScrollBar()
        bottom = rect.bottom() + 1 + self.tiles.caption
        if rect.top() < self.tiles.header:
            bar.setValue(bar.value() + rect.top() - self.tiles.header)
        elif bottom > self.viewport().height():
            bar.setValue(bar.value() + bottom - self.viewport().height())

    def sizeHint(self) -> QSize:
        return QSize(480, 240)

    def _relayout(self) -> None:
        tiles, bar = self.tiles, self.verticalScrollBar()
        tiles.count, tiles.captions = self._count, 0 if self._caption is None else 2 if self._titled else 1
        tiles.row_labels = 0
        if self._row_labels:
            longest = one_line(max([*self._row_labels, self._sides[0]], key=len))  # all letters are as wide
            tiles.row_labels = QFontMetrics(paint.figures(11)).horizontalAdvance(longest) + LABEL_GAP
        tiles.column_labels = (2 if self._sides[1] else 1) if self._column_labels else 0
        tiles.scale = theme.text_scale()
        tiles.width, tiles.height = self.viewport().width(), self.viewport().height()
        bar.setRange(0, max(0, tiles.total_height - tiles.height) if self._count else 0)
        bar.setPageStep(tiles.height)
        bar.setSingleStep(max(8, tiles.pitch // 3))
        self.viewport().update()

    # ------------------------------------------------------------------------------------------- painting

    def paintEvent(self, event) -> None:
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), paint.ink("bg0"))
        if not self._count:
            paint.draw_hint(painter, QRectF(self.viewport().rect()), self.hint)
            return
        for index in self.visible_range():
            rect = self.tile_rect(index)
            if rect.adjusted(-2, -2, 2, 2 + self.tiles.caption).intersects(event.rect()):
                self._paint_tile(painter, index, rect)
        self._paint_labels(painter)

    def _paint_labels(self, painter: QPainter) -> None:
        painter.setFont(paint.figures(11))
        painter.setPen(paint.ink("text3"))
        cut = Qt.TextElideMode.ElideMiddle  # many begin alike, and many end alike
        for place, label in self.row_headings():
            text = painter.fontMetrics().elidedText(one_line(label), cut, place.width())
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        if self._column_labels:
            painter.fillRect(QRect(0, 0, self.viewport().width(), self.tiles.header), paint.ink("bg0"))
        for place, label in self.headings():
            text = painter.fontMetrics().elidedText(one_line(label), cut, place.width())
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)

    def row_headings(self) -> list[tuple[QRect, str]]:
        """Where the label of each row stands, and its words."""
        rects = [self.tile_rect(row * self.columns()) for row in range(len(self._row_labels))]
        wide = self.tiles.gutter - LABEL_GAP
        return [(QRect(0, rect.top(), wide, rect.height()), label) for rect, label in zip(rects, self._row_labels)]

    def headings(self) -> list[tuple[QRect, str]]:
        """Where each heading above the tiles stands, and its words: the values of the columns, and the names of the sides."""
        if not self._column_labels:
            return []
        (down, across), high = self._sides, self.tiles.header // self.tiles.column_labels
        top, left, wide = self.tiles.header - high, self.tiles.gutter, self.viewport().width() - self.tiles.gutter
        rects = [self.tile_rect(column) for column in range(len(self._column_labels))]
        found = [(QRect(r.left(), top, r.width(), high - 2), label) for r, label in zip(rects, self._column_labels)]
        if across:
            row, own = rects[-1].right() + 1 - left, QFontMetrics(paint.figures(11)).horizontalAdvance(one_line(across)) + 2
            found.append((QRect(left, 0, min(wide, max(row, own)), high - 2), across))
        return found + ([(QRect(0, top, left - LABEL_GAP, high - 2), down)] if down else [])

    def _paint_tile(self, painter: QPainter, index: int, rect: QRect) -> None:
        tile = self._tile_of(index, rect.width())
        if tile is None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(paint.ink("bg2"))
            painter.drawRoundedRect(rect, 4, 4)
        else:
            painter.drawPixmap(rect.topLeft(), tile)
        if self._caption:
            self._paint_caption(painter, index, rect)
        if self._badge and (mark := self._badge(index)):
            self._paint_badge(painter, mark, rect)
        self._paint_rings(painter, index, rect)

    def _paint_caption(self, painter: QPainter, index: int, rect: QRect) -> None:
        painter.setFont(paint.words(11))
        cut = Qt.TextElideMode.ElideMiddle if self._titled else Qt.TextElideMode.ElideRight
        lines = self._caption(index).split("\n", 1) if self._titled else [self._caption(index)]
        high = self.tiles.caption // self.tiles.captions
        for number, line in enumerate(lines):
            painter.setPen(paint.ink("text3" if number else "text2"))
            place = QRect(rect.left(), rect.bottom() + 2 + number * high, rect.width(), high - 2)
            text = painter.fontMetrics().elidedText(one_line(line), cut, rect.width())
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_badge(self, painter: QPainter, mark: str, rect: QRect) -> None:
        painter.setFont(paint.words(13, bold=True))
        place = QRectF(rect.right() - 22, rect.top() + 4, 18, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(paint.ink("bg0", 0.7))
        painter.drawEllipse(place)
        painter.setPen(paint.ink("warn"))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, mark)

    def _paint_rings(self, painter: QPainter, index: int, rect: QRect) -> None:
        around, inside = QRectF(rect).adjusted(-2, -2, 2, 2), QRectF(self.viewport().rect()).adjusted(1, 1, -1, -1)
        if rect.top() >= 0:
            around.setTop(max(around.top(), inside.top()))  # whole also where the tile touches the edge of the view
        if rect.left() >= 0:
            around.setLeft(max(around.left(), inside.left()))
        if index in self._selected or (index == self._current and self.hasFocus()):
            paint.draw_ring(painter, around, paint.ink("accent"))
        elif index == self._current:
            paint.draw_ring(painter, around, paint.ink("accent", 0.55))
        elif index == self._hover:
            paint.draw_ring(painter, around, paint.ink("text3"), 1.5)

    def _tile_of(self, index: int, side: int) -> QPixmap | None:
        key = (index, side)
        if key in self._tiles:
            self._tiles.move_to_end(key)
            return self._tiles[key]
        image = self._picture(index)
        if image is None or image.isNull():
            return None
        self._tiles[key] = paint.rounded_tile(image, side, self.devicePixelRatioF())
        if len(self._tiles) > TILES_KEPT:
            self._tiles.popitem(last=False)
        return self._tiles[key]

    def image(self, index: int) -> QImage | None:
        """The picture of an item at its own size, or None while it loads."""
        return self._picture(index)

    # ------------------------------------------------------------------------------------------ selection

    def current(self) -> int:
        return self._current

    def set_current(self, index: int, *, select: bool = False) -> None:
        """Make an item the current one (-1 none), in view, optionally the only selected one."""
        index = index if 0 <= index < self._count else -1
        changed = index != self._current
        self._current = index
        if select:
            self._anchor = index
            self.select([index] if index >= 0 else [])
        if index >= 0:
            self.reveal(index)
        self.viewport().update()
        if changed:
            self.current_changed.emit(index)

    def selection(self) -> list[int]:
        """Selected items in order."""
        return sorted(self._selected)

    def select(self, indices: Iterable[int]) -> None:
        """Select exactly these items."""
        chosen = {i for i in indices if 0 <= i < self._count}
        if chosen != self._selected:
            self._selected = chosen
            self.viewport().update()
            self.selection_changed.emit(self.selection())

    def _choose(self, index: int, modifiers: Qt.KeyboardModifier) -> None:
        if modifiers & Qt.KeyboardModifier.ShiftModifier and self._anchor >= 0:
            low, high = sorted((self._anchor, index))
            self.select(range(low, high + 1))
            self.set_current(index)
        elif modifiers & Qt.KeyboardModifier.ControlModifier:
            self.select(self._selected ^ {index})
            self._anchor = index
            self.set_current(index)
        else:
            self.set_current(index, select=True)

    # --------------------------------------------------------------------------------------------- events

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._relayout()

    def mouseMoveEvent(self, event) -> None:
        self._set_hover(self.index_at(event.position().toPoint()))

    def viewportEvent(self, event) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._set_hover(-1)
        if event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), tip(self.words_at(event.pos())), self.viewport())
            return True
        return super().viewportEvent(event)

    def words_at(self, place: QPoint) -> str:
        """The whole caption of the item, or the whole heading, at a place; or ""."""
        headings = [*self.headings(), *(self.row_headings() if place.y() >= self.tiles.header else [])]
        if (words := next((words for where, words in headings if where.contains(place)), "")) or self._caption is None:
            return words
        index = self.index_at(place)
        return self._caption(index) if index >= 0 else ""

    def _set_hover(self, index: int) -> None:
        if index != self._hover:
            self._hover = index
            self.viewport().update()
            self.hovered.emit(index)

    def mousePressEvent(self, event) -> None:
        index = self.index_at(event.position().toPoint())
        if event.button() == Qt.MouseButton.RightButton:
            if index >= 0 and index not in self._selected:
                self.set_current(index, select=True)
            self.context_requested.emit(index, event.globalPosition().toPoint())
        elif index >= 0:
            self._choose(index, event.modifiers())
        elif event.button() == Qt.MouseButton.LeftButton:
            self.select([])

    def contextMenuEvent(self, event) -> None:
        """The Menu key asks for the menu of the current item; the mouse has asked at its press."""
        if event.reason() == event.Reason.Keyboard and self._current >= 0:
            if self._current not in self._selected:
                self.set_current(self._current, select=True)
            self.reveal(self._current)
            self.context_requested.emit(self._current, self.viewport().mapToGlobal(self.tile_rect(self._current).center()))
        else:
            super().contextMenuEvent(event)

    def mouseDoubleClickEvent(self, event) -> None:
        index = self.index_at(event.position().toPoint())
        if index >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.activated.emit(index)

    def wheelEvent(self, event) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(ZOOM_STEP if event.angleDelta().y() > 0 else 1 / ZOOM_STEP)
        else:
            super().wheelEvent(event)

    def keyPressEvent(self, event) -> None:
        key, modifiers = event.key(), event.modifiers()
        step = self._key_step(key)
        if step is not None and self._count:
            self._choose(min(self._count - 1, max(0, max(self._current, 0) + step)), modifiers)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._current >= 0:
            self.activated.emit(self._current)
        elif key == Qt.Key.Key_A and modifiers & Qt.KeyboardModifier.ControlModifier:
            self.select(range(self._count))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(ZOOM_STEP)
        elif key == Qt.Key.Key_Minus:
            self.zoom(1 / ZOOM_STEP)
        else:
            super().keyPressEvent(event)

    def _key_step(self, key: int) -> int | None:
        columns = self.columns()
        page = max(1, self.viewport().height() // self.tiles.pitch) * columns
        steps = {
            Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -columns, Qt.Key.Key_Down: columns,
            Qt.Key.Key_PageUp: -page, Qt.Key.Key_PageDown: page, Qt.Key.Key_Home: -self._count, Qt.Key.Key_End: self._count,
        }  # fmt: skip
        return steps.get(key)


def _nothing(index: int) -> QImage | None:
    return None
