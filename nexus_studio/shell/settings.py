"""The settings page: looks, the library's place, new runs, keyboard shortcuts, versions. Every change counts at once."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QComboBox, QDialog, QFormLayout, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from models_backend.contract.words import counted

from .. import theme
from ..commands import Command
from ..dialogs import show_folder
from ..panels.workspace import scrolled
from ..pieces import button, column, label, row, spin_box
from ..state.preferences import THREADS

if TYPE_CHECKING:
    from ..main_window import MainWindow

PAGES = ("General", "Library", "Shortcuts", "About")
MOST_THREADS = 1024


def versions() -> list[tuple[str, str]]:
    """What runs here, by name: read from the installed packages, so that nothing heavy is imported."""
    found = [("Nexus Studio", _version("nexus-studio")), ("Python", platform.python_version())]
    found += [(name, _version(package)) for name, package in (("Qt (PySide6)", "PySide6"), ("PyTorch", "torch"))]
    return [
        *found,
        ("System", f"{platform.system()} {platform.release()}, {platform.machine()}, {counted(os.cpu_count() or 1, 'core')}"),
    ]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "from source" if package == "nexus-studio" else "not installed"


def keys_of(command: Command) -> str:
    """The shortcuts of a command as people read them."""
    return ", ".join(text for text in (command.shortcut, *command.more_shortcuts) if text)


class SettingsPage(QDialog):
    """A window of its own beside the main one, which lives on."""

    def __init__(self, window: MainWindow):
        super().__init__(window)
        self._window = window
        self.setWindowTitle(self.tr("Settings"))
        self.tabs, self.pages = QTabBar(), QStackedWidget()
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setAccessibleName(self.tr("Pages of the settings"))
        for name, page in zip(PAGES, (self._general(), self._library(), self._shortcuts(), self._about())):
            self.tabs.addTab(self.tr(name))
            self.pages.addWidget(page)
        self.tabs.currentChanged.connect(self.pages.setCurrentIndex)
        theme.signals.changed.connect(self._follow)
        close = button(self.tr("Close"), "primary", self.close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 12, 16, 16)
        layout.addWidget(self.tabs)
        layout.addWidget(self.pages, 1)
        layout.addLayout(row(None, close))
        self.resize(theme.px(560), theme.px(460))

    def open_at(self, page: str) -> None:
        """Shows a page: one of ``PAGES``."""
        self._refresh()
        self.tabs.setCurrentIndex(PAGES.index(page))
        self.show()
        self.raise_()
        self.activateWindow()

    # ------------------------------------------------------------------------------------------ general

    def _general(self) -> QWidget:
        self.theme, self.size = QComboBox(), QComboBox()
        for name in theme.THEMES:
            self.theme.addItem(name.capitalize(), name)
        for step, size in zip(theme.TEXT_STEPS, theme.TEXT_SIZES):
            self.size.addItem(self.tr("Normal") if not step else f"{step:+d}", size)
        self.motion = QCheckBox(self.tr("Reduced motion"))
        self.threads = spin_box(self.tr("CPU threads of new runs"), 0, MOST_THREADS)
        self.threads.setSpecialValueText(self.tr("All cores"))
        self.threads.setToolTip(self.tr("What “CPU threads” is set to in a new run; fewer leave the machine to other work"))
        apply = self._window.apply_theme
        self.theme.activated.connect(lambda _: apply(theme=self.theme.currentData()))
        self.size.activated.connect(lambda _: apply(text_size=self.size.currentData()))
        self.motion.clicked.connect(lambda on: apply(reduced_motion=on))
        self.threads.valueChanged.connect(lambda count: self._window.session.preferences.set(THREADS, count))
        self.devices = label("", "hint", wrap=True)
        lines = ((self.tr("Theme"), self.theme), (self.tr("Text size"), self.size), ("", self.motion),
                 (self.tr("CPU threads of new runs"), self.threads), (self.tr("Devices"), self.devices))  # fmt: skip
        return self._form(lines)

    @staticmethod
    def _form(lines: tuple[tuple[str, QWidget], ...]) -> QWidget:
        page = QWidget()
        form = QFormLayout(page)
        form.setContentsMargins(0, 12, 0, 0)
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(10)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for name, widget in lines:
            if name:
                widget.setAccessibleName(name)
            form.addRow(label(name), widget)
        return page

    # ------------------------------------------------------------------------------------------ library

    def _library(self) -> QWidget:
        self.place, self.because = label("", "mono", wrap=True), label("", "hint", wrap=True)
        self.place.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        moved = label(self.tr(
            "Everything that is made lies in this one folder: data sets (not your originals), runs, samples, the trash. To use "
            "another, start with the variable NEXUS_LIBRARY set to a folder, or with --library FOLDER; to move this one, quit, "
            "move the folder, and name its new place in one of these ways."), "hint", wrap=True)  # fmt: skip
        self.folder = button(self.tr("Open folder"), "", self._open_folder)
        copy = button(self.tr("Copy path"), "", lambda: QGuiApplication.clipboard().setText(self.place.text()))
        page = QWidget()
        lines = (label(self.tr("Where the library lies"), "strong"), self.place, self.because, row(self.folder, copy, None))
        page.setLayout(column(*lines, 8, moved, None, spacing=8, margins=(0, 12, 0, 0)))
        return page

    def _open_folder(self) -> None:
        show_folder(self.place.text())

    # -------------------------------------------------------------------------------- shortcuts, about

    def _shortcuts(self) -> QWidget:
        self._keys = QWidget()
        self._keys.setLayout(QFormLayout())
        return scrolled(self._keys)

    def _about(self) -> QWidget:
        page = QWidget()
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        for name, version in versions():
            form.addRow(label(name), label(version, "mono", wrap=True))
        copy = button(self.tr("Copy"), "", lambda: QGuiApplication.clipboard().setText(about_text()))
        words = label(self.tr("A studio for generative models of every family."), "label", wrap=True)
        page.setLayout(column(label("Nexus Studio", "large"), words, 4, form, row(copy, None), None, margins=(0, 12, 0, 0)))
        return page

    # ------------------------------------------------------------------------------------------ showing

    def _follow(self) -> None:
        """Theme and text size have keys of their own."""
        if self.isVisible():
            self._refresh()

    def _refresh(self) -> None:
        """Everything as it is now."""
        keep, session = self._window.session.preferences.get, self._window.session
        self.theme.setCurrentIndex(max(0, self.theme.findData(theme.current())))
        sizes = [abs(size - theme.text_scale()) for size in theme.TEXT_SIZES]
        self.size.setCurrentIndex(sizes.index(min(sizes)))
        self.motion.setChecked(bool(keep("reduced_motion", False)))
        self.threads.setValue(int(keep(THREADS, 0)))
        self.devices.setText("\n".join(self._window.top.device.known()) or self.tr("Not looked at yet"))
        library = session.bridge.library
        place = library.layout.root if library is not None else self._window.library_root
        self.place.setText(str(place or ""))
        self.because.setText(reason_of(str(place or ""), library is not None))
        self._list_shortcuts()

    def _list_shortcuts(self) -> None:
        form = self._keys.layout()
        while form.rowCount():
            form.removeRow(0)
        category = ""
        for command in self._window.actions_list.all():
            if keys_of(command):
                if command.category != category:
                    category = command.category
                    form.addRow(label(category.upper(), "section"))
                form.addRow(label(command.title), label(keys_of(command), "mono"))


def about_text() -> str:
    """Versions in lines, for a report."""
    return "\n".join(f"{name}: {version}" for name, version in versions())


def reason_of(place: str, opened: bool) -> str:
    """Why the library lies where it does, and whether it could be opened."""
    from models_backend.library.opening import named_root, usual_root

    ways = {str(usual_root()): "The usual place of this system.", str(named_root()): "Named by the variable NEXUS_LIBRARY."}
    why = ways.get(place, "Named when the studio was started (--library).")
    return why if opened else f"{why} It could not be opened, or is not open yet."


def settings_commands(open_at: Callable[[str], object]) -> list[Command]:
    """The ways into the pages."""
    return [
        Command("edit.settings", "Settings", lambda: open_at("General"), "Edit", "Ctrl+,", "settings", keywords="preferences"),
        Command("help.where", "Where the library lies", lambda: open_at("Library"), "Help", "", "folder",
                keywords="nexus_library folder place"),
        Command("help.shortcuts", "Keyboard shortcuts", lambda: open_at("Shortcuts"), "Help", "Ctrl+/", "list",
                keywords="keys hotkeys"),
        Command("help.about", "About Nexus Studio", lambda: open_at("About"), "Help", "", "info", keywords="version"),
    ]  # fmt: skip
