"""Text that gives way to the room there is: no widget here asks for more width because its text is long.

What does not fit is cut with an ellipsis, or wrapped, inside words where it must be; the whole stands in the tooltip, is
what ``text()`` returns, and is what a screen reader says.
"""

from __future__ import annotations

import html
import re

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QKeySequence, QTextLayout, QTextOption
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from . import theme

#: No text asks for more than this many pixels of width, and none is measured beyond so many letters.
WIDEST, MEASURED = 1200, 600
#: A text is never pressed below this width (times the text size) unless it is shorter itself.
NARROWEST = 44
#: A button's own words are seen whole up to this width.
OWN_WORDS = 150
#: Runs of letters longer than this may be broken anywhere; tooltips hold this many letters at most.
RUN, TIP = 14, 2400
BREAK = "\u200b"


def breakable(text: str) -> str:
    """A text whose long runs without a space can be wrapped: invisible places to break stand in them."""
    return re.sub(rf"\S{{{RUN + 1},}}", lambda run: BREAK.join(re.findall(rf".{{1,{RUN}}}", run[0])), text)


def one_line(text: str) -> str:
    """A text without line ends and without blanks around it, cut where no screen could show more."""
    return " ".join(text[:MEASURED].split())


def menu_text(text: str, letters: int = 60) -> str:
    """A name as the entry of a menu: one line of so many letters at most, none of which becomes a shortcut."""
    line = one_line(text)
    return (line if len(line) <= letters else line[: letters - 1].rstrip() + "…").replace("&", "&&")


def tip(text: str) -> str:
    """A text as the tooltip that shows exactly its letters, wrapped: Qt takes what looks like HTML for HTML."""
    if len(text) < 80 and "<" not in text and "&" not in text:
        return text
    cut = text if len(text) <= TIP else text[:TIP] + "…"
    return f"<p style='white-space:pre-wrap'>{html.escape(breakable(cut))}</p>"


