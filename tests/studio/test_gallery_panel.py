"""Gallery: lists, filters, edits with undo, deletes with undo, compares, reproduces; all against the scripted engine."""

import msgspec
import numpy as np
import pytest
import shiboken6
from scripted_window import scripted_session, settle

from models_backend.contract.run_layout import SampleRecord
from nexus_studio.panels import exporting
from nexus_studio.panels.gallery import GalleryPanel, difference
from nexus_studio.panels.gallery_tiles import collage, differing
from nexus_studio.panels.verdict_rows import VerdictRow


@pytest.fixture
async def panel(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        made = GalleryPanel(session)
        made.resize(1100, 720)
        made.show()
        await settle(lambda: made.detail.record is not None)
        yield made
        made.close()
        shiboken6.delete(made)


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


async def test_two_samples_are_compared_side_by_side_and_under_a_slider(qapp, panel):
    panel.grid.select([0, 1])
    panel.compare()
    await settle(lambda: panel.stack.currentWidget() is panel._compare)
    panel._compare.slider.setChecked(True)
    assert panel._compare.right.isHidden()
    panel.end_comparison()
    assert panel.stack.currentWidget() is panel.grid


async def test_export_asks_the_engine_for_what_was_chosen(qapp, panel, tmp_path):
    record = panel.detail.record
    choice = next(c for c in exporting.CHOICES if c.what == "sheet")
    exporting.start(panel.session, record, choice, str(tmp_path / "sheet.png"), [], strip=True)
    engine = panel.session.bridge.engine
    await settle(lambda: any("sheet.png" in str(call) and "strip=True" in str(call) for call in engine.calls))
    assert panel.session.preferences.get("export/folder") == str(tmp_path)


def test_a_collage_shows_the_first_items_in_a_square(qapp):
    items = np.full((9, 8, 8, 3), 200, np.uint8)
    picture = collage(items, "image", 90)
    assert (picture.width(), picture.height()) == (90, 90)
    assert picture.pixelColor(15, 15).red() == 200


def test_what_samples_differ_by_stands_first_under_a_tile():
    sampling = {"sampler": {"type": "dpmpp_2m"}, "guidance": 4.0}
    record = SampleRecord("s", "A long title of a run", "r", "f", "c", "image", 4, 0, sampling, {"class": 3}, 0.0)
    assert differing(record) == "dpmpp-2m g 4"
    assert differing(msgspec.structs.replace(record, conditions={})) == "dpmpp-2m"
    assert differing(msgspec.structs.replace(record, sampling={"solver": "heun"}, conditions={})) == "heun"
    assert differing(msgspec.structs.replace(record, sampling={}, conditions={})) == ""
