"""Tab follows the eye: every workspace column by column, line by line, and every field after its heading."""

from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDockWidget, QScrollArea, QToolButton
from scripted_window import scripted_window, turn

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
        assert more < names.index("Start training") < names.index("Queue")


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
