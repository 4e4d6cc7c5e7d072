"""Latent: a run is mapped, a click decodes with the latest winning, a drag becomes a film."""

import asyncio

import msgspec
import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QFocusEvent
from PySide6.QtTest import QTest
from scripted_window import panel_shown, scripted_session, settle, turn

from models_backend.contract.messages import Decode, LatentMap, Metrics, Saved, State
from models_backend.contract.run_layout import SampleRecord
from nexus_studio.panels.latent import LatentPanel
from nexus_studio.panels.latent_map import one_a_cell
from nexus_studio.panels.latent_path import MOST, curve, thinned


@pytest.fixture
async def panel(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        panel = LatentPanel(session)
        async with panel_shown(panel, lambda: panel.map is not None and panel.stack.currentWidget() is panel.view):
            yield panel


def decodes(panel):
    return [call[1] for call in panel.session.bridge.engine.calls if call[0] is Decode]


def test_a_path_goes_through_its_places_without_a_corner():
    places = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [2.0, 0.0], [2.2, 0.1], [4.0, 2.0]])
    line = curve(places)
    assert line[0] == pytest.approx(places[0]) and line[-1] == pytest.approx(places[-1])
    assert all(np.linalg.norm(line - place, axis=1).min() < 1e-9 for place in places)
    steps = np.diff(line, axis=0)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    assert (steps[1:] * steps[:-1]).sum(1).min() > 0.5  # straight legs turn by 90 degrees at the second place
    assert curve(np.array([[1.0, 2.0], [1.0, 2.0]])).tolist() == [[1.0, 2.0]] and len(curve(np.empty((0, 2)))) == 0


def test_of_a_drag_the_places_are_kept_that_its_line_needs():
    turn = np.linspace(0, 2 * np.pi, 400)
    ring = 100 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    places = thinned(ring, 3.0)
    assert 5 < len(places) < 25 and places[[0, -1]].tolist() == ring[[0, -1]].tolist()
    assert np.abs(np.linalg.norm(curve(places), axis=1) - 100).max() < 3
    scribble = np.random.default_rng(0).uniform(0, 500, (300, 2))
    assert 2 < len(thinned(scribble, 3.0)) <= MOST
    assert thinned(np.array([[0.0, 0.0], [1.0, 0.1], [2.0, 0.0]]), 0.5).tolist() == [[0, 0], [2, 0]]


async def test_the_first_seconds_say_what_is_done(qapp, tmp_path):
    async with scripted_session(tmp_path) as session:
        panel = LatentPanel(session)
        record = session.runs.records[0]
        panel._await(session.runs.view(record.id))
        assert panel.stack.currentWidget() is panel.wait and panel.wait.text() == f"Reading what “{record.title}” has saved…"
        seen, tell = [], panel.wait.setText
        panel.wait.setText = lambda text: (seen.append(text), tell(text))
        panel.resize(1100, 720)
        panel.show()
        await settle(lambda: panel.stack.currentWidget() is panel.view)
        assert any("Encoding the data of" in text for text in seen)
        panel.close()
        shiboken6.delete(panel)


async def test_a_click_decodes_where_it_was(qapp, panel):
    before, at = len(decodes(panel)), QPoint(400, 200)
    QTest.mouseClick(panel.view, Qt.MouseButton.LeftButton, pos=at)
    await settle(lambda: len(decodes(panel)) > before)
    assert panel.map.checkpoint and decodes(panel)[-1].checkpoint == panel.map.checkpoint
    assert decodes(panel)[-1].limit == next(c[1] for c in panel.session.bridge.engine.calls if c[0] is LatentMap).limit
    x, y = panel.view.to_data(at)
    assert decodes(panel)[-1].xy[0] == pytest.approx([x, y])
    await settle(lambda: panel.nearest.text().startswith("nearest:"))


async def test_the_family_is_named_once_there_is_a_map_and_no_empty_chip_before(qapp, tmp_path):
    for populated in (False, True):
        async with scripted_session(tmp_path / str(populated), populated=populated) as session:
            panel = LatentPanel(session)
            panel.resize(1100, 720)
            panel.show()
            assert not panel.kind.isVisible()
            await turn()
            if populated:
                await settle(lambda panel=panel: panel.map is not None and panel.stack.currentWidget() is panel.view)
            assert panel.kind.isVisible() == bool(panel.kind.text()) == populated
            panel.close()
            shiboken6.delete(panel)


