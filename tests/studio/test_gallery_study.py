"""A blind study in the gallery: begun from a selection, judged by keys, gone on with, and its result exported."""

import csv
import json

import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from scripted_window import panel_shown, scripted_session, scripted_window, settle

from models_backend.contract.messages import Sample
from models_backend.library import studies
from nexus_studio.panels.gallery import GalleryPanel
from nexus_studio.viewers.image_view import ImageView
from nexus_studio.viewers.modality import shown

PROMPTS = {"text": ["a red disc", "a blue disc"]}
RUNS = ("denoiser-small", "coder-small")


def told_samples(library):
    """One more sample of each of two runs, made for the same captions: bright pictures of the first, dark of the other."""
    runs = [next(record for record in library.runs() if record.title == title) for title in RUNS]
    for run, shade in zip(runs, (220, 40)):
        items = np.full((4, 16, 16, 3), shade, np.uint8)
        library.add_sample(Sample(run.id, 4, 7, conditions=PROMPTS), run, items)
    return [run.id for run in runs]


@pytest.fixture
async def panel(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        told_samples(session.bridge.library)
        panel = GalleryPanel(session)
        async with panel_shown(panel, lambda: panel.detail.record is not None):
            yield panel


async def begun(panel, count=6):
    """A study of the two newest samples, its first pair on the screen."""
    panel.grid.select([0, 1])
    panel.blind_study()
    study = panel.study
    await settle(lambda: len(study.setup.chosen()) == 2)
    study.setup.count.setValue(count)
    study.setup.begin()
    await settle(lambda: study._shown >= 0)
    return study


async def press(study, key):
    """A key on the pair that is seen; waits for what comes next."""
    before = study.record
    QTest.keyClick(study.judge, key)
    await settle(lambda: study.record is not before and (study._shown >= 0 or study.judge.stack.currentIndex() == 1))


def bright_side(study):
    """The key of the bright picture: "1" where it stands on the left."""
    return Qt.Key.Key_1 if study.judge.left.image().pixelColor(0, 0).red() > 128 else Qt.Key.Key_2


def kept(panel, study):
    return studies.read(panel.session.bridge.library.layout, study.record.id)


async def test_a_study_is_judged_by_keys_without_a_name_and_every_answer_is_kept(qapp, panel):
    study = await begun(panel)
    words = [one.text() for one in study.judge.findChildren(QLabel) if one.isVisibleTo(study)]
    assert "1 of 6" in words
    assert study.judge.caption.text() in PROMPTS["text"]
    assert not any(title in word for title in RUNS for word in words)
    for key in (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_0):
        await press(study, key)
    assert study.judge.counter.text() == "4 of 6"
    await settle(lambda: [a.choice for a in kept(panel, study).answers] == ["left", "right", "tie"])
    third = study.record.answers[2].pair
    await press(study, Qt.Key.Key_Backspace)
    assert study._shown == third
    QTest.keyClick(study.judge, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    await settle(lambda: study.judge.counter.text() == "2 of 6")
    await settle(lambda: [a.choice for a in kept(panel, study).answers] == ["left"])


async def test_a_closed_study_is_gone_on_with_where_it_stood(qapp, panel):
    study = await begun(panel)
    await press(study, Qt.Key.Key_2)
    name = study.record.id
    QTest.keyClick(study.judge, Qt.Key.Key_Escape)
    assert not study.isVisible()
    panel.blind_study()
    earlier = study.setup._earlier
    await settle(lambda: earlier.count() == 1)
    go = next(one for one in earlier.itemAt(0).widget().findChildren(type(study.judge.undo_button)) if one.text() == "Go on")
    go.click()
    await settle(lambda: study._shown >= 0)
    assert (study.record.id, study.judge.counter.text()) == (name, "2 of 6")


async def test_the_last_answer_can_be_taken_back_before_names_are_seen_and_the_result_is_exported(qapp, panel, tmp_path):
    study = await begun(panel)
    for _ in range(6):
        await press(study, bright_side(study))
    assert study.pages.currentWidget() is study.judge
    QTest.keyClick(study.judge, Qt.Key.Key_Backspace)
    await settle(lambda: study._shown >= 0)
    await press(study, bright_side(study))
    QTest.keyClick(study.judge, Qt.Key.Key_Return)
    assert study.pages.currentWidget() is study.result
    assert study.result.sentence.text() == "“denoiser-small” is preferred: 100 % of 6 answers, p = 0.031."
    assert "half a win each way" in study.result.method.text()
    words = [one.text() for one in study.result.table.findChildren(QLabel)]
    assert all(title in words for title in RUNS)
    study.result.export(str(tmp_path / "s.csv"), "csv")
    study.result.export(str(tmp_path / "s.json"), "json")
    await settle(lambda: (tmp_path / "s.json").exists())
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    assert [row["preferred"] for row in rows] == ["denoiser-small"] * 6
    assert json.loads((tmp_path / "s.json").read_text())["result"]["p"] == pytest.approx(0.03125)
    await settle(lambda: kept(panel, study).ended > 0)


async def test_an_answer_given_as_the_window_closes_is_kept(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        told_samples(session.bridge.library)
        panel = GalleryPanel(session)
        panel.show()
        await settle(lambda: panel.detail.record is not None)
        study = await begun(panel)
        QTest.keyClick(study.judge, Qt.Key.Key_1)
        record, layout = study.record, session.bridge.library.layout
    shiboken6.delete(panel)
    assert len(record.answers) == 1
    assert studies.read(layout, record.id) == record


async def test_a_pair_whose_sample_is_gone_is_left_out(qapp, panel):
    study = await begun(panel)
    library, sample = panel.session.bridge.library, study.record.pairs[0].left.sample
    noticed = []
    panel.session.bridge.noticed.connect(noticed.append)
    study.close_view()
    del library.made[sample]
    study.open([])
    study.resume(studies.listed(library.layout)[0])
    await settle(lambda: study.judge.stack.currentIndex() == 1)
    assert len(noticed) == 6
    assert "there is no such sample" in noticed[0]


async def test_without_a_selection_runs_are_offered_and_kinds_are_not_mixed(qapp, panel):
    panel.grid.select([])
    panel.blind_study()
    setup = panel.study.setup
    await settle(lambda: len(setup.candidates) == 3)
    assert not setup.begin_button.isEnabled()
    boxes = {box.text(): box for box in setup.boxes}
    boxes["denoiser-small"].setChecked(True)
    boxes["flow-points"].setChecked(True)
    assert "points" in setup.hint.text()
    assert not setup.begin_button.isEnabled()
    boxes["flow-points"].setChecked(False)
    boxes["coder-small"].setChecked(True)
    assert "made for the same condition" in setup.hint.text() or "made from the same condition" in setup.hint.text()
    assert setup.begin_button.isEnabled()


async def test_two_samples_of_one_run_stand_for_themselves(qapp, panel):
    run = panel.session.bridge.library.runs()
    mine = [i for i in range(panel.grid.count()) if panel.tiles.record(i).run == next(r.id for r in run if r.title == RUNS[0])]
    panel.grid.select(mine[:2])
    panel.blind_study()
    setup = panel.study.setup
    await settle(lambda: len(setup.chosen()) == 2)
    assert {candidate.side.kind for candidate in setup.chosen()} == {"sample"}


async def test_the_palette_opens_it_and_its_keys_do_not_reach_the_gallery(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        told_samples(window.session.bridge.library)
        window.show_workspace("gallery")
        panel = window.workspaces["gallery"]
        await settle(lambda: panel.grid.count() == 8)
        panel.grid.select([0, 1])
        window.actions_list.run("gallery.study")
        await settle(lambda: len(panel.study.setup.chosen()) == 2)
        window.actions_list.run("gallery.delete")
        assert not window.session.undo.undo_text
        panel.study.close_view()
        window.actions_list.run("gallery.star")
        assert window.session.undo.undo_text


def test_exact_pictures_grow_by_whole_pixels(qapp):
    view = ImageView(exact=True)
    view.resize(333, 250)
    picture = QImage(16, 16, QImage.Format.Format_RGB888)
    picture.fill(QColor(0, 0, 0))
    for y in range(16):
        for x in range(y % 2, 16, 2):
            picture.setPixelColor(x, y, QColor(255, 255, 255))
    view.set_picture(picture)
    assert view.zoom() == 15
    seen = view.grab(QRect(view._target().toRect())).toImage()
    assert {seen.pixelColor(x, y).red() for x in range(240) for y in range(0, 240, 7)} == {0, 255}
    assert seen.pixelColor(14, 0).red() != seen.pixelColor(15, 0).red()


def test_points_are_compared_at_one_scale(qapp):
    wide = np.random.default_rng(0).normal(0, 3, (500, 2)).astype(np.float32)
    dense, spread = shown("points").pair(wide / 10, wide, 96)
    dark = [sum(picture.pixelColor(x, y).value() < 40 for x in range(96) for y in range(96)) for picture in (dense, spread)]
    assert dark[0] > 1.3 * dark[1]
