"""What a branch of a trajectory is, in words."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QSizePolicy, QWidget

from models_backend.contract.grids import named
from models_backend.contract.run_layout import SampleRecord

from ..forms.conditions import of_item
from ..pieces import column, label
from ..state.session import Session
from .sample_facts import differences
from .trajectory_recording import Recording, solver


class Branches(QWidget):
    """A line a branch; none of its room while there is none."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.words = label("", "hint", lines=3)
        self.setLayout(column(self.words))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        self.hide()

    def tell(self, recordings: list[Recording]) -> None:
        """Where each branch among them begins, with what, and what was changed for it."""
        told = [branch_words(self._session, one, source) for one in recordings if (source := one.source(recordings))]
        self.words.setText("\n".join(told))
        self.setVisible(bool(told))


def branch_words(session: Session, branch: Recording, source: Recording) -> str:
    """ "B: item 2 of A, branched at sampling step 4 · changed: Solver ddim → heun", or that nothing was changed
    but the fresh noise, where its sampler draws some."""
    start, record, run = branch.record.start, source.record, session.runs.get(source.record.run)
    asked = of_item(record.conditions, start["item"], run.spec) if start["item"] >= 0 and run else record.conditions
    as_branched = replace(record, conditions=asked, count=branch.record.count, start=start)
    changes = [f"{one.name} {one.left} → {one.right}" for one in differences(session, as_branched, branch.record)]
    unchanged = _tr("nothing changed but the noise drawn after it") if branch.info.fresh_noise else _tr("nothing changed")
    what = _tr("changed: {0}").format(", ".join(changes)) if changes else unchanged
    of = source.label if start["item"] < 0 else _tr("item {0} of {1}").format(start["item"] + 1, source.label)
    return _tr("{0}: {1}, branched at sampling step {2} · {3}").format(branch.label, of, start["step"], what)


def branch_title(source: SampleRecord, step: int, sampling: dict[str, Any]) -> str:
    """ "ddpm branch of denoiser, ddim, seed 0 at sampling step 4": with the branch's own sampler."""
    told = _tr("branch of {0} at sampling step {1}").format(named(source.title, source.grid), step)
    return f"{solver(sampling)} {told}".strip()


def _tr(text: str) -> str:
    return QCoreApplication.translate("trajectory", text)
