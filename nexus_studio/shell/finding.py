"""What the command palette can find: actions, runs, models, data sets, files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from models_backend.contract.words import sentence

from .palette import Entry
from .words import dataset_size

if TYPE_CHECKING:
    from ..main_window import MainWindow

MOST_FILES = 20


class Finder:
    """Gathers entries from the window's models each time the palette asks."""

    def __init__(self, window: MainWindow):
        self._window = window
        self._used: dict[str, float] = {}

    def entries(self, text: str) -> list[Entry]:
        """Everything that can be found; for a path that begins with "/", "~" or a drive, what lies there."""
        if text.startswith(("/", "~", "./")) or text[1:3] == ":\\":
            return self._files(text)
        return [*self._actions(bool(text.strip())), *self._runs(), *self._models(), *self._datasets()]

    def _actions(self, every: bool) -> list[Entry]:
        """What can be done now; with ``every`` what cannot too, with what it needs."""
        commands = self._window.actions_list
        return [
            Entry(
                command.title, command.category.lower(), lambda key=command.key: self._run(key), command.icon,
                keywords=command.keywords, shortcut=re.sub(r"\+(?=.)", " ", command.shortcut),
                recent=self._used.get(command.key, 0.0), possible=possible,
                note="" if possible else sentence(command.why) or "Not possible now",
            )
            for command in commands.all()
            if command.key != "go.palette" and ((possible := bool(command.enabled())) or every)
        ]  # fmt: skip

    def _run(self, key: str) -> None:
        self._used = {known: value * 0.7 for known, value in self._used.items()}
        self._used[key] = 1.0
        self._window.actions_list.run(key)

    def _runs(self) -> list[Entry]:
        session = self._window.session

        def choose(run: str) -> None:
            session.runs.set_current(run)
            self._window.go_to("train", {"run": run})

        families = {family.key: family.title for family in session.catalogue.families}
        return [
            Entry(run.title, "run", lambda key=run.id: choose(key), "train", families.get(run.family, run.family), run.id)
            for run in session.runs.records
        ]

    def _models(self) -> list[Entry]:
        def choose(key: str) -> None:
            self._window.session.catalogue.set_current(key)
            self._window.go_to("train", {"family": key})

        return [
            Entry(
                family.title,
                "model",
                lambda key=family.key: choose(key),
                "chip",
                family.summary,
                family.group,
                names=(family.key, *family.names),
            )
            for family in self._window.session.catalogue.families
        ]

    def _datasets(self) -> list[Entry]:
        def choose(key: str) -> None:
            self._window.session.datasets.set_current(key)
            self._window.go_to("data", {"dataset": key})

        return [
            Entry(
                one.title, "data set", lambda key=one.id: choose(key), "data", dataset_size(one.modality, one.count, one.shape)
            )
            for one in self._window.session.datasets.records
        ]

    def _files(self, text: str) -> list[Entry]:
        path = Path(text).expanduser()
        folder, start = (path, "") if text.endswith(("/", "\\")) else (path.parent, path.name.lower())
        try:
            found = sorted(one for one in folder.iterdir() if one.name.lower().startswith(start))[:MOST_FILES]
        except OSError as error:
            return [Entry(text, "file", lambda: None, "warn", error.strerror or str(error))]
        return [
            Entry(
                str(one), "folder" if one.is_dir() else "file",
                lambda one=one: self._window.session.open_paths([str(one)]),
                "folder" if one.is_dir() else "file", "import or open",
            )
            for one in found
        ]  # fmt: skip
