"""The Sample workspace: results in the middle, settings on the right, what was made lately below."""

from __future__ import annotations

import secrets
from collections.abc import Coroutine

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QMenu, QStackedWidget, QWidget

from models_backend.contract.grids import GridCell
from models_backend.contract.messages import Trouble
from models_backend.contract.run_layout import SampleRecord
from models_backend.contract.words import counted, sentence

from .. import figures, pieces, theme
from ..commands import Command
from ..layouts import Flow
from ..state.session import Session
from ..viewers.image_grid import ImageGrid
from .exporting import fill_menu
from .gallery_tiles import Tiles
from .sample_facts import checkpoint_name
from .sample_grid import GridForm
from .sample_info import ItemInfo
from .sample_kept import SampleKeeper
from .sample_opening import SampleOpening, same
from .sample_results import Results
from .sample_setup import TRACED, SampleSetup
from .sample_work import Batch, Made, SampleWork, asked_words
from .workspace import Footed, Workspace, scrolled

ITEM_PX = 220
VARIATIONS = 9
VARY_AT = 0.4


class SampleControls(QWidget):
    """The buttons under the settings."""

    generate_asked = Signal()
    live_toggled = Signal(bool)
    grid_toggled = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.generate = pieces.button(self.tr("Generate"), "primary", self.generate_asked.emit)
        self.live = pieces.button(self.tr("Live"))
        self.live.setCheckable(True)
        self.live.setToolTip(self.tr("Make it again at every edit; the newest wins, nothing is kept"))
        self.live.toggled.connect(self.live_toggled)
        self.grid = pieces.button(self.tr("Grid"))
        self.grid.setCheckable(True)
        self.grid.setToolTip(self.tr("Lay out a grid over two fields"))
        self.grid.toggled.connect(self.grid_toggled)
        self.why = pieces.label("", "error", lines=4)
        kept = self.why.sizePolicy()
        kept.setRetainSizeWhenHidden(True)  # a line is kept for it: nothing moves when there is something to say
        self.why.setSizePolicy(kept)
        self.why.hide()
        self.rescale()
        theme.signals.changed.connect(self.rescale)
        line = Flow(self.generate, self.live, self.grid, spacing=8, spread=True)
        self.setLayout(pieces.column(self.why, line, spacing=8, margins=(12, 8, 12, 12)))

    def rescale(self) -> None:
        """A line of the text size in force stays free for what is wrong."""
        self.why.setMinimumHeight(self.why.fontMetrics().lineSpacing() + 3)

    def show_problem(self, problem: str, guidance: bool = False) -> None:
        """Why nothing can be made; "" when it can. ``guidance``: nothing is wrong, something is only still to do."""
        pieces.set_role(self.why, "hint" if guidance else "error")
        self.why.setText(sentence(problem))
        self.why.setVisible(bool(problem))
        for button in (self.generate, self.live, self.grid):
            pieces.allow(button, not problem or button.isChecked(), problem)

    def show_busy(self, busy: bool) -> None:
        """While something is made the first button stops it."""
        self.generate.setText(self.tr("Stop") if busy else self.tr("Generate"))
        pieces.set_role(self.generate, "danger" if busy else "primary")
        if busy:
            pieces.allow(self.generate, True)