def test_thumbnails_never_overlap_and_take_the_middle_of_their_cell():
    places = np.random.default_rng(0).uniform(0, 800, (2000, 2))
    chosen = places[one_a_cell(places, 46, 6)]
    apart = np.abs(chosen[:, None] - chosen[None]).max(axis=-1) + 1e9 * np.eye(len(chosen))
    assert len(chosen) > 50 and apart.min() >= 34
    assert one_a_cell(np.array([[20.0, 20.0], [23.0, 23.0], [1.0, 1.0]]), 46, 6) == [1]


async def test_every_mapped_item_has_its_thumbnail_and_every_class_its_colour_in_the_legend(qapp, panel):
    view = panel.view
    assert len(view._thumbs) == len(view._places) and not any(image.isNull() for image in view._thumbs)
    assert [name for _, name in view._legend] == list(panel.run.spec.classes)
    view._chosen = None
    with_thumbs = view.grab().toImage()
    panel.thumbs.setChecked(False)
    without = view.grab().toImage()
    assert with_thumbs != without
    view._legend = []
    assert view.grab().toImage() != without


async def test_a_stale_answer_is_not_shown(qapp, panel):
    panel._shown_stamp = 10_000
    shown = panel.picture
    panel.picture = None
    await panel._decode(Decode(panel.run.id, xy=[[0.0, 0.0]], stamp=5))
    assert panel.picture is None
    panel.picture = shown


async def test_the_map_of_a_run_left_meanwhile_is_not_shown(qapp, panel, monkeypatch):
    first, other = panel.run, next(r for r in panel.session.runs.records if r.id != panel.run.id)
    read, shown_before = panel._thumbnails, panel.map

    async def left_meanwhile(record, arrays):
        found = await read(record, arrays)
        panel.run = other
        return found

    monkeypatch.setattr(panel, "_thumbnails", left_meanwhile)
    await panel._read_map(first)
    assert panel.map is shown_before
    panel.run = first


async def test_the_window_s_run_is_mapped_unless_one_was_chosen_here_by_hand(qapp, panel):
    runs = panel.session.runs
    one, two = [panel.runs.itemData(n) for n in range(2)]
    panel.choose(runs.current if runs.current in (one, two) else one)
    panel.following.own = ""
    panel.hide()
    runs.set_current(one)
    runs.set_current(two)
    panel.show()
    assert panel.run.id == panel.runs.currentData() == two, "it is taken once the map is seen"
    panel.choose(one)
    runs.set_current(one)
    runs.set_current(two)
    assert panel.run.id == panel.runs.currentData() == one, "it was chosen here"


async def test_nothing_of_the_former_map_stands_while_another_is_computed(qapp, panel):
    await settle(lambda: panel.picture is not None and panel.nearest.text())
    shown = (panel.kind, panel.dimensions, panel.kl, panel.active, panel.picture)
    assert all(widget.isVisible() for widget in shown) and panel.header.hint.whole()
    panel.decode(1.0, 1.0)  # its answer comes while the other map is made
    other = next(panel.runs.itemData(n) for n in range(2) if panel.runs.itemData(n) != panel.run.id)
    before, made = len(decodes(panel)), asyncio.Event()
    answer = panel.session.bridge.engine.call

    async def held(request, *more, **named):
        if isinstance(request, LatentMap):
            await made.wait()
        return await answer(request, *more, **named)

    panel.session.bridge.engine.call = held
    panel.choose(other)
    await settle(lambda: len(decodes(panel)) > before)
    await turn(0.3)
    assert not any(widget.isVisible() for widget in shown) and not panel.nearest.text()
    assert not panel.header.hint.whole() and panel.method.text() == "PCA" and panel.map is None
    made.set()
    await settle(lambda: panel.stack.currentWidget() is panel.view and panel.picture.isVisible() and panel.nearest.text())
    assert panel.run.id == other and panel.kind.isVisible() and panel.header.hint.whole()


