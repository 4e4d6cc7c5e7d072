"""Trajectory: recordings align, the main plane keeps distances, sampling, overlaying and branching through the engine."""

import asyncio
from typing import Literal

import msgspec
import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu
from scripted_library import trace_of
from scripted_window import panel_shown, scripted_session, settle

from models_backend.contract import names
from models_backend.contract.family import DataSpec
from models_backend.contract.fields import defaults, describe
from models_backend.contract.messages import Progress, Sample
from models_backend.contract.run_layout import SampleRecord
from models_backend.contract.trace import TraceInfo, TraceStep
from nexus_studio.panels import exporting
from nexus_studio.panels.trajectory import TrajectoryPanel
from nexus_studio.panels.trajectory_controls import another
from nexus_studio.panels.trajectory_recording import Recording, place, plane, straightness


class Steps(msgspec.Struct, frozen=True):
    """One number."""

    steps: int = 7


class Two(msgspec.Struct, frozen=True):
    """A number and a name."""

    steps: int = 7
    solver: Literal["euler", "heun"] = "euler"


@pytest.fixture
async def panel(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        panel = TrajectoryPanel(session)
        async with panel_shown(panel, lambda: panel.controls.run is not None):
            yield panel


def recording(values, kind="denoise"):
    """A recording of points from an array (T, B, 2)."""
    steps = tuple(TraceStep(i, 1 - i / 10, float(10 - i), 0.1 * i) for i in range(len(values)))
    info = TraceInfo(kind, ("x",), (2,), values.shape[1], steps)
    record = SampleRecord("s", "s", "r", "f", "c", "points", values.shape[1], 0, {}, {}, 0.0, trace=info)
    return Recording(record, {"x": values.astype(np.float16)})


def test_a_straight_way_has_no_bend_and_a_half_circle_has_its_own():
    t = np.linspace(0, 1, 200)[:, None]
    assert straightness(t * [3.0, 4.0]) == pytest.approx(0, abs=1e-6)
    circle = np.concatenate([np.cos(np.pi * t), np.sin(np.pi * t)], axis=1)
    assert straightness(circle) == pytest.approx(1 - 2 / np.pi, abs=1e-3)


def test_the_main_plane_keeps_the_distances_of_a_plane_path():
    spec = DataSpec("image", (1, 6, 6))
    info, channels = trace_of(spec, 2, 9)
    record = SampleRecord("s", "s", "r", "f", "c", "image", 2, 0, {}, {}, 0.0, trace=info)
    made = Recording(record, channels)
    (way,) = plane([made], 0)
    flat = channels["x"][:, 0].reshape(9, -1).astype(float)
    # start, end and noise span a plane, so that the projection loses nothing
    assert np.linalg.norm(way[-1] - way[0]) == pytest.approx(np.linalg.norm(flat[-1] - flat[0]), rel=1e-3)


def test_recordings_of_different_lengths_align_by_their_share_of_the_way():
    short, long = recording(np.zeros((5, 1, 2))), recording(np.zeros((9, 1, 2)))
    assert list(short.aligned(9)) == [0, 0, 1, 2, 2, 2, 3, 4, 4]
    assert list(long.aligned(9)) == list(range(9))


async def test_the_window_s_run_is_taken_unless_one_was_chosen_here_or_a_recording_is_shown(qapp, panel):
    runs, controls = panel.session.runs, panel.controls
    await settle(lambda: all(runs.view(record.id).loaded for record in runs.records))  # it is known which have trained
    one, two, three = [record.id for record in runs.records if runs.may_be_trained(record.id)][:3]
    runs.set_current(one)
    runs.set_current(two)
    assert controls.run.id == controls.runs.currentData() == two
    panel.hide()
    runs.set_current(three)
    assert controls.run.id == two
    panel.show()
    assert controls.run.id == three
    controls.run_chosen.emit(one)
    runs.set_current(two)
    assert controls.run.id == controls.runs.currentData() == one, "it was chosen here"
    controls.run_chosen.emit(two)
    panel.sample()
    await settle(lambda: panel.recordings)
    runs.set_current(three)
    assert controls.run.id == two, "its recording is shown"


async def test_a_recording_is_called_by_what_was_asked_for(qapp, panel):
    runs = panel.session.runs.records
    panel.choose_run(next(run.id for run in runs if run.title == "denoiser-small"))
    panel.controls.conditions.set_values({"class": 7})
    panel.controls.seed.setValue(5)
    panel.sample()
    await settle(lambda: panel.recordings)
    assert panel.recordings[0].record.title == "class 7, denoiser-small, ddim, seed 5"


async def test_sampling_records_one_row_a_sampler(qapp, panel):
    panel.controls.use_b.setChecked(True)
    panel.sample()
    await settle(lambda: len(panel.recordings) == 2)
    assert [r.label for r in panel.recordings] == ["A", "B"]
    asked = [call for call in panel.session.bridge.engine.calls if call[0] is Sample]
    assert len(asked) == 2 and all(call[1].trace == panel.controls.count.value() for call in asked)
    panel.strip.lock(3)
    assert panel.header.title.text().startswith("Sampling step 3 /")
    panel.overlay.setChecked(True)
    assert panel.stack.currentIndex() == 1


async def test_the_second_sampler_starts_as_another_one(qapp, panel):
    denoised = next(r for r in panel.session.runs.records if r.family == "denoiser")
    panel.choose_run(denoised.id)
    a, b = panel.controls.form_a.values(), panel.controls.form_b.values()
    assert a != b and panel.controls.form_b.valid
    spec = describe(Two, "sampling")
    assert another(spec, defaults(spec)) == {"steps": 7, "solver": "heun"}
    assert another(describe(Steps, "sampling"), {"steps": 7}) == {"steps": 7}


async def test_a_branch_starts_at_the_step_shown(qapp, panel):
    panel.sample()
    await settle(lambda: len(panel.recordings) == 1)
    panel.strip.lock(4)
    panel.branch()
    await settle(lambda: len(panel.recordings) == 2)
    request = panel.session.bridge.engine.calls[-1][1]
    started = [c[1].start for c in panel.session.bridge.engine.calls if c[0] is Sample and c[1].start is not None]
    assert request is not None and started[-1].step == 4
    assert started[-1].sample == panel.recordings[0].record.id


def branch_of(source, step, item, values, **changed):
    """A recording of items (T, B, 2) that goes on with an item of another."""
    made = recording(values)
    start = {"sample": source.record.id, "step": step, "item": item}
    made.record = msgspec.structs.replace(made.record, id="b", start=start, **changed)
    return made


def test_a_branch_of_one_item_lies_over_that_item_where_nothing_was_changed():
    values = np.random.default_rng(0).normal(size=(11, 16, 2)).cumsum(0)
    whole = recording(values)
    branch = branch_of(whole, 4, 3, values[4:, 3:4])
    place([whole, branch])
    at = np.isin(whole.share().round(6), branch.share().round(6))
    assert at.sum() == branch.steps == 7
    assert np.allclose(whole.change(3)[at][1:], branch.change(3)[1:], atol=1e-2)
    assert not np.allclose(whole.change()[at][1:], branch.change(3)[1:], atol=1e-2), "a mean over all items is another curve"
    assert list(branch.aligned(11)) == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]


