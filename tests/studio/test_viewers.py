"""The viewers: what they show, how they are steered, and that they paint only what is seen."""

import time

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QFontMetrics, QImage, QMouseEvent, QPainter
from PySide6.QtWidgets import QApplication

from models_backend.contract.messages import Array, TroubleError
from nexus_studio import paint, pictures, theme
from nexus_studio.viewers import density, modality
from nexus_studio.viewers.film_strip import FilmStrip
from nexus_studio.viewers.image_grid import ImageGrid
from nexus_studio.viewers.image_view import ImageView
from nexus_studio.viewers.points_view import PointsView


@pytest.fixture
def themed(qapp):
    theme.apply(qapp, "dark")
    return qapp


def colours(count, side=8):
    """Pictures whose first channel is their index."""
    items = np.zeros((count, side, side, 3), np.uint8)
    items[..., 0] = np.arange(count, dtype=np.uint8)[:, None, None]
    items[..., 1] = 200
    return items


def stand(qtbot, widget, width, height):
    """Show a widget at a size."""
    qtbot.addWidget(widget)
    widget.resize(width, height)
    widget.show()
    qtbot.waitExposed(widget)


def hover(widget, x, y):
    """A mouse move without a button, as Qt sends it."""
    at = QPointF(x, y)
    none = Qt.MouseButton.NoButton
    event = QMouseEvent(QEvent.Type.MouseMove, at, widget.mapToGlobal(at), none, none, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(widget, event)


# ---------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_an_array_becomes_the_same_pixels(shape):
    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    image = pictures.to_image(array)
    colour = image.pixelColor(6, 4)
    expected = np.atleast_1d(array[4, 6])
    assert (image.width(), image.height()) == (7, 5)
    assert colour.red() == expected[0]
    if len(expected) >= 3:
        assert (colour.green(), colour.blue()) == (expected[1], expected[2])


def test_an_array_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="uint8"):
        pictures.to_image(np.zeros((4, 4, 3), np.float32))


def test_a_models_floats_become_bytes_and_nan_is_black():
    values = np.array([-1.0, 0.0, 1.0, 7.0, np.nan]).reshape(1, 1, 5)
    assert pictures.from_model(values)[0, :, 0].tolist() == [0, 128, 255, 255, 0]


def test_a_colour_map_runs_from_dark_to_light():
    table = pictures.color_map("viridis").astype(int)
    assert table.shape == (256, 3) and (np.diff(table.sum(axis=1)) >= -2).all()
    assert pictures.mapped(np.full((2, 2), 3.0)).shape == (2, 2, 3)


# ------------------------------------------------------------------------------------------------- grid


def test_the_grid_asks_only_for_what_is_seen(themed, qtbot):
    asked = set()
    grid = ImageGrid(tile_px=64)
    stand(qtbot, grid, 420, 300)
    grid.set_source(100_000, lambda i: (asked.add(i), pictures.to_image(colours(1)[0]))[1])
    grid.grab()
    assert 0 < len(asked) < 60
    grid.set_current(50_000)
    grid.grab()
    assert 50_000 in asked and len(asked) < 120


def test_scrolling_a_hundred_thousand_pictures_stays_under_a_frame(themed, qtbot):
    grid = ImageGrid(tile_px=96)
    stand(qtbot, grid, 1200, 700)
    image = pictures.to_image(np.zeros((64, 64, 3), np.uint8))
    grid.set_source(100_000, lambda i: image)
    canvas = QImage(1200, 700, QImage.Format.Format_ARGB32)
    grid.render(canvas)
    best = 1.0
    for place in (3000, 9000, 12000):
        grid.verticalScrollBar().setValue(place)
        grid.render(canvas)
        start = time.process_time()
        grid.render(canvas)
        best = min(best, time.process_time() - start)
    assert best < 0.016


