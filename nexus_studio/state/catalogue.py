"""The catalogue: every family that a worker described, as plain data."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from models_backend.contract.family import FamilyDescription, in_order, works_in
from models_backend.contract.run_layout import DatasetRecord, RunRecord
from models_backend.contract.suiting import Suit, facts, ranked

from ..bridge import Bridge


class Catalogue(QObject):
    """All families, in the order of their groups. ``current`` is the key that Train and Learn show."""

    changed = Signal()
    current_changed = Signal(str)

    def __init__(self, bridge: Bridge):
        super().__init__()
        self._bridge = bridge
        self.families: list[FamilyDescription] = []
        self.current = ""

    def refresh(self) -> None:
        """Takes what the engine knows now: the cached description first, the worker's own when it is up."""
        found = self._bridge.engine.descriptions() if self._bridge.engine else []
        families = in_order(found)
        if families != self.families:
            self.families = families
            self.changed.emit()

    def get(self, key: str) -> FamilyDescription | None:
        """The family with that key, or None."""
        return next((family for family in self.families if family.key == key), None)

    def works_in(self, record: RunRecord) -> str:
        """Where a run works that does without parts it could have ("pixel space"), or ""."""
        family = self.get(record.family)
        return works_in(family.uses, record.parts, record.spec.modality) if family else ""

    def suits(
        self, record: DatasetRecord, runs: Iterable[RunRecord] = (), captions: float | None = None, learned: str = "auto"
    ) -> list[Suit]:
        """All families by how they suit a data set, the best first; ``runs`` are the parts that are there already, ``learned``
        which conditions runs are to learn."""
        provided = [family.provides for run in runs if (family := self.get(run.family)) is not None]
        return ranked(self.families, facts(record, captions, learned), {kind for kinds in provided for kind in kinds})

    def set_current(self, key: str) -> None:
        """Chooses the family that the panels show."""
        if key != self.current:
            self.current = key
            self.current_changed.emit(key)
