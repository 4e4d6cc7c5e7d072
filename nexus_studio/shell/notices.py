"""Notices over the workspace: what went wrong, to which item, what was kept, what to do next. No modal dialogs."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QCursor, QTextOption
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QFrame,
    QLabel,
    QMainWindow,
    QPlainTextEdit,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from models_backend.contract.messages import Trouble
from models_backend.contract.words import counted, sentence

from .. import __version__, theme
from ..bridge import Way
from ..layouts import Flow, scrolled, wanted_height
from ..naming import without
from ..pieces import button, column, icon_button, label, row, set_role
from ..state.undo import Offer

SHOWN_MS = 6000
#: A line that something can be done with stands longer, and as long as its button has the focus or the pointer.
OFFERED_MS = 15_000
MOST = 3
#: A notice is so wide where there is room, lies so far from the edges, and keeps so far from the pointer where it can.
WIDE_PX, EDGE_PX, NEAR_PX = 440, 12, 24
#: So many troubles are kept in the list behind the one that is shown.
KEPT = 20


def facts_of(trouble: Trouble) -> str:
    """What is known of a trouble, a line each."""
    known = {"What": trouble.what, "Item": trouble.item, "Kept": trouble.kept, "Advice": trouble.advice}
    return "\n".join(f"{name}: {text}" for name, text in known.items() if text)


def report_of(trouble: Trouble) -> str:
    """A report that a person can send: the versions, the facts and the technical part."""
    from PySide6.QtCore import qVersion

    machine = f"Nexus Studio {__version__}, Python {platform.python_version()}, Qt {qVersion()}, {platform.platform()}"
    return "\n".join([machine, time.strftime("%Y-%m-%d %H:%M:%S"), facts_of(trouble), "", trouble.detail]).rstrip() + "\n"


class Notice(QFrame):
    """One trouble or one plain line. Details are plain facts; the technical part is a further step, in a fixed-width face."""

    def __init__(self, trouble: Trouble, plain: bool = False, place: QWidget | None = None):
        super().__init__()
        self.trouble, self.plain, self.place = trouble, plain, place
        self.setProperty("role", "notice")
        self._tone = "accent" if plain else "bad"
        self._mark = QLabel()
        what = sentence(without(trouble.what, trouble.item))
        self.text = label(f"{trouble.item}: {what}" if trouble.item else what, "body", lines=4)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        more = " ".join(f"{sentence(part).rstrip('.')}." for part in (trouble.kept, trouble.advice) if part)
        self.advice = label(more, "label", lines=3)
        self.detail = self._facts()
        self._details = button(self.tr("Details"), "link", self._toggle)
        self._copy = button(self.tr("Copy report"), "link", self._copy_report)
        self.act = button("", "link")
        self.act.hide()
        self.show_it = button("", "link")
        self.show_it.hide()
        self.dismiss = icon_button("close", self.tr("Dismiss"), size=13)
        words = column(self.text, self.advice, spacing=1)
        words.addLayout(Flow(self.show_it, self.act, self._details, self._copy, spacing=4))
        line = row(self._mark, words, self.dismiss, margins=(10, 8, 6, 6))
        for one in (self._mark, self.dismiss):
            line.setAlignment(one, Qt.AlignmentFlag.AlignTop)
        line.setStretch(1, 1)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addLayout(line)
        body.addWidget(self.detail)
        self.advice.setVisible(bool(more))
        self._details.setVisible(not plain)
        self._copy.setVisible(not plain)
        self.setAccessibleName(str(trouble))
        self._draw()

    def offer(self, text: str, act: Callable[[], object]) -> None:
        """Shows a button for what can be done about it."""
        self._let(self.act, text, act)

    def lead(self, text: str, go: Callable[[], object]) -> None:
        """Shows a button that goes where it is seen."""
        self._let(self.show_it, text, go)

    def _let(self, one: QAbstractButton, text: str, act: Callable[[], object]) -> None:
        one.setText(text)
        one.setAccessibleName(f"{text}: {self.text.text()}")
        one.clicked.connect(lambda _checked=False: act())
        one.show()

    def withdraw_offer(self) -> None:
        """It cannot be done from here any more."""
        self.act.hide()

    def is_used(self) -> bool:
        """Whether somebody is about to press one of its buttons."""
        shown = [one for one in (self.act, self.show_it) if not one.isHidden()]
        return bool(shown) and (any(one.hasFocus() for one in shown) or self.underMouse())

    def _facts(self) -> QWidget:
        """The facts of a report, and behind one more click what only a developer can read."""
        facts = label(facts_of(self.trouble), "label", wrap=True)
        facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.technical = QPlainTextEdit(self.trouble.detail)
        self.technical.setReadOnly(True)
        self.technical.setAccessibleName(self.tr("Technical report"))
        self.technical.setFont(theme.font("mono", 11))
        self.technical.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.technical.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.technical.setFixedHeight(theme.px(110))
        self.technical.hide()
        show = button(self.tr("Show the technical report"), "link", lambda: self.technical.setVisible(True))
        show.setVisible(bool(self.trouble.detail))
        whole = QWidget()
        whole.setLayout(column(facts, row(show, None), self.technical, spacing=4, margins=(38, 0, 12, 8)))
        whole.setAccessibleName(self.tr("Details"))
        whole.hide()
        return whole

    def _draw(self) -> None:
        self._mark.setPixmap(theme.pixmap("info" if self.plain else "bad", self._tone, 18))

    def changeEvent(self, event) -> None:
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange and hasattr(self, "_mark"):
            self._draw()

    def _toggle(self) -> None:
        self.detail.setVisible(self.detail.isHidden())

    def _copy_report(self) -> None:
        QApplication.clipboard().setText(report_of(self.trouble))
        self._copy.setText(self.tr("Copied"))


class NoticeBar(QWidget):
    """The newest trouble and a few plain lines, which go by themselves, as cards over a corner of the workspace's middle: they
    move nothing. Troubles wait to be dismissed, each over the workspace that was in front when it came: ``elsewhere`` tells how
    many wait over others. What was told before the newest is listed where it is asked for, so that many at once (of commands
    that fail beside the window) hide nothing.

    It takes part of the window's height and scrolls beyond that. It lies at the lower right, or in the next corner where it
    does not cover the control that has the focus, at first nor the pointer. The newest stands at the top, so that nothing
    below it moves, and no line goes by itself while the pointer is there. Escape that nobody else takes closes the one with the
    focus, else the newest (the window's events are filtered for it); the focus then goes back to where it was."""

    SHARE = 0.45
    elsewhere = Signal(int)

    def __init__(self, over: QStackedWidget | None = None) -> None:
        super().__init__()
        self._over_what = over
        self.setProperty("overlay", True)
        self._list = QWidget()
        self._layout = column(spacing=8)
        self.more = button("", "link", self._unfold)
        clear = button(self.tr("Dismiss all"), "link", self.dismiss_all)
        self._head = set_role(QFrame(), "toast")
        self._head.setLayout(row(self.more, None, clear, margins=(10, 2, 10, 2)))
        self._layout.addWidget(self._head)
        self._unfolded = False
        self._list.setLayout(self._layout)
        self.setLayout(column(scrolled(self._list), spacing=0))
        self._list.installEventFilter(self)
        if over is not None:
            over.installEventFilter(self)
            over.currentChanged.connect(self._change_place)
        self._corner = 0
        self._focus_before: QWidget | None = None
        QApplication.instance().focusChanged.connect(self._focus_went)
        self.notices: list[Notice] = []
        self.setVisible(False)

    def eventFilter(self, watched, event) -> bool:
        if watched is self._list:
            if event.type() == QEvent.Type.LayoutRequest:
                self._follow()
        elif event.type() in (QEvent.Type.Resize, QEvent.Type.Move):
            self._follow()
        elif event.type() == QEvent.Type.KeyPress and watched is self.window() and event.key() == Qt.Key.Key_Escape:
            focused = self.window().focusWidget()
            here = self._here()
            for notice in [one for one in here if one.isAncestorOf(focused)] or here[-1:]:
                self._remove(notice)
                return True
        return False

    def _middle(self) -> QRect:
        """The middle of the workspace that is shown, in the window."""
        shown = self._place()
        middle = shown.centralWidget() if isinstance(shown, QMainWindow) else None
        if middle is None:
            return self.parentWidget().rect()
        middle.installEventFilter(self)
        return QRect(middle.mapTo(self.parentWidget(), QPoint()), middle.size())

    def _corners(self) -> list[QRect]:
        """Where it may lie, in the window, the best place first."""
        room = self._middle().adjusted(EDGE_PX, EDGE_PX, -EDGE_PX, -EDGE_PX)
        width = min(theme.px(WIDE_PX), room.width())
        high = min(wanted_height(self._list, width), round(self.window().height() * self.SHARE), room.height())
        place = QRect(0, 0, width, high)
        found = []
        for corner in (room.bottomRight(), room.topRight(), room.bottomLeft(), room.topLeft()):
            place.moveLeft(room.left() if corner.x() == room.left() else room.right() + 1 - width)
            place.moveTop(room.top() if corner.y() == room.top() else room.bottom() + 1 - high)
            found.append(QRect(place))
        return found

    def _place(self) -> QWidget | None:
        """The workspace in front."""
        return self._over_what.currentWidget() if self._over_what is not None else None

    def _here(self) -> list[Notice]:
        """What is told over the workspace in front."""
        return [one for one in self.notices if one.plain or one.place in (None, self._place())]

    def _change_place(self) -> None:
        for notice in self.notices:
            notice.place = notice.place or self._place()
        self._fold()

    def bring(self) -> None:
        """Shows over the workspace in front what waits over others."""
        for notice in self.notices:
            notice.place = self._place()
        self._fold()
        self.raise_()

    def _follow(self) -> None:
        """Puts it in its place."""
        if self.notices and self.parentWidget() is not None:
            self.setGeometry(self._corners()[self._corner])

    def _keep_clear(self, *used: QRect) -> None:
        """Moves it to where it covers least of what is in use; a view that reaches into every corner does not count."""
        corners = self._corners()
        controls = [one for one in used if not all(one.intersects(place) for place in corners)]
        covered = [sum(_area(place & one) for one in controls) for place in corners]
        if covered[self._corner]:
            self._corner = covered.index(min(covered))
        self._follow()

    def _focused(self) -> QRect:
        """Where the control with the focus is, or the box over the window that it stands in."""
        one = self.window().focusWidget()
        if one is None or self.isAncestorOf(one):
            return QRect()
        above = one
        while above is not None and above.property("role") != "popup":
            above = above.parentWidget()
        one = above or one
        return QRect(one.mapTo(self.window(), QPoint()), one.size()) if one is not self.window() else QRect()

    def _focus_went(self, before: QWidget | None, now: QWidget | None) -> None:
        if self.isVisible() and now is not None and now.window() is self.window():
            if not self.isAncestorOf(now):
                self._keep_clear(self._focused())
            elif before is not None and not self.isAncestorOf(before):
                self._focus_before = before

    def _is_near(self) -> bool:
        """Whether the pointer is in it."""
        return self.rect().contains(self.mapFromGlobal(QCursor.pos()))

    def show_trouble(self, trouble: Trouble, place: QWidget | None = None) -> None:
        """Shows what went wrong until it is dismissed, over ``place`` or the workspace in front."""
        place = place or self._place()
        known = next((one for one in self.notices if one.trouble == trouble), None)
        if known is None:
            self._add(Notice(trouble, place=place))
        else:
            known.place = place
            self._fold()

    def show_line(self, text: str, offer: Offer | None = None, show: Callable[[], object] | None = None) -> None:
        """Shows a plain line for some seconds, with a button for what it offers until that is over, and one to see it."""
        notice = Notice(Trouble(text), plain=True)
        if show is not None:
            notice.lead(self.tr("Show"), show)
        if offer is not None:
            notice.offer(self.tr("Redo") if offer.again else self.tr("Undo"), offer.take)
            offer.setParent(notice)
            offer.over.connect(lambda taken: self._over(notice, taken))
        self._add(notice)
        self._go_later(notice, SHOWN_MS if offer is None and show is None else OFFERED_MS)

    def show_ways(self, text: str, ways: tuple[Way, ...]) -> None:
        """Shows a plain line with a button for each way to go on from it; it has been answered once one is taken."""
        notice = Notice(Trouble(text), plain=True)
        for place, way in zip((notice.lead, notice.offer), ways):
            place(way.words, lambda way=way: (self._remove(notice), way.act()))
        self._add(notice)
        self._go_later(notice, OFFERED_MS)

    def _go_later(self, notice: Notice, ms: int) -> None:
        def go() -> None:
            used = notice.is_used() or self._is_near()
            self._go_later(notice, SHOWN_MS) if used else self._remove(notice)

        QTimer.singleShot(ms, notice, go)

    def _over(self, notice: Notice, taken: bool) -> None:
        """What a line offered is not to be had any more; once it was taken back, or its thing restored elsewhere, the
        line is not so either."""
        if notice in self.notices:
            self._remove(notice) if taken else notice.withdraw_offer()

    def _add(self, notice: Notice) -> None:
        notice.dismiss.clicked.connect(lambda _checked=False: self._remove(notice))
        first = not self._here()
        self.notices.append(notice)
        self._layout.insertWidget(1, set_role(notice, "toast"))
        lines, troubles = self._of(plain=True), self._of(plain=False)
        for old in [*lines[: max(0, len(lines) - MOST + bool(troubles))], *troubles[: max(0, len(troubles) - KEPT)]]:
            self._remove(old)
        self._fold()
        if first and self.parentWidget() is not None:
            self._corner, near = 0, theme.px(NEAR_PX)
            pointer = QRect(self.window().mapFromGlobal(QCursor.pos()), QSize(1, 1)).adjusted(-near, -near, near, near)
            self._keep_clear(self._focused(), pointer)
        self.raise_()
        said = QAccessibleAnnouncementEvent(self, str(notice.trouble))
        if not notice.plain:
            said.setPoliteness(QAccessible.AnnouncementPoliteness.Assertive)
        QAccessible.updateAccessibility(said)

    def _of(self, plain: bool) -> list[Notice]:
        return [one for one in self.notices if one.plain == plain]

    def _unfold(self) -> None:
        self._unfolded = not self._unfolded
        self._fold()

    def _fold(self) -> None:
        """Shows the newest trouble alone, or all of them where they were asked for."""
        here = self._here()
        troubles = [one for one in here if not one.plain]
        before = len(troubles) - 1
        self._unfolded = self._unfolded and before > 0
        for notice in self.notices:
            notice.setVisible(notice in here and (notice.plain or self._unfolded or notice is troubles[-1]))
        self._head.setVisible(before > 0)
        self.more.setText(self.tr("Show the newest only") if self._unfolded else counted(before, "earlier problem"))
        self.setVisible(bool(here))
        self.elsewhere.emit(len(self.notices) - len(here))
        self._follow()

    def _remove(self, notice: Notice) -> None:
        if notice in self.notices:
            self.notices.remove(notice)
            before = self._focus_before
            if notice.isAncestorOf(self.window().focusWidget()) and before is not None and isValid(before):
                before.setFocus()
            self._layout.removeWidget(notice)
            notice.hide()
            notice.deleteLater()
        self._fold()

    def withdraw(self, what: str) -> None:
        """Takes away what is not so any more."""
        for notice in [one for one in self.notices if one.trouble.what.casefold() == what.casefold()]:
            self._remove(notice)

    def dismiss_all(self) -> None:
        """Takes every notice over the workspace in front away."""
        for notice in self._here():
            self._remove(notice)


def _area(rect: QRect) -> int:
    return rect.width() * rect.height() if rect.isValid() else 0