async def test_a_branch_is_told_with_its_step_and_what_was_changed(qapp, panel):
    run = next(r for r in panel.session.runs.records if r.family == "denoiser" and r.spec.modality == "image")
    panel.choose_run(run.id)
    panel.sample()
    await settle(lambda: len(panel.recordings) == 1)
    assert not panel.branches.isVisible()
    panel._set_item(1)
    panel.strip.lock(4)
    panel.branch()
    await settle(lambda: len(panel.recordings) == 2)
    assert panel.branches.isVisible()
    assert panel.branches.words.text() == "B: item 2 of A, branched at sampling step 4 · nothing changed"
    shown = panel.curves._lines
    assert np.array_equal(shown[1].y, panel.recordings[0].change(1)) and shown[2].x[0] > 4 / 11
    assert panel.curves.limits(shown[1]) == panel.curves.limits(shown[2]) != panel.curves.limits(shown[0])
    assert panel.item == 1 and panel.controls.item.value() == 2, "the item shown stays that of all rows"
    panel._set_row(0)
    panel.strip.lock(4)
    panel.controls.form_a.set_values(panel.controls.form_a.values() | {"steps": 9})
    panel.branch()
    await settle(lambda: len(panel.recordings) == 3)
    told = panel.branches.words.text().splitlines()
    assert told[0].endswith("nothing changed") and "C: item 2 of A, branched at sampling step 4 · changed: Steps" in told[1]
    assert told[1].endswith("→ 9")