class SamplePanel(Workspace):
    """Generate, vary, compare settings, keep and export."""

    key, title, icon_name = "sample", "Sample", "sample"

    def __init__(self, session: Session):
        super().__init__(session)
        self.work, self.opening = SampleWork(session), SampleOpening(self)
        self._record: SampleRecord | None = None
        self._cells: dict[str, SampleRecord] = {}  # of the grid that is shown, by their ids
        self._latency_ms, self._doing, self._opening = 0.0, False, 0
        self._build_middle()
        self._build_docks()
        self._connect()
        self.keeper = SampleKeeper(self)
        self._setup_changed()
        self._show_actions()
        self._show_page()

    # ------------------------------------------------------------------------------------------ building

    def _build_middle(self) -> None:
        self.run_chip, self.state_chip = pieces.chip(""), pieces.chip("")
        self.header = pieces.Header(self.tr("Results"), self.run_chip, self.state_chip)
        self.state_chip.hide()  # until there is something to say
        self.keep = pieces.button(self.tr("Keep"), "chip", self.keep_made)
        self.keep.setToolTip(self.tr("Write what is seen into the gallery"))
        self.vary = pieces.button(self.tr("Variations"), "chip", self.vary_item)
        self.vary.setToolTip(self.tr("Fresh noise from a step of this item's own trajectory"))
        self.trajectory = pieces.button(self.tr("Trajectory"), "chip", self.open_trajectory)
        self.export = pieces.button(self.tr("Export") + "   ", "chip")
        self.export_menu = QMenu(self)
        self.export.setMenu(self.export_menu)
        self.export_menu.aboutToShow.connect(self._fill_export)
        for button in (self.keep, self.vary, self.trajectory, self.export):
            self.header.corner.addWidget(button)
        self.meter = pieces.meter()
        self.meter.setFixedHeight(3)
        kept = self.meter.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self.meter.setSizePolicy(kept)
        self.meter.hide()
        self.results = Results()
        seen = QWidget()
        column = pieces.column(self.header, self.meter, self.results, spacing=0)
        column.setStretch(2, 1)
        seen.setLayout(column)
        self.empty = pieces.EmptyState(
            "sample",
            self.tr("Make something new"),
            self.tr(
                "Choose a trained run, then generate: one seed always gives the same item. Live mode makes it while you edit."
            ),
            self.tr("Generate"),
            self._do_first_thing,
        )  # fmt: skip
        self.pages = QStackedWidget()
        self.pages.addWidget(seen)
        self.pages.addWidget(self.empty)
        self.set_central(self.pages)

    def _build_docks(self) -> None:
        sides = Qt.DockWidgetArea
        self.setCorner(Qt.Corner.BottomRightCorner, sides.RightDockWidgetArea)
        self.setup = SampleSetup(self.session)
        self.grid_form, self.controls = GridForm(self.setup), SampleControls()
        self.grid_form.hide()
        inside = QWidget()
        card = pieces.column(self.grid_form, margins=(12, 0, 12, 12))
        told = pieces.column(self.setup.help, margins=(12, 0, 12, 12))
        inside.setLayout(pieces.column(self.setup, card, told, None, spacing=0))
        right = Footed(inside, pieces.rule(), self.controls)
        self._scroll = right.area
        self.info = ItemInfo(self.session)
        self.recent = ImageGrid(tile_px=112, titled=True, hint=self.tr("What you make stands here, newest first."))
        self.recent.setAccessibleName(self.tr("Made lately"))
        self.tiles = Tiles(self.session)
        framed = QWidget()
        framed.setLayout(pieces.column(self.recent, margins=(12, 2, 12, 10)))
        self.add_dock("sample.setup", self.tr("Sampling"), right, sides.RightDockWidgetArea, 316, 440)
        self.add_dock("sample.item", self.tr("Item"), scrolled(self.info), sides.RightDockWidgetArea, 316, ITEM_PX)
        lately = self.add_dock("sample.recent", self.tr("Made lately"), framed, sides.BottomDockWidgetArea, height=206)
        lately.heading.hint.setText(self.tr("Enter opens"))

    def _connect(self) -> None:
        session, work, controls = self.session, self.work, self.controls
        self.setup.changed.connect(self._setup_changed)
        self.grid_form.across.changed.connect(self._setup_changed)
        self.grid_form.down.changed.connect(self._setup_changed)
        controls.generate_asked.connect(self.generate_or_stop)
        controls.live_toggled.connect(lambda on: self._setup_changed())
        controls.grid_toggled.connect(self._show_grid_form)
        work.made.connect(self.show_made)
        work.live_made.connect(self._show_live)
        work.cell.connect(self._show_cell)
        work.kept.connect(self._show_actions)
        work.busy.connect(self._show_busy)
        work.told.connect(self._say_doing)
        work.progressed.connect(lambda share: self.meter.setValue(round(1000 * share)))
        work.failed.connect(self._live_failed)
        self.results.chosen.connect(self._choose)
        session.samples.changed.connect(self._reload_recent)
        session.ready.connect(self._reload_recent)
        session.ready.connect(self._setup_changed)
        session.runs.changed.connect(self._show_page)
        self.tiles.counted.connect(lambda _: self._list_recent())
        self.tiles.paged.connect(self.recent.refresh)
        self.tiles.arrived.connect(self.recent.refresh)
        self.recent.activated.connect(self._open_recent)
        self.recent.current_changed.connect(self._open_recent)

    # --------------------------------------------------------------------------------------------- showing

    def tall_dock(self, key: str, size: int, room: int) -> int:
        """The form has what the item leaves, whether one is chosen or not: the buttons between them keep their place."""
        return room - super().tall_dock(key, ITEM_PX, room) if key == "sample.setup" else super().tall_dock(key, size, room)

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._reload_recent()  # what other workspaces made since the last visit
        self._show_page()

    def show_what(self, what: dict) -> None:
        state = what.get("state")
        if isinstance(state, SampleRecord):
            self.session.bridge.spawn(self._opened(self.opening.restore(state)))
        elif what.get("sample"):
            self.session.bridge.spawn(self._opened(self.opening.open(what["sample"])))
        elif what.get("run"):
            self.setup.choose_run(what["run"])
        self._show_page()

    def _reload_recent(self) -> None:
        if self.isVisible():
            from models_backend.library.index import Filter

            self.tiles.reload(Filter(gathered=True))

    def _open_recent(self, index: int) -> None:
        record = self.tiles.record(index) if index >= 0 else None
        if record is not None and not same(record, self._record):
            self.session.bridge.spawn(self._opened(self.opening.open(record.id)))

    async def _opened(self, work: Coroutine) -> None:
        """Opens a sample; the newest wish is the one that is marked in the list."""
        self._opening += 1
        try:
            await work
        finally:
            self._opening -= 1
            self._mark_recent()

    def _list_recent(self) -> None:
        self.recent.set_source(*self.tiles.source())
        self._mark_recent()

    def _mark_recent(self) -> None:
        """Chooses in the list what is shown, or nothing where it is not there."""
        if not self._opening:
            self.recent.set_current(self.tiles.index_where(lambda record: same(record, self._record)), select=True)

    def _show_page(self) -> None:
        has_items = self.results.batch is not None or self.work.is_busy or self.controls.live.isChecked()
        self.pages.setCurrentIndex(0 if has_items else 1)
        able = not self.setup.problems()
        self.empty.button.setText(self.tr("Generate") if able else self.tr("Train a model first"))

    def _do_first_thing(self) -> None:
        if self.setup.problems():
            self.session.navigate.emit("train", {})
        else:
            self.generate_or_stop()

    def _setup_changed(self) -> None:
        self._judge()
        if self.controls.live.isChecked() and not self.setup.problems():
            self.work.live(self.setup.request(save=False))
            self._say_state(self.tr("Live · working"))
        self._show_page()

    def _say_state(self, text: str) -> None:
        self.state_chip.setText(text)
        self.state_chip.show()

    def _judge(self) -> None:
        """Say what can be made now, or why nothing can."""
        problems = self.setup.problems()
        if not problems and self.controls.grid.isChecked() and self.grid_form.problem():
            problems = [self.grid_form.problem()]
        if not self.work.is_busy:
            self.controls.show_problem(problems[0] if problems else "", guidance=self.setup.run is None)
            self.controls.why.setVisible(bool(problems) and self.session.is_ready)  # it is not known before
        self._say_origin()

    def _say_origin(self) -> None:
        """The runs and the checkpoints that what is shown was made from; those that are set up where nothing is shown yet."""
        made = self.results.batch.made if self.results.batch is not None else []
        self.setup.holds = (bool(made) or self.work.is_busy) and not self.controls.live.isChecked()
        if self.work.is_busy and not made:
            return  # what is under way was set up when the form may have been another
        text = self._origin(made) if made else self.setup.title()
        self.run_chip.setText(text)
        self.run_chip.setVisible(bool(text))

    def _origin(self, made: list[Made]) -> str:
        runs = dict.fromkeys(self.session.title_of(one.request.run) or one.request.run for one in made)
        kept = dict.fromkeys(one.checkpoint or one.request.checkpoint for one in made)
        step = counted(len(kept), "checkpoint") if len(kept) > 1 else checkpoint_name(next(iter(kept))) or self.tr("Newest")
        return f"{', '.join(runs)} · {step}"

    def _show_grid_form(self, on: bool) -> None:
        if on:
            self.controls.live.setChecked(False)
            self.grid_form.offer()
        self.grid_form.setVisible(on)
        if on:
            QTimer.singleShot(0, self, lambda: self._scroll.ensureWidgetVisible(self.grid_form))
        self._setup_changed()

    def _show_busy(self, busy: bool) -> None:
        self.controls.show_busy(busy)
        self.meter.setVisible(busy)
        if not busy:
            self.meter.setValue(0)
            if self._doing:  # nothing was made that says how long it took
                self._say_doing("")
            self._doing = False
            self._judge()
        self._show_page()

    def show_made(self, batch: Batch, record: SampleRecord | None = None) -> None:
        """Items side by side; ``record``: of the one sample that they are of, where it is one."""
        self._cells = {}
        self.results.show_batch(batch, self._asked(batch))
        self._say_state(counted(len(batch.items), "item"))
        self.header.set_hint(figures.milliseconds(batch.took_ms) if batch.took_ms else "")
        self._doing = False
        self._record = record
        self._say_origin()
        self.keeper.keep_shown(batch.samples)
        if record is None and batch.samples:
            self.session.bridge.spawn(self._read_records(batch))
        self._show_actions()
        self._show_page()

    def _say_doing(self, words: str) -> None:
        self.header.set_hint(sentence(words))
        self._doing = True

    def show_grid(self, grid: GridCell, cells: list[tuple[SampleRecord, Batch]]) -> None:
        """The kept cells of a grid, in their places."""
        self._begin_grid(grid)
        self._cells = {record.id: record for record, _ in cells}
        self._record = cells[0][0]
        self._show_cells({record.grid.place: batch for record, batch in cells})
        self._show_page()

    def _show_cell(self, index: int, batch: Batch) -> None:
        grid = self.results.gridded
        if grid is None or grid.id != batch.made[0].request.grid.id:
            return  # something else is looked at meanwhile
        self._show_cells({index: batch})
        self.session.bridge.spawn(self._read_cell(batch.samples[0]))

    def _show_cells(self, cells: dict[int, Batch]) -> None:
        self.results.show_cells(cells)
        self.keeper.keep_shown(self.results.batch.samples)
        self._say_origin()
        self._show_actions()

    async def _read_cell(self, sample: str) -> None:
        cell = await self.session.samples.record(sample)
        if self.results.gridded is not None and self.results.gridded.id == cell.grid.id:
            self._cells[sample] = cell
            self._choose(self.results.current())

    def _show_live(self, batch: Batch, latency_ms: float) -> None:
        self._record, self._cells, self._latency_ms = None, {}, latency_ms
        self.results.show_batch(batch, self._asked(batch))
        self._say_state(self.tr("Live"))
        self.header.set_hint(self.tr("{0} from edit to picture").format(figures.milliseconds(latency_ms)))
        self._show_actions()
        self._show_page()

    def _asked(self, batch: Batch) -> list[str] | None:
        run = self.session.runs.get(batch.made[0].request.run) if batch.made else None
        return asked_words(batch.made, run.spec) if run is not None else None

    def _live_failed(self, trouble: Trouble) -> None:
        self._say_state(self.tr("Live"))
        self.controls.show_problem(str(trouble))

    async def _read_records(self, batch: Batch) -> None:
        """The record of the first sample, by which it is exported and varied."""
        record = await self.session.samples.record(batch.samples[0])
        if self.results.batch is batch:
            self._record = record
            self._show_actions()

    def _show_actions(self) -> None:
        self._mark_recent()
        batch, record = self.results.batch, self._record
        self.keep.setVisible(batch is not None and any(not made.sample for made in batch.made))
        traced = record is not None and record.trace is not None
        self.export.setVisible(record is not None)
        self.trajectory.setVisible(traced)
        self.vary.setVisible(traced and record.trace.kind == "denoise" and not self.setup.together)
        lacking = self.tr("Choose one of the first {0} items: those were recorded").format(TRACED)
        pieces.allow(self.vary, self._can_vary(), lacking)

    def _fill_export(self) -> None:
        self.export_menu.clear()
        if self._record is not None:
            chosen = self.results.current() is not None
            fill_menu(self.export_menu, self.session, self, self._record, self.results.selection(), whole=True, cell=chosen)

    def _choose(self, made: Made | None) -> None:
        if self._cells:  # a grid is exported by any cell, followed and varied by the chosen one
            self._record = self._cells.get(made.sample if made else "") or next(iter(self._cells.values()))
        self._say_origin()
        self._show_actions()
        self.info.show_made(made)

    # ---------------------------------------------------------------------------------------------- acting

    def generate_or_stop(self) -> None:
        """Make what is set up, or give up what is being made."""
        if self.work.is_busy:
            self.work.cancel()
            return
        if self.setup.problems():
            return
        self.setup.seeds.advance()
        if self.controls.grid.isChecked():
            self.generate_grid()
        else:
            self.work.generate(self.setup.all_requests())

    def generate_grid(self) -> None:
        """Make the grid that is set up."""
        requests = self.grid_form.cells(f"grid-{secrets.token_hex(6)}")
        self._begin_grid(requests[0].grid)
        self.work.make_cells(requests)
        self._show_page()

    def _begin_grid(self, grid: GridCell) -> None:
        self._record, self._cells = None, {}
        self.results.begin_cells(grid)
        self._say_state(grid.over)
        self.header.set_hint("")
        self._show_actions()

    def keep_made(self) -> None:
        """Write what is seen (or chosen) into the gallery."""
        if self.results.batch is not None:
            self.work.keep(self.results.batch, self.results.selection(), TRACED if self.setup.record.isChecked() else 0)

    def _can_vary(self) -> bool:
        trace, made = (self._record.trace if self._record else None), self.results.current()
        denoised = trace is not None and trace.kind == "denoise" and not self.setup.together
        return denoised and made is not None and made.index < trace.count and self.results.current_index() >= 0

    def vary_item(self) -> None:
        """Variations of the chosen item."""
        made = self.results.current()
        if made is not None and self._can_vary():
            self.work.vary(self._record, made.index, VARY_AT, VARIATIONS, made.request.seed + 1)

    def open_trajectory(self) -> None:
        """Scrub through how this was made."""
        if self._record is not None:
            item = 0 if self._cells else max(0, self.results.current_index())
            self.session.navigate.emit("trajectory", {"sample": self._record.id, "run": self._record.run, "item": item})

    def commands(self) -> list[Command]:
        def able() -> bool:
            return not self.setup.problems()

        untrained = self.tr("Train a model first")
        return [
            Command("sample.generate", self.tr("Generate, or stop generating"), self.generate_or_stop, "Sample", "Ctrl+G",
                    "sample", able, why=untrained),
            Command("sample.live", self.tr("Live mode on or off"), self.controls.live.toggle, "Sample", "Ctrl+L", "play", able,
                    why=untrained),
            Command("sample.seed", self.tr("A fresh seed"), self.setup.seeds.draw, "Sample", "Ctrl+R", "dice"),
            Command("sample.grid", self.tr("Grid over two fields"), self.controls.grid.toggle, "Sample", "", "grid", able,
                    why=untrained),
            Command("sample.vary", self.tr("Variations of the chosen item"), self.vary_item, "Sample", "", "branch",
                    self._can_vary, why=self.tr("Choose one of the items that were recorded")),
            Command("sample.keep", self.tr("Keep what is seen in the gallery"), self.keep_made, "Sample", "", "star",
                    lambda: self.results.batch is not None and any(not made.sample for made in self.results.batch.made),
                    why=self.tr("There is nothing that is not kept already")),
            Command("sample.trajectory", self.tr("Open in Trajectory"), self.open_trajectory, "Sample", "", "trajectory",
                    lambda: self._record is not None and self._record.trace is not None,
                    why=self.tr("Make samples whose steps are recorded first")),
        ]  # fmt: skip
