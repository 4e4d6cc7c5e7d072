"""The side of the gallery: what a sample is, how it was made, and what can be done with it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFormLayout, QLineEdit, QMenu, QVBoxLayout, QWidget

from models_backend.contract.run_layout import SampleRecord

from ..layouts import Flow
from ..pieces import allow, button, label, row, section
from ..state.session import Session
from ..viewers.modality import ItemsView, shown
from .exporting import fill_menu, no_steps
from .sample_facts import SHOWN, drawn_places, facts, made_at, words
from .verdict_rows import VerdictRows


class SampleDetail(QWidget):
    """Shows one sample. ``edited`` (sample, changes) when its title, star or tags are changed here."""

    edited = Signal(str, object)
    open_in = Signal(str)  # "sample", "trajectory" or "latent"
    reproduce = Signal()
    delete = Signal()

    def __init__(self, session: Session):
        super().__init__()
        self._session, self.record = session, None
        self._view: ItemsView | None = None
        self._beside: list[SampleRecord] = []
        self.many = label("", "strong", wrap=True)
        self.many.hide()
        self.name = QLineEdit()
        self.name.setAccessibleName(self.tr("Title"))
        self.name.editingFinished.connect(lambda: self._edit("title", self.name.text().strip()))
        self.tags = QLineEdit()
        self.tags.setPlaceholderText(self.tr("Tags"))
        self.tags.setToolTip(self.tr("Tags, separated by commas"))
        self.tags.setAccessibleName(self.tr("Tags"))
        self.tags.editingFinished.connect(lambda: self._edit("tags", _tags(self.tags.text())))
        self.star = button(self.tr("☆ Star"), on_click=self._toggle_star)
        self.why = label("", "label", wrap=True)
        self.why.hide()
        self.verdict = label("", "label", wrap=True)
        self.verdicts = VerdictRows(session, "reproduce", "export", item=lambda: self.record.id if self.record else "")
        self._place = QVBoxLayout()
        self._facts = QFormLayout()
        self._facts.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self._facts.setHorizontalSpacing(12)
        self._facts.setVerticalSpacing(4)
        self._build()

    def _build(self) -> None:
        self.export = button(self.tr("Export…"), "primary")
        self.menu = QMenu(self)
        self.export.setMenu(self.menu)
        self.trajectory = button(self.tr("Trajectory"), on_click=lambda: self.open_in.emit("trajectory"))
        self.latent = button(self.tr("Open in Latent"), on_click=lambda: self.open_in.emit("latent"))
        self.latent.setToolTip(self.tr("Draw the path again on its map, as it was drawn"))
        self.latent.hide()
        self.again = button(self.tr("Reproduce"), on_click=self.reproduce.emit)
        self.again.setToolTip(self.tr("Make it again from its record and say whether it is identical"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 12)
        layout.setSpacing(8)
        layout.addWidget(self.many)
        layout.addLayout(self._place, 1)
        layout.addWidget(self.name)
        layout.addLayout(row(self.star, self.tags))
        layout.addWidget(section(self.tr("How it was made")))
        layout.addLayout(self._facts)
        layout.addWidget(self.why)
        layout.addWidget(self.verdict)
        layout.addWidget(self.verdicts)
        layout.addStretch(1)
        self.sample = button(self.tr("Open in Sample"), on_click=lambda: self.open_in.emit("sample"))
        self.trash = button(self.tr("Delete"), on_click=self.delete.emit)
        self.actions = QWidget()  # stands below what scrolls
        actions = Flow(self.export, self.sample, self.latent, self.trajectory, self.again, self.trash, spacing=8, spread=True)
        actions.setContentsMargins(12, 10, 12, 12)
        self.actions.setLayout(actions)

    def item(self) -> int:
        """The item that is chosen among those shown, the first where none is."""
        return max(0, self._view.current()) if self._view is not None else 0

    def show_record(self, record: SampleRecord | None, items: Any = None) -> None:
        """Shows a sample, or nothing."""
        new = record is None or self.record is None or record.id != self.record.id
        self.record = record
        self.latent.setVisible(record is not None and bool(drawn_places(record)))
        for widget in (self.name, self.tags, self.star, self.export, self.sample, self.trash):
            allow(widget, record is not None, self.tr("Choose a sample first"))
        if new:
            self.verdict.setText("")
            self.verdicts.refresh()
        if record is None:
            for widget in (self.trajectory, self.again):
                allow(widget, False, self.tr("Choose a sample first"))
            self._show_none()
            return
        self.name.setText(record.title)
        self.name.setCursorPosition(0)
        self.tags.setText(", ".join(record.tags))
        self.star.setText(self.tr("★ Starred") if record.starred else self.tr("☆ Star"))
        steps = no_steps(record, whole=True)
        allow(self.trajectory, not steps, steps)
        why = self._why_not_again(record)
        allow(self.again, not why, why)
        self.why.setText(why)
        self.why.setVisible(bool(why))
        self._fill_menu()
        self._show_facts(record)
        if items is not None:
            self._show_items(record, items)

    def show_beside(self, beside: list[SampleRecord]) -> None:
        """The samples that are chosen beside the one that is shown: export and delete take them too."""
        self._beside = beside
        self.many.setText(self.tr("{0} chosen: Export and Delete take all of them").format(len(beside) + 1))
        self.many.setVisible(bool(beside))
        self._fill_menu()

    def _fill_menu(self) -> None:
        self.menu.clear()
        if self.record is not None:
            fill_menu(self.menu, self._session, self, self.record, beside=self._beside, whole=True)

    def _why_not_again(self, record: SampleRecord) -> str:
        """Why a sample cannot be reproduced here, or ""."""
        if record.kind == "path":
            return self.tr("Reproduce makes samples again from their seed; this path was drawn on a map in Latent.")
        if record.kind != "sample" or record.start is not None:
            return self.tr("Reproduce makes samples again from their seed; this one was branched off another sample.")
        return ""

    def _show_none(self) -> None:
        self.why.hide()
        for field in (self.name, self.tags):
            field.clear()
        self.star.setText(self.tr("☆ Star"))
        self._show_facts(None)
        if self._view is not None:
            self._view.hide()
            self._view.deleteLater()
            self._view = None

    def _show_items(self, record: SampleRecord, items: Any) -> None:
        wanted = shown(record.modality).set_of
        if not isinstance(self._view, wanted):
            if self._view is not None:
                self._view.deleteLater()
            self._view = wanted()
            self._view.setMinimumHeight(200)
            self._place.addWidget(self._view)
        self._view.set_items(items)

    def _show_facts(self, record: SampleRecord | None) -> None:
        while self._facts.rowCount():
            self._facts.removeRow(0)
        if record is None:
            return
        for name, value in [*facts(self._session, record), (self.tr("Made"), made_at(record.created))]:
            text = label(words(value, SHOWN), "mono", lines=1)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._facts.addRow(label(name, "label"), text)

    def say(self, text: str) -> None:
        """A line under the facts: what reproducing found."""
        self.verdict.setText(text)

    def _toggle_star(self) -> None:
        if self.record is not None:
            self._edit("starred", not self.record.starred)

    def _edit(self, field: str, value: Any) -> None:
        if self.record is not None and value != getattr(self.record, field) and value != "":
            self.edited.emit(self.record.id, {field: value})


def _tags(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))
