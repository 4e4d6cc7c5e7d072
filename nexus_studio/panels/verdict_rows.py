"""What came of things, where the thing is listed: a failure with its reason and what to do, or an answer, until dismissed."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtWidgets import QWidget

from models_backend.contract.messages import Trouble

from ..pieces import column
from ..shell.notices import Notice
from ..state.session import Session
from ..state.verdicts import Verdict


class VerdictRow(Notice):
    """One verdict; dismissing it takes it out of the session's."""

    def __init__(self, session: Session, verdict: Verdict):
        told = verdict.trouble
        trouble = Trouble(told.what, told.item or verdict.title, told.kept, told.advice, told.detail)
        super().__init__(trouble, plain=verdict.good)
        self.setToolTip(time.strftime("%d %b %Y %H:%M", time.localtime(verdict.time)))
        self.dismiss.clicked.connect(lambda _checked=False: session.verdicts.dismiss(verdict))


class VerdictRows(QWidget):
    """The verdicts of some kinds, newest first, at most ``most``; takes no room while there are none.

    ``item``: the id of the item that is shown now; "" shows none, None those of every item."""

    def __init__(self, session: Session, *kinds: str, item: Callable[[], str | None] = lambda: None, most: int = 3):
        super().__init__()
        self._session, self._kinds, self._item, self._most = session, kinds, item, most
        self._shown: list[Verdict] = []
        self._body = column(spacing=6)
        self.setLayout(self._body)
        session.verdicts.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Shows them as they are now."""
        item = self._item()
        found = [] if item == "" else self._session.verdicts.of(*self._kinds, item=item)[: self._most]
        if [id(one) for one in found] != [id(one) for one in self._shown]:
            self._shown = found
            while self._body.count():
                old = self._body.takeAt(0).widget()
                old.hide()
                old.deleteLater()
            for verdict in found:
                self._body.addWidget(VerdictRow(self._session, verdict))
        self.setVisible(bool(found))
