"""The Sample workspace on the scripted engine: requests, live mode, grids, variations, keeping, bringing states back."""

import asyncio

import msgspec
import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel
from scripted import DenoiserSampling, ScriptedEngine

from models_backend.contract import names
from models_backend.contract.fields import FieldSpec, defaults, describe
from models_backend.contract.grids import GridAxis
from models_backend.contract.messages import Event, Metrics, Sample, Saved, State, TroubleError
from nexus_studio import theme
from nexus_studio.bridge import Bridge
from nexus_studio.panels.sample import SamplePanel
from nexus_studio.panels.sample_axes import as_text, cells, changed, leaves, parse_values, suggested
from nexus_studio.panels.sample_facts import checkpoint_name, settings
from nexus_studio.panels.sample_seeds import SeedEditor, parse_seeds
from nexus_studio.panels.sample_work import Made, asked_words, request_of
from nexus_studio.shell.bottom_bar import BottomBar
from nexus_studio.state.preferences import Preferences
from nexus_studio.state.session import Session


async def settle(condition=lambda: True, seconds=20.0):
    """Let Qt and asyncio run until a condition holds."""
    for turn in range(int(seconds / 0.01)):
        QApplication.processEvents()
        await asyncio.sleep(0.01)
        if turn > 3 and condition():
            return
    assert condition(), "it did not happen"


class Stand:
    """A panel on a scripted engine."""

    def __init__(self, root, populated=True):
        self.engine = ScriptedEngine(root / "library", populated)
        self.bridge = Bridge(None, asyncio.get_running_loop())
        self.session = Session(self.bridge, Preferences(root / "session.json"))
        self.troubles, self.notices, self.went = [], [], []
        self.bridge.trouble.connect(self.troubles.append)
        self.bridge.noticed.connect(self.notices.append)
        self.session.navigate.connect(lambda key, what: self.went.append((key, what)))
        self.panel = SamplePanel(self.session)
        self.panel.resize(1216, 734)
        self.panel.show()
        self.bridge.attach(self.engine)

    def choose(self, title):
        run = next(r for r in self.session.runs.records if r.title == title)
        self.panel.setup.choose_run(run.id)
        return run

    def asked(self):
        return [call[1] for call in self.engine.calls if call[0] is Sample]

    async def made(self):
        await settle(lambda: self.panel.results.batch is not None and not self.panel.work.is_busy)

    async def close(self):
        self.panel.close()
        await self.bridge.close()
        self.session.preferences.close()
        shiboken6.delete(self.panel)
        shiboken6.delete(self.session)


@pytest.fixture
async def stand(qapp, tmp_path):
    theme.apply(qapp, "dark")
    made = Stand(tmp_path)
    await settle(lambda: made.session.is_ready)
    made.choose("denoiser-small")
    yield made
    await made.close()


@pytest.fixture
async def bare(qapp, tmp_path):
    theme.apply(qapp, "dark")
    made = Stand(tmp_path, populated=False)
    await settle(lambda: made.session.is_ready)
    yield made
    await made.close()


# -------------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize(
    ("text", "seeds"), [("7", [7]), ("1, 5,9", [1, 5, 9]), ("1-4", [1, 2, 3, 4]), ("3 3 2", [3, 2]), ("0-1, 9", [0, 1, 9])]
)
def test_seeds_are_one_a_list_or_a_range(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "x", "-3", "4-1", "1.5", "99999999999", "0-999999"])
def test_what_is_no_seed_is_refused_in_words(text):
    with pytest.raises(ValueError, match="seed"):
        parse_seeds(text)


def test_an_unlocked_seed_is_fresh_each_time(qapp, qtbot):
    theme.apply(qapp, "dark")
    editor = SeedEditor()
    qtbot.addWidget(editor)
    editor.set_seeds([1, 2])
    editor.advance()
    assert editor.seeds() == [1, 2]
    editor.lock.setChecked(False)
    editor.advance()
    assert editor.seeds() != [1, 2] and len(editor.seeds()) == 2
    editor.line.setText("no")
    assert editor.problem() and editor.line.property("bad") == "true"


# --------------------------------------------------------------------------------------------------- axes


@pytest.fixture
def spec():
    from scripted import scripted_families

    return next(f for f in scripted_families() if f.key == "denoiser").config


def test_axes_are_found_inside_groups_and_chosen_variants(spec):
    values = defaults(spec)
    paths = [path for path, _ in leaves(spec, values)]
    assert "schedule" in paths and "schedule.offset" in paths and "net.channels" in paths and "note" not in paths
    linear = values | {"schedule": {"type": "linear", "first": 1e-4, "last": 0.02}}
    assert "schedule.first" in [path for path, _ in leaves(spec, linear)]


def test_suggested_values_are_allowed(spec):
    for path, one in leaves(spec, defaults(spec)):
        assert len(parse_values(one, suggested(one, one.default))) >= 2, path


