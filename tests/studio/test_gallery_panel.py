"""Gallery: lists, filters, edits with undo, deletes with undo, compares, reproduces; all against the scripted engine."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QFileDialog, QLabel, QMenu
from scripted_window import panel_shown, scripted_session, settle

from models_backend.contract import names
from models_backend.contract.messages import Export, Sample
from models_backend.contract.run_layout import SampleRecord
from nexus_studio.panels import exporting
from nexus_studio.panels.gallery import GalleryPanel, difference
from nexus_studio.panels.gallery_compare import Side, paired
from nexus_studio.panels.gallery_tiles import collage, collage_of_cells, differing, evenly
from nexus_studio.panels.sample_facts import facts
from nexus_studio.panels.verdict_rows import VerdictRow


@pytest.fixture
async def panel(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        panel = GalleryPanel(session)
        async with panel_shown(panel, lambda: panel.detail.record is not None):
            yield panel


async def test_everything_made_is_listed_newest_first_with_pictures(qapp, panel):
    assert panel.grid.count() == 6
    made = [panel.tiles.record(i).created for i in range(6)]
    assert made == sorted(made, reverse=True)
    await settle(lambda: all(panel.tiles.picture(i) is not None for i in range(6)))


async def test_a_star_is_an_edit_that_undo_takes_back(qapp, panel):
    sample = panel.detail.record.id
    folder = panel.session.bridge.library.sample(sample)
    panel._star()
    await settle(lambda: folder.record().starred)
    await settle(lambda: panel.tiles.badge(0) == "★")
    panel.session.undo.undo()
    await settle(lambda: not folder.record().starred)


async def test_what_is_chosen_is_what_is_listed_and_comes_back_when_the_filter_goes(qapp, panel):
    records = [panel.tiles.record(i) for i in range(6)]
    panel.session.bridge.library.sample(records[5].id).update_record(title="zebra one")
    panel.session.bridge.library.sample(records[4].id).update_record(title="zebra two")
    panel.grid.set_current(2, select=True)
    await settle(lambda: panel.detail.record.id == records[2].id)
    panel.search.setText("zebra")
    await settle(lambda: panel.grid.count() == 2 and panel.detail.record.id == records[4].id)
    assert panel.grid.current() == 0 and panel.grid.selection() == [0]
    panel.search.setText("nothing is called so")
    await settle(lambda: panel.grid.count() == 0 and panel.detail.record is None)
    told = panel.detail
    assert not told.export.isEnabled() and not told.trash.isEnabled() and told.name.text() == "" and not told._facts.rowCount()
    panel.search.clear()
    await settle(lambda: panel.grid.count() == 6 and panel.detail.record and panel.detail.record.id == records[2].id)
    assert panel.grid.current() == 2 and panel.grid.selection() == [2]
    panel.search.setText("zebra")
    await settle(lambda: panel.grid.count() == 2)
    panel.show_what({"sample": records[1].id})  # hidden by the filter
    await settle(lambda: panel.grid.count() == 6 and panel.detail.record.id == records[1].id)
    assert panel.search.text() == ""


async def test_reproduce_says_identical_or_what_differs(qapp, panel):
    record = panel.detail.record
    await panel.reproduce(record)
    (told,) = panel.session.verdicts.of("reproduce", item=record.id)  # kept with the item, after a restart too
    assert told.good and told.trouble.what.startswith(("Identical", "Not identical", "Different"))
    (row,) = panel.detail.verdicts.findChildren(VerdictRow)
    panel.grid.set_current(1, select=True)
    await settle(lambda: panel.detail.record.id != record.id)
    assert not panel.detail.verdicts.isVisible()
    panel.grid.set_current(0, select=True)
    await settle(lambda: panel.detail.verdicts.isVisible())
    row = panel.detail.verdicts.findChildren(VerdictRow)[-1]
    row.dismiss.click()
    assert panel.session.verdicts.records == []
    same = np.zeros((2, 4, 4, 1), np.uint8)
    other = same.copy()
    other[0, 0, 0] = 3
    assert "3.1 % of the values differ, by 3" in difference(same, other)
    assert "shape" in difference(same, other[:1])


async def compared(panel, left, right):
    """The comparison of two samples, given as what is asked of the run "denoiser-small"."""
    library = panel.session.bridge.library
    run = next(record for record in library.runs() if record.title == "denoiser-small")
    for request in (right, left):  # the newest stands first
        items = np.stack([np.full((16, 16, 3), n, np.uint8) for n in range(request.count)])
        library.add_sample(msgspec.structs.replace(request, run=run.id), run, items)
    panel.reload()
    await settle(lambda: panel.tiles.total == 8 and panel.grid.count() == 8 and panel.tiles.record(1))
    panel.grid.select([0, 1])
    assert panel.compare_button.isEnabled()
    panel.compare()
    await settle(lambda: panel.stack.currentWidget() is panel._compare)
    return panel._compare


def items_of(view):
    """Which items a side shows, in order."""
    return [view.grid.image(n).pixelColor(0, 0).red() for n in range(view.grid.count())]


async def test_as_many_items_of_each_stand_beside_each_other_by_their_seeds(qapp, panel):
    shown = await compared(panel, Sample("", 16, 3, {"sampler": "ddim"}), Sample("", 36, 3, {"sampler": "heun"}))
    assert items_of(shown.left) == items_of(shown.right) == list(range(16))
    assert shown.pairing.text() == ("Items that stand beside each other have the same seed. B has 20 more items (not shown).")
    assert shown.differences.rows == [("Items", "16", "36"), ("Sampler", "ddim", "heun")]
    assert shown.names[0].text().startswith("A · ") and shown.names[1].text().startswith("B · ")


async def test_items_of_other_seeds_are_said_not_to_belong_together(qapp, panel):
    shown = await compared(panel, Sample("", 5, 3, {"steps": 20}), Sample("", 4, 4, {"steps": 20}))
    assert items_of(shown.left) == items_of(shown.right) == [0, 1, 2, 3]
    assert shown.pairing.text().startswith("The seeds differ: items that stand beside each other do not belong together.")
    assert shown.pairing.text().endswith("A has 1 more item (not shown).")
    assert ("Seed", "3", "4") in shown.differences.rows and len(shown.differences.rows) == 2


async def test_items_of_the_same_condition_meet_and_are_named(qapp, panel):
    every, three = {"class": names.EVERY}, {"class": [0, 1, 5]}
    shown = await compared(panel, Sample("", 12, 3, {}, every), Sample("", 12, 3, {}, three))
    assert items_of(shown.left) == items_of(shown.right) == [0, 1, 5]
    assert "the same seed and the same condition" in shown.pairing.text()
    assert shown.left.grid._caption(1) == shown.right.grid._caption(1) == "1"
    assert shown.differences.rows == [("Class", "Every class in turn", "0 · 1 · 5")]


async def test_a_branch_meets_the_item_that_it_goes_on_from(qapp, panel):
    source = SampleRecord("s", "source", "r", "f", "step-000000001", "image", 6, 3, {}, {}, 0.0)
    branch = msgspec.structs.replace(source, id="b", count=1, start={"sample": "s", "step": 4, "item": 5})
    ones, others = Side(branch, np.zeros(1), None), Side(source, np.zeros(6), None)
    assert paired(ones, others) == ([(0, 5)], "seed") and paired(others, ones) == ([(5, 0)], "seed")
    path = msgspec.structs.replace(source, id="p", kind="path")
    assert paired(Side(path, np.zeros(6), None), others).by == "chance", "a path has no seeds"


async def test_two_of_the_same_settings_are_said_to_have_them(qapp, panel):
    shown = await compared(panel, Sample("", 4, 3), Sample("", 4, 3))
    said = [one.text() for one in shown.differences.findChildren(QLabel) if not one.isHidden()]
    assert shown.differences.rows == [] and said == ["They have the same settings."]


async def test_both_sides_zoom_scroll_and_choose_together_and_a_slider_lays_one_over_the_other(qapp, panel):
    shown = await compared(panel, Sample("", 60, 3), Sample("", 60, 3))
    left, right = shown.left.grid, shown.right.grid
    await settle(lambda: left.width() == right.width() > 100)
    panel.resize(panel.width() + 1, panel.height())
    await settle(lambda: left.width() == right.width() > 100)
    left.set_tile(120)
    assert right.tile_side() == left.tile_side() and right.columns() == left.columns()
    left.verticalScrollBar().setValue(90)
    assert right.verticalScrollBar().value() == 90
    right.set_current(7, select=True)
    assert left.current() == 7 and left.selection() == [7]
    shown.slider.setChecked(True)
    assert shown.over.isVisible() and not left.isVisible() and not shown.over.image().isNull()
    assert shown.over._second.size() == shown.over.image().size()
    panel.end_comparison()
    assert panel.stack.currentWidget() is panel.grid


async def test_points_are_compared_at_one_scale_and_not_with_pictures(qapp, panel):
    kinds = [panel.tiles.record(i).modality for i in range(6)]
    points, pictures = kinds.index("points"), kinds.index("image")
    panel.grid.select([points, pictures])
    assert not panel.compare_button.isEnabled() and "one kind" in panel.compare_button.toolTip()
    panel.grid.select([i for i, kind in enumerate(kinds) if kind == "points"][:2])
    panel.compare()
    await settle(lambda: panel.stack.currentWidget() is panel._compare)
    left, right = panel._compare.left.plane, panel._compare.right.plane
    assert panel._compare.pairing.text() == "The seeds differ." and left.bounds() == right.bounds()
    right.set_bounds((-1.0, 1.0, -1.0, 1.0))
    assert left.bounds() == (-1.0, 1.0, -1.0, 1.0)


async def test_a_tile_is_told_apart_by_both_ends_of_its_title_and_a_second_line(qapp, panel):
    record = panel.tiles.record(0)
    assert panel.grid._titled and panel.tiles.caption(0) == f"{record.title}\ntraining step 2,000"
    assert panel.grid.tiles.caption == 2 * panel.grid.tiles.caption // panel.grid.tiles.captions


async def test_the_table_of_a_sample_tells_training_and_sampling_steps_apart(qapp, panel):
    record = msgspec.structs.replace(panel.detail.record, checkpoint="step-000000400", conditions={"text": "a red disc"})
    told = dict(facts(panel.session, record))
    assert told["Checkpoint"] == "Training step 400" and told["Prompt"] == "a red disc" and "Text" not in told


async def test_a_path_tells_what_it_was_made_of_and_why_it_is_not_made_again(qapp, panel):
    path = {"xy": [[0.0, 1.0], [0.5, 1.0], [1.0, -2.0]], "z": [[0.0] * 8] * 3}
    sampling = {"temperature": 1.0, "interpolation_points": 24, "interpolation_seed": 0}
    record = msgspec.structs.replace(panel.detail.record, kind="path", count=3, path=path, trace=None, sampling=sampling,
                                     family="coder", checkpoint="step-000000400", conditions={})  # fmt: skip
    told = dict(facts(panel.session, record))
    assert told["Frames"] == 3 and told["Path"] == "3 points on the map, from (0.00, 1.00) to (1.00, -2.00)"
    assert told["Numbers in a latent"] == 8 and told["Checkpoint"] == "Training step 400" and told["Run"]
    assert not {"Items", "Seed", "Temperature", "Interpolation points", "Interpolation seed"} & set(told)
    assert panel.detail.latent.isHidden()
    panel.detail.show_record(record)
    gone = []
    panel.detail.open_in.connect(gone.append)
    assert not panel.detail.latent.isHidden()
    panel.detail.latent.click()
    assert gone == ["latent"]
    assert not panel.detail.again.isEnabled() and panel.detail.why.isVisible() and "drawn on a map" in panel.detail.why.text()


def offered(session):
    """Lines with ways to go on, as they are told from now on."""
    said = []
    session.bridge.proposed.connect(lambda text, ways: said.append((text, ways)))
    return said


async def test_export_asks_the_engine_for_what_was_chosen(qapp, panel, tmp_path, monkeypatch):
    record = panel.detail.record
    choice = next(c for c in exporting.CHOICES if c.what == "sheet")
    said, opened = offered(panel.session), []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    exporting.start(panel.session, record, choice, str(tmp_path / "sheet.png"), [], strip=True)
    engine = panel.session.bridge.engine
    await settle(lambda: any("sheet.png" in str(call) and "strip=True" in str(call) for call in engine.calls))
    assert panel.session.preferences.get("export/folder") == str(tmp_path)
    await settle(lambda: said)
    (text, (way,)) = said[0]
    assert text == f"Exported {tmp_path / 'sheet.png'}" and way.words == "Open folder"
    way.act()
    assert opened == [str(tmp_path)]


async def test_films_are_written_at_the_rate_and_with_the_hold_that_the_menu_shows(qapp, panel, tmp_path):
    record, calls = panel.detail.record, panel.session.bridge.engine.calls
    film = next(choice for choice in exporting.CHOICES if choice.what == "path")

    def written(name):
        exporting.start(panel.session, record, film, str(tmp_path / name), [], strip=False)
        return lambda: [one for call in calls for one in call if isinstance(one, Export) and one.path.endswith(name)]

    def menu():
        filled = exporting.fill_menu(QMenu(panel), panel.session, panel, record)
        (rates,) = [action.menu() for action in filled.actions() if action.menu()]
        (hold,) = [action for action in filled.actions() if "last frame" in action.text()]
        return {action.text(): action for action in rates.actions()}, hold

    before = written("before.mp4")
    await settle(before)
    rates, hold = menu()
    assert [text for text, action in rates.items() if action.isChecked()] == ["12"] and not hold.isChecked()
    rates["30"].trigger()
    hold.trigger()
    rates, hold = menu()
    assert [text for text, action in rates.items() if action.isChecked()] == ["30"] and hold.isChecked()
    after = written("after.mp4")
    await settle(after)
    assert [(one.fps, one.hold) for one in (*before(), *after())] == [(12, False), (30, True)]


async def test_single_items_go_into_a_new_folder_named_after_the_sample(qapp, panel, tmp_path):
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    record = msgspec.structs.replace(panel.detail.record, title="First try ä")
    choice = next(c for c in exporting.CHOICES if c.folder)
    panel.session.preferences.set("export/folder", str(tmp_path))
    (tmp_path / "First try ä").mkdir()
    dialog = exporting.ask(panel.session, panel, record, choice, [], False)
    save = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Save)
    assert Path(dialog.selectedFiles()[0]) == tmp_path / "First try ä 2" and save.isEnabled()
    save.click()
    engine = panel.session.bridge.engine
    await settle(lambda: any("First try ä 2" in str(call) and "name='First try ä'" in str(call) for call in engine.calls))
    assert panel.session.preferences.get("export/folder") == str(tmp_path)


async def test_several_chosen_are_told_at_the_side_and_all_of_them_are_exported(qapp, panel, tmp_path):
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)
    panel.session.preferences.set("export/folder", str(tmp_path))
    assert panel.detail.many.isHidden()
    panel.grid.select([0, 1])
    chosen = [panel.tiles.record(0), panel.tiles.record(1)]
    await settle(lambda: panel.detail.many.isVisible())
    assert panel.detail.many.text().startswith("2 chosen") and panel.detail.record.id == chosen[0].id
    next(action for action in panel.detail.menu.actions() if action.text() == "Contact sheet · PNG").trigger()
    dialog = panel.detail.findChild(QFileDialog)
    folder, said = tmp_path / "2 samples", offered(panel.session)
    assert Path(dialog.selectedFiles()[0]) == folder
    dialog.fileSelected.emit(str(folder))
    dialog.close()
    calls = panel.session.bridge.engine.calls
    await settle(lambda: len([one for call in calls for one in call if isinstance(one, Export)]) == 2)
    asked = [one for call in calls for one in call if isinstance(one, Export)]
    assert [one.source for one in asked] == [record.id for record in chosen]
    assert len({one.path for one in asked}) == 2 and all(Path(one.path).parent == folder for one in asked)
    await settle(lambda: said)
    assert [text for text, _ in said] == [f"Exported 2 files to {folder}"], "one line for all of them"
    assert folder.is_dir()
    troubles, mistyped = [], tmp_path / "gone" / "2 samples"
    panel.session.bridge.trouble.connect(troubles.append)
    exporting.start_all(panel.session, chosen, exporting.CHOICES[0], str(mistyped), False)
    await settle(lambda: troubles)
    assert troubles[0].what == f"There is no folder {mistyped.parent}" and not mistyped.parent.exists()
    assert len([one for call in calls for one in call if isinstance(one, Export)]) == 2
    panel.grid.select([0])
    assert panel.detail.many.isHidden()


def test_the_tile_of_a_grid_keeps_its_rows_and_columns(qapp):
    greys = {
        (row, column): np.full((1, 8, 8, 3), 40 * (3 * row + column) + 20, np.uint8) for row in range(2) for column in range(3)
    }
    del greys[1, 2]  # not made yet
    picture = collage_of_cells(greys, 2, 3, "image")
    side = picture.width()
    tops, lefts = [side // 2 - side // 6, side // 2 + side // 6], [side // 6, side // 2, side - side // 6]
    assert [[picture.pixelColor(x, y).red() for x in lefts] for y in tops] == [[20, 60, 100], [140, 180, 0]]
    assert picture.pixelColor(side // 2, side // 12).alpha() == 0, "two rows stand in the middle"
    assert evenly(3) == [0, 1, 2] and evenly(9) == [0, 2, 4, 6, 8] and evenly(6) == [0, 1, 2, 4, 5]


def test_a_collage_shows_the_first_items_in_a_square(qapp):
    items = np.full((9, 8, 8, 3), 200, np.uint8)
    picture = collage(items, "image", 90)
    assert (picture.width(), picture.height()) == (90, 90)
    assert picture.pixelColor(15, 15).red() == 200


def test_what_samples_differ_by_stands_under_the_title_of_a_tile():
    sampling = {"sampler": {"type": "dpmpp_2m"}, "guidance": 4.0}
    record = SampleRecord("s", "A long title of a run", "r", "f", "step-000001200", "image", 4, 0, sampling, {"class": 3}, 0.0)
    assert differing(record) == "dpmpp-2m g 4 · training step 1,200"
    assert differing(msgspec.structs.replace(record, conditions={}, checkpoint="")) == "dpmpp-2m"
    assert differing(msgspec.structs.replace(record, sampling={"solver": "heun"}, checkpoint="")) == "heun"
    assert differing(msgspec.structs.replace(record, sampling={}, conditions={}, checkpoint="")) == ""
