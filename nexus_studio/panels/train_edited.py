"""What was edited of the data since a run was made: it goes on with what it knew, or one begins anew."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from models_backend.contract.messages import TroubleError

from ..layouts import Flow
from ..pieces import button, column, label
from ..state.run_view import RunView
from ..state.session import Session


class EditedData(QWidget):
    """Stands below the curves of a run whose data have changed; hidden else. ``anew_asked``: with the run."""

    anew_asked = Signal(str)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._view: RunView | None = None
        self.said = label("", "hint", wrap=True)
        self.anew = button(self.tr("Begin anew"), "link", self._ask)
        self.anew.setToolTip(self.tr("A new run of the same settings, on the data as they are now; this one stays as it is"))
        self.setLayout(column(self.said, Flow(self.anew), spacing=2, margins=(12, 6, 12, 0)))
        session.datasets.items_changed.connect(self.look)
        self.hide()

    def show_run(self, view: RunView | None) -> None:
        """Looks what has changed for another run."""
        if view is not self._view:
            self._view = view
            self.hide()
            self.look()

    def look(self) -> None:
        """Compares what the run knew with the data as they are now."""
        if self._view is not None:
            self._session.bridge.spawn(self._compare(self._view))

    async def _compare(self, view: RunView) -> None:
        try:
            changes = await self._session.bridge.engine.changes_since(view.id)
        except TroubleError:  # the data set is in the trash: nothing is known to have changed
            changes = []
        if view is self._view:
            goes_on = self.tr("This run goes on with what it knew.")
            self.said.setText(f"{self.tr('Since this run was made')}: {', '.join(changes)}. {goes_on}")
            self.setVisible(bool(changes))

    def _ask(self) -> None:
        if self._view is not None:
            self.anew_asked.emit(self._view.id)
