"""What was set and shown in Trajectory, kept soon after each change and there again after a kill."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from models_backend.contract.messages import TroubleError

from .kept import Keeper

if TYPE_CHECKING:
    from .trajectory import TrajectoryPanel

FORM, SHOWN = "trajectory/form", "trajectory/shown"


class TrajectoryKeeper(Keeper):
    """Writes the form of a panel and the recordings shown into the preferences, once what they held has been taken up."""

    def __init__(self, panel: TrajectoryPanel):
        super().__init__(panel, panel.session, FORM, SHOWN)
        self._panel, self._preferences = panel, panel.session.preferences
        self._showing = False
        panel.controls.changed.connect(self.keep)
        panel.controls.item_chosen.connect(self.keep_shown)
        panel.strip.locked.connect(self.keep_shown)
        panel.strip.row_chosen.connect(self.keep_shown)
        panel.overlay.toggled.connect(self.keep_shown)
        self.take()

    def keep(self) -> None:
        """The form as it is now."""
        controls = self._panel.controls
        if not self._taken or controls.run is None or controls.form_a is None:
            return
        kept = {
            "run": controls.run.id, "own": bool(self._panel.following.own), "seed": controls.seed.value(),
            "count": controls.count.value(), "two": controls.use_b.isChecked(), "conditions": controls.conditions.values(),
            "a": controls.form_a.values(), "b": controls.form_b.values(),
        }  # fmt: skip
        self._preferences.set(FORM, kept)

    def keep_shown(self, *_: object) -> None:
        """The recordings that are shown, and where in them."""
        panel = self._panel
        if self._taken and not self._showing and panel.recordings:
            samples = [recording.record.id for recording in panel.recordings]
            where = {"row": panel.row, "item": panel.item, "step": panel.strip.locked_step()}
            self._preferences.set(SHOWN, {"samples": samples, "overlay": panel.overlay.isChecked(), **where})

    def _take(self, kept: dict[str, Any]) -> None:
        panel, controls = self._panel, self._panel.controls
        panel.choose_run(kept["run"])
        if not kept["own"]:
            panel.following.own = ""
        controls.seed.setValue(kept["seed"])
        controls.count.setValue(kept["count"])
        controls.conditions.set_values(kept["conditions"])
        controls.form_a.set_values(kept["a"])
        controls.form_b.set_values(kept["b"])
        controls.use_b.setChecked(kept["two"])

    async def _show(self, shown: dict[str, Any]) -> None:
        """The recordings that were shown, without touching the form."""
        panel, samples = self._panel, self._panel.session.samples
        self._showing = True
        try:
            with contextlib.suppress(TroubleError, AttributeError, KeyError, TypeError, ValueError):  # deleted; another version
                await panel.take([await samples.record(sample) for sample in shown["samples"]], shown["row"], shown["item"])
                panel.overlay.setChecked(shown["overlay"])
                panel.strip.lock(shown["step"])
        finally:
            self._showing = False
