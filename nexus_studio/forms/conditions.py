"""Editors of the condition kinds: what a sample is asked to be. One class a kind, values as requests carry them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QLineEdit, QPlainTextEdit, QSizePolicy, QWidget

from models_backend.contract import names
from models_backend.contract.family import Condition, DataSpec, heard

from .. import theme
from ..dialogs import begin_in, opened
from ..fitting import tip
from ..number_boxes import DecimalBox, decimals_of
from ..pieces import column, form_line, icon_button, label, row
from .editors import Pick


class ConditionEditor(QWidget):
    """One condition. ``value`` is None where nothing is asked for (unconditional)."""

    changed = Signal()
    title = ""

    def __init__(self, condition: Condition, spec: DataSpec):
        super().__init__()
        self.condition, self.spec = condition, spec

    def value(self) -> Any:
        """The plain value, or None."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Shows a value; tells nothing."""
        raise NotImplementedError


def of_item(values: dict[str, Any], item: int, spec: DataSpec) -> dict[str, Any]:
    """What is asked of one item where values of a kind go round."""
    asked = {}
    for kind, value in values.items():
        value = names.in_turn(kind, value, spec.classes, spec.unseen)
        asked[kind] = value[item % len(value)] if isinstance(value, (list, tuple)) and value else value
    return {kind: value for kind, value in asked.items() if value is not None}


def _first(value: Any) -> Any:
    """What an editor of a single value shows of several."""
    return next(iter(value), None) if isinstance(value, (list, tuple)) else value


class ClassEditor(ConditionEditor):
    """A class of the data set, every class in turn, or none. Values: position, ``names.EVERY``, None; a list that was asked for
    elsewhere stands as an entry of its own. A class may be called as the entries above it are: a line divides them."""

    title = "Class"

    def __init__(self, condition: Condition, spec: DataSpec):
        super().__init__(condition, spec)
        self.box = Pick()
        self.box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.box.addItem(self.tr("Any class"), None)
        self.box.addItem(self.tr("Every class in turn"), names.EVERY)
        self.box.insertSeparator(2)
        self._entries: dict[str, int] = {}  # the classes that can be asked for, by name
        for position, name in enumerate(spec.classes):
            if name not in spec.unseen:
                self._entries[name] = self.box.count()
                self.box.addItem(name, position)
        self.box.setAccessibleName(self.title)
        self.box.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.setLayout(row(self.box))

    def value(self) -> int | str | list | None:
        return self.box.currentData()

    def set_value(self, value: Any) -> None:
        self.box.blockSignals(True)
        self.box.setCurrentIndex(self._place(value))
        self.box.blockSignals(False)

    def _place(self, value: Any) -> int:
        """The entry of a value; a list gets one of its own."""
        if isinstance(value, (list, tuple)):
            known = self.box.findData(value)
            if known < 0:
                self.box.addItem(", ".join(self._name(one) for one in value), value)
            return known if known >= 0 else self.box.count() - 1
        if names.is_every(value, self.spec.classes):
            return 1
        return self._entries.get(names.class_name(value, self.spec.classes), 0)

    def _name(self, value: Any) -> str:
        name = names.class_name(value, self.spec.classes)
        return self.tr("any") if name in (None, "") else str(name)


class AttributesEditor(ConditionEditor):
    """Numbers by name; below its lowest value an attribute is left open. Values: {name: number}, None."""

    title = "Attributes"

    def __init__(self, condition: Condition, spec: DataSpec):
        super().__init__(condition, spec)
        self.boxes: dict[str, DecimalBox] = {}
        lines = column(spacing=6)
        for attribute in spec.attributes:
            box, step = DecimalBox(), (attribute.high - attribute.low) / 20
            box.setDecimals(decimals_of(attribute.high - attribute.low))
            box.setRange(attribute.low - step, attribute.high)
            box.least = round(attribute.low, box.decimals())
            box.setSingleStep(step)
            box.setSpecialValueText(self.tr("any"))
            box.lineEdit().setTextMargins(6, 0, 0, 0)  # as in pieces.spin_box
            box.setAccessibleName(attribute.name)
            box.setToolTip(tip(f"{attribute.name}: {attribute.span}"))
            box.setValue(box.minimum())
            box.valueChanged.connect(lambda _value: self.changed.emit())
            self.boxes[attribute.name] = box
            lines.addLayout(form_line(attribute.name, box, below=attribute.span))
        self.setLayout(lines)

    def value(self) -> dict[str, float] | None:
        return {name: box.value() for name, box in self.boxes.items() if box.value() > box.minimum()} or None

    def set_value(self, value: Any) -> None:
        asked = _first(value)
        if isinstance(asked, str):
            asked = names.attributes_of(asked, self.boxes)
        known = {names.folded(name): float(number) for name, number in (asked or {}).items()}
        for name, box in self.boxes.items():
            box.blockSignals(True)
            box.setValue(known.get(names.folded(name), box.minimum()))
            box.blockSignals(False)


