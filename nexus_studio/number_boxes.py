"""Boxes with arrows that read and show numbers as the fields of the forms do, whatever the country of the machine."""

from __future__ import annotations

import math

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

from .number_text import parsed, shown


class _Signals(QObject):
    refused = Signal(str)  # a sentence: what was typed into a box is none of its numbers


signals = _Signals()


def decimals_of(span: float) -> int:
    """So many places behind the point that a range of values can be gone through in about a hundred steps."""
    return 0 if span >= 20 or span <= 0 else min(12, max(2, 2 - math.floor(math.log10(span))))


class _Box:
    """What both boxes share. Anything can be typed; what does not fit is refused with its range at Return or when the focus
    leaves, and the number that stood there before the typing is in force meanwhile and comes back."""

    whole = False
    least: float | None = None  # the smallest number that can be typed, where the minimum stands for none

    def _begin(self) -> None:
        self._before: int | float | None = None  # while something is typed
        self.lineEdit().textEdited.connect(self._typed)
        self.editingFinished.connect(self._finished)

    def _number(self, text: str) -> int | float | None:
        value = parsed(text.removeprefix(self.prefix()).removesuffix(self.suffix()), self.whole)
        right = isinstance(value, int) if self.whole else isinstance(value, (int, float))
        return value if right else None

    def _fits(self, text: str) -> bool:
        value, least = self._number(text), self.minimum() if self.least is None else self.least
        fits = value is not None and (least <= value <= self.maximum() or value == self.value())
        return fits or text == self.specialValueText() != ""

    def _typed(self, text: str) -> None:
        if self._before is None:
            self._before = self.value()
        if not self._fits(text) and self.value() != self._before:  # its first digits were a number of their own
            before, at = self._before, self.lineEdit().cursorPosition()
            self.setValue(before)
            self._before = before
            self.lineEdit().setText(text)
            self.lineEdit().setCursorPosition(at)

    def _finished(self) -> None:
        self._before = None

    def setValue(self, value: int | float) -> None:
        super().setValue(value)
        self._before = None

    def stepBy(self, steps: int) -> None:
        super().stepBy(steps)
        self._before = None

    def validate(self, text: str, position: int) -> object:
        state = QValidator.State.Acceptable if self._fits(text) else QValidator.State.Intermediate
        return state, text, position

    def fixup(self, text: str) -> str:
        """Asked for when what was typed does not fit; Qt's own takes the commas out."""
        if text.removeprefix(self.prefix()).removesuffix(self.suffix()).strip():
            signals.refused.emit(self._refusal())
        return text

    def _refusal(self) -> str:
        least = self.minimum() if self.least is None else self.least
        kind = _tr("a whole number") if self.whole else _tr("a number")
        words = _tr("“{0}” must be {1} from {2} to {3}. It stays as it was: {4}.")
        stays = self.specialValueText() if self.value() == self.minimum() and self.specialValueText() else shown(self.value())
        return words.format(self.accessibleName(), kind, shown(least), shown(self.maximum()), stays)


def _tr(text: str) -> str:
    return QCoreApplication.translate("NumberBoxes", text)


class WholeBox(_Box, QSpinBox):
    """A whole number; "1,5" is none, never 15."""

    whole = True

    def __init__(self) -> None:
        super().__init__()
        self._begin()

    def valueFromText(self, text: str) -> int:
        value = self._number(text)
        return self.minimum() if value is None else value

    def textFromValue(self, value: int) -> str:
        return str(value)


class DecimalBox(_Box, QDoubleSpinBox):
    """A number with a fraction."""

    def __init__(self) -> None:
        super().__init__()
        self._begin()

    def valueFromText(self, text: str) -> float:
        value = self._number(text)
        return self.minimum() if value is None else float(value)

    def textFromValue(self, value: float) -> str:
        return f"{value:.{self.decimals()}f}"
