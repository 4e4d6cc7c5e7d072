"""The path on a latent map as a film: frames that are evenly apart, played, scrubbed and saved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from models_backend.contract.messages import Decode
from models_backend.contract.run_layout import RunRecord

from ..commands import Command
from ..layouts import Flow
from ..pieces import allow, button, spin_box
from ..state.session import Session
from ..viewers.film_strip import FilmStrip
from ..viewers.modality import shown, to_array
from .exporting import fill_menu
from .latent_path import curve

FRAME_MS = 80
LIMIT = 1000


def decoding(run: RunRecord, checkpoint: str, xy: list[list[float]], **more: Any) -> Decode:
    """The request for what lies at places (N, 2) of the map of a run's checkpoint."""
    return Decode(run.id, xy=xy, limit=LIMIT, checkpoint=checkpoint, **more)


@dataclass
class Film:
    """What was made of ``path`` (M, 2): frames at places ``xy`` (N, 2), and their ``items`` (N, *shape)."""

    path: np.ndarray
    xy: np.ndarray
    items: np.ndarray


class LatentFilm(QWidget):
    """The strip with its buttons. ``frame_shown`` (x, y, items (1, *shape)) tells the frame that is looked at,
    ``path_changed`` that there is another path, or none."""

    frame_shown = Signal(float, float, object)
    path_changed = Signal()

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._run: RunRecord | None = None
        self._checkpoint = ""
        self.path = np.empty((0, 2))
        self._film: Film | None = None
        self._making: asyncio.Task | None = None
        self.strip = FilmStrip(hint=self.tr("Drag across the map: the way becomes a film"))
        self.frames = spin_box(self.tr("Frames of the film"), 4, 240, 32, self.tr(" frames"))
        self.play = button(self.tr("Play"), icon="play", on_click=self.toggle_play)
        self.export = button(self.tr("Save and export…"), on_click=self.save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 0, 12, 10)
        layout.addWidget(self.strip, 1)
        layout.addLayout(Flow(self.play, self.export, self.frames, spacing=8))
        self._timer = QTimer(self, interval=FRAME_MS)
        self._timer.timeout.connect(self._advance)
        self.strip.scrubbed.connect(self._show_frame)
        self.frames.valueChanged.connect(lambda _: self.set_path(self.path))
        self._show(None)

    def commands(self) -> list[Command]:
        drawn = lambda: self.play.isEnabled()  # noqa: E731
        why = self.tr("Drag across the map first")
        return [
            Command("latent.play", self.tr("Play the path"), self.toggle_play, "Latent", enabled=drawn, why=why),
            Command("latent.export", self.tr("Export the path as a film"), self.save, "Latent", enabled=drawn, why=why),
        ]

    def set_map(self, run: RunRecord | None, checkpoint: str = "") -> None:
        """The map that paths are drawn on from now on, None while there is none; a path across another one is forgotten."""
        self._run, self._checkpoint = run, checkpoint
        self.set_path(np.empty((0, 2)))

    def set_path(self, path: np.ndarray) -> None:
        """Makes the film of a path (N, 2) on the map; of no place none. Only the newest path becomes one."""
        self.path = np.asarray(path)
        self.path_changed.emit()
        if self._making is not None:
            self._making.cancel()
        if self._run is None or not len(self.path):
            self._show(None)
        else:
            request = decoding(self._run, self._checkpoint, curve(self.path).tolist(), frames=self.frames.value())
            self._making = self._session.bridge.spawn(self._make(request, self.path))

    async def _make(self, request: Decode, path: np.ndarray) -> None:
        made = await self._session.bridge.engine.call(request)
        self._show(Film(path, to_array(made.arrays["xy"]), to_array(made.arrays["items"])))

    def _show(self, film: Film | None) -> None:
        self._film = film
        if film is None:
            self._timer.stop()
            self._tell_playing()
            self.strip.set_rows([])
        else:
            drawn = shown(self._run.spec.modality)
            items = [item[None] if drawn.together else item for item in film.items]
            self.strip.set_rows([("", [drawn.picture(item, 96) for item in items])])
        for widget in (self.play, self.export):
            allow(widget, film is not None, self.tr("Drag across the map first: the way becomes a film"))

    def _show_frame(self, step: int) -> None:
        if self._film is not None and step < len(self._film.items):
            self.frame_shown.emit(*self._film.xy[step].tolist(), self._film.items[step : step + 1])

    def toggle_play(self) -> None:
        """Plays the film, or stops it."""
        self._timer.stop() if self._timer.isActive() else self._timer.start()
        self._tell_playing()

    def _tell_playing(self) -> None:
        self.play.setText(self.tr("Stop") if self._timer.isActive() else self.tr("Play"))

    def _advance(self) -> None:
        self.strip.lock((self.strip.locked_step() + 1) % max(1, self.strip.steps()))

    def save(self) -> None:
        """Saves the path as a sample and offers its formats."""
        if self._film is not None:
            title, drawn = self.tr("Path in {0}").format(self._run.title), self._film.path.tolist()
            request = decoding(self._run, self._checkpoint, self._film.xy.tolist(), save=True, title=title, drawn=drawn)
            self._session.bridge.spawn(self._save(request))

    async def _save(self, request: Decode) -> None:
        words = self.tr("Saving {0}").format(request.title)
        async with self._session.under_way(words, "latent", request.title) as activity:
            made = await self._session.bridge.engine.call(request, activity.tell)
        self._session.samples.changed.emit()
        record = await self._session.samples.record(made.note)
        menu = fill_menu(QMenu(self), self._session, self, record, first="path")
        menu.popup(self.export.mapToGlobal(self.export.rect().bottomLeft()))
