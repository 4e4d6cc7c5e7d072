"""A kill loses nothing that was typed, chosen, shown or could be undone: what a window wrote is there in the next one."""

import msgspec
import pytest
from real_library import a_session
from scripted_library import ScriptedRun
from scripted_window import scripted_window, settle, turn

from models_backend.contract.family import DataSpec
from models_backend.contract.run_layout import DatasetRecord, Item, RunRecord
from models_backend.library import trash
from models_backend.library.library import Library
from models_backend.library.remarks import Users
from nexus_studio.state.edits import Deleting, Rewriting


async def test_the_sample_form_and_what_is_shown_are_there_again(qapp, tmp_path):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        panel, session = window.workspace("sample"), window.session
        window.show_workspace("sample")
        run = next(r for r in session.runs.records if r.title == "denoiser-small")
        panel.setup.choose_run(run.id)
        panel.setup.seeds.line.setText("7, 12-14")
        panel.setup.seeds.lock.setChecked(False)
        panel.setup.count.setValue(9)
        panel.setup.record.setChecked(False)
        panel.setup.conditions.set_values({"class": 3})
        panel.setup.form.set_values(panel.setup.form.values() | {"steps": 33, "sampler": "heun"})
        panel.setup.changed.emit()
        panel.controls.grid.setChecked(True)
        panel.grid_form.across.field.setCurrentIndex(panel.grid_form.across.field.findData("steps"))
        panel.grid_form.across.values.setText("5, 10, 20")
        panel.grid_form.across.changed.emit()
        panel.controls.grid.setChecked(False)
        panel.setup.seeds.lock.setChecked(True)
        panel.work.generate(panel.setup.all_requests())
        await settle(lambda: panel.results.batch is not None and panel.results.batch.samples)
        panel.setup.seeds.lock.setChecked(False)
        made, items = list(panel.results.batch.samples), panel.results.batch.items
        library = session.bridge.engine.library
        window.show_workspace("data")
        session.preferences.flush()
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.session.bridge.engine.library.made.update({name: library.made[name] for name in made})
        panel = window.workspace("sample")
        window.show_workspace("sample")
        await settle(lambda: panel.results.batch is not None)
        setup = panel.setup
        assert setup.run.title == "denoiser-small" and setup.seeds.line.text() == "7, 12-14"
        assert not setup.seeds.lock.isChecked() and setup.count.value() == 9 and not setup.record.isChecked()
        assert setup.conditions.values() == {"class": 3}
        assert setup.form.values() == {"steps": 33, "sampler": "heun", "eta": 0.0}
        panel.controls.grid.setChecked(True)
        assert panel.grid_form.across.values.text() == "5, 10, 20"
        assert panel.results.batch.samples == made and (panel.results.batch.items == items).all()


@pytest.mark.parametrize("by_hand", [True, False])
async def test_a_run_that_was_chosen_in_sample_by_hand_is_kept_as_such(qapp, tmp_path, by_hand):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("sample")
        setup, runs = window.workspace("sample").setup, window.session.runs
        one, two = [setup.runs.itemData(n) for n in range(2)]
        runs.set_current(one)
        setup.choose_run(two if by_hand else one)
        window.session.preferences.flush()
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("sample")
        setup, runs = window.workspace("sample").setup, window.session.runs
        await settle(lambda: setup.run is not None and setup.run.id == (two if by_hand else one))
        runs.set_current(two)
        runs.set_current(next(setup.runs.itemData(n) for n in (2, 3)))
        assert setup.run.id == (two if by_hand else runs.current)


