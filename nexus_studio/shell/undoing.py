"""Undo and redo of the window: first the steps of the workspace in front, then the session's edits; one that belongs to another
workspace is asked first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from ..fitting import menu_text
from ..state.undo import Edit, UndoStack

if TYPE_CHECKING:
    from ..main_window import MainWindow


class Undoing(QObject):
    """Takes back the newest edit, or does it again, and says so; shows what it changes where that is in front."""

    def __init__(self, window: MainWindow):
        super().__init__(window)
        self._window, self._stack = window, window.session.undo
        self._stack.changed.connect(self._show)
        self._stack.turned.connect(self._tell_turned)
        window.workspace_shown.connect(self._follow)
        self._followed: UndoStack | None = None

    def next(self, again: bool = False) -> UndoStack:
        """Whose newest edit is taken back next, or with ``again`` done again."""
        steps = self._followed
        return steps if steps is not None and (steps.redo_text if again else steps.undo_text) else self._stack

    def undo(self) -> None:
        """Takes back the newest step of the workspace in front, else the newest edit; one that was neither made in the
        workspace in front nor is seen there is named first, with a button that takes it back."""
        self._turn(again=False)

    def redo(self) -> None:
        """As :meth:`undo`, of the edit that was undone last, which is done again."""
        self._turn(again=True)

    def _turn(self, again: bool) -> None:
        stack, edit = self.next(again), self._stack.last_undone if again else self._stack.last
        if stack is not self._stack or (edit is not None and not self._asked(edit, again)):
            stack.redo() if again else stack.undo()

    def _asked(self, edit: Edit, again: bool) -> bool:
        """Whether an edit belongs elsewhere, so that it is offered instead of done."""
        (key, what), notices = edit.place, self._window.notices
        if key in ("", self._stack.front) or edit.made == self._stack.front:
            return False
        text = f"The last {'undone ' if again else ''}edit is{self._told(edit)}"
        notices.withdraw(text)
        offer = self._stack.offer_again(edit) if again else self._stack.offer()
        notices.show_line(text, offer, lambda: self._window.go_to(key, what))
        return True

    def _told(self, edit: Edit) -> str:
        """Where an edit is seen, unless that is in front, and its name."""
        from ..main_window import WORKSPACES

        key = edit.place[0]
        title = next((title for known, title, _ in WORKSPACES if known == key != self._stack.front), "")
        return f"{f' in {title}' if title else ''}: {edit.text[:1].lower()}{edit.text[1:]}"

    def _follow(self, key: str) -> None:
        """The menu names the steps of the workspace in front."""
        if self._followed is not None:
            self._followed.changed.disconnect(self._show)
        self._followed = self._window.workspaces[key].steps
        self._followed.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        undo, redo, titles = self.next().undo_text, self.next(again=True).redo_text, self._window.actions_list
        titles.retitle("edit.undo", f"Undo: {menu_text(undo)}" if undo else "Undo")
        titles.retitle("edit.redo", f"Redo: {menu_text(redo)}" if redo else "Redo")

    def _tell_turned(self, edit: Edit, undone: bool) -> None:
        """Says what was undone or done again and shows it; what is seen in another workspace is named with a button there."""
        (key, what), undo, window = edit.place, self._stack, self._window
        text = f"{'Undone' if undone else 'Done again'}{self._told(edit)}"
        offer = undo.offer_again(edit) if undone else undo.offer() if undo.last is edit else None
        if key and key != undo.front:
            window.notices.show_line(text, offer, lambda: window.go_to(key, what))
            return
        if key and what:
            window.workspaces[key].show_what(what)
        window.notices.show_line(text, offer)
