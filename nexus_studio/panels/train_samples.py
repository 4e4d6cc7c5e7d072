"""The sample x step grid: one row a preview, one column an item, read from the run's folder off the GUI thread."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from models_backend.contract.messages import Media, Preview, TroubleError

from .. import figures
from ..pictures import to_image
from ..state.run_view import RunView
from ..state.session import Session
from ..viewers.image_grid import ImageGrid
from ..viewers.image_view import ImageView
from ..viewers.modality import shown, to_array

ROWS_KEPT = 200
#: Tiles are small enough that at least so many steps are seen at once.
ROWS_SEEN = 3
POINTS_SIDE_PX = 160


def read_preview(path: Path) -> np.ndarray:
    """The items of a preview file: uint8 (N, H, W, C) or float32 (N, D). Raises TroubleError naming the file."""
    try:
        with np.load(path, allow_pickle=False) as held:
            return held["items"]
    except (OSError, ValueError, KeyError) as error:
        raise TroubleError(f"this preview cannot be read: {error}", path.name, "The run itself is whole.") from error


class StepGrid(QWidget):
    """Rows of samples as training goes on. Where items only mean something together, a step is one tile of one row."""

    pointed = Signal(int, int)  # step, item

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._view: RunView | None = None
        self._rows: list[tuple[str, int, Preview | None]] = []
        self._held: OrderedDict[int, list[QImage]] = OrderedDict()
        self._asked: set[int] = set()
        self._now: dict[int, list[QImage]] = {}
        self._coming = -1  # the step whose samples are on their way
        self._columns = 1
        self.grid = ImageGrid(columns=1, hint=self.tr("Samples appear here while a run trains."))
        self.grid.setAccessibleName(self.tr("Samples by step and item"))
        self.large = ImageView()
        self.large.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.large.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 2, 12, 10)
        layout.setSpacing(12)
        layout.addWidget(self.grid, 1)
        layout.addWidget(self.large)
        self.grid.current_changed.connect(self._point)
        self.grid.activated.connect(lambda _: self.toggle_large())

    # ------------------------------------------------------------------------------------------- contents

    def show_run(self, view: RunView | None) -> None:
        """Show a run's previews; None empties the grid."""
        self._view = view
        self._held.clear()
        self._asked.clear()
        self._now.clear()
        self._coming = -1
        self.grid.set_current(-1)
        self.refresh()

    @property
    def together(self) -> bool:
        """Whether a step is one picture of all its items."""
        return self._view is not None and shown(self._view.record.spec.modality).together

    def refresh(self) -> None:
        """Take the previews that the run has now; keeps to the newest row where that was in view."""
        bar = self.grid.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 4
        previews = self._view.previews if self._view else []
        self._rows = [(figures.short(p.step), p.step, p) for p in previews]
        self._rows += [(self.tr("now"), step, None) for step in self._now]
        self._rows += [(self.tr("coming"), self._coming, None)] if self._coming >= 0 and self._coming not in self._now else []
        self._rows.sort(key=lambda row: (row[1], row[2] is None))
        self._lay_out(max([p.count for p in previews] + [len(made) for made in self._now.values()], default=1))
        if at_end and not self.grid.hasFocus():
            bar.setValue(bar.maximum())

    def known(self) -> int:
        """How many previews are laid out."""
        return sum(preview is not None for _, _, preview in self._rows)

    def _lay_out(self, count: int) -> None:
        self._limit_tiles()
        if self.together:
            self._columns = max(1, min(8, len(self._rows)))
            self.grid.set_columns(0)
            self.grid.set_labels([])
            self.grid.tiles.tile = 150
            self.grid.set_source(len(self._rows), lambda i: self._picture(i, 0), lambda i: self._rows[i][0])
            return
        self._columns = min(count, 12) if count <= 24 else 16
        self.grid.set_columns(self._columns)
        self.grid.set_labels([row[0] for row in self._rows])
        self.grid.set_source(len(self._rows) * self._columns, lambda i: self._picture(*divmod(i, self._columns)))

    def expect(self, step: int) -> None:
        """A row for samples that are on their way; -1: none are any more."""
        self._coming = step
        self.refresh()
        self.grid.verticalScrollBar().setValue(self.grid.verticalScrollBar().maximum())

    def add_now(self, step: int, media: Media) -> None:
        """A row of samples that were made on demand."""
        self._coming = -1
        self._now[step] = self._pictures(to_array(media.items), media.modality)
        self.refresh()
        self.grid.verticalScrollBar().setValue(self.grid.verticalScrollBar().maximum())

    # ------------------------------------------------------------------------------------------- pictures

    def _picture(self, row: int, item: int) -> QImage | None:
        _, step, preview = self._rows[row]
        made = self._now.get(step) if preview is None else self._held.get(step)
        if made is None:
            self._ask(step, preview)
            return None
        if preview is not None:
            self._held.move_to_end(step)
        return made[item] if item < len(made) else None

    def _ask(self, step: int, preview: Preview | None) -> None:
        if preview is not None and step not in self._asked:
            self._asked.add(step)
            self._session.bridge.spawn(self._read(self._view, step, preview))

    async def _read(self, view: RunView, step: int, preview: Preview) -> None:
        path = Path(view.folder.layout.root) / preview.path
        modality = view.record.spec.modality
        made = await self._session.bridge.threaded(lambda: self._pictures(read_preview(path), modality))
        if view is not self._view:
            return
        self._held[step] = made
        while len(self._held) > ROWS_KEPT:
            self._asked.discard(self._held.popitem(last=False)[0])
        self.grid.refresh()
        if self.grid.current() >= 0:
            self._point(self.grid.current())

    @staticmethod
    def _pictures(items: np.ndarray, modality: str) -> list[QImage]:
        kind = shown(modality)
        return [kind.picture(items, POINTS_SIDE_PX)] if kind.together else [to_image(item) for item in items]

    # ------------------------------------------------------------------------------------------- pointing

    def place(self, index: int) -> tuple[int, int]:
        """Step and item of a tile."""
        row, item = (index, -1) if self.together else divmod(index, self._columns)
        return self._rows[row][1], item

    def _point(self, index: int) -> None:
        if not 0 <= index < self.grid.count():
            self.large.set_picture(None)
            return
        step, item = self.place(index)
        text = self.tr("step {0}").format(f"{step:,}") + (self.tr(" · item {0}").format(item) if item >= 0 else "")
        self.large.set_picture(self.grid.image(index), text)
        self.pointed.emit(step, item)

    def toggle_large(self) -> None:
        """Show or hide the chosen tile enlarged beside the grid; arrows then walk through steps and items."""
        self.large.setFixedWidth(max(160, self.height() - 12))
        self.large.setVisible(not self.large.isVisible())

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._limit_tiles()

    def _limit_tiles(self) -> None:
        """Three steps are seen at once; where a step is one picture, it may take the whole height."""
        high = self.height() - 24
        self.grid.set_largest(max(56, high - 24 if self.together else high // ROWS_SEEN))

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape and self.large.isVisible():
            self.large.hide()
        else:
            super().keyPressEvent(event)