def test_keyboard_moves_and_selects(themed, qtbot):
    grid = ImageGrid(tile_px=64)
    stand(qtbot, grid, 420, 300)
    grid.set_items(colours(40))
    columns = grid.columns()
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    qtbot.keyClick(grid, Qt.Key.Key_Down)
    assert grid.current() == 1 + columns and grid.selection() == [1 + columns]
    qtbot.keyClick(grid, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert grid.selection() == [1 + columns, 2 + columns]
    with qtbot.waitSignal(grid.activated) as told:
        qtbot.keyClick(grid, Qt.Key.Key_Return)
    assert told.args == [2 + columns]


def test_clicks_select_and_hover_tells(themed, qtbot):
    grid = ImageGrid(tile_px=64)
    stand(qtbot, grid, 420, 300)
    grid.set_items(colours(40))
    middle = grid.tile_rect(3).center()
    assert grid.index_at(middle) == 3
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseClick(
        grid.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, grid.tile_rect(5).center()
    )
    assert grid.selection() == [3, 5]
    with qtbot.waitSignal(grid.hovered) as told:
        hover(grid.viewport(), *grid.tile_rect(7).center().toTuple())
    assert told.args == [7]
    assert grid.index_at(QPoint(-5, 10)) == -1


def test_the_ring_around_a_chosen_tile_is_whole_also_at_the_edge_of_the_view(themed, qtbot):
    grid = ImageGrid(tile_px=64)
    stand(qtbot, grid, 420, 300)
    grid.set_items(np.zeros((40, 8, 8, 3), np.uint8))
    grid.select([0])
    shown, tile = grid.viewport().grab().toImage(), grid.tile_rect(0)
    accent = theme.color("accent")

    def ringed(x, y):
        near = (shown.pixelColor(x + dx, y + dy) for dx in range(3) for dy in range(3))
        return any(abs(one.blue() - accent.blue()) + abs(one.red() - accent.red()) < 60 for one in near)

    middle = tile.center()
    assert ringed(middle.x(), 0) and ringed(0, middle.y())
    assert ringed(middle.x(), tile.bottom()) and ringed(tile.right(), middle.y())


@pytest.mark.parametrize("rows", [5, 8])
def test_the_headings_of_a_grid_are_whole_values_under_one_name(themed, qtbot, rows):
    grid = ImageGrid(columns=2, fit=True)
    grid.set_labels([str(seed) for seed in range(rows)], ["0.123", "4"], "Seed", "Guidance scale")
    grid.set_source(2 * rows, lambda index: pictures.to_image(colours(1)[0]))
    stand(qtbot, grid, 420, 420)
    told = {label: place for place, label in grid.headings()}
    assert list(told) == ["0.123", "4", "Guidance scale", "Seed"], "the name stands once"
    inks = QFontMetrics(paint.figures(11))
    assert all(inks.horizontalAdvance(label) <= place.width() for label, place in told.items()), "nothing is cut"
    assert told["Guidance scale"].bottom() < told["4"].top() and told["4"].bottom() < grid.tile_rect(1).top()
    assert told["Seed"].right() < grid.tile_rect(0).left() <= told["Guidance scale"].left()


ALIKE = [f"a class with a long name, of kind {n}" for n in range(6)]


def test_long_headings_keep_both_their_ends_and_are_told_whole(themed, qtbot, monkeypatch):
    grid, drawn = ImageGrid(columns=6, fit=True), []
    grid.set_labels(["0.000012345678", "a quite long sampler"], ALIKE, "Step size", "Class")
    grid.set_source(12, lambda index: pictures.to_image(colours(1)[0]))
    stand(qtbot, grid, 420, 420)

    class Pen(QPainter):
        def drawText(self, place, *others):
            drawn.append((place, others[-1]))
            super().drawText(place, *others)

    monkeypatch.setattr("nexus_studio.viewers.image_grid.QPainter", Pen)
    grid.grab()
    inks = QFontMetrics(paint.figures(11))
    assert len(drawn) == 10 and all(inks.horizontalAdvance(text) <= place.width() for place, text in drawn)
    cut = [text for _, text in drawn if "…" in text]
    assert len(cut) >= 6 and all(text[0] != "…" and text[-1] != "…" for text in cut)
    assert [text[-1] for text in cut if text.startswith("a c") or text[-1].isdigit()][-6:] == list("012345"), "told apart"
    for place, words in [*grid.headings(), *grid.row_headings()]:
        assert grid.words_at(place.center()) == words
    assert grid.words_at(grid.tile_rect(7).center()) == ""


def test_the_labels_of_rows_have_the_room_they_need_up_to_a_share_of_the_view(themed, qtbot):
    grid = ImageGrid(columns=2, fit=True)
    grid.set_source(4, lambda index: pictures.to_image(colours(1)[0]))
    stand(qtbot, grid, 600, 420)
    inks, gutters = QFontMetrics(paint.figures(11)), []
    for label in ("1", "0.000012345", "word " * 40):
        grid.set_labels([label, "2"], ["a", "b"], "Seed", "Class")
        gutters.append(grid.tiles.gutter)
    short, whole, most = gutters
    assert short < whole < most == grid.viewport().width() // 5
    assert whole - 8 >= inks.horizontalAdvance("0.000012345")


def test_a_late_picture_is_painted_when_it_arrives(themed, qtbot):
    ready = {}
    grid = ImageGrid(tile_px=64)
    stand(qtbot, grid, 200, 100)
    grid.set_source(1, ready.get)
    before = grid.grab().toImage().pixelColor(grid.tile_rect(0).center())
    ready[0] = pictures.to_image(colours(1)[0])
    grid.refresh(0)
    after = grid.grab().toImage().pixelColor(grid.tile_rect(0).center())
    assert before != after and after.green() == 200


def test_a_handful_fits_the_view(themed, qtbot):
    grid = ImageGrid(fit=True)
    stand(qtbot, grid, 600, 300)
    grid.set_items(colours(8))
    last = grid.tile_rect(7)
    assert grid.columns() == 4 and last.bottom() <= grid.viewport().height() and last.width() > 100


# -------------------------------------------------------------------------------------------- one picture


def test_whole_zoom_factors_show_exact_pixels(themed, qtbot):
    view = ImageView()
    stand(qtbot, view, 200, 200)
    view.set_picture(colours(1, side=4)[0])
    view.set_zoom(10.4)
    assert view.zoom() == 10
    shown = view.grab().toImage()
    assert shown.pixelColor(100, 100).green() == 200 and shown.pixelColor(5, 5).green() != 200


def test_zoom_keeps_the_point_under_the_cursor(themed, qtbot):
    view = ImageView()
    stand(qtbot, view, 300, 200)
    view.set_picture(colours(1, side=50)[0])
    at = QPointF(180, 60)
    before = view.to_picture(at)
    view.set_zoom(8, at)
    after = view.to_picture(at)
    assert (after - before).manhattanLength() < 1e-6


def test_the_value_under_the_cursor_is_told(themed, qtbot):
    view = ImageView()
    stand(qtbot, view, 80, 80)
    view.set_picture(colours(6, side=8)[5])
    with qtbot.waitSignal(view.probed) as told:
        hover(view, 40, 40)
    assert told.args[2] == "5 200 0"


# ------------------------------------------------------------------------------------------------ points


def test_the_density_counts_every_point_inside():
    points = np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32)
    counts = density.counted(points, (-3, 3, -3, 3), 60, 60)
    inside = (np.abs(points) < 3).all(axis=1).sum()
    assert counts.sum() == inside
    single = density.counted(np.array([[2.9, 2.9], [np.nan, 0]], np.float32), (-3, 3, -3, 3), 60, 60)
    assert single[0, 59] == 1 and single.sum() == 1


