"""A grid is one thing: one entry of the lists, opened again with its headings, deleted, made again and exported as a whole."""

import numpy as np
import pytest
import shiboken6
from library import records
from real_library import real_session
from scripted import array
from scripted_window import panel_shown, scripted_session, scripted_window, settle

from models_backend.contract.grids import GridAxis, GridCell
from models_backend.contract.messages import Export, Media, Sample
from models_backend.library.library import Library
from models_backend.library.samples import array_sha256
from nexus_studio.panels import exporting
from nexus_studio.panels.gallery import GalleryPanel
from nexus_studio.panels.sample_facts import facts

STEPS, SEEDS = GridAxis("steps", "Steps", (5, 10, 20)), GridAxis("seed", "Seed", (1, 2))


def kept_grid(library, count=6, name="grid-a"):
    """A grid of two rows and three columns in a scripted library, of which ``count`` cells were made, each in its own grey."""
    run = next(record for record in library.runs() if record.title == "denoiser-small")
    cells = [GridCell(name, STEPS, SEEDS, row, column) for row in range(2) for column in range(3)][:count]
    return [
        library.add_sample(
            Sample(run.id, 1, SEEDS.values[cell.row], {"steps": STEPS.values[cell.column], "sampler": "ddim", "eta": 0.0},
                   title="denoiser-small · Steps × Seed", grid=cell),
            run, np.full((1, 16, 16, 3), 30 * cell.place, np.uint8),
        )
        for cell in cells
    ]  # fmt: skip


def headings(panel):
    return [words for _, words in panel.results.grid.headings()], panel.results.grid._row_labels


def seen(grid):
    """The grey of each cell that is shown, None where none is."""
    pictures = [grid.image(n) for n in range(grid.count())]
    return [picture and picture.pixelColor(3, 3).red() for picture in pictures]


def fill(panel, across, down):
    """Sets the form to a grid over steps and seeds."""
    panel.setup.choose_run(next(run.id for run in panel.session.runs.records if run.title == "denoiser-small"))
    panel.controls.grid.setChecked(True)
    for axis, path, values in ((panel.grid_form.across, "steps", across), (panel.grid_form.down, "seed", down)):
        axis.field.setCurrentIndex(axis.field.findData(path))
        axis.values.setText(values)


async def test_a_grid_is_one_entry_and_opens_with_its_headings_after_a_restart(qapp, tmp_path):
    kept = tmp_path / "kept.json"
    async with scripted_window(tmp_path, preferences=kept) as window:
        window.show_workspace("sample")
        panel, library = window.workspace("sample"), window.session.bridge.library
        before = panel.tiles.total or len(library.made)
        fill(panel, "5, 10, 20", "1, 2")
        panel.generate_or_stop()
        await settle(lambda: not panel.work.is_busy and len(panel._cells) == 6)
        assert len(library.made) == before + 6
        await settle(lambda: panel.tiles.total == before + 1 and panel.tiles.record(0))
        assert panel.tiles.caption(0).startswith("denoiser-small · Steps × Seed\n2 × 3 · training step")
        window.session.preferences.flush()
        made = dict(library.made)
    async with scripted_window(tmp_path, preferences=kept, prepare=lambda engine: engine.library.made.update(made)) as window:
        window.show_workspace("sample")
        panel = window.workspace("sample")
        await settle(lambda: panel.results.batch is not None)
        assert headings(panel) == (["5", "10", "20", "Steps", "Seed"], ["1", "2"])
        assert panel.state_chip.text() == "Steps × Seed" and panel.results.grid.columns() == 3
        assert [(one.request.sampling["steps"], one.request.seed) for one in panel.results.batch.made] == [
            (5, 1), (10, 1), (20, 1), (5, 2), (10, 2), (20, 2)
        ]  # fmt: skip


