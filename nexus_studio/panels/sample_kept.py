"""What was typed and shown in Sample, kept soon after each change and there again after a kill."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from models_backend.contract.messages import TroubleError

from .kept import Keeper

if TYPE_CHECKING:
    from .sample import SamplePanel

FORM, SHOWN = "sample/form", "sample/shown"


class SampleKeeper(Keeper):
    """Writes the form of a panel into the preferences at each edit, once what they held has been taken up."""

    def __init__(self, panel: SamplePanel):
        super().__init__(panel, panel.session, FORM, SHOWN)
        self._panel, self._keep_set = panel, panel.session.preferences.set
        panel.setup.changed.connect(self.keep)
        panel.setup.record.toggled.connect(lambda _: self.keep())
        panel.setup.seeds.lock.toggled.connect(lambda _: self.keep())
        panel.controls.grid.toggled.connect(lambda _: self.keep())
        for axis in (panel.grid_form.across, panel.grid_form.down):
            axis.changed.connect(self.keep)
        self.take()

    def keep(self) -> None:
        """The form as it is now."""
        setup, grid = self._panel.setup, self._panel.grid_form
        if not self._taken or setup.run is None or setup.form is None:
            return
        kept = {
            "run": setup.run.id, "own": bool(setup.following.own),
            "checkpoint": setup.checkpoints.currentData() or "", "seeds": setup.seeds.line.text(),
            "locked": setup.seeds.lock.isChecked(), "count": setup.count.value(), "record": setup.record.isChecked(),
            "sampling": setup.form.values(), "conditions": setup.conditions.values() if setup.conditions else {},
            "grid": self._panel.controls.grid.isChecked(),
            "axes": [(axis.field.currentData(), axis.values.text()) for axis in (grid.across, grid.down)],
        }  # fmt: skip
        self._keep_set(FORM, kept)

    def keep_shown(self, samples: list[str]) -> None:
        """The samples whose items are shown."""
        self._keep_set(SHOWN, samples or None)

    def _take(self, kept: dict[str, Any]) -> None:
        panel, setup = self._panel, self._panel.setup
        setup.choose_run(kept["run"])
        if not kept.get("own", True):
            setup.following.own = ""
        setup.form.set_values(kept["sampling"])
        if setup.conditions:
            setup.conditions.set_values(kept["conditions"])
        setup.seeds.line.setText(kept["seeds"])
        setup.seeds.lock.setChecked(kept["locked"])
        setup.count.setValue(kept["count"])
        setup.record.setChecked(kept["record"])
        setup.choose_checkpoint(kept["checkpoint"])
        panel.controls.grid.setChecked(kept["grid"])
        for axis, (field, values) in zip((panel.grid_form.across, panel.grid_form.down), kept["axes"]):
            if field is not None and axis.field.findData(field) >= 0:
                axis.field.setCurrentIndex(axis.field.findData(field))
                axis.values.setText(values)
        setup.changed.emit()

    async def _show(self, samples: list[str]) -> None:
        """The results that were shown, without touching the form."""
        with contextlib.suppress(TroubleError):  # deleted meanwhile
            await self._panel.opening.show_samples(samples)
