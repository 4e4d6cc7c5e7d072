"""Every item of a data set: a virtual grid, filters, captions edited in place, classes changed; all of it undoable."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QLineEdit, QMenu, QStackedWidget, QToolTip, QWidget

from models_backend.contract.run_layout import LEFT_OUT, DatasetRecord, Item
from models_backend.contract.words import counted

from .. import theme
from ..dialogs import opened
from ..forms.editors import Pick
from ..pieces import Header, button, column, icon_button, label, row
from ..state.cached_rows import open_pictures, open_rows
from ..state.session import Session
from ..viewers.image_grid import ImageGrid
from ..viewers.points_view import PointsView
from .data_attributes import AttributesForm, attributes_changed
from .data_captions import CaptionField
from .data_classes import ask_class_name, ask_new_class, fill_classes
from .data_large import LargePictures
from .data_thumbs import Thumbnails
from .data_tips import LARGE_PX, tip

SHOWN = (("all", "All items"), ("train", "Training"), ("validation", "Validation"), ("duplicates", "Duplicates"),
         ("uncaptioned", "Without a caption"), ("unlabelled", "Without a class"), (LEFT_OUT, "Left out"))  # fmt: skip
POINTS_SHOWN = 100_000
CLICKS = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick)
CAPTION_PX = 340  # the field for a caption is at least so wide


def fits(item: Item, shown: str) -> bool:
    """Whether an item belongs to what is shown: a key of SHOWN, or "class:3". What is left out is seen on its own only."""
    if shown == LEFT_OUT or item.split == LEFT_OUT:
        return shown == item.split
    if shown.startswith("class:"):
        return item.label == int(shown[6:])
    tests = {"train": item.split == "train", "validation": item.split == "validation", "duplicates": item.duplicate_of >= 0,
             "uncaptioned": not item.caption.strip(), "unlabelled": item.label < 0}  # fmt: skip
    return tests.get(shown, True)


def with_originals(items: list[Item], found: list[int]) -> list[int]:
    """Copies and look-alikes, each group behind the item that it is like."""
    first = {items[n].duplicate_of for n in found if items[n].split != LEFT_OUT}
    group = {n: items[n].duplicate_of if items[n].duplicate_of >= 0 else n for n in {*found, *first}}
    return sorted(group, key=lambda n: (group[n], n))


class ItemsPage(QWidget):
    """The items of the chosen data set. ``left_out_known``: the positions of those that are left out."""

    left_out_known = Signal(object)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self.record: DatasetRecord | None = None
        self.items: list[Item] = []
        self.shown: list[int] = []
        self._classes_shown: tuple[str, ...] = ()
        self.thumbs = Thumbnails(session)
        self._pointed = (-1, QPoint())  # the item whose tooltip was shown last, and where
        self.grid = ImageGrid(tile_px=88, hint=self.tr("No item fits the filter."))
        self.grid.setAccessibleName(self.tr("Items"))
        self.large = LargePictures(session, self)
        self.points = PointsView()
        self.views = QStackedWidget()
        self.views.addWidget(self.grid)
        self.views.addWidget(self.points)
        self._build_header()
        self.caption = CaptionField(self)
        self.setLayout(column(self.header, self.views, spacing=0))
        self.views.setContentsMargins(12, 2, 6, 0)
        self._connect()

    def _build_header(self) -> None:
        self.found = label("", "mono")
        self.found.hide()
        self.header = Header("")
        self.filter, self.search = Pick(), QLineEdit()
        self.filter.setAccessibleName(self.tr("Show"))
        self.search.setPlaceholderText(self.tr("Find…"))
        self.search.setToolTip(self.tr("Find in names and captions"))
        self.search.setAccessibleName(self.tr("Find items"))
        self.search.setClearButtonEnabled(True)
        theme.scaled(self.search, lambda search: search.setFixedWidth(theme.px(112)))
        self.filter.setMinimumContentsLength(11)
        self._smaller = icon_button("remove", self.tr("Smaller"), lambda: self.grid.zoom(1 / 1.25))
        self._larger = icon_button("add", self.tr("Larger"), lambda: self.grid.zoom(1.25))
        self.back = button(self.tr("Take all in again"), "link", lambda: self.leave_out(list(self.shown), False))
        self.back.hide()
        zoom = QWidget()  # both beside each other in whichever line they come
        zoom.setLayout(row(self._smaller, self._larger, spacing=6))
        for widget in (self.found, self.back, self.large.said, self.large.ways, self.filter, self.search, zoom):
            self.header.corner.addWidget(widget)

    def _connect(self) -> None:
        self.filter.currentIndexChanged.connect(lambda _index: self._narrow())
        self.search.textChanged.connect(lambda _text: self._narrow())
        self.grid.activated.connect(self.edit)
        self.grid.context_requested.connect(self._menu)
        self.grid.scrolled.connect(self.caption.keep)
        self.grid.current_changed.connect(self._keep_place)
        self.grid.viewport().installEventFilter(self)
        self.thumbs.arrived.connect(self._arrived)
        self.large.arrived.connect(self._source_arrived)

    # ------------------------------------------------------------------------------------------ loading

    def show_dataset(self, record: DatasetRecord | None) -> None:
        """Shows a data set's items."""
        same = record is not None and self.record is not None and record.id == self.record.id
        if not same:
            self.caption.keep()
        self.record = record
        if record is None:
            return
        self.header.set_title(record.title)
        if same and self.filter.count() and self._classes_shown != record.classes:
            self._fill_filter(record)
            self._narrow()
        if not same:
            self._clear(record)
            self._session.bridge.spawn(self._load(record))

    def _clear(self, record: DatasetRecord) -> None:
        self.items, self.shown = [], []
        self.thumbs.open(None)
        self.large.open()
        self.grid.set_source(0, self.thumbs.picture)
        self._fill_filter(record)
        self.search.blockSignals(True)
        self.search.setText(self._session.preferences.get(f"data/find/{record.id}", ""))
        self.search.blockSignals(False)
        pictures = record.modality != "points"
        self.views.setCurrentWidget(self.grid if pictures else self.points)
        for widget in (self.filter, self.search, self._smaller, self._larger):
            widget.setVisible(pictures)

    def _fill_filter(self, record: DatasetRecord) -> None:
        self.filter.blockSignals(True)
        self.filter.clear()
        for key, text in SHOWN:
            self.filter.addItem(text, key)
        for position, name in enumerate(record.classes[:200]):
            self.filter.addItem(f"Class: {name}", f"class:{position}")
        self._classes_shown = record.classes
        kept = self._session.preferences.get(f"data/shown/{record.id}", "all")
        self.filter.setCurrentIndex(max(0, self.filter.findData(kept)))
        self.filter.blockSignals(False)

    async def _load(self, record: DatasetRecord) -> None:
        cache = self._session.bridge.library.dataset(record.id).layout.cache
        if record.modality == "points":
            await self._load_points(record, cache)
            return
        items = await self._session.datasets.items(record.id)
        rows = await self._session.bridge.threaded(open_pictures, cache, record.shape)
        if self.record is not None and self.record.id == record.id:
            self._take_items(items)
            self.thumbs.open(rows)
            self.large.open()
            self._narrow()
            self._restore_place(record)

    def _restore_place(self, record: DatasetRecord) -> None:
        kept = self._session.preferences.get(f"data/item/{record.id}")
        if kept in self.shown:
            self.grid.set_current(self.shown.index(kept), select=True)

    def _keep_place(self, position: int) -> None:
        if self.record is not None and 0 <= position < len(self.shown):
            self._session.preferences.set(f"data/item/{self.record.id}", self.shown[position])

    async def _load_points(self, record: DatasetRecord, cache) -> None:
        rows = await self._session.bridge.threaded(open_rows, cache, "points")
        if rows is not None and self.record is not None and self.record.id == record.id:
            self.points.set_points(await self._session.bridge.threaded(rows.read_first, POINTS_SHOWN))
            self._say_found("")

    def reload(self) -> None:
        """Reads captions and classes again; place and selection stay."""
        if self.record is not None and self.record.modality != "points":
            self._session.bridge.spawn(self._reload(self.record.id))

    async def _reload(self, dataset: str) -> None:
        items = await self._session.datasets.items(dataset)
        if self.record is not None and self.record.id == dataset:
            self._take_items(items)
            self._narrow()

    # ---------------------------------------------------------------------------------------- narrowing

    def _take_items(self, items: list[Item]) -> None:
        self.items = items
        self.large.open()
        self.left_out_known.emit(frozenset(n for n, item in enumerate(items) if item.split == LEFT_OUT))

    def _say_found(self, text: str) -> None:
        self.found.setText(text)
        self.found.setVisible(bool(text))

    def _narrow(self) -> None:
        shown, words = self.filter.currentData() or "all", self.search.text().lower().split()
        if self.record is not None and self.items:
            self._session.preferences.set(f"data/shown/{self.record.id}", None if shown == "all" else shown)
            self._session.preferences.set(f"data/find/{self.record.id}", self.search.text() or None)
        found = [n for n, item in enumerate(self.items) if fits(item, shown)]
        found = with_originals(self.items, found) if shown == "duplicates" else found
        if words:
            texts = {n: f"{self.items[n].source} {self.items[n].caption} {self.class_name(n)}".lower() for n in found}
            found = [n for n in found if all(word in texts[n] for word in words)]
        if found != self.shown or self.grid.count() != len(found):
            self._show_items(found)
        self.grid.viewport().update()
        kept = sum(item.split != LEFT_OUT for item in self.items)
        all_shown = shown == "all" and len(found) == kept
        self._say_found("" if all_shown else f"{len(found):,} of {counted(len(self.items), 'item')}")
        self.back.setVisible(shown == LEFT_OUT and bool(found))

    def _show_items(self, found: list[int]) -> None:
        """Shows these items. What was chosen stays chosen where it is still shown: never another item in its place."""
        before, current, kept = self.shown, self.grid.current(), set(found)
        written = before[self.caption.position] if self.caption.position >= 0 else -1
        if written not in kept:
            self.caption.keep()
        chosen = {before[n] for n in self.grid.selection() if n < len(before)}
        self.shown = found
        self.grid.set_source(len(found), lambda n: self.large.picture(self.shown[n]), self._caption)
        self.grid.set_badges(self._badge)
        self.grid.select(n for n, index in enumerate(found) if index in chosen)
        if written in kept:
            self.caption.move_to(found.index(written), self._caption_place(found.index(written)))
        if 0 <= current < len(before):
            same = before[current] in kept
            self.grid.set_current(found.index(before[current]) if same else sum(n in kept for n in before[:current]))

    def show_only(self, kind: str, which: str) -> None:
        """Shows the items of a class, of a part of the split, or the duplicates."""
        classes = self.record.classes if self.record is not None else ()
        key = f"class:{classes.index(which)}" if kind == "class" and which in classes else which
        index = self.filter.findData(key)
        self.filter.setCurrentIndex(0 if index == self.filter.currentIndex() else max(0, index))

    def focus_search(self) -> None:
        """Puts the cursor into the search field."""
        self.search.setFocus()
        self.search.selectAll()

    def class_name(self, index: int) -> str:
        """The class of an item, or ""."""
        position = self.items[index].label
        classes = self.record.classes if self.record is not None else ()
        return classes[position] if 0 <= position < len(classes) else ""

    def _caption(self, position: int) -> str:
        if not 0 <= position < len(self.shown):
            return ""
        index = self.shown[position]
        item = self.items[index]
        if self.filter.currentData() == "duplicates" and item.duplicate_of >= 0:
            source = self.items[item.duplicate_of].source.replace("\\", "/").rpartition("/")[2]
            return self.tr("copy of {0}").format(source) if item.exact else self.tr("like {0}").format(source)
        name = self.class_name(index)
        return item.caption or (self.tr("class {0}").format(name) if name and self.record.captioned else name)

    def _badge(self, position: int) -> str:
        if not 0 <= position < len(self.shown):
            return ""
        return "=" if self.items[self.shown[position]].duplicate_of >= 0 else ""

    def _arrived(self, indices: list[int]) -> None:
        places = {self.shown[n]: n for n in self.grid.visible_range() if n < len(self.shown)}
        for index in indices:
            if index in places:
                self.grid.refresh(places[index])

    # ----------------------------------------------------------------------------------- large pictures

    def _source_arrived(self, indices: list[int]) -> None:
        self._arrived(indices)
        index, place = self._pointed
        if index in indices and QToolTip.isVisible():
            self._point_at(index, place)

    def _point_at(self, index: int, place: QPoint) -> None:
        """Shows what is known of an item beside the pointer."""
        self._pointed = (index, place)
        image, shown = self.large.picture(index, LARGE_PX), self.large.words(index)
        QToolTip.showText(place, tip(self.record, self.items, index, image, shown), self.grid)

    # ------------------------------------------------------------------------------------------ editing

    def edit(self, position: int) -> None:
        """Opens the caption of the n-th shown item for editing."""
        if not 0 <= position < len(self.shown):
            return
        self.grid.set_current(position, select=True)
        self.caption.open(position, self.items[self.shown[position]].caption, self._caption_place(position))

    def _caption_place(self, position: int) -> QRect:
        """Where the caption of a tile is written, over its lower end."""
        tile = self.grid.tile_rect(position)
        text, room = self.items[self.shown[position]].caption, self.grid.viewport().width() - 4
        wanted = max(theme.px(CAPTION_PX), self.caption.fontMetrics().horizontalAdvance(text) + theme.px(40))
        place = QRect(tile.left() - 2, tile.bottom() - 3, min(room, max(tile.width() + 4, wanted)), theme.px(26))
        place.moveRight(min(place.right(), room))
        place.moveLeft(max(place.left(), 2))
        place.moveBottom(min(place.bottom(), self.grid.viewport().height() - 2))
        return place

    def edit_current(self) -> None:
        """Opens the caption of the current item, the first where there is none."""
        self.edit(max(0, self.grid.current()))

    def set_caption(self, position: int, text: str) -> None:
        """Keeps a caption as one edit that can be undone."""
        index = self.shown[position]
        if text != self.items[index].caption and self.record is not None:
            self._edit(self.tr("Edit caption"), captions={index: text})

    def set_class(self, indices: list[int], position: int) -> None:
        """Puts items into a class as one edit that can be undone."""
        changed = {index: position for index in indices if self.items[index].label != position}
        if changed:
            self._edit(f"Change the class of {counted(len(changed), 'item')}", labels=changed)

    def set_attributes(self, indices: list[int], values: dict[int, float | None]) -> None:
        """Gives items other values of some attributes (by position) as one edit that can be undone."""
        if changed := attributes_changed(self.record, self.items, indices, values):
            self._edit(f"Change the attributes of {counted(len(changed), 'item')}", attributes=changed)

    def edit_attributes(self) -> None:
        """Opens the attributes of the selected items, of the current one where none is selected."""
        if chosen := self.chosen():
            items = [self.items[n] for n in chosen]
            opened(AttributesForm(self, self.record, items, lambda values: self.set_attributes(chosen, values)))

    def leave_out(self, indices: list[int], out: bool = True) -> None:
        """Leaves items out of training and of what is held out, or takes them in again, as one edit that can be undone."""
        changed = {n: out for n in indices if (self.items[n].split == LEFT_OUT) != out}
        if changed and self.record is not None:
            many = counted(len(changed), "item")
            self._edit(f"Leave out {many}" if out else f"Take {many} in again", left_out=changed)

    def chosen(self) -> list[int]:
        """The positions of the selected items, of the current one where none is."""
        places = list(self.grid.selection()) or [self.grid.current()]
        return [self.shown[n] for n in places if 0 <= n < len(self.shown)]

    def leave_out_chosen(self) -> None:
        """Leaves the selected items out; where all of them are, takes them in again."""
        chosen = self.chosen()
        if chosen:
            self.leave_out(chosen, not all(self.items[n].split == LEFT_OUT for n in chosen))

    def leave_out_uncaptioned(self) -> None:
        """Leaves out every item without a caption."""
        if self.record is not None:
            session = self._session
            session.bridge.spawn(session.datasets.leave_out_uncaptioned(session.undo, self.record.id))

    def keyPressEvent(self, event) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.views.currentWidget() is self.grid:
            self.leave_out_chosen()
        else:
            super().keyPressEvent(event)

    def eventFilter(self, watched, event) -> bool:
        if event.type() in CLICKS and watched is self.grid.viewport():
            return self.caption.clicked_beside(self.grid.index_at(event.position().toPoint()))
        if event.type() == event.Type.ToolTip and watched is self.grid.viewport() and self.record is not None:
            place = self.grid.index_at(event.pos())
            if 0 <= place < len(self.shown):
                self._point_at(self.shown[place], event.globalPos())
            else:
                QToolTip.hideText()
            return True
        return False

    def _edit(self, text: str, **changes) -> None:
        self._session.datasets.edit(self._session.undo, self.record.id, text, **changes)

    def _menu(self, position: int, place: QPoint) -> None:
        if not 0 <= position < len(self.shown):
            return
        chosen = [self.shown[n] for n in self.grid.selection()] or [self.shown[position]]
        menu = QMenu(self)
        menu.addAction(self.tr("Edit the caption")).triggered.connect(lambda _on=False: self.edit(position))
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addMenu(self._classes_of(chosen, menu))
        if self.record.attributes:
            menu.addAction(self.tr("Attributes…")).triggered.connect(lambda _on=False: self.edit_attributes())
        out = all(self.items[n].split == LEFT_OUT for n in chosen)
        many = counted(len(chosen), "item")
        leave = menu.addAction(f"Take {many} in again" if out else f"Leave {many} out")
        leave.setShortcut(QKeySequence(Qt.Key.Key_Delete))
        leave.triggered.connect(lambda _on=False: self.leave_out(chosen, not out))
        if not out and any(not one.caption.strip() for one in self.items) and self.record.captioned:
            menu.addAction(self.tr("Leave out all without a caption")).triggered.connect(
                lambda _on=False: self.leave_out_uncaptioned()
            )
        item = self.items[self.shown[position]]
        if item.duplicate_of >= 0:
            menu.addAction(self.tr("Show what it duplicates")).triggered.connect(
                lambda _on=False: self._go_to(item.duplicate_of)
            )
        menu.popup(place)

    def _classes_of(self, chosen: list[int], parent: QWidget) -> QMenu:
        """The menu that puts items into a class, also a new one."""
        menu = QMenu(f"Class of {counted(len(chosen), 'item')}", parent)
        fill_classes(menu, self.record.classes, lambda number: self.set_class(chosen, number)).addSeparator()
        menu.addAction(self.tr("New class…"), lambda: ask_new_class(self, self._session, self.record, chosen))
        return menu

    def ask_class(self) -> None:
        """Asks into which class the selected items go."""
        if chosen := self.chosen():
            self._pop_up(self._classes_of(chosen, self))

    def ask_class_name(self) -> None:
        """Asks which class gets another name."""
        names = self.record.classes
        rename = lambda number: ask_class_name(self, self._session, self.record, names[number])  # noqa: E731
        self._pop_up(fill_classes(QMenu(self), names, rename))

    def _pop_up(self, menu: QMenu) -> None:
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(self.grid.viewport().mapToGlobal(self.grid.tile_rect(max(0, self.grid.current())).center()))

    def _go_to(self, index: int) -> None:
        self.filter.setCurrentIndex(0)
        self.search.clear()
        if index in self.shown:
            self.grid.set_current(self.shown.index(index), select=True)
