"""The settings page: what it changes, where the library lies, shortcuts, versions; and the variable that names the library."""

import pytest
from PySide6.QtWidgets import QApplication, QLabel
from scripted_window import scripted_window, turn

from models_backend.contract.messages import TroubleError
from models_backend.library import opening
from models_backend.library.library import Library
from nexus_studio import theme
from nexus_studio.app import run as run_window
from nexus_studio.shell.settings import about_text, keys_of, reason_of
from nexus_studio.state.preferences import THREADS


def texts(page):
    return [one.text() for one in page.findChildren(QLabel)]


async def test_looks_change_at_once_and_are_kept(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.open_settings()
        page = window._settings
        page.theme.setCurrentIndex(page.theme.findData("light"))
        page.theme.activated.emit(1)
        assert theme.current() == "light" and window.session.preferences.get("theme") == "light"
        page.size.setCurrentIndex(page.size.findText("+2"))
        page.size.activated.emit(3)
        assert theme.text_scale() == pytest.approx(theme.TEXT_SIZES[3])
        page.motion.click()
        assert window.session.preferences.get("reduced_motion") is True
        window.apply_theme(theme="dark", text_size=1.0, reduced_motion=False)
        page.close()


async def test_new_runs_begin_with_the_threads_that_were_chosen(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.open_settings()
        window._settings.threads.setValue(2)
        assert window.session.preferences.get(THREADS) == 2
        window.show_workspace("train")
        await turn(0.2)
        setup = window.workspaces["train"].setup
        setup.take_preset()
        assert setup.values("training")["threads"] == 2


async def test_the_library_page_tells_the_place_and_why(qapp, tmp_path, monkeypatch):
    async with scripted_window(tmp_path) as window:
        window.open_settings("Library")
        page = window._settings
        assert page.place.whole_text() if hasattr(page.place, "whole_text") else str(tmp_path / "library") in texts(page)
        assert page.pages.currentIndex() == 1 and page.folder.isEnabled()
    monkeypatch.setenv("NEXUS_LIBRARY", str(tmp_path / "own"))
    assert reason_of(str(tmp_path / "own"), True) == "Named by the variable NEXUS_LIBRARY."
    assert reason_of(str(opening.usual_root()), True) == "The usual place of this system."
    assert "--library" in reason_of("/elsewhere", True) and "could not be opened" in reason_of("/elsewhere", False)


async def test_every_shortcut_is_listed_and_the_menu_leads_there(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.actions_list.run("help.shortcuts")
        page = window._settings
        assert page.isVisible() and page.pages.currentIndex() == 2
        listed = " ".join(texts(page._keys))
        with_keys = [one for one in window.actions_list.all() if keys_of(one)]
        assert len(with_keys) > 15 and all(keys_of(one) in listed for one in with_keys)
        window.actions_list.run("help.about")
        assert page.pages.currentIndex() == 3 and "PyTorch: " in about_text() and "Nexus Studio: " in about_text()
        window.top.refresh_menu()
        entries = [action.text() for one in window.top.brand.menu().actions() for action in one.menu().actions()]
        assert {"Settings", "Where the library lies", "Keyboard shortcuts", "About Nexus Studio"} <= set(entries)
        page.close()


# ------------------------------------------------------------------------------------------------ NEXUS_LIBRARY


def test_the_variable_names_the_library_of_commands_and_window(tmp_path, monkeypatch):
    monkeypatch.setenv("NEXUS_LIBRARY", f" {tmp_path / 'own'} ")
    assert opening.default_root() == tmp_path / "own"
    with Library.open() as library:
        assert library.layout.root == tmp_path / "own" and (tmp_path / "own" / "library.json").exists()
    asked = []
    monkeypatch.setattr("nexus_studio.shell.single.ask_first", lambda root, _text: asked.append(root) or True)
    monkeypatch.setattr("nexus_studio.app.make_application", lambda _arguments: QApplication.instance())
    assert run_window() == 0 and asked == [tmp_path / "own"]
    monkeypatch.setenv("NEXUS_LIBRARY", "  ")
    assert opening.default_root() == opening.usual_root()


@pytest.mark.parametrize("kind", ["missing parent", "a file", "other things", "a parent that is a file"])
def test_a_variable_that_cannot_be_used_is_told_with_its_name(tmp_path, monkeypatch, kind):
    place = tmp_path / "place"
    if kind == "missing parent":
        place = tmp_path / "gone" / "place"
    elif kind == "a file":
        place.write_text("x")
    elif kind == "other things":
        place.mkdir()
        (place / "photo.png").write_text("x")
    else:
        (tmp_path / "file").write_text("x")
        place = tmp_path / "file" / "place"
    monkeypatch.setenv("NEXUS_LIBRARY", str(place))
    with pytest.raises(TroubleError, match="NEXUS_LIBRARY") as told:
        Library.open()
    assert str(place) in str(told.value.trouble) and not (tmp_path / "gone").exists()
    with pytest.raises(TroubleError) as told:
        Library.open(place)  # as the window opens it
    assert "NEXUS_LIBRARY" in str(told.value.trouble)
