"""The Data workspace: data sets, what the doctor found, every item with its caption, what the model sees."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QStackedWidget, QWidget

from models_backend.contract.run_layout import LEFT_OUT, DatasetRecord

from ..commands import Command
from ..state.session import Session
from .data_items import ItemsPage
from .data_list import DatasetList
from .data_preview import ModelView
from .data_report import ReportPage
from .data_start import StartPage
from .workspace import Workspace, scrolled


class DataPanel(Workspace):
    """Left the data sets, in the middle the items, right the doctor's report, below what the model sees."""

    key, title, icon_name = "data", "Data", "data"

    def __init__(self, session: Session):
        super().__init__(session)
        self.start, self.items, self.pages = StartPage(session), ItemsPage(session), QStackedWidget()
        self.list, self.report, self.preview = DatasetList(session), ReportPage(session), ModelView(session)
        self.blank = QWidget()  # shown while the data set that was chosen last is being read
        self.pages.addWidget(self.start)
        self.pages.addWidget(self.blank)
        self.pages.addWidget(self.items)
        self.set_central(self.pages)
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        below = Qt.DockWidgetArea.BottomDockWidgetArea
        self.setCorner(Qt.Corner.BottomRightCorner, right)
        self.setCorner(Qt.Corner.BottomLeftCorner, left)
        self.add_dock("data.sets", self.tr("Data sets"), self.list, left, width=236)
        self.add_dock("data.report", self.tr("The doctor's report"), scrolled(self.report), right, width=316)
        self.add_dock("data.preview", self.tr("What the model sees"), self.preview, below, height=224)
        self._sized = False
        self._connect()
        self.show_current()

    def _connect(self) -> None:
        datasets = self.session.datasets
        datasets.current_changed.connect(self.show_current)
        datasets.changed.connect(self.show_current)
        datasets.items_changed.connect(self._reload)
        self.session.ready.connect(self.show_current)
        self.report.filter_asked.connect(self.items.show_only)
        self.items.left_out_known.connect(self.preview.show_without)
        self.preview.note.connect(self.docks["data.preview"].heading.hint.setText)

    # ------------------------------------------------------------------------------------------ showing

    def show_current(self, *_: object) -> None:
        """Shows the chosen data set, or where to begin."""
        record = self.session.datasets.current_record
        expected = not self.session.is_ready and record is None
        self.pages.setCurrentWidget(self.blank if expected else self.items if record is not None else self.start)
        self._show_docks(record)
        self.items.show_dataset(record)
        self.report.show_dataset(record)
        self.preview.show_dataset(record)

    def _show_docks(self, record: DatasetRecord | None) -> None:
        pictures = record is not None and record.modality != "points"
        for key, useful in (("data.report", record is not None), ("data.preview", pictures)):
            self.docks[key].setVisible(useful and not self._hidden_by_user(key))
        if record is not None and not self._sized:
            self._sized = True
            self.place_docks()

    def _hidden_by_user(self, key: str) -> bool:
        return key in self.session.preferences.get("data/hidden", [])

    def _reload(self, dataset: str) -> None:
        if dataset == self.session.datasets.current:
            self.items.reload()

    def show_what(self, what: dict) -> None:
        """Chooses the data set that was asked for."""
        if what.get("dataset"):
            self.session.datasets.set_current(what["dataset"])

    # ------------------------------------------------------------------------------------------ actions

    def _toggle(self, key: str) -> None:
        hidden = set(self.session.preferences.get("data/hidden", []))
        self.session.preferences.set("data/hidden", sorted(hidden ^ {key}))
        self.docks[key].setVisible(key in hidden and self.session.datasets.current_record is not None)

    def commands(self) -> list[Command]:
        chosen, none = self._has_dataset, self.tr("Import or choose a data set first")
        return [
            Command("data.rename", "Rename the data set", self.list.rename, "Data", "", "edit", chosen, why=none),
            Command("data.caption", "Edit the caption", self.items.edit_current, "Data", "", "text", chosen, why=none),
            Command(
                "data.attributes",
                "Edit the attributes",
                self.items.edit_attributes,
                "Data",
                "",
                "text",
                lambda: bool(self.items.chosen()) and bool(self.items.record.attributes),
                why=self.tr("Choose items of a data set that has attributes first"),
            ),
            Command(
                "data.class",
                "Class of the item…",
                self.items.ask_class,
                "Data",
                "",
                "text",
                lambda: bool(self.items.chosen()),
                why=self.tr("Choose items of a data set first"),
            ),
            Command(
                "data.rename_class",
                "Rename class…",
                self.items.ask_class_name,
                "Data",
                "",
                "edit",
                self._has_classes,
                why=self.tr("Choose a data set with classes first"),
            ),
            *self._leaving_out(),
            Command("data.find", "Find items", self.items.focus_search, "Data", "Ctrl+F", "search", chosen, why=none),
            Command("data.train", "Train on this data set", self._train, "Data", "", "train", chosen, why=none),
            Command(
                "data.preview", "Show or hide what the model sees", lambda: self._toggle("data.preview"), "Data", "", "eye"
            ),
            Command("data.report", "Show or hide the report", lambda: self._toggle("data.report"), "Data", "", "health"),
        ]

    def _leaving_out(self) -> list[Command]:
        actions = (
            ("leave_out", self.tr("Leave the selected items out, or take them in again"), self.items.leave_out_chosen),
            ("leave_out_uncaptioned", self.tr("Leave out all items without a caption"), self.items.leave_out_uncaptioned),
            ("left_out", self.tr("Show what is left out"), lambda: self.items.show_only("split", LEFT_OUT)),
        )
        why = self.tr("Import or choose a data set first")
        there = self._has_dataset
        return [Command(f"data.{key}", text, act, "Data", "", "remove", there, why=why) for key, text, act in actions]

    def _has_classes(self) -> bool:
        return self._has_dataset() and bool(self.session.datasets.current_record.classes)

    def _has_dataset(self) -> bool:
        return self.session.datasets.current_record is not None

    def _train(self) -> None:
        self.session.navigate.emit("train", {"dataset": self.session.datasets.current})