class _Elides:
    """For a QLabel, QPushButton or QCheckBox: one line, cut where the room ends."""

    _text = _own_tip = _own_name = ""
    _reserved, _least = 0, NARROWEST
    _cut = Qt.TextElideMode.ElideRight

    def setText(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.updateGeometry()
            self._fit()

    def text(self) -> str:
        """The whole text."""
        return self._text

    def is_elided(self) -> bool:
        """Whether less than the whole text is seen."""
        return self._shown() != self._text.strip()

    def setToolTip(self, text: str) -> None:
        self._own_tip = text
        self._tell()

    def toolTip(self) -> str:
        """The tooltip; the whole text stands in it where that is cut."""
        parts = [self._text if self.is_elided() and self._text not in self._own_tip else "", self._own_tip]
        return "\n".join(filter(None, parts))

    def setAccessibleName(self, name: str) -> None:
        self._own_name = name
        self._tell()

    def reserve(self, letters: int) -> None:
        """Takes the room of so many digits whatever the text is, so that nothing beside it moves with its figures."""
        self._reserved = letters
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        hint, metrics = self._base.sizeHint(self), self.fontMetrics()
        text = "0" * self._reserved if self._reserved else one_line(self._text)
        return QSize(min(self._chrome(hint) + metrics.horizontalAdvance(text) + 1, WIDEST), hint.height())

    def minimumSizeHint(self) -> QSize:
        hint = self.sizeHint()
        return QSize(min(hint.width(), self._chrome(self._base.sizeHint(self)) + theme.px(self._least)), hint.height())

    def resizeEvent(self, event: QEvent) -> None:
        self._base.resizeEvent(self, event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        self._base.changeEvent(self, event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()
            self._fit()

    def _shown(self) -> str:
        return self._base.text(self) if self._base is QLabel else self._base.text(self).replace("&&", "&")

    def _chrome(self, hint: QSize) -> int:
        """What padding, icon and border take of the width."""
        return max(0, hint.width() - self.fontMetrics().horizontalAdvance(self._shown()))

    def _fit(self) -> None:
        room, metrics = self.width() - self._chrome(self._base.sizeHint(self)), self.fontMetrics()
        shown = line = one_line(self._text)
        if metrics.horizontalAdvance(line) > room + 1:
            shown = metrics.elidedText(line, self._cut, max(room - 2, 0))
        if shown != self._shown():
            self._base.setText(self, shown if self._base is QLabel else shown.replace("&", "&&"))
        self._tell()

    def _tell(self) -> None:
        self._base.setToolTip(self, tip(self.toolTip()))
        self._base.setAccessibleName(self, self._own_name or (self._text if self.is_elided() else ""))


class ElidedLabel(_Elides, QLabel):
    """A line that gives way: what does not fit is cut (at its end) with an ellipsis, never widening the window."""

    _base = QLabel

    def __init__(
        self, text: str = "", role: str = "mono", side: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft, least: int = NARROWEST,
        cut: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ):  # fmt: skip
        super().__init__()
        self._least, self._cut = least, cut
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self.setText(text)

    def whole(self) -> str:
        """The line as it would be with room for all of it."""
        return self._text

    def set_whole(self, text: str, title: str = "") -> None:
        """The line; its tooltip holds all of it below a title."""
        self.setText(text)
        self.setToolTip(f"{title}\n{text}".strip() if title else "")


class ElidedButton(_Elides, QPushButton):
    """A button whose text is somebody's name for something: what does not fit is cut."""

    _base = QPushButton

    def __init__(self, text: str = "", least: int = NARROWEST):
        super().__init__()
        self._least = least
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def setMenu(self, menu: QMenu) -> None:
        self.setProperty("menued", True)  # its text leaves room for the arrow
        super().setMenu(menu)


class ElidedCheck(_Elides, QCheckBox):
    """A check box for something that somebody named."""

    _base = QCheckBox

    def __init__(self, text: str = ""):
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setText(text)


class Words(QLabel):
    """Text over as many lines as it needs, or at most ``lines``; words too long for a line are broken inside."""

    def __init__(self, text: str = "", role: str = "label", lines: int = 0):
        super().__init__()
        self._text, self._lines, self._own_tip = "", lines, ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setWordWrap(True)
        self.setText(text)

    def setText(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self._fit()

    def text(self) -> str:
        """The whole text."""
        return self._text

    def is_elided(self) -> bool:
        """Whether less than the whole text is seen."""
        return super().text() != breakable(self._text)

    def setToolTip(self, text: str) -> None:
        self._own_tip = text
        super().setToolTip(tip(self.toolTip()))

    def toolTip(self) -> str:
        """The tooltip; the whole text stands in it where that is cut."""
        return "\n".join(filter(None, [self._text if self.is_elided() else "", self._own_tip]))

    def resizeEvent(self, event: QEvent) -> None:
        super().resizeEvent(event)
        if self._lines:
            self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if self._lines and event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(hint.width(), min(hint.height(), self._most(hint.height())))

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), theme.px(120)), min(hint.height(), self._most(hint.height())))

    def heightForWidth(self, width: int) -> int:
        if self._lines:
            width -= self.contentsMargins().left() + self.contentsMargins().right()
            shown = lines_of(breakable(self._text), self, width, self._lines)
            room = QRect(0, 0, width, 1 << 16)
            return self.fontMetrics().boundingRect(room, Qt.TextFlag.TextWordWrap, shown).height() + 2
        return super().heightForWidth(width)

    def _most(self, height: int) -> int:
        return self._lines * (self.fontMetrics().lineSpacing() + 1) + 2 if self._lines else height

    def _fit(self) -> None:
        whole = breakable(self._text)
        if self._lines and self.width() > 0:
            whole = lines_of(whole, self, self.contentsRect().width(), self._lines)
        if whole != super().text():
            super().setText(whole)
        super().setToolTip(tip(self.toolTip()))
        super().setAccessibleName(self._text if self.is_elided() else "")

    # copying leaves the places to break behind

    def keyPressEvent(self, event) -> None:
        if event.matches(QKeySequence.StandardKey.Copy) and self.hasSelectedText():
            self._copy()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event) -> None:
        if not self.textInteractionFlags() & Qt.TextInteractionFlag.TextSelectableByMouse:
            event.ignore()
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Copy"), self._copy).setEnabled(self.hasSelectedText())
        menu.addAction(self.tr("Copy all of it"), lambda: QApplication.clipboard().setText(self._text))
        menu.popup(event.globalPos())

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.selectedText().replace(BREAK, ""))


def lines_of(text: str, widget: QWidget, width: int, most: int) -> str:
    """As much of a text as ``most`` lines of a width hold, ending in an ellipsis where that is not all of it."""
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WordWrap)
    layout = QTextLayout(text[: most * MEASURED].replace("\n", "\u2028"), widget.font())
    layout.setTextOption(option)
    layout.beginLayout()
    taken, last = 0, 0
    while taken < most and (line := layout.createLine()).isValid():
        line.setLineWidth(max(width - 1, 1))
        taken, last = taken + 1, line.textStart()
    more = layout.createLine().isValid() if taken == most else False
    layout.endLayout()
    if not more:
        return text
    rest = " ".join(text[last:][:MEASURED].split())
    return text[:last] + widget.fontMetrics().elidedText(rest, Qt.TextElideMode.ElideRight, max(width - 2, 1))