async def test_the_train_form_is_kept_for_each_family_and_the_chosen_family_and_filter(qapp, tmp_path):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        panel, session = window.workspace("train"), window.session
        window.show_workspace("train")
        session.catalogue.set_current("duel")
        panel.setup.sections["config"].set_values(panel.setup.sections["config"].values() | {"smoothing": 0.25})
        panel.setup._soon()
        session.catalogue.set_current("flow")
        panel.setup.preset.setCurrentIndex(panel.setup.preset.findData("tiny"))
        panel.setup.take_preset()
        panel.setup.training.set_values(panel.setup.training.values() | {"steps": 777, "learning_rate": 0.003})
        teacher = next(r for r in session.runs.records if r.title == "denoiser-small")
        chooser = panel.setup.parts["teacher"]
        chooser.setCurrentIndex(chooser.findData(teacher.id))
        panel.setup._soon()
        panel.setup.title.setText("My flow")
        panel.models.filter.setText("fl")
        session.preferences.flush()
    async with scripted_window(tmp_path, preferences=kept) as window:
        panel = window.workspace("train")
        window.show_workspace("train")
        await turn(0.05)
        setup = panel.setup
        assert window.session.catalogue.current == "flow" and panel.models.filter.text() == "fl"
        assert setup.preset.currentData() == "tiny" and setup.title.text() == "My flow"
        training = setup.values("training")
        assert training["steps"] == 777 and training["learning_rate"] == 0.003
        assert setup.chosen_parts() == {"teacher": teacher.id}
        window.session.catalogue.set_current("duel")
        assert setup.values("config")["smoothing"] == 0.25 and setup.title.text() == ""
        window.session.catalogue.set_current("flow")
        assert setup.values("training")["steps"] == 777


async def test_the_trajectory_form_the_recordings_the_step_and_the_item_are_there_again(qapp, tmp_path):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        panel = window.workspace("trajectory")
        window.show_workspace("trajectory")
        run = next(r for r in window.session.runs.records if r.title == "denoiser-small")
        panel.controls.run_chosen.emit(run.id)
        controls = panel.controls
        controls.use_b.setChecked(True)
        controls.seed.setValue(41)
        controls.count.setValue(5)
        controls.conditions.set_values({"class": 2})
        controls.conditions.changed.emit()
        controls.form_a.set_values(controls.form_a.values() | {"steps": 21})
        controls.form_b.set_values(controls.form_b.values() | {"steps": 9})
        controls.changed.emit()
        panel.sample()
        await settle(lambda: len(panel.recordings) == 2)
        panel.strip.row_chosen.emit(1)
        controls.item.setValue(4)
        panel.overlay.setChecked(True)
        panel.strip.lock(4)
        shown, made = [r.record.id for r in panel.recordings], dict(window.session.bridge.engine.library.made)
        controls.seed.setValue(42)
        window.session.preferences.flush()
    bring = lambda engine: engine.library.made.update(made)  # noqa: E731
    async with scripted_window(tmp_path, preferences=kept, prepare=bring) as window:
        panel = window.workspace("trajectory")
        window.show_workspace("trajectory")
        await settle(lambda: len(panel.recordings) == 2)
        controls = panel.controls
        assert [r.record.id for r in panel.recordings] == shown and (panel.row, panel.item) == (1, 3)
        assert panel.strip.locked_step() == 4 and panel.overlay.isChecked() and controls.item.value() == 4
        assert controls.run.id == run.id and controls.seed.value() == 42 and controls.count.value() == 5
        assert controls.use_b.isChecked() and controls.conditions.values() == {"class": 2}
        assert [form.values()["steps"] for form in (controls.form_a, controls.form_b)] == [21, 9]


async def test_the_filter_of_the_gallery_and_the_chosen_sample_are_there_again(qapp, tmp_path):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        panel = window.workspace("gallery")
        window.show_workspace("gallery")
        await settle(lambda: panel.detail.record is not None)
        panel.grid.set_current(3, select=True)
        chosen = panel.tiles.record(3).id
        window.session.preferences.flush()
    async with scripted_window(tmp_path, preferences=kept) as window:
        panel = window.workspace("gallery")
        window.show_workspace("gallery")
        await settle(lambda: panel.detail.record is not None)
        assert panel.detail.record.id == chosen
        panel.search.setText("small")
        panel.films.setChecked(True)
        window.session.preferences.flush()
    async with scripted_window(tmp_path, preferences=kept) as window:
        panel = window.workspace("gallery")
        window.show_workspace("gallery")
        await turn(0.3)
        assert panel.search.text() == "small" and panel.films.isChecked() and not panel.starred.isChecked()
        assert (panel.tiles._filter.text, panel.tiles._filter.kind) == ("small", "path")


async def test_the_cell_of_the_step_grid_is_there_again_for_each_run(qapp, tmp_path):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("train")
        panel, runs = window.workspace("train"), window.session.runs
        await settle(lambda: panel.samples.known() > 1 and not panel.samples.together)
        run, other = runs.current, next(r.id for r in runs.records if r.id != runs.current)
        panel.samples.grid.set_current(panel.samples._columns + 2, select=True)
        place = panel.samples.place(panel.samples.grid.current())
        runs.set_current(other)
        window.session.preferences.flush()
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("train")
        panel, runs = window.workspace("train"), window.session.runs
        runs.set_current(run)
        await settle(lambda: panel.samples.grid.current() >= 0)
        assert panel.samples.place(panel.samples.grid.current()) == place and place[1] == 2


