"""What came of things, kept until it is dismissed: failures with their reason, and answers such as a proof of resuming.

They stand where the thing is listed (an import that failed in the list of data sets, an export with its sample), and are there
again after a restart: the preferences hold them.
"""

from __future__ import annotations

import time

import msgspec
from PySide6.QtCore import QObject, Signal

from models_backend.contract.messages import Trouble

from .preferences import Preferences

KEY = "verdicts"
MOST = 60
DETAIL_BYTES = 6000  # of a traceback that is kept


class Verdict(msgspec.Struct):
    """``kind``: import sample trajectory latent export evaluate proof reproduce; ``of``: the id of the item it belongs to."""

    kind: str
    title: str
    trouble: Trouble
    of: str = ""
    good: bool = False
    time: float = 0.0


class Verdicts(QObject):
    """Newest first, one for each kind and item."""

    changed = Signal()

    def __init__(self, preferences: Preferences):
        super().__init__()
        self._preferences = preferences
        try:
            self.records = msgspec.convert(preferences.get(KEY, []), list[Verdict])
        except msgspec.ValidationError:
            self.records = []  # from another version

    def add(self, kind: str, title: str, trouble: Trouble, of: str = "", good: bool = False) -> None:
        """Keeps what came of something; an earlier verdict on the same goes."""
        kept = msgspec.structs.replace(trouble, detail=trouble.detail[-DETAIL_BYTES:])
        others = [known for known in self.records if (known.kind, known.of, known.title) != (kind, of, title)]
        self._take([Verdict(kind, title, kept, of, good, time.time()), *others][:MOST])

    def answer(self, kind: str, title: str, text: str, of: str = "") -> None:
        """Keeps a good answer, in words."""
        self.add(kind, title, Trouble(text), of, good=True)

    def of(self, *kinds: str, item: str | None = None) -> list[Verdict]:
        """Those of some kinds, of one item where one is named."""
        return [known for known in self.records if known.kind in kinds and item in (None, known.of)]

    def dismiss(self, verdict: Verdict) -> None:
        """Takes one away."""
        self._take([known for known in self.records if known is not verdict])

    def clear(self, kind: str, of: str, title: str) -> None:
        """A new try: what came of the last one no longer stands."""
        left = [known for known in self.records if (known.kind, known.of, known.title) != (kind, of, title)]
        if len(left) < len(self.records):
            self._take(left)

    def _take(self, records: list[Verdict]) -> None:
        self.records = records
        self._preferences.set(KEY, msgspec.to_builtins(records) or None)
        self.changed.emit()
