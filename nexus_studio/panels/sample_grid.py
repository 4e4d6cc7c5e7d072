"""The form of a grid over two fields: which field along which side, and its values."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from models_backend.contract.fields import FieldSpec
from models_backend.contract.grids import GridAxis, GridCell
from models_backend.contract.messages import Sample

from .. import pieces
from ..forms.editors import Pick
from . import sample_axes
from .sample_axes import SEED
from .sample_setup import SampleSetup


class AxisForm(QWidget):
    """A field and its values as text; values are suggested when a field is chosen."""

    changed = Signal()

    def __init__(self, name: str, optional: bool):
        super().__init__()
        self._optional = optional
        self._specs: dict[str, FieldSpec] = {}
        self._present: dict[str, object] = {}
        self.field, self.values = Pick(), QLineEdit()
        self.field.setAccessibleName(name)
        self.values.setAccessibleName(self.tr("Values of {0}").format(name))
        self.values.setToolTip(self.tr("Separated by commas"))
        self.field.activated.connect(lambda _: self.suggest())
        self.values.textEdited.connect(lambda _: self._check())
        self.setLayout(pieces.column(pieces.form_line(name, self.field), self.values, spacing=4))

    def offer(self, specs: dict[str, FieldSpec], present: dict[str, object], first: str) -> None:
        """Offer these fields, keeping the choice where it is still there."""
        kept = self.field.currentData()
        self._specs, self._present = specs, present
        self.field.clear()
        if self._optional:
            self.field.addItem(self.tr("none"), "")
        for path, spec in specs.items():
            self.field.addItem(spec.title if "." not in path else f"{spec.title} ({path.partition('.')[0]})", path)
        place = self.field.findData(kept if kept is not None else first)
        self.field.setCurrentIndex(max(0, place))
        if place < 0 or kept is None:
            self.suggest()

    def suggest(self) -> None:
        """Fill in a few values of the chosen field."""
        path = self.field.currentData() or ""
        self.values.setVisible(bool(path))
        self.values.setText(sample_axes.suggested(self._specs[path], self._present.get(path)) if path else "")
        self._check()

    def _check(self) -> None:
        pieces.set_look(self.values, "bad", "true" if self.problem() else "false")  # the panel says why, below
        self.changed.emit()

    def problem(self) -> str:
        """What is wrong with the values, or ""."""
        try:
            self.axis()
        except ValueError as error:
            return str(error)
        return ""

    def take(self, axis: GridAxis | None) -> None:
        """The field and the values of an axis; one that is not offered leaves the choice as it is."""
        place = self.field.findData(axis.path if axis else "")
        if place >= 0:
            self.field.setCurrentIndex(place)
            self.values.setVisible(axis is not None)
            self.values.setText(sample_axes.as_text(axis.values) if axis else "")
            self._check()

    def axis(self) -> GridAxis | None:
        """The axis, None where no field is chosen. Raises ValueError in plain words."""
        path = self.field.currentData() or ""
        if not path:
            return None
        spec = self._specs[path]
        return GridAxis(path, spec.title, sample_axes.parse_values(spec, self.values.text()))


class GridForm(pieces.Card):
    """Across and down."""

    def __init__(self, setup: SampleSetup):
        super().__init__(spacing=8)
        self._setup = setup
        self.across = AxisForm(self.tr("Across"), optional=False)
        self.down = AxisForm(self.tr("Down"), optional=True)
        self.body.addWidget(pieces.label(self.tr("Grid over two fields"), "strong"))
        third = self.tr("Two at most: a third is set above, with a grid for each of its values.")
        self.body.addWidget(pieces.label(third, "hint", wrap=True))
        for form in (self.across, self.down):
            self.body.addWidget(form)
        setup.run_changed.connect(lambda _: self.offer())

    def offer(self) -> None:
        """Offer the fields of the family that is sampled."""
        form, conditions = self._setup.form, self._setup.conditions
        if form is None:
            return
        values = form.values()
        specs: dict[str, FieldSpec] = dict(sample_axes.leaves(form.spec, values))
        present = {path: sample_axes.at(values, path) for path in specs}
        specs["seed"], present["seed"] = SEED, 0
        if conditions is not None and "class" in conditions.editors and (known := self._setup.run.spec).classes:
            seen = tuple(name for name in known.classes if name not in known.unseen)
            specs["condition.class"] = FieldSpec("class", "enum", self.tr("Class"), options=seen)
        numeric = [path for path, spec in specs.items() if spec.kind in ("int", "float") and path != "seed"]
        self.across.offer(specs, present, numeric[0] if numeric else "seed")
        self.down.offer(specs, present, "seed")

    def problem(self) -> str:
        """What is wrong, or ""."""
        try:
            self.cells()
        except ValueError as error:
            return str(error)
        return ""

    def take(self, grid: GridCell) -> None:
        """The fields and values of a grid that was made."""
        self.offer()
        self.across.take(grid.across)
        self.down.take(grid.down)

    def cells(self, grid: str = "") -> list[Sample]:
        """The requests row by row; ``grid``: the id of the whole. Raises ValueError in plain words."""
        across, down = self.across.axis(), self.down.axis()
        if down is not None and down.path == across.path:
            raise ValueError(self.tr("Both sides are the same field"))
        choices = frozenset(path for path, spec in self.across._specs.items() if spec.kind == "choice")
        request = self._setup.request()
        request.title = self._setup.run.title
        if not self._setup.together:
            request.count, request.trace = 1, min(1, request.trace)
        return sample_axes.cells(request, across, down, choices, grid)
