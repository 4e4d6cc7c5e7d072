"""The attributes of items, edited in a small form: a number for each, nothing where it is unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QDialog, QLineEdit, QWidget

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, Item
from models_backend.contract.words import counted
from models_backend.library import attributes

from .. import pieces, theme
from ..dialogs import TYPED
from ..fitting import tip
from ..number_text import parsed, shown
from .workspace import scrolled

Keep = Callable[[dict[int, float | None]], None]


def attributes_changed(
    record: DatasetRecord, items: Sequence[Item], chosen: Sequence[int], values: dict[int, float | None]
) -> dict[int, tuple[float | None, ...]]:
    """Position of an item -> all its attributes, for those of the chosen items that some new values change."""
    laid = {n: attributes.laid_over(items[n].attributes, values, len(record.attributes)) for n in chosen}
    return {n: after for n, after in laid.items() if after != items[n].attributes}


class AttributesForm(QDialog):
    """Opens over the panel without blocking the window; tells ``keep`` what was changed: position of an attribute -> value."""

    def __init__(self, parent: QWidget, record: DatasetRecord, items: Sequence[Item], keep: Keep):
        super().__init__(parent)
        self._attributes, self._keep = record.attributes, keep
        self.setProperty(TYPED, True)
        self.setWindowTitle(self.tr("Attributes of {0}").format(counted(len(items), "item")))
        self.fields = [self._field(position, items) for position in range(len(record.attributes))]
        self._before = [field.text() for field in self.fields]
        self.error = pieces.label("", "error", wrap=True)
        self.error.hide()
        self.kept = pieces.button(self.tr("Keep"), "primary", self.accept)
        self.kept.setDefault(True)
        lines = pieces.column(spacing=8)
        for attribute, field in zip(self._attributes, self.fields):
            lines.addLayout(pieces.form_line(attribute.name, field, below=attribute.span))
        inner = QWidget()
        inner.setLayout(lines)
        buttons = pieces.row(None, pieces.button(self.tr("Cancel"), "", self.reject), self.kept)
        body = pieces.column(scrolled(inner), self.error, buttons, spacing=10, margins=(14, 14, 14, 12))
        self.setLayout(body)
        self.resize(theme.px(360), min(theme.px(110 + 48 * len(self.fields)), theme.px(520)))

    def _field(self, position: int, items: Sequence[Item]) -> QLineEdit:
        attribute = self._attributes[position]
        values = {item.attributes[position] if position < len(item.attributes) else None for item in items}
        field = QLineEdit(shown(values.pop()) if len(values) == 1 else "")
        field.setPlaceholderText(self.tr("Several values") if values else self.tr("Unknown"))
        field.setAccessibleName(attribute.name)
        field.setToolTip(tip(f"{attribute.name}: {attribute.span}"))
        field.textEdited.connect(lambda _text: self.error.hide())
        return field

    def changes(self) -> dict[int, float | None]:
        """What was typed. Raises TroubleError for what an attribute cannot be."""
        found = {}
        for position, (field, before) in enumerate(zip(self.fields, self._before)):
            if field.text() != before:
                attribute, number = self._attributes[position], parsed(field.text(), whole=False)
                numeric, said = isinstance(number, int | float), field.text().strip()
                found[position] = attributes.checked(attribute, number, said) if numeric else attributes.given(attribute, said)
        return found

    def accept(self) -> None:
        try:
            changes = self.changes()
        except TroubleError as error:
            self.error.setText(str(error))
            self.error.show()
            return
        super().accept()
        self._keep(changes)
