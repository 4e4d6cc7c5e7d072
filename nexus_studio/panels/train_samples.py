"""The sample x step grid: one row a preview, one column an item, read from the run's folder off the GUI thread."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from models_backend.contract.messages import Media, Preview, TroubleError
from models_backend.contract.run_layout import SampleRecord

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
    """Rows of samples as training goes on: the run's previews and, from the library, what was made on demand beside them.
    Where items only mean something together, a step is one tile of one row."""

    pointed = Signal(int, int)  # step, item

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._view: RunView | None = None
        self._rows: list[tuple[str, int, Preview | SampleRecord | None]] = []
        self._held: OrderedDict[str, list[QImage]] = OrderedDict()  # path of a preview or id of a sample -> its pictures
        self._asked: set[str] = set()
        self._made: list[SampleRecord] = []  # of the run, on demand
        self._coming: dict[str, int] = {}  # run -> the step whose samples are on their way
        self._columns = 1
        self._wanted: list[int] | None = None  # the cell to choose once it is there
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
        session.samples.changed.connect(self.look)

    # ------------------------------------------------------------------------------------------- contents

    def show_run(self, view: RunView | None) -> None:
        """Show a run's previews; None empties the grid."""
        self._view, self._made = view, []
        self._held.clear()
        self._asked.clear()
        self.grid.set_current(-1)
        self._wanted = self._session.preferences.get(f"train/cell/{view.id}") if view is not None else None
        self.refresh()
        self.look()

    def look(self) -> None:
        """Reads what the library has of samples that were made on demand."""
        if self._view is not None and self._session.bridge.library is not None:
            self._session.bridge.spawn(self._find_made(self._view))

    async def _find_made(self, view: RunView) -> None:
        from models_backend.library.index import Filter

        found = await self._session.samples.page(0, 1 << 30, Filter(run=view.id, kind="sample"))
        newest = {one.step: one for one in reversed(found) if one.preview and one.step is not None}
        if view is self._view and (made := list(newest.values())) != self._made:
            self._made = made
            self.refresh()

    @property
    def together(self) -> bool:
        """Whether a step is one picture of all its items."""
        return self._view is not None and shown(self._view.record.spec.modality).together

    def refresh(self) -> None:
        """Take the previews that the run has now; keeps to the newest row where that was in view."""
        bar = self.grid.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 4
        previews, coming = (self._view.previews, self._coming.get(self._view.id)) if self._view else ([], None)
        self._rows = [(figures.short(p.step), p.step, p) for p in previews]
        self._rows += [(figures.short(made.step), made.step, made) for made in self._made]
        self._rows += [(self.tr("coming"), coming, None)] if coming is not None else []
        self._rows.sort(key=lambda row: (row[1], not isinstance(row[2], Preview), row[2] is None))
        self._lay_out(max([row[2].count for row in self._rows if row[2] is not None], default=1))
        self._find_wanted()
        if at_end and not self.grid.hasFocus():
            bar.setValue(bar.maximum())

    def _find_wanted(self) -> None:
        """Chooses the cell that was chosen in a window before, as soon as its step is there."""
        if self._wanted is None:
            return
        place = next((p for p in range(self.grid.count()) if list(self.place(p)) == self._wanted), -1)
        if place >= 0:
            self._wanted = None
            self.grid.set_current(place, select=True)

    def known(self) -> int:
        """How many previews are laid out."""
        return sum(isinstance(source, Preview) for _, _, source in self._rows)

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

    def expect(self, run: str, step: int) -> None:
        """A row for samples of a run that are on their way; -1: none are any more."""
        self._coming.pop(run, None)
        if step >= 0:
            self._coming[run] = step
        self._show_last(run)

    def add_now(self, run: str, media: Media) -> None:
        """A row of samples that were made of a run on demand, which the library has now."""
        if self._view is not None and run == self._view.id:
            self._hold(media.sample, self._pictures(to_array(media.items), media.modality))
        self._session.bridge.spawn(self._add(run))

    async def _add(self, run: str) -> None:
        if self._view is not None and run == self._view.id:
            await self._find_made(self._view)
        self._coming.pop(run, None)
        self._show_last(run)

    def _show_last(self, run: str) -> None:
        if self._view is not None and run == self._view.id:
            self.refresh()
            self.grid.verticalScrollBar().setValue(self.grid.verticalScrollBar().maximum())

    # ------------------------------------------------------------------------------------------- pictures

    def _picture(self, row: int, item: int) -> QImage | None:
        source = self._rows[row][2]
        if source is None:
            return None
        key = source.path if isinstance(source, Preview) else source.id
        if key not in self._held:
            self._ask(key, source)
            return None
        self._held.move_to_end(key)
        made = self._held[key]
        return made[item] if item < len(made) else None

    def _ask(self, key: str, source: Preview | SampleRecord) -> None:
        if key not in self._asked:
            self._asked.add(key)
            self._session.bridge.spawn(self._read(self._view, key, source))

    async def _read(self, view: RunView, key: str, source: Preview | SampleRecord) -> None:
        library, modality = self._session.bridge.library, view.record.spec.modality
        path = Path(view.folder.layout.root) / key

        def read() -> list[QImage]:
            items = read_preview(path) if isinstance(source, Preview) else library.sample(key).items()
            return self._pictures(items, modality)

        made = await self._session.bridge.threaded(read)
        if view is not self._view:
            return
        self._hold(key, made)
        self.grid.refresh()
        if self.grid.current() >= 0:
            self._point(self.grid.current())

    def _hold(self, key: str, made: list[QImage]) -> None:
        self._held[key] = made
        self._asked.add(key)
        while len(self._held) > ROWS_KEPT:
            self._asked.discard(self._held.popitem(last=False)[0])

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
        text = self.tr("step {0}").format(f"{step:,}") + (self.tr(" · item {0}").format(item + 1) if item >= 0 else "")
        self.large.set_picture(self.grid.image(index), text)
        self._wanted = None
        if self._view is not None:
            self._session.preferences.set(f"train/cell/{self._view.id}", [step, item])
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
