"""Dialogs that do not block the window and whose every input has an accessible name: Qt names few of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QStandardPaths, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QIcon
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPlainTextEdit,
    QTextEdit,
    QToolButton,
    QWidget,
)

from . import theme

TYPED = "typed"  # the property of a dialog whose text is kept when the window is closed over it
INPUTS = (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QLineEdit, QPlainTextEdit, QTextEdit)
#: The parts of Qt's dialog of files that no label names, by their object names.
FILES = {"lookInCombo": "Folder", "sidebar": "Places", "listView": "Files", "treeView": "Files with their details",
         "fileNameEdit": "File name", "fileTypeCombo": "Kind of file"}  # fmt: skip

#: The buttons of Qt's dialog of files and this studio's icons for them.
ICONS = {"backButton": "chevron-left", "forwardButton": "chevron-right", "toParentButton": "up", "newFolderButton": "add",
         "listModeButton": "grid", "detailModeButton": "list"}  # fmt: skip
#: What a box of Qt's own asks or says, as an icon of this studio with its tint.
MARKS = {
    QMessageBox.Icon.Information: ("info", "accent"), QMessageBox.Icon.Warning: ("warn", "warn"),
    QMessageBox.Icon.Critical: ("bad", "bad"), QMessageBox.Icon.Question: ("help", "accent"),
}  # fmt: skip

Made = TypeVar("Made", bound=QDialog)


def inputs(dialog: QWidget) -> list[QWidget]:
    """What a person can type into, choose from or press; a part of another input, or what pops up from one, is none."""
    found = [one for one in dialog.findChildren(QWidget) if isinstance(one, INPUTS) and one.window() is dialog]
    return [one for one in found if not any(_inside(one, other) for other in found)]


def _inside(one: QWidget, other: QWidget) -> bool:
    return other is not one and other.isAncestorOf(one)


def name_of(widget: QWidget) -> str:
    """What a screen reader says of an input."""
    return widget.accessibleName() or (widget.text().replace("&", "") if isinstance(widget, QAbstractButton) else "")


def opened(dialog: Made) -> Made:
    """Opens a dialog over its window, which goes on; it is deleted when it is closed."""
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.installEventFilter(_Boxes(dialog))
    dialog.open()
    _own_icons(dialog)
    labels = {label.buddy(): label.text().replace("&", "").rstrip(":") for label in dialog.findChildren(QLabel)}
    for widget in inputs(dialog):
        known = FILES.get(widget.objectName(), "")
        said = QCoreApplication.translate("Dialogs", known) if known else labels.get(widget) or widget.toolTip()
        if said and not name_of(widget):
            widget.setAccessibleName(said)
    return dialog


def _own_icons(dialog: QWidget) -> None:
    """Icons of this studio, or none, where Qt's style puts its own."""
    for box in dialog.findChildren(QDialogButtonBox):
        for one in box.buttons():
            one.setIcon(QIcon())
    for name, drawn in ICONS.items():
        if (tool := dialog.findChild(QToolButton, name)) is not None:
            theme.keep_icon(tool, drawn, size=16)
    if isinstance(dialog, QMessageBox) and dialog.icon() in MARKS:
        dialog.setIconPixmap(theme.pixmap(*MARKS[dialog.icon()], 32))


class _Boxes(QObject):
    """What a dialog asks in a box of Qt's own (whether to write over a file, say) gets this studio's icons."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ChildPolished and isinstance(box := event.child(), QMessageBox):
            _own_icons(box)
        return False


def begin_in(used: str = "", *, text: bool = False) -> str:
    """The folder that a dialog of files opens in: that of ``used`` (a file or folder), else the user's pictures (with ``text``
    documents), else the home; never the folder that the program was started in."""
    kinds = QStandardPaths.StandardLocation
    own = QStandardPaths.writableLocation(kinds.DocumentsLocation if text else kinds.PicturesLocation)
    near = [Path(used), Path(used).parent] if Path(used).is_absolute() else []
    return str(next((folder for folder in (*near, Path(own)) if folder.is_dir()), Path.home()))


def ask_text(parent: QWidget, what: str, text: str, take: Callable[[str], object]) -> QInputDialog:
    """Asks for a line of text."""
    dialog = QInputDialog(parent)
    dialog.setLabelText(what)
    dialog.setTextValue(text)
    dialog.textValueSelected.connect(take)
    dialog.setProperty(TYPED, True)
    opened(dialog)
    dialog.findChild(QLineEdit).setAccessibleName(what)
    return dialog


def keep_typed(window: QWidget) -> list[str]:
    """Keeps what is typed in a window as Return would, before it closes; the titles of dialogs that did not take it."""
    if (focused := window.focusWidget()) is not None:
        focused.clearFocus()
    dialogs = [one for one in window.findChildren(QDialog) if one.property(TYPED) and one.isVisible()]
    for dialog in dialogs:
        dialog.accept()
    return [dialog.windowTitle() for dialog in dialogs if dialog.isVisible()]


def show_folder(path: str | Path) -> None:
    """Opens a folder where the system shows folders."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
