"""Editors that hold others: group, choice, list, and a field that may be empty."""

from __future__ import annotations

from typing import Any

import msgspec
from PySide6.QtWidgets import QBoxLayout, QCheckBox, QGridLayout, QLineEdit, QWidget

from models_backend.contract.fields import FieldSpec, defaults, relevant, variant_of
from models_backend.contract.words import sentence

from .. import theme
from ..pieces import FIELDS, NAMES, allow, column, form_line, icon_button, label, row, section, set_role
from .editors import (
    BoolEditor,
    Editor,
    EnumEditor,
    NumberEditor,
    PathEditor,
    Pick,
    RunEditor,
    Runs,
    TextEditor,
    no_runs,
)
from .numbers import listed, parsed

#: How far the names of fields inside a choice stand to the right of its own, one step a level.
INDENT = 12
#: A form narrower than this has its names above its fields.
NARROW_PX = 205


class Line:
    """The parts of one field in a group: label, editor, reason or error below."""

    def __init__(self, spec: FieldSpec, editor: Editor):
        self.spec, self.editor = spec, editor
        self.label = label(spec.title, "label", lines=2)
        self.label.setBuddy(editor)
        self.label.setToolTip(spec.help)
        editor.setToolTip(spec.help)
        editor.name_parts(spec.title, spec.help)
        self.below = label("", "hint", wrap=True)
        self.below.hide()

    def show_reason(self, reason: str) -> None:
        """Greys the field, with the reason below it; "" makes it count again."""
        reason = sentence(reason)
        allow(self.editor, not reason, reason)
        self.label.setEnabled(not reason)
        self._say(reason, "hint")

    def show_error(self, text: str) -> None:
        """Shows what is wrong below the field; "" takes it away."""
        self.editor.set_bad(bool(text))
        if text or self.below.property("role") == "error":
            self._say(text, "error")

    def _say(self, text: str, role: str) -> None:
        self.below.setText(sentence(text))
        set_role(self.below, role)
        self.below.setVisible(bool(text))


class GroupEditor(Editor):
    """Fields below one another, two columns: labels and editors."""

    wide = True

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs, fields: tuple[FieldSpec, ...] | None = None, depth: int = 0):
        super().__init__(spec, runs)
        self.depth, self._narrow = depth, False
        self.lines: dict[str, Line] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(0, NAMES)
        self._grid.setColumnStretch(1, FIELDS)
        self._unmet: dict[str, str] = {}
        for field in fields if fields is not None else spec.fields:
            self._add(field)
        self._refresh_relevance()

    def _add(self, field: FieldSpec) -> None:
        line = Line(field, editor_for(field, self.runs, self.depth))
        line.editor.changed.connect(self._changed)
        self.lines[field.name] = line
        if field.kind == "group":
            line.label = section(field.title)
            line.label.setToolTip(field.help)
        line.label.setContentsMargins(self.depth * INDENT, 0, 0, 0)
        self._place(3 * len(self.lines), line)

    def _place(self, at: int, line: Line) -> None:
        """Name and field beside each other, or below one another where the form is narrow."""
        below = line.editor.wide or self._narrow
        if not line.editor.wide or line.spec.kind == "group":
            self._grid.addWidget(line.label, at, 0, 1, 2 if below else 1)
        self._grid.addWidget(line.editor, at + 1 if below else at, 0 if below else 1, 1, 2 if below else 1)
        self._grid.addWidget(line.below, at + 2, 0 if below else 1, 1, 2 if below else 1)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        narrow = self.width() < theme.px(NARROW_PX)
        if narrow != self._narrow:
            self._narrow = narrow
            for place, line in enumerate(self.lines.values(), 1):
                self._place(3 * place, line)
            self.updateGeometry()

    def _changed(self) -> None:
        self._refresh_relevance()
        self.changed.emit()

    def _refresh_relevance(self) -> None:
        values = self.value()
        for line in self.lines.values():
            reason = self._unmet.get(line.spec.needs, "") if line.spec.needs else ""
            if not reason and not relevant(line.spec, values):
                reason = line.spec.when.reason
            if reason or not line.editor.isEnabledTo(self):
                line.show_reason(reason)

    def set_unmet(self, unmet: dict[str, str]) -> None:
        """Greys the fields that need what the data do not have: what they need -> the reason."""
        self._unmet = unmet
        self._refresh_relevance()

    def value(self) -> dict[str, Any]:
        return {name: line.editor.value() for name, line in self.lines.items()}

    def set_value(self, value: Any) -> None:
        given = value if isinstance(value, dict) else {}
        for name, line in self.lines.items():
            line.editor.set_value(given.get(name, defaults(line.spec)))
        self._refresh_relevance()

    def line_at(self, path: str) -> Line | None:
        """The line of a dotted path below this group, or the nearest one above it."""
        name, _, rest = path.partition(".")
        line = self.lines.get(name)
        inner = line.editor.group() if line is not None and isinstance(line.editor, ChoiceEditor) else line and line.editor
        if rest and isinstance(inner, GroupEditor):
            return inner.line_at(rest) or line
        return line

    def all_lines(self) -> list[Line]:
        """Every line here and below."""
        found: list[Line] = []
        for line in self.lines.values():
            inner = line.editor.group() if isinstance(line.editor, ChoiceEditor) else line.editor
            found += [line] + (inner.all_lines() if isinstance(inner, GroupEditor) else [])
        return found

    def set_bad(self, bad: bool) -> None:
        """The lines inside mark themselves."""


