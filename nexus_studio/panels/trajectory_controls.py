"""The side of the trajectory panel: run, seed, item, conditions, two samplers, and what to do."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from models_backend.contract.family import unmet
from models_backend.contract.fields import FieldSpec, defaults, merged
from models_backend.contract.run_layout import RunRecord, SampleRecord

from ..fitting import tip
from ..forms.conditions import ConditionsForm, of_item
from ..forms.editors import Pick
from ..forms.form import SettingsForm
from ..layouts import Flow
from ..pieces import allow, button, form_line, icon_button, label, section, spin_box
from ..state.session import Session
from .trajectory_recording import solver

POINTS_RECORDED = 1500


class TrajectoryControls(QWidget):
    """``run_chosen`` a run's id, ``sample_asked`` (both samplers or only the first), ``branch_asked``, ``film_asked``;
    ``changed`` tells of every edit of what would be sampled."""

    changed = Signal()
    run_chosen = Signal(str)
    sample_asked = Signal()
    branch_asked = Signal()
    film_asked = Signal()
    item_chosen = Signal(int)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.run: RunRecord | None = None
        self.form_a: SettingsForm | None = None
        self.form_b: SettingsForm | None = None
        self.conditions: ConditionsForm | None = None
        self._build()

    def _build(self) -> None:
        self.runs = Pick()
        self.runs.setAccessibleName(self.tr("Run"))
        self.runs.activated.connect(lambda _: self.run_chosen.emit(self.runs.currentData()))
        self.seed = spin_box(self.tr("Seed"), 0, 2**31 - 1)
        self.item = spin_box(self.tr("Item"), 1, 1)
        self.item.valueChanged.connect(lambda number: self.item_chosen.emit(number - 1))
        self.count = spin_box(self.tr("Items recorded"), 1, 64, 4)
        again = icon_button("refresh", self.tr("Another seed"), lambda: self.seed.setValue(self.seed.value() + 1))
        self.asked, self.a, self.b = QVBoxLayout(), QVBoxLayout(), QVBoxLayout()
        self.help = label("", "hint", wrap=True)
        self.help.hide()
        self.use_b = button(self.tr("Compare with a second sampler"))
        self.use_b.setCheckable(True)
        self.use_b.toggled.connect(lambda on: self.form_b and self.form_b.setVisible(on))
        for edited in (self.seed.valueChanged, self.count.valueChanged, self.use_b.toggled):
            edited.connect(lambda _: self.changed.emit())
        self.sample = button(self.tr("Sample"), "primary", self.sample_asked.emit)
        self.branch = button(self.tr("Branch here"), on_click=self.branch_asked.emit)
        self.branch.setToolTip(self.tr("Go on from the step shown, with these conditions and the settings of sampler B (or A)"))
        self.film = button(self.tr("Film…"), on_click=self.film_asked.emit)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 12)
        layout.setSpacing(8)
        for name, field in ((self.tr("Run"), self.runs), (self.tr("Items"), self.count), (self.tr("Item shown"), self.item)):
            layout.addLayout(form_line(name, field))
        layout.addLayout(form_line(self.tr("Seed"), self.seed, again))
        layout.addLayout(self.asked)
        layout.addWidget(section(self.tr("Sampler A")))
        layout.addLayout(self.a)
        layout.addWidget(section(self.tr("Sampler B")))
        layout.addWidget(self.use_b)
        layout.addLayout(self.b)
        layout.addWidget(self.help)
        layout.addStretch(1)
        self.actions = QWidget()  # stands below what scrolls
        actions = Flow(self.sample, self.branch, self.film, spacing=8, spread=True)
        actions.setContentsMargins(12, 10, 12, 12)
        self.actions.setLayout(actions)
        self.enable(False, False)

    def fill_runs(self, runs: list[RunRecord], chosen: str) -> None:
        """Lists the runs that can be sampled."""
        self.runs.clear()
        for record in runs:
            self.runs.addItem(record.title, record.id)
        self.runs.setCurrentIndex(max(0, self.runs.findData(chosen)))

    def set_run(self, run: RunRecord) -> None:
        """Shows the conditions of a run and the sampling form of its family, twice."""
        self.runs.setCurrentIndex(self.runs.findData(run.id))
        self.runs.setToolTip(tip(run.title))
        same = self.run is not None and (self.run.family, self.run.spec) == (run.family, run.spec)
        self.run = run
        if same:
            self.changed.emit()
            return
        family = self._session.catalogue.get(run.family)
        if family is None:
            return
        self.conditions = self._replace(self.asked, self.conditions, ConditionsForm(family.conditions, run.spec))
        values = merged(defaults(family.sampling), run.sampling)
        self.form_a = self._replace(self.a, self.form_a, SettingsForm(family.sampling, values, help_line=self.help))
        other = SettingsForm(family.sampling, another(family.sampling, values), help_line=self.help)
        self.form_b = self._replace(self.b, self.form_b, other)
        self.help.hide()
        for form in (self.form_a, self.form_b):
            form.set_unmet(unmet(family.conditions, run.spec, run.data.get("conditions", "auto")))
        self.form_b.setVisible(self.use_b.isChecked())
        together = run.spec.modality == "points"
        self.count.setRange(1, POINTS_RECORDED if together else 64)
        self.count.setValue(POINTS_RECORDED if together else 4)

    def take(self, run: RunRecord, record: SampleRecord) -> None:
        """Everything as a sample was made; its settings are those of sampler A."""
        self.set_run(run)
        if self.form_a is not None:
            self.form_a.set_values(record.sampling)
            self.conditions.set_values(record.conditions)
        self.seed.setValue(record.seed)
        self.count.setValue(record.trace.count if record.trace else record.count)

    def _replace(self, place: QVBoxLayout, old: QWidget | None, new: QWidget) -> QWidget:
        if old is not None:
            place.removeWidget(old)
            old.hide()
            old.deleteLater()
        place.addWidget(new)
        new.changed.connect(self.changed)
        return new

    def samplings(self) -> list[dict[str, Any]]:
        """The settings of A, and of B where it is used."""
        forms = [self.form_a, self.form_b if self.use_b.isChecked() else None]
        return [form.values() for form in forms if form is not None]

    def asked_for(self, item: int | None = None) -> dict[str, Any]:
        """The conditions; those of one item where there are several that go round."""
        given = self.conditions.values() if self.conditions else {}
        return given if item is None else of_item(given, item, self.run.spec)

    def title(self, sampling: dict[str, Any]) -> str:
        """As samples of Sample are called, with the sampler, since two may be recorded at once."""
        from models_backend.library import titles

        return titles.of_sample(self.run.title, self.seed.value(), self.asked_for(), self.run.spec.classes, solver(sampling))

    def set_items(self, count: int, together: bool, shown: int) -> None:
        """How many items can be shown one by one, and which is (from 0; the box counts from 1)."""
        self.item.blockSignals(True)
        self.item.setRange(1, max(1, count))
        self.item.setValue(shown + 1)
        self.item.blockSignals(False)
        why = self.tr("Points are shown together") if together else self.tr("There is one item only")
        allow(self.item, count > 1 and not together, why)

    def enable(self, run: bool, recorded: bool) -> None:
        """What is possible now."""
        untrained = self.tr("Train a model first") if self.run is None else self.tr("Being sampled")
        allow(self.sample, run, untrained)
        allow(self.branch, run and recorded, untrained if not run else self.tr("Record a trace first"))
        allow(self.film, recorded, self.tr("Record a trace first"))


def another(spec: FieldSpec, values: dict[str, Any]) -> dict[str, Any]:
    """Settings to compare ``values`` with: the first choice or list of names in it takes another of its options."""
    for field in spec.fields:
        now = values.get(field.name)
        if field.kind == "choice":
            variant = next((v for v in field.variants if v.name != now["type"]), None)
            if variant is not None:
                return values | {field.name: {"type": variant.name, **defaults(variant)}}
        elif field.kind == "enum":
            return values | {field.name: next((option for option in field.options if option != now), now)}
    return values