async def test_the_chosen_item_of_data_and_what_is_shown_of_it_are_there_again(qapp, tmp_path):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("data")
        items, datasets = window.workspace("data").items, window.session.datasets
        datasets.set_current(next(r.id for r in datasets.records if r.modality == "image"))
        await settle(lambda: len(items.shown) > 5)
        items.filter.setCurrentIndex(items.filter.findData("train"))
        items.grid.set_current(4, select=True)
        record, item = datasets.current, items.shown[4]
        window.session.preferences.flush()
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("data")
        items = window.workspace("data").items
        await settle(lambda: items.grid.current() >= 0)
        assert items.record.id == record and items.filter.currentData() == "train"
        assert items.shown[items.grid.current()] == item


async def test_what_is_looked_for_in_each_data_set_is_there_again(qapp, tmp_path):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("data")
        items, datasets = window.workspace("data").items, window.session.datasets
        one, other = (next(r.id for r in datasets.records if r.modality == which) for which in ("image", "points"))
        datasets.set_current(one)
        await settle(lambda: len(items.shown) == 240)
        items.filter.setCurrentIndex(items.filter.findData("train"))
        items.search.setText("disc 19")
        found = list(items.shown)
        datasets.set_current(other)
        assert items.search.text() == ""
        datasets.set_current(one)
        assert items.search.text() == "disc 19"
        await settle(lambda: items.shown == found)
        window.session.preferences.flush()
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("data")
        items = window.workspace("data").items
        await settle(lambda: items.shown == found)
        assert (items.record.id, items.filter.currentData(), items.search.text()) == (one, "train", "disc 19")
        items.search.clear()
        window.session.preferences.flush()
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("data")
        items = window.workspace("data").items
        await settle(lambda: len(items.shown) > len(found))
        assert items.search.text() == ""


@pytest.mark.parametrize("kept", [{"run": "gone"}, {"run": "", "seeds": 3}, {"axes": "nonsense"}, {}])
async def test_a_form_of_another_version_does_no_harm(qapp, tmp_path, kept):
    file = tmp_path / "kept.json"
    file.write_bytes(
        msgspec.json.encode(
            {
                "sample/form": kept,
                "train/form/duel": {"preset": 3, "config": 7},
                "trajectory/form": kept,
                "trajectory/shown": {"samples": ["gone"], "row": "x"},
                "gallery/filter": 7,
                "gallery/sample": "gone",
            }
        )
    )
    async with scripted_window(tmp_path, preferences=file) as window:
        window.show_workspace("sample")
        window.show_workspace("train")
        window.session.catalogue.set_current("duel")
        window.show_workspace("trajectory")
        window.show_workspace("gallery")
        sample, trajectory, gallery = (window.workspace(key) for key in ("sample", "trajectory", "gallery"))
        await settle(
            lambda: sample.setup.run is not None and trajectory.controls.run is not None and gallery.grid.current() == 0
        )
        await turn(0.1)
        assert not window.notices.notices


# ------------------------------------------------------------------------------------------------ undo


async def a_kill(session):
    """What is left of a window that was killed: what it had written."""
    await settle(lambda: not session.bridge.busy())
    session.preferences.flush()
    await session.bridge.close()


@pytest.fixture
def library(library_root):
    made = Library.open(library_root)
    items = [Item(f"{n}.png", f"{n:064x}", n % 2, f"item {n}") for n in range(6)]
    made.create_dataset(DatasetRecord("d" * 16, "Leaves", "image", "d" * 64, 6, ("a", "b"), True, shape=(3, 8, 8)), items)
    spec = DataSpec("image", (3, 8, 8), 6)
    made.create_run(RunRecord("run-1", "First run", "denoiser", "d" * 16, "", {}, {"steps": 9}, {}, {}, spec, 1.0))
    yield made
    made.close()


