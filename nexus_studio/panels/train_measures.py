"""The measures of a run on held-out data, and beside them those by the features of a pretrained model in a folder."""

from __future__ import annotations

import asyncio
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from models_backend.contract import measures
from models_backend.contract.fields import FieldSpec
from models_backend.contract.messages import Evaluate
from models_backend.contract.words import counted

from .. import figures, pieces, theme
from ..fitting import ElidedLabel
from ..forms.editors import PathEditor
from ..layouts import give_way
from ..state.run_view import RunView
from ..state.session import Session
from .working import Working
from .workspace import scrolled

KEPT = "measure/features"
FEATURES = FieldSpec("features", "path", "Features", "A pretrained vision model, to measure by its features too", path="folder")
#: What stands on the left, in this order, each with what real items reach below it; all else on the right by its name.
FIRST = ("fd", "kid", "precision", "recall", "density", "coverage", "class_diversity", "reconstruction_distance", "clip_score",
         "w2", "w1")  # fmt: skip


def lines(found: dict[str, float]) -> tuple[list[str], dict[str, dict[str, float]]]:
    """The pretrained models in an evaluation's figures; and measure -> model ("" for the built-in) -> figure."""
    models = [name.removeprefix("fd_floor_") for name in found if name.startswith("fd_floor_")]
    table: dict[str, dict[str, float]] = {}
    for name, value in found.items():
        if not name.startswith("health_"):  # those stand on their own card, in words
            model = next((model for model in models if name.endswith(f"_{model}")), "")
            table.setdefault(name.removesuffix(f"_{model}") if model else name, {})[model] = value
    return models, table


