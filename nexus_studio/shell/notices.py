"""The notice bar: what went wrong, to which item, what was kept, what to do next. No modal dialogs."""

from __future__ import annotations

import platform
import time

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QTextOption
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QPlainTextEdit, QSizePolicy, QVBoxLayout, QWidget

from models_backend.contract.messages import Trouble

from .. import __version__, theme
from ..fitting import scrolled, wanted_height
from ..naming import sentence, without
from ..pieces import button, column, icon_button, label, row

SHOWN_MS = 6000
MOST = 3


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
        self.dismiss = icon_button("close", self.tr("Dismiss"), size=13)
        words = column(self.text, self.advice, spacing=1)
        if narrow:
            words.addLayout(row(self._details, self._copy, None, spacing=4))
            line = row(self._mark, words, self.dismiss, margins=(10, 6, 6, 6))
        else:
            line = row(self._mark, words, self._details, self._copy, self.dismiss, margins=(12, 7, 10, 7))
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
    """At most three notices, the newest last. Plain lines go by themselves; troubles wait to be dismissed.

    It takes part of the window's height and scrolls beyond that; the window never grows for it."""

    SHARE = 0.45

    def __init__(self) -> None:
        super().__init__()
        self._list = QWidget()
        self._layout = column(spacing=0)
        self._list.setLayout(self._layout)
        self.setLayout(column(scrolled(self._list), spacing=0))
        self._list.installEventFilter(self)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.notices: list[Notice] = []
        self.setVisible(False)

    def sizeHint(self) -> QSize:
        most = round(self.window().height() * self.SHARE)
        return QSize(600, min(wanted_height(self._list, max(self.width(), 200)), most))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, min(self.sizeHint().height(), theme.px(48)))

    def eventFilter(self, watched, event) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return False

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()

    def show_trouble(self, trouble: Trouble) -> None:
        """Shows what went wrong until it is dismissed."""
        if not any(known.trouble == trouble for known in self.notices):
            self._add(Notice(trouble))

    def show_line(self, text: str) -> None:
        """Shows a plain line for six seconds."""
        notice = Notice(Trouble(text), plain=True)
        self._add(notice)
        QTimer.singleShot(SHOWN_MS, notice, lambda: self._remove(notice))

    def _add(self, notice: Notice) -> None:
        notice.dismiss.clicked.connect(lambda _checked=False: self._remove(notice))
        self.notices.append(notice)
        self._layout.addWidget(notice)
        while len(self.notices) > MOST:  # lines go before troubles, which wait to be dismissed
            self._remove(next((one for one in self.notices if one.plain), self.notices[0]))
        self.setVisible(True)

    def _remove(self, notice: Notice) -> None:
        if notice in self.notices:
            self.notices.remove(notice)
            self._layout.removeWidget(notice)
            notice.hide()
            notice.deleteLater()
        self.setVisible(bool(self.notices))

    def dismiss_all(self) -> None:
        """Takes every notice away."""
        for notice in list(self.notices):
            self._remove(notice)