async def test_a_drag_becomes_a_film(qapp, panel):
    QTest.mousePress(panel.view, Qt.MouseButton.LeftButton, pos=QPoint(300, 200))
    for x in range(310, 520, 10):
        QTest.mouseMove(panel.view, QPoint(x, 220))
        panel.view.dragged.emit(*panel.view.to_data(QPoint(x, 220)))
    QTest.mouseRelease(panel.view, Qt.MouseButton.LeftButton, pos=QPoint(520, 220))
    await settle(lambda: panel.film.strip.steps() == panel.film.frames.value())
    assert panel.film.play.isEnabled()
    panel.film.toggle_play()
    start = panel.film.strip.locked_step()
    await settle(lambda: panel.film.strip.locked_step() != start)
    panel.film.toggle_play()
    assert not panel.film._timer.isActive()


async def test_a_run_that_is_asked_for_twice_is_mapped_once(qapp, panel):
    maps = lambda: [call for call in panel.session.bridge.engine.calls if call[0] is LatentMap]  # noqa: E731
    panel.draw_path(np.array([[0.0, 0.0], [1.0, 1.0]]))
    await settle(lambda: panel.film.strip.steps() > 0)
    before = len(maps())
    panel.film.toggle_play()
    panel.show_what({"run": panel.run.id})
    panel.show_what({"run": panel.run.id})
    assert panel.film.strip.steps() == 0 and not panel.film._timer.isActive() and not panel.film.play.isEnabled()
    await settle(lambda: panel.stack.currentWidget() is panel.view)
    assert len(maps()) == before + 1
    panel.show_what({"run": panel.run.id})
    await settle(lambda: len(maps()) == before + 2)


async def test_each_map_has_the_path_that_was_drawn_across_it(qapp, panel):
    first, path = panel.run.id, [[0.0, 0.0], [1.0, 1.0]]
    other = next(panel.runs.itemData(n) for n in range(2) if panel.runs.itemData(n) != first)

    async def mapped(run):
        panel.choose(run)
        assert not len(panel.film.path) and panel.film.strip.steps() == 0
        await settle(lambda: panel.map is not None and panel.stack.currentWidget() is panel.view)

    panel.draw_path(np.array(path))
    await mapped(other)
    assert not len(panel.film.path) and not len(panel.view.path())
    await mapped(first)
    await settle(lambda: panel.film.strip.steps() > 0)
    assert panel.film.path.tolist() == panel.view.path().tolist() == path
    panel._keep_path(np.empty((0, 2)))
    await mapped(other)
    await mapped(first)
    assert not len(panel.film.path), "it was taken away"
    panel.draw_path(np.array(path))
    answer = panel.session.bridge.engine.call

    async def further(request, *more, **named):
        made = await answer(request, *more, **named)
        return msgspec.structs.replace(made, checkpoint="step-000009000") if isinstance(request, LatentMap) else made

    panel.session.bridge.engine.call = further
    await mapped(first)
    assert not len(panel.film.path), "the map of another step has other places"


async def test_a_film_is_asked_for_as_the_line_of_its_path_and_the_newest_path_is_the_one_shown(qapp, panel):
    panel.draw_path(np.array([[0.0, 0.0], [1.0, 1.0]]))
    panel.draw_path(np.array([[0.0, 0.0], [1.0, 0.5], [2.0, 0.0]]))
    await settle(lambda: panel.film.strip.steps() > 0)
    asked = [request for request in decodes(panel) if request.frames]
    assert asked[-1].frames == panel.film.frames.value() and np.allclose(asked[-1].xy, curve(panel.film.path))
    shown = []
    panel.film.frame_shown.connect(lambda *told: shown.append(told))
    panel.film.strip.lock(panel.film.strip.steps() - 1)
    (x, y, items) = shown[0]
    assert (x, y) == (2.0, 0.0) and len(items) == 1 and panel.view._chosen == (x, y)
    panel.film.frames.setValue(7)
    await settle(lambda: panel.film.strip.steps() == 7)


THREE = np.array([[-1.5, 0.0], [0.0, 1.5], [1.5, 0.0]])


