"""Run setup: preset, title, parts, and the forms of config, training and data, all from the family's description."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QFormLayout, QLineEdit, QToolButton, QVBoxLayout, QWidget

from models_backend.contract import fields
from models_backend.contract.family import FamilyDescription, Part
from models_backend.contract.fields import FieldSpec
from models_backend.contract.messages import Budget
from models_backend.contract.settings import DataSettings, TrainingSettings

from .. import pieces, theme
from ..forms.form import SettingsForm
from ..state.session import Session

TRAINING = fields.describe(TrainingSettings, "training")
DATA = fields.describe(DataSettings, "data")
#: The training fields that most runs change; the others stand in a section of their own.
MAIN = ("steps", "batch_size", "learning_rate", "ema", "precision", "compile", "seed", "preview_every")
SETTLED_MS = 1200
#: A picture data set is first shown to the model at its own size up to this side.
OWN_SIZE_UP_TO = 64


class Section(QWidget):
    """A heading that folds what stands below it."""

    def __init__(self, title: str, body: QWidget, unfolded: bool = True):
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setFont(theme.font("text", 12, 600))
        self.body = body
        self.setLayout(pieces.column(pieces.row(self.button, pieces.rule(), spacing=8), body, spacing=4))
        self.button.clicked.connect(lambda: self.fold(not body.isHidden()))
        self.fold(not unfolded)

    def fold(self, folded: bool) -> None:
        """Hide or show what stands below the heading."""
        theme.keep_icon(self.button, "chevron-right" if folded else "chevron-down", "text2", size=12)
        self.button.setAccessibleDescription(self.tr("folded") if folded else self.tr("unfolded"))
        self.body.setVisible(not folded)


class PartChooser(QComboBox):
    """Chooses a run as a part of another: those whose family provides what is needed."""

    def __init__(self, session: Session, part: Part):
        super().__init__()
        self._session, self.part = session, part
        self.setAccessibleName(part.name)
        self.setToolTip(part.help)
        self.fill()

    def fill(self) -> None:
        """Offer the runs that suit now, keeping the choice."""
        kept = self.currentData()
        self.clear()
        self.addItem(self.tr("none") if self.part.optional else self.tr("choose a run"), "")
        for record in self._session.runs.records:
            family = self._session.catalogue.get(record.family)
            if family is not None and self.part.kind in family.provides:
                self.addItem(record.title, record.id)
        self.setCurrentIndex(max(0, self.findData(kept)))


class RunSetup(QWidget):
    """What a new run would be. ``changed`` at every edit, ``settled`` a moment after the last one."""

    changed = Signal()
    settled = Signal()

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.family: FamilyDescription | None = None
        self.forms: dict[str, SettingsForm] = {}
        self.parts: dict[str, PartChooser] = {}
        self._timer = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._timer.timeout.connect(self.settled)
        self.preset, self.title = QComboBox(), QLineEdit()
        self.preset.setAccessibleName(self.tr("Preset"))
        self.title.setAccessibleName(self.tr("Title of the run"))
        self.preset.activated.connect(lambda _: self.take_preset())
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(12, 2, 12, 12)
        self._layout.setSpacing(10)
        self._body: QWidget | None = None
        session.catalogue.current_changed.connect(lambda _: self.rebuild())
        session.catalogue.changed.connect(self._refresh_family)
        session.datasets.current_changed.connect(lambda _: self._take_dataset())
        session.runs.changed.connect(self._refill_parts)
        self.rebuild()

    # ------------------------------------------------------------------------------------------ building

    def _refresh_family(self) -> None:
        if self._session.catalogue.get(self._session.catalogue.current) != self.family:
            self.rebuild()

    def rebuild(self) -> None:
        """Build the forms of the chosen family."""
        self.family = self._session.catalogue.get(self._session.catalogue.current)
        if self._body is not None:
            self._layout.removeWidget(self._body)
            self._body.hide()
            for kept in (self.preset, self.title):
                kept.setParent(None)
            self._body.deleteLater()
        self.forms, self.parts = {}, {}
        self._body = self._built() if self.family else pieces.label(self.tr("Choose a model on the left."), "hint", wrap=True)
        self._layout.addWidget(self._body)
        self._soon()

    def _built(self) -> QWidget:
        family = self.family
        self.preset.clear()
        for preset in family.presets:
            self.preset.addItem(preset.title, preset.name)
        self.parts = {part.name: PartChooser(self._session, part) for part in family.uses}
        body = QWidget()
        layout = pieces.column(self._top(), spacing=10)
        body.setLayout(layout)
        titles = {
            "config": self.tr("Model"),
            "training": self.tr("Training"),
            "more": self.tr("More training settings"),
            "data": self.tr("Data"),
        }
        for key, spec, only in self._sections():
            form = self.forms[key] = SettingsForm(spec, self._starting(key), only, self._runs, help_line=False)
            form.changed.connect(self._soon)
            layout.addWidget(Section(titles[key], form, key in ("config", "training")))
        layout.addStretch(1)
        return body

    def _runs(self, kind: str) -> list[tuple[str, str]]:
        families = self._session.catalogue
        records = [(record, families.get(record.family)) for record in self._session.runs.records]
        return [(record.id, record.title) for record, family in records if family and kind in family.provides]

    def _top(self) -> QWidget:
        top = QWidget()
        rows = QFormLayout(top)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.setHorizontalSpacing(12)
        rows.setVerticalSpacing(6)
        self.title.clear()
        self.title.setPlaceholderText(self._title())
        for name, widget in ((self.tr("Preset"), self.preset), (self.tr("Title"), self.title)):
            rows.addRow(self._name(name), widget)
        for name, chooser in self.parts.items():
            chooser.activated.connect(lambda _: self._soon())
            rows.addRow(self._name(name.replace("_", " ").capitalize()), chooser)
        return top

    def _name(self, text: str) -> QWidget:
        name = pieces.label(text)
        name.setFixedWidth(theme.px(96))
        return name

    def _title(self) -> str:
        data = self._session.datasets.current_record
        return f"{self.family.title} · {data.title}" if data else self.family.title

    def _sections(self) -> list[tuple[str, FieldSpec, tuple[str, ...] | None]]:
        """Key, fields and, where not all are shown, which."""
        data = self._session.datasets.current_record
        rest = tuple(field.name for field in TRAINING.fields if field.name not in MAIN)
        sections = [("config", self.family.config, None), ("training", TRAINING, MAIN), ("more", TRAINING, rest)]
        pictures = data is None or data.modality == "image"
        return sections + [("data", DATA, None)] * pictures

    def _starting(self, key: str) -> dict[str, Any]:
        """The preset's values laid over the defaults."""
        preset = next((p for p in self.family.presets if p.name == self.preset.currentData()), None)
        if key == "config":
            return fields.merged(fields.defaults(self.family.config), preset.config if preset else {})
        if key in ("training", "more"):
            return fields.merged(fields.defaults(TRAINING), preset.training if preset else {})
        return fields.merged(fields.defaults(DATA), self._own_size())

    def _own_size(self) -> dict[str, Any]:
        data = self._session.datasets.current_record
        side = data.shape[-1] if data is not None and len(data.shape) == 3 else 0
        return {"resolution": int(side)} if 8 <= side <= OWN_SIZE_UP_TO else {}

    # ------------------------------------------------------------------------------------------- changing

    def take_preset(self) -> None:
        """Put the chosen preset into the forms."""
        for key, form in self.forms.items():
            if key != "data":
                form.set_values(self._starting(key))
        self._soon()

    def take_run(self, run: str, config: dict | None = None, training: dict | None = None) -> None:
        """Put the settings of a run into the forms, with changes laid over them."""
        record = self._session.runs.get(run)
        self._session.catalogue.set_current(record.family)
        self._session.datasets.set_current(record.dataset)
        self.preset.setCurrentIndex(max(0, self.preset.findData(record.preset)))
        given = {"config": (record.config, config), "training": (record.training, training), "data": (record.data, None)}
        for key, form in self.forms.items():
            kept, changes = given["training" if key == "more" else key]
            form.set_values(fields.merged(fields.merged(self._starting(key), kept), changes or {}))
        for name, part in record.parts.items():
            if name in self.parts:
                self.parts[name].setCurrentIndex(max(0, self.parts[name].findData(part)))
        self._soon()

    def _take_dataset(self) -> None:
        if self.family is None:
            return
        self.title.setPlaceholderText(self._title())
        if [key for key, _, _ in self._sections()] != list(self.forms):
            self.rebuild()
        elif "data" in self.forms:
            self.forms["data"].set_values(fields.merged(self.forms["data"].values(), self._own_size()))
        self._soon()

    def _refill_parts(self) -> None:
        for chooser in self.parts.values():
            chooser.fill()

    def _soon(self) -> None:
        self.changed.emit()
        self._timer.start()

    # -------------------------------------------------------------------------------------------- reading

    def values(self, key: str) -> dict[str, Any]:
        """The plain values of "config", "training" or "data"."""
        if key not in self.forms:
            return {}
        values = self.forms[key].values()
        if key == "training":
            more = self.forms["more"].values()
            values = {name: values[name] if name in MAIN else more[name] for name in values}
        return values

    def chosen_parts(self) -> dict[str, str]:
        """Part name -> run id, for the parts that are chosen."""
        return {name: chooser.currentData() for name, chooser in self.parts.items() if chooser.currentData()}

    def problems(self) -> list[str]:
        """What keeps this from being started, in plain words; empty when nothing does."""
        data = self._session.datasets.current_record
        if self.family is None:
            return [self.tr("Choose a model first.")]
        if data is None:
            return [self.tr("Choose or import a data set first.")]
        if data.modality not in self.family.modalities:
            return [self.tr("{0} does not learn this kind of data ({1}).").format(self.family.title, data.modality)]
        missing = [name for name, chooser in self.parts.items() if not chooser.part.optional and not chooser.currentData()]
        if missing:
            return [self.tr("Choose a run for “{0}”.").format(missing[0])]
        return list(dict.fromkeys(str(problem) for form in self.forms.values() for problem in form.problems()))

    def wish(self) -> dict[str, Any]:
        """The arguments of ``engine.create_run``."""
        return {
            "family": self.family.key,
            "dataset": self._session.datasets.current,
            "preset": self.preset.currentData() or "",
            "config": self.values("config"),
            "training": self.values("training"),
            "data": self.values("data"),
            "parts": self.chosen_parts(),
            "title": self.title.text().strip() or self._title(),
        }

    def budget_request(self) -> Budget:
        """What to measure."""
        wish = self.wish()
        return Budget(**{name: wish[name] for name in ("family", "dataset", "config", "training", "data", "parts")})