class RunMeasures(QWidget):
    """Measures the chosen run when asked to, and shows what was measured last."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._view: RunView | None = None
        self._task: asyncio.Task | None = None
        self.found: dict[str, float] = {}
        self.told = ""
        self.features = PathEditor(FEATURES)
        self.features.set_value(session.preferences.get(KEPT, ""))
        self.features.field.setPlaceholderText(self.tr("A folder with CLIP, DINOv2, … (optional)"))
        self.features.field.setToolTip(self.features.field.placeholderText())
        self.features.name_parts(self.tr("Folder of features"), self.tr(FEATURES.help))
        self.features.setToolTip(self.tr(FEATURES.help))
        self.features.changed.connect(lambda: session.preferences.set(KEPT, self.folder() or None))
        self.button = pieces.button(self.tr("Measure"), "primary", self.measure)
        self.button.setToolTip(self.tr("Make items and hold them against held-out data"))
        self.note = give_way(ElidedLabel(side=Qt.AlignmentFlag.AlignRight))
        self.words = pieces.label("", "error", wrap=True)
        self.warned = pieces.label("", "hint", wrap=True)
        self.area = scrolled(QWidget())
        self._lay_out()
        self._show_figures({}, "")

    def _lay_out(self) -> None:
        self.label = pieces.label(self.tr("Features"))
        line = pieces.row(self.label, self.features, self.button, spacing=8)
        line.setStretch(1, 3)
        line = pieces.column(line, self.note, spacing=4, margins=(12, 8, 12, 4))
        for text in (self.words, self.warned):
            text.setContentsMargins(12, 0, 12, 0)
        self.working = Working()
        whole = pieces.column(line, self.working, self.words, self.warned, self.area, spacing=4)
        whole.setStretch(4, 1)
        self.setLayout(whole)

    def folder(self) -> str:
        """The folder of features; "" for none."""
        return self.features.value().strip()

    # ------------------------------------------------------------------------------------------------ the run

    def show_run(self, view: RunView | None) -> None:
        """Show another run, or the same one further on."""
        if view is not self._view:
            self._view = view
            self._say("")
            self._show_figures({}, "")
            if view is not None:
                self._session.bridge.spawn(self._read(view))
        pictures = view is None or view.record.spec.modality == "image"
        self.label.setVisible(pictures)
        self.features.setVisible(pictures)
        self._show_button()

    async def _read(self, view: RunView) -> None:
        """What was measured of the run before."""
        kept = await self._session.bridge.threaded(_kept, view.folder.layout.evaluation)
        if view is self._view and kept and not self.found:
            self._show_figures(kept["figures"], self._told(kept["count"], kept["step"]))

    def _told(self, count: int, step: int) -> str:
        return self.tr("{0} · step {1}").format(counted(count, "item"), f"{step:,}")

    def _show_button(self) -> None:
        ready = self._view is not None and bool(self._view.checkpoints)
        why = self.tr("Being measured") if ready else self.tr("The run has no checkpoint yet")
        pieces.allow(self.button, ready and self._task is None, why)

    # ------------------------------------------------------------------------------------------------ measuring

    def measure(self) -> None:
        """Measure the chosen run now; the built-in measures, and those by the features where a folder is chosen."""
        if self._view is not None and self._task is None:
            self._say("")
            self.note.set_whole(self.tr("measuring…"))
            view = self._view
            self._task = self._session.bridge.spawn(self._measure(view), lambda trouble: self._say_of(view, str(trouble)))
            self._show_button()

    async def _measure(self, view: RunView) -> None:
        features = self.folder() if view.record.spec.modality == "image" else ""
        request = Evaluate(view.id, sampling=view.record.sampling, features=features)
        step = view.checkpoints[-1].step
        title = self.tr("Measuring {0}").format(view.record.title)
        try:
            async with self._session.under_way(title, "evaluate", view.record.title, view.id) as activity:
                self.working.follow(activity)
                found = await self._session.bridge.engine.call(request, activity.tell)
        finally:
            self.working.follow(None)
            self._task = None
            self.note.set_whole(self.told)
            self._show_button()
        if view is self._view:
            self._show_figures(found, self._told(request.count, step))

    def _say_of(self, view: RunView, text: str) -> None:
        """What went wrong with a run, while that is the one shown; its failure stands in the list of jobs in any case."""
        if view is self._view:
            self._say(text)

    def _say(self, text: str) -> None:
        self.words.setText(text)
        self.words.setVisible(bool(text))

    # ------------------------------------------------------------------------------------------------ showing

    def _show_figures(self, found: dict[str, float], told: str) -> None:
        self.found, self.told = found, told
        self.note.set_whole(told)
        self.warned.setText(" ".join(self.tr(sentence) for sentence in measures.warnings(found)))
        self.warned.setVisible(bool(self.warned.text()))
        table = QWidget()
        table.setAutoFillBackground(False)
        table.setLayout(pieces.row(spacing=24, margins=(12, 4, 12, 8)))
        for part in self._tables(found) if found else [self._hint()]:
            table.layout().addWidget(part, 1, Qt.AlignmentFlag.AlignTop)
        self.area.setWidget(table)  # the one before is deleted

    def _hint(self) -> QWidget:
        hint = self.tr("Not measured yet: items are made and held against data that the run has never seen.")
        return pieces.label(hint, "hint", wrap=True)

    def _tables(self, found: dict[str, float]) -> list[QWidget]:
        models, table = lines(found)
        first = [name + end for name in FIRST for end in ("", measures.FLOOR, measures.REAL) if name + end in table]
        left = [(self._name(name), [table[name].get(model) for model in ("", *models)]) for name in first]
        heads = ["", *(model.upper() if model else self.tr("own reader") for model in ("", *models))] if models else []
        return [self._grid(heads, left), self._others({name: row[""] for name, row in table.items() if "" in row})]

    def _others(self, found: dict[str, float]) -> QWidget:
        """All that does not stand on the left: of made items, of real ones, and the quotient of both."""
        ends = ("", measures.REAL, measures.RATIO)
        names = sorted({measures.base(name)[0] for name in found} - set(FIRST), key=measures.title)
        rows = [(self._name(name), [found.get(name + end) for end in ends]) for name in names]
        paired = any(name.endswith(measures.RATIO) for name in found)
        heads = ["", self.tr("made"), self.tr("real"), self.tr("ratio")] if paired else []
        return self._grid(heads, [(name, row if paired else row[:1]) for name, row in rows])

    def _name(self, name: str) -> QWidget:
        """What a measure is called; below the measure itself, what real items reach."""
        own, end = measures.base(name)
        below = {measures.FLOOR: self.tr("floor: real items"), measures.REAL: self.tr("of real items")}.get(end)
        label = pieces.label(below or self.tr(measures.title(name)), "hint" if below else "label")
        label.setContentsMargins(12 if below else 0, 0, 0, 0)
        label.setToolTip("\n".join(filter(None, [self.tr(measures.explained(own)), name])))
        return label

    def _grid(self, heads: list[str], rows: list[tuple[QWidget, list[float | None]]]) -> QWidget:
        """Names on the left, a column of figures below each head."""
        made = QWidget()
        grid = QGridLayout(made)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(5)
        grid.setHorizontalSpacing(12)
        grid.setColumnStretch(0, 1)
        right = Qt.AlignmentFlag.AlignRight
        for place, head in enumerate(heads):
            if head:
                grid.addWidget(pieces.label(head, "hint"), 0, place, right)
        for line, (name, row) in enumerate(rows, 1):
            grid.addWidget(name, line, 0)
            for place, value in enumerate(row, 1):
                figure = pieces.label("" if value is None else figures.short(value), "mono")
                figure.setMinimumWidth(theme.px(56))
                figure.setAlignment(right)
                grid.addWidget(figure, line, place)
        return made


def _kept(path: Any) -> dict[str, Any]:
    from models_backend.library import storage

    return storage.read_json(path) if path.exists() else {}
