"""A settings form: a field description and plain values in, plain values out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import QEvent, Signal
from PySide6.QtWidgets import QApplication, QWidget

from models_backend.contract.fields import FieldSpec, Problem, allowed, check, defaults, merged, renamed, unrelated

from ..fitting import Words
from ..pieces import column
from .compound import GroupEditor, Line
from .editors import Runs, no_runs


class SettingsForm(QWidget):
    """The fields of a group. ``changed`` tells of every edit; what does not fit is said below its field at once.

    ``only`` names the top-level fields to show (all where None); the others keep their values. ``runs(kind)`` lists the
    runs that a run field offers. ``help_line`` tells of the field that has the focus; it stands where nothing moves when it
    changes, below all forms that share it."""

    changed = Signal()

    def __init__(
        self,
        spec: FieldSpec,
        values: dict[str, Any] | None = None,
        only: Iterable[str] | None = None,
        runs: Runs = no_runs,
        help_line: Words | None = None,
    ):
        super().__init__()
        self.spec = spec
        names = None if only is None else set(only)
        fields = tuple(field for field in spec.fields if names is None or field.name in names)
        self._kept: dict[str, Any] = {}
        self._said: list[Problem] = []
        self.group = GroupEditor(spec, runs, fields)
        self.help = help_line
        self.setLayout(column(self.group, None, spacing=8))
        self.set_values(values or {})
        self.group.changed.connect(self._edited)
        QApplication.instance().focusChanged.connect(self._focus_moved)

    # --------------------------------------------------------------------------------------------- values

    def values(self) -> dict[str, Any]:
        """The plain values of all fields, shown or not."""
        return {**self._kept, **self.group.value()}

    def sound_values(self) -> dict[str, Any]:
        """The plain values; a field whose typed text does not fit has the value from before the typing."""
        bad = {problem.field.partition(".")[0] for problem in self.problems()}
        return self.values() | {name: line.editor.before() for name, line in self.group.lines.items() if name in bad}

    def set_values(self, values: dict[str, Any]) -> None:
        """Shows values, laid over the defaults; tells nothing."""
        whole = merged(defaults(self.spec), renamed(self.spec, values))
        self._kept = {name: value for name, value in whole.items() if name not in self.group.lines}
        self.group.set_value(whole)
        self._said = []
        self._show_problems()

    def put(self, values: dict[str, Any]) -> None:
        """Shows values of some of the shown fields; tells nothing."""
        for name, value in values.items():
            self.group.lines[name].editor.set_value(value)
        self._show_problems()

    def set_unmet(self, unmet: dict[str, str]) -> None:
        """Greys the fields that need what the data do not have, each with its reason."""
        self.group.set_unmet(unmet)

    def reset(self) -> None:
        """Every field back to its default."""
        self.set_values({})
        self.changed.emit()

    # ------------------------------------------------------------------------------------------- problems

    def problems(self) -> list[Problem]:
        """Everything that does not fit its field."""
        values = self.values()
        found = [problem for field in self.spec.fields for problem in check(field, values.get(field.name))]
        return found or unrelated(self.spec.fields, values)

    @property
    def valid(self) -> bool:
        """Whether every value fits its field."""
        return not self.problems()

    def show_problems(self, problems: list[Problem]) -> None:
        """Shows problems that someone else found (the engine) until the next edit."""
        prefix = f"{self.spec.name}."
        self._said = [Problem(p.field.removeprefix(prefix), p.value, p.allowed) for p in problems]
        self._show_problems()

    def _show_problems(self) -> None:
        wrong: dict[int, tuple[Line, str]] = {}
        for problem in [*self.problems(), *self._said]:
            line = self.group.line_at(problem.field)
            if line is not None:
                wrong[id(line)] = (line, f"Must be {problem.allowed}")
        for line in self.group.all_lines():
            if line.editor.isEnabledTo(self):
                line.show_error(wrong[id(line)][1] if id(line) in wrong else "")

    def _edited(self) -> None:
        self._said = []
        self._show_problems()
        self.changed.emit()

    # ----------------------------------------------------------------------------------------------- help

    def _focus_moved(self, _old: QWidget | None, new: QWidget | None) -> None:
        if new is None or not self.isAncestorOf(new):
            return
        inner = [line for line in self.group.all_lines() if line.editor is new or line.editor.isAncestorOf(new)]
        if inner and self.help is not None:
            self.help.setText(help_text(inner[-1].spec))
            self.help.show()

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.EnabledChange and self.isEnabled():
            self.group._refresh_relevance()


def help_text(spec: FieldSpec) -> str:
    """One line of help and what is allowed."""
    bounds = f" {allowed(spec)[:1].upper()}{allowed(spec)[1:]}." if spec.kind in ("int", "float") else ""
    stop = "" if not spec.help or spec.help.endswith(".") else "."
    live = " Can be changed while the run goes on." if spec.live else ""
    return f"{spec.title}: {spec.help}{stop}{bounds}{live}"