async def test_the_bend_of_a_path_is_its_own_whatever_else_is_drawn(qapp, panel):
    run = next(r for r in panel.session.runs.records if r.family == "denoiser" and r.spec.modality == "image")
    panel.choose_run(run.id)
    await panel._sample()
    (first,), generator = panel.recordings, np.random.default_rng(3)
    first.channels["x"] = generator.normal(size=first.channels["x"].shape).astype(np.float16)
    panel._draw_plots()
    alone = panel.way_title.text()
    flat = first.channels["x"][:, 0].reshape(first.steps, -1).astype(float)
    length = np.linalg.norm(np.diff(flat, axis=0), axis=1).sum()
    bend = f"A {1 - np.linalg.norm(flat[-1] - flat[0]) / length:.3f}"
    assert alone == f"main plane · bend {bend} (0 is straight)"
    panel.strip.lock(4)
    await panel._branch()
    other = panel.recordings[1].channels
    other["x"] = 3 * generator.normal(size=other["x"].shape).astype(np.float16)
    panel._draw_plots()
    assert panel.way_title.text().startswith(f"main plane · bend {bend} · B ")


async def test_pictures_keep_their_size_whatever_is_said_of_branches(qapp, panel):
    run = next(r for r in panel.session.runs.records if r.family == "denoiser" and r.spec.modality == "image")
    panel.choose_run(run.id)
    panel.resize(964, 640)
    panel.controls.use_b.setChecked(True)
    await panel._sample()
    view = panel.channels.views["x"]
    await settle(lambda: view.height() > 150)
    alone = view.height()
    for step in (3, 4):
        panel._set_row(0)
        panel.strip.lock(step)
        await panel._branch()
        await settle(lambda: panel.branches.height() > 1 and panel.branches.isVisible())
        panel.grab()  # everything is laid out
        assert panel.channels.views["x"].height() == alone
    assert len(panel.recordings) == 4 and panel.curves.height() >= panel.curves.minimumHeight()


async def test_a_branch_that_drew_fresh_noise_says_so(qapp, panel):
    run = next(r for r in panel.session.runs.records if r.family == "denoiser" and r.spec.modality == "image")
    panel.choose_run(run.id)
    await panel._sample()
    panel.strip.lock(4)
    await panel._branch()
    branch = panel.recordings[1]
    assert panel.branches.words.text().endswith(" · nothing changed")
    branch.record = msgspec.structs.replace(branch.record, trace=msgspec.structs.replace(branch.info, fresh_noise=True))
    panel.branches.tell(panel.recordings)
    assert panel.branches.words.text().endswith(" · nothing changed but the noise drawn after it")


async def test_recording_tells_how_far_it_is_and_can_be_stopped(qapp, panel):
    engine, held = panel.session.bridge.engine, asyncio.Event()
    calls, whole = [], engine.call

    async def slow(request, tell=None):
        calls.append(request)
        tell(Progress(1, 4, "sampling", 2.0, 1.5))
        await held.wait()
        return await whole(request)

    engine.call = slow
    panel.controls.use_b.setChecked(True)
    panel.sample()
    await settle(lambda: calls)
    assert panel.working.isVisible() and not panel.controls.sample.isEnabled()
    assert "sampling · 1 of 8" in panel.working.words.text() and panel.working.bar.value() == 125
    assert "4 s left" in panel.working.words.text()  # the second sampler is still to come
    panel.working.stop.click()
    await settle(lambda: not panel.working.isVisible())
    assert panel.controls.sample.isEnabled() and panel.recordings == [] and not panel.session.verdicts.records


async def test_a_recording_is_taken_up_as_it_was_made_and_branched_with_the_conditions_of_its_item(qapp, panel):
    engine, classes = panel.session.bridge.engine, ("cat", "dog", "cow")
    run = next(r for r in panel.session.runs.records if r.family == "denoiser" and r.spec.modality == "image")
    run = msgspec.structs.replace(run, spec=msgspec.structs.replace(run.spec, classes=classes))
    panel.session.runs.records = [run]
    panel.controls.run = None
    panel.choose_run(run.id)
    panel.controls.conditions.set_values({"class": [2, 0]})
    panel.controls.form_a.set_values(panel.controls.form_a.values() | {"steps": 9})
    panel.controls.seed.setValue(77)
    panel.sample()
    await settle(lambda: len(panel.recordings) == 1)
    made = next(call[1] for call in reversed(engine.calls) if call[0] is Sample)
    assert made.conditions == {"class": [2, 0]} and made.sampling["steps"] == 9
    panel.controls.conditions.set_values({})
    panel.controls.seed.setValue(0)
    panel.show_what({"sample": panel.recordings[0].record.id})
    await settle(lambda: panel.controls.seed.value() == 77)
    assert panel.controls.asked_for() == {"class": [2, 0]}
    panel.item = 1
    panel.branch()
    await settle(lambda: len(panel.recordings) == 2)
    branched = next(call[1] for call in reversed(engine.calls) if call[0] is Sample)
    assert branched.start.item == 1 and branched.conditions == {"class": 0} and branched.seed == 77
    panel.controls.conditions.set_values({"class": names.EVERY})
    assert panel.controls.asked_for(4) == {"class": 1} and panel.controls.asked_for() == {"class": names.EVERY}


