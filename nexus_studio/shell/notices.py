"""The notice bar: what went wrong, to which item, what was kept, what to do next. No modal dialogs."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCursor, QTextOption
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QBoxLayout,
    QFrame,
    QLabel,
    QMainWindow,
    QPlainTextEdit,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from models_backend.contract.messages import Trouble
from models_backend.contract.words import counted, sentence

from .. import __version__, theme
from ..bridge import Way
from ..layouts import scrolled, wanted_height
from ..naming import without
from ..pieces import button, column, icon_button, label, row
from ..state.undo import Offer

SHOWN_MS = 6000
#: A line that something can be done with stands longer, and as long as its button has the focus or the pointer.
OFFERED_MS = 15_000
#: So near the bar, or after so much of a way, in pixels, a pointer is on its way; it is looked at so often.
NEAR_PX, WATCHED_MS = 40, 100
MOST = 3
#: From this width on, buttons have room beside the words.
BESIDE_PX = 680
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
    """One trouble or one plain line. Details are plain facts; the technical part is a further step, in a fixed-width face.

    ``narrow``: for a column, what can be done stands below the words."""

    def __init__(self, trouble: Trouble, plain: bool = False, narrow: bool = False):
        super().__init__()
        self.trouble, self.plain = trouble, plain
        self.setProperty("role", "notice")
        self._said: QBoxLayout | None = None
        self._tone = "accent" if plain else "bad"
        self._mark = QLabel()
        what = sentence(without(trouble.what, trouble.item))
        self.text = label(f"{trouble.item}: {what}" if trouble.item else what, "body", lines=3)
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
        if narrow:
            words.addLayout(row(self._details, self._copy, None, spacing=4))
            line = row(self._mark, words, self.dismiss, margins=(10, 6, 6, 6))
        else:
            self._ways = row(self.show_it, self.act, self._details, self._copy)
            self._said = row(words, self._ways)
            self._said.setStretch(0, 1)
            line = row(self._mark, self._said, self.dismiss, margins=(12, 7, 10, 7))
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

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        if self._said is not None:  # what can be done stands below the words where both have no room side by side
            beside = event.size().width() >= theme.px(BESIDE_PX)
            self._said.setDirection(QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom)
            self._said.setAlignment(self._ways, Qt.AlignmentFlag(0) if beside else Qt.AlignmentFlag.AlignLeft)

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


class Room(QWidget):
    """The place in a layout of a bar that lies over it. ``moved`` when the layout gave it another one."""

    moved = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0
        self.setProperty("overlay", True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)

    def take(self, height: int) -> None:
        """Takes that height, or what of it there is room for."""
        self.taken = height
        self.updateGeometry()
        if self.parentWidget() is not None:
            self.parentWidget().layout().activate()

    def sizeHint(self) -> QSize:
        return QSize(600, self.taken)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, min(self.taken, theme.px(48)))

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self.moved.emit()

    def moveEvent(self, event) -> None:
        super().moveEvent(event)
        self.moved.emit()


class NoticeBar(QWidget):
    """The newest trouble and a few plain lines, which go by themselves. Troubles wait to be dismissed; what was told before
    the newest is listed where it is asked for, so that many at once (of commands that fail beside the window) hide nothing.

    It takes part of the window's height and scrolls beyond that; the window never grows for it. Plain lines lie over the lower
    edge of the middle of ``over``, beside the columns with buttons, and move nothing. With a trouble it lies over what stands
    in its ``room``, which follows its height once the pointer has moved on, so that nothing moves under a pointer at rest; for
    the same reason the newest stands at the top, and no line goes by itself while the pointer is near. Escape that nobody else
    takes closes the newest: the window's events are filtered for it."""

    SHARE = 0.45

    def __init__(self, over: QStackedWidget | None = None) -> None:
        super().__init__()
        self._over_what = over
        if over is not None:
            over.currentChanged.connect(self._follow)
        self._list = QWidget()
        self._layout = column(spacing=0)
        self.more = button("", "link", self._unfold)
        clear = button(self.tr("Dismiss all"), "link", self.dismiss_all)
        self._head = QWidget()
        self._head.setLayout(row(self.more, None, clear, margins=(12, 2, 10, 2)))
        self._layout.addWidget(self._head)
        self._unfolded = False
        self._list.setLayout(self._layout)
        self.setLayout(column(scrolled(self._list), spacing=0))
        self._list.installEventFilter(self)
        self.setAutoFillBackground(True)
        self.room = Room()
        self.room.moved.connect(self._follow)
        self._within, self._rested = QSize(), QPoint()
        self._waiting = QTimer(self, interval=WATCHED_MS)
        self._waiting.timeout.connect(self._follow)
        self.notices: list[Notice] = []
        self.setVisible(False)

    def eventFilter(self, watched, event) -> bool:
        if watched is self._list:
            if event.type() == QEvent.Type.LayoutRequest:
                self._follow()
        elif event.type() == QEvent.Type.KeyPress and event.key() == Qt.Key.Key_Escape and self.notices:
            self._remove(self.notices[-1])
            return True
        return False

    def _middle(self) -> QRect:
        """Where plain lines lie: as wide as the middle of the workspace, ending where the room ends."""
        room, shown = self.room.geometry(), self._over_what.currentWidget() if self._over_what is not None else None
        middle = shown.centralWidget() if isinstance(shown, QMainWindow) else None
        if middle is None:
            return room
        return QRect(middle.mapTo(self.parentWidget(), QPoint()).x(), room.top(), middle.width(), room.height())

    def _follow(self, _shown: int = 0) -> None:
        """Puts the bar in its place, and lets its room follow where nothing moves under the pointer by that."""
        within = QSize(self.room.width(), self.window().height())
        most = round(within.height() * self.SHARE)
        place = self.room.geometry() if self._of(plain=False) else self._middle()
        high = min(wanted_height(self._list, max(place.width(), 200)), most) if self.notices else 0
        wanted = high if self._of(plain=False) else 0
        if wanted == self.room.taken:
            self._waiting.stop()
        elif within != self._within or self._may_move():  # the window's size changed: everything moves
            self._waiting.stop()
            self.room.take(wanted)
        elif not self._waiting.isActive():
            self._rested = QCursor.pos()
            self._waiting.start()
        self._within = within
        room = self.room.geometry()
        high = room.height() if wanted and wanted == self.room.taken and room.height() else high
        self.setGeometry(place.left(), room.bottom() + 1 - high, place.width(), high)

    def _may_move(self) -> bool:
        """Whether the pointer is away from what moves with the room, or has moved since it was waited for."""
        pointer, around = QCursor.pos(), self.room.parentWidget()
        if around is None or not self.window().isVisible():
            return True
        at = around.mapFromGlobal(pointer)
        away = not around.rect().contains(at) or at.y() > self.room.geometry().bottom()
        return away or (self._waiting.isActive() and (pointer - self._rested).manhattanLength() > theme.px(NEAR_PX))

    def _is_near(self) -> bool:
        """Whether the pointer is in the bar or about to be."""
        near = theme.px(NEAR_PX) if self.room.taken else 0  # what takes no room moves nothing when it goes
        return self.rect().adjusted(-near, -near, near, near).contains(self.mapFromGlobal(QCursor.pos()))

    def show_trouble(self, trouble: Trouble) -> None:
        """Shows what went wrong until it is dismissed."""
        if not any(known.trouble == trouble for known in self.notices):
            self._add(Notice(trouble))

    def show_line(self, text: str, offer: Offer | None = None, show: Callable[[], object] | None = None) -> None:
        """Shows a plain line for some seconds, with a button for what it offers until that is over, and one to see it."""
        notice = Notice(Trouble(text), plain=True)
        if show is not None:
            notice.lead(self.tr("Show"), show)
        if offer is not None:
            notice.offer(self.tr("Redo") if offer.again else self.tr("Undo"), offer.take)
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
        """What a line offered is not to be had any more; once it was taken back the line is not so either."""
        if notice in self.notices:
            self._remove(notice) if taken else notice.withdraw_offer()

    def _add(self, notice: Notice) -> None:
        notice.dismiss.clicked.connect(lambda _checked=False: self._remove(notice))
        self.notices.append(notice)
        self._layout.insertWidget(1, notice)
        lines, troubles = self._of(plain=True), self._of(plain=False)
        for old in [*lines[: max(0, len(lines) - MOST + bool(troubles))], *troubles[: max(0, len(troubles) - KEPT)]]:
            self._remove(old)
        self._fold()

    def _of(self, plain: bool) -> list[Notice]:
        return [one for one in self.notices if one.plain == plain]

    def _unfold(self) -> None:
        self._unfolded = not self._unfolded
        self._fold()

    def _fold(self) -> None:
        """Shows the newest trouble alone, or all of them where they were asked for."""
        troubles = self._of(plain=False)
        before = len(troubles) - 1
        self._unfolded = self._unfolded and before > 0
        for notice in self.notices:
            notice.setVisible(notice.plain or self._unfolded or notice is troubles[-1])
        self._head.setVisible(before > 0)
        self.more.setText(self.tr("Show the newest only") if self._unfolded else counted(before, "earlier problem"))
        self.setVisible(bool(self.notices))
        self._follow()

    def _remove(self, notice: Notice) -> None:
        if notice in self.notices:
            self.notices.remove(notice)
            self._layout.removeWidget(notice)
            notice.hide()
            notice.deleteLater()
        self._fold()

    def withdraw(self, what: str) -> None:
        """Takes away what is not so any more."""
        for notice in [one for one in self.notices if one.trouble.what.casefold() == what.casefold()]:
            self._remove(notice)

    def dismiss_all(self) -> None:
        """Takes every notice away."""
        for notice in list(self.notices):
            self._remove(notice)
