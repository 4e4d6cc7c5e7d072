"""A blind study over the whole gallery: what is compared, then pair after pair, then the result with its names."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Any

import msgspec
from PySide6.QtCore import QEvent, Signal
from PySide6.QtWidgets import QFrame, QStackedWidget

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import SampleRecord, StudyAnswer, StudyItem, StudyPair, StudyRecord

from ..pieces import column
from ..state.session import Session
from ..viewers.modality import shown
from .gallery_study_judge import PairJudge
from .gallery_study_result import StudyResult
from .gallery_study_setup import StudySetup

PICTURE_PX = 512
SAMPLES_KEPT = 8


async def _finish(write: asyncio.Future) -> None:
    await asyncio.shield(write)  # a window that closes meanwhile still writes it


class StudyView(QFrame):
    """Three pages over its parent. Answers are written as they are given, so closing it loses nothing."""

    closed = Signal()

    def __init__(self, session: Session, parent):
        super().__init__(parent)
        self._session, self.record = session, None
        self.setProperty("role", "canvas")
        self.setProperty("overlay", True)
        self.setAccessibleName(self.tr("Blind study"))
        self.setup, self.judge, self.result = StudySetup(session), PairJudge(), StudyResult(session)
        self.pages = QStackedWidget()
        for page in (self.setup, self.judge, self.result):
            self.pages.addWidget(page)
        self.setLayout(column(self.pages, spacing=0))
        self._shown, self._stamp = -1, 0  # the pair that may be answered now, or -1
        self._gone: set[int] = set()
        self._items: OrderedDict[str, Any] = OrderedDict()
        self._connect()
        parent.installEventFilter(self)
        self.hide()

    def _connect(self) -> None:
        self.setup.begun.connect(self.resume)
        self.judge.answered.connect(self.answer)
        self.judge.taken_back.connect(self.take_back)
        self.judge.ended.connect(self.end)
        self.result.again.connect(lambda: self._session.bridge.spawn(self._again()))
        for page in (self.setup, self.judge, self.result):
            page.closed.connect(self.close_view)

    def open(self, records: list[SampleRecord]) -> None:
        """Asks what is compared, beginning with the samples that are selected."""
        self.record = None
        self._place()
        self.show()
        self.raise_()
        self._show_page(self.setup)
        self._session.bridge.spawn(self.setup.load(records))

    def close_view(self) -> None:
        """Back to the gallery; the study can be gone on with."""
        self._stamp, self._shown, self.record = self._stamp + 1, -1, None
        self._items.clear()
        self.hide()
        self.closed.emit()

    def _show_page(self, page) -> None:
        self.pages.setCurrentWidget(page)
        page.setFocus()

    # -------------------------------------------------------------------------------------------- judging

    def resume(self, record: StudyRecord) -> None:
        """Goes on with a study where it stands; one that has ended shows its result."""
        self.record, self._gone = record, set()
        if record.ended:
            self.result.show_study(record)
            self._show_page(self.result)
        else:
            self._show_page(self.judge)
            self._advance()

    def answer(self, choice: str) -> None:
        """Keeps what was preferred of the pair that is seen, and shows the next one."""
        if self.record is not None and self._shown >= 0:
            given = StudyAnswer(self._shown, choice, time.time())
            self._keep(answers=(*self.record.answers, given))
            self._advance()

    def take_back(self) -> None:
        """Asks the last answered pair again."""
        if self.record is not None and self.record.answers:
            self._keep(answers=self.record.answers[:-1])
            self._advance()

    def end(self) -> None:
        """Takes no more answers and shows the result."""
        if self.record is not None:
            self._keep(ended=time.time())
            self.resume(self.record)

    def _keep(self, **changes: Any) -> None:
        from models_backend.library import studies

        self.record = msgspec.structs.replace(self.record, **changes)
        bridge = self._session.bridge
        bridge.spawn(_finish(bridge.threaded(studies.write, bridge.library.layout, self.record)))

    def _upcoming(self, after: int = -1) -> int:
        """The first pair behind ``after`` that is still to be judged, or -1."""
        done = {answer.pair for answer in self.record.answers} | self._gone
        return next((n for n in range(after + 1, len(self.record.pairs)) if n not in done), -1)

    def _advance(self) -> None:
        self._shown, self._stamp = -1, self._stamp + 1
        self._session.bridge.spawn(self._show_next(self._stamp))

    async def _show_next(self, stamp: int) -> None:
        if stamp != self._stamp:
            return
        pictures, place = None, self._upcoming()
        while pictures is None and place >= 0:
            pictures = await self._pictures(place)
            if stamp != self._stamp:
                return
            place = self._upcoming() if pictures is None else place
        done, total = len(self.record.answers), len(self.record.pairs) - len(self._gone)
        if pictures is None:
            self.judge.show_end(done, total)
            return
        self.judge.show_pair(*pictures, self.record.pairs[place], done, total)
        self._shown = place
        if (following := self._upcoming(place)) >= 0:
            await self._pictures(following)

    async def _pictures(self, place: int) -> Any:
        """Both pictures of a pair; None where a sample is gone, which is told once."""
        pair: StudyPair = self.record.pairs[place]
        modality = self.record.modality
        try:
            items = [await self._item(end) for end in (pair.left, pair.right)]
        except TroubleError as error:
            self._gone.add(place)
            self._session.bridge.notice(self.tr("A pair is left out: {0}").format(error))
            return None
        return shown(modality).pair(*items, PICTURE_PX)

    async def _item(self, end: StudyItem) -> Any:
        if end.sample not in self._items:
            self._items[end.sample] = await self._session.samples.items(end.sample)
        self._items.move_to_end(end.sample)
        items = self._items[end.sample]
        while len(self._items) > SAMPLES_KEPT:
            self._items.popitem(last=False)
        return items if end.item < 0 else items[end.item]

    async def _again(self) -> None:
        sides = self.record.sides
        self._show_page(self.setup)
        await self.setup.load_sides(sides)

    # --------------------------------------------------------------------------------------------- place

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self.pages.currentWidget().setFocus()

    def _place(self) -> None:
        self.setGeometry(self.parentWidget().rect())

    def eventFilter(self, watched, event) -> bool:
        if watched is self.parentWidget() and event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False
