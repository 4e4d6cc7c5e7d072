"""A process of its own whose window has every form filled in and then waits to be killed:

    PYTHONPATH=tests python tests/studio/filled_forms.py FOLDER

It prints "filled" once all is typed; nothing is closed, flushed or said goodbye to."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from PySide6.QtWidgets import QApplication
from scripted_window import scripted_window, settle, turn

RUN = "denoiser-small"


def run_of(session) -> str:
    """The run that is worked with."""
    return next(record.id for record in session.runs.records if record.title == RUN)


async def fill(window) -> None:
    """Types into every form and chooses something everywhere."""
    session, panel = window.session, window.workspace
    window.show_workspace("data")
    datasets, items = session.datasets, panel("data").items
    datasets.set_current(next(record.id for record in datasets.records if record.modality == "image"))
    await settle(lambda: len(items.shown) > 5)
    items.filter.setCurrentIndex(items.filter.findData("train"))
    items.grid.set_current(4, select=True)
    window.show_workspace("train")
    session.catalogue.set_current("flow")
    setup = panel("train").setup
    setup.training.set_values(setup.training.values() | {"steps": 777})
    setup._soon()
    setup.title.setText("My flow")
    await settle(lambda: panel("train").samples.known() > 1)
    panel("train").samples.grid.set_current(panel("train").samples._columns + 2, select=True)
    window.show_workspace("sample")
    panel("sample").setup.choose_run(run_of(session))
    panel("sample").setup.seeds.line.setText("7, 12-14")
    panel("sample").setup.count.setValue(9)
    window.show_workspace("trajectory")
    controls = panel("trajectory").controls
    controls.run_chosen.emit(run_of(session))
    controls.seed.setValue(41)
    controls.form_a.set_values(controls.form_a.values() | {"steps": 21})
    controls.changed.emit()
    window.show_workspace("gallery")
    await settle(lambda: panel("gallery").detail.record is not None)
    panel("gallery").grid.set_current(3, select=True)
    panel("gallery").search.setText("small")


async def main(folder: Path) -> None:
    async with scripted_window(folder, preferences=folder / "kept.json") as window:
        await fill(window)
        await turn(1.0)
        print("filled", flush=True)
        time.sleep(600)


if __name__ == "__main__":
    app = QApplication(sys.argv[:1])
    asyncio.run(main(Path(sys.argv[1])))
