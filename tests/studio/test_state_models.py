"""State: undo, preferences, curves, run views, the queue, what paths become, captions, cached rows."""

import asyncio
import time

import msgspec
import numpy as np
import pytest
from scripted_library import ScriptedLibrary
from scripted_window import scripted_session, settle, turn

from models_backend.contract.messages import Event, Heartbeat, Mark, Metrics, Preview, Progress, State, Trouble, TroubleError
from models_backend.contract.run_layout import Item
from models_backend.library import provenance
from nexus_studio import naming
from nexus_studio.bridge import Bridge, trouble_of
from nexus_studio.panels.train import described
from nexus_studio.shell.words import activity_figures, how_far
from nexus_studio.state import jobs, run_view
from nexus_studio.state.cached_rows import CachedRows, open_rows
from nexus_studio.state.captions import read_captions
from nexus_studio.state.fuzzy import score
from nexus_studio.state.opening import FILTERS, outcomes
from nexus_studio.state.preferences import Preferences
from nexus_studio.state.run_view import RunView
from nexus_studio.state.series import Series
from nexus_studio.state.undo import UndoStack
from nexus_studio.state.verdicts import Verdicts

# ------------------------------------------------------------------------------------------------- undo


def test_undo_and_redo_walk_the_same_edits_back_and_forth(qapp):
    text, stack = [""], UndoStack()
    for letter in "abc":
        before, after = text[0], text[0] + letter
        stack.push(f"type {letter}", lambda a=after: text.__setitem__(0, a), lambda b=before: text.__setitem__(0, b))
    assert text[0] == "abc" and stack.undo_text == "type c"
    stack.undo(), stack.undo()
    assert text[0] == "a" and stack.redo_text == "type b"
    stack.redo()
    assert text[0] == "ab"
    stack.push("type x", lambda: text.__setitem__(0, "abx"), lambda: text.__setitem__(0, "ab"))
    assert stack.redo_text == "", "what was undone before a new edit is forgotten"


def test_an_edit_that_fails_is_not_kept(qapp):
    stack = UndoStack()
    with pytest.raises(ZeroDivisionError):
        stack.push("divide", lambda: 1 / 0, lambda: None)
    assert stack.undo_text == ""


# ------------------------------------------------------------------------------------------ preferences


def test_what_a_killed_studio_left_beside_the_preferences_goes_with_the_next_write(qapp, tmp_path, qtbot):
    (tmp_path / ".tmp-999999999-0123456789ab").write_bytes(b"{")
    preferences = Preferences(tmp_path / "session.json")
    with qtbot.waitSignal(preferences.saved):
        preferences.set("theme", "light")
    preferences.close()
    assert [path.name for path in tmp_path.iterdir()] == ["session.json"]


def test_preferences_are_on_disk_soon_after_a_change_without_being_asked(qapp, tmp_path, qtbot):
    kept = Preferences(tmp_path / "session.json")
    kept.set("theme", "light")
    kept.set("layout/data", "QUJD")
    qtbot.waitUntil(lambda: (tmp_path / "session.json").exists(), timeout=3000)
    again = Preferences(tmp_path / "session.json")
    assert again.get("theme") == "light" and again.get("layout/data") == "QUJD"
    assert again.keys("layout/") == ["layout/data"]
    kept.close(), again.close()


def test_what_is_set_after_the_end_is_on_disk_at_once(qapp, tmp_path):
    kept = Preferences(tmp_path / "session.json")
    beside = kept.companion("undo")
    kept.close()
    kept.set("theme", "light")
    beside.set("done", [1])
    assert Preferences(kept.path).get("theme") == "light" and Preferences(beside.path).get("done") == [1]


def test_a_burst_of_changes_is_one_write(qapp, tmp_path, qtbot, monkeypatch):
    from nexus_studio.state import preferences

    written = []
    monkeypatch.setattr(preferences, "_write", lambda path, data: written.append(data))
    kept = Preferences(tmp_path / "session.json")
    for n in range(50):
        kept.set("number", n)
    with qtbot.waitSignal(kept.saved, timeout=3000):
        pass
    assert len(written) == 1 and b"49" in written[0]
    kept.close()


