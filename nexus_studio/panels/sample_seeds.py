"""Seeds: one, a list or a range; a fresh one each time unless locked."""

from __future__ import annotations

import random
import re

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from .. import pieces

LARGEST = 2**31 - 1
MOST = 256


def parse_seeds(text: str) -> list[int]:
    """Seeds from "7", "1, 5, 9" or "1-4, 10". Raises ValueError in plain words."""
    seeds: list[int] = []
    for part in filter(None, re.split(r"[,\s]+", text.strip())):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if found is None:
            raise ValueError(f"“{part}” is no seed: give whole numbers such as 7, or 1-4")
        first, last = int(found[1]), int(found[2] or found[1])
        if last > LARGEST or last < first or last - first >= MOST:
            raise ValueError(f"“{part}”: seeds go from 0 to {LARGEST}, at most {MOST} in a range")
        seeds += range(first, last + 1)
    if not seeds:
        raise ValueError("give at least one seed")
    return list(dict.fromkeys(seeds))[:MOST]


class SeedEditor(QWidget):
    """The line, a die that draws a fresh seed, and a lock that keeps it from one making to the next."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.line = QLineEdit("0")
        self.line.setAccessibleName(self.tr("Seeds"))
        self.line.setToolTip(self.tr("One seed, a list (1, 5, 9) or a range (1-4)"))
        self.die = pieces.icon_button("dice", self.tr("A fresh seed"), self.draw)
        self.lock = pieces.icon_button("unlock", self.tr("Keep the seed from one making to the next"))
        self.lock.setCheckable(True)
        self.lock.toggled.connect(self._show_lock)
        self.lock.setChecked(True)
        self.line.textChanged.connect(self._edited)
        self.setLayout(pieces.row(self.line, self.die, self.lock, spacing=4))

    def _show_lock(self, locked: bool) -> None:
        from .. import theme

        theme.keep_icon(self.lock, "lock" if locked else "unlock", "text2", "accent", 16)
        self.lock.setAccessibleDescription(self.tr("locked") if locked else self.tr("a fresh seed each time"))

    def _edited(self) -> None:
        pieces.set_look(self.line, "bad", "true" if self.problem() else "false")  # the panel says why
        self.changed.emit()

    def problem(self) -> str:
        """What is wrong with the line, or ""."""
        try:
            parse_seeds(self.line.text())
        except ValueError as error:
            return str(error)
        return ""

    def seeds(self) -> list[int]:
        """The seeds, [0] while the line makes no sense."""
        return [0] if self.problem() else parse_seeds(self.line.text())

    def set_seeds(self, seeds: list[int]) -> None:
        """Show these seeds."""
        self.line.setText(", ".join(map(str, seeds)))

    def draw(self) -> None:
        """Fresh seeds, as many as there are."""
        self.set_seeds([random.randrange(1_000_000) for _ in self.seeds()])

    def advance(self) -> None:
        """Before a new making: fresh seeds unless they are locked."""
        if not self.lock.isChecked():
            self.draw()
