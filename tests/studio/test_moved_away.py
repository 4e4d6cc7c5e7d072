"""The window while its library is moved away: one notice, the lists as they were, and everything again when it is back."""

import asyncio

import pytest
import shiboken6
from real_library import RealLibrary
from scripted_window import settle, turn

from models_backend.contract.family import DataSpec
from models_backend.contract.run_layout import RunRecord
from models_backend.library import standing
from models_backend.library.library import Library
from nexus_studio.app import KNOWN, Studio
from nexus_studio.bridge import Bridge
from nexus_studio.main_window import MainWindow
from nexus_studio.state.preferences import Preferences
from nexus_studio.state.session import Session


@pytest.fixture
def library(library_root):
    made = Library.open(library_root)
    spec = DataSpec("image", (3, 8, 8), 6)
    for n in range(3):
        made.create_run(RunRecord(f"run-{n}", f"Run {n}", "ddpm", "d" * 16, "", {}, {"steps": 9}, {}, {}, spec, 1.0 + n))
    yield made
    made.close()


async def test_one_notice_while_it_is_gone_and_the_lists_stay(qapp, tmp_path, library, library_root):
    session = Session(Bridge(None, asyncio.get_running_loop()), Preferences(tmp_path / "session.json"))
    window = MainWindow(session)
    window.show()
    session.bridge.attach(RealLibrary(library))
    await settle(lambda: session.is_ready)
    said = []
    session.bridge.noticed.connect(said.append)
    library_root.rename(tmp_path / "away")
    await settle(lambda: session.standing.gone, 6)
    await session.runs.load()
    for act in (lambda: library.run("run-1").update_record(title="x"), lambda: library.run("run-2").record()):
        session.bridge.spawn(asyncio.to_thread(act))
    await turn(0.3)
    (notice,) = window.notices.notices
    assert notice.trouble.what.casefold() == standing.WHAT.casefold()
    assert notice.trouble.item == str(library_root) and len(session.runs.records) == 3 and not library_root.exists()
    (tmp_path / "away").rename(library_root)
    await settle(lambda: not session.standing.gone, 6)
    await settle(lambda: said == ["The library's folder is back; everything goes on."])
    assert not [one for one in window.notices.notices if one.trouble.item == str(library_root)]
    library.run("run-1").update_record(title="x")
    window.close()
    await session.bridge.close()
    session.preferences.close()
    shiboken6.delete(window)
    shiboken6.delete(session)


@pytest.mark.parametrize("moved", [True, False])
async def test_an_empty_library_in_place_of_one_that_is_gone_is_not_made_in_silence(
    qapp, tmp_path, library_root, monkeypatch, moved
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("models_backend.engine.engine.Engine", RealLibrary)
    Library.open(library_root).close()
    if moved:
        library_root.rename(tmp_path / "away")
    studio = Studio(qapp, library_root)
    studio.preferences.set(KNOWN, [str(library_root)])
    running = asyncio.ensure_future(studio.until_closed())
    await settle(lambda: studio.session.is_ready, 10)
    told = [one.trouble.what for one in studio.window.notices.notices if not one.plain]
    assert [text for text in told if "a new, empty one was made" in text] == told and len(told) == moved
    studio.window.close()
    await asyncio.wait_for(running, 20)
    shiboken6.delete(studio.window)
