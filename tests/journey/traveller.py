"""A process of its own with the real window on the real engine, in which somebody brings own photographs to an export:

    python tests/journey/traveller.py ACT --library DIR --notes FILE --photographs DIR --out FILE

``short``: from the folder to samples of a finished run. ``first``: as far as a run in training that goes on after a pause;
then it waits to be killed. ``second``: opens again, waits for the run, trains it further, compares it, exports. What is seen on
the way is asserted here; notes (JSON, a line each) are for what must be compared with the library."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # children of a studio look nowhere by themselves

import hands
import qasync
from hands import RIGHT, button, click, dialog, key, texts, type_over, until, words_of
from photographs import BROKEN, CAPTION, CLASS, LEFT_OUT, RESOLUTION, SECOND, TITLE
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFileDialog, QInputDialog

from nexus_studio.app import Studio, make_application


class Traveller:
    """One who uses the window. ``note`` hands a line to the test at once; ``troubles`` are what the window complained of."""

    def __init__(self, studio: Studio, options: argparse.Namespace):
        self.studio, self.options, self.window = studio, options, studio.window
        self.session, self.troubles = studio.session, []
        self._notes = os.open(options.notes, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        studio.bridge.trouble.connect(lambda trouble: self.troubles.append(str(trouble)))

    def note(self, **what: object) -> None:
        os.write(self._notes, json.dumps(what).encode() + b"\n")

    def panel(self, name: str):
        return self.window.workspaces[name]

    async def go(self, name: str) -> None:
        """To a workspace, by its button on the rail."""
        await click(button(self.window.rail, name.capitalize()))
        await until(lambda: self.window.current == name)

    # ---------------------------------------------------------------------------------------------- data

    async def bring_photographs(self) -> None:
        data = await until(lambda: self.window.workspaces.get("data"))
        await until(lambda: self.session.is_ready)
        await click(button(data, "Choose a folder…"))
        await hands.give_path(str(self.options.photographs))
        await until(lambda: data.items.isVisible() and data.items.grid.count() == 120, "120 photographs")
        await until(lambda: data.report.figures["imported"]._number.text() == "120", "the report")
        assert sorted(data.report.unread.names) == sorted(BROKEN)
        assert data.report.figures["captions"]._number.text() == "78"
        assert "42 of 120 items have no caption" in texts(data.report)

    async def edit_data(self) -> None:
        data = self.panel("data")
        await self._write_caption(data.items)
        await self._leave_out(data)
        await self._rename_class(data)
        await self._set_resolution(data)

    async def _write_caption(self, items) -> None:
        await hands.click_tile(items.grid, 1, twice=True)
        await until(items.caption.isVisible, "the field for the caption")
        await type_over(CAPTION)
        await key(Qt.Key.Key_Return)
        await until(lambda: items._caption(1) == CAPTION, "the new caption")
        self.note(captioned=items.items[items.shown[1]].source)

    async def _leave_out(self, data) -> None:
        grid, items = data.items.grid, data.items
        await hands.click_tile(grid, 3)
        await hands.click_tile(grid, 3 + LEFT_OUT - 1, keys=Qt.KeyboardModifier.ShiftModifier)
        out = [items.items[n].source for n in items.chosen()]
        assert len(out) == LEFT_OUT
        await key(Qt.Key.Key_Delete)
        await until(lambda: grid.count() == 110 and data.report.figures["imported"]._number.text() == "110", "ten fewer")
        assert not grid.selection(), "no other items are chosen in their place"
        assert "10 left out" in texts(data.report)
        self.note(left_out=out)

    async def _rename_class(self, data) -> None:
        bars = data.report.classes
        old = bars._classes[0][0]
        await hands.reveal(bars)
        await click(bars, QPoint(20, 6), button=RIGHT)
        await hands.choose("Rename…")
        asked = await until(lambda: dialog(QInputDialog))
        assert asked.textValue() == old
        await type_over(CLASS)
        await key(Qt.Key.Key_Return)
        await until(lambda: bars._classes[0][0] == CLASS, "the new name")
        self.note(renamed=old)

    async def _set_resolution(self, data) -> None:
        view = data.preview
        await click(view.form.group.lines["resolution"].editor.field)
        await type_over(str(RESOLUTION))
        await key(Qt.Key.Key_Return)
        await until(lambda: self.session.datasets.settings(self.session.datasets.current)["resolution"] == RESOLUTION)
        await until(lambda: view.images and view.images[0].width() == RESOLUTION, "pictures of the new size")
        self.note(shown=view.form.values())

    # --------------------------------------------------------------------------------------------- train

    async def take_first_model(self) -> None:
        suits = self.panel("data").report.suits
        first = await until(lambda: suits.titles() and suits.titles()[0])
        await click(button(suits, first))
        train = await until(lambda: self.window.current == "train" and self.panel("train"))
        assert train.setup.family.title == first
        await until(lambda: f"seen at {RESOLUTION} × {RESOLUTION} px, as the Data panel shows them" in texts(train.setup))
        assert "38 of 110 items have no caption" in texts(train.setup)
        self.note(model=train.setup.family.key)

    async def set_up(self, title: str, steps: int) -> None:
        setup = self.panel("train").setup
        await hands.pick(setup.preset, "Tiny")
        await click(setup.title)
        await type_over(title)
        await self._number(setup.training, "steps", steps)
        if not setup.more.unfolded:
            await click(setup.more.button)
        await self._number(setup.more, "threads", 1)
        await until(lambda: not setup.problems(), "a set-up without problems")

    async def _number(self, section, name: str, value: int) -> None:
        await click(section.form.group.lines[name].editor.field)
        await type_over(str(value))
        await key(Qt.Key.Key_Tab)
        await until(lambda: section.values()[name] == value, f"{name} {value}")

    async def start(self, title: str) -> None:
        train = self.panel("train")
        await click(train.begin.start)
        await until(lambda: train._view is not None and train._view.record.title == title, "the new run")
        await until(lambda: train._view.state == "running" and train._view.step >= 2, "steps")
        assert f"Training · {title}" in texts(self.window.bottom)

    async def pause_and_sample(self) -> None:
        train = self.panel("train")
        await click(button(train.controls, "Pause"))
        await until(lambda: train._view.state == "paused" and words_of(train.controls.pause) == "Resume", "paused")
        at = train._view.step
        await click(button(train.controls, "Sample now"))
        await until(lambda: train.samples._rows and train.samples._rows[-1][2] in train.samples._made, "samples of now")
        assert train.samples.grid.image(0).width() == RESOLUTION and train._view.step == at
        await click(button(train.controls, "Resume"))
        await until(lambda: train._view.state == "running" and train._view.step > at, "steps after the pause")
        self.note(paused=at)

    async def finished(self, steps: int) -> None:
        train = self.panel("train")
        await until(lambda: train._view.state == "finished" and train._view.step == steps, f"finished at {steps}")
        assert train._view.series("loss")[0].tolist()[-1] == steps

    # ----------------------------------------------------------------------------------- after the kill

    async def find_again(self) -> None:
        train = await until(lambda: self.window.current == "train" and self.window.workspaces.get("train"), "Train again")
        view = await until(lambda: train._view if train._view and train._view.loaded else None)
        assert view.record.title == TITLE and view.state in ("running", "finished")
        assert train.setup.values("training")["threads"] == 1 and train.setup.values("data")["resolution"] == RESOLUTION
        self.note(again=view.step)

    async def train_further(self, steps: int) -> None:
        train = self.panel("train")
        card, at = train.controls.more, train._view.step
        await click(button(train.controls, "Train further…"))
        await until(card.isVisible)
        await click(card.form.group.lines["steps"].editor.field)
        await type_over(str(steps - at))
        await until(lambda: f"From step {at} on to {steps} in all" in texts(card))
        await click(button(card, "Train further"))
        await until(lambda: train._view.total == steps, "more steps")
        await self.finished(steps)

    async def compare(self) -> None:
        train = self.panel("train")
        rows = {row.title.whole(): row for row in train.runs._rows.values()}
        await click(rows[TITLE].box)
        await until(lambda: len(train.curves._over) == 1 and train.curves.subtract.isVisible(), "both curves")
        chips = train.curves.curves._chips
        await until(lambda: any(words_of(chip) == TITLE for chip in chips.values()), "its name in the legend")
        self.note(compared=list(chips))

    async def sample_and_export(self, title: str) -> None:
        await self.go("sample")
        sample = self.panel("sample")
        await hands.pick(sample.setup.runs, title)
        await click(sample.setup.count.lineEdit())
        await type_over("4")
        await key(Qt.Key.Key_Tab)
        await click(sample.controls.generate)
        batch = await until(lambda: sample.results.batch if not sample.work.is_busy else None, "samples")
        assert batch.items.shape[0] == 4 and batch.items.shape[1:3] == (RESOLUTION, RESOLUTION)
        self.note(sample=batch.samples[0])
        if self.options.out:
            await click(await until(lambda: sample.export if sample.export.isVisible() else None))
            await hands.choose("Contact sheet · PNG")
            await until(lambda: dialog(QFileDialog))
            await hands.give_path(str(self.options.out))
            await until(lambda: f"Exported {self.options.out}" in texts(self.window.notices), "where it went")


async def short(one: Traveller) -> None:
    await one.bring_photographs()
    await one.edit_data()
    await one.take_first_model()
    await one.set_up(TITLE, 6)
    await one.start(TITLE)
    await one.finished(6)
    await one.sample_and_export(TITLE)


async def first(one: Traveller) -> None:
    await one.bring_photographs()
    await one.edit_data()
    await one.take_first_model()
    await one.set_up(TITLE, 60)
    await one.start(TITLE)
    await one.pause_and_sample()
    one.note(kill=True)
    await asyncio.sleep(hands.PATIENCE_S)


async def second(one: Traveller) -> None:
    await one.find_again()
    await one.finished(60)
    await one.train_further(70)
    await one.set_up(SECOND, 6)
    await one.start(SECOND)
    await one.finished(6)
    await one.compare()
    await one.sample_and_export(TITLE)


async def travel(studio: Studio, options: argparse.Namespace) -> None:
    """The window from its first paint to its close."""
    running = asyncio.ensure_future(studio.until_closed())
    one = Traveller(studio, options)
    try:
        await until(lambda: studio.session.is_ready, "the library")
        await {"short": short, "first": first, "second": second}[options.act](one)
        one.note(end=True, troubles=one.troubles)
    finally:
        if options.picture:
            studio.window.grab().save(str(options.picture))
        studio.window.close()
        await running


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("act", choices=("short", "first", "second"))
    for name in ("library", "notes", "photographs", "out", "picture"):
        parser.add_argument(f"--{name}", type=Path, required=name in ("library", "notes"))
    options = parser.parse_args()
    app = make_application(["nexus-studio"])
    loop = qasync.QEventLoop(app)
    asyncio.set_event_loop(loop)
    studio = Studio(app, options.library)
    with loop:
        loop.run_until_complete(travel(studio, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
