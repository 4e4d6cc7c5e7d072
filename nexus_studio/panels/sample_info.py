"""What is known of the chosen item: how it was made, as a table and as the JSON that brings it back."""

from __future__ import annotations

from typing import Any

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFormLayout, QWidget

from models_backend.contract import names

from .. import figures, pieces
from ..forms.conditions import of_item
from ..state.session import Session
from .sample_work import Made


def flat(values: dict[str, Any], at: str = "") -> list[tuple[str, Any]]:
    """Dotted names and plain values of nested settings; a variant stands under its own name."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        path = f"{at} {name}".strip()
        if isinstance(value, dict):
            found += [(path, value["type"])] if "type" in value else []
            found += flat({k: v for k, v in value.items() if k != "type"}, path)
        else:
            found.append((path, value))
    return found


def checkpoint_name(name: str) -> str:
    """A checkpoint in words: "step 1,234" for step-000001234."""
    step = name.removeprefix("step-").lstrip("0") or "0"
    return f"Step {int(step):,}" if name.startswith("step-") and step.isdigit() else name


class ItemInfo(QWidget):
    """A table of words and figures, and a button that copies everything as JSON."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._made: Made | None = None
        self._checkpoint = ""
        self.table = QFormLayout()
        self.table.setHorizontalSpacing(12)
        self.table.setVerticalSpacing(3)
        self.table.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.hint = pieces.label(self.tr("Choose an item to see how it was made."), "hint", wrap=True)
        self.copy = pieces.button(self.tr("Copy as JSON"), "link", self.copy_json)
        self.copy.hide()
        self.setLayout(pieces.column(self.hint, self.table, pieces.row(self.copy, None), None, margins=(12, 2, 12, 10)))

    def show_made(self, made: Made | None, checkpoint: str = "") -> None:
        """Show where an item comes from; ``checkpoint`` is the one that it was made from, where it is known."""
        if made is self._made and checkpoint == self._checkpoint:
            return
        self._made, self._checkpoint = made, checkpoint
        while self.table.rowCount():
            self.table.removeRow(0)
        self.hint.setVisible(made is None)
        self.copy.setVisible(made is not None)
        for name, value in self.rows():
            text = pieces.label(figures.setting(value), "mono", wrap=True)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.table.addRow(pieces.label(name, "label"), text)

    def rows(self) -> list[tuple[str, Any]]:
        """Names and values of the table."""
        if self._made is None:
            return []
        request, run = self._made.request, self._session.runs.get(self._made.request.run)
        rows = [
            (self.tr("Run"), run.title if run else request.run),
            (self.tr("Checkpoint"), checkpoint_name(request.checkpoint or self._checkpoint) or self.tr("The newest")),
            (self.tr("Seed"), request.seed),
            (self.tr("Item"), self._made.index),
        ]
        rows += [(name.replace("_", " ").capitalize(), value) for name, value in flat(request.sampling)]
        asked = of_item(request.conditions, self._made.index, run.spec) if run else request.conditions
        if run and "class" in asked:
            asked["class"] = names.class_name(asked["class"], run.spec.classes)
        rows += [(kind.capitalize(), value) for kind, value in asked.items()]
        if request.start is not None:
            rows.append((self.tr("From"), self.tr("step {0} of {1}").format(request.start.step, request.start.sample)))
        kept = self._made.sample
        rows.append(
            (self.tr("In the gallery"), (self._session.title_of(kept) or self.tr("Kept")) if kept else self.tr("Not kept"))
        )
        return rows

    def json(self) -> str:
        """The request that makes the item, and its place in it."""
        if self._made is None:
            return ""
        whole = {"item": self._made.index, "sample": self._made.sample, "request": msgspec.to_builtins(self._made.request)}
        return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()

    def copy_json(self) -> None:
        """Put the JSON on the clipboard."""
        QGuiApplication.clipboard().setText(self.json())
        self._session.bridge.notice(self.tr("Copied."))