async def test_edits_deletions_and_names_are_undone_by_the_next_window(qapp, tmp_path, library):
    kept = tmp_path / "kept.json"
    first = await a_session(library, kept)
    data = library.dataset("d" * 16)
    first.datasets.edit(first.undo, "d" * 16, "Edit 2 captions", captions={0: "a red leaf", 3: "moss"})
    await settle(lambda: data.items()[3].caption == "moss")
    first.datasets.edit(first.undo, "d" * 16, "Rename", title="Prints")
    await settle(lambda: library.dataset("d" * 16).record().title == "Prints")
    first.undo.push_kept("Rename run", Rewriting(first, "run", "run-1", {"title": "First run"}, {"title": "Mine"}))
    await settle(lambda: library.run("run-1").record().title == "Mine")
    first.undo.push_kept("Delete run", Deleting(first, [("run", "run-1")]))
    await settle(lambda: library.runs() == [])
    await a_kill(first)

    second = await a_session(library, kept)
    assert second.undo.undo_text == "Delete run"
    second.undo.undo()
    await settle(lambda: [run.title for run in library.runs()] == ["Mine"])
    second.undo.undo()
    await settle(lambda: library.run("run-1").record().title == "First run")
    second.undo.undo()
    await settle(lambda: library.dataset("d" * 16).record().title == "Leaves")
    await a_kill(second)

    third = await a_session(library, kept)
    assert (third.undo.undo_text, third.undo.redo_text) == ("Edit 2 captions", "Rename")
    third.undo.undo()
    await settle(lambda: [data.items()[n].caption for n in (0, 3)] == ["item 0", "item 3"])
    third.undo.redo()
    await settle(lambda: data.items()[0].caption == "a red leaf")
    third.undo.redo()
    await settle(lambda: library.dataset("d" * 16).record().title == "Prints")
    third.undo.redo()
    third.undo.redo()
    await settle(lambda: library.runs() == [] and [entry.title for entry in trash.entries(library.layout)] == ["Mine"])
    await a_kill(third)


async def test_undo_of_another_library_is_not_offered_and_what_cannot_be_read_is_left_out(qapp, tmp_path, library):
    kept = tmp_path / "kept.json"
    file = tmp_path / "kept-undo.json"
    edit = {"text": "Delete run", "kind": "trash", "state": {"items": [["run", "run-1"]], "entries": []}}
    odd = [{"text": "x"}, {"text": "y", "kind": "unknown", "state": {}}, {"text": "z", "kind": "dataset", "state": {}}, 7]
    told = {"/elsewhere": {"done": [edit]}, str(library.layout.root): {"done": odd, "undone": [edit]}}
    file.write_bytes(msgspec.json.encode(told))
    session = await a_session(library, kept)
    assert (session.undo.undo_text, session.undo.redo_text) == ("", "Delete run")
    await a_kill(session)


async def test_deleting_a_run_that_is_a_part_of_others_says_so(qapp, tmp_path):
    def prepare(engine):
        codec = engine.library.runs()[0]
        record = msgspec.structs.replace(codec, id="built-on", title="Latent diffusion", parts={"codec": codec.id})
        engine.library.folders[record.id] = ScriptedRun(engine.library.layout.run(record.id), record)

    async with scripted_window(tmp_path, prepare=prepare) as window:
        session = window.session
        user = next(run for run in session.runs.records if run.parts)
        part = session.runs.get(user.parts["codec"])
        session.delete("run", part.id, part.title)
        (said,) = (one.text.text() for one in window.notices.notices)
        assert f"1 run has it as a part (“{user.title}”): it needs it to be trained further and to make samples" in said


async def test_deleting_the_data_of_a_run_in_training_warns(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        session = window.session
        running = session.runs.get(session.jobs.active.run)
        record = session.datasets.get(running.dataset)
        session.delete("dataset", record.id, record.title)
        told = [one.text.text() for one in window.notices.notices if not one.plain]
        assert told == ["Botanical prints: “duel-03” was learning from it"]
        window.notices.dismiss_all()
        others = [one for one in session.datasets.records if one.id != record.id]
        for other in others:
            window.notices.dismiss_all()
            session.delete("dataset", other.id, other.title)
            assert all(one.plain for one in window.notices.notices)
            runs = Users(trained=tuple(run.title for run in session.runs.records if run.dataset == other.id)).needing()
            (said,) = (one.text.text() for one in window.notices.notices)
            assert said == f"“{other.title}” is in the trash. Undo brings it back." + (f" {runs}." if runs else "")
        assert any(run.dataset == other.id for run in session.runs.records for other in others), "one is needed"
