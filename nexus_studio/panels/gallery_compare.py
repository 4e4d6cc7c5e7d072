"""Two samples beside each other or under a sliding edge: which items belong together, and what was set differently."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QGridLayout, QScrollArea, QStackedWidget, QWidget

from models_backend.contract.run_layout import RunRecord, SampleRecord
from models_backend.contract.words import counted

from ..fitting import ElidedLabel
from ..layouts import Flow, scrolled, wanted_height
from ..pieces import allow, button, chip_button, column, label, row, section
from ..viewers.image_view import ImageView
from ..viewers.modality import ItemsView, shown
from .gallery_tiles import collage
from .sample_facts import Difference
from .sample_work import Made, asked_words, request_of

if TYPE_CHECKING:
    from models_backend.library.pairing import By, Offer

SHEET_PX = 1024
#: So many items lie on one sheet under the slider.
MOST_ON_A_SHEET = 144
#: The table of what differs takes at most this share of the height.
TABLE = 0.34


class Pairing(NamedTuple):
    """Which items stand beside each other, (item of the left, item of the right), and what those have in common."""

    places: list[tuple[int, int]]
    by: By


@dataclass
class Side:
    """A sample that is compared: its record, its items and its run, None where that is gone."""

    record: SampleRecord
    items: Any
    run: RunRecord | None

    def captions(self, places: list[int], always: bool = False) -> list[str] | None:
        """What those items were asked to be, where they were asked for different things or ``always``."""
        if self.run is None or shown(self.record.modality).together:
            return None
        return asked_words([Made(request_of(self.record), place, self.record.id) for place in places], self.run.spec, always)


def paired(left: Side, right: Side) -> Pairing:
    """Items of the same seed and condition, else of the same seed, else the first of each."""
    ones, others = _offers(left, right), _offers(right, left)
    keys = {"condition and seed": lambda offer: (offer.condition, offer.start) if offer.condition else None,
            "seed": lambda offer: offer.start}  # fmt: skip
    for by, key in keys.items():
        known = {key(other): place for place, other in enumerate(others)}
        places = [(place, known[key(one)]) for place, one in enumerate(ones) if key(one) is not None and key(one) in known]
        if places:
            return Pairing(places, by)
    return Pairing([(place, place) for place in range(min(len(ones), len(others)))], "chance")


def _offers(side: Side, other: Side) -> list[Offer]:
    """The items with what their noise is a function of: of a branch, and of what it goes on from, the recorded item."""
    from models_backend.library import pairing

    record, spec = side.record, side.run.spec if side.run is not None else None
    offers = pairing.offers(record, False, spec.classes, spec.unseen) if spec is not None else pairing.offers(record)
    start = record.start or {}
    if start:
        of = start["item"]
        return [one._replace(start=(start["sample"], of if of >= 0 else one.item)) for one in offers]
    if record.kind != "sample" or (other.record.start or {}).get("sample") == record.id:
        return [one._replace(start=(record.id, one.item)) for one in offers]
    return offers


class Comparison(QWidget):
    """Two samples side by side, item beside item, or one over the other with an edge that follows the mouse."""

    def __init__(self) -> None:
        super().__init__()
        self.left = self.right = None
        self.names = [self._name(), self._name()]
        self.slider = chip_button(self.tr("A | B slider"))
        self.slider.toggled.connect(lambda _: self._arrange())
        self.closed = button(self.tr("Back to the grid"))
        self.pairing = label("", "label", wrap=True)
        self.over = ImageView()
        self.over.setAccessibleName(self.tr("A and B under a sliding edge"))
        self._beside = row(spacing=12)
        beside = QWidget()
        beside.setLayout(self._beside)
        self.views = QStackedWidget()
        self.views.addWidget(beside)
        self.views.addWidget(self.over)
        self.differences = Differences()
        names = row(*self.names, spacing=12)
        for place in range(2):
            names.setStretch(place, 1)
        whole = column(Flow(self.closed, self.slider, spacing=8), self.pairing, names, self.views, self.differences)
        whole.setStretch(3, 1)
        self.setLayout(whole)
        self._sides: tuple[Side, Side] | None = None
        self._pairing = Pairing([], "chance")

    def _name(self) -> ElidedLabel:
        made = ElidedLabel("", "mono", cut=Qt.TextElideMode.ElideMiddle)
        made.setSizePolicy(made.sizePolicy().Policy.Ignored, made.sizePolicy().verticalPolicy())
        return made

    def show_pair(self, left: Side, right: Side, pairing: Pairing, differing: list[Difference]) -> None:
        """Shows two samples of one modality: as many items of each, and what they differ in."""
        self._sides, self._pairing = (left, right), pairing
        for letter, name, side in zip("AB", self.names, self._sides):
            name.setText(f"{letter} · {side.record.title}")
        self.pairing.setText(self._words())
        self.differences.show_rows(differing)
        self._fill()
        most = self.tr("At most {0} fit under the slider").format(counted(MOST_ON_A_SHEET, "item"))
        together = shown(left.record.modality).together
        fits = together or len(self._pairing.places) <= MOST_ON_A_SHEET
        if not fits:
            self.slider.setChecked(False)
        allow(self.slider, fits, most)
        self.differences.set_most(round(TABLE * self.height()))
        self._arrange()

    def _chosen(self) -> list[tuple[list[int], Side]]:
        """Both sides, with the items of each that are shown, in their order."""
        return [([pair[place] for pair in self._pairing.places], side) for place, side in enumerate(self._sides)]

    def _fill(self) -> None:
        for old in (self.left, self.right):
            if old is not None:
                self._beside.removeWidget(old)
                old.hide()
                old.deleteLater()
        made: list[ItemsView] = []
        named = any(side.captions(places) for places, side in self._chosen())  # both or none, so that tiles are as large
        for letter, (places, side) in zip("AB", self._chosen()):
            view = shown(side.record.modality).set_of()
            view.focusProxy().setAccessibleName(self.tr("Items of {0}").format(letter))
            view.set_items(side.items[places], (side.captions(places, True) or [""] * len(places)) if named else None)
            self._beside.addWidget(view, 1)
            made.append(view)
        self.left, self.right = made
        self.left.link(self.right)

    def _words(self) -> str:
        """What those that stand beside each other have in common, and what is not shown."""
        by, own = self._pairing.by, any(side.record.kind != "sample" or side.record.start for side in self._sides)
        if shown(self._sides[0].record.modality).together:
            said = self.tr("The seeds differ.") if by == "chance" else self.tr("Both have the same seed.")
        elif by == "chance" and own:
            said = self.tr("Items that stand beside each other do not belong together: they were not made from the same noise.")
        elif by == "chance":
            said = self.tr("The seeds differ: items that stand beside each other do not belong together.")
        elif own:
            said = self.tr("Items that stand beside each other go on from the same item.")
        elif by == "seed":
            said = self.tr("Items that stand beside each other have the same seed.")
        else:
            said = self.tr("Items that stand beside each other have the same seed and the same condition.")
        more = [self.tr("{0} has {1} (not shown).").format(letter, counted(left_out, "more item"))
                for letter, side in zip("AB", self._sides)
                if (left_out := len(side.items) - len(self._pairing.places)) > 0]  # fmt: skip
        return " ".join([said, *more])

    def resizeEvent(self, event: QEvent) -> None:
        super().resizeEvent(event)
        self._beside.setSpacing(12 + self.width() % 2)  # both sides equally wide, so that their tiles are as large
        self.differences.set_most(round(TABLE * self.height()))

    def _arrange(self) -> None:
        if self.slider.isChecked() and self._sides is not None:
            one, other = self._sheets()
            self.over.set_picture(one)
            self.over.set_comparison(other)
        self.views.setCurrentIndex(int(self.slider.isChecked()))

    def _sheets(self) -> tuple[QImage, QImage]:
        modality = self._sides[0].record.modality
        one, other = (side.items[places] for places, side in self._chosen())
        if shown(modality).together:
            return shown(modality).pair(one, other, SHEET_PX)
        columns = math.ceil(math.sqrt(len(one)))
        high = round(math.ceil(len(one) / columns) * SHEET_PX / columns)
        one, other = (collage(items, modality, SHEET_PX, columns).copy(0, 0, SHEET_PX, high) for items in (one, other))
        return one, other


class Differences(QWidget):
    """A table of what two samples differ in; where it is long it scrolls, so that the pictures keep their room."""

    def __init__(self) -> None:
        super().__init__()
        self.area: QScrollArea = scrolled(QWidget())
        self.area.setAccessibleName(self.tr("What differs"))
        self.setLayout(column(self.area))
        self.show_rows([])

    def show_rows(self, rows: list[Difference]) -> None:
        """The table, or a sentence where nothing differs."""
        self.rows = rows
        inner, grid = QWidget(), QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(4)
        if not rows:
            grid.addWidget(label(self.tr("They have the same settings."), "label", wrap=True), 0, 0)
        for place, title in enumerate((self.tr("What differs"), "A", "B") if rows else ()):
            grid.addWidget(section(title), 0, place)
        for line, told in enumerate(rows, 1):
            cells = [label(told.name, lines=2), label(told.left, "mono", lines=3), label(told.right, "mono", lines=3)]
            for place, cell in enumerate(cells):
                grid.addWidget(cell, line, place, Qt.AlignmentFlag.AlignTop)
        for place, share in enumerate((2, 3, 3) if rows else ()):
            grid.setColumnStretch(place, share)
        inner.setLayout(grid)
        self.area.setWidget(inner)
        inner.setAutoFillBackground(False)

    def set_most(self, height: int) -> None:
        """As tall as the table is, at most so many pixels."""
        self.area.setFixedHeight(min(wanted_height(self.area.widget(), self.area.width()), height))
