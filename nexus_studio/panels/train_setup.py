"""Run setup: preset, title, parts, and the forms of config, training and data, all from the family's description."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from models_backend.contract import fields
from models_backend.contract.family import DataSpec, FamilyDescription, Preset, follows, starting_preset, unmet, works_in
from models_backend.contract.messages import Budget
from models_backend.contract.settings import EVERY, fitted
from models_backend.contract.suiting import facts, lacking
from models_backend.library.showing import DATA, shape_of, spec_of

from .. import pieces
from ..fitting import tip
from ..forms.editors import Pick
from ..state.preferences import THREADS
from ..state.session import Session
from ..viewers.modality import SHOWN
from .data_gaps import CaptionGap
from .train_forms import NEW, FormSection, PartChooser, PartLine, title_of
from .train_taken import TRAINING, sound

#: The training fields that most runs change; the others stand in a section of their own.
MAIN = ("steps", "batch_size", "learning_rate", "ema", "precision", "compile", "seed", "preview_every")
MORE = tuple(field.name for field in TRAINING.fields if field.name not in MAIN)
SETTLED_MS = 1200


class RunSetup(QWidget):
    """What a new run would be. ``changed`` at every edit, ``settled`` a moment after the last one."""

    changed = Signal()
    settled = Signal()

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.family: FamilyDescription | None = None
        self.parts: dict[str, PartChooser] = {}
        self._part_lines: list[PartLine] = []
        self._configs: dict[str, FormSection] = {}
        self._filling, self._steps_before = False, 1
        self._kept_parts: dict[str, str] = {}  # chosen before, of runs that have not been read yet
        self._timer = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._timer.timeout.connect(self.settled)
        self._build()
        self._connect()
        self.show_family()

    # ------------------------------------------------------------------------------------------ building

    def _build(self) -> None:
        self.preset, self.title = Pick(), QLineEdit()
        self.preset.setAccessibleName(self.tr("Preset"))
        self.title.setAccessibleName(self.tr("Title of the run"))
        self.note, self.follows = pieces.label("", "hint", wrap=True), pieces.label("", "hint", wrap=True)
        self.training = FormSection(self.tr("Training"), TRAINING, self._runs, MAIN)
        self.more = FormSection(self.tr("More training settings"), TRAINING, self._runs, MORE)
        self.data = FormSection(self.tr("Data"), DATA, self._runs)
        self.shown, self.gap = pieces.label("", "hint", wrap=True), CaptionGap(self._session, for_training=True)
        self._parts, self._config = QVBoxLayout(), QVBoxLayout()
        self._parts.setSpacing(6)
        self._choose = pieces.label(self.tr("Choose a model on the left."), "hint", wrap=True)
        preset, title = pieces.form_line(self.tr("Preset"), self.preset), pieces.form_line(self.tr("Title"), self.title)
        top = pieces.column(preset, self.note, title, self.follows, self.gap, self.shown, self._parts, spacing=6)
        sections = (self.training, self.more, self.data)
        self._whole = QWidget()
        self._whole.setLayout(pieces.column(top, self._config, *sections, None, spacing=10))
        self.setLayout(pieces.column(self._choose, self._whole, spacing=0, margins=(12, 2, 12, 12)))

    def _connect(self) -> None:
        session = self._session
        self.preset.activated.connect(lambda _: self.take_preset())
        self.title.textChanged.connect(lambda _: self._keep())
        self.training.changed.connect(self._fit_to_steps)
        for section in (self.training, self.more):
            section.changed.connect(self._soon)
        self.data.changed.connect(self._set_data)
        session.datasets.settings_changed.connect(self._follow_data)
        session.datasets.report_read.connect(self._show_labels)
        session.catalogue.current_changed.connect(self.show_family)
        session.catalogue.changed.connect(self._renew)
        session.datasets.current_changed.connect(self._take_dataset)
        session.runs.changed.connect(self._refill_parts)

    def _renew(self) -> None:
        """Families were described anew: forms of those that changed are built again."""
        for key, section in list(self._configs.items()):
            family = self._session.catalogue.get(key)
            if family is None or family.config != section.spec:
                self._config.removeWidget(section)
                section.hide()
                section.deleteLater()
                del self._configs[key]
        if self._session.catalogue.get(self._session.catalogue.current) != self.family:
            self.show_family()

    def show_family(self) -> None:
        """Show the chosen family's own settings; what was edited for another family is kept for it."""
        self.family = self._session.catalogue.get(self._session.catalogue.current)
        self._whole.setVisible(self.family is not None)
        self._choose.setVisible(self.family is None)
        if self.family is not None:
            self._filling = True
            self._fill_presets()
            self._fill_parts()
            self._show_config()
            self._take_dataset()
            self.take_preset(config=False)
            self._take_kept()
            self._filling = False
        self._soon()

    # what was typed is there again after a kill, for each family: its preset, title, parts, and what differs from the preset

    def _keep(self) -> None:
        if self.family is None or self._filling:
            return
        sections = {key: self.sections[key].values() for key in ("config", "training", "more")}
        starting = {key: {name: self._starting(key)[name] for name in values} for key, values in sections.items()}
        kept = {
            "preset": self.preset.currentData(), "title": self.title.text(), "parts": self.chosen_parts(),
            **{key: values for key, values in sections.items() if values != starting[key]},
        }  # fmt: skip
        first = starting_preset(self.family.presets)
        plain = {"preset": first.name if first else None, "title": "", "parts": {}}
        self._session.preferences.set(f"train/form/{self.family.key}", kept if kept != plain else None)

    def _take_kept(self) -> None:
        kept = self._session.preferences.get(f"train/form/{self.family.key}", {})
        if self.preset.findData(kept.get("preset")) >= 0 and kept.get("preset") != self.preset.currentData():
            self.preset.setCurrentIndex(self.preset.findData(kept["preset"]))
            self.take_preset()
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):  # from another version
            for key in ("config", "training", "more"):
                if key in kept:
                    self.sections[key].set_values(fields.merged(self._starting(key), kept[key]))
        self.title.setText(kept.get("title", ""))
        self._kept_parts = dict(kept.get("parts", {}))
        self._choose_kept_parts()

    def _choose_kept_parts(self) -> None:
        for name, run in list(self._kept_parts.items()):
            place = self.parts[name].findData(run) if name in self.parts else -1
            if place >= 0:
                self.parts[name].setCurrentIndex(place)
                del self._kept_parts[name]

    def _fill_presets(self) -> None:
        self.preset.clear()
        for preset in self.family.presets:
            self.preset.addItem(preset.title, preset.name)
        first = starting_preset(self.family.presets)
        self.preset.setCurrentIndex(max(0, self.preset.findData(first.name if first else "")))

    def _fill_parts(self) -> None:
        while self._parts.count():
            line = self._parts.takeAt(0).widget()
            line.hide()
            line.deleteLater()
        self._part_lines = [PartLine(self._session, part) for part in self.family.uses]
        self.parts = {line.chooser.part.name: line.chooser for line in self._part_lines}
        for line in self._part_lines:
            line.chooser.activated.connect(self._soon)
            self._parts.addWidget(line)

    def _show_parts(self) -> None:
        """What the run is without the parts that are not chosen, for its data as they are shown now; its title says so too."""
        if self.family is not None and (spec := self._spec()) is not None:
            for line in self._part_lines:
                line.show_instead(self.family, spec)
            self._offer_title()

    def _spec(self) -> DataSpec | None:
        """The data as the model would see them; None where none is chosen."""
        data = self._session.datasets.current_record
        if data is None:
            return None
        settings = self._session.datasets.settings(data.id)
        return spec_of(data, settings, shape_of(data, settings), "")

    def _show_config(self) -> None:
        key = self.family.key
        if key not in self._configs:
            section = self._configs[key] = FormSection(self.tr("Model"), self.family.config, self._runs)
            section.set_values(self._starting("config"))
            section.fold(False)
            section.changed.connect(self._soon)
            self._config.addWidget(section)
        for known, section in self._configs.items():
            section.setVisible(known == key)

    def _runs(self, kind: str) -> list[tuple[str, str]]:
        families = self._session.catalogue
        records = [(record, families.get(record.family)) for record in self._session.runs.records]
        return [(record.id, record.title) for record, family in records if family and kind in family.provides]

    def showEvent(self, event) -> None:
        super().showEvent(event)
        if self.training.form is None:
            self.training.fold(False)

    # ------------------------------------------------------------------------------------------- changing

    @property
    def sections(self) -> dict[str, FormSection]:
        """The sections that count now: "config", "training", "more", and "data" where the data are pictures."""
        if self.family is None:
            return {}
        found = {"config": self._configs[self.family.key], "training": self.training, "more": self.more}
        return found | ({"data": self.data} if self._pictures() else {})

    def _pictures(self) -> bool:
        data = self._session.datasets.current_record
        return data is None or data.modality == "image"

    def _preset(self) -> Preset | None:
        return next((p for p in self.family.presets if p.name == self.preset.currentData()), None)

    def _starting(self, key: str) -> dict[str, Any]:
        """The preset's values laid over the defaults."""
        preset = self._preset()
        if key == "config":
            return fields.merged(fields.defaults(self.family.config), preset.config if preset else {})
        if key == "data":
            return self._session.datasets.settings(self._session.datasets.current)
        own = {"threads": self._session.preferences.get(THREADS, 0)}
        return fitted(self._unfitted(own, preset))

    def _unfitted(self, own: dict[str, Any], preset: Preset | None) -> dict[str, Any]:
        return fields.merged(fields.defaults(TRAINING), own | self._many_together() | (preset.training if preset else {}))

    def _fit_to_steps(self) -> None:
        """How often previews and the like are made follows the number of steps, but for what was set by hand."""
        if self.family is None or self._steps() in (None, self._steps_before):
            return
        usual, now = self._unfitted({}, self._preset()), self.values("training")
        before, after = (fitted(usual | {"steps": steps}) for steps in (self._steps_before, self._steps()))
        for section in (self.training, self.more):
            section.put({name: after[name] for name in EVERY if name in section.only and now[name] == before[name]})

    def _steps(self) -> int | None:
        """The number of training steps; None while it is none that a run may have."""
        wrong = any(problem.field.endswith("steps") for problem in self.training.problems())
        return None if wrong else self.training.values()["steps"]

    def _many_together(self) -> dict[str, Any]:
        """Items that only mean something together are previewed in number."""
        data = self._session.datasets.current_record
        most = next(int(field.high) for field in TRAINING.fields if field.name == "preview_count")
        return {"preview_count": most} if data is not None and data.modality in SHOWN and SHOWN[data.modality].together else {}

    def _set_data(self) -> None:
        """How models see the data is kept with them: the Data panel shows the same, and so will the next run."""
        datasets = self._session.datasets
        datasets.set_settings(self._session.undo, datasets.current, self.data.sound_values())
        self._soon()

    def _follow_data(self, dataset: str) -> None:
        datasets = self._session.datasets
        if dataset == datasets.current and self.family is not None:
            if self.data.sound_values() != datasets.settings(dataset):
                self.data.set_values(datasets.settings(dataset))
            self._show_labels()
            self._soon()

    def _show_labels(self) -> None:
        """What of the labels is learned, what is left aside, and at which size the pictures are seen."""
        datasets = self._session.datasets
        data = datasets.current_record
        if data is None or self.family is None:
            return
        settings, spec = datasets.settings(data.id), self._spec()
        for section in self.sections.values():
            section.set_unmet(unmet(self.family.conditions, spec, datasets.learned(data.id)))
        said = follows(self.family.conditions, spec)
        self.follows.setText(said)
        self.follows.setVisible(bool(said))
        self.gap.show_dataset(data, self.family.conditions)
        side = settings.get("resolution")
        self.shown.setText(self.tr("Pictures are seen at {0} × {0} px, as the Data panel shows them.").format(side))
        self.shown.setVisible(self._pictures())

    def take_preset(self, config: bool = True) -> None:
        """Put the chosen preset into the forms."""
        for key, section in self.sections.items():
            if key in ("training", "more") or (config and key == "config"):
                section.set_values(self._starting(key))
        self._show_note()
        self._soon()

    def _show_note(self) -> None:
        preset = self._preset()
        self.note.setText(preset.note if preset else "")
        self.note.setVisible(bool(preset and preset.note))

    def take_run(self, run: str, config: dict | None = None, training: dict | None = None) -> None:
        """Put the settings of a run into the forms, with changes laid over them; what is not there any more stays as it is
        (``train_taken`` says which)."""
        record, datasets = self._session.runs.get(run), self._session.datasets
        if datasets.get(record.dataset) is not None:
            datasets.set_current(record.dataset)
            shown = fields.merged(datasets.settings(record.dataset), record.data)
            datasets.set_settings(self._session.undo, record.dataset, shown)
        if self._session.catalogue.get(record.family) is None:
            return
        self._session.catalogue.set_current(record.family)
        self.preset.setCurrentIndex(max(0, self.preset.findData(record.preset)))
        given = {"config": (record.config, config)}
        for key, section in self.sections.items():
            if key == "data":
                continue
            kept, changes = given.get(key, (record.training, training))
            kept, _ = sound(section.spec, kept)
            section.set_values(fields.merged(fields.merged(self._starting(key), kept), changes or {}))
        self._kept_parts = {}
        for name, chooser in self.parts.items():
            chooser.setCurrentIndex(max(0, chooser.findData(record.parts.get(name, ""))))
        self._show_note()
        self._soon()

    def _take_dataset(self) -> None:
        if self.family is not None:
            self._offer_title()
            data = self._session.datasets.current_record
            self.data.setVisible(self._pictures())
            if data is not None:
                self.data.set_values(self._session.datasets.settings(data.id))
                if data.id not in self._session.datasets.reports:
                    self._session.bridge.spawn(self._session.datasets.report(data.id))
            self._show_labels()
            count = self._starting("more")["preview_count"]
            self.more.set_values(self.more.values() | {"preview_count": count})
            self._soon()

    def _refill_parts(self) -> None:
        for chooser in self.parts.values():
            chooser.fill()
        self._choose_kept_parts()
        self._show_parts()
        if self.family is not None:
            self._offer_title()

    def _soon(self) -> None:
        self._steps_before = self._steps() or self._steps_before
        self._show_parts()
        self._keep()
        self.changed.emit()
        self.settle()

    def settle(self) -> None:
        """Tells ``settled`` in a moment, unless something changes before."""
        self._timer.start()

    # -------------------------------------------------------------------------------------------- reading

    def values(self, key: str) -> dict[str, Any]:
        """The plain values of "config", "training" or "data"."""
        sections = self.sections
        values = sections[key].values() if key in sections else {}
        return values | (sections["more"].values() if key == "training" and values else {})

    def chosen_parts(self) -> dict[str, str]:
        """Part name -> run id, for the parts that are chosen."""
        return {name: chooser.currentData() for name, chooser in self.parts.items() if chooser.currentData()}

    def guidance(self) -> str:
        """What is still to be chosen before anything can be started, or ""."""
        data = self._session.datasets.current_record
        if self.family is None:
            return self.tr("Choose a model first.")
        if data is None:
            return self.tr("Choose or import a data set first.")
        if unmet := lacking(self.family, facts(data, learned=self._session.datasets.learned(data.id))):
            return self.tr("{0}: {1}.").format(self.family.title, unmet[:1].lower() + unmet[1:])
        missing = [name for name, chooser in self.parts.items() if not chooser.part.optional and not chooser.currentData()]
        return self.tr("Choose a run for “{0}”.").format(missing[0]) if missing else ""

    def problems(self) -> list[str]:
        """What keeps this from being started, in plain words; empty when nothing does."""
        if self.guidance():
            return [self.guidance()]
        found = [(section.spec, problem) for section in self.sections.values() for problem in section.problems()]
        return [self.tr("{0} must be {1}").format(title_of(spec, one.field), one.allowed) for spec, one in found]

    def _title(self) -> str:
        """Family, the next free number (those in the trash keep theirs) and data set: short enough for a list."""
        data, runs = self._session.datasets.current_record, self._session.runs
        taken = {title.split(" · ")[0] for title in (*(record.title for record in runs.records), *runs.deleted)}
        name = next(name for n in itertools.count(1) if (name := f"{self.family.title} {n}") not in taken)
        place = works_in(self.family.uses, self.chosen_parts(), data.modality) if data else ""
        return " · ".join(filter(None, (name, data.title if data else "", place)))

    def _offer_title(self) -> None:
        self.title.setPlaceholderText(self._title())
        self.title.setToolTip(tip(self._title()))

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

    def budget_request(self) -> Budget | None:
        """What to measure; None while a part is still to be trained."""
        wish = self.wish()
        if any(run.startswith(NEW) for run in wish["parts"].values()):
            return None
        return Budget(**{name: wish[name] for name in ("family", "dataset", "config", "training", "data", "parts")})