def test_values_out_of_range_name_value_and_range(spec):
    steps = next(one for path, one in leaves(spec, defaults(spec)) if path == "timesteps")
    assert parse_values(steps, "10, 20") == (10, 20)
    for text in ("5", "x", "10.5", ""):
        with pytest.raises(ValueError, match="Timesteps"):
            parse_values(steps, text)


def test_cells_run_row_by_row_and_keep_everything_else():
    request = Sample("r", 1, 3, {"steps": 5, "solver": {"type": "euler", "eta": 0.5}}, {"class": 2})
    found = cells(request, GridAxis("steps", "Steps", (1, 2)), GridAxis("seed", "Seed", (7, 8)))
    assert [(c.sampling["steps"], c.seed) for c in found] == [(1, 7), (2, 7), (1, 8), (2, 8)]
    assert all(c.conditions == {"class": 2} and c.sampling["solver"]["eta"] == 0.5 for c in found)
    assert request.sampling["steps"] == 5
    deep = changed(request, "solver.eta", 0.1)
    assert deep.sampling["solver"] == {"type": "euler", "eta": 0.1}
    other = changed(request, "solver", "heun", frozenset({"solver"}))
    assert other.sampling["solver"] == {"type": "heun"}
    assert changed(request, "condition.class", 4).conditions == {"class": 4}
    with pytest.raises(ValueError, match="too many"):
        cells(request, GridAxis("steps", "Steps", tuple(range(20))), GridAxis("seed", "Seed", tuple(range(20))))


# ----------------------------------------------------------------------------------------------- batches


def able(stand):
    return {
        stand.panel.setup.runs.itemText(n): stand.panel.setup.runs.itemData(n) for n in range(stand.panel.setup.runs.count())
    }


async def test_the_window_s_run_is_sampled_unless_another_was_chosen_here_by_hand(stand):
    setup, runs = stand.panel.setup, stand.session.runs
    one, two, three = [able(stand)[title] for title in ("coder-small", "flow-points", "duel-03")]
    runs.set_current(one)
    setup.choose_run(one)
    runs.set_current(two)
    assert setup.run.id == setup.runs.currentData() == two and stand.panel.run_chip.text() == setup.title()
    setup.runs.setCurrentIndex(setup.runs.findData(three))
    setup.runs.activated.emit(setup.runs.currentIndex())
    runs.set_current(one)
    assert setup.run.id == setup.runs.currentData() == three, "it was chosen here"
    setup.choose_run(one)
    runs.set_current(two)
    assert setup.run.id == two, "the window's own run was chosen: it is followed again"


async def test_another_run_is_taken_once_the_form_is_seen_and_what_was_typed_is_there_again(stand):
    setup, runs = stand.panel.setup, stand.session.runs
    stand.panel.controls.live.setChecked(True)
    await settle(lambda: stand.asked())
    setup.form.set_values(setup.form.values() | {"steps": 33})
    before, first = len(stand.asked()), setup.run.id
    other = next(run for run in able(stand).values() if runs.get(run).family != setup.run.family)
    setup.following.own = ""
    stand.panel.hide()
    runs.set_current(other)
    await settle()
    assert setup.run.id == first and len(stand.asked()) == before, "nothing is made for a panel that nobody sees"
    stand.panel.show()
    assert setup.run.id == other and "steps" not in setup.form.values()
    runs.set_current(first)
    assert setup.run.id == first and setup.form.values()["steps"] == 33


async def test_a_run_is_followed_as_soon_as_it_has_learnt_something(stand):
    setup, runs = stand.panel.setup, stand.session.runs
    record = stand.engine.library.add_run("denoiser", runs.get(setup.run.id).dataset, "tiny", {}, {}, {}, "brand-new")
    await runs.load()
    await settle(lambda: runs.view(record.id).loaded)
    setup.following.own, shown = "", setup.run.id
    runs.set_current(record.id)
    await settle(lambda: "brand-new" not in able(stand))
    assert setup.run.id in able(stand).values() and setup.run.id == shown, "there is nothing to sample from yet"
    stand.engine.tell(record.id, Metrics(20, {"loss": 0.5}))
    stand.engine.tell(record.id, State("finished", 20))
    await settle(lambda: setup.run.id == record.id)


async def test_generating_sends_what_the_form_says_and_shows_the_items(stand):
    stand.panel.setup.count.setValue(6)
    stand.panel.setup.seeds.set_seeds([11])
    stand.panel.setup.form.set_values({"sampler": "heun", "steps": 33})
    stand.panel.controls.generate.click()
    await stand.made()
    (request,) = stand.asked()
    assert (request.count, request.seed, request.save, request.trace) == (6, 11, True, 6)
    assert request.sampling["sampler"] == "heun" and request.sampling["steps"] == 33
    batch = stand.panel.results.batch
    assert batch.items.shape == (6, 16, 16, 3) and batch.made[4].index == 4
    assert stand.panel.pages.currentIndex() == 0