def test_a_hundred_thousand_points_take_about_a_millisecond():
    points = np.random.default_rng(0).normal(size=(100_000, 2)).astype(np.float32)
    best = min(_timed(lambda: density.raster(points, (-3, 3, -3, 3), 300, 300)) for _ in range(5))
    assert best < 0.012


def _timed(work):
    start = time.process_time()
    work()
    return time.process_time() - start


def test_screen_and_data_units_are_inverse_with_one_scale(themed, qtbot):
    view = PointsView()
    stand(qtbot, view, 500, 300)
    view.set_bounds((-2, 2, -2, 2))
    assert view.to_data(view.to_screen(0.7, -1.3)) == pytest.approx((0.7, -1.3))
    origin, right, up = view.to_screen(0, 0), view.to_screen(1, 0), view.to_screen(0, 1)
    assert right.x() - origin.x() == pytest.approx(origin.y() - up.y())


def test_points_field_and_overlay_are_painted(themed, qtbot):
    view = PointsView()
    stand(qtbot, view, 300, 300)
    view.set_bounds((-2, 2, -2, 2))
    empty = view.grab().toImage()
    view.set_points(np.random.default_rng(0).normal(size=(4000, 2)))
    dense = view.grab().toImage()
    view.set_field(np.ones((8, 8, 2), np.float32))
    view.set_overlay(np.zeros((1, 2)))
    full = view.grab().toImage()
    middle = view.to_screen(0, 0).toPoint()
    assert empty != dense and dense != full
    assert full.pixelColor(middle) == theme.color("accent2")


