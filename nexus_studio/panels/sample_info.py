"""What is known of the chosen item: how it was made, as a table and as the JSON that brings it back."""

from __future__ import annotations

from typing import Any

import msgspec
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFormLayout, QWidget

from .. import pieces
from ..forms.conditions import of_item
from ..state.session import Session
from .sample_facts import checkpoint_name, conditions, origin, sampling, words
from .sample_work import Made


class ItemInfo(QWidget):
    """A table of words and figures, and a button that copies everything as JSON."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.made: Made | None = None
        self.table = QFormLayout()
        self.table.setHorizontalSpacing(12)
        self.table.setVerticalSpacing(3)
        self.table.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.hint = pieces.label(self.tr("Choose an item to see how it was made."), "hint", wrap=True)
        self.copy = pieces.button(self.tr("Copy as JSON"), "link", self.copy_json)
        self.copy.hide()
        self.setLayout(pieces.column(self.hint, self.table, pieces.row(self.copy, None), None, margins=(12, 2, 12, 10)))

    def show_made(self, made: Made | None) -> None:
        """Show where an item comes from."""
        if made is self.made:
            return
        self.made = made
        while self.table.rowCount():
            self.table.removeRow(0)
        self.hint.setVisible(made is None)
        self.copy.setVisible(made is not None)
        for name, value in self.rows():
            text = pieces.label(words(value), "mono", wrap=True)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.table.addRow(pieces.label(name, "label"), text)

    def rows(self) -> list[tuple[str, Any]]:
        """Names and values of the table."""
        if self.made is None:
            return []
        request, run = self.made.request, self._session.runs.get(self.made.request.run)
        rows = [
            (self.tr("Run"), run.title if run else request.run),
            (self.tr("Checkpoint"), checkpoint_name(self.made.checkpoint or request.checkpoint) or self.tr("Newest")),
            (self.tr("Seed"), request.seed),
            (self.tr("Item"), self.made.index + 1),
        ]
        rows += sampling(self._session, run.family if run else "", request.sampling)
        rows += conditions(of_item(request.conditions, self.made.index, run.spec) if run else request.conditions,
                           run.spec if run else None)  # fmt: skip
        if request.start is not None:
            rows.append((self.tr("Branch of"), origin(self._session, request.start.sample, request.start.step)))
        kept = self.made.sample
        rows.append(
            (self.tr("In the gallery"), (self._session.title_of(kept) or self.tr("Kept")) if kept else self.tr("Not kept"))
        )
        return rows

    def json(self) -> str:
        """The request that makes the item, and its place in it."""
        if self.made is None:
            return ""
        whole = {"item": self.made.index, "sample": self.made.sample, "request": msgspec.to_builtins(self.made.request)}
        return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()

    def copy_json(self) -> None:
        """Put the JSON on the clipboard."""
        QGuiApplication.clipboard().setText(self.json())
        self._session.bridge.notice(self.tr("Copied."))
