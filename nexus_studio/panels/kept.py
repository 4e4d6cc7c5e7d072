"""What was typed and shown in a panel, kept in the preferences and taken up again by the next window."""

from __future__ import annotations

import contextlib
from typing import Any

from PySide6.QtCore import QObject

from ..state.session import Session


class Keeper(QObject):
    """Takes up once what the preferences hold of a panel: its form, which names a run, and what was shown.

    A panel's own says ``_take(kept)`` for the form and ``_show(shown)``, and keeps both while ``_taken``."""

    def __init__(self, panel: QObject, session: Session, form: str, shown: str):
        super().__init__(panel)
        self._session, self._form, self._shown_as, self._taken = session, form, shown, False
        session.ready.connect(self.take)
        session.catalogue.changed.connect(self.take)

    def take(self) -> None:
        """Takes up what was kept, once the library and the families are known."""
        session = self._session
        if self._taken or not session.is_ready:
            return
        kept = session.preferences.get(self._form, {})
        record = session.runs.get(kept.get("run", ""))
        if record is not None and session.catalogue.get(record.family) is None:
            return  # its family will be described
        self._taken = True
        if record is not None:
            with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):  # from another version
                self._take(kept)
        if shown := session.preferences.get(self._shown_as):
            session.bridge.spawn(self._show(shown))

    def _take(self, kept: dict[str, Any]) -> None:
        raise NotImplementedError

    async def _show(self, shown: Any) -> None:
        raise NotImplementedError