async def drawn(panel, places=THREE):
    """A path on the map whose film is there."""
    panel.draw_path(places)
    await settle(lambda: panel.film.strip.steps() > 0)
    return panel.view


def films(panel):
    return [request for request in decodes(panel) if request.frames]


def on_screen(view, place, right=0, down=0):
    return view.to_screen(*place).toPoint() + QPoint(right, down)


@pytest.mark.parametrize("beside", [0, 9])
async def test_a_place_of_the_path_is_dragged_and_the_film_made_once_it_is_let_go(qapp, panel, beside):
    view = await drawn(panel)
    before, clicks = len(films(panel)), len(decodes(panel))
    start = on_screen(view, THREE[1], right=beside)
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    for step in range(1, 6):
        QTest.mouseMove(view, start + QPoint(10 * step, 4 * step))
    assert view.path()[[0, 2]].tolist() == THREE[[0, 2]].tolist()
    await settle(lambda: len(decodes(panel)) > clicks)
    assert len(films(panel)) == before and view.cursor().shape() == Qt.CursorShape.ClosedHandCursor
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=start + QPoint(50, 20))
    await settle(lambda: len(films(panel)) > before)
    unit = np.abs(np.subtract(view.to_data(QPointF(1, 1)), view.to_data(QPointF(0, 0))))
    assert view.path()[1] == pytest.approx(THREE[1] + unit * (50, -20), abs=2 * unit.max())
    assert len(films(panel)) == before + 1 and np.allclose(films(panel)[-1].xy, curve(view.path()))
    assert view.cursor().shape() == Qt.CursorShape.OpenHandCursor


async def test_the_mouse_shows_where_a_place_can_be_taken_hold_of(qapp, panel):
    view = await drawn(panel)
    QTest.mouseMove(view, on_screen(view, THREE[1], right=9))
    assert view.cursor().shape() == Qt.CursorShape.OpenHandCursor
    QTest.mouseMove(view, on_screen(view, THREE[1], right=40, down=40))
    assert view.cursor().shape() == Qt.CursorShape.ArrowCursor


async def test_a_click_on_a_place_chooses_it_and_one_beside_all_lets_it_go(qapp, panel):
    view = await drawn(panel)
    before = len(films(panel))
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=on_screen(view, THREE[2], right=5))
    assert view._held == 2 and view._chosen == tuple(THREE[2]) and view.path().tolist() == THREE.tolist()
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=on_screen(view, THREE[2], right=60))
    assert view._held == -1 and len(films(panel)) == before


async def test_the_keys_choose_move_and_remove_the_places_of_a_path(qapp, panel):
    view, key = await drawn(panel), lambda key, **held: QTest.keyClick(panel.view, key, **held)
    seen, before = view.bounds(), len(films(panel))
    key(Qt.Key.Key_PageDown)
    key(Qt.Key.Key_PageDown)
    assert view._held == 1 and view.accessibleDescription() == "Place 2 of 3 of the path, at 0.00, 1.50"
    await turn()
    assert len(films(panel)) == before
    key(Qt.Key.Key_Right)
    key(Qt.Key.Key_Down, modifier=Qt.KeyboardModifier.ShiftModifier)
    right, up = (view.path()[1] - THREE[1]).tolist()
    assert right == pytest.approx(-8 * up) and right > 0 and view.bounds() == seen
    await settle(lambda: films(panel)[-1].xy == curve(view.path()).tolist())
    key(Qt.Key.Key_Delete)
    await settle(lambda: films(panel)[-1].xy == curve(THREE[[0, 2]]).tolist())
    assert view.path().tolist() == THREE[[0, 2]].tolist() and view._held == 1
    key(Qt.Key.Key_PageUp)
    key(Qt.Key.Key_PageUp)
    assert view._held == 0
    key(Qt.Key.Key_Escape)
    assert view._held == -1 and view.accessibleDescription() == ""
    key(Qt.Key.Key_Right)
    assert view.bounds() != seen and view.path().tolist() == THREE[[0, 2]].tolist()