def test_a_damaged_preferences_file_is_set_aside_and_the_defaults_hold(qapp, tmp_path):
    path = tmp_path / "session.json"
    path.write_text('{"theme": "lig')
    kept = Preferences(path)
    assert kept.get("theme", "dark") == "dark"
    assert path.with_suffix(".damaged.json").read_text() == '{"theme": "lig'
    kept.close()


def test_a_write_that_fails_is_told(qapp, tmp_path, qtbot, monkeypatch):
    from nexus_studio.state import preferences

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preferences, "_write", full)
    kept = Preferences(tmp_path / "session.json")
    with qtbot.waitSignal(kept.failed, timeout=3000) as told:
        kept.set("theme", "light")
    assert "No space left" in told.args[0]
    kept.close()


# ------------------------------------------------------------------------------------------ curves, runs


def test_a_series_grows_past_its_first_size_and_is_cut_where_a_run_went_back():
    series = Series()
    for step in range(1000):
        series.append(step, step * 2.0)
    steps, values = series.arrays()
    assert len(series) == 1000 and np.array_equal(values, steps * 2)
    series.append(500, -1.0)
    assert len(series) == 501 and series.last == -1.0, "a run resumed from step 500 writes over what came after it"


def event(seq, body, at=0.0):
    return Event(seq, at or time.time(), "run", body)


@pytest.fixture
def view(qapp, tmp_path):
    library = ScriptedLibrary(tmp_path)
    folder = next(folder for folder in library.folders.values() if folder.state()[0] == "running")
    made = RunView(folder.record(), folder)
    made.folder = folder
    return made


def test_a_view_of_a_log_has_its_curves_marks_previews_and_health(view):
    view.take_log(list(view.folder.events()))
    steps, losses = view.series("loss")
    assert len(steps) == 124 and losses[0] > losses[-1]
    assert len(view.series("validation")[0]) == 12 and len(view.series("unknown")[0]) == 0
    assert view.marks == [(600, "lr 2e-4 → 1e-4")]
    assert [preview.step for preview in view.previews] == [400, 800, 1200]
    assert view.state == "running" and view.step == 1240 and view.total == 2000
    assert view.health.lines[1].remedy.live
    assert view.rate == pytest.approx(40, rel=0.01)
    assert view.left_s == pytest.approx(760 / 40, rel=0.01)


def test_a_view_says_what_a_run_does_beside_training_until_it_trains_again(view):
    view.take_log(list(view.folder.events()))
    assert view.stage is None and "it/s" in described(view)
    view.tell(event(0, Mark(1240, "compiling the networks")))
    view.tell(event(0, Progress(0, 0, "compiling", left_s=60.0)))
    assert view.stage.what == "compiling" and "about 1 m 00 s left" in described(view) and "it/s" not in described(view)
    view.tell(event(0, Heartbeat(1240, what="compiling", for_s=65.0, left_s=5.0)))  # a window that opens now hears it as well
    assert "compiling · 1 m 05 s · about 5 s left" in described(view) and "it/s" not in described(view)
    view.tell(event(0, Heartbeat(1240, what="compiling", for_s=75.0)))
    assert described(view).endswith("compiling · 1 m 15 s so far")
    view.tell(event(0, Progress(1244, 2000, "training")))
    assert view.stage is None and "waiting for the first figure" in described(view)  # the old rate tells nothing of what comes


@pytest.mark.parametrize("seq, state", [(0, "running"), (1, "finished"), (1, "stopped")])
def test_a_worker_that_did_not_answer_is_no_trouble_once_it_answers_or_has_ended(view, seq, state):
    view.take_log(list(view.folder.events()))
    view.tell(event(0, Trouble("its worker does not open its socket")))
    assert view.trouble is not None
    view.tell(event(seq and view._seq + 1, State(state, 1240)))
    assert view.trouble is None
    view.tell(event(view._seq + 1, Trouble("the preview failed")))
    view.tell(event(view._seq + 1, State("finished", 1240)))
    assert view.trouble is not None, "what its log says of it stays"