async def test_a_list_of_seeds_makes_one_request_each(stand):
    stand.panel.setup.count.setValue(2)
    stand.panel.setup.seeds.set_seeds([4, 9])
    stand.panel.generate_or_stop()
    await stand.made()
    assert [request.seed for request in stand.asked()] == [4, 9]
    assert [(made.request.seed, made.index) for made in stand.panel.results.batch.made] == [(4, 0), (4, 1), (9, 0), (9, 1)]


async def test_points_are_made_in_number_and_shown_together(stand):
    stand.choose("flow-points")
    assert stand.panel.setup.count.value() == 2000
    stand.panel.generate_or_stop()
    await stand.made()
    assert stand.panel.results.batch.modality == "points" and stand.panel.results.current().index == 0
    assert not stand.panel.vary.isVisible()


async def test_a_checkpoint_can_be_chosen(stand):
    boxes = stand.panel.setup.checkpoints
    await settle(lambda: boxes.count() == 6)
    boxes.setCurrentIndex(2)
    stand.panel.generate_or_stop()
    await stand.made()
    assert stand.asked()[0].checkpoint == boxes.itemData(2) != ""


async def test_the_header_of_results_tells_the_step_that_they_were_made_at(stand):
    panel = stand.panel
    stand.choose("denoiser-small")
    panel.generate_or_stop()
    await stand.made()
    await settle(lambda: panel.run_chip.text() == "denoiser-small · Training step 2,000")
    panel.setup.choose_checkpoint("step-000000400")
    panel.setup.changed.emit()
    assert panel.run_chip.text() == "denoiser-small · Training step 2,000", "it is of what is seen"
    sample = panel.results.batch.samples[0]
    stand.engine.library.sample(sample).update_record(checkpoint="step-000000050")
    panel.results.batch, panel._record = None, None
    panel.setup.choose_checkpoint("")
    await panel.opening.show_samples([sample])  # as after a restart
    await settle(lambda: panel.run_chip.text() == "denoiser-small · Training step 50")


async def test_the_newest_checkpoint_is_told_with_its_step(stand):
    boxes, library = stand.panel.setup.checkpoints, stand.engine.library
    stand.choose("denoiser-small")
    await settle(lambda: boxes.itemText(0) == "Newest, step 2,000")
    assert boxes.itemData(0) == "" and boxes.itemText(1) == "Training step 2,000"
    stand.choose("duel-03")
    await settle(lambda: boxes.itemText(0) == "Newest, step 1,240")
    run = stand.panel.setup.run.id
    stand.engine.tell(run, Metrics(1250, {"loss": 0.1}))  # the worker that trains it answers
    await settle(lambda: boxes.itemText(0) == "Newest, step 1,250")
    stand.engine.tell(run, Saved(1260, library.layout.run(run).checkpoint(1260).name))
    await settle(lambda: boxes.itemText(1) == "Training step 1,260")


async def test_the_newest_checkpoint_is_no_step_of_a_log_that_is_being_read(stand):
    boxes = stand.panel.setup.checkpoints
    stand.choose("duel-03")
    await settle(lambda: boxes.itemText(0) == "Newest, step 1,240")
    run = stand.panel.setup.run.id
    view = stand.session.runs.view(run)
    saved, first = f"Newest, step {view.checkpoints[-1].step:,}", view._seq + 1
    stand.choose("denoiser-small")
    view.loaded = False
    view.take_log([Event(first, 1.0, run, Metrics(901, {"loss": 0.1}))], more=True)  # in the middle of its log
    stand.choose("duel-03")
    await settle(lambda: boxes.count() > 1)
    assert boxes.itemText(0) == saved
    view.take_log([Event(first + 1, 1.0, run, Metrics(1300, {"loss": 0.1}))])
    await settle(lambda: boxes.itemText(0) == "Newest, step 1,300")


async def test_making_can_be_stopped(stand):
    gate = asyncio.Event()

    async def slow(request, tell=None):
        await gate.wait()

    stand.engine.call = slow
    stand.panel.generate_or_stop()
    await settle(lambda: stand.panel.work.is_busy)
    assert stand.panel.controls.generate.text() == "Stop" and len(stand.session.jobs.activities) == 1
    stand.panel.controls.generate.click()
    await settle(lambda: not stand.panel.work.is_busy)
    assert stand.panel.controls.generate.text() == "Generate" and not stand.troubles and not stand.session.jobs.activities


