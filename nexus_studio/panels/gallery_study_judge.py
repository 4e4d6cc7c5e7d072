"""One pair of a blind study: two pictures without names, and the keys 1, 2, 0."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QStackedWidget, QWidget

from models_backend.contract.run_layout import StudyPair

from ..pieces import EmptyState, Header, allow, button, column, label, meter, row
from ..viewers.image_view import ImageView

CHOICES = {Qt.Key.Key_1: "left", Qt.Key.Key_2: "right", Qt.Key.Key_0: "tie"}


class PairJudge(QWidget):
    """Shows a pair and tells what was preferred: "left", "right" or "tie"."""

    answered = Signal(str)
    taken_back = Signal()
    ended = Signal()
    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(self.tr("Which is better?"))
        self.left, self.right = ImageView(exact=True), ImageView(exact=True)
        for view in (self.left, self.right):
            view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.counter, self.bar = label("", "mono"), meter()
        self.caption = self._words("large")
        self.left_caption, self.right_caption = self._words("label"), self._words("label")
        self.close_button = button(self.tr("Close  Esc"), on_click=self.closed.emit)
        self.undo_button = button(self.tr("Undo the last answer  ⌫"), on_click=self.taken_back.emit)
        self.end_button = button(self.tr("End here, show the result"), on_click=self.ended.emit)
        self.choices = [
            button(text, on_click=lambda choice=choice: self.answered.emit(choice))
            for text, choice in (
                (self.tr("1  Left is better"), "left"), (self.tr("0  No difference"), "tie"),
                (self.tr("2  Right is better"), "right"),
            )
        ]  # fmt: skip
        self.end_page = EmptyState(
            "ok", "", self.tr("The names come with the result. Until then the last answer can be taken back."),
            self.tr("Show the result"), self.ended.emit,
        )  # fmt: skip
        self.stack = QStackedWidget()
        self._build()

    def _words(self, role: str):
        made = label("", role, wrap=True)
        made.setAlignment(Qt.AlignmentFlag.AlignCenter)
        return made

    def _build(self) -> None:
        header = Header(self.tr("Which is better?"))
        header.corner.addWidget(self.counter)
        header.corner.addWidget(self.close_button)
        pictures = row(
            column(self.left, self.left_caption, spacing=6), column(self.right, self.right_caption, spacing=6), spacing=16
        )
        for place in range(2):
            pictures.setStretch(place, 1)
            pictures.itemAt(place).layout().setStretch(0, 1)
        pair = QWidget()
        answers = row(None, *self.choices, None, spacing=12)
        pair.setLayout(column(self.caption, pictures, answers, spacing=12))
        pair.layout().setStretch(1, 1)
        self.stack.addWidget(pair)
        self.stack.addWidget(self.end_page)
        below = row(self.undo_button, None, self.end_button)
        inner = column(self.bar, self.stack, below, spacing=12, margins=(16, 4, 16, 12))
        inner.setStretch(1, 1)
        self.setLayout(column(header, inner, spacing=0))

    def show_pair(self, left: QImage, right: QImage, pair: StudyPair, done: int, total: int) -> None:
        """Shows the pair that is asked for now; ``done`` of ``total`` are answered. A caption that only one side has would
        give it away and is not shown."""
        same = pair.left.caption == pair.right.caption
        both = bool(pair.left.caption and pair.right.caption) and not same
        self._set(self.caption, pair.left.caption if same else "")
        self._set(self.left_caption, pair.left.caption if both else "")
        self._set(self.right_caption, pair.right.caption if both else "")
        for view, picture in ((self.left, left), (self.right, right)):
            view.set_picture(picture)
            view.fit()
        self.stack.setCurrentIndex(0)
        self._show_progress(done, total, self.tr("{0} of {1}").format(done + 1, total))

    def show_end(self, done: int, total: int) -> None:
        """No pair is left."""
        self.end_page.title.setText(self.tr("All {0} pairs are answered").format(done))
        self.stack.setCurrentIndex(1)
        self._show_progress(done, total, self.tr("{0} of {1}").format(done, total))

    def _show_progress(self, done: int, total: int, words: str) -> None:
        self.counter.setText(words)
        self.bar.setValue(round(1000 * done / total) if total else 0)
        for one in (self.undo_button, self.end_button):
            allow(one, done > 0, self.tr("No pair is answered yet"))
        self.end_button.setVisible(self.stack.currentIndex() == 0)

    @staticmethod
    def _set(words, text: str) -> None:
        words.setText(text)
        words.setVisible(bool(text))

    # --------------------------------------------------------------------------------------------- events

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and self._meaning(event) is not None:
            event.accept()  # these keys mean something else here than in the rest of the window
            return True
        return super().event(event)

    def _meaning(self, event: QKeyEvent):
        if event.key() in CHOICES and self.stack.currentIndex() == 0:
            return lambda: self.answered.emit(CHOICES[event.key()])
        if event.key() == Qt.Key.Key_Backspace or event.matches(QKeySequence.StandardKey.Undo):
            return self.taken_back.emit
        if event.key() == Qt.Key.Key_Escape:
            return self.closed.emit
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.stack.currentIndex() == 1:
            return self.ended.emit
        return None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        meaning = self._meaning(event)
        if meaning is None or event.isAutoRepeat():
            super().keyPressEvent(event)
        else:
            meaning()
