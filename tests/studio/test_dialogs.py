"""Every input of every dialog has an accessible name, those of Qt's own dialogs too."""

import ast
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLineEdit,
    QMenu,
    QMessageBox,
    QProxyStyle,
    QStyle,
    QToolButton,
    QWidget,
)
from scripted_window import scripted_window, settle

import nexus_studio
from models_backend.contract.family import Attribute
from models_backend.contract.fields import FieldSpec
from nexus_studio import theme
from nexus_studio.dialogs import ICONS, ask_text, begin_in, inputs, name_of, opened
from nexus_studio.forms.editors import PathEditor
from nexus_studio.panels import data_classes, data_start, exporting
from nexus_studio.panels.data_attributes import AttributesForm
from nexus_studio.shell.settings import PAGES, SettingsPage


def nameless(dialog):
    return [f"{type(one).__name__} {one.objectName()}" for one in inputs(dialog) if not name_of(one).strip()]


def open_dialogs():
    return [one for one in QApplication.topLevelWidgets() if isinstance(one, QDialog) and one.isVisible()]


async def test_every_input_of_every_dialog_has_an_accessible_name(qapp, tmp_path):
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    async with scripted_window(tmp_path) as window:
        session = window.session
        pictures = next(one for one in session.datasets.records if one.modality == "image")
        items = session.bridge.library.dataset(pictures.id).items()[:2]
        sample = next(iter(session.bridge.library.samples()))
        path = PathEditor(FieldSpec("features", "path", "Features", path="folder"))
        path.setParent(window)
        known = msgspec.structs.replace(pictures, attributes=(Attribute("age"),))
        ways = {
            "rename a run": lambda: window.workspace("train").runs.ask_title(session.runs.records[0].id),
            "new class": lambda: data_classes.ask_new_class(window, session, pictures, [0]),
            "rename a class": lambda: data_classes.ask_class_name(window, session, pictures, pictures.classes[0]),
            "import files": lambda: data_start.ask_paths(session, window, folder=False),
            "import a folder": lambda: data_start.ask_paths(session, window, folder=True),
            "export": lambda: exporting.ask(session, window, sample, exporting.CHOICES[0], [], False),
            "a path": path._ask,
            "attributes": lambda: opened(AttributesForm(window, known, items, print)),
        }
        for name, ask in ways.items():
            ask()
            await settle(open_dialogs)
            (dialog,) = open_dialogs()
            assert inputs(dialog) and not nameless(dialog), name
            dialog.close()
            await settle(lambda: not open_dialogs())
        settings = SettingsPage(window)
        for page in PAGES:
            settings.open_at(page)
            assert not nameless(settings), page
        settings.close()


async def test_a_file_that_is_exported_is_asked_for_by_its_kind(qapp, tmp_path):
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    async with scripted_window(tmp_path) as window:
        sample = next(iter(window.session.bridge.library.samples()))
        for choice in exporting.CHOICES:
            dialog = exporting.ask(window.session, window, sample, choice, [], False)
            kind = "png" if choice.format == "apng" else choice.format
            (kinds,) = dialog.nameFilters()
            assert kinds == ("All Files (*)" if choice.folder else f"{kind.upper()} (*.{kind})")
            assert choice.folder or dialog.selectedFiles()[0].endswith(f".{kind}")
            dialog.close()


@pytest.mark.parametrize("look", theme.THEMES)
def test_what_a_menu_can_switch_on_is_seen_to_be_on_or_off(qapp, look):
    theme.apply(qapp, look)
    menu, one_of = QMenu(), QActionGroup(qapp)
    for n, name in enumerate(("plain", "off", "on", "not chosen", "chosen")):
        action = menu.addAction(name)
        action.setCheckable(n > 0)
        action.setActionGroup(one_of if n > 2 else None)
        action.setChecked(name in ("on", "chosen"))
    menu.popup(QPoint(0, 0))
    drawn = menu.grab().toImage()

    def marks(action):
        spot = menu.actionGeometry(action)
        return {drawn.pixel(x, y) for x in range(6, 26) for y in range(spot.top() + 2, spot.bottom() - 1)}

    plain, off, on, passed, chosen = (marks(action) for action in menu.actions())
    assert len(plain) == 1 and passed == plain, "of several one is chosen"
    accent = theme.color("accent").rgb()
    assert len(off) > 1 and accent not in off and accent in on and accent in chosen
    menu.close()
    one_of.deleteLater()
    theme.apply(qapp, "dark")


class Iconed(QProxyStyle):
    """A desktop whose style puts icons on the buttons of dialogs, as KDE's does."""

    def styleHint(self, hint, *rest):
        return 1 if hint == QStyle.StyleHint.SH_DialogButtonBox_ButtonsHaveIcons else super().styleHint(hint, *rest)