def test_panning_and_zooming_by_keyboard_and_back(themed, qtbot):
    view = PointsView()
    stand(qtbot, view, 300, 300)
    view.set_points(np.random.default_rng(0).normal(size=(400, 2)))
    home = view.bounds()
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    assert view.bounds()[1] - view.bounds()[0] < home[1] - home[0]
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert view.bounds() == pytest.approx(home)


# ------------------------------------------------------------------------------------------------- strip


@pytest.fixture
def strip(themed, qtbot):
    made = FilmStrip()
    stand(qtbot, made, 640, 150)
    made.set_rows([("A", colours(50)), ("B", colours(50))])
    return made


def test_hover_scrubs_and_leaving_returns_to_the_locked_step(strip, qtbot):
    strip.lock(10)
    seen = []
    strip.scrubbed.connect(seen.append)
    hover(strip, 600, 30)
    assert seen and seen[-1] > 40 and strip.locked_step() == 10
    QApplication.sendEvent(strip, QEvent(QEvent.Type.Leave))
    assert seen[-1] == 10


def test_a_click_locks_and_arrows_step_through_every_step(strip, qtbot):
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(300, 100))
    at = strip.locked_step()
    assert 15 < at < 35 and strip.row() == 1
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    assert strip.locked_step() == at + 1
    qtbot.keyClick(strip, Qt.Key.Key_End)
    assert strip.locked_step() == 49
    qtbot.keyClick(strip, Qt.Key.Key_Right)
    assert strip.locked_step() == 49


def test_thinned_frames_keep_both_ends_and_stay_inside(strip):
    shown = strip.shown_steps()
    assert shown[0] == 0 and shown[-1] == 49 and 4 < len(shown) < 20
    assert strip.frame_rect(1, len(shown) - 1).right() <= strip.width()


def test_few_frames_are_all_shown(strip):
    strip.set_rows([("", colours(5))])
    assert strip.shown_steps() == [0, 1, 2, 3, 4]
    assert not strip.grab().isNull()


# ---------------------------------------------------------------------------------------------- modality


def test_each_modality_has_its_views_and_another_is_named(themed, qtbot):
    for name, items in (("image", colours(4)), ("points", np.random.default_rng(0).normal(size=(50, 2)))):
        kind = modality.shown(name)
        view = kind.set_of()
        qtbot.addWidget(view)
        view.resize(200, 200)
        view.set_items(items)
        assert not view.grab().isNull() and not kind.picture(items, 64).isNull()
    with pytest.raises(TroubleError, match="smell"):
        modality.shown("smell")


def test_trace_frames_of_each_modality():
    pictures_trace = np.zeros((5, 2, 3, 8, 8), np.float16)
    assert modality.shown("image").frames(pictures_trace, 1).shape == (5, 8, 8, 3)
    points_trace = np.random.default_rng(0).normal(size=(5, 300, 2)).astype(np.float16)
    assert modality.shown("points").frames(points_trace, 0).shape == (5, 72, 72, 3)


def test_a_wire_array_is_read_in_place():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert (modality.to_array(Array("float32", (3, 4), array.tobytes())) == array).all()


def test_the_bundled_font_has_every_familys_glyph(qapp):
    from PySide6.QtGui import QFontMetrics

    from models_backend.workers.registry import descriptions
    from nexus_studio import theme

    theme.apply(qapp, "dark")
    metrics = QFontMetrics(theme.font("mono", 11, 600))
    lacking = {family.key: c for family in descriptions() for c in family.glyph if not metrics.inFontUcs4(ord(c))}
    assert lacking == {} and all(metrics.horizontalAdvance(family.glyph) <= 22 for family in descriptions())
