"""What to sample: run and checkpoint, conditions, seeds, how many, and the sampler's settings from the description."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from models_backend.contract import fields
from models_backend.contract.family import unmet
from models_backend.contract.messages import Event, Sample, Saved, State
from models_backend.contract.run_layout import RunRecord, SampleRecord, step_of

from .. import pieces
from ..forms.conditions import ConditionsForm
from ..forms.editors import Pick
from ..forms.form import SettingsForm
from ..state.following import Following
from ..state.run_view import RunView
from ..state.session import Session
from ..viewers.modality import shown
from . import sample_axes
from .sample_facts import checkpoint_name
from .sample_seeds import SeedEditor

MOST_ITEMS = 4096
TRACED = 16
TOGETHER_COUNT, EACH_COUNT = 2000, 16


#: Widths of averages that are offered of a run that kept what they are made from (see networks/averaging.py).
WIDTHS = (0.03, 0.05, 0.07, 0.1, 0.12)


class SampleSetup(QWidget):
    """``changed`` at every edit that changes what would be made; ``run_changed`` when another run is chosen."""

    changed = Signal()
    run_changed = Signal(str)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.run: RunRecord | None = None
        self.holds = False  # results that were made with it are seen: the run stays
        self._saved: int | None = None  # the step of its newest checkpoint
        self._view: RunView | None = None  # of the run
        self.following = Following(session.runs)
        self._left: dict[str, tuple[dict, dict]] = {}  # run -> settings and conditions as they were when another was chosen
        self.form: SettingsForm | None = None
        self.conditions: ConditionsForm | None = None
        self.runs, self.checkpoints, self.seeds = Pick(), Pick(), SeedEditor()
        self.help = pieces.label("", "hint", wrap=True)  # the panel's last line: what stands above it keeps its place
        self.help.hide()
        self.count = pieces.spin_box(self.tr("Items a seed"), 1, MOST_ITEMS, EACH_COUNT)
        self.record = QCheckBox(self.tr("Record the trajectory"))
        self._build()
        self._connect()
        self.fill_runs()

    def _build(self) -> None:
        self.record.setChecked(True)
        self.record.setToolTip(
            self.tr("Keeps every step of up to {0} items, to scrub through and to branch from").format(TRACED)
        )
        for widget, name in (
            (self.runs, self.tr("Run")), (self.checkpoints, self.tr("Checkpoint")), (self.count, self.tr("Items a seed")),
        ):  # fmt: skip
            widget.setAccessibleName(name)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(12, 2, 12, 12)
        self._layout.setSpacing(7)
        for name, widget in (
            (self.tr("Run"), self.runs), (self.tr("Checkpoint"), self.checkpoints), (self.tr("Seeds"), self.seeds),
            (self.tr("Items"), self.count),
        ):  # fmt: skip
            self._layout.addLayout(pieces.form_line(name, widget))
        self._layout.addWidget(self.record)
        self._inner = QVBoxLayout()
        self._layout.addLayout(self._inner)
        self._layout.addStretch(1)

    def _connect(self) -> None:
        self.runs.activated.connect(lambda _: self.choose_run(self.runs.currentData()))
        self.checkpoints.activated.connect(lambda _: self.changed.emit())
        self.seeds.changed.connect(self.changed)
        self.count.valueChanged.connect(lambda _: self.changed.emit())
        self._session.runs.changed.connect(self.fill_runs)
        self._session.runs.state_changed.connect(self.fill_runs)
        self._session.runs.current_changed.connect(self.fill_runs)
        self._session.catalogue.changed.connect(self.fill_runs)
        self._session.runs.told.connect(self._hear)

    # ------------------------------------------------------------------------------------------------ run

    def fill_runs(self) -> None:
        """Offer the runs that have learnt something. What is chosen here by hand stays, and so does what results are seen of;
        else the window's current run is taken as soon as the form is seen."""
        runs = self._session.runs
        able = [r for r in runs.records if self._session.catalogue.get(r.family) and runs.may_be_trained(r.id)]
        self.runs.clear()
        for record in able:
            self.runs.addItem(record.title, record.id)
        ids, shown = [record.id for record in able], self.run.id if self.run else ""
        wanted = shown if shown in ids and (self.holds or not self.isVisible()) else self.following.wanted(ids, shown)
        if wanted and wanted != shown:
            self._take_run(wanted)
        self.runs.setCurrentIndex(self.runs.findData(wanted))

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self.fill_runs()  # another run may have been chosen, or trained, since the last visit

    def choose_run(self, run: str) -> None:
        """Sample from this run, whichever the window shows elsewhere."""
        self.following.choose(run)
        self._take_run(run)

    def _take_run(self, run: str) -> None:
        record = self._session.runs.get(run)
        family = self._session.catalogue.get(record.family) if record else None
        if family is None:
            return
        same = self.run is not None and self.run.family == record.family and self.run.spec == record.spec
        together = shown(record.spec.modality).together
        if self.run is None or shown(self.run.spec.modality).together != together:
            self.count.setValue(TOGETHER_COUNT if together else EACH_COUNT)
        if self.run is not None and self.form is not None:
            self._left[self.run.id] = self.form.values(), self.conditions.values() if self.conditions else {}
        self.run = record
        self.runs.setCurrentIndex(self.runs.findData(run))
        if not same:
            self._build_forms(family)
        self._fill_checkpoints()
        self.run_changed.emit(run)
        self.changed.emit()

    def _build_forms(self, family) -> None:
        self.help.hide()
        for old in (self.form, self.conditions):
            if old is not None:
                self._inner.removeWidget(old)
                old.hide()
                old.deleteLater()
        self.conditions = ConditionsForm(family.conditions, self.run.spec) if family.conditions else None
        lacking = unmet(family.conditions, self.run.spec, self.run.data.get("conditions", "auto"))
        seen = [field.name for field in family.sampling.fields if not (field.needs == "text" and "text" in lacking)]
        values = fields.merged(fields.defaults(family.sampling), fields.renamed(family.sampling, self.run.sampling))
        self.form = SettingsForm(family.sampling, values, seen, help_line=self.help)
        self.form.set_unmet(lacking)
        if self.run.id in self._left:
            settings, conditions = self._left[self.run.id]
            self.form.set_values(settings)
            if self.conditions:
                self.conditions.set_values(conditions)
        for new in (self.conditions, self.form):
            if new is not None:
                self._inner.addWidget(new)
                new.changed.connect(self.changed)

    def _fill_checkpoints(self) -> None:
        self.checkpoints.clear()
        self._saved = None
        if self._view is not None:
            self._view.changed.disconnect(self._show_newest)
        self._view = self._session.runs.view(self.run.id)
        if self._view is not None:
            self._view.changed.connect(self._show_newest)
        self.checkpoints.addItem(self._newest(), "")
        self._session.bridge.spawn(self._read_checkpoints(self.run.id))

    def _newest(self) -> str:
        """The newest weights with their step: where the run trains, or its last checkpoint."""
        view = self._view
        step = view.step if view is not None and view.live and view.loaded else self._saved
        return self.tr("Newest, step {0}").format(f"{step:,}") if step else self.tr("Newest")

    def _show_newest(self) -> None:
        self.checkpoints.setItemText(0, self._newest())

    def _hear(self, run: str, event: Event) -> None:
        if self.run is not None and run == self.run.id and isinstance(event.body, Saved | State):
            self._session.bridge.spawn(self._read_checkpoints(run))

    async def _read_checkpoints(self, run: str) -> None:
        folder = self._session.bridge.library.run(run)
        names = await self._session.bridge.threaded(lambda: [layout.name for layout in folder.checkpoints(weights_only=True)])
        if self.run is not None and self.run.id == run:
            self._saved = step_of(names[0]) if names else None
            self._show_newest()
            for place, name in enumerate(names, 1):
                if self.checkpoints.findData(name) < 0:
                    self.checkpoints.insertItem(place, checkpoint_name(name), name)
            for name in [f"@{width:g}" for width in WIDTHS] if self.run.training.get("ema_power") else ():
                if self.checkpoints.findData(name) < 0:
                    self.checkpoints.addItem(checkpoint_name(name), name)

    # -------------------------------------------------------------------------------------------- requests

    def problems(self) -> list[str]:
        """What keeps this from being sampled."""
        if self.run is None or self.form is None:
            return [self.tr("Train a model first; then choose its run here.")]
        return [str(problem) for problem in self.form.problems()] + [text for text in (self.seeds.problem(),) if text]

    def request(self, seed: int | None = None, save: bool = True, stamp: int = 0) -> Sample:
        """The request for one seed (the first where none is given)."""
        traced = min(self.count.value(), self.count.value() if self.together else TRACED)
        return Sample(
            self.run.id,
            self.count.value(),
            self.seeds.seeds()[0] if seed is None else seed,
            self.form.values(),
            self.conditions.values() if self.conditions else {},
            self.checkpoints.currentData() or "",
            traced if save and self.record.isChecked() else 0,
            save=save,
            stamp=stamp,
        )

    def all_requests(self, save: bool = True) -> list[Sample]:
        """One request a seed."""
        return [self.request(seed, save) for seed in self.seeds.seeds()]

    @property
    def together(self) -> bool:
        """Whether items only mean something together."""
        return self.run is not None and shown(self.run.spec.modality).together

    def take(self, record: SampleRecord) -> None:
        """Everything as a sample was made: run, checkpoint, settings, conditions, seed, count. Of a cell what is the same in
        its whole grid: fields along its sides, and the count of items made one a cell, stay as they are."""
        if self._session.runs.get(record.run) is None:
            return
        self.choose_run(record.run)
        sides = {axis.path for axis in record.grid.axes} if record.grid is not None else set()
        own = self.form.values()
        kept = {path: value for path in sides if (value := sample_axes.at(own, path)) is not None}
        values = record.sampling
        for path, value in kept.items():
            values = fields.merged(values, fields.nested(path, value))
        self.form.set_values(values)
        if self.conditions:
            asked = {kind: value for kind, value in record.conditions.items() if f"condition.{kind}" not in sides}
            mine = {kind: value for kind, value in self.conditions.values().items() if f"condition.{kind}" in sides}
            self.conditions.set_values(asked | mine)
        if "seed" not in sides:
            self.seeds.lock.setChecked(True)
            self.seeds.set_seeds([record.seed])
        if record.grid is None or self.together:
            self.count.setValue(record.count)
        self.choose_checkpoint(record.checkpoint)
        self.changed.emit()

    def choose_checkpoint(self, name: str) -> None:
        """Sample from that checkpoint; "" is the newest."""
        place = self.checkpoints.findData(name)
        if place < 0 and name:
            self.checkpoints.addItem(checkpoint_name(name), name)
            place = self.checkpoints.count() - 1
        self.checkpoints.setCurrentIndex(max(0, place))

    def title(self) -> str:
        """Run and checkpoint in words."""
        return f"{self.run.title} · {self.checkpoints.currentText()}" if self.run else ""