async def test_dialogs_have_the_studio_s_icons_and_none_of_the_style_s(qapp, qtbot, tmp_path):
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    theme.apply(qapp)
    qapp.setStyle(Iconed("Fusion"))
    try:
        parent = QWidget()
        qtbot.addWidget(parent)
        parent.show()
        made = [ask_text(parent, "Title", "duel", print), opened(QFileDialog(parent, "Export", str(tmp_path)))]
        for dialog in made:
            buttons = [one for box in dialog.findChildren(QDialogButtonBox) for one in box.buttons()]
            assert buttons and all(one.icon().isNull() for one in buttons)
        tools = made[1].findChildren(QToolButton)
        assert {one.objectName() for one in tools} == set(ICONS)
        for one in tools:
            expected = theme.icon(ICONS[one.objectName()], size=16).pixmap(16, 16).toImage()
            assert one.icon().pixmap(16, 16).toImage() == expected, one.objectName()
        box = QMessageBox(QMessageBox.Icon.Warning, "Export", "It is there already", QMessageBox.StandardButton.Yes, made[1])
        box.open()
        assert box.iconPixmap().toImage() == theme.pixmap("warn", "warn", 32).toImage()
        assert all(one.icon().isNull() for one in box.buttons())
        box.close()
        for dialog in made:
            dialog.close()
    finally:
        theme.apply(qapp)


def test_no_message_box_of_qt_is_made():
    """The source: what is said or asked stands in notices and in its place, with the studio's own icons."""
    sources = [one for one in Path(nexus_studio.__file__).parent.rglob("*.py") if one.name != "dialogs.py"]
    stock = ("QMessageBox", "QErrorMessage", "standardIcon", "StandardPixmap", "fromTheme")
    assert not [path.name for path in sources if any(name in path.read_text(encoding="utf-8") for name in stock)]


async def test_a_text_is_asked_for_by_name_and_taken(qapp, qtbot):
    parent, taken = QWidget(), []
    qtbot.addWidget(parent)
    parent.show()
    dialog = ask_text(parent, "Title of the run", "duel", taken.append)
    field = dialog.findChild(QLineEdit)
    assert field.accessibleName() == "Title of the run" and field.text() == "duel"
    field.setText("duel two")
    dialog.accept()
    assert taken == ["duel two"]


async def test_dialogs_of_files_open_in_the_user_s_folder_then_in_the_one_used_last(qapp, tmp_path, monkeypatch):
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    started, used = tmp_path / "started", tmp_path / "used"
    started.mkdir()
    used.mkdir()
    monkeypatch.chdir(started)
    home = Path.home()
    async with scripted_window(tmp_path) as window:
        session = window.session
        sample = next(iter(session.bridge.library.samples()))
        path = PathEditor(FieldSpec("features", "path", "Features", path="file"))
        path.setParent(window)
        ways = (
            lambda: data_start.ask_paths(session, window, folder=False),
            lambda: data_start.ask_paths(session, window, folder=True),
            lambda: exporting.ask(session, window, sample, exporting.CHOICES[0], [], False),
            path._ask,
        )

        async def begun() -> list[Path]:
            found = []
            for ask in ways:
                ask()
                await settle(open_dialogs)
                (dialog,) = open_dialogs()
                found.append(Path(dialog.directory().absolutePath()))
                assert isinstance(dialog, QFileDialog)
                dialog.close()
                await settle(lambda: not open_dialogs())
            return found

        assert await begun() == [home] * 4
        (home / "Pictures").mkdir()
        assert await begun() == [home / "Pictures"] * 4
        session.preferences.set("import/folder", str(used))
        session.preferences.set("export/folder", str(used))
        path.field.setText(str(used / "features.npz"))
        assert await begun() == [used] * 4
        used.rmdir()
        assert await begun() == [tmp_path] * 3 + [home / "Pictures"], "it is gone: what held it, if that is there"
    (home / "Documents").mkdir()
    assert begin_in(text=True) == str(home / "Documents") and begin_in("x.png") == str(home / "Pictures")


def test_no_dialog_is_opened_in_another_way():
    """The source: whoever makes a dialog opens it through ``dialogs``, so that its inputs have names."""
    found = []
    for path in (one for one in Path(nexus_studio.__file__).parent.rglob("*.py") if one.name != "dialogs.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)):
            opens = isinstance(call.func, ast.Attribute) and call.func.attr in ("open", "exec", "getText", "getOpenFileName")
            if opens and ast.unparse(call.func.value) in ("dialog", "QInputDialog", "QFileDialog"):
                found.append(f"{path.name}:{call.lineno}")
    assert not found
