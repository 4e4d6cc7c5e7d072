"""What the model sees: a few items at the resolution, colours and mirroring that training will use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QSizePolicy, QWidget

from models_backend.contract.fields import describe
from models_backend.contract.run_layout import DatasetRecord
from models_backend.contract.settings import DataSettings
from models_backend.library.showing import first_settings

from ..forms.form import SettingsForm
from ..layouts import scrolled
from ..pictures import to_image
from ..pieces import row
from ..state.cached_rows import CachedRows, open_rows
from ..state.session import Session
from ..viewers.image_grid import ImageGrid

if TYPE_CHECKING:
    import numpy as np

MOST = 24
THUMB = 64


class ModelView(QWidget):
    """The data settings as a form, and the pictures they give."""

    note = Signal(str)

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._record: DatasetRecord | None = None
        self._rows: CachedRows | None = None
        self._out: frozenset[int] = frozenset()
        self.form = SettingsForm(describe(DataSettings))
        self.form.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.images: list[QImage] = []
        self.pictures = ImageGrid(fit=True)
        self.pictures.setAccessibleName(self.tr("What the model sees"))
        layout = row(scrolled(self.form), self.pictures, spacing=16, margins=(12, 0, 12, 8))
        layout.setStretch(0, 1)
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self.form.changed.connect(self._changed)
        session.datasets.settings_changed.connect(self._follow)

    def show_dataset(self, record: DatasetRecord | None) -> None:
        """Shows the first items of a data set."""
        if record is None or (self._record is not None and record.id == self._record.id):
            return
        self._record = record
        if record.modality == "points":
            return
        self.form.set_values(self._session.datasets.settings(record.id))
        self._load()

    def show_without(self, out: frozenset[int]) -> None:
        """What is left out is not seen by a model: positions of the items that are."""
        if out != self._out:
            self._out = out
            if self._record is not None and self._record.modality != "points":
                self._load()

    def _changed(self) -> None:
        if self._record is not None:
            self._session.datasets.set_settings(self._session.undo, self._record.id, self.form.sound_values())
            self._load()

    def _follow(self, dataset: str) -> None:
        """The settings were changed in Train, by undo, or by another process."""
        if self._record is not None and dataset == self._record.id and self._record.modality != "points":
            values = self._session.datasets.settings(dataset)
            if values != self.form.sound_values():
                self.form.set_values(values)
                self._load()

    def _load(self) -> None:
        self._session.bridge.spawn(self._read(self._record, self.form.sound_values()))

    async def _read(self, record: DatasetRecord, values: dict) -> None:
        cache = self._session.bridge.library.dataset(record.id).layout.cache
        grey = values["channels"] == "grey" or (values["channels"] == "auto" and record.channels == 1)
        exact = f"{values['resolution']}-{'grey' if grey else 'rgb'}-{values['crop']}"
        rows = await self._session.bridge.threaded(open_rows, cache, exact, "native", "thumbs")
        if rows is None or self._record is not record:
            return
        kept = [n for n in range(rows.count) if n not in self._out]
        step = max(1, len(kept) // MOST)
        found = await self._session.bridge.threaded(rows.read, kept[::step][:MOST])
        self._show(list(found.values()), values, grey, rows.name != "thumbs")

    def _show(self, arrays: list[np.ndarray], values: dict, grey: bool, exact: bool) -> None:
        side = values["resolution"]
        images = [seen(to_image(array), side, grey) for array in arrays]
        if values["flip"]:
            images = [image.mirrored(True, False) if n % 2 else image for n, image in enumerate(images)]
        self.images = images
        self.pictures.set_source(len(images), lambda n: self.images[n])
        words = [f"{side} × {side}", "grey" if grey else "rgb"]
        begins = first_settings(self._record)["resolution"]
        words += [f"begins at {begins}"] if side != begins else []
        if not exact and (side > THUMB or values["crop"] != "centre"):
            words.append("drawn from small previews; a run prepares the pictures themselves")
        elif values["buckets"] > 1:
            words.append(f"in training up to {values['buckets']} shapes")
        self.note.emit(" · ".join(words))


def seen(image: QImage, side: int, grey: bool) -> QImage:
    """A picture at a resolution and in the colours that the model gets."""
    if image.width() != side or image.height() != side:
        smooth = Qt.TransformationMode.SmoothTransformation
        image = image.scaled(side, side, Qt.AspectRatioMode.IgnoreAspectRatio, smooth)
    return image.convertToFormat(QImage.Format.Format_Grayscale8) if grey else image
