"""Every action once: the menus, the palette and the shortcuts are all made from the same list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from models_backend.contract.words import sentence

from . import theme

CATEGORIES = ("Go", "File", "Edit", "Data", "Run", "Sample", "Trajectory", "Latent", "Gallery", "Learn", "View", "Help")


@dataclass
class Command:
    """An action. ``key`` is unique ("run.pause"); ``enabled`` is asked when a menu or the palette opens."""

    key: str
    title: str
    run: Callable[[], object]
    category: str = "View"
    shortcut: str = ""
    icon: str = ""
    enabled: Callable[[], bool] = lambda: True
    keywords: str = ""
    more_shortcuts: tuple[str, ...] = field(default=())
    why: str = ""  # what is needed, shown while it is not possible


class Commands(QObject):
    """The list, and the QAction of each command, whose shortcut works in the whole window."""

    changed = Signal()

    def __init__(self, window: QWidget):
        super().__init__(window)
        self._window = window
        self._scope = ""
        self._owners: dict[str, str] = {}
        self._commands: dict[str, Command] = {}
        self._actions: dict[str, QAction] = {}

    def add(self, *commands: Command, owner: str = "") -> None:
        """Adds commands; a key that is there already is replaced. Shortcuts of commands with an ``owner`` (the key of
        a workspace) work while ``set_scope`` names it, so that two workspaces may use the same keys."""
        for command in commands:
            self.remove(command.key)
            self._commands[command.key] = command
            self._owners[command.key] = owner
            self._actions[command.key] = self._action(command)
        self.enable_all()
        self.changed.emit()

    def set_scope(self, owner: str) -> None:
        """The workspace whose shortcuts work now."""
        self._scope = owner
        self.enable_all()

    def _action(self, command: Command) -> QAction:
        action = QAction(command.title, self._window)
        sequences = [QKeySequence(text) for text in (command.shortcut, *command.more_shortcuts) if text]
        action.setShortcuts(sequences)
        if command.icon:
            theme.keep_icon(action, command.icon)
        action.triggered.connect(lambda _checked=False: self.run(command.key))
        self._window.addAction(action)
        return action

    def remove(self, key: str) -> None:
        """Takes a command away."""
        self._commands.pop(key, None)
        self._owners.pop(key, None)
        action = self._actions.pop(key, None)
        if action is not None:
            self._window.removeAction(action)
            action.deleteLater()

    def run(self, key: str) -> None:
        """Runs a command unless it is not possible now."""
        command = self._commands[key]
        if command.enabled():
            command.run()

    def get(self, key: str) -> Command:
        """The command with that key."""
        return self._commands[key]

    def all(self) -> list[Command]:
        """Every command, by category."""
        order = {name: position for position, name in enumerate(CATEGORIES)}
        return sorted(self._commands.values(), key=lambda command: order.get(command.category, len(order)))

    def retitle(self, key: str, title: str) -> None:
        """Gives a command another title ("Undo: edit caption")."""
        self._commands[key].title = title
        self._actions[key].setText(title)

    def fill_menu(self, menu: QMenu) -> None:
        """Fills a menu with one submenu a category; what is not possible now is greyed."""
        menu.clear()
        by_category: dict[str, QMenu] = {}
        for command in self.all():
            if command.category not in by_category:
                by_category[command.category] = menu.addMenu(command.category)
                by_category[command.category].setToolTipsVisible(True)
            action = self._actions[command.key]
            by_category[command.category].addAction(action)
        self.refresh_enabled()

    def refresh_enabled(self) -> None:
        """Asks every command whether it is possible now. Actions stay enabled outside menus so that shortcuts work."""
        for key, command in self._commands.items():
            possible = bool(command.enabled())
            self._actions[key].setEnabled(possible)
            self._actions[key].setToolTip("" if possible else sentence(command.why))

    def enable_all(self) -> None:
        """After a menu closed: shortcuts ask ``enabled`` when they are pressed."""
        for key, action in self._actions.items():
            action.setEnabled(self._owners[key] in ("", self._scope))
            action.setToolTip("")
