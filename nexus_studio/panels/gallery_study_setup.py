"""Before a blind study: which runs are compared by how many pairs; and the studies that were made before."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QWidget

from models_backend.contract.run_layout import SampleRecord, StudyRecord, StudySide
from models_backend.contract.words import counted

from .. import theme
from ..fitting import ElidedCheck
from ..pieces import Header, allow, button, column, icon_button, label, row, section, spin_box
from ..state.session import Session
from ..viewers.modality import SHOWN, shown
from .workspace import scrolled

if TYPE_CHECKING:
    from models_backend.library.pairing import Offer

PAIRS = 40
SAMPLES_A_RUN = 60
RUNS_OFFERED = 30
WORDS = {
    "condition and seed": "made from the same condition and seed", "condition": "made for the same condition",
    "seed": "made from the same seed", "chance": "met by chance",
}  # fmt: skip


@dataclass
class Candidate:
    """A run (or one sample of a run) with the samples that stand for it. ``classes``: names of the run's labels;
    ``unseen``: those without items."""

    side: StudySide
    records: list[SampleRecord]
    classes: Sequence[str] = ()
    unseen: Sequence[str] = ()

    @property
    def modality(self) -> str:
        return self.records[0].modality

    @cached_property
    def offers(self) -> list[Offer]:
        """What may be shown of it."""
        from models_backend.library import pairing

        together = shown(self.modality).together
        return [offer for record in self.records for offer in pairing.offers(record, together, self.classes, self.unseen)]


class StudySetup(QWidget):
    """``begun`` tells a study that was made now, or one to go on with."""

    begun = Signal(object)
    closed = Signal()

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.candidates: list[Candidate] = []
        self.boxes: list[QCheckBox] = []
        self._seed = 0
        self.count = spin_box(self.tr("Pairs"), 2, 1000, PAIRS)
        self.count.valueChanged.connect(lambda _: self._refresh())
        self.hint = label("", "label", wrap=True)
        self.begin_button = button(self.tr("Begin"), "primary", self.begin)
        self._sides, self._earlier = column(spacing=6), column(spacing=4)
        self.earlier_title = section(self.tr("Earlier studies"))
        self._build()

    def _build(self) -> None:
        header = Header(self.tr("Blind study"))
        header.corner.addWidget(button(self.tr("Close  Esc"), on_click=self.closed.emit))
        what = self.tr(
            "Two items at a time, one of each run, left and right by chance and without names. You say which is better; "
            "the names come at the end. Every answer is kept at once, so you can stop and go on at any time."
        )
        theme.scaled(self.count, lambda box: box.setFixedWidth(theme.px(90)))
        body = column(
            label(self.tr("Which run makes the better items?"), "title"), label(what, "label", wrap=True), 4,
            section(self.tr("Compare")), self._sides, 4,
            row(label(self.tr("Pairs"), "label"), self.count, None), self.hint, row(self.begin_button, None), 16,
            self.earlier_title, self._earlier, None, spacing=10,
        )  # fmt: skip
        holder = QWidget()
        holder.setLayout(body)
        theme.scaled(holder, lambda one: one.setMaximumWidth(theme.px(680)))
        middle = QWidget()
        centred = row(None, holder, None, margins=(24, 20, 24, 20))
        centred.setStretch(1, 100)
        middle.setLayout(centred)
        whole = column(header, scrolled(middle), spacing=0)
        whole.setStretch(1, 1)
        self.setLayout(whole)

    # -------------------------------------------------------------------------------------------- filling

    async def load(self, selected: list[SampleRecord]) -> None:
        """Offers what is selected, and every other run that has samples; two samples of one run stand for themselves."""
        self._fill([], set())
        runs = list(dict.fromkeys(record.run for record in selected))
        if len(selected) > 1 and len(runs) == 1:
            found = [self._candidate(StudySide(record.id, "sample", record.title), [record]) for record in selected]
        else:
            own = {run: [record for record in selected if record.run == run] for run in runs if len(runs) > 1}
            found = [self._candidate(self._side(run), records) for run, records in own.items()]
            others = [run for run in runs if run not in own]
            others += [record.id for record in self._session.runs.records if record.id not in runs]
            found += await self._with_samples(others)
        checked = {candidate.side.id for candidate in found if candidate.side.id in runs or candidate.side.kind == "sample"}
        self._fill(found, checked)
        await self.load_earlier()

    async def load_sides(self, sides: Sequence[StudySide]) -> None:
        """Offers the sides of a study again."""
        if all(side.kind == "run" for side in sides):
            found = await self._with_samples([side.id for side in sides])
        else:
            found = [self._candidate(side, [await self._session.samples.record(side.id)]) for side in sides]
        self._fill(found, {side.id for side in sides})
        await self.load_earlier()

    async def _with_samples(self, runs: list[str]) -> list[Candidate]:
        from models_backend.library.index import Filter

        found = []
        for run in runs:
            records = await self._session.samples.page(0, SAMPLES_A_RUN, Filter(run=run, kind="sample"))
            if records and records[0].modality in SHOWN:
                found.append(self._candidate(self._side(run), records))
            if len(found) == RUNS_OFFERED:
                break
        return found

    def _side(self, run: str) -> StudySide:
        record = self._session.runs.get(run)
        return StudySide(run, "run", record.title if record else run)

    def _candidate(self, side: StudySide, records: list[SampleRecord]) -> Candidate:
        run = self._session.runs.get(records[0].run)
        return Candidate(side, records, *((run.spec.classes, run.spec.unseen) if run else ()))

    def _fill(self, found: list[Candidate], checked: set[str]) -> None:
        self.candidates, self._seed = _told_apart(found), secrets.randbelow(2**31)
        _clear(self._sides)
        self.boxes = []
        for candidate in self.candidates:
            box = ElidedCheck(candidate.side.title)
            box.setChecked(candidate.side.id in checked)
            box.toggled.connect(lambda _: self._refresh())
            self.boxes.append(box)
            self._sides.addWidget(_line(box, label(self._about(candidate), "mono")))
        self._refresh()

    def _about(self, candidate: Candidate) -> str:
        items = sum(record.count for record in candidate.records)
        return f"{counted(len(candidate.records), 'sample')}, {counted(items, 'item')}"

    def chosen(self) -> list[Candidate]:
        """What is ticked."""
        return [candidate for candidate, box in zip(self.candidates, self.boxes) if box.isChecked()]

    def why_not(self) -> str:
        """What keeps the study from beginning, or ""."""
        chosen = self.chosen()
        if len(self.candidates) < 2:
            return self.tr("At least two runs with samples are needed. Make some in Sample first.")
        if len(chosen) < 2:
            return self.tr("Tick at least two.")
        if len({candidate.modality for candidate in chosen}) > 1:
            return self.tr("Pictures cannot be compared with points: tick runs of one kind.")
        return ""

    def _pairs(self) -> tuple:
        from models_backend.library import pairing

        return pairing.draw([one.offers for one in self.chosen()], self.count.value(), self._seed)

    def _refresh(self) -> None:
        why_not = self.why_not()
        allow(self.begin_button, not why_not, why_not)
        self.hint.setText(why_not or self._summary())

    def _summary(self) -> str:
        pairs = self._pairs()
        counted = Counter(pair.by for pair in pairs)
        words = ", ".join(f"{count} {self.tr(WORDS[by])}" for by, count in counted.most_common())
        few = self.tr(" There are no more.") if len(pairs) < self.count.value() else ""
        return self.tr("{0} pairs: {1}.{2}").format(len(pairs), words, few)

    def begin(self) -> None:
        """Makes the study and begins it."""
        if not self.why_not():
            self._session.bridge.spawn(self._begin())

    async def _begin(self) -> None:
        from models_backend.library import studies

        layout, chosen = self._session.bridge.library.layout, self.chosen()
        sides = [candidate.side for candidate in chosen]
        made = await self._session.bridge.threaded(studies.create, layout, chosen[0].modality, sides, self._pairs(), self._seed)
        self.begun.emit(made)

    # ----------------------------------------------------------------------------------- earlier studies

    async def load_earlier(self) -> None:
        """Lists the studies of the library."""
        from models_backend.library import studies

        found = await self._session.bridge.threaded(studies.listed, self._session.bridge.library.layout)
        _clear(self._earlier)
        for record in found:
            self._earlier.addWidget(self._row(record))
        self.earlier_title.setVisible(bool(found))

    def _row(self, record: StudyRecord) -> QWidget:
        day = time.strftime("%d %b %Y %H:%M", time.localtime(record.created))
        state = self.tr("ended") if record.ended else self.tr("open")
        figures = self.tr("{0} of {1} answered · {2} · {3}").format(len(record.answers), len(record.pairs), state, day)
        text = self.tr("Result") if record.ended else self.tr("Go on")
        go = button(text, "link", lambda: self.begun.emit(record))
        go.setAccessibleName(f"{text}: {record.title}")
        delete = icon_button("trash", self.tr("Move this study to the trash"), lambda: self.delete(record))
        return _line(label(record.title, "strong"), label(figures, "mono"), go, delete)

    def delete(self, record: StudyRecord) -> None:
        """Moves a study to the trash; undo brings it back."""
        from models_backend.library import studies, trash

        bridge, entries = self._session.bridge, []

        async def change(work: Callable[[], object]) -> None:
            await bridge.threaded(work)
            await self.load_earlier()

        self._session.undo.push(
            self.tr("delete of the study {0}").format(record.title),
            lambda: bridge.spawn(change(lambda: entries.append(studies.delete(bridge.library.layout, record).id))),
            lambda: bridge.spawn(change(lambda: trash.restore(bridge.library, entries.pop()))),
            of=("gallery", {}),
        )
        self._session.tell_edit(self.tr("The study moved to the trash. Undo brings it back."))

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)


def _told_apart(found: list[Candidate]) -> list[Candidate]:
    """Titles that are the same get the end of their ids."""
    titles = Counter(candidate.side.title for candidate in found)
    for candidate in found:
        if titles[candidate.side.title] > 1:
            side = candidate.side
            candidate.side = StudySide(side.id, side.kind, f"{side.title} ({side.id[-4:]})")
    return found


def _line(first: QWidget, *others: QWidget) -> QWidget:
    made = QWidget()
    made.setLayout(row(first, None, *others))
    return made


def _clear(layout) -> None:
    while layout.count():
        widget = layout.takeAt(0).widget()
        widget.hide()
        widget.deleteLater()