async def test_points_get_their_vector_field(qapp, panel):
    points = next(r for r in panel.session.runs.records if r.spec.modality == "points")
    panel.choose_run(points.id)
    panel.sample()
    await settle(lambda: bool(panel._fields))
    panel.strip.lock(0)
    field, bounds = panel._field_at(panel.recordings[0], 0)
    assert field.shape == (18, 18, 2) and bounds[0] < bounds[1]


async def test_a_sample_of_the_gallery_opens(qapp, panel):
    sample = panel.session.bridge.library.samples()[0]
    panel.show_what({"sample": sample.id, "run": sample.run})
    await settle(lambda: bool(panel.recordings))
    assert panel.recordings[0].record.id == sample.id
    assert panel.controls.run.id == sample.run


async def test_the_item_that_was_chosen_elsewhere_is_the_one_that_is_shown(qapp, panel):
    await panel._sample()
    panel.show_what({"sample": panel.recordings[0].record.id, "item": 2})
    await settle(lambda: panel.item == 2 and panel.controls.item.value() == 3)
    item = panel.controls.item
    assert (item.minimum(), item.maximum()) == (1, panel.recordings[0].count), "counted from 1"


async def test_which_channels_are_shown_can_be_chosen_four_at_most(qapp, panel):
    await panel._sample()
    recording = panel.recordings[0]
    state = next(iter(recording.channels.values()))
    recording.channels |= dict.fromkeys(("x", "x0", "eps", "v", "guidance", "score"), state)
    panel.channels.arrange(recording)
    assert list(panel.channels.views) == ["x", "x0", "eps", "v"]
    panel._offer_channels()
    offered = {action.text(): action for action in panel.shown_channels.menu().actions()}
    assert all(action.isCheckable() for action in offered.values())
    assert {"score", "guidance difference"} <= set(offered)
    offered["score"].trigger()
    assert list(panel.channels.views) == ["x", "x0", "eps", "score"]
    offered["predicted x0"].trigger()
    assert list(panel.channels.views) == ["x", "eps", "score"]
    assert recording.names(panel._wanted()) == ["x", "eps", "score"]


async def test_the_menu_of_films_says_whose_film_it_is(qapp, panel, monkeypatch):
    await panel._sample()
    shown = []
    monkeypatch.setattr(QMenu, "popup", lambda menu, _at: shown.extend(action.text() for action in menu.actions()))
    panel.film()
    assert shown[0] == f"Film of A: {panel.recordings[0].record.title}"
    formats = [text for text in shown if " · " in text]
    assert formats[0] == "Film of the steps · MP4" and sorted(formats) == sorted(one.text for one in exporting.CHOICES)


async def test_the_row_that_was_clicked_is_filmed_and_a_branch_is_called_by_its_own_sampler(qapp, panel, monkeypatch):
    run = next(r for r in panel.session.runs.records if r.family == "denoiser" and r.spec.modality == "image")
    panel.choose_run(run.id)
    await panel._sample()
    panel.controls.use_b.setChecked(True)
    await panel._branch()
    source, branch = (recording.record for recording in panel.recordings)
    own = branch.sampling["sampler"]
    assert own != source.sampling["sampler"] and branch.title.startswith(f"{own} branch of {source.title} at")
    told = []
    monkeypatch.setattr(QMenu, "popup", lambda menu, _at: told.append(menu.actions()[0].text()))
    panel.film()
    assert panel.strip.row() == panel.row == 1, "the strip marks the row that is shown"
    QTest.mouseClick(panel.strip, Qt.MouseButton.LeftButton, pos=panel.strip.frame_rect(0, 0).center().toPoint())
    panel.film()
    assert told[0].startswith(f"Film of B: {own} branch") and told[1] == f"Film of A: {source.title}"


async def test_without_a_run_the_empty_page_leads_to_train(qapp, tmp_path):
    async with scripted_session(tmp_path, populated=False) as session:
        made, gone = TrajectoryPanel(session), []
        session.navigate.connect(lambda *where: gone.append(where))
        made._fill()
        assert made.empty.button.text() == "Train a model first"
        made.empty.button.click()
        assert gone == [("train", {})] and made.controls.sample.toolTip() == "Train a model first"
        made.close()
        shiboken6.delete(made)
