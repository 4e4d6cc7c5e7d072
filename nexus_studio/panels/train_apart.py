"""The settings of a run to read, and what sets runs apart that are laid over one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QVBoxLayout, QWidget

from models_backend.contract.differing import differing
from models_backend.contract.fields import FieldSpec
from models_backend.contract.run_layout import RunRecord
from models_backend.library.showing import DATA

from .. import figures, pieces, theme
from ..dialogs import opened
from ..layouts import scrolled
from ..state.session import Session
from .sample_facts import settings, words
from .train_taken import TRAINING

NONE = "–"
#: Groups of settings in the order in which they are read, and what tells their fields; a family tells the other two.
GROUPS: dict[str, FieldSpec | None] = {"config": None, "training": TRAINING, "data": DATA, "sampling": None}


def run_facts(session: Session, record: RunRecord) -> list[tuple[str, str]]:
    """Titles and values of all that a run was made with; settings that have the title of another name their group."""
    family = session.catalogue.get(record.family)
    found = [
        (_tr("Model"), family.title if family else record.family),
        (_tr("Data set"), session.title_of(record.dataset) or record.dataset),
        (_tr("Preset"), record.preset),
    ]
    specs = GROUPS | ({"config": family.config, "sampling": family.sampling} if family else {})
    for group, spec in specs.items():
        taken = {title for title, _ in found}
        told = [(title, words(value)) for title, value in settings(spec, getattr(record, group)) if value not in (None, "")]
        found += [(f"{title} ({group})" if title in taken else title, value) for title, value in told]
    parts = [(name.capitalize(), session.title_of(run) or run) for name, run in record.parts.items()]
    further = [(_tr("Trained on to"), figures.short(record.steps))] if record.extended else []
    return [(title, value) for title, value in (*found, *parts, *further) if value]


def apart(session: Session, records: Sequence[RunRecord]) -> list[tuple[str, list[Any]]]:
    """What runs differ in: the title of a setting and its value in each."""
    return differing([dict(run_facts(session, record)) for record in records], NONE)


def told_apart(session: Session, records: Sequence[RunRecord]) -> tuple[str, str]:
    """What runs differ in, in one line with the values in their order, and as a line a setting below their titles."""
    rows = apart(session, records)
    if not rows:
        return _tr("Same settings, same data"), ""
    line = " · ".join(f"{title} {' | '.join(values)}" for title, values in rows)
    whole = [" | ".join(record.title for record in records), *(f"{title}: {' | '.join(values)}" for title, values in rows)]
    return _tr("Differ in: {0}").format(line), "\n".join(whole)


class RunSettings(QDialog):
    """A table of all that a run was made with, to be read."""

    def __init__(self, session: Session, record: RunRecord, parent: QWidget):
        super().__init__(parent)
        self.setWindowTitle(self.tr("Settings of {0}").format(record.title))
        self.facts = run_facts(session, record)
        grid, inside = QGridLayout(), QWidget()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(4)
        for line, (title, value) in enumerate(self.facts):
            grid.addWidget(pieces.label(title, "label", lines=2), line, 0)
            grid.addWidget(pieces.label(value, "mono", wrap=True), line, 1)
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(1, 3)
        grid.setRowStretch(len(self.facts), 1)
        inside.setLayout(grid)
        area = scrolled(inside)
        area.setAccessibleName(self.tr("Settings of the run"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(area, 1)
        layout.addWidget(buttons)
        room = parent.window().size()
        self.resize(min(theme.px(520), room.width() - 40), min(theme.px(560), room.height() - 60))


def read_settings(session: Session, record: RunRecord, parent: QWidget) -> RunSettings:
    """Opens the settings of a run beside the window, which goes on."""
    return opened(RunSettings(session, record, parent))


def _tr(text: str) -> str:
    return QCoreApplication.translate("apart", text)
