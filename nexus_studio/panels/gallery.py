"""Gallery: everything made, newest first; filter, star, tag, compare, judge blindly, reproduce, export, delete with undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QStackedWidget, QVBoxLayout, QWidget

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import SampleRecord
from models_backend.contract.words import counted, sentence

from .. import theme
from ..commands import Command
from ..pieces import EmptyState, Header, allow, button, chip_button, rule
from ..state.edits import Deleting, Rewriting
from ..state.session import Session
from ..viewers.image_grid import ImageGrid
from ..viewers.modality import shown, to_array
from .exporting import CHOICES, Choice, ask, lacking_of, no_steps
from .gallery_compare import Comparison, Side, paired
from .gallery_detail import SampleDetail
from .gallery_tiles import Tiles
from .sample_facts import differences
from .sample_work import media_of, request_of
from .workspace import Footed, Workspace

if TYPE_CHECKING:
    from models_backend.library.index import Filter

    from .gallery_study import StudyView

FILTER, CHOSEN = "gallery/filter", "gallery/sample"


class GalleryPanel(Workspace):
    """The grid in the middle, the chosen sample on the right; a comparison takes the place of the grid."""

    key, title, icon_name = "gallery", "Gallery", "gallery"

    def __init__(self, session: Session):
        super().__init__(session)
        self.tiles = Tiles(session)
        self.grid = ImageGrid(tile_px=150, titled=True, hint=self.tr("Nothing fits this filter"))
        self.detail = SampleDetail(session)
        self._compare = Comparison()
        self.study: StudyView | None = None
        self._wanted = str(session.preferences.get(CHOSEN, ""))  # the sample that was chosen, listed or not
        self._listed: object = None  # the filter that what is listed passed
        self._timer = QTimer(self, singleShot=True, interval=200)
        self.set_central(self._build())
        side = Footed(self.detail, rule(), self.detail.actions)
        self.add_dock("detail", self.tr("Chosen"), side, Qt.DockWidgetArea.RightDockWidgetArea, width=340)
        self._take_filter()
        self._connect()
        self.detail.show_record(None)

    def _build(self) -> QWidget:
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Filter by title, tag, model, data set"))
        self.search.setAccessibleName(self.tr("Filter"))
        self.search.setClearButtonEnabled(True)
        self.search.setToolTip(self.search.placeholderText())
        theme.scaled(self.search, lambda search: search.setFixedWidth(theme.px(240)))
        self.starred = chip_button(self.tr("★ starred"))
        self.films = chip_button(self.tr("paths"))
        self.header = Header(self.tr("Everything made"), self.starred, self.films)
        self.header.corner.addWidget(self.search)
        self.compare_button = button(self.tr("Compare two"), on_click=self.compare)
        self.header.corner.addWidget(self.compare_button)
        self._allow_comparison([])
        self.study_button = button(self.tr("Blind study…"), on_click=self.blind_study)
        self.study_button.setToolTip(self.tr("Pairs of two runs without names: which is better, and how sure is it?"))
        self.header.corner.addWidget(self.study_button)
        self.stack = QStackedWidget()
        empty = EmptyState(
            "gallery", self.tr("Everything you make lands here"),
            self.tr("Samples, traces and films, with all that is needed to make them again."),
            self.tr("Make the first samples"), lambda: self.session.navigate.emit("sample", {}),
        )  # fmt: skip
        for page in (empty, self.grid, self._compare, QWidget()):
            self.stack.addWidget(page)
        self.stack.setCurrentIndex(3)  # nothing until it is known what there is
        whole = QWidget()
        layout = QVBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        inner = QHBoxLayout()
        inner.setContentsMargins(12, 4, 12, 8)
        inner.addWidget(self.stack)
        layout.addLayout(inner, 1)
        return whole

    def _connect(self) -> None:
        self._timer.timeout.connect(self.reload)
        self.search.textChanged.connect(lambda _: self._timer.start())
        self.search.textChanged.connect(lambda _: self._keep_filter())
        for one in (self.starred, self.films):
            one.toggled.connect(lambda _: self._keep_filter())
            one.toggled.connect(lambda _: self.reload())
        self.session.samples.changed.connect(self._timer.start)
        self.session.ready.connect(self._timer.start)
        self.tiles.counted.connect(self._show_count)
        self.tiles.paged.connect(lambda: self.grid.refresh())
        self.tiles.arrived.connect(self.grid.refresh)
        self.grid.set_badges(self.tiles.badge)
        self.grid.current_changed.connect(self._choose)
        self.grid.selection_changed.connect(self._allow_comparison)
        self.grid.selection_changed.connect(self._show_beside)
        self.grid.activated.connect(lambda _: self._open("trajectory" if self._traced() else "sample"))
        self._compare.closed.clicked.connect(self.end_comparison)
        self.detail.edited.connect(self.edit)
        self.detail.open_in.connect(self._open)
        self.detail.reproduce.connect(lambda: self._chosen() and self.session.bridge.spawn(self.reproduce(self._chosen())))
        self.detail.delete.connect(self.delete)

    def _allow_comparison(self, chosen: list[int]) -> None:
        why = self._why_not(chosen)
        allow(self.compare_button, not why, why)

    def _why_not(self, chosen: list[int]) -> str:
        """Why what is chosen cannot be compared, or ""."""
        records = [self.tiles.record(index) for index in chosen]
        if len(records) != 2 or not all(records):
            return self.tr("Choose two samples: Ctrl and a click adds one")
        if any(record.grid is not None for record in records):
            return self.tr("Grids are not compared as a whole: choose two single samples")
        if records[0].modality != records[1].modality:
            return self.tr("Pictures cannot be compared with points: choose two of one kind")
        return ""

    def on_shown(self) -> None:
        self.reload()

    def show_what(self, what: dict) -> None:
        """{"sample": id} chooses that sample."""
        if what.get("sample"):
            self._want(what["sample"])
            if self.tiles.index_of(self._wanted) >= 0:
                self._follow_wanted()
            else:
                self._widen()  # the filter may hide it

    def commands(self) -> list[Command]:
        chosen = lambda: self._chosen() is not None and not self._judging()  # noqa: E731
        return [
            Command("gallery.star", self.tr("Star or unstar"), self._star, "Gallery", "Ctrl+B", enabled=chosen,
                    why=self.tr("Choose a sample first")),
            Command("gallery.compare", self.tr("Compare two samples"), self.compare, "Gallery",
                    enabled=lambda: not self._why_not(self.grid.selection()) and not self._judging(),
                    why=self.tr("Choose two samples of one kind first")),
            Command("gallery.study", self.tr("Blind study…"), self.blind_study, "Gallery", icon="compare",
                    enabled=lambda: self.session.bridge.library is not None and not self._judging(),
                    keywords="preference elo judge runs blind test"),
            Command("gallery.reproduce", self.tr("Reproduce the chosen sample"), self.detail.reproduce.emit, "Gallery",
                    enabled=lambda: chosen() and self.detail.again.isEnabled(),
                    why=self.tr("Choose a sample that was not branched off another")),
            *(Command(f"gallery.export.{one.what}", self.tr(words), lambda one=one: self._export(one), "Gallery", icon="export",
                      enabled=chosen, keywords="save png file", why=self.tr("Choose a sample first"))
              for one, words in self._exports()),
            Command("gallery.delete", self.tr("Delete the chosen samples"), self.delete, "Gallery", "Del", enabled=chosen,
                    why=self.tr("Choose a sample first")),
        ]  # fmt: skip

    # -------------------------------------------------------------------------------------------- listing

    def _keep_filter(self) -> None:
        kept = {"text": self.search.text(), "starred": self.starred.isChecked(), "films": self.films.isChecked()}
        self.session.preferences.set(FILTER, kept)

    def _take_filter(self) -> None:
        """The filter that a window before had set."""
        kept = self.session.preferences.get(FILTER, {})
        if isinstance(kept, dict):
            self.search.setText(str(kept.get("text", "")))
            self.starred.setChecked(bool(kept.get("starred")))
            self.films.setChecked(bool(kept.get("films")))

    def reload(self) -> None:
        """Lists anew under the filter that is set."""
        self.tiles.reload(self._filter())

    def _filter(self) -> Filter:
        from models_backend.library.index import Filter

        kind = "path" if self.films.isChecked() else ""
        return Filter(text=self.search.text().strip(), starred=self.starred.isChecked(), kind=kind, gathered=True)

    def _widen(self) -> None:
        """Takes the filter away."""
        self.search.clear()
        for one in (self.starred, self.films):
            one.setChecked(False)

    def _narrowed(self) -> bool:
        return bool(self.search.text().strip()) or self.starred.isChecked() or self.films.isChecked()

    def _show_count(self, total: int) -> None:
        self.header.set_hint(counted(total, "sample") if total else "")
        self.grid.set_source(*self.tiles.source())
        if self.stack.currentWidget() is not self._compare:
            self.stack.setCurrentIndex(1 if total or self._narrowed() else 0)
        self._follow_wanted()

    def _follow_wanted(self) -> None:
        """Chooses the sample that was chosen before. Where it is not listed, under another filter the first that is, under
        the same one (it was deleted) what stands in its place."""
        now, listed = self._filter(), self._listed
        self._listed = now
        index = self.tiles.index_of(self._wanted)
        if index < 0:
            index = max(0, self.grid.current()) if now == listed else 0
        wanted, self._wanted = self._wanted, ""
        if index != self.grid.current() or now != listed:
            self.grid.set_current(index, select=True)
        self._choose(self.grid.current())
        self._want(wanted or self._wanted)

    def _want(self, sample: str) -> None:
        self._wanted = sample
        self.session.preferences.set(CHOSEN, sample or None)

    def _chosen(self) -> SampleRecord | None:
        return self.tiles.record(self.grid.current()) if self.grid.current() >= 0 else None

    def _traced(self) -> bool:
        record = self._chosen()
        return record is not None and not no_steps(record, whole=True)

    def _choose(self, index: int) -> None:
        record = self.tiles.record(index) if index >= 0 else None
        if record is None:
            self.detail.show_record(None)
            return
        self.session.samples.set_current(record.id)
        self._want(record.id)
        self.session.bridge.spawn(self._show(record))

    async def _show(self, record: SampleRecord) -> None:
        items = await self._items(record)
        chosen = self._chosen()
        if chosen is not None and chosen.id == record.id:
            self.detail.show_record(chosen, items)
            self._show_beside()

    async def _items(self, record: SampleRecord) -> Any:
        """The items of a sample, those of all cells of a grid; of one of points, which are seen together, of its first cell."""
        cells = await self.session.samples.cells(record)
        if shown(record.modality).together:
            del cells[1:]
        return np.concatenate([await self.session.samples.items(cell.id) for cell in cells])

    def _show_beside(self, _chosen: object = None) -> None:
        self.detail.show_beside(self._beside())

    def _beside(self) -> list[SampleRecord]:
        """What is chosen beside the sample that is shown at the side."""
        shown, records = self._chosen(), [self.tiles.record(index) for index in self.grid.selection()]
        others = [record for record in records if record is not None and record != shown]
        return others if shown in records else []

    # --------------------------------------------------------------------------------------------- acting

    def _open(self, where: str) -> None:
        record = self._chosen()
        if record is not None:
            what = {"sample": record.id, "run": record.run, "state": record, "item": self.detail.item()}
            self.session.navigate.emit(where, what)

    def _exports(self) -> list[tuple[Choice, str]]:
        """What can be exported by name, in the format that is chosen most."""
        words = {"sheet": "Export the chosen sample as a contact sheet…", "items": "Export each item of the chosen sample…"}
        return [(one, words[one.what]) for one in CHOICES if one.what in words and one.format == "png"]

    def _export(self, choice: Choice) -> None:
        record = self._chosen()
        if record is not None:
            if missing := lacking_of([record, *self._beside()], choice, whole=True):
                self.session.bridge.notice(sentence(missing))
                return
            strip = self.session.preferences.get("export/strip", False)
            ask(self.session, self, record, choice, [], strip, self._beside(), whole=True)

    def _star(self) -> None:
        record = self._chosen()
        if record is not None:
            self.edit(record.id, {"starred": not record.starred})

    def edit(self, sample: str, changes: dict[str, Any]) -> None:
        """Changes title, star or tags of a sample; can be undone."""
        record = next((r for r in (self.tiles.record(i) for i in range(self.tiles.total)) if r and r.id == sample), None)
        if record is None:
            return
        before = {name: getattr(record, name) for name in changes}
        edit = Rewriting(self.session, "sample", sample, before, changes)
        text = self.tr("Rename “{0}”") if "title" in changes else self.tr("edit of “{0}”")
        self.session.undo.push_kept(text.format(record.title), edit)

    def delete(self) -> None:
        """Moves the selected samples to the trash; undo brings them back."""
        records = [r for r in (self.tiles.record(i) for i in self.grid.selection()) if r is not None]
        if records:
            self.grid.select([])
            self.session.bridge.spawn(self._delete(records))

    async def _delete(self, records: list[SampleRecord]) -> None:
        cells = [cell for record in records for cell in await self.session.samples.cells(record)]
        names = records[0].title if len(records) == 1 else counted(len(records), "sample")
        deleting = Deleting(self.session, [("sample", cell.id) for cell in cells])
        self.session.undo.push_kept(self.tr("delete of {0}").format(names), deleting)
        self.session.tell_edit(self.tr("{0} moved to the trash. Undo brings it back.").format(names))

    async def reproduce(self, record: SampleRecord) -> None:
        """Makes a sample again from its record and says whether it is identical, or what differs."""
        from models_backend.library.samples import array_sha256

        self.detail.say(self.tr("Making it again…"))
        cells, changed = await self.session.samples.cells(record), ""
        title = self.tr("Making “{0}” again").format(record.title)
        try:
            async with self.session.under_way(title, "reproduce", record.title, record.id) as activity:
                for cell in cells:
                    request = msgspec.structs.replace(request_of(cell), trace=0, save=False)
                    items = to_array(media_of(await self.session.bridge.engine.call(request, activity.tell)).items)
                    if not changed and array_sha256(items) != cell.items_sha256:
                        changed = difference(await self.session.samples.items(cell.id), items)
        except TroubleError:
            return  # it stands with the sample, until it is dismissed
        finally:
            self.detail.say("")
        text = changed or self.tr("Identical, bit by bit: {0}").format(counted(sum(cell.count for cell in cells), "item"))
        self.session.verdicts.answer("reproduce", record.title, text, record.id)

    # ------------------------------------------------------------------------------------------- comparing

    def compare(self) -> None:
        """Shows the two selected samples side by side or under a sliding edge."""
        if not self._why_not(self.grid.selection()):
            self.session.bridge.spawn(self._show_comparison(*map(self.tiles.record, self.grid.selection())))

    async def _show_comparison(self, left: SampleRecord, right: SampleRecord) -> None:
        sides = [Side(r, await self.session.samples.items(r.id), self.session.runs.get(r.run)) for r in (left, right)]
        pairing = await self.session.bridge.threaded(paired, *sides)
        self._compare.show_pair(*sides, pairing, differences(self.session, left, right))
        self.stack.setCurrentWidget(self._compare)

    def end_comparison(self) -> None:
        """Back to the grid."""
        self.stack.setCurrentIndex(1)

    # --------------------------------------------------------------------------------------- blind studies

    def blind_study(self) -> None:
        """Opens a blind study of the runs whose samples are selected."""
        if self.study is None:
            from .gallery_study import StudyView

            self.study = StudyView(self.session, self)
            self.study.closed.connect(self.grid.setFocus)
        records = [self.tiles.record(i) for i in self.grid.selection()]
        self.study.open([record for record in records if record is not None])

    def _judging(self) -> bool:
        return self.study is not None and self.study.isVisible()


def difference(old: Any, new: Any) -> str:
    """In words, how two sets of items differ."""
    if old.shape != new.shape:
        return f"Different: the shape is {new.shape} and was {old.shape}."
    apart = abs(old.astype("float64") - new.astype("float64"))
    share = 100 * float((apart > 0).mean())
    words = f"Not identical: {share:.2g} % of the values differ, by {apart.max():g} at most."
    return f"{words} Another device or thread count rounds differently."
