"""Editors of the plain field kinds: bool int float text enum path run. Each gives and takes plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QWidget,
)

from models_backend.contract.fields import FieldSpec, check

from .. import theme
from ..dialogs import begin_in, opened
from ..fitting import one_line, tip
from ..pieces import icon_button, label, row, set_look
from .numbers import TICKS, parsed, scale_of, shown

#: What the style sheet keeps free beside the text of a drop-down list: its padding, the arrow and the frame.
PICK_MARGINS = 56

#: kind of part -> [(run id, title)]: the runs that a run field offers
Runs = Callable[[str], list[tuple[str, str]]]


def no_runs(_kind: str) -> list[tuple[str, str]]:
    """There are no runs to choose from."""
    return []


class Editor(QWidget):
    """One field. ``value`` may be something that does not fit (a text that is no number): ``check`` says so."""

    changed = Signal()
    wide = False  # takes the whole width, below its label

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__()
        self.spec, self.runs = spec, runs

    def value(self) -> Any:
        """The plain value."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Shows a plain value; tells nothing."""
        raise NotImplementedError

    def before(self) -> Any:
        """The plain value without what is being typed."""
        return self.value()

    def set_bad(self, bad: bool) -> None:
        """Marks the field as wrong; the words stand below it."""
        for field in self.findChildren(QLineEdit):
            set_look(field, "bad", "true" if bad else "false")

    def name_parts(self, title: str, help_line: str) -> None:
        """Gives every part that takes the focus its accessible name and help."""
        for part in self.findChildren(QWidget):
            if part.focusPolicy() != Qt.FocusPolicy.NoFocus and not part.accessibleName():
                part.setAccessibleName(title)
                part.setAccessibleDescription(help_line)


class Pick(QComboBox):
    """A drop-down list that the wheel does not change in passing: without the focus the form scrolls instead. A choice that is
    too long for it ends in an ellipsis."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def wheelEvent(self, event) -> None:
        super().wheelEvent(event) if self.hasFocus() else event.ignore()

    def is_elided(self) -> bool:
        """Whether less than the whole choice is seen."""
        return self.shown_text() != one_line(self.currentText())

    def toolTip(self) -> str:
        """The tooltip; the whole choice stands in it where that is cut."""
        own = super().toolTip()
        return "\n".join(filter(None, [self.currentText() if self.is_elided() else "", own]))

    def event(self, event) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), tip(self.toolTip()), self)
            return True
        return super().event(event)

    def text(self) -> str:
        """The whole choice."""
        return self.currentText()

    def shown_text(self) -> str:
        """The chosen text as far as there is room for it."""
        room = self.width() - theme.px(PICK_MARGINS)
        return self.fontMetrics().elidedText(one_line(self.currentText()), Qt.TextElideMode.ElideRight, room)

    def paintEvent(self, event) -> None:
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = self.shown_text()
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class Slide(QSlider):
    """A slider that the wheel does not change in passing."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event) -> None:
        super().wheelEvent(event) if self.hasFocus() else event.ignore()


class BoolEditor(Editor):
    """A check box."""

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__(spec, runs)
        self.box = QCheckBox()
        self.box.toggled.connect(lambda _on: self.changed.emit())
        self.setLayout(row(self.box, None))

    def value(self) -> bool:
        return self.box.isChecked()

    def set_value(self, value: Any) -> None:
        self.box.blockSignals(True)
        self.box.setChecked(bool(value))
        self.box.blockSignals(False)


