"""Latent: the map of what a run has learned; a click decodes, a drag becomes a film."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from models_backend.contract.messages import Arrays, Decode, Event, LatentMap, Saved
from models_backend.contract.run_layout import RunRecord, SampleRecord
from models_backend.contract.words import counted

from .. import theme
from ..commands import Command
from ..forms.editors import Pick
from ..pieces import EmptyState, Header, chip, chip_button, label, section
from ..plots.histogram import Histogram
from ..state.cached_rows import open_pictures
from ..state.following import Following
from ..state.run_view import RunView
from ..state.session import Session
from ..viewers.modality import shown, to_array
from .latent_film import LIMIT, LatentFilm, decoding
from .latent_map import THUMB_PX, LatentMapView
from .sample_facts import drawn_places
from .working import Working
from .workspace import Workspace, scrolled


class LatentPanel(Workspace):
    """Map in the middle, what is decoded on the right, the path as a film below."""

    key, title, icon_name = "latent", "Latent", "latent"

    def __init__(self, session: Session):
        super().__init__(session)
        self.run: RunRecord | None = None
        self.map: Arrays | None = None
        self.following = Following(session.runs)
        self._kept: SampleRecord | None = None  # the path that is opened on its map
        self._paths: dict[tuple[str, str], np.ndarray] = {}  # run and checkpoint whose map it was -> the path across it
        self._mapping = ""  # the run whose map is being made
        self._awaited: RunView | None = None  # whose log must be read before its run is mapped
        self._instead = ""  # why it is not the window's run that is mapped
        self._stamp, self._shown_stamp = 0, 0
        self.view = LatentMapView()
        self.set_central(self._build_centre())
        right = Qt.DockWidgetArea.RightDockWidgetArea
        self.setCorner(Qt.Corner.BottomRightCorner, right)
        self.add_dock("decoded", self.tr("Decoded here"), scrolled(self._build_side()), right, width=300)
        self.film = LatentFilm(session)
        dock = self.add_dock("path", self.tr("Path → film"), self.film, Qt.DockWidgetArea.BottomDockWidgetArea, height=190)
        self.path_hint = dock.heading.hint
        self._connect()
        self._tell_path()

    # ------------------------------------------------------------------------------------------- building

    def _build_centre(self) -> QWidget:
        self.runs = Pick()
        self.runs.setAccessibleName(self.tr("Run"))
        theme.scaled(self.runs, lambda runs: runs.setFixedWidth(theme.px(200)))
        self.kind, self.method = chip(""), chip("PCA")
        self.kind.hide()
        self.thumbs = chip_button(self.tr("thumbnails"), True)
        self.header = Header(self.tr("Map"), self.kind, self.method, self.thumbs)
        self.header.corner.addWidget(self.runs)
        self.empty = EmptyState(
            "latent", self.tr("See what a model has learned"),
            self.tr("Every picture of the data set becomes a place on a map. Click anywhere to decode what lies there."),
            self.tr("Train a model first"), lambda: self.session.navigate.emit("train", {}),
        )  # fmt: skip
        self._about = self.empty.text.text()
        self.wait = label("", "label", lines=4)
        self.wait.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.stack = QStackedWidget()
        for page in (self.empty, self.wait, self.view):
            self.stack.addWidget(page)
        whole = QWidget()
        layout = QVBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 8)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        self.working = Working()
        layout.addWidget(self.working)
        layout.addWidget(self.stack, 1)
        return whole

    def _build_side(self) -> QWidget:
        side = QWidget()
        self.place = QVBoxLayout()
        self.picture: QWidget | None = None
        self.nearest = label("", "mono", lines=4)
        self.dimensions = section(self.tr("Dimensions by KL"))
        self.kl = Histogram(x_label=self.tr("dimension"), y_label=self.tr("nats"), color=1)
        self.kl.setMinimumHeight(130)
        self.active = label("", "mono")
        layout = QVBoxLayout(side)
        layout.setContentsMargins(12, 4, 12, 12)
        layout.setSpacing(8)
        layout.addLayout(self.place)
        layout.addWidget(self.nearest)
        for widget in (self.dimensions, self.kl, self.active):
            layout.addWidget(widget)
            widget.hide()
        layout.addStretch(1)
        return side

    def _connect(self) -> None:
        self.runs.activated.connect(lambda _: self.choose(self.runs.currentData()))
        self.thumbs.toggled.connect(self._show_thumbs)
        self.view.place_chosen.connect(self.decode)
        self.view.path_drawn.connect(self._keep_path)
        self.film.path_changed.connect(self._tell_path)
        self.film.frame_shown.connect(self._show_frame)
        self.session.runs.changed.connect(self._fill)
        self.session.runs.state_changed.connect(self._fill)
        self.session.runs.current_changed.connect(self._fill)
        self.session.runs.told.connect(self._look_for_first)
        self.session.catalogue.changed.connect(self._fill)

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._fill()  # runs may have been trained since the last visit

    def show_what(self, what: dict) -> None:
        """{"run": id} maps that run; with a kept path as "state" it maps as the path was drawn, and draws it again."""
        if self._mappable(what.get("run", "")):
            kept = what.get("state")
            self.following.choose(what["run"])
            self._map_run(what["run"], kept if kept is not None and drawn_places(kept) else None)

    def commands(self) -> list[Command]:
        return [
            *self.film.commands(),
            Command("latent.remap", self.tr("Map the run again"), lambda: self.run and self.choose(self.run.id), "Latent",
                    enabled=lambda: self.run is not None and not self._mapping, why=self.tr("Train a model first")),
        ]  # fmt: skip

    # -------------------------------------------------------------------------------------------- the map

    def _mappable(self, run: str) -> bool:
        return self._has_latents(run) and self.session.runs.may_have_checkpoint(run)

    def _has_latents(self, run: str) -> bool:
        record = self.session.runs.get(run)
        family = self.session.catalogue.get(record.family) if record else None
        return family is not None and bool(family.latents)

    def _why_instead(self, wanted: str) -> str:
        """Why another run than the window's is taken, or none; "" where it is the window's, or that one has no map at all."""
        current = self.session.runs.current
        if current == wanted or not self._has_latents(current) or self.session.runs.may_have_checkpoint(current):
            return ""
        return self.tr("“{0}” has no checkpoint yet").format(self.session.title_of(current))

    def _look_for_first(self, _run: str, event: Event) -> None:
        """The first checkpoint of all is something to map."""
        if isinstance(event.body, Saved) and self.run is None:
            self._fill()

    def _await(self, view: RunView) -> None:
        """Comes back once the log of a run is read, which tells whether it has a checkpoint."""
        if self._awaited is not view:
            self._forget_awaited()
            self._awaited = view
            view.changed.connect(self._arrived)
            if self.run is None:
                self.wait.setText(self.tr("Reading what “{0}” has saved…").format(self.session.title_of(view.id)))
                self.stack.setCurrentWidget(self.wait)

    def _arrived(self) -> None:
        if self._awaited is not None and self._awaited.loaded:
            self._forget_awaited()
            self._fill()

    def _forget_awaited(self) -> None:
        if self._awaited is not None:
            self._awaited.changed.disconnect(self._arrived)
            self._awaited = None

    def _fill(self) -> None:
        able = [record for record in self.session.runs.records if self._mappable(record.id)]
        self.runs.clear()
        for record in able:
            self.runs.addItem(record.title, record.id)
        if not able:
            self.empty.text.setText(self._why_instead("") or self._about)
            self.stack.setCurrentWidget(self.empty)
            return
        ids, shown = [record.id for record in able], self.run.id if self.run else ""
        wanted = shown if shown in ids and not self.isVisible() else self.following.wanted(ids, shown)
        self.runs.setCurrentIndex(self.runs.findData(wanted))
        if wanted == shown or not self.isVisible():
            return
        if (view := self.session.runs.view(wanted)).loaded:
            self._map_run(wanted)
        else:
            self._await(view)

    def choose(self, run: str) -> None:
        """Maps a run, unless it is being mapped already, whichever the window shows elsewhere."""
        self.following.choose(run)
        self._map_run(run)

    def _map_run(self, run: str, kept: SampleRecord | None = None) -> None:
        if run == self._mapping and kept is self._kept:
            return
        self._kept = kept
        self.run = self.session.runs.get(run)
        if self.run is None:
            return
        self._mapping, self._instead = run, self._why_instead(run)
        self._forget_map()
        self.runs.setCurrentIndex(self.runs.findData(run))
        words = self.tr("Encoding the data of {0}…").format(self.run.title)
        self.wait.setText(f"{self._instead}. {words}" if self._instead else words)
        if self._instead:
            self.session.bridge.notice(self.tr("{0}; {1} is mapped").format(self._instead, self.run.title))
        self.stack.setCurrentWidget(self.wait)
        self.session.bridge.spawn(self._read_map(self.run, kept), on_error=self._say_trouble)

    def _forget_map(self) -> None:
        """Nothing is told of a map that is left, nor what is decoded of it from now on."""
        self.map, self._shown_stamp = None, self._stamp + 1
        self.film.set_map(None)
        self.steps.clear()
        self.header.set_hint("")
        self.method.setText("PCA")
        self.nearest.setText("")
        for widget in (self.kind, self.dimensions, self.kl, self.active, self.picture):
            if widget is not None:
                widget.hide()

    def _say_trouble(self, trouble: Any) -> None:
        self.wait.setText(str(trouble))

    async def _read_map(self, record: RunRecord, kept: SampleRecord | None = None) -> None:
        try:
            await self._map(record, kept)
        except asyncio.CancelledError:
            self.wait.setText(self.tr("Stopped. Choose the run again to map it."))
            raise
        finally:
            if self._mapping == record.id:
                self._mapping = ""
                self.working.follow(None)

    async def _map(self, record: RunRecord, kept: SampleRecord | None) -> None:
        title = self.tr("Mapping {0}").format(record.title)
        async with self.session.under_way(title, "latent", record.title, record.id) as activity:
            self.working.follow(activity)
            request = LatentMap(record.id, limit=LIMIT, checkpoint=kept.checkpoint if kept else "")
            made = await self.session.bridge.engine.call(request, tell=activity.tell)
        arrays = {name: to_array(array) for name, array in made.arrays.items()}
        thumbnails = await self._thumbnails(record, arrays)
        if self.run is None or self.run.id != record.id or self._kept is not kept:  # another one was chosen meanwhile
            return
        self.map = made
        labels = arrays.get("label")
        groups = labels if labels is not None and (labels >= 0).any() else None
        self.view.set_map(arrays["xy"], groups, thumbnails, record.spec.classes)
        self.film.set_map(record, made.checkpoint)
        self._tell_map(arrays)
        self.stack.setCurrentWidget(self.view)
        middle = np.median(arrays["xy"], axis=0)
        self.view.set_place(*middle)
        self.decode(*middle)
        path = self._paths.get((record.id, made.checkpoint))
        if kept is not None:
            self.film.frames.setValue(kept.count)
            path = np.asarray(drawn_places(kept))
        if path is not None:
            self.draw_path(path)

    async def _thumbnails(self, record: RunRecord, arrays: dict[str, np.ndarray]) -> list[QImage]:
        """A small picture of each mapped item: the one that was made for the map, or the data set's own."""
        drawn = shown(record.spec.modality)
        if drawn.together:
            return []
        if "items" in arrays:
            return [drawn.picture(item, THUMB_PX) for item in arrays["items"]]
        cache = self.session.bridge.library.dataset(record.dataset).layout.cache
        rows = await self.session.bridge.threaded(open_pictures, cache, record.spec.shape)
        index = [int(position) for position in arrays["index"]]
        found = await self.session.bridge.threaded(rows.read, index) if rows is not None else {}
        return [drawn.picture(found[n], THUMB_PX) for n in index] if len(found) == len(set(index)) else []

    def _tell_map(self, arrays: dict[str, np.ndarray]) -> None:
        hint = self.tr("{0} · click decodes · drag draws a path").format(counted(len(arrays["xy"]), "item"))
        self.header.set_hint(f"{self._instead} · {hint}" if self._instead else hint)
        family = self.session.catalogue.get(self.run.family)
        self.kind.setText(f"{family.title if family else self.run.family}")
        self.kind.show()
        if "explained" in arrays:
            both = 100 * float(np.sum(arrays["explained"][:2]))
            self.method.setText(self.tr("PCA · {0} % of the variance").format(f"{both:.0f}"))
        kl = np.sort(arrays.get("kl", np.empty(0)))[::-1]
        for widget in (self.dimensions, self.kl, self.active):
            widget.setVisible(kl.size > 0)
        if kl.size:
            self.kl.set_bars(kl, 1, len(kl))
            self.active.setText(self.tr("{0} of {1} active").format(int((kl > 0.01).sum()), len(kl)))

    def _show_thumbs(self, wanted: bool) -> None:
        self.view.show_thumbs = wanted
        self.view.update()

    # ------------------------------------------------------------------------------------------- decoding

    def decode(self, x: float, y: float) -> None:
        """Decodes one place; while the mouse moves only the newest answer is shown."""
        if self.run is not None:
            self._stamp += 1
            checkpoint = self.map.checkpoint if self.map else ""
            request = decoding(self.run, checkpoint, [[float(x), float(y)]], stamp=self._stamp)
            self.session.bridge.spawn(self._decode(request), on_error=self._decode_trouble)

    def _decode_trouble(self, trouble: Any) -> None:
        self.nearest.setText(str(trouble))

    async def _decode(self, request: Decode) -> None:
        made = await self.session.bridge.engine.call(request)
        if request.stamp < self._shown_stamp or self.run is None or self.run.id != request.run:
            return
        self._shown_stamp = request.stamp
        arrays = {name: to_array(array) for name, array in made.arrays.items()}
        self._show_item(arrays["items"])
        if "nearest" in arrays:
            index, distance = int(arrays["nearest"][0]), float(arrays["distance"][0])
            self.session.bridge.spawn(self._tell_nearest(self.run, request.stamp, index, distance))

    async def _tell_nearest(self, run: RunRecord, stamp: int, index: int, distance: float) -> None:
        items = await self.session.datasets.items(run.dataset)
        if stamp < self._shown_stamp:
            return
        name = items[index].source.rsplit("/", 1)[-1] if index < len(items) else self.tr("item {0}").format(index + 1)
        self.nearest.setText(self.tr("nearest: {0} · {1}").format(name, f"{distance:.2f}"))

    def _show_item(self, items: np.ndarray) -> None:
        drawn = shown(self.run.spec.modality)
        if not isinstance(self.picture, drawn.single):
            if self.picture is not None:
                self.picture.deleteLater()
            self.picture = drawn.single()
            self.picture.setMinimumHeight(272)
            self.place.addWidget(self.picture)
        if drawn.together:
            self.picture.set_points(items)
        else:
            self.picture.set_picture(items[0])
        self.picture.show()

    # ------------------------------------------------------------------------------------------ path, film

    def _keep_path(self, places: np.ndarray) -> None:
        """A path that was drawn or changed by hand becomes a film, and can be undone."""
        before = self.film.path
        self.steps.push(self.tr("Change of the path"), lambda: self.draw_path(places), lambda: self.draw_path(before))

    def draw_path(self, places: np.ndarray) -> None:
        """Draws a path (N, 2) across the map, which becomes a film."""
        if not np.array_equal(places, self.view.path()):
            self.view.set_path(places)
        self.film.set_path(self.view.path())
        if self.run is not None and self.map is not None:
            self._paths[self.run.id, self.map.checkpoint] = self.film.path

    def _tell_path(self) -> None:
        there = self.tr("drag a place to move it · Page Down chooses one, arrows move it, Delete removes it")
        self.path_hint.setText(there if len(self.film.path) else self.tr("drag on the map draws a path"))

    def _show_frame(self, x: float, y: float, items: np.ndarray) -> None:
        self.view.set_place(x, y)
        self._show_item(items)