async def test_places_moved_and_removed_are_undone_and_done_again(qapp, panel):
    view, steps = await drawn(panel), panel.steps
    paths = [view.path().tolist()]
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Delete, Qt.Key.Key_Delete):
        QTest.keyClick(view, key)
        assert view.path().tolist() != paths[-1]
        paths.append(view.path().tolist())
    assert paths[-1] == []
    for turn_it, ways in ((steps.undo, paths[-2::-1]), (steps.redo, paths[1:])):
        for path in ways:
            turn_it()
            assert view.path().tolist() == panel.film.path.tolist() == path
        assert not (steps.undo_text if turn_it == steps.undo else steps.redo_text)
    steps.undo()
    await settle(lambda: films(panel)[-1].xy == curve(np.array(paths[-2])).tolist())
    panel.choose(panel.run.id)
    assert not steps.undo_text and not steps.redo_text, "another map has no path"
    await settle(lambda: panel.stack.currentWidget() is view)


async def test_while_an_arrow_is_held_down_the_film_waits(qapp, panel):
    view = await drawn(panel)
    before = len(films(panel))
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    for _ in range(5):
        QTest.keyPress(view, Qt.Key.Key_Up)
    await turn()
    assert len(films(panel)) == before and view.path()[0, 1] > THREE[0, 1]
    QTest.keyRelease(view, Qt.Key.Key_Up)
    await settle(lambda: len(films(panel)) == before + 1)


async def test_a_moved_place_is_let_go_when_the_map_loses_the_focus(qapp, panel):
    view = await drawn(panel)
    before = len(films(panel))
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    QTest.keyPress(view, Qt.Key.Key_Up)
    qapp.sendEvent(view, QFocusEvent(QEvent.Type.FocusOut))
    await settle(lambda: len(films(panel)) == before + 1)
    QTest.keyRelease(view, Qt.Key.Key_Up)
    await turn()
    assert len(films(panel)) == before + 1


async def test_a_film_that_is_overtaken_is_not_shown(qapp, panel, monkeypatch):
    engine, goes_on = panel.session.bridge.engine, asyncio.Event()
    call = engine.call

    async def held_up(request, *more, **named):
        if isinstance(request, Decode) and request.frames == 5:
            await goes_on.wait()
        return await call(request, *more, **named)

    monkeypatch.setattr(engine, "call", held_up)
    panel.film.frames.setValue(5)
    panel.draw_path(THREE)
    await turn()
    panel.film.frames.setValue(9)
    await settle(lambda: panel.film.strip.steps() == 9)
    goes_on.set()
    await turn()
    assert panel.film.strip.steps() == 9 and [len(request.xy) for request in films(panel)] == [len(curve(THREE))]


async def test_one_place_alone_is_no_path_and_has_no_film(qapp, panel):
    view = await drawn(panel, THREE[:2])
    assert "Delete removes it" in panel.path_hint.whole()
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    QTest.keyClick(view, Qt.Key.Key_Delete)
    assert len(view.path()) == 0 and panel.film.strip.steps() == 0 and not panel.film.play.isEnabled()
    assert panel.path_hint.whole() == "drag on the map draws a path"


async def test_a_place_that_a_key_chooses_or_moves_can_be_seen(qapp, panel):
    view = await drawn(panel)
    view.set_bounds((1.2, 1.8, -0.3, 0.3))
    QTest.keyClick(view, Qt.Key.Key_PageDown)
    inside = lambda: view.plane().contains(view.to_screen(*view.path()[0]))  # noqa: E731
    assert inside()
    for _ in range(80):
        QTest.keyClick(view, Qt.Key.Key_Left)
    assert inside()


async def test_a_path_kept_with_many_places_has_so_few_that_each_can_be_moved(qapp, panel):
    turn_ = np.linspace(0, 2 * np.pi, 300)
    ring = np.stack([np.cos(turn_), np.sin(turn_)], axis=1)
    view = await drawn(panel, ring)
    assert 5 < len(view.path()) <= MOST and panel.film.path.tolist() == view.path().tolist()
    assert np.abs(np.linalg.norm(curve(view.path()), axis=1) - 1).max() < 0.05


