"""The line that says that pictures of a data set are not where they were, with one button that looks for them."""

from __future__ import annotations

import asyncio

from PySide6.QtWidgets import QFileDialog, QWidget

from models_backend.contract.run_layout import DatasetRecord
from models_backend.contract.words import counted

from ..dialogs import begin_in, opened
from ..pieces import button, column, label, row
from ..state.session import Session
from .data_paths import shown_name

LISTED = 20


class MissingSources(QWidget):
    """Shown while sources of the data set are gone; what is cached can be used all the same."""

    def __init__(self, session: Session):
        super().__init__()
        self._session = session
        self._record: DatasetRecord | None = None
        self.missing: list[str] = []
        self.said = label("", "warn", wrap=True)
        self.look = button(self.tr("Look for them…"), "link", self._ask)
        self.look.setToolTip(
            self.tr("Choose the folder where they are now; they are found by what is in them, whatever their names")
        )
        self.setLayout(column(self.said, row(self.look, None), spacing=2))
        self.hide()

    def show_dataset(self, record: DatasetRecord | None) -> None:
        """Looks whether the sources of a data set are there, and shows the line where they are not."""
        other = record is None or self._record is None or record.id != self._record.id
        self._record = record
        if other:
            self.hide()
        if record is not None and not record.builtin and record.modality != "points":
            self._session.bridge.spawn(self._check(record))

    async def _check(self, record: DatasetRecord) -> None:
        folder = self._session.bridge.library.dataset(record.id)
        missing = await asyncio.to_thread(folder.missing)
        if self._record is None or self._record.id != record.id:
            return
        self.missing = missing
        many = self.tr("{lost:,} of {all} are not where they were. They can be used at the sizes that are cached.")
        self.said.setText(many.format(lost=len(missing), all=counted(record.count, "picture")))
        rest = [self.tr("and {count:,} more").format(count=len(missing) - LISTED)] if len(missing) > LISTED else []
        self.said.setToolTip("\n".join([*map(shown_name, missing[:LISTED]), *rest]))
        self.setVisible(bool(missing))

    def _ask(self) -> None:
        session = self._session
        dialog = QFileDialog(
            self.window(), self.tr("Look for the pictures"), begin_in(session.preferences.get("import/folder", ""))
        )
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.filesSelected.connect(self.look_in)
        opened(dialog)

    def look_in(self, paths: list[str]) -> None:
        """Looks for them below the paths."""
        self._session.bridge.spawn(self._look(self._record, paths))

    async def _look(self, record: DatasetRecord, paths: list[str]) -> None:
        session, before = self._session, len(self.missing)
        task = asyncio.current_task()
        activity = session.jobs.begin(self.tr("Looking for the pictures of {title}").format(title=record.title), task.cancel)
        try:
            await session.bridge.engine.look_for(record.id, paths, tell=activity.tell)
        finally:
            session.jobs.end(activity)
        await session.datasets.load()
        await self._check(record)
        found = self.tr("{found:,} of {lost} found.")
        session.bridge.notice(found.format(found=before - len(self.missing), lost=counted(before, "missing picture")))