class ChoiceEditor(Editor):
    """One of several variants, each with fields of its own, which stand below the drop-down list."""

    wide = True

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs, depth: int = 0):
        super().__init__(spec, runs)
        self._depth = depth
        self.box = Pick()
        if spec.optional:
            self.box.addItem(self.tr("none"), None)
        for variant in spec.variants:
            self.box.addItem(variant.title or variant.name, variant.name)
            self.box.setItemData(self.box.count() - 1, variant.help, 3)
        self._groups: dict[str, GroupEditor] = {}
        self._place = column(spacing=0, margins=(0, 6, 0, 0))
        self._inner = QWidget()
        self._inner.setLayout(self._place)
        self._line = line = form_line(spec.title, self.box, help_line=spec.help)
        self._label = line.itemAt(0).widget()
        self._label.setContentsMargins(depth * INDENT, 0, 0, 0)
        self.setLayout(column(line, self._inner, spacing=0))
        self.box.currentIndexChanged.connect(lambda _index: self._chosen())
        self._show_group()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        beside = self.width() >= theme.px(NARROW_PX)
        self._line.setDirection(QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom)

    def _chosen(self) -> None:
        self._show_group()
        self.changed.emit()

    def group(self) -> GroupEditor | None:
        """The fields of the chosen variant."""
        return self._groups.get(self.box.currentData() or "")

    def _show_group(self) -> None:
        tag = self.box.currentData()
        variant = next((one for one in self.spec.variants if one.name == tag), None)
        if variant is not None and tag not in self._groups:
            group = GroupEditor(variant, self.runs, depth=self._depth + 1)
            group.set_value({})
            group.changed.connect(self.changed)
            self._groups[tag] = group
            self._place.addWidget(group)
        for name, group in self._groups.items():
            group.setVisible(name == tag)
        self._inner.setVisible(variant is not None and bool(variant.fields))

    def value(self) -> dict[str, Any] | None:
        tag, group = self.box.currentData(), self.group()
        return None if tag is None else {"type": tag, **(group.value() if group is not None else {})}

    def set_value(self, value: Any) -> None:
        variant = variant_of(self.spec, value)
        self.box.blockSignals(True)
        index = self.box.findData(variant.name if variant is not None else None)
        self.box.setCurrentIndex(max(index, 0))
        self.box.blockSignals(False)
        self._show_group()
        if variant is not None:
            self.group().set_value(value)


class ListEditor(Editor):
    """Plain items with commas between them; groups and choices below one another."""

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__(spec, runs)
        self._numbers = spec.item.kind in ("int", "float")
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("Values with commas between them"))
        if self._numbers:
            theme.scaled(self.field, lambda field: field.setFont(theme.font("mono", 11)))
        self.field.textEdited.connect(lambda _text: self.changed.emit())
        self.setLayout(row(self.field))

    def _item(self, text: str) -> Any:
        if self._numbers:
            return parsed(text, self.spec.item.kind == "int")
        return {"true": True, "false": False}.get(text, text) if self.spec.item.kind == "bool" else text

    def value(self) -> list[Any]:
        text = self.field.text()
        parts = listed(text, self.spec.item.kind == "int") if self._numbers else [part.strip() for part in text.split(",")]
        return [self._item(part) for part in parts if part]

    def set_value(self, value: Any) -> None:
        self.field.setText(", ".join(str(one) for one in value or ()))


