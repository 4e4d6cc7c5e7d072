"""The application: what starts when, what a second start does, the arguments of the program, quiet moments."""

import asyncio
import gc
import os

import pytest
import shiboken6
from PySide6.QtWidgets import QAbstractButton, QLabel
from scripted import ScriptedEngine
from scripted_window import scripted_session, scripted_window, settle, turn

from models_backend.contract.messages import Progress, State, TroubleError
from models_backend.contract.run_layout import JobRecord
from models_backend.library import opening
from models_backend.library.index import Filter
from models_backend.library.library import Library
from nexus_studio import __main__ as program
from nexus_studio.app import Studio
from nexus_studio.main_window import WORKSPACES
from nexus_studio.panels.jobs import JobsPanel
from nexus_studio.shell.building import build_rest


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """The engine that the application starts is the scripted one."""
    from models_backend.engine import engine

    made = []

    def start(library, schedule=True):
        made.append(ScriptedEngine(tmp_path / "scripted"))
        made[-1].schedules = schedule and library.owned
        return made[-1]

    monkeypatch.setattr(engine, "Engine", start)
    return made


async def test_the_frame_is_painted_then_the_engine_starts_then_all_is_put_away(qapp, tmp_path, scripted):
    studio = Studio(qapp, tmp_path / "library", [str(tmp_path / "prints.zip")])
    running = asyncio.ensure_future(studio.until_closed())
    await settle(lambda: studio.window.isVisible())
    await settle(lambda: studio.session.is_ready and studio.session.datasets.current_record)
    assert studio.window.current == "data" and studio.window.latency._timer.isActive()
    await settle(lambda: any(call[0] == "import_data" for call in scripted[0].calls))
    await settle(lambda: ("warm_up",) in scripted[0].calls)
    studio.window.close()
    await asyncio.wait_for(running, 20)
    assert ("close",) in scripted[0].calls and not studio.window.isVisible()
    shiboken6.delete(studio.window)


async def test_a_library_that_cannot_be_opened_is_told_and_the_window_lives(qapp, tmp_path, scripted):
    (tmp_path / "library").write_text("a file, not a folder")
    studio = Studio(qapp, tmp_path / "library")
    running = asyncio.ensure_future(studio.until_closed())
    await settle(lambda: studio.window.notices.notices)
    trouble = studio.window.notices.notices[0].trouble
    assert "library" in str(trouble) and trouble.advice
    studio.window.show_workspace("learn")
    assert studio.session.open_paths([str(tmp_path)]) is None
    assert "still opening" in studio.window.notices.notices[-1].trouble.what
    studio.window.close()
    await asyncio.wait_for(running, 20)
    shiboken6.delete(studio.window)


async def test_a_library_that_a_command_has_open_is_waited_for(qapp, tmp_path, scripted):
    library = Library.open(tmp_path / "library")
    studio = Studio(qapp, tmp_path / "library")
    running = asyncio.ensure_future(studio.until_closed())
    await settle(lambda: studio.window.notices.notices)
    assert f"in use by process {os.getpid()}" in str(studio.window.notices.notices[0].trouble) and not scripted
    await turn(1.2)
    assert len(studio.window.notices.notices) == 1 and not studio.session.is_ready
    library.close()
    await settle(lambda: studio.session.is_ready)
    studio.window.close()
    await asyncio.wait_for(running, 20)
    shiboken6.delete(studio.window)


async def test_a_library_that_can_only_be_read_is_opened_and_said(qapp, tmp_path, scripted, monkeypatch):
    Library.open(tmp_path / "library").close()
    plain = os.access
    monkeypatch.setattr(opening.os, "access", lambda path, mode: not mode & os.W_OK and plain(path, mode))
    studio = Studio(qapp, tmp_path / "library")
    said = []
    studio.bridge.noticed.connect(said.append)
    running = asyncio.ensure_future(studio.until_closed())
    await settle(lambda: studio.session.is_ready)
    assert [text for text in said if "can only be read" in text] == said != [] and not scripted[0].schedules
    studio.window.close()
    await asyncio.wait_for(running, 20)
    shiboken6.delete(studio.window)


