"""Every control of every workspace, with nothing in the library and with much: what can be clicked does something, what cannot
says why, and each has a name."""

import asyncio

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QTabBar,
    QWidget,
)
from scripted_window import scripted_window, settle, turn

from nexus_studio.main_window import WORKSPACES

CONTROLS = (QAbstractButton, QComboBox, QLineEdit, QAbstractSpinBox, QAbstractSlider, QAbstractItemView)
KEYS = [key for key, _, _ in WORKSPACES]


def controls(window):
    """What can be seen of the current workspace and takes the mouse or the focus."""
    inside = [one for one in window.findChildren(QWidget) if isinstance(one, CONTROLS) and one.isVisibleTo(window)]
    return [one for one in inside if not (one.objectName().startswith("qt_") or isinstance(one.parentWidget(), QTabBar))]


def name_of(control):
    return control.accessibleName() or (control.text() if isinstance(control, QAbstractButton) else "")


def reason_of(control):
    """Why a control is greyed: its own reason, or that of what it stands in (the line below a field)."""
    while control is not None:
        if control.property("why"):
            return control.property("why")
        control = control.parentWidget()
    return ""


def state_of(window):
    """All that a user could see change but for the bars, whose clocks go on by themselves, and what was asked."""
    inside = [one for one in window.findChildren(QWidget) if one.isVisibleTo(window)]
    seen = [look(one) for one in inside if not any(bar is one or bar.isAncestorOf(one) for bar in (window.top, window.bottom))]
    above = [type(one).__name__ for one in QApplication.topLevelWidgets() if one.isVisible()]
    kept = {name: value for name, value in window.session.preferences._values.items() if not name.startswith("layout/")}
    return seen, above, len(window.session.bridge.engine.calls), window.current, str(kept)


def look(one):
    text = one.text() if isinstance(one, QAbstractButton | QLabel | QLineEdit) else ""
    value = one.value() if isinstance(one, QAbstractSlider | QProgressBar) else 0
    value = one.currentText() if isinstance(one, QComboBox) else value
    return (
        type(one).__name__,
        text,
        value,
        isinstance(one, QAbstractButton) and one.isChecked(),
        one.isEnabled(),
        one.hasFocus(),
    )


def close_all_above(window):
    for one in QApplication.topLevelWidgets():
        if one is not window and one.isVisible():
            one.close()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("populated", [False, True], ids=["empty", "filled"])
async def test_what_is_greyed_says_why_and_everything_has_a_name(qapp, tmp_path, key, populated):
    async with scripted_window(tmp_path, populated) as window:
        window.show_workspace(key)
        await turn(0.3)
        greyed = {name_of(one): reason_of(one) for one in controls(window) if not one.isEnabled()}
        assert all(greyed.values()), [name for name, why in greyed.items() if not why]
        nameless = [
            type(one).__name__ for one in controls(window) if not name_of(one) and one.focusPolicy() != Qt.FocusPolicy.NoFocus
        ]
        assert not nameless


async def test_a_button_that_does_nothing_would_be_seen(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        for key in KEYS:
            window.show_workspace(key)
            assert await at_rest(window), f"{key} changes by itself"


async def at_rest(window, seconds=15.0):
    """Whether the window comes to rest: nothing in it changes for a while."""
    ends = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < ends:
        before = state_of(window)
        await turn(0.4)
        if state_of(window) == before:
            return True
    return False


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("populated", [False, True], ids=["empty", "filled"])
async def test_every_button_that_is_lit_does_something(qapp, tmp_path, key, populated):
    async with scripted_window(tmp_path, populated) as window:
        window.show_workspace(key)
        troubles = []
        window.session.bridge.trouble.connect(troubles.append)
        await turn(0.3)
        for position in range(len(buttons(window))):
            window.show_workspace(key)
            await turn(0.02)
            found = buttons(window)
            if position >= len(found):
                break
            button = found[position]
            name, menu = name_of(button), getattr(button, "menu", lambda: None)()
            if menu is not None:
                menu.aboutToShow.emit()
                assert menu.actions(), f"{name} has an empty menu"
                continue
            before = state_of(window)
            button.click()
            try:
                await settle(lambda before=before: state_of(window) != before, 1.0)
            except AssertionError:
                pytest.fail(f"nothing happens at “{name}” in {key}")
            finally:
                close_all_above(window)
        await settle(lambda: not window.session.bridge.busy())
        assert not troubles, troubles


def buttons(window):
    """The lit buttons inside the current workspace; those of a group that are chosen already stay chosen."""
    inside = window.workspaces[window.current]
    found = [
        one for one in controls(window) if isinstance(one, QAbstractButton) and one.isEnabled() and inside.isAncestorOf(one)
    ]
    return [one for one in found if not (one.isChecked() and one.autoExclusive())]


@pytest.mark.parametrize("populated", [False, True], ids=["empty", "filled"])
async def test_every_action_that_is_not_possible_says_why(qapp, tmp_path, populated):
    async with scripted_window(tmp_path, populated) as window:
        for key in KEYS:
            window.show_workspace(key)
            await turn(0.1)
        lacking = [one.key for one in window.actions_list.all() if not one.enabled() and not one.why]
        assert not lacking