async def test_a_grid_opens_from_the_list_with_its_form_and_a_single_sample_after_it(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        panel, library = window.workspace("sample"), window.session.bridge.library
        (first, *_), alone = kept_grid(library, 5), next(iter(library.made))
        window.show_workspace("sample")
        await settle(lambda: panel.tiles.record(0) and panel.tiles.record(0).id == first.id)
        panel.setup.choose_run(first.run)
        panel.setup.form.set_values(panel.setup.form.values() | {"steps": 33})
        panel.setup.count.setValue(12)
        panel.setup.seeds.set_seeds([7])
        panel.recent.activated.emit(0)
        await settle(lambda: panel.results.gridded is not None)
        request = panel.setup.request()
        assert (request.sampling["steps"], request.seed, request.count) == (33, 7, 12), "its sides and one item a cell"
        assert seen(panel.results.grid) == [0, 30, 60, 90, 120, None], "one was not made"
        assert panel.controls.grid.isChecked() and not panel.grid_form.problem()
        assert [cell.grid.place for cell in panel.grid_form.cells()] == list(range(6))
        assert panel.grid_form.across.values.text() == "5, 10, 20" and panel.grid_form.down.field.currentData() == "seed"
        panel.results.choose(4)
        assert panel._record.grid.place == 4 and dict(panel.info.rows())["Steps"] == 10
        panel.show_what({"sample": alone})
        await settle(lambda: panel.results.gridded is None and panel._record and panel._record.id == alone)
        assert not panel.controls.grid.isChecked() and not panel._cells


async def test_what_is_shown_is_marked_among_what_was_made_lately(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        panel, library = window.workspace("sample"), window.session.bridge.library
        first, *_ = kept_grid(library, 2)
        window.show_workspace("sample")
        await settle(lambda: panel.tiles.record(0) and panel.tiles.record(0).id == first.id)
        panel.recent.set_current(0, select=True)
        await settle(lambda: panel.results.gridded is not None)
        kept_grid(library, 1, "grid-b")  # newer, so that it stands first
        window.session.samples.refresh()
        await settle(
            lambda: (it := panel.tiles.record(0)) and it.grid and it.grid.id == "grid-b" and panel.recent.selection() == [1]
        )
        assert panel.recent.current() == 1 and panel.results.gridded.id == "grid-a", "nothing else was opened"
        alone = next(index for index in range(panel.tiles.total) if panel.tiles.record(index).grid is None)
        panel.show_what({"sample": panel.tiles.record(alone).id})
        await settle(lambda: panel.recent.selection() == [alone])
        assert panel.recent.current() == alone and panel.results.gridded is None


async def test_cells_that_come_while_something_else_is_looked_at_stay_out_of_it(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        panel, library = window.workspace("sample"), window.session.bridge.library
        window.show_workspace("sample")
        kept_grid(library)
        fill(panel, "7, 8", "3")
        panel.generate_or_stop()
        await settle(lambda: panel.results.batch is not None)
        panel.show_what({"sample": "20261123-2300-sample-0006"})  # the first cell of the one that was kept
        await settle(lambda: not panel.work.is_busy and panel.results.gridded.id == "grid-a" and panel.results.batch)
        assert seen(panel.results.grid) == [0, 30, 60, 90, 120, 150] and len(panel.results.batch.made) == 6


async def test_an_exported_grid_that_the_library_lacks_is_made_again_whole(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        panel, library = window.workspace("sample"), window.session.bridge.library
        window.show_workspace("sample")
        first, *others = kept_grid(library)
        for record in (first, *others):
            del library.made[record.id]
        panel.show_what({"state": first})
        await settle(lambda: panel.results.batch is not None and not panel.work.is_busy)
        assert [(one.request.sampling["steps"], one.request.seed) for one in panel.results.batch.made] == [
            (5, 1), (10, 1), (20, 1), (5, 2), (10, 2), (20, 2)
        ]  # fmt: skip
        assert panel.results.gridded.id != "grid-a" and headings(panel)[1] == ["1", "2"]


def actions(menu):
    return {action.text(): action for action in menu.actions() if action.text()}


async def test_a_grid_is_exported_as_one_sheet_and_a_chosen_cell_alone(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        panel, session = window.workspace("sample"), window.session
        first, *_ = kept_grid(session.bridge.library)
        window.show_workspace("sample")
        panel.show_what({"sample": first.id})
        await settle(lambda: panel.export.isVisible())
        panel._fill_export()
        lines = actions(panel.export_menu)
        ways = [choice.text for choice in exporting.CHOICES if lines[choice.text].isEnabled()]
        assert ways == ["Contact sheet · PNG", "Contact sheet · WebP"]
        assert "choose a cell" in lines["Each item · PNG"].toolTip()
        panel.results.choose(4)
        panel._fill_export()
        assert actions(panel.export_menu)["Each item · PNG"].isEnabled()
        sheet, items = (next(one for one in exporting.CHOICES if one.what == what) for what in ("sheet", "items"))
        dialog = exporting.ask(session, panel, panel._record, sheet, [], False, whole=True)
        assert dialog.selectedFiles()[0].endswith("denoiser-small · Steps × Seed.png")
        dialog.fileSelected.emit(str(tmp_path / "grid.png"))
        dialog.close()
        exporting.start(session, panel._record, items, str(tmp_path / "one.png"), [], False, whole=True)
        await settle(lambda: sum(call[0] is Export for call in session.bridge.engine.calls) == 2)
        asked = [call[1] for call in session.bridge.engine.calls if call[0] is Export]
        assert [(one.what, one.source) for one in asked] == [("grid", panel._record.id), ("items", panel._record.id)]
        assert asked[1].name == "denoiser-small · Steps × Seed · Steps 10, Seed 2"


@pytest.fixture
async def gallery(qapp, tmp_path):
    async with scripted_session(tmp_path, prepare=lambda engine: kept_grid(engine.library)) as session:
        panel = GalleryPanel(session)
        async with panel_shown(panel, lambda: panel.detail.record is not None):
            yield panel


async def test_the_gallery_shows_a_grid_as_one_tile_of_its_cells(gallery):
    assert gallery.grid.count() == 7 and gallery.tiles.record(0).grid.place == 0
    await settle(lambda: gallery.tiles.picture(0) is not None)
    tile = gallery.tiles.picture(0)
    side = tile.width()
    greys = [tile.pixelColor(x, y).red() for y in (side // 3, 2 * side // 3) for x in (side // 6, side // 2, 5 * side // 6)]
    assert greys == [0, 30, 60, 90, 120, 150]
    await settle(lambda: gallery.detail._view is not None and gallery.detail._view.grid.count() == 6)
    told = dict(facts(gallery.session, gallery.detail.record))
    assert told["Grid"] == "2 rows × 3 columns" and told["Steps"] == [5, 10, 20] and told["Seed"] == [1, 2]
    assert "Items" not in told and not gallery.detail.trajectory.isEnabled()
    gallery.grid.select([0, 1])
    assert not gallery.compare_button.isEnabled() and "as a whole" in gallery.compare_button.toolTip()


async def test_the_tile_of_a_grid_shows_the_cells_that_came_since(qapp, tmp_path):
    async with scripted_session(tmp_path, prepare=lambda engine: kept_grid(engine.library, 1)) as session:
        panel = GalleryPanel(session)
        panel.resize(1100, 720)
        panel.show()
        await settle(lambda: panel.tiles.total == 7 and panel.tiles.picture(0) is not None)
        before = panel.tiles.picture(0).copy()
        run = session.runs.get(panel.tiles.record(0).run)
        for row, column in ((0, 1), (1, 1), (1, 2)):
            cell = GridCell("grid-a", STEPS, SEEDS, row, column)
            session.bridge.library.add_sample(Sample(run.id, 1, grid=cell), run, np.full((1, 16, 16, 3), 200, np.uint8))
        session.samples.refresh()
        await settle(lambda: panel.tiles.picture(0) not in (None, before))
        assert panel.tiles.total == 7
        panel.close()
        shiboken6.delete(panel)


async def test_reproduce_makes_every_cell_again(gallery):
    library, engine = gallery.session.bridge.library, gallery.session.bridge.engine
    first, items, off = gallery.tiles.record(0), {}, set()
    for cell in library.cells(first):
        items[cell.seed, cell.sampling["steps"]] = made = library.sample(cell.id).items()
        library.sample(cell.id).update_record(items_sha256=array_sha256(made))

    def again(request):
        key = request.seed, request.sampling["steps"]
        return Media(array(items[key] + np.uint8(key in off)), "image")

    engine.answers[Sample] = again
    await gallery.reproduce(first)
    asked = [call[1] for call in engine.calls if call[0] is Sample]
    assert len(asked) == 6 and not any(one.save or one.trace for one in asked)
    (told,) = gallery.session.verdicts.of("reproduce", item=first.id)
    assert told.trouble.what == "Identical, bit by bit: 6 items"
    off.add((2, 10))
    await gallery.reproduce(first)
    assert any(one.trouble.what.startswith("Not identical") for one in gallery.session.verdicts.of("reproduce", item=first.id))


@pytest.fixture
async def real(qapp, tmp_path):
    """A session on a library with the cells of a grid and one sample beside it."""
    library = Library.open(tmp_path / "library")
    for record in [*records.grid(), records.sample_record("alone")]:
        library.create_sample(record, records.pictures(record.count))
    async with real_session(library, tmp_path / "session.json") as made:
        yield made


async def test_a_grid_goes_to_the_trash_with_all_its_cells_and_comes_back_with_them(real):
    library, panel = real.bridge.library, GalleryPanel(real)
    panel.show()
    await settle(lambda: panel.grid.count() == 2 and panel.tiles.record(0))
    panel.grid.set_current(0, select=True)
    panel.delete()
    panel.delete()  # a second press finds nothing that is chosen
    await settle(lambda: panel.grid.count() == 1)
    assert [record.id for record in library.samples()] == ["alone"] and real.undo.undo_text == "delete of Steps by seed"
    real.undo.undo()
    await settle(lambda: panel.grid.count() == 2 and library.count() == 7)
    panel.close()
    shiboken6.delete(panel)


async def test_the_title_star_and_tags_of_a_grid_are_those_of_all_its_cells(real):
    library, panel = real.bridge.library, GalleryPanel(real)
    panel.show()
    await settle(lambda: panel.grid.count() == 2 and panel.tiles.record(0))

    def told():
        cells = library.cells(library.sample("grid-a-0").record())
        return {(cell.title, cell.starred, cell.tags) for cell in cells} if len(cells) == 6 else None

    panel.edit("grid-a-0", {"title": "Mine"})
    await settle(lambda: told() == {("Mine", False, ())})
    panel.edit("grid-a-0", {"starred": True, "tags": ("best",)})
    await settle(lambda: told() == {("Mine", True, ("best",))})
    assert not library.sample("alone").record().starred
    for left in ({("Mine", False, ())}, {("Steps by seed", False, ())}):
        real.undo.undo()
        await settle(lambda left=left: told() == left)
    panel.close()
    shiboken6.delete(panel)