async def test_workspaces_are_built_in_quiet_moments_while_nothing_trains(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        keys = [key for key, _, _ in WORKSPACES]
        building = asyncio.ensure_future(build_rest(window, keys))
        await turn(1.5)
        assert set(window.workspaces) == {"data"}, "a run trains: nothing may take the window's time"
        for job in list(window.session.jobs.records):
            await window.session.jobs.ask("stop", job.run)
        await settle(building.done, 30)
        assert set(window.workspaces) == set(keys) and window.current == "data"
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)


def test_the_program_takes_paths_and_a_library_or_hands_a_command_on(tmp_path, monkeypatch):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"")
    window = program._window_arguments(["--library", str(tmp_path), str(picture)])
    assert window.library == tmp_path and window.paths == [str(picture)]
    assert program._window_arguments([]) is not None
    for command in (["families"], ["demo", "--out", "x"], ["--help"], ["train", "--family", "ddpm"]):
        assert program._window_arguments(command) is None


def test_without_a_display_the_program_says_what_to_try(monkeypatch, capsys):
    monkeypatch.setattr(program.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert program.main([]) == 2
    assert "demo --out" in capsys.readouterr().err


async def test_the_jobs_list_shows_failed_jobs_and_what_the_studio_does_itself(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session = window.session
        session.bridge.engine._jobs.append(
            JobRecord("job-9", "train", "broken", session.runs.records[0].id, 0.0, 9.0, state="failed", reason="out of memory")
        )
        session.jobs.refresh()
        activity = session.jobs.begin("Exporting film.mp4", lambda: None)
        activity.tell(Progress(3, 12, "frames", 4.0, 2.0))
        box = JobsPanel(session, window)
        box.open()
        texts = [one.text() for one in box.findChildren(QLabel)]
        assert "Failed: Out of memory" in texts and "frames · 3 of 12 · 4.0/s · 2 s left" in texts
        again = next(one for one in box.findChildren(QAbstractButton) if one.toolTip().startswith("Resume"))
        again.click()
        await settle(lambda: any(call[0] == "resume" for call in session.bridge.engine.calls))
        session.jobs.end(activity)
        await turn(0.05)
        assert "Exporting film.mp4" not in [one.text() for one in box.findChildren(QLabel) if one.isVisible()]
        box.hide()


async def test_a_failed_run_is_told_with_its_reason(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        told = []
        session.bridge.trouble.connect(lambda trouble: told.append(str(trouble)))
        session.bridge.engine.tell(session.jobs.active.run, State("failed", 9, "the worker ran out of memory"))
        assert told == ["duel-03: The worker ran out of memory"]


async def test_samples_come_in_pages_and_are_narrowed(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        samples, run = session.samples, session.bridge.library.samples()[0].run
        assert await samples.count() == 6 and len(await samples.page(4, 10)) == 2
        assert await samples.count(Filter(run=run)) == 2
        record = (await samples.page(0, 1))[0]
        assert (await samples.record(record.id)) == record
        assert len(await samples.items(record.id)) == 12 and "x" in await samples.trace(record.id)
        chosen = []
        samples.current_changed.connect(chosen.append)
        samples.set_current(record.id), samples.set_current(record.id)
        assert chosen == [record.id]


async def test_an_engine_that_refuses_is_told_and_the_queue_is_as_it_was(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        session.bridge.engine.failures["pause"] = TroubleError("the worker does not answer", "duel-03", "The run goes on.")
        told = []
        session.bridge.trouble.connect(told.append)
        session.jobs.ask("pause", session.jobs.active.run)
        await settle(lambda: told)
        assert told[0].kept == "The run goes on." and session.jobs.active.state == "running"


async def test_the_palette_is_drawn_over_the_window(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        before = window.grab().toImage()
        window.open_palette()
        await turn(0.05)
        place = window.palette_box.geometry()
        after = window.grab().toImage()
        assert window.rect().contains(place) and before.copy(place) != after.copy(place)
        window.palette_box._choose(-1)
        assert window.palette_box.isVisible()
        window.open_palette()
        assert not window.palette_box.isVisible()
