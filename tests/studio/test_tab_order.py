"""Tab follows the eye: every workspace column by column, line by line, and every field after its heading."""

from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QDockWidget, QScrollArea, QToolButton
from scripted_window import scripted_window, settle, turn

from nexus_studio.main_window import WORKSPACES

KEYS = [key for key, _, _ in WORKSPACES]


def block_of(widget, window):
    """The nearest dock, scrolling column or the middle that a widget stands in."""
    while widget is not window:
        if isinstance(widget, QDockWidget | QScrollArea) or widget.property("column") is True:
            return widget
        widget = widget.parentWidget()
    return window


def place(widget, window):
    return widget.mapTo(window, QPoint(0, 0))


@pytest.mark.parametrize("populated", [False, True], ids=["empty", "filled"])
@pytest.mark.parametrize("key", KEYS)
async def test_tab_goes_down_each_column_and_never_back_up(qapp, tmp_path, key, populated):
    async with scripted_window(tmp_path, populated) as window:
        window.resize(1440, 900)
        window.show_workspace(key)
        await turn(0.4)
        order = window.tab_order()
        assert len(order) == len(set(order)) > 10
        workspace = window.workspaces[key]
        blocks = [block_of(one, window) for one in order if workspace.isAncestorOf(one)]
        for before, after in pairwise(order):
            block = block_of(before, window)
            if block is window or block is not block_of(after, window):
                continue
            line = min(before.height(), after.height())
            down = place(after, window).y() - place(before, window).y()
            right = place(after, window).x() > place(before, window).x()
            assert down >= line // 2 or (right and down > -line), (before.accessibleName(), after.accessibleName())
        outer = [b for n, b in enumerate(blocks) if n == 0 or b is not blocks[n - 1]]
        docks = [b for b in outer if isinstance(b, QDockWidget)]
        assert len(docks) == len(set(docks)), "a column is left and entered again"


async def test_pressing_tab_visits_what_can_be_seen_in_that_order_and_shift_tab_goes_back(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.show_workspace("train")
        await turn(0.4)
        order = window.tab_order()
        order[0].setFocus()
        visited = [window.focusWidget()]
        for _ in range(len(order) - 1):
            QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
            visited.append(window.focusWidget())
        assert visited == order
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Backtab)
        assert window.focusWidget() is order[-2]


async def test_fields_come_after_their_heading_and_before_the_next(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.show_workspace("train")
        await turn(0.4)
        order, setup = window.tab_order(), window.workspaces["train"].setup
        names = [one.text() if isinstance(one, QToolButton) else one.accessibleName() for one in order]
        model, training, more = (names.index(name) for name in ("Model", "Training", "More training settings"))
        inside = [n for n, one in enumerate(order) if setup.training.form.isAncestorOf(one)]
        assert model < training < min(inside) and max(inside) < more
        assert names.index("Preset") < names.index("Title of the run") < model
        start = next(name for name in names if name.startswith("Start training"))
        assert more < names.index(start) < names.index("Queue")


async def test_a_field_that_tab_reaches_is_scrolled_into_view(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.resize(1100, 700)
        window.show_workspace("train")
        await turn(0.4)
        order, setup = window.tab_order(), window.workspaces["train"].setup
        last = [one for one in order if setup.training.form.isAncestorOf(one)][-1]
        order[order.index(last) - 1].setFocus()
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        assert window.focusWidget() is last and not last.visibleRegion().isEmpty()


async def test_from_a_workspace_itself_tab_enters_it(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.show_workspace("gallery")
        await turn(0.3)
        workspace = window.workspaces["gallery"]
        workspace.setFocus()
        QTest.keyClick(workspace, Qt.Key.Key_Tab)
        assert workspace.isAncestorOf(window.focusWidget())


async def test_the_focus_stays_in_the_panel_when_its_button_is_switched_off(qapp, tmp_path):
    """Space must not pause the training because Qt moved the focus on to the status bar."""
    async with scripted_window(tmp_path) as window:
        window.resize(1440, 900)
        window.activateWindow()
        window.show_workspace("trajectory")
        panel = window.workspaces["trajectory"]
        await settle(panel.controls.sample.isEnabled)
        QTest.mouseClick(panel.controls.sample, Qt.MouseButton.LeftButton)
        await settle(lambda: panel.recordings)
        assert panel.isAncestorOf(window.focusWidget()) or window.focusWidget() is panel
        for take_away in (lambda one: one.setEnabled(False), lambda one: one.hide()):
            one = panel.controls.film
            one.setEnabled(True)
            one.show()
            one.setFocus()
            take_away(one)
            await turn(0.05)
            assert panel.isAncestorOf(window.focusWidget()) or window.focusWidget() is panel
            assert window.focusWidget() is not one
        asked = [call for call in window.session.bridge.engine.calls if call[0] == "pause"]
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Space)
        await turn(0.05)
        assert [call for call in window.session.bridge.engine.calls if call[0] == "pause"] == asked


async def test_a_change_of_the_page_takes_the_focus_from_the_status_bar_to_the_page(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.activateWindow()
        window.show_workspace("trajectory")
        await turn(0.3)
        window.bottom.running._pause.setFocus()
        for key in KEYS:
            window.show_workspace(key)
            assert window.focusWidget() is window.workspaces[key], key
            await turn(0.05)
        window.workspaces["learn"].setFocus()
        window.show_workspace("train")
        train = window.workspaces["train"]
        assert window.focusWidget() is train, "not the first of its buttons"
        field = train.setup.title
        field.setFocus()
        window.show_workspace("data")
        window.show_workspace("train")
        assert window.focusWidget() is field, "what had the focus there has it again"


async def test_the_status_bar_takes_the_focus_by_tab_only(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        buttons = window.bottom.findChildren(QAbstractButton)
        assert len(buttons) >= 4 and all(
            one.focusPolicy() in (Qt.FocusPolicy.TabFocus, Qt.FocusPolicy.NoFocus) for one in buttons
        )