class GroupsEditor(Editor):
    """A list whose items have fields: each with a button that takes it out, and one that adds another."""

    wide = True

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__(spec, runs)
        self._editors: list[Editor] = []
        self._place = column(spacing=6)
        self._heading = label(spec.title, "label")
        add = icon_button("add", self.tr("Add one"), self._add_one)
        self.setLayout(column(row(self._heading, None, add), self._place, spacing=4))

    def _add_one(self) -> None:
        self.set_value([*self.value(), defaults(self.spec.item) or self._first()])
        self.changed.emit()

    def _first(self) -> Any:
        variants = self.spec.item.variants
        return {"type": variants[0].name, **defaults(variants[0])} if variants else None

    def _remove(self, editor: Editor) -> None:
        self.set_value([one.value() for one in self._editors if one is not editor])
        self.changed.emit()

    def value(self) -> list[Any]:
        return [editor.value() for editor in self._editors]

    def set_value(self, value: Any) -> None:
        while self._place.count():
            holder = self._place.takeAt(0).widget()
            holder.hide()
            holder.deleteLater()
        self._editors = []
        for position, one in enumerate(value or ()):
            editor = editor_for(msgspec.structs.replace(self.spec.item, title=f"{position + 1}"), self.runs)
            editor.set_value(one)
            editor.changed.connect(self.changed)
            self._editors.append(editor)
            holder = QWidget()
            out = icon_button("close", self.tr("Take it out"), lambda editor=editor: self._remove(editor), 12)
            holder.setLayout(row(editor, out))
            self._place.addWidget(holder)


class OptionalEditor(Editor):
    """A field that may be empty: a check box switches it on."""

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__(spec, runs)
        self.box = QCheckBox()
        self.box.setToolTip(self.tr("Off: left empty"))
        self.inner = editor_for(msgspec.structs.replace(spec, optional=False), runs)
        self._off = label(self.tr("off"), "hint")
        self.inner.changed.connect(self.changed)
        self.box.toggled.connect(self._switched)
        layout = row(self.box, self.inner, self._off, None, spacing=6)
        layout.setStretch(1, 100)
        self.setLayout(layout)
        self.set_value(None)

    def _switched(self, on: bool) -> None:
        self._show(on)
        if on and self.inner.value() in (None, ""):
            self.inner.set_value(self.spec.default if self.spec.default is not None else self._start())
        self.changed.emit()

    def _start(self) -> Any:
        if self.spec.kind not in ("int", "float"):
            return ""
        low = self.spec.low if self.spec.low is not None else 0
        return int(low) if self.spec.kind == "int" else float(low)

    def _show(self, on: bool) -> None:
        self.inner.setVisible(on)
        self._off.setVisible(not on)

    def value(self) -> Any:
        return self.inner.value() if self.box.isChecked() else None

    def set_value(self, value: Any) -> None:
        self.box.blockSignals(True)
        self.box.setChecked(value is not None)
        self.box.blockSignals(False)
        if value is not None:
            self.inner.set_value(value)
        self._show(value is not None)


#: field kind -> its editor: the same names as contract.fields.FIELD_KINDS
EDITORS: dict[str, type[Editor]] = {
    "bool": BoolEditor, "int": NumberEditor, "float": NumberEditor, "text": TextEditor, "enum": EnumEditor,
    "path": PathEditor, "list": ListEditor, "group": GroupEditor, "choice": ChoiceEditor, "run": RunEditor,
}  # fmt: skip


def editor_for(spec: FieldSpec, runs: Runs = no_runs, depth: int = 0) -> Editor:
    """The editor of a field; ``depth`` tells in how many choices it stands."""
    if spec.optional and spec.kind in ("int", "float", "text", "path", "enum", "bool"):
        return OptionalEditor(spec, runs)
    if spec.kind == "list" and spec.item is not None and spec.item.kind in ("group", "choice", "list"):
        return GroupsEditor(spec, runs)
    if spec.kind == "choice":
        return ChoiceEditor(spec, runs, depth)
    return GroupEditor(spec, runs, depth=depth) if spec.kind == "group" else EDITORS[spec.kind](spec, runs)


__all__ = ["EDITORS", "ChoiceEditor", "GroupEditor", "Line", "editor_for"]