class TextConditionEditor(ConditionEditor):
    """Text; several lines are several texts, taken in turn. Values: str, list of str, None."""

    title = "Text"
    how = (
        "One line for all items, or several, which they take in turn.\n"
        "(red:1.4) counts 1.4 times, (red) 1.1 times, [red] 1 / 1.1 times; brackets nest.\n"
        "A bracket as it stands is written \\( or \\["
    )

    def __init__(self, condition: Condition, spec: DataSpec):
        super().__init__(condition, spec)
        self.field = QPlainTextEdit()
        self.field.setFixedHeight(theme.px(72))
        self.field.setTabChangesFocus(True)
        self.field.setAccessibleName(self.title)
        self.field.setPlaceholderText(condition.help)
        self.field.setToolTip(self.how)
        self.field.textChanged.connect(self.changed)
        self.setLayout(column(self.field))

    def value(self) -> str | list[str] | None:
        lines = [line.strip() for line in self.field.toPlainText().strip().splitlines()]
        return lines if len(lines) > 1 else lines[0] if lines else None

    def set_value(self, value: Any) -> None:
        lines = value if isinstance(value, (list, tuple)) else [value]
        self.field.blockSignals(True)
        self.field.setPlainText("\n".join(str(line or "") for line in lines))
        self.field.blockSignals(False)


class PhonemesEditor(TextConditionEditor):
    """Phonemes as text."""

    title, how = "Phonemes", ""


class FileConditionEditor(ConditionEditor):
    """A file: a button asks for it, or it is dropped on the field. The value is its path."""

    suffixes = ""

    def __init__(self, condition: Condition, spec: DataSpec):
        super().__init__(condition, spec)
        self.field = QLineEdit()
        self.field.setPlaceholderText(condition.help or self.tr("Drop a file here"))
        self.field.setAccessibleName(self.title)
        self.field.textEdited.connect(lambda _text: self.changed.emit())
        self.setLayout(row(self.field, icon_button("folder", self.tr("Choose…"), self._ask)))
        self.setAcceptDrops(True)

    def _ask(self) -> None:
        dialog = QFileDialog(self.window(), self.title, begin_in(self.field.text()), self.suffixes)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._take)
        opened(dialog)

    def _take(self, path: str) -> None:
        self.set_value(path)
        self.changed.emit()

    def value(self) -> str | None:
        return self.field.text().strip() or None

    def set_value(self, value: Any) -> None:
        self.field.setText(str(_first(value) or ""))

    def dragEnterEvent(self, event) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event) -> None:
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            self._take(paths[0])
            event.acceptProposedAction()


class ImageEditor(FileConditionEditor):
    """A picture to work on."""

    title, suffixes = "Picture", "Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.tif *.tiff)"


class MaskEditor(FileConditionEditor):
    """A picture whose white parts are made anew."""

    title, suffixes = "Mask", "Pictures (*.png *.webp *.bmp)"


class AudioEditor(FileConditionEditor):
    """A reference voice or sound."""

    title, suffixes = "Reference sound", "Sound (*.wav *.flac *.ogg *.mp3 *.opus)"


class MelodyEditor(FileConditionEditor):
    """A melody to follow."""

    title, suffixes = "Melody", "Sound (*.wav *.flac *.ogg *.mp3 *.opus *.mid)"


#: condition kind -> its editor: the same names as contract.family.CONDITION_KINDS
CONDITION_EDITORS: dict[str, type[ConditionEditor]] = {
    "class": ClassEditor, "attributes": AttributesEditor, "text": TextConditionEditor, "phonemes": PhonemesEditor,
    "image": ImageEditor, "audio": AudioEditor, "melody": MelodyEditor, "mask": MaskEditor,
}  # fmt: skip


class ConditionsForm(QWidget):
    """Every condition of a family below one another; ``values`` leaves out what is not asked for."""

    changed = Signal()

    def __init__(self, conditions: tuple[Condition, ...], spec: DataSpec):
        super().__init__()
        kinds = heard(conditions, spec)
        fitting = [one for one in conditions if one.kind in kinds]
        self.editors = {one.kind: CONDITION_EDITORS[one.kind](one, spec) for one in fitting}
        layout = column(spacing=6)
        for editor in self.editors.values():
            heading = label(editor.title, "label")
            heading.setToolTip(editor.condition.help)
            layout.addWidget(heading)
            layout.addWidget(editor)
            editor.changed.connect(self.changed)
        self.setLayout(layout)

    def values(self) -> dict[str, Any]:
        """Condition kind -> value."""
        given = {kind: editor.value() for kind, editor in self.editors.items()}
        return {kind: value for kind, value in given.items() if value is not None}

    def set_values(self, values: dict[str, Any]) -> None:
        """Shows values; a kind that is absent asks for nothing."""
        for kind, editor in self.editors.items():
            editor.set_value(values.get(kind))