async def test_a_click_leaves_the_path_whose_film_is_shown(qapp, panel):
    panel.draw_path(np.array([[0.0, 0.0], [1.0, 1.0]]))
    await settle(lambda: panel.film.strip.steps() > 0)
    QTest.mouseClick(panel.view, Qt.MouseButton.LeftButton, pos=QPoint(80, 40))
    panel.view._chosen = None
    clicked = panel.view.grab().toImage()
    panel.view.set_path(np.empty((0, 2)))
    without = panel.view.grab().toImage()
    assert len(panel.film.path) == 2 and panel.film.strip.steps() and clicked != without


@pytest.mark.parametrize("old", [False, True])
async def test_a_kept_path_is_opened_on_its_own_map_with_the_places_as_they_were_drawn(qapp, panel, old):
    engine = panel.session.bridge.engine
    places = [[-1.0, 0.123456789], [0.5, 1.0], [1.25, -0.75]]
    panel.draw_path(np.array(places))
    await settle(lambda: panel.film.strip.steps() > 0)
    panel.film.save()
    await settle(lambda: any(request.save for request in decodes(panel)))
    saved = next(request for request in decodes(panel) if request.save)
    assert saved.drawn == places and len(saved.xy) == panel.film.frames.value()
    path = {"xy": saved.xy} if old else {"xy": saved.xy, "drawn": saved.drawn}
    kept = SampleRecord(
        "p", "walk", panel.run.id, panel.run.family, "step-000000900", "image", 12, 0, {}, {}, 0.0, kind="path", path=path
    )
    panel.show_what({"run": panel.run.id, "state": kept})
    assert not len(panel.film.path)
    await settle(lambda: len(panel.film.path) and panel.film.strip.steps() == 12)
    assert panel.film.path.tolist() == (saved.xy if old else places) and panel.film.frames.value() == 12
    assert [call[1] for call in engine.calls if call[0] is LatentMap][-1].checkpoint == "step-000000900"


def in_training(engine, title):
    """A run of a family with a map that has taken steps and saved nothing yet."""
    finished = next(folder.record() for folder in engine.library.folders.values() if folder.record().title == "coder-small")
    record = engine.library.add_run(finished.family, finished.dataset, title=title)
    for body in (State("running"), Metrics(30, {"loss": 1.0})):
        engine.library.run(record.id).append(body)
    return record


async def test_a_finished_run_is_mapped_and_named_while_the_window_s_has_no_checkpoint(qapp, tmp_path):
    async with scripted_session(tmp_path, prepare=lambda engine: in_training(engine, "coder-young")) as session:
        young = next(one for one in session.runs.records if one.title == "coder-young")
        session.runs.set_current(young.id)
        panel, noticed = LatentPanel(session), []
        session.bridge.noticed.connect(noticed.append)
        panel.resize(1100, 720)
        panel.show()
        await settle(lambda: panel.map is not None and panel.stack.currentWidget() is panel.view)
        asked = [call[1].run for call in session.bridge.engine.calls if call[0] is LatentMap]
        assert panel.run.id != young.id and asked == [panel.run.id]
        assert panel.header.hint.whole().startswith("“coder-young” has no checkpoint yet · ")
        assert noticed == [f"“coder-young” has no checkpoint yet; {panel.run.title} is mapped"]
        assert panel.runs.findData(young.id) == -1
        panel.close()
        shiboken6.delete(panel)


async def test_where_only_a_young_run_stands_its_first_checkpoint_is_waited_for(qapp, tmp_path):
    def alone(engine):
        in_training(engine, "coder-young")
        for run in [run for run, folder in engine.library.folders.items() if folder.record().title != "coder-young"]:
            del engine.library.folders[run]

    async with scripted_session(tmp_path, prepare=alone) as session:
        (young,) = session.runs.records
        session.runs.set_current(young.id)
        panel = LatentPanel(session)
        panel.show()
        await settle(lambda: session.runs.view(young.id).loaded)
        await turn(0.3)
        assert panel.stack.currentWidget() is panel.empty and panel.map is None
        assert panel.empty.text.text() == "“coder-young” has no checkpoint yet"
        engine = session.bridge.engine
        engine.tell(young.id, Saved(40, "checkpoints/step-000000040"))
        await settle(lambda: panel.map is not None and panel.run.id == young.id)
        panel.close()
        shiboken6.delete(panel)
