"""Boxes with arrows that read and show numbers as the fields of the forms do, whatever the country of the machine."""

from __future__ import annotations

import math

from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox

from .number_text import parsed


def decimals_of(span: float) -> int:
    """So many places behind the point that a range of values can be gone through in about a hundred steps."""
    return 0 if span >= 20 or span <= 0 else min(12, max(2, 2 - math.floor(math.log10(span))))


def _state(box: QSpinBox | QDoubleSpinBox, text: str, whole: bool) -> QValidator.State:
    """Whether the text is a number of the box; what is none may still become one."""
    value = _number(box, text, whole)
    fits = value is not None and box.minimum() <= value <= box.maximum()
    return QValidator.State.Acceptable if fits or text == box.specialValueText() != "" else QValidator.State.Intermediate


def _number(box: QSpinBox | QDoubleSpinBox, text: str, whole: bool) -> int | float | None:
    value = parsed(text.removeprefix(box.prefix()).removesuffix(box.suffix()), whole)
    right = isinstance(value, int) if whole else isinstance(value, (int, float))
    return value if right else None


class WholeBox(QSpinBox):
    """A whole number; "1,5" is none, never 15."""

    def validate(self, text: str, position: int) -> object:
        return _state(self, text, True), text, position

    def fixup(self, text: str) -> str:
        return text  # Qt's takes the commas out

    def valueFromText(self, text: str) -> int:
        value = _number(self, text, True)
        return self.minimum() if value is None else value

    def textFromValue(self, value: int) -> str:
        return str(value)


class DecimalBox(QDoubleSpinBox):
    """A number with a fraction."""

    def validate(self, text: str, position: int) -> object:
        return _state(self, text, False), text, position

    def fixup(self, text: str) -> str:
        return text

    def valueFromText(self, text: str) -> float:
        value = _number(self, text, False)
        return self.minimum() if value is None else float(value)

    def textFromValue(self, value: float) -> str:
        return f"{value:.{self.decimals()}f}"