async def test_what_is_being_done_is_told_before_the_first_step(stand):
    panel, gate, engine = stand.panel, asyncio.Event(), stand.engine
    call = engine.call

    async def slow(request, tell=None):
        if isinstance(request, Sample):
            await gate.wait()
        return await call(request, tell)

    engine.call = slow
    panel.generate_or_stop()
    await settle(lambda: panel.work.is_busy)
    assert panel.header.hint.whole().startswith("Loading the model")
    (activity,) = stand.session.jobs.activities
    assert activity.progress.what.startswith("loading the model"), "the status bar says so too"
    gate.set()
    await stand.made()
    assert panel.header.hint.whole() == "12 ms"
    gate.clear()
    panel.generate_or_stop()
    await settle(lambda: panel.work.is_busy)
    panel.generate_or_stop()
    await settle(lambda: not panel.work.is_busy)
    assert panel.header.hint.whole() == "", "it was given up"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("starting", "waiting for the run to start"),
        ("running", "waiting for the training step to end"),
        ("paused", "preparing the first step; the run stays paused"),
        ("finished", "loading the model, then the first step"),
    ],
)
async def test_what_samples_of_a_run_wait_for_is_told_at_once(stand, state, words):
    panel, session, gate = stand.panel, stand.session, asyncio.Event()
    stand.choose("duel-03")
    run, bar = panel.setup.run.id, BottomBar(session, lambda: None)
    stand.engine.tell(run, State(state, 1240))
    await settle(lambda: session.jobs.phase(run, session.runs.states[run].state) == state)

    async def never(request, tell=None):
        await gate.wait()

    stand.engine.call = never
    panel.generate_or_stop()
    (activity,) = session.jobs.activities
    assert activity.progress.what == words and panel.header.hint.whole().casefold().startswith(words)
    if state == "paused":
        assert bar.running._figures.text().startswith(f"{activity.title} · {words}"), "the run itself does nothing"
        assert bar.running._title.text() == "Paused · duel-03"
    if state == "running":
        assert activity.title not in bar.running._figures.text()
    panel.generate_or_stop()
    await settle(lambda: not session.jobs.activities)  # given up before it had begun
    assert words not in bar.running._figures.text()
    shiboken6.delete(bar)
    assert session.before_first(run, "step-000000400").what.startswith("loading the model"), "that is in no run's memory"


async def test_a_failure_is_told_and_the_panel_goes_on(stand):
    stand.engine.failures[Sample] = TroubleError("the checkpoint is damaged", "step-000000400", "Nothing was changed.")
    stand.panel.generate_or_stop()
    await settle(lambda: stand.troubles)
    assert stand.troubles[0].item == "step-000000400" and not stand.panel.work.is_busy
    stand.engine.failures.clear()
    stand.panel.generate_or_stop()
    await stand.made()


# --------------------------------------------------------------------------------------------- live mode


async def test_live_mode_makes_at_every_edit_and_keeps_nothing(stand):
    stand.panel.controls.live.click()
    await settle(lambda: stand.asked())
    before = len(stand.asked())
    stand.panel.setup.seeds.line.setText("5")
    await settle(lambda: len(stand.asked()) > before)
    newest = stand.asked()[-1]
    assert newest.seed == 5 and newest.save is False and newest.trace == 0 and newest.stamp > stand.asked()[0].stamp
    await settle(lambda: "from edit to picture" in stand.panel.header.hint.text())
    assert stand.panel.keep.isVisible()


async def test_a_burst_of_edits_becomes_few_requests_and_the_last_one_wins(stand):
    stand.panel.controls.live.click()
    await settle(lambda: stand.asked())
    before = len(stand.asked())
    for seed in range(50):
        stand.panel.setup.seeds.line.setText(str(seed))
    await settle(lambda: stand.asked()[-1].seed == 49)
    assert len(stand.asked()) - before <= 3
    await settle(lambda: stand.panel.results.batch.made[0].request.seed == 49)


async def test_an_answer_that_was_overtaken_is_not_shown(stand):
    gates = {}

    whole = stand.engine.call

    async def held(request, tell=None):
        gates[request.seed] = asyncio.Event()
        await gates[request.seed].wait()
        return await whole(request, tell)

    stand.engine.call = held
    stand.panel.setup.seeds.set_seeds([1])
    stand.panel.controls.live.click()
    await settle(lambda: 1 in gates)
    stand.panel.setup.seeds.line.setText("2")
    await settle(lambda: 2 in gates)
    gates[2].set()
    await settle(lambda: stand.panel.results.batch is not None)
    gates[1].set()
    await settle()
    assert stand.panel.results.batch.made[0].request.seed == 2


async def test_keeping_makes_the_same_again_and_saves_it(stand):
    stand.panel.controls.live.click()
    await settle(lambda: stand.panel.results.batch is not None)
    live = stand.panel.results.batch.made[0].request
    saved = len(stand.engine.library.made)
    stand.panel.keep.click()
    await settle(lambda: len(stand.engine.library.made) == saved + 1)
    kept = stand.asked()[-1]
    same = msgspec.structs.replace(kept, save=False, stamp=live.stamp, trace=0)
    assert same == live and kept.save and kept.trace > 0
    await settle(lambda: not stand.panel.keep.isVisible())
    assert len(stand.asked()) == 2


