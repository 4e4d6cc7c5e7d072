"""Mouse and keyboard as a user has them: events go to the windows' own handles, so that whatever lies on top is hit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMainWindow,
    QMenu,
    QWidget,
)
from shiboken6 import isValid

from nexus_studio.fitting import ElidedLabel
from nexus_studio.viewers.image_grid import ImageGrid

PATIENCE_S, NOTHING_IN_FRONT_S = 120.0, 3.0
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


async def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Waits until the user sees something; what it was."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := condition()):
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        raise AssertionError(f"not seen: {what or condition}") from None


async def do(act: Callable[..., Any], *given: Any) -> None:
    """Does something from Qt's own loop, outside of every task: what it sets off may run tasks of its own."""
    done = asyncio.get_running_loop().create_future()

    def now() -> None:
        try:
            act(*given)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    QTimer.singleShot(0, now)
    await done


async def click(widget: QWidget, place: QPoint | None = None, button=LEFT, keys=Qt.KeyboardModifier.NoModifier, twice=False):
    """Clicks into a widget that is seen and enabled, in its middle or at a place; scrolls to it as one would."""
    await until(lambda: isValid(widget) and widget.isVisible() and widget.isEnabled(), f"{widget} to click on")
    if place is None:
        await reveal(widget)
    spot = widget.mapTo(widget.window(), place or widget.rect().center())
    under = widget.window().childAt(spot)
    assert under is None or under is widget or widget.isAncestorOf(under), f"{widget} is covered by {under}"
    handle = widget.window().windowHandle()
    if QApplication.activePopupWidget() is None and QApplication.activeWindow() is not widget.window():
        await do(handle.requestActivate)  # there is no window manager that does it
        await until(lambda: QApplication.activeWindow() is widget.window(), f"the window of {widget} in front")
    press = QTest.mouseDClick if twice else QTest.mouseClick
    await do(press, handle, button, keys, spot)
    await asyncio.sleep(0.05)


async def click_tile(grid: ImageGrid, place: int, **how: Any) -> None:
    """Clicks on the n-th picture of a grid; scrolls to it as one would."""
    grid.reveal(place)
    await click(grid.viewport(), grid.tile_rect(place).center(), **how)


async def reveal(widget: QWidget) -> None:
    """Scrolls until a widget is seen, as the wheel does."""
    above = widget.parentWidget()
    while above is not None:
        if hasattr(above, "ensureWidgetVisible"):
            above.ensureWidgetVisible(widget)
        above = above.parentWidget()
    await asyncio.sleep(0.05)


def _nothing_in_front() -> bool:
    return QApplication.activeWindow() is None and QApplication.activePopupWidget() is None


async def strike(press: Callable[[QWidget], Any], kind: Any = QWidget) -> None:
    """Uses the keyboard once a widget of a kind has the cursor; none has while a dialog comes to the front. Where nothing is in
    front for a while, the window is brought there, as a window manager would."""
    struck, begun = [], time.monotonic()

    def now() -> None:
        if isinstance(widget := QApplication.focusWidget(), kind):
            press(widget)
            struck.append(widget)
        elif time.monotonic() > begun + NOTHING_IN_FRONT_S and _nothing_in_front():
            shown = [one for one in QApplication.topLevelWidgets() if one.isVisible() and isinstance(one, QMainWindow)]
            for one in filter(None, (*shown[:1], QApplication.activeModalWidget())):
                one.windowHandle().requestActivate()

    try:
        async with asyncio.timeout(PATIENCE_S):
            await do(now)
            while not struck:
                await asyncio.sleep(0.02)
                await do(now)
    except TimeoutError:
        opened = [one for one in QApplication.topLevelWidgets() if one.isVisible()]
        front, widget = QApplication.activeWindow(), QApplication.focusWidget()
        raise AssertionError(f"no {kind} has the cursor but {widget}; in front {front}, open {opened}") from None


async def key(code: Qt.Key, keys=Qt.KeyboardModifier.NoModifier) -> None:
    """Presses a key, wherever the cursor is."""
    await strike(lambda widget: QTest.keyClick(widget, code, keys))


async def type_over(text: str) -> None:
    """Types a text in place of what stands in the field that has the cursor."""
    fields = QLineEdit | QAbstractSpinBox
    await strike(lambda field: QTest.keyClick(field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier), fields)
    await strike(lambda field: QTest.keyClicks(field, text), fields)


def words_of(button: QAbstractButton) -> str:
    """The whole text of a button, however much of it is seen."""
    whole = getattr(button, "whole", button.text)
    return whole().strip()


def button(parent: QWidget, words: str) -> QAbstractButton:
    """The button with those words that is seen."""
    found = [one for one in parent.findChildren(QAbstractButton) if one.isVisible() and words_of(one) == words]
    assert found, f"no button “{words}” among {[words_of(one) for one in parent.findChildren(QAbstractButton)]}"
    return found[0]


def texts(parent: QWidget) -> str:
    """All that is written in a part of the window, as it is seen."""
    said = [one for one in parent.findChildren(QWidget) if one.isVisible() and isinstance(one, QLabel | QAbstractButton)]
    return "\n".join(one.whole() if isinstance(one, ElidedLabel) else one.text() for one in said)


def popup() -> QMenu | None:
    """The menu that is open."""
    found = QApplication.activePopupWidget()
    return found if isinstance(found, QMenu) else None


async def choose(words: str) -> None:
    """Chooses a line of the menu that is open."""
    menu = await until(popup, f"a menu with “{words}”")
    action = next((one for one in menu.actions() if one.text().replace("&", "") == words), None)
    assert action is not None and action.isEnabled(), f"no “{words}” in {[one.text() for one in menu.actions()]}"
    await click(menu, menu.actionGeometry(action).center())


async def pick(box: QComboBox, words: str) -> None:
    """Chooses a line of a drop-down list by keys, as one who came to it with Tab."""
    row = box.findText(words)
    assert row >= 0, f"no “{words}” in {[box.itemText(n) for n in range(box.count())]}"
    await until(lambda: box.isVisible() and box.isEnabled(), f"the list with “{words}”")
    await do(box.setFocus, Qt.FocusReason.TabFocusReason)
    for code in (Qt.Key.Key_Home, *[Qt.Key.Key_Down] * row):
        await key(code)
    await until(lambda: box.currentText() == words, f"“{words}” chosen")


def dialog(kind: type) -> Any:
    """The dialog of a kind that is open."""
    return next((one for one in QApplication.topLevelWidgets() if isinstance(one, kind) and one.isVisible()), None)


async def give_path(path: str) -> None:
    """Types a path into the file dialog that is open."""
    asked = await until(lambda: dialog(QFileDialog), "a file dialog")
    await click(asked.findChild(QLineEdit))
    await type_over(path)
    await key(Qt.Key.Key_Return)
    await until(lambda: dialog(QFileDialog) is None, "the file dialog closed")
