"""Parts of the run setup: a section that builds its form when it is first unfolded, and the choice of another run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QToolButton, QVBoxLayout, QWidget

from models_backend.contract import fields
from models_backend.contract.family import DataSpec, FamilyDescription, Part, works_in
from models_backend.contract.fields import FieldSpec, Problem
from models_backend.contract.suiting import fitting

from .. import pieces, theme
from ..forms.editors import Pick, Runs
from ..forms.form import SettingsForm
from ..state.session import Session


class FormSection(QWidget):
    """A heading that folds a form. The form is built when it is first seen (building costs some ms a field); until then
    its values wait here. ``only`` names the fields that this section shows and answers for."""

    changed = Signal()

    def __init__(self, title: str, spec: FieldSpec, runs: Runs, only: Iterable[str] | None = None):
        super().__init__()
        self.spec, self._runs = spec, runs
        self.only = tuple(only) if only is not None else tuple(field.name for field in spec.fields)
        self.form: SettingsForm | None = None
        self._values: dict[str, Any] = fields.defaults(spec)
        self._unmet: dict[str, str] = {}
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        theme.scaled(self.button, lambda button: button.setFont(theme.font("text", 12, 600)))
        self.button.clicked.connect(lambda: self.fold(self.unfolded))
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(4)
        self._box.addLayout(pieces.row(self.button, pieces.rule(), spacing=8))
        self.unfolded = True
        self.fold(True)

    def fold(self, folded: bool) -> None:
        """Hide or show what stands below the heading."""
        self.unfolded = not folded
        theme.keep_icon(self.button, "chevron-right" if folded else "chevron-down", "text2", size=12)
        self.button.setAccessibleDescription(self.tr("folded") if folded else self.tr("unfolded"))
        if self.unfolded and self.form is None:
            self.form = SettingsForm(self.spec, self._values, self.only, self._runs)
            self.form.set_unmet(self._unmet)
            self.form.changed.connect(self.changed)
            self._box.addWidget(self.form)
        if self.form is not None:
            self.form.setVisible(self.unfolded)

    def values(self) -> dict[str, Any]:
        """The values of this section's fields."""
        whole = self.form.values() if self.form is not None else self._values
        return {name: whole[name] for name in self.only}

    def sound_values(self) -> dict[str, Any]:
        """As ``values``, without typed text that does not fit."""
        whole = self.form.sound_values() if self.form is not None else self._values
        return {name: whole[name] for name in self.only}

    def set_values(self, values: dict[str, Any]) -> None:
        """Show values, laid over the defaults."""
        self._values = fields.merged(fields.defaults(self.spec), fields.renamed(self.spec, values))
        if self.form is not None:
            self.form.set_values(self._values)

    def put(self, values: dict[str, Any]) -> None:
        """Show values of some fields; the others stay as they are, with what is typed into them."""
        self._values = self._values | values
        if self.form is not None:
            self.form.put(values)

    def set_unmet(self, unmet: dict[str, str]) -> None:
        """Greys the fields that need what the data do not have, each with its reason."""
        self._unmet = unmet
        if self.form is not None:
            self.form.set_unmet(unmet)

    def problems(self) -> list[Problem]:
        """Everything that does not fit its field."""
        values = self.values()
        found = [p for one in self.spec.fields if one.name in values for p in fields.check(one, values[one.name])]
        return found or fields.unrelated(self.spec.fields, values)


def title_of(spec: FieldSpec, path: str) -> str:
    """The titles along a dotted path below a group: "Network, attention"."""
    titles: list[str] = []
    for name in path.split("."):
        inside = (*spec.fields, *(field for variant in spec.variants for field in variant.fields))
        spec = next((field for field in inside if field.name == name), spec)
        titles += [spec.title] if spec.name == name else [name]
    return ", ".join([titles[0], *(title[:1].lower() + title[1:] if title[1:2].islower() else title for title in titles[1:])])


#: Before the key of a family in a part's value: a run of it is to be trained first.
NEW = "new:"


class PartChooser(Pick):
    """Chooses a run as a part of another: those whose family provides what is needed, or a new run of such a family, which
    is then trained first."""

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
        for family in self._session.catalogue.families:
            if self.part.kind in family.provides:
                self.addItem(self.tr("train {0} first").format(family.title), NEW + family.key)
        self.setCurrentIndex(max(0, self.findData(kept)))


class PartLine(QWidget):
    """The choice of a part, and below it what the run is without one, with a run that fits where there is one."""

    def __init__(self, session: Session, part: Part):
        super().__init__()
        self._session, self.chooser = session, PartChooser(session, part)
        self.instead = pieces.label("", "hint", wrap=True)
        self.instead.hide()
        line = pieces.form_line(part.name.replace("_", " ").capitalize(), self.chooser)
        self.setLayout(pieces.column(line, self.instead, spacing=4))

    def show_instead(self, family: FamilyDescription, spec: DataSpec) -> None:
        """Say what a run of that family on such data is as the part is chosen now."""
        part, runs = self.chooser.part, self._session.runs
        place = works_in((part,), {part.name: self.chooser.currentData()}, spec.modality)
        self.instead.setVisible(bool(place))
        if not place:
            return
        finished = (run for run in runs.records if run.id in runs.states and runs.states[run.id].state == "finished")
        fits = next(iter(fitting(part, spec, self._session.catalogue.families, finished)), None)
        way = self.tr("choose “{0}”, which fits these data").format(fits.title) if fits else self.tr("choose or train a {0}")
        text = self.tr("{0} is trained in {1}. For a model of latents {2}.")
        self.instead.setText(text.format(family.title, place, way.format(part.name)))