# --------------------------------------------------------------------------------------------------- grid


async def test_a_grid_over_two_fields_fills_cell_by_cell(stand):
    panel = stand.panel
    panel.controls.grid.click()
    panel.grid_form.across.field.setCurrentIndex(panel.grid_form.across.field.findData("steps"))
    panel.grid_form.across.values.setText("5, 10, 20")
    panel.grid_form.down.field.setCurrentIndex(panel.grid_form.down.field.findData("seed"))
    panel.grid_form.down.values.setText("1, 2")
    panel.generate_or_stop()
    await settle(lambda: len(stand.asked()) == 6 and not panel.work.is_busy)
    assert [(r.sampling["steps"], r.seed) for r in stand.asked()] == [(5, 1), (10, 1), (20, 1), (5, 2), (10, 2), (20, 2)]
    assert all(r.count == 1 and r.save for r in stand.asked())
    assert panel.results.grid.columns() == 3 and panel.results.grid.image(5) is not None
    panel.results.grid.set_current(4)
    assert panel.results.current().request.sampling["steps"] == 10
    rows = dict(panel.info.rows())
    assert rows["Seed"] == 2 and rows["Steps"] == 10 and rows["In the gallery"] != "Not kept"


async def test_a_grid_is_kept_cell_by_cell_and_shown_again(stand):
    panel, library = stand.panel, stand.engine.library
    panel.controls.grid.click()
    panel.grid_form.across.field.setCurrentIndex(panel.grid_form.across.field.findData("steps"))
    panel.grid_form.across.values.setText("5, 10")
    panel.grid_form.down.values.setText("1, 2")
    before = set(library.made)
    panel.generate_or_stop()
    await settle(lambda: len(stand.asked()) == 4 and not panel.work.is_busy)
    kept = [library.made[key].record() for key in library.made if key not in before]
    assert {one.title for one in kept} == {"denoiser-small · Steps × Seed"}
    assert [one.grid.words for one in kept] == [f"Steps {n}, Seed {seed}" for seed in (1, 2) for n in (5, 10)]
    assert not panel.keep.isVisible(), "there is nothing left to keep"
    await settle(lambda: panel.tiles.record(0) and panel.tiles.record(0).id == kept[0].id)
    shown = stand.session.preferences.get("sample/shown")
    assert shown == [one.id for one in kept]
    panel.results.batch, panel._record = None, None
    await panel.opening.show_samples(shown)  # as after a restart
    assert [one.request.sampling["steps"] for one in panel.results.batch.made] == [5, 10, 5, 10]


async def test_a_grid_stays_that_of_the_run_and_the_step_that_made_it(stand):
    panel, runs = stand.panel, stand.session.runs
    panel.generate_or_stop()
    await stand.made()
    panel.results.choose(1)
    panel.setup.following.own = ""
    runs.set_current(panel.setup.run.id)
    panel.controls.grid.click()
    panel.grid_form.across.values.setText("5, 10")
    panel.grid_form.down.values.setText("1, 2")
    panel.generate_or_stop()
    assert panel.info.made is None, "what it told of is seen no more"
    await stand.made()
    assert panel.run_chip.text() == "denoiser-small · Training step 2,000"
    mine, other = panel.setup.run.id, next(run for run in able(stand).values() if run != panel.setup.run.id)
    panel.hide()
    runs.set_current(other)
    await settle()
    panel.show()
    await settle()
    assert panel.setup.run.id == panel.setup.runs.currentData() == mine, "its results are seen"
    panel.setup.choose_run(other)
    assert panel.run_chip.text() == "denoiser-small · Training step 2,000", "it is of what is seen"
    panel.results.choose(2)
    assert dict(panel.info.rows())["Checkpoint"] == "Training step 2,000"


def grow(stand, run):
    """A run in training takes a step and saves it."""
    step = stand.engine.library.folders[run].reached() + 10
    stand.engine.tell(run, Metrics(step, {"loss": 0.1}))
    stand.engine.tell(run, Saved(step, stand.engine.library.layout.run(run).checkpoint(step).name))


@pytest.mark.parametrize("asked", ["", "@0.07"])
async def test_a_grid_of_a_run_in_training_comes_from_the_checkpoint_that_was_newest_at_the_press(stand, asked):
    panel, run = stand.panel, stand.choose("duel-03").id
    grow(stand, run)
    newest = stand.engine.library.folders[run].checkpoints()[0].name
    panel.setup.choose_checkpoint(asked)
    panel.controls.grid.click()
    panel.grid_form.across.values.setText("0.5, 1, 1.5")
    panel.work.cell.connect(lambda *_: grow(stand, run))
    panel.generate_or_stop()
    await settle(lambda: len(stand.asked()) == 15 and not panel.work.is_busy)
    assert {one.checkpoint for one in panel.results.batch.made} == {newest + asked}
    assert stand.engine.library.folders[run].checkpoints()[0].name > newest, "it trained on meanwhile"


