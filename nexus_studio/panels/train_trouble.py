"""What is wrong with the chosen run, in words and with what to do, and what came of proving and measuring it."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from models_backend.contract.messages import Trouble

from ..naming import plain
from ..pieces import column
from ..shell.notices import Notice
from ..state.run_view import RunView
from ..state.session import Session
from .verdict_rows import VerdictRows


class RunTroubles(QWidget):
    """A notice while the run has a trouble (after a restart too, from its log), until dismissed; verdicts below it."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._view: RunView | None = None
        self._notice: Notice | None = None
        self._dismissed: set[tuple[str, str]] = set()
        self.verdicts = VerdictRows(session, "proof", "evaluate", item=lambda: self._view.id if self._view else "")
        self._body = column(self.verdicts, spacing=6, margins=(12, 0, 12, 0))
        self.setLayout(self._body)
        session.verdicts.changed.connect(self.refresh)
        self.refresh()

    def show_run(self, view: RunView | None) -> None:
        """Show another run, or the same one further on."""
        self._view = view
        self.refresh()

    def refresh(self) -> None:
        """Bring it up to date."""
        self.verdicts.refresh()
        trouble = self._trouble()
        if trouble != (self._notice.trouble if self._notice else None):
            self._show(trouble)
        self.setVisible(self._notice is not None or not self.verdicts.isHidden())

    def _trouble(self) -> Trouble | None:
        view = self._view
        if view is None or not (view.trouble or (view.state == "failed" and view.reason)):
            return None
        told = view.trouble or Trouble(view.reason)
        if (view.id, told.what) in self._dismissed:
            return None
        shown = Trouble(told.what, view.record.title, told.kept, told.advice, told.detail)
        return plain(shown, self._session.title_of)

    def _show(self, trouble: Trouble | None) -> None:
        if self._notice is not None:
            self._body.removeWidget(self._notice)
            self._notice.hide()
            self._notice.deleteLater()
        self._notice = Notice(trouble) if trouble else None
        if self._notice is not None:
            self._notice.dismiss.clicked.connect(lambda _checked=False: self._dismiss())
            self._body.insertWidget(0, self._notice)

    def _dismiss(self) -> None:
        told = self._view.trouble or Trouble(self._view.reason)
        self._dismissed.add((self._view.id, told.what))
        self.refresh()
