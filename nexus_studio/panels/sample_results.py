"""Where samples are seen: the items of a batch by modality, or the cells of a grid; and the one that is chosen, large."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from models_backend.contract.grids import GridCell

from ..viewers.image_grid import ImageGrid
from ..viewers.image_view import ImageView
from ..viewers.modality import ItemsView, shown
from .sample_work import Batch, Made

CELL_PX = 200
#: A grid of up to so many rows is seen whole; a taller one scrolls.
FITTED_ROWS = 8


class Results(QWidget):
    """``chosen`` tells the Made under the cursor of selection, or None."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.batch: Batch | None = None
        self.gridded: GridCell | None = None  # of the grid that is shown
        self._views: dict[str, ItemsView] = {}
        self._cells: dict[int, Batch] = {}
        self._pictures: dict[int, QImage] = {}
        self.grid = ImageGrid(columns=1)
        self.grid.setAccessibleName(self.tr("Grid over two fields"))
        self.single = ImageView()
        self.pages = QStackedWidget()
        self.pages.addWidget(self.grid)
        self.pages.addWidget(self.single)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 2, 12, 10)
        layout.addWidget(self.pages)
        self.grid.current_changed.connect(lambda _: self.chosen.emit(self.current()))
        self.grid.activated.connect(self.enlarge)

    # -------------------------------------------------------------------------------------------- batches

    def show_batch(self, batch: Batch, captions: list[str] | None = None) -> None:
        """Show the items of a batch, with a line below each where there is something to tell them apart."""
        self.batch, self.gridded = batch, None
        view = self._view(batch.modality)
        view.set_items(batch.items, captions)
        if self.pages.currentWidget() is not self.single:
            self.pages.setCurrentWidget(view)
        elif self.current_index() >= 0:
            self.enlarge(self.current_index())
        self.chosen.emit(self.current())

    def _view(self, modality: str) -> ItemsView:
        if modality not in self._views:
            view = self._views[modality] = shown(modality).set_of()
            view.current_changed.connect(lambda _: self.chosen.emit(self.current()))
            view.activated.connect(self.enlarge)
            self.pages.addWidget(view)
        return self._views[modality]

    def begin_cells(self, grid: GridCell) -> None:
        """Make room for a grid; cells come one by one."""
        self.batch, self.gridded = None, grid
        self._cells.clear()
        self._pictures.clear()
        self.grid.set_columns(grid.columns)
        self.grid.set_current(-1)
        rows, title = (grid.down.labels(), grid.down.title) if grid.down else ([""], "")
        self.grid.set_labels(rows, grid.across.labels(), title, grid.across.title)
        self.grid.set_fit(grid.rows <= FITTED_ROWS)
        self.grid.set_largest(0 if grid.rows <= FITTED_ROWS else CELL_PX)
        self.grid.set_source(grid.rows * grid.columns, self._pictures.get)
        self.pages.setCurrentWidget(self.grid)
        self.chosen.emit(None)  # what was chosen is seen no more

    def show_cells(self, cells: dict[int, Batch]) -> None:
        """Finished cells, by their places."""
        for index, batch in cells.items():
            self._cells[index] = batch
            self._pictures[index] = shown(batch.modality).picture(batch.items, CELL_PX)
            self.grid.refresh(index)
        self._gather()

    def _gather(self) -> None:
        """The finished cells as one batch."""
        ordered = [self._cells[index] for index in sorted(self._cells)]
        items = np.concatenate([batch.items for batch in ordered])
        made, samples = [[one for batch in ordered for one in getattr(batch, part)] for part in ("made", "samples")]
        self.batch = Batch(items, ordered[0].modality, made, samples=samples)

    # ----------------------------------------------------------------------------------------- the chosen

    def current_index(self) -> int:
        """The chosen item or cell, or -1."""
        if self.batch is None:
            return -1
        if self.gridded:
            return self.grid.current()
        return self._view(self.batch.modality).current()

    def choose(self, index: int) -> None:
        """Choose an item or cell."""
        if self.batch is not None:
            (self.grid if self.gridded else self._view(self.batch.modality)).set_current(index)

    def current(self) -> Made | None:
        """The origin of the chosen item or cell; of the first where items are seen together."""
        index = self.current_index()
        if self.batch is None or not self.batch.made:
            return None
        if self.gridded:
            batch = self._cells.get(index)
            return batch.made[0] if batch else None
        if index < 0:
            return self.batch.made[0] if shown(self.batch.modality).together else None
        return self.batch.made[index] if index < len(self.batch.made) else None

    def selection(self) -> list[int]:
        """The chosen items of a batch, by index into it."""
        if self.batch is None or self.gridded:
            return []
        return self._view(self.batch.modality).selection()

    def picture(self) -> QImage | None:
        """The chosen item as a picture at its own size."""
        index = self.current_index()
        if self.gridded:
            return self._pictures.get(index)
        if self.batch is None or index < 0:
            return None
        return shown(self.batch.modality).picture(self.batch.items[index : index + 1], CELL_PX)

    def enlarge(self, index: int) -> None:
        """One item in the whole view; Escape, or a second time, goes back."""
        picture = self.picture()
        if index < 0 or picture is None:
            return
        self.single.set_picture(picture, self.tr("item {0} · Escape goes back").format(index + 1))
        self.pages.setCurrentWidget(self.single)
        self.single.setFocus()

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape and self.pages.currentWidget() is self.single:
            self.back()
        else:
            super().keyPressEvent(event)

    def back(self) -> None:
        """From one item to all of them."""
        if self.batch is not None:
            self.pages.setCurrentWidget(self.grid if self.gridded else self._view(self.batch.modality))
            self.pages.currentWidget().setFocus()