async def test_several_seeds_of_a_run_in_training_come_from_one_checkpoint_and_one_seed_from_its_state(stand):
    panel, run = stand.panel, stand.choose("duel-03").id
    grow(stand, run)
    panel.setup.seeds.set_seeds([3, 4])
    panel.work.progressed.connect(lambda _: grow(stand, run))
    panel.generate_or_stop()
    await stand.made()
    assert len({one.checkpoint for one in panel.results.batch.made}) == 1
    panel.setup.seeds.set_seeds([3])
    panel.generate_or_stop()
    await settle(lambda: len(stand.asked()) == 3 and not panel.work.is_busy)
    assert stand.asked()[-1].checkpoint == ""


async def test_where_no_checkpoint_is_saved_yet_a_grid_says_what_it_waits_for(stand):
    panel, run = stand.panel, stand.choose("duel-03").id
    folder = stand.engine.library.folders[run]
    folder.log = [event for event in folder.log if not isinstance(event.body, Saved)]
    panel.setup.seeds.set_seeds([3, 4])
    panel.generate_or_stop()
    await settle(lambda: stand.troubles and not panel.work.is_busy)
    assert "none is saved yet" in stand.troubles[0].what and not stand.asked()


async def test_a_grid_says_that_it_lies_over_two_fields_at_most(stand):
    stand.panel.controls.grid.setChecked(True)
    said = [one.text() for one in stand.panel.grid_form.findChildren(QLabel) if one.isVisible()]
    assert "Grid over two fields" in said
    assert "Two at most: a third is set above, with a grid for each of its values." in said
    down = stand.panel.grid_form.down.field
    down.setCurrentIndex(down.findData(stand.panel.grid_form.across.field.currentData()))
    down.activated.emit(down.currentIndex())
    assert stand.panel.controls.why.text() == "Both sides are the same field" and not stand.panel.controls.generate.isEnabled()


async def test_controls_keep_their_places_when_hints_errors_and_the_item_come(stand):
    panel = stand.panel
    panel.controls.grid.click()
    panel.generate_or_stop()
    await stand.made()
    await settle()
    watched = [panel.controls.generate, panel.controls.grid, panel.grid_form, panel.grid_form.down.values, panel.setup.count]
    area = panel._scroll

    def places():
        return [one.mapTo(panel, one.rect().topLeft()) for one in watched] + [area.size(), area.verticalScrollBar().value()]

    async def stay(what):
        await settle()
        assert places() == before, what

    before = places()
    panel.results.choose(1)
    await settle(lambda: panel.info.made is not None)
    await stay("an item was chosen")
    panel.setup.form._focus_moved(None, panel.setup.form.group.lines["steps"].editor.slider)
    assert panel.setup.help.text().startswith("Steps") and panel.setup.help.isVisibleTo(panel)
    await stay("a hint came")
    panel.grid_form.across.values.clear()
    QTest.keyClicks(panel.grid_form.across.values, "5, x")
    assert panel.controls.why.isVisible()
    said = [one.text() for one in panel.findChildren(QLabel) if one.isVisible() and "must be" in one.text()]
    assert len(said) == 1, "it is said once"
    assert panel.grid_form.across.values.property("bad") == "true"
    await stay("an error came")
    panel.setup.seeds.line.setText("x")
    assert "seed" in panel.controls.why.text()
    await stay("another error came")


async def test_a_bad_value_of_an_axis_stops_the_grid(stand):
    panel = stand.panel
    panel.controls.grid.click()
    panel.grid_form.across.field.setCurrentIndex(panel.grid_form.across.field.findData("steps"))
    panel.grid_form.across.values.clear()
    QTest.keyClicks(panel.grid_form.across.values, "5, zero")
    assert "zero" in panel.controls.why.text() and not panel.controls.generate.isEnabled()


# ------------------------------------------------------------------------------- items, variations, states


async def test_a_chosen_item_tells_how_it_was_made(stand):
    stand.panel.setup.seeds.set_seeds([3])
    stand.panel.generate_or_stop()
    await stand.made()
    grid = stand.panel.results._view("image").grid
    QTest.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=grid.tile_rect(2).center())
    rows = dict(stand.panel.info.rows())
    assert rows["Seed"] == 3 and rows["Item"] == 3 and rows["Run"] == "denoiser-small" and rows["Sampler"] == "ddim"
    stand.panel.info.copy_json()
    assert '"item": 2' in QGuiApplication.clipboard().text()
    QTest.keyClick(grid, Qt.Key.Key_Return)
    assert stand.panel.results.pages.currentWidget() is stand.panel.results.single
    assert stand.panel.results.single.caption.startswith("item 3 ")
    QTest.keyClick(stand.panel.results.single, Qt.Key.Key_Escape)
    assert stand.panel.results.pages.currentWidget() is not stand.panel.results.single


