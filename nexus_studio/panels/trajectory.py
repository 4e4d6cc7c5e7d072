"""Trajectory: record how sampling goes, scrub through it, compare samplers, branch from a step, export the film."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QMenu, QStackedWidget, QVBoxLayout, QWidget

from models_backend.contract.grids import named
from models_backend.contract.messages import Sample, StartFrom, VectorField
from models_backend.contract.run_layout import RunRecord, SampleRecord

from .. import theme
from ..commands import Command
from ..figures import short
from ..fitting import menu_text
from ..pieces import Card, EmptyState, Header, allow, button, chip, chip_button, label, rule
from ..plots.small import Line, SmallCurves
from ..state.following import Following
from ..state.session import Session
from ..viewers.film_strip import FilmStrip
from ..viewers.modality import to_array
from ..viewers.points_view import PointsView
from .exporting import fill_menu
from .trajectory_branches import Branches, branch_title
from .trajectory_controls import TrajectoryControls
from .trajectory_kept import TrajectoryKeeper
from .trajectory_recording import MOST_CHANNELS, Recording, Tell, around, part_of, place, plane, solver, straightness
from .trajectory_views import ChannelViews, Plots, bounds_of_channel
from .verdict_rows import VerdictRows
from .working import Working
from .workspace import Footed, Workspace

MOST_ROWS = 4
FIELD_N = 18


class TrajectoryPanel(Workspace):
    """Channels on top, curves and the main plane below them, the film strip at the bottom, samplers on the right."""

    key, title, icon_name = "trajectory", "Trajectory", "trajectory"

    def __init__(self, session: Session):
        super().__init__(session)
        self.recordings: list[Recording] = []
        self.row, self.item = 0, 0
        self._sampling = False
        self.following = Following(session.runs)
        self._ways: list[np.ndarray] = []
        self._fields: dict[str, tuple[np.ndarray, tuple[float, float, float, float]]] = {}
        self.controls = TrajectoryControls(session)
        self.set_central(self._build_centre())
        right, bottom = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.BottomDockWidgetArea
        self.setCorner(Qt.Corner.BottomRightCorner, right)
        self.working = Working()
        failed = VerdictRows(session, "trajectory")
        side = Footed(self.controls, rule(), failed, self.working, self.controls.actions)
        self.add_dock("sampling", self.tr("Sampling"), side, right, width=310)
        self.strip = FilmStrip(hint=self.tr("Record a trace and its steps appear here"))
        frame = QWidget()
        inner = QVBoxLayout(frame)
        inner.setContentsMargins(12, 0, 12, 10)
        inner.addWidget(self.strip)
        dock = self.add_dock("film", self.tr("Film strip"), frame, bottom, height=190)
        dock.heading.hint.setText(self.tr("hover scrubs · click locks · ←→ steps"))
        self._connect()
        self.keeper = TrajectoryKeeper(self)

    def _build_centre(self) -> QWidget:
        self.sigma, self.solver = chip(""), chip("")
        self.overlay = chip_button(self.tr("Overlay"))
        self.shown_channels = button(self.tr("Channels") + "   ", "chip")
        self.shown_channels.setToolTip(self.tr("Choose which of the recorded channels are shown, four at most"))
        self.shown_channels.setMenu(QMenu(self))
        self.shown_channels.menu().aboutToShow.connect(self._offer_channels)
        self.shown_channels.hide()
        for pill in (self.sigma, self.solver, self.overlay):
            pill.hide()  # until there is a step to tell of
        self.overlay.setToolTip(self.tr("Lay the next row over this one"))
        self.header = Header(self.tr("Trajectory"), self.sigma, self.solver)
        self.header.corner.addWidget(self.shown_channels)
        self.header.corner.addWidget(self.overlay)
        self.channels = ChannelViews()
        self.curves = SmallCurves()
        self.curves.setAccessibleName(self.tr("Noise level and change per step"))
        self.way = PointsView(axes=False)
        self.way.setAccessibleName(self.tr("Path in its main plane"))
        self.way_title = label("", "mono")
        self.way_title.setToolTip(
            self.tr("The plane is that of all paths drawn; bend is measured in all dimensions of each path")
        )
        self.branches = Branches(self.session)
        plots = Plots(Card(self.branches, self.curves), Card(self.way_title, self.way))
        board = QWidget()
        layout = QVBoxLayout(board)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.channels, 3)
        layout.addWidget(plots, 2)
        self.empty = EmptyState(
            "trajectory", self.tr("Watch a sample come into being"),
            self.tr("Record every step of a sampler, scrub through it, and lay two samplers over each other."),
            self.tr("Record a trace"), self._do_first_thing,
        )  # fmt: skip
        self.stack = QStackedWidget()
        self.stack.addWidget(self.empty)
        self.stack.addWidget(board)
        whole = QWidget()
        outer = QVBoxLayout(whole)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.header)
        outer.addWidget(self.stack, 1)
        return whole

    def _connect(self) -> None:
        c = self.controls
        c.run_chosen.connect(self.choose_run)
        c.sample_asked.connect(self.sample)
        c.branch_asked.connect(self.branch)
        c.film_asked.connect(self.film)
        c.item_chosen.connect(self._set_item)
        self.strip.scrubbed.connect(lambda _: self._show())
        self.strip.row_chosen.connect(self._set_row)
        self.curves.pointed.connect(lambda x: self._to_share(x, hold=False))
        self.curves.placed.connect(lambda x: self._to_share(x, hold=True))
        self.overlay.toggled.connect(lambda _: self._show())
        self.session.runs.changed.connect(self._fill)
        self.session.runs.state_changed.connect(self._fill)
        self.session.runs.current_changed.connect(self._fill)
        self.session.catalogue.changed.connect(self._fill)
        theme.signals.changed.connect(self._draw_plots)

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._fill()  # runs may have been trained since the last visit

    def show_what(self, what: dict) -> None:
        """{"sample": id} opens its recorded trace; {"run": id} chooses that run."""
        self._fill()
        if what.get("run"):
            self.choose_run(what["run"])
        if what.get("sample"):
            self.session.bridge.spawn(self._open(what["sample"], what.get("item", 0)))

    def commands(self) -> list[Command]:
        recorded = lambda: bool(self.recordings)  # noqa: E731
        why = self.tr("Record a trace first")
        return [
            Command("trajectory.sample", self.tr("Record a trace"), self.sample, "Trajectory",
                    enabled=lambda: self.controls.run is not None and not self._sampling, why=self.tr("Train a model first")),
            Command("trajectory.branch", self.tr("Branch from the step shown"), self.branch, "Trajectory", why=why,
                    enabled=lambda: recorded() and self.controls.run is not None),
            Command("trajectory.film", self.tr("Export the trajectory as a film"), self.film, "Trajectory", enabled=recorded,
                    why=why),
            Command("trajectory.overlay", self.tr("Lay the next row over this one"), self.overlay.toggle, "Trajectory",
                    enabled=lambda: len(self.recordings) > 1, why=self.tr("Record two samplers, or branch, first")),
        ]  # fmt: skip

    # ------------------------------------------------------------------------------------- runs and traces

    def _fill(self) -> None:
        trained = [r for r in self.session.runs.records if self.session.runs.may_be_trained(r.id)]
        ids, shown = [r.id for r in trained], self.controls.run.id if self.controls.run else ""
        stays = shown in ids and (bool(self.recordings) or not self.isVisible())
        wanted = shown if stays else self.following.wanted(ids, shown)
        self.controls.fill_runs(trained, wanted)
        self._show_possible(bool(trained))
        if wanted and wanted != shown:
            self._take_run(wanted)

    def _show_possible(self, able: bool) -> None:
        """What can be done, and the button of the empty page: without a trained run it leads to Train."""
        self.controls.enable(able and not self._sampling, bool(self.recordings))
        self.empty.button.setText(self.tr("Record a trace") if able else self.tr("Train a model first"))

    def _do_first_thing(self) -> None:
        self.sample() if self.controls.run is not None else self.session.navigate.emit("train", {})

    def choose_run(self, run: str) -> None:
        """Chooses which run is sampled, whichever the window shows elsewhere."""
        self.following.choose(run)
        self._take_run(run)

    def _take_run(self, run: str) -> None:
        record = self.session.runs.get(run)
        if record is not None:
            self.controls.set_run(record)
            self._show_possible(True)

    async def _open(self, sample: str, item: int = 0) -> None:
        record = await self.session.samples.record(sample)
        if record.trace is None:
            self.session.bridge.notice(self.tr("“{0}” was made without recording its steps.").format(record.title))
            return
        run = self.session.runs.get(record.run)
        if run is not None:
            self.controls.take(run, record)
        await self.take([record], item=item if item < record.trace.count else 0)

    async def take(self, records: list[SampleRecord], row: int = -1, item: int = -1, keep: bool = False) -> None:
        """Shows recorded traces, one row and item of them; with ``keep`` below those that are shown."""
        rows = self.recordings[: MOST_ROWS - len(records)] if keep else []
        for record in records:
            rows.append(Recording(record, await self.session.samples.trace(record.id)))
        place(rows)
        self.recordings, self.row = rows, row if 0 <= row < len(rows) else len(rows) - len(records) if keep else 0
        first, most = rows[self.row], max(one.count for one in rows)
        self.item = min(item if item >= 0 else self.item, most - 1)
        self.controls.set_items(most, first.together, self.item)
        self.controls.enable(self.controls.run is not None, True)
        self.channels.arrange(first, self._wanted())
        self.stack.setCurrentIndex(1)
        self.branches.tell(self.recordings)
        self._fill_strip()
        self._draw_plots()
        self.strip.lock(self.strip.steps() - 1)
        self._show()
        self.keeper.keep_shown()
        self.session.bridge.spawn(self._read_field(first))

    def sample(self) -> None:
        """Records a trace with each sampler that is set."""
        if self.controls.run is not None:
            self.session.bridge.spawn(self._sample())

    async def _sample(self) -> None:
        run, count = self.controls.run, self.controls.count.value()
        requests = [
            Sample(run.id, count, self.controls.seed.value(), sampling, self.controls.asked_for(), trace=count,
                   title=self.controls.title(sampling))
            for sampling in self.controls.samplings()
        ]  # fmt: skip
        records = []
        async with self._recording(self.tr("Recording {0}").format(run.title), run) as tell:
            for place, request in enumerate(requests):
                made = await self.session.bridge.engine.call(request, part_of(tell, place, len(requests)))
                records.append(await self.session.samples.record(made.sample))
        self.session.samples.changed.emit()
        await self.take(records)

    def branch(self) -> None:
        """Goes on from the step shown with the conditions that are set and sampler B, or A where B is off."""
        if self.recordings and self.controls.run is not None:
            self.session.bridge.spawn(self._branch())

    async def _branch(self) -> None:
        source, step = self.recordings[self.row], self._step_of(self.recordings[self.row])
        run, sampling = self.controls.run, self.controls.samplings()[-1]
        start = StartFrom(source.record.id, step, -1 if source.together else min(self.item, source.count - 1))
        count = source.count if source.together else 1
        title = branch_title(source.record, step, sampling)
        asked = self.controls.asked_for(None if source.together else self.item)
        request = Sample(run.id, count, source.record.seed, sampling, asked, trace=count, start=start, title=title)
        async with self._recording(self.tr("Branching at sampling step {0}").format(step), run) as tell:
            made = await self.session.bridge.engine.call(request, tell)
        self.session.samples.changed.emit()
        await self.take([await self.session.samples.record(made.sample)], keep=True)

    @contextlib.asynccontextmanager
    async def _recording(self, title: str, run: RunRecord) -> AsyncIterator[Tell]:
        """While it records: how far it is and a way to stop it, here and in the jobs; a failure stays until dismissed."""
        self._sampling = True
        self._show_possible(True)
        try:
            async with self.session.under_way(title, "trajectory", run.title, run.id) as activity:
                self.working.follow(activity)
                activity.tell(self.session.before_first(run.id))
                yield activity.tell
        finally:
            self.working.follow(None)
            self._sampling = False
            self._show_possible(True)

    def film(self) -> None:
        """Offers the formats in which the chosen row can be exported."""
        if self.recordings:
            shown = self.recordings[self.row]
            menu = QMenu(self)
            told = self.tr("Film of {0}: {1}").format(shown.label, named(shown.record.title, shown.record.grid))
            menu.addAction(menu_text(told, 120)).setEnabled(False)
            menu.addSeparator()
            fill_menu(menu, self.session, self, shown.record, first="trace")
            menu.popup(self.controls.film.mapToGlobal(self.controls.film.rect().bottomLeft()))

    async def _read_field(self, recording: Recording) -> None:
        """Points: the vector field at every recorded time, once."""
        if not recording.together or recording.info.kind != "denoise" or recording.record.id in self._fields:
            return
        low, high, *_ = bounds_of_channel(recording, "x")
        record = recording.record
        request = VectorField(record.run, recording.times(), low, high, FIELD_N, record.sampling, record.checkpoint)
        made = await self.session.bridge.engine.call(request)
        self._fields[record.id] = (to_array(made.arrays["field"]), (low, high, low, high))
        self._show()

    # --------------------------------------------------------------------------------------------- showing

    def _length(self) -> int:
        return max((r.steps for r in self.recordings), default=0)

    def _step_of(self, recording: Recording) -> int:
        length = self._length()
        return int(recording.aligned(length)[min(self.strip.step(), length - 1)])

    def _fill_strip(self) -> None:
        length = self._length()
        rows = [(r.label, r.frames(min(self.item, r.count - 1), length)) for r in self.recordings]
        self.strip.set_rows(rows, self.row)

    def _set_item(self, item: int) -> None:
        self.item = item
        if self.recordings:
            self._fill_strip()
            self._draw_plots()
            self._show()

    def _set_row(self, row: int) -> None:
        self.row = row
        self.channels.arrange(self.recordings[row], self._wanted())
        self.session.bridge.spawn(self._read_field(self.recordings[row]))
        self._show()

    def _wanted(self) -> list[str]:
        return self.session.preferences.get("trajectory/channels", [])

    def _offer_channels(self) -> None:
        menu, recording = self.shown_channels.menu(), self.recordings[self.row]
        menu.clear()
        for name in recording.available():
            action = menu.addAction(recording.title(name))
            action.setCheckable(True)
            action.setChecked(name in self.channels.views)
            action.triggered.connect(lambda on, name=name: self._show_channel(name, on))

    def _show_channel(self, name: str, on: bool) -> None:
        """Shows a channel, or leaves it out; a fifth one takes the place of the last."""
        shown = [one for one in self.channels.views if one != name]
        wanted = [*shown[: MOST_CHANNELS - 1], name] if on else shown
        self.session.preferences.set("trajectory/channels", wanted)
        self.channels.arrange(self.recordings[self.row], wanted)
        self._show()

    def _to_share(self, share: float, hold: bool) -> None:
        if self.recordings and hold:
            self.strip.lock(round(share * (self._length() - 1)))

    def _show(self) -> None:
        if not self.recordings:
            return
        recording = self.recordings[self.row]
        step = self._step_of(recording)
        told = recording.info.steps[step]
        title = self.tr("Step {0} / {1}") if recording.info.kind == "path" else self.tr("Sampling step {0} / {1}")
        self.header.set_title(title.format(step, recording.steps - 1))
        self.sigma.setText(f"σ {short(told.sigma)}" if recording.info.kind == "denoise" else f"{told.time:.2f}")
        self.sigma.show()
        self.overlay.show()
        self.shown_channels.setVisible(len(recording.available()) > 1)
        self.solver.setText(solver(recording.record.sampling))
        self.solver.setVisible(bool(self.solver.text()))
        other = self.recordings[(self.row + 1) % len(self.recordings)] if len(self.recordings) > 1 else None
        allow(self.overlay, other is not None, self.tr("Record two samplers, or branch, to lay one over the other"))
        over = (other, self._step_of(other)) if other is not None and self.overlay.isChecked() else None
        self.channels.show_step(recording, step, self.item, over, self._field_at(recording, step))
        self.curves.set_cursor(float(recording.share()[step]))
        self._mark_way()

    def _field_at(self, recording: Recording, step: int):
        known = self._fields.get(recording.record.id)
        return (known[0][step], known[1]) if known is not None else None

    def _draw_plots(self) -> None:
        if not self.recordings:
            return
        lines, denoised = [], self.recordings[0].info.kind == "denoise"
        branched = any(r.source(self.recordings) for r in self.recordings) and not self.recordings[0].together
        item = self.item if branched else -1
        for row, r in enumerate(self.recordings):
            name = f"{r.label} " if len(self.recordings) > 1 else ""
            if denoised and row == 0:
                lines.append(Line("σ", r.share(), r.sigma(), theme.series_color(0), log=True))
            what = "|Δx̂₀|" if denoised else "|Δx|"
            lines.append(Line(f"{name}{what}", *r.changes(item), theme.series_color(row + 1), scale=what))
        self.curves.ends = (self.tr("noise"), self.tr("item")) if denoised else (self.tr("start"), self.tr("end"))
        self.curves.set_lines(lines)
        ways = plane(self.recordings, self.item)
        self.way.set_paths(ways, [QColor(theme.series_color(i + 1)) for i in range(len(ways))])
        self.way.set_bounds(around(ways))
        bent = " · ".join(f"{r.label} {straightness(r.path(self.item)):.3f}" for r in self.recordings)
        self.way_title.setText(self.tr("main plane · bend {0} (0 is straight)").format(bent))
        self._ways = ways

    def _mark_way(self) -> None:
        marks = [way[self._step_of(r)] for r, way in zip(self.recordings, self._ways)]
        self.way.set_overlay(np.asarray(marks))
