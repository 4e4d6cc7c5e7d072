"""A run that has ended is trained further: how many steps are to come, and how its learning rate goes on."""

from __future__ import annotations

from typing import Annotated

import msgspec
from PySide6.QtCore import Signal

from models_backend.contract import fields
from models_backend.contract.course import further, goes_on
from models_backend.contract.fields import Field
from models_backend.contract.run_layout import RunRecord

from .. import pieces
from ..forms.form import SettingsForm
from ..state.run_view import ENDED_STATES

#: States in which a run may be trained further.
ENDED = (*ENDED_STATES, "interrupted")


class Further(msgspec.Struct):
    """What is asked of a run that has ended."""

    steps: Annotated[int, Field("Training steps that the run takes from where it stands", title="Steps to come",
                                low=1, high=10_000_000)] = 2000  # fmt: skip
    restart: Annotated[
        bool,
        Field("Warm-up and decay begin anew; else the decay goes on over the new length", title="Restart the learning rate"),
    ] = False


FURTHER = fields.describe(Further, "further")
MOST = next(field.high for field in FURTHER.fields if field.name == "steps")


class FurtherCard(pieces.Card):
    """Says at each edit what the run would come to. ``asked`` tells the steps in all and whether the rate begins anew."""

    asked = Signal(int, bool)

    def __init__(self) -> None:
        super().__init__(spacing=6)
        self._record: RunRecord | None = None
        self._at = 0
        self.form = SettingsForm(FURTHER)
        self.said = pieces.label("", "hint", wrap=True)
        self.button = pieces.button(self.tr("Train further"), "primary", self._ask)
        self.body.addWidget(pieces.label(self.tr("Train further"), "strong"))
        self.body.addWidget(self.form)
        self.body.addWidget(self.said)
        self.body.addLayout(pieces.row(None, self.button))
        self.form.changed.connect(self._show)

    def show_run(self, record: RunRecord, at: int) -> None:
        """Ask for as many steps as the run was to take so far. ``at``: the step that it has come to."""
        self._record, self._at = record, at
        self.form.set_values({"steps": record.steps or at or 1, "restart": False})
        self._show()

    def reached(self, at: int) -> None:
        """The step that the run has come to is known better now."""
        if at != self._at:
            self._at = at
            self._show()

    @property
    def total(self) -> int:
        """The steps in all that are asked for; 0 where what is typed is none."""
        return self._at + self.form.values()["steps"] if self.form.valid else 0

    def _show(self) -> None:
        if self._record is None:
            return
        restart = bool(self.form.values()["restart"])
        fits = 0 < self.total <= MOST
        if fits:
            rate = goes_on(further(self._record, self._at, self.total, restart))
            self.said.setText(self.tr("From step {0} on to {1} in all; {2}.").format(f"{self._at:,}", f"{self.total:,}", rate))
        elif self.total:
            self.said.setText(self.tr("A run takes at most {0} steps in all.").format(f"{MOST:,}"))
        self.said.setVisible(bool(self.total))
        pieces.allow(self.button, fits, self.tr("The steps to come must be a whole number from 1 to {0}").format(f"{MOST:,}"))

    def _ask(self) -> None:
        self.asked.emit(self.total, bool(self.form.values()["restart"]))