def test_nested_settings_are_called_as_the_form_calls_them():
    told = settings(None, {"a": 1, "b": {"type": "x", "c": 2}})
    assert told == [("A", 1), ("B", "x"), ("B: C", 2)]
    spec = describe(DenoiserSampling)
    titles = {field.name: field.title for field in spec.fields}
    told = dict(settings(spec, {"sampler": "ddim", "steps": 20, "eta": 0.5}))
    assert told == {titles["sampler"]: "ddim", titles["steps"]: 20, titles["eta"]: 0.5}
    assert titles["eta"] not in dict(settings(spec, {"sampler": "heun", "eta": 0.5})), "it counts for DDIM alone"


def test_checkpoints_are_told_by_their_training_step():
    assert checkpoint_name("step-000001234") == "Training step 1,234" and checkpoint_name("step-000000000") == "Training step 0"
    assert checkpoint_name("step-000001234@0.07") == "Training step 1,234, averaged over 7 %"
    assert checkpoint_name("@0.07") == "Newest, averaged over 7 %"
    assert checkpoint_name("imported") == "imported" and checkpoint_name("") == ""


async def test_variations_go_on_from_the_items_own_trajectory(stand):
    stand.panel.generate_or_stop()
    await stand.made()
    await settle(lambda: stand.panel._record is not None)
    grid = stand.panel.results._view("image").grid
    grid.set_current(2, select=True)
    assert stand.panel.vary.isEnabled()
    classes = stand.panel.session.runs.get(stand.panel._record.run).spec.classes
    stand.panel._record = record = msgspec.structs.replace(stand.panel._record, conditions={"class": [0, 1, 2]})
    before = len(stand.asked())
    stand.panel.vary.click()
    await settle(lambda: len(stand.asked()) == before + 9 and not stand.panel.work.is_busy)
    starts = [request.start for request in stand.asked()[before:]]
    assert {(s.sample, s.item) for s in starts} == {(record.id, 2)} and 0 < starts[0].step < len(record.trace.steps) - 1
    assert all(request.conditions == {"class": 2} for request in stand.asked()[before:]) and len(classes) > 2
    assert len({request.seed for request in stand.asked()[before:]}) == 9
    assert len(stand.panel.results.batch.items) == 9


async def test_a_sample_of_the_gallery_opens_with_its_settings(stand):
    record = next(iter(stand.engine.library.made.values())).record()
    changed_record = msgspec.structs.replace(record, sampling={"steps": 44}, seed=8)
    stand.engine.library.made[record.id]._record = changed_record
    stand.panel.show_what({"sample": record.id})
    await settle(lambda: stand.panel._record is not None)
    setup = stand.panel.setup
    assert setup.seeds.seeds() == [8] and setup.form.values()["steps"] == 44 and setup.run.id == record.run
    assert setup.checkpoints.currentData() == record.checkpoint
    assert stand.panel.results.batch.made[0].sample == record.id


async def test_a_state_that_the_library_lacks_is_made_again(stand):
    record = next(iter(stand.engine.library.made.values())).record()
    lost = msgspec.structs.replace(record, id="20260101-0000-elsewhere-0000", seed=77)
    stand.panel.show_what({"state": lost, "sample": lost.id, "run": lost.run})
    await settle(lambda: stand.asked())
    assert stand.asked()[0].seed == 77 and stand.asked()[0] == request_of(lost)


async def test_going_to_the_trajectory_names_the_sample(stand):
    stand.panel.generate_or_stop()
    await stand.made()
    await settle(lambda: stand.panel.trajectory.isVisible())
    stand.panel.trajectory.click()
    made = {"sample": stand.panel._record.id, "run": stand.panel._record.run, "item": 0}
    assert stand.went[-1] == ("trajectory", made)
    stand.panel.export_menu.aboutToShow.emit()
    assert stand.panel.export.isVisible() and len(stand.panel.export_menu.actions()) > 4


async def test_metadata_stay_left_out_when_the_menu_closes_at_the_click(stand, monkeypatch):
    asked = []
    monkeypatch.setattr("nexus_studio.panels.exporting.ask", lambda *given: asked.append(given[5]))
    stand.panel.generate_or_stop()
    await stand.made()
    await settle(lambda: stand.panel.export.isVisible())
    menu = stand.panel.export_menu
    for _ in range(2):
        menu.aboutToShow.emit()
        menu.actions()[0].trigger()
        menu.aboutToShow.emit()
        next(action for action in menu.actions() if action.text().startswith("Contact sheet")).trigger()
    assert asked == [True, False]


