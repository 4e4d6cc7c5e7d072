"""One table from a modality to how its items are shown: as a whole set, as one item, and as a thumbnail.

Panels ask here and never look at the modality themselves. Items are what ``Media.items`` holds: uint8 (N, H, W, C)
for pictures, float32 (N, D) for points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QVBoxLayout, QWidget

from models_backend.contract.messages import Array, TroubleError
from nexus_studio.pictures import from_model, to_image

from .density import Bounds, bounds_of, thumbnail
from .image_grid import ImageGrid
from .image_view import ImageView
from .points_view import PointsView


class ItemsView(QWidget):
    """Shows a whole set of items; a subclass has ``set_items(items, captions=None)``. ``current_changed`` and
    ``activated`` tell an index, -1 for the set as a whole."""

    current_changed = Signal(int)
    activated = Signal(int)
    selection_changed = Signal(list)

    def selection(self) -> list[int]:
        """Chosen items; empty where items cannot be chosen."""
        return []

    def current(self) -> int:
        """The chosen item, or -1."""
        return -1

    def set_current(self, index: int) -> None:
        """Chooses an item; nothing where items cannot be chosen."""

    def link(self, other: ItemsView) -> None:
        """From now on moves and zooms together with another view of its kind that shows as many items."""

    def _hold(self, inner: QWidget) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(inner)
        self.setFocusProxy(inner)


class PicturesView(ItemsView):
    """Pictures in a grid that fits the view."""

    def __init__(self, parent: QWidget | None = None, hint: str = ""):
        super().__init__(parent)
        self.grid = ImageGrid(fit=True, hint=hint)
        self._hold(self.grid)
        self.grid.current_changed.connect(self.current_changed)
        self.grid.activated.connect(self.activated)
        self.grid.selection_changed.connect(self.selection_changed)

    def set_items(self, items: np.ndarray, captions: list[str] | None = None) -> None:
        self.grid.set_fit(len(items) <= 144)
        self.grid.set_items(items, captions)

    def selection(self) -> list[int]:
        return self.grid.selection()

    def current(self) -> int:
        return self.grid.current()

    def set_current(self, index: int) -> None:
        self.grid.set_current(index, select=True)

    def link(self, other: PicturesView) -> None:
        for one, two in ((self.grid, other.grid), (other.grid, self.grid)):
            bar = two.verticalScrollBar()
            one.zoomed.connect(lambda side, two=two: side != two.tiles.tile and two.set_tile(side))
            one.verticalScrollBar().valueChanged.connect(bar.setValue)
            one.current_changed.connect(lambda index, two=two: two.set_current(index, select=True))


class PlaneView(ItemsView):
    """Points as one density."""

    def __init__(self, parent: QWidget | None = None, hint: str = ""):
        super().__init__(parent)
        self.plane = PointsView(hint=hint)
        self._hold(self.plane)

    def set_items(self, items: np.ndarray, captions: list[str] | None = None) -> None:
        self.plane.set_points(items)

    def link(self, other: PlaneView) -> None:
        """At one scale, that of both together."""
        for one, two in ((self.plane, other.plane), (other.plane, self.plane)):
            one.view_changed.connect(lambda one=one, two=two: two.bounds() != one.bounds() and two.set_bounds(one.bounds()))
        sides = np.array([self.plane.bounds(), other.plane.bounds()])
        (left, _, low, _), (_, right, _, top) = sides.min(axis=0), sides.max(axis=0)
        self.plane.set_bounds((float(left), float(right), float(low), float(top)))


@dataclass(frozen=True)
class Shown:
    """How one modality is shown. ``set_of``: a view of many items; ``single``: a view of one; ``together``: items make one
    picture (points) rather than one each; ``picture(items, side_px)``: a QImage of one item (pictures) or of all (points);
    ``pair(one, other, side_px)``: two items as QImages at one scale; ``frames(values, bounds)``: a recorded trace channel
    (T, B, *shape), float, item ``index`` -> uint8 (T, H, W, C)."""

    set_of: Callable[..., ItemsView]
    single: Callable[..., QWidget]
    together: bool
    picture: Callable[[np.ndarray, int], QImage]
    pair: Callable[[np.ndarray, np.ndarray, int], tuple[QImage, QImage]]
    frames: Callable[[np.ndarray, int], np.ndarray]


def _image_picture(items: np.ndarray, side_px: int) -> QImage:
    return to_image(items[0] if items.ndim == 4 else items)


def _points_picture(items: np.ndarray, side_px: int) -> QImage:
    return to_image(thumbnail(items, side_px))


def _image_pair(one: np.ndarray, other: np.ndarray, side_px: int) -> tuple[QImage, QImage]:
    return to_image(one), to_image(other)


def _points_pair(one: np.ndarray, other: np.ndarray, side_px: int) -> tuple[QImage, QImage]:
    bounds = bounds_of(np.concatenate([one, other])[:, :2])
    return to_image(thumbnail(one, side_px, bounds)), to_image(thumbnail(other, side_px, bounds))


def _image_frames(values: np.ndarray, index: int) -> np.ndarray:
    return from_model(values[:, index])


def _points_frames(values: np.ndarray, index: int, side_px: int = 72) -> np.ndarray:
    """All points of each step in the bounds of start and end together: points only mean something together."""
    ends = np.concatenate([values[0], values[-1]])[:, :2]
    bounds: Bounds = bounds_of(np.asarray(ends, np.float32))
    return np.stack([thumbnail(step, side_px, bounds) for step in values])


SHOWN: dict[str, Shown] = {
    "image": Shown(PicturesView, ImageView, False, _image_picture, _image_pair, _image_frames),
    "points": Shown(PlaneView, PointsView, True, _points_picture, _points_pair, _points_frames),
}


def shown(modality: str) -> Shown:
    """How a modality is shown. Raises TroubleError for one that this version does not draw."""
    try:
        return SHOWN[modality]
    except KeyError:
        raise TroubleError(f"this version draws {', '.join(SHOWN)}, not {modality}", "viewer") from None


def to_array(array: Array) -> np.ndarray:
    """A wire array as a read-only numpy array."""
    return np.frombuffer(array.data, dtype=np.dtype(array.dtype)).reshape(array.shape)
