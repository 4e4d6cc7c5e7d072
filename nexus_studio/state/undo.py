"""Undo and redo for every edit, tag, move and delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

LIMIT = 500


@dataclass
class Edit:
    """One thing that was done: its name in the menu, how to do it again and how to take it back."""

    text: str
    do: Callable[[], object]
    undo: Callable[[], object]


class UndoStack(QObject):
    """Edits in order. ``do`` and ``undo`` are plain callables; slow ones start a coroutine themselves."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._done: list[Edit] = []
        self._undone: list[Edit] = []

    def push(self, text: str, do: Callable[[], object], undo: Callable[[], object]) -> None:
        """Does an edit now and remembers it; edits undone before are forgotten. An edit that raises is not kept."""
        do()
        self._done = [*self._done, Edit(text, do, undo)][-LIMIT:]
        self._undone = []
        self.changed.emit()

    def undo(self) -> None:
        """Takes back the last edit."""
        if self._done:
            edit = self._done.pop()
            edit.undo()
            self._undone.append(edit)
            self.changed.emit()

    def redo(self) -> None:
        """Does the last undone edit again."""
        if self._undone:
            edit = self._undone.pop()
            edit.do()
            self._done.append(edit)
            self.changed.emit()

    @property
    def undo_text(self) -> str:
        """The name of what ``undo`` would take back, or ""."""
        return self._done[-1].text if self._done else ""

    @property
    def redo_text(self) -> str:
        """The name of what ``redo`` would do again, or ""."""
        return self._undone[-1].text if self._undone else ""