async def test_what_was_made_lately_stands_below_and_opens(stand):
    stand.panel._reload_recent()
    await settle(lambda: stand.panel.recent.count() == 6)
    stand.panel.recent.set_current(1)
    await settle(lambda: stand.panel._record is not None)
    assert stand.panel._record.id == stand.panel.tiles.record(1).id


# --------------------------------------------------------------------------------------- empty, commands


@pytest.mark.parametrize("size", [(1370, 760), (1216, 734), (954, 600)])
async def test_both_lines_below_what_was_made_lately_are_seen_whole(stand, size):
    panel = stand.panel
    panel.resize(*size)
    await settle(lambda: panel.recent.count() > 0)
    await settle(lambda: panel.recent.tiles.pitch <= panel.recent.viewport().height() + 6)
    assert panel.recent.tiles.captions == 2


async def test_an_empty_library_sends_one_to_train(bare):
    assert bare.panel.pages.currentIndex() == 1 and not bare.panel.controls.generate.isEnabled()
    bare.panel.empty.button.click()
    assert bare.went == [("train", {})]


async def test_commands_know_when_they_make_sense(stand, bare):
    able = {command.key: command.enabled() for command in stand.panel.commands()}
    unable = {command.key: command.enabled() for command in bare.panel.commands()}
    assert able["sample.generate"] and not unable["sample.generate"] and not able["sample.keep"]


async def test_items_are_joined_without_copying_figures_wrong(stand):
    stand.panel.setup.count.setValue(3)
    stand.panel.setup.seeds.set_seeds([1, 2])
    stand.panel.generate_or_stop()
    await stand.made()
    from scripted_library import items_of

    spec = stand.panel.setup.run.spec
    assert np.array_equal(stand.panel.results.batch.items[3:], items_of(spec, 3, 2))


def test_the_classes_of_a_grid_are_named():
    spec = FieldSpec("class", "enum", "Class", options=("1", "red, large", "10", "Cat"))
    assert suggested(spec) == "1, red, large, 10, Cat"
    assert parse_values(spec, suggested(spec)) == spec.options
    assert parse_values(spec, "10, cat, #0") == ("10", "Cat", "1")
    with pytest.raises(ValueError, match="“2” must be"):
        parse_values(spec, "10, 2")


def test_values_of_an_axis_that_is_taken_up_read_as_they_were_typed():
    spec = FieldSpec("guidance", "float", "Guidance", low=0.0, high=10.0, default=2.0)
    for text in ("0, 2, 4", "0.1, 0.1234567890123, 1e-07"):
        assert as_text(parse_values(spec, text)) == text
    assert as_text((True, False)) == "true, false" and as_text((3, "10.0", "cat")) == "3, 10.0, cat"


async def test_classes_stand_under_the_pictures_of_every_class_in_turn(stand):
    stand.panel.setup.conditions.set_values({"class": names.EVERY})
    stand.panel.controls.generate.click()
    await settle(lambda: stand.panel.results.batch is not None)
    batch, spec = stand.panel.results.batch, stand.panel.setup.run.spec
    asked = asked_words(batch.made, spec)
    assert asked[: len(spec.classes)] == list(spec.classes)[: len(asked)]
    grid = stand.panel.results._view(batch.modality).grid
    assert grid._caption(1) == spec.classes[1]
    one = [Made(msgspec.structs.replace(made.request, conditions={"class": 1}), made.index) for made in batch.made]
    assert asked_words(one, spec) is None, "what all were asked for needs no line"


async def test_the_card_of_an_item_records_which_checkpoint_made_it(stand):
    stand.panel.controls.generate.click()
    await settle(lambda: stand.panel._record is not None)
    stand.panel.results.choose(0)
    shown = dict(stand.panel.info.rows())["Checkpoint"]
    assert shown == checkpoint_name(stand.panel._record.checkpoint) and shown.startswith("Training step ")


async def test_every_seed_of_a_making_is_told_with_its_checkpoint(stand):
    stand.panel.setup.seeds.set_seeds([3, 4])
    stand.panel.generate_or_stop()
    await settle(lambda: stand.panel.results.batch is not None and not stand.panel.work.is_busy)
    stand.panel.results.choose(len(stand.panel.results.batch.items) - 1)
    rows = dict(stand.panel.info.rows())
    assert rows["Seed"] == 4 and rows["Checkpoint"] == "Training step 2,000"


async def test_a_checkpoint_that_is_not_listed_is_told_in_words(stand):
    stand.panel.setup.choose_checkpoint("step-000001234")
    assert stand.panel.setup.checkpoints.currentText() == "Training step 1,234"


async def test_a_model_of_classes_shows_no_negative_prompt(stand):
    assert all(field.needs != "text" for field in (line.spec for line in stand.panel.setup.form.group.all_lines()))