def test_no_time_left_is_told_until_a_few_steady_steps_are_done(view):
    now = time.time()
    view.take_log([event(1, State("running", 0), now - 60)])
    for step, at in ((1, -20.0), (2, -15.0), (3, -10.0)):
        view.tell(event(1 + step, Metrics(step, {"loss": 1.0}), now + at))
    assert view.rate == view.left_s == 0 and "left" not in described(view) and "it/s" not in described(view)
    view.tell(event(5, Metrics(3, {"validation": 1.0}), now - 9))
    assert view.left_s == 0
    view.tell(event(6, Metrics(4, {"loss": 1.0}), now - 5))
    assert view.rate == pytest.approx(0.2) and view.left_s == pytest.approx(1996 * 5)


@pytest.mark.parametrize("silent_s, told", [(1, "it/s"), (4, "it/s"), (20, "for 20 s"), (190, "for 3 m 10 s")])
def test_figures_age(view, monkeypatch, silent_s, told):
    view.take_log(list(view.folder.events()))
    last = view._heard
    monkeypatch.setattr(run_view.time, "time", lambda: last + silent_s)
    assert told in described(view)
    assert ("left" in described(view)) == (told == "it/s")


def test_what_the_studio_does_tells_no_rate_that_is_old(qapp, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(jobs.time, "monotonic", lambda: clock[0])
    activity = jobs.Activity("Importing")
    clock[0] = 12.0
    assert activity_figures(activity) == ["12 s"]
    activity.tell(Progress(30, 120, "reading", 10.0, 9.0))
    assert activity_figures(activity) == ["reading", "30 of 120", "10.0/s", "9 s left"] and how_far(activity) == 250
    clock[0] = 32.0
    assert activity_figures(activity) == ["reading", "30 of 120", "32 s"]
    activity.tell(Progress(0, 0, "loading the run"))
    assert activity_figures(activity) == ["loading the run", "32 s"] and how_far(activity) == 0


@pytest.mark.parametrize(
    "item, what, kept, shown",
    [
        (
            "20261130-1101-flow-00ab",
            "20261130-1101-flow-00ab: the data set has changed",
            "",
            "Leaves 2: The data set has changed",
        ),
        ("Leaves 2", "Leaves 2: Leaves 2: no such class", "it stays", "Leaves 2: No such class. It stays"),
        ("20260101-0000-gone-ffff", "the library has no such run", "", "The library has no such run"),
        ("", "20260101-0000-gone-ffff is not in the queue", "", "It is not in the queue"),
        ("0123456789abcdef", "the data set holds points", "", "The data set holds points"),
        ("leaf.png", "it ends after 812 bytes", "", "leaf.png: It ends after 812 bytes"),
    ],
)
def test_troubles_name_items_once_and_never_by_an_id(item, what, kept, shown):
    titles = {"20261130-1101-flow-00ab": "Leaves 2"}
    told = naming.plain(Trouble(what, item, kept), lambda one: titles.get(one, ""))
    assert str(told) == shown


def test_verdicts_are_there_after_a_restart_and_go_when_dismissed(qapp, tmp_path):
    kept = Preferences(tmp_path / "session.json")
    verdicts = Verdicts(kept)
    verdicts.add("import", "leaves", Trouble("there are no pictures in it", advice="Drop a folder"))
    verdicts.add("import", "leaves", Trouble("it is a file of numbers"))  # a new try of the same
    verdicts.answer("proof", "duel-03", "Resuming is exact.", of="run-1")
    kept.close()
    again = Verdicts(Preferences(tmp_path / "session.json"))
    found = [(one.title, one.trouble.what, one.good) for one in again.records]
    assert found == [("duel-03", "Resuming is exact.", True), ("leaves", "it is a file of numbers", False)]
    assert again.of("proof", item="run-2") == [] and len(again.of("proof", "import")) == 2
    again.dismiss(again.of("import")[0])
    again.clear("proof", "run-1", "duel-03")
    assert again.records == [] and again._preferences.get("verdicts") is None


def test_events_told_while_the_log_is_read_are_taken_once_and_in_order(view):
    log = list(view.folder.events())
    late = event(len(log) + 1, Metrics(1250, {"loss": 0.5}))
    assert view.tell(log[-1]) and view.tell(late), "they wait until the log is there"
    view.take_log(log)
    assert view.step == 1250 and view.last("loss") == 0.5
    assert view.tell(log[-1]), "an event that is known already changes nothing"
    assert len(view.series("loss")[0]) == 125


def test_a_log_that_is_taken_in_pieces_is_the_same_log(view):
    log = list(view.folder.events())
    late = event(len(log) + 1, Metrics(1250, {"loss": 0.5}))
    view.take_log(log[:40], more=True)
    assert not view.loaded and view.tell(late), "it waits until the whole log is there"
    view.take_log(log[40:], more=True)
    view.take_log([])
    assert view.loaded and view.step == 1250 and len(view.series("loss")[0]) == 125


def test_a_gap_in_the_events_is_seen_and_filled_from_the_log(view):
    log = list(view.folder.events())
    view.take_log(log[:-3])
    assert view.tell(log[-1]) is False
    view.take_log(log[-3:])
    assert view._seq == len(log)


def test_changes_are_told_at_most_ten_times_a_second(view, qtbot):
    told = []
    view.take_log([])
    view.changed.connect(lambda: told.append(time.perf_counter()))
    end = time.perf_counter() + 0.55
    seq = 1
    while time.perf_counter() < end:
        view.tell(event(seq, Metrics(seq, {"loss": 1.0})))
        seq += 1
        qtbot.wait(1)
    assert 3 <= len(told) <= 7 and seq > 40


def test_a_failed_run_says_why_and_a_heartbeat_moves_the_step(view):
    view.take_log([])
    view.tell(event(0, Heartbeat(7, 812.0)))
    assert view.step == 7 and view.heartbeat.rss_mb == 812.0
    view.tell(event(1, Trouble("out of memory", kept="the checkpoint of step 5")))
    view.tell(event(2, State("failed", 7, "out of memory")))
    assert view.state == "failed" and view.trouble.kept and not view.live and view.rate == 0


def test_a_preview_made_again_replaces_what_came_after_it(view):
    view.take_log([event(1, Preview(10, "a", 1)), event(2, Preview(20, "b", 1)), event(3, Preview(10, "c", 1))])
    assert [preview.path for preview in view.previews] == ["c"]
    view.take_log([event(4, Mark(3, "x")), event(5, Mark(3, "x"))])
    assert view.marks == [(3, "x")]


# --------------------------------------------------------------------------------------- session, queue


async def test_a_session_reads_the_library_and_chooses_again_what_was_chosen(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        assert len(session.datasets.records) == 2 and len(session.runs.records) == 6
        assert [family.group for family in session.catalogue.families] == ["Diffusion", "Flow", "Adversarial", "Autoencoders"]
        chosen = session.datasets.records[1].id
        session.datasets.set_current(chosen)
        session.runs.set_current(session.runs.records[2].id)
        run = session.runs.current
    async with scripted_session(tmp_path) as again:
        assert again.datasets.current == chosen and again.runs.current == run


async def test_the_queue_is_reordered_held_and_emptied_through_the_engine(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        jobs, engine = session.jobs, session.bridge.engine
        first, second = jobs.waiting
        assert jobs.active.run == session.runs.records[2].id
        await jobs.ask("reorder", second.id, 0)
        assert [job.id for job in jobs.waiting] == [second.id, first.id]
        await jobs.ask("hold", first.id, True)
        assert jobs.waiting[1].held
        await jobs.ask("cancel", second.id)
        assert [job.id for job in jobs.waiting] == [first.id]
        await jobs.ask("pause", jobs.active.run)
        assert jobs.active.state == "paused" and ("pause", jobs.active.run) in engine.calls


async def test_live_events_reach_the_view_and_what_the_wire_lost_comes_from_the_log(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        engine = session.bridge.engine
        view = session.runs.view(session.jobs.active.run)
        await settle(lambda: view.loaded)
        engine.tell(view.id, Metrics(1250, {"loss": 0.04}))
        assert view.step == 1250
        engine.library.folders[view.id].append(Metrics(1260, {"loss": 0.03}))  # never told
        engine.tell(view.id, Metrics(1270, {"loss": 0.02}))
        await settle(lambda: view.step == 1270)
        assert list(view.series("loss")[0][-3:]) == [1250, 1260, 1270]


async def test_importing_shows_progress_can_be_cancelled_and_then_adds_nothing(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        engine, told = session.bridge.engine, []
        (tmp_path / "a.png").write_bytes(b"\x89PNG")
        session.bridge.noticed.connect(told.append)
        engine.import_steps = 200
        task = session.open_paths([str(tmp_path)])
        await settle(lambda: session.jobs.activities and session.jobs.activities[0].progress)
        assert session.jobs.activities[0].progress.total == 200
        session.jobs.activities[0].cancel()
        await settle(task.done)
        assert not session.jobs.activities and len(session.datasets.records) == 2
        assert any("cancelled" in line for line in told)


async def test_an_import_is_chosen_and_shown(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        gone = []
        session.navigate.connect(lambda key, what: gone.append((key, what)))
        await session.open_paths([str(tmp_path / "prints.zip")])
        assert session.datasets.current_record.title == "prints"
        assert gone == [("data", {"dataset": session.datasets.current})]


async def test_a_file_that_the_studio_exported_brings_its_state_back(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        record = session.bridge.library.samples()[0]
        exported = tmp_path / "sheet.png"
        exported.write_bytes(b"\x89PNG...." + provenance.marker(record).encode() + b"\0....")
        gone = []
        session.navigate.connect(lambda key, what: gone.append((key, what)))
        await session.open_paths([str(exported)])
        assert gone[0][0] == "sample" and gone[0][1]["state"] == record and gone[0][1]["run"] == record.run
        troubles = []
        session.bridge.trouble.connect(troubles.append)
        (tmp_path / "plain.png").write_bytes(b"\x89PNG")
        task = session.open_paths([str(tmp_path / "plain.png")], "state")
        await settle(lambda: troubles)
        assert task.done() and troubles[0].item == "plain.png" and "no state" in troubles[0].what


@pytest.mark.parametrize(("kind", "where"), [("weights", "train"), ("path", "latent")])
async def test_what_no_sampling_made_opens_where_it_was_made(qapp, tmp_path, kind, where):
    async with scripted_session(tmp_path) as session:
        made = session.bridge.library.samples()[0]
        record = msgspec.structs.replace(made, id=f"{kind}-1", title="a title", count=0, kind=kind)
        exported = tmp_path / "exported.safetensors"
        exported.write_bytes(provenance.marker(record).encode())
        gone, told = [], []
        session.navigate.connect(lambda key, what: gone.append((key, what["run"])))
        session.bridge.noticed.connect(told.append)
        await session.open_paths([str(exported)])
        assert gone == [(where, record.run)] and not told
        title = outcomes([exported])[0].title
        assert title == ("Open its run" if kind == "weights" else "Open the state that made it")


async def test_weights_of_a_run_that_the_library_has_not_say_so(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        made = session.bridge.library.samples()[0]
        exported, gone, told = tmp_path / "model.safetensors", [], []
        record = msgspec.structs.replace(made, id="weights-nowhere", run="nowhere", count=0, kind="weights")
        exported.write_bytes(provenance.marker(record).encode())
        session.navigate.connect(lambda key, what: gone.append(key))
        session.bridge.noticed.connect(told.append)
        await session.open_paths([str(exported)])
        assert len(told) == 1 and "the weights of a run that is not in this library" in told[0] and not gone


@pytest.mark.parametrize("count", [1, 2])
async def test_a_picture_of_a_run_that_the_library_has_not_is_told_once(qapp, tmp_path, count):
    async with scripted_session(tmp_path) as session:
        record = msgspec.structs.replace(session.bridge.library.samples()[0], id="elsewhere", run="nowhere")
        files = [tmp_path / f"sheet-{n}.png" for n in range(count)]
        for file in files:
            file.write_bytes(b"\x89PNG...." + provenance.marker(record).encode() + b"\0....")
        gone, told = [], []
        session.navigate.connect(lambda key, what: gone.append(key))
        session.bridge.noticed.connect(told.append)
        await session.open_paths([str(file) for file in files])
        assert len(told) == 1 and "“sheet-0.png” was made by a run that is not in this library" in told[0] and not gone
        assert ("1 other exported file" in told[0]) == (count == 2) and "opened the state" not in told[0]


async def test_captions_from_a_table_are_one_edit_that_undo_takes_back(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        pictures = next(one for one in session.datasets.records if one.modality == "image")
        session.datasets.set_current(pictures.id)
        table = tmp_path / "captions.csv"
        table.write_text('file_name,text\ndisc-0003.png,"a fern, pressed"\ndisc-0004.png,a leaf\nother.png,nothing\n')
        await session.open_paths([str(table)], "captions")
        folder = session.bridge.library.dataset(pictures.id)
        await settle(lambda: folder.items()[3].caption == "a fern, pressed")
        assert folder.items()[4].caption == "a leaf" and session.undo.undo_text == "Add 2 captions"
        session.undo.undo()
        await settle(lambda: folder.items()[3].caption == "a disc number 3")
        session.undo.redo()
        await settle(lambda: folder.items()[4].caption == "a leaf")


async def test_what_fails_in_the_background_reaches_the_notice_bar_in_plain_words(qapp):
    bridge, told = Bridge(None, asyncio.get_running_loop()), []
    bridge.trouble.connect(told.append)

    async def fails():
        raise TroubleError("the disk is full", "run.json", "The run is kept.", "Free some space.")

    async def breaks():
        raise KeyError("x")

    bridge.spawn(fails()), bridge.spawn(breaks())
    await turn(0.05)
    assert told[0].item == "run.json" and "KeyError" in told[1].what and "breaks" in told[1].detail
    mine = []
    bridge.spawn(fails(), mine.append)
    await turn(0.05)
    assert len(mine) == 1 and len(told) == 2 and bridge.busy() == 0
    await bridge.close()


def test_an_os_error_names_its_file():
    trouble = trouble_of(PermissionError(13, "Permission denied", "/data/a.png"))
    assert trouble.what == "Permission denied" and trouble.item == "/data/a.png" and not trouble.detail


# ------------------------------------------------------------------------------------ paths, words, rows


def test_what_dropped_paths_would_become(tmp_path):
    (tmp_path / "prints").mkdir()

    def why(paths, title=""):
        return {one.key: one.why_not for one in outcomes(paths, title)}

    folder = why([tmp_path / "prints"], "Prints")
    assert folder["import"] == "" and folder["captions"] == "" and folder["state"]
    (tmp_path / "a.csv").write_text("file_name,text\na.png,a fern\n")
    assert why([tmp_path / "a.csv"])["captions"] == "no data set is chosen"
    assert why([tmp_path / "a.csv"], "Prints")["captions"] == ""
    assert why([tmp_path / "a.xyz"])["import"] and outcomes([tmp_path / "a.xyz"])[0].why_not
    assert outcomes([tmp_path / "prints"])[0].text.startswith("1 folder: prints")


@pytest.mark.parametrize(
    ("name", "text", "possible"),
    [
        ("points.csv", "x,y\n1,2\n3,4\n", {"import"}),
        ("german.csv", "1,5;2,5\n0,1;3\n", {"import"}),
        ("tabs.tsv", "1\t2\n3\t4\n", {"import"}),
        ("species.csv", "length,width,species\n1,2,setosa\n3,4,virginica\n", {"import"}),
        ("captions.csv", "file_name,text\nhere.png,a fern\n", {"import", "captions"}),
        ("captions.jsonl", '{"file_name": "here.png", "text": "a fern"}\n', {"import", "captions"}),
        ("elsewhere.csv", "file_name,text\nfar.png,a fern\n", {"captions"}),
        ("numbers.csv", "a,b,c,d\n1,2,3,4\n", {"captions"}),
        ("table.parquet", "PAR1", set()),
        ("notes.docx", "PK", set()),
        ("plain.png", "PNG", {"import"}),
    ],
)
def test_a_file_is_offered_only_where_it_can_be_taken(tmp_path, name, text, possible):
    (tmp_path / "here.png").write_bytes(b"")
    (tmp_path / name).write_text(text)
    assert {one.key for one in outcomes([tmp_path / name], "Prints") if not one.why_not} == possible


def test_the_first_filter_of_the_import_dialog_shows_what_can_be_imported():
    assert "*.csv" in FILTERS[0] and "*.png" in FILTERS[0] and "*.npy" in FILTERS[0] and "parquet" not in FILTERS[0]


def test_captions_are_matched_by_name_from_side_files_and_tables(tmp_path):
    items = [Item("x.zip!/cats/A.png"), Item("/pictures/b.jpg"), Item("/pictures/0.jpg", also=("/elsewhere/c.jpg",))]
    (tmp_path / "a.txt").write_text("a cat\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.txt").write_text("a boat")
    (tmp_path / "t.jsonl").write_text('{"file_name": "c.jpg", "text": "a cow"}\n\n')
    paths = [str(tmp_path / name) for name in ("a.txt", "more", "t.jsonl")]
    assert read_captions(paths, items) == {0: "a cat", 1: "a boat", 2: "a cow"}
    (tmp_path / "bad.jsonl").write_text('{"file_name": "c.jpg"}\n{oops\n')
    with pytest.raises(TroubleError) as told:
        read_captions([str(tmp_path / "bad.jsonl")], items)
    assert "line 2" in told.value.trouble.what and "bad.jsonl" in told.value.trouble.item


def test_fuzzy_matching_likes_beginnings_and_runs_of_letters():
    titles = ["Pause the run", "Go to Trajectory", "Switch between dark and light", "Import files…", "Import a folder…"]

    def best(query):
        return max(titles, key=lambda title: score(query, title))

    assert best("imp fo") == "Import a folder…" and best("traj") == "Go to Trajectory" and best("ptr") == "Pause the run"
    assert score("xyz", titles[0]) == 0 and score("", titles[0]) > 0
    assert score("dark", titles[2]) > score("dr", titles[2]) > 0


def test_cached_rows_are_read_one_by_one_and_a_short_file_gives_what_it_has(tmp_path):
    library = ScriptedLibrary(tmp_path)
    pictures = next(folder for folder in library.sets.values() if folder.record().modality == "image")
    rows = open_rows(pictures.layout.cache, "nothing", "thumbs")
    whole = np.load(pictures.layout.cache / "thumbs.npy")
    found = rows.read([5, 239])
    assert rows.count == 240 and np.array_equal(found[5], whole[5]) and np.array_equal(found[239], whole[239])
    assert np.array_equal(rows.read_first(7), whole[:7])
    path = pictures.layout.cache / "thumbs.npy"
    path.write_bytes(path.read_bytes()[:-10])
    assert set(CachedRows(pictures.layout.cache, "thumbs").read([0, 239])) == {0}
    assert open_rows(pictures.layout.cache, "nothing") is None


async def test_activities_come_and_go(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        stopped = []
        activity = session.jobs.begin("Exporting", lambda: stopped.append(1))
        activity.tell(Progress(1, 4, "frames"))
        assert activity.can_cancel and activity.progress.done == 1
        activity.cancel()
        session.jobs.end(activity)
        assert stopped == [1] and not session.jobs.activities and not activity.can_cancel
