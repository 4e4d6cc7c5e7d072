"""A failure keeps its reason where the thing is listed, in words, once, after a restart too; at a start nothing untrue."""

import asyncio

import shiboken6
from PySide6.QtWidgets import QLabel
from scripted import ScriptedEngine
from scripted_window import scripted_window, settle, turn

from models_backend.contract.messages import Heartbeat, Metrics, State, Trouble, TroubleError
from nexus_studio.bridge import Bridge
from nexus_studio.main_window import MainWindow
from nexus_studio.naming import ID
from nexus_studio.state.preferences import Preferences
from nexus_studio.state.session import Session


def texts(widget):
    return [one.text() for one in widget.findChildren(QLabel) if one.isVisible() and one.text()]


def fails(engine, run, what, advice="Make a new run on the data as they are now"):
    """As a worker tells it: a trouble, the state, and the state of the job, each with the run's id in it."""
    trouble = Trouble(what, run, "its checkpoints are kept", advice, "Traceback (most recent call last): ...")
    engine.tell(run, trouble)
    engine.tell(run, State("failed", 12, str(trouble)))
    job = next(job for job in engine._jobs if job.run == run)
    job.state, job.reason = "failed", str(trouble)
    engine.tell(job.id, State("failed", 0, str(trouble)))


async def test_a_run_that_fails_is_told_once_and_keeps_its_reason_in_the_list_and_the_jobs(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        engine, session = window.session.bridge.engine, window.session
        run = engine.live()[0]
        session.runs.set_current(run)
        train = window.workspace("train")
        window.show_workspace("train")
        await settle(lambda: session.runs.view(run).loaded)
        fails(engine, run, "the data set has changed since the run was made")
        await settle(lambda: train.runs._rows[run].why.whole())
        row = train.runs._rows[run]
        assert row.why.whole().startswith("The data set has changed since the run was made")
        assert "failed" in row.line.whole() and row.why.isVisible()
        (notice,) = window.notices.notices  # once, and it waits to be dismissed
        assert not notice.plain and notice.text.text() == "duel-03: The data set has changed since the run was made"
        notice.dismiss.click()
        await settle(lambda: train.troubles.isVisible())
        assert "duel-03: The data set has changed since the run was made" in texts(train.troubles)
        window.toggle_jobs()
        await turn(0.05)
        everything = " ".join(texts(window) + texts(window.jobs_box))
        assert not ID.search(everything) and "Traceback" not in everything and "duel-03: duel-03" not in everything
        assert any(text.startswith("Failed: The data set has changed") for text in texts(window.jobs_box))
        train.troubles._notice.dismiss.click()
        assert train.troubles._notice is None and row.why.whole()
        engine.tell(run, State("starting"))
        await settle(lambda: not row.why.whole())


async def test_why_a_run_failed_is_said_after_a_restart(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session, engine = window.session, window.session.bridge.engine
        run = engine.live()[0]
        engine.library.folders[run].append(Trouble("memory ran out", run, advice="Try a smaller batch"))
        engine.library.folders[run].append(State("failed", 40, f"{run}: memory ran out. Try a smaller batch"))
        session.runs.states.clear()
        session.runs._views.clear()
        await session.runs.load()  # as a window that opens now reads it
        window.show_workspace("train")
        session.runs.set_current(run)
        train = window.workspace("train")
        await settle(lambda: train.runs._rows[run].why.whole())
        assert train.runs._rows[run].why.whole() == "Memory ran out. Try a smaller batch"
        await settle(lambda: train.troubles.isVisible())
        assert "duel-03: Memory ran out" in texts(train.troubles) and "Try a smaller batch." in texts(train.troubles)


async def test_a_job_that_could_not_begin_says_why_with_its_run(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        engine, session = window.session.bridge.engine, window.session
        waiting = session.jobs.waiting[0]
        job = next(one for one in engine._jobs if one.id == waiting.id)
        job.state, job.reason = "failed", "the worker cannot be started. Free some memory"
        engine.tell(job.id, State("failed", 0, job.reason))
        train = window.workspace("train")
        await turn(0.4)
        assert train.runs._rows[job.run].why.whole() == "The worker cannot be started. Free some memory"
        (notice,) = window.notices.notices
        assert notice.text.text() == "waiting-1: The worker cannot be started. Free some memory"


async def test_an_import_that_fails_stands_in_the_list_of_data_sets_until_dismissed(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        engine, session = window.session.bridge.engine, window.session
        wrong = TroubleError("there are no pictures in it", "numbers.csv", "nothing was added", "drop a folder", "Traceback")
        engine.failures["import_data"] = wrong
        await asyncio.gather(session.open_paths([str(tmp_path / "numbers.csv")]), return_exceptions=True)
        await turn(0.05)
        data = window.workspace("data")
        assert "numbers.csv: There are no pictures in it" in texts(data.list)
        assert "Nothing was added. Drop a folder." in texts(data.list)
        window.notices.dismiss_all()
        again = Preferences(tmp_path / "session.json")
        session.preferences.flush()
        assert len(Preferences(tmp_path / "session.json").get("verdicts")) == 1
        again.close()
        del engine.failures["import_data"]
        await session.open_paths([str(tmp_path / "numbers.csv")])
        await turn(0.05)
        assert session.verdicts.records == []  # a new try that went well


# ------------------------------------------------------------------------------------------------ at a start


UNTRUE = ("Nothing is running", "No run yet", "Get the handwritten digits", "Train a model", "None yet",
          "queued", "Everything you make", "Drop pictures", "Choose or import", "Make something new", "See what a")  # fmt: skip
EMPTY = {"data": "Drop pictures", "train": "Train a model", "sample": "Make something new", "trajectory": "Watch a sample",
         "latent": "See what a model", "gallery": "Everything you make"}  # fmt: skip


async def test_until_the_library_is_read_the_window_says_nothing_untrue(qapp, tmp_path):
    bridge = Bridge(None, asyncio.get_running_loop())
    window = MainWindow(Session(bridge, Preferences(tmp_path / "session.json")))
    try:
        window.show_first()
        window.show()
        for key in ("data", "train", "sample", "trajectory", "latent", "gallery"):
            window.show_workspace(key)
            await turn(0.02)
            said = [text for text in texts(window) if any(word in text for word in UNTRUE)]
            assert said == [], key
        bridge.attach(ScriptedEngine(tmp_path / "library", populated=False))
        await settle(lambda: window.session.is_ready)
        for key, word in EMPTY.items():
            window.show_workspace(key)
            await settle(lambda word=word: any(word in text for text in texts(window)))
        assert window.bottom.running._title.text() == "Nothing is running"
    finally:
        session = window.session
        await bridge.close()
        window.close()
        shiboken6.delete(window)
        session.preferences.close()


async def test_figures_of_a_run_that_is_not_read_yet_do_not_make_it_queued(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        engine, session = window.session.bridge.engine, window.session
        run = engine.live()[0]
        session.runs.states.clear()
        engine.tell(run, Metrics(1250, {"loss": 0.5}))
        engine.tell(run, Heartbeat(1250))
        assert run not in session.runs.states
        await session.runs.load()
        assert session.runs.states[run].state == "running" and session.runs.states[run].step == 1250


async def test_a_run_that_another_process_begins_is_starting_and_then_running(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        engine, session = window.session.bridge.engine, window.session
        record = engine.library.add_run("denoiser", session.datasets.current, title="from a command")
        engine.tell(record.id, State("starting"))
        await settle(lambda: session.runs.states.get(record.id) is not None)
        train = window.workspace("train")
        engine.tell(record.id, State("running"))
        engine.tell(record.id, Metrics(3, {"loss": 0.5}))
        await settle(lambda: "running" in train.runs._rows[record.id].line.whole())