class NumberEditor(Editor):
    """A slider and the number at its right, or a field alone where there is nothing to slide along."""

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__(spec, runs)
        self.scale = scale_of(spec)
        self._before: Any = None
        self.field = QLineEdit()
        self.field.textEdited.connect(lambda _text: self._typed())
        self.field.editingFinished.connect(self._tidy)
        parts: list[QWidget] = [self.field]
        self.slider: QSlider | None = None
        if self.scale is not None:
            self.slider = Slide()
            self.slider.setRange(0, TICKS)
            self.slider.setPageStep(TICKS // 20)
            self.slider.setSingleStep(TICKS // 100)
            self.slider.valueChanged.connect(self._slid)
            self.slider.setMinimumWidth(36)
            theme.scaled(self.field, lambda field: field.setFixedWidth(theme.px(70)))
            self.field.setProperty("flat", "true")
            self.field.setAlignment(Qt.AlignmentFlag.AlignRight)
            parts.insert(0, self.slider)
        if spec.unit:
            parts.append(label(spec.unit, "hint"))
        self.setLayout(row(*parts, spacing=6))
        theme.scaled(self.field, lambda field: field.setFont(theme.font("mono", 11)))

    def _slid(self, position: int) -> None:
        self.field.setText(shown(self.scale.value(position)))
        self._before = self.value()
        self.changed.emit()

    def _typed(self) -> None:
        self._place()
        self.changed.emit()

    def _tidy(self) -> None:
        value = self.value()
        if not isinstance(value, str):
            self.field.setText(shown(value))
        if not check(self.spec, value):
            self._before = value

    def _place(self) -> None:
        value = self.value()
        if self.slider is not None and isinstance(value, (int, float)):
            self.slider.blockSignals(True)
            self.slider.setValue(self.scale.position(value))
            self.slider.blockSignals(False)

    def value(self) -> Any:
        return parsed(self.field.text(), self.spec.kind == "int")

    def before(self) -> Any:
        return self._before

    def set_value(self, value: Any) -> None:
        self.field.setText(value if isinstance(value, str) else shown(value))
        self._before = value
        self._place()


class TextEditor(Editor):
    """A line of text."""

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__(spec, runs)
        self.field = QLineEdit()
        self.field.setPlaceholderText(spec.help.partition(";")[0])
        self.field.setToolTip(spec.help)  # all of it, where the field is too narrow
        self.field.textEdited.connect(lambda _text: self.changed.emit())
        self.setLayout(row(self.field))

    def value(self) -> str:
        return self.field.text()

    def set_value(self, value: Any) -> None:
        self.field.setText("" if value is None else str(value))


class PathEditor(TextEditor):
    """A path with a button that asks for it; files may be dropped on the field."""

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__(spec, runs)
        self.layout().addWidget(icon_button("folder", self.tr("Choose…"), self._ask))
        self.setAcceptDrops(True)

    def _ask(self) -> None:
        dialog = QFileDialog(self.window(), self.spec.title, begin_in(self.field.text()))
        folder = self.spec.path == "folder"
        dialog.setFileMode(QFileDialog.FileMode.Directory if folder else QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._take)
        opened(dialog)

    def _take(self, path: str) -> None:
        self.field.setText(path)
        self.changed.emit()

    def dragEnterEvent(self, event) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event) -> None:
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            self._take(paths[0])
            event.acceptProposedAction()


class PickEditor(Editor):
    """A drop-down list of (value, shown text)."""

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__(spec, runs)
        self.box = Pick()
        self._stray: Any = None
        self.fill()
        self.box.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.setLayout(row(self.box))

    def choices(self) -> list[tuple[Any, str]]:
        """What can be chosen."""
        return [(option, option.replace("_", " ")) for option in self.spec.options]

    def fill(self) -> None:
        """Lists the choices."""
        self.box.blockSignals(True)
        self.box.clear()
        for value, text in self.choices():
            self.box.addItem(text, value)
        self.box.blockSignals(False)

    def value(self) -> Any:
        return self.box.currentData() if self._stray is None else self._stray

    def set_value(self, value: Any) -> None:
        index = self.box.findData(value)
        self._stray = value if index < 0 and value is not None else None
        self.box.blockSignals(True)
        self.box.setCurrentIndex(index)
        self.box.blockSignals(False)

    def set_bad(self, bad: bool) -> None:
        set_look(self.box, "bad", "true" if bad else "false")


class EnumEditor(PickEditor):
    """One of the options."""

    def __init__(self, spec: FieldSpec, runs: Runs = no_runs):
        super().__init__(spec, runs)
        self.box.currentIndexChanged.connect(lambda _index: setattr(self, "_stray", None))


class RunEditor(PickEditor):
    """Another run, of the kind that the field asks for; none where it is optional."""

    def choices(self) -> list[tuple[Any, str]]:
        found = self.runs(self.spec.run)
        none = self.tr("none") if found or self.spec.optional else self.tr("none yet: train one first")
        return [(None, none), *found]

    def set_value(self, value: Any) -> None:
        self.fill()
        if value and self.box.findData(value) < 0:
            self.box.addItem(f"{value} ({self.tr('not in the library')})", value)
        super().set_value(value or None)
