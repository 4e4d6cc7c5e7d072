"""Plots: what smoothing and thinning must keep, and that curves are drawn, steered and rethemed."""

import subprocess
import sys
import time

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from nexus_studio import figures, theme
from nexus_studio.plots import smoothing
from nexus_studio.plots.curves import Curves
from nexus_studio.plots.heatmap import HeatMap
from nexus_studio.plots.histogram import Histogram
from nexus_studio.plots.small import Line, SmallCurves, Spark


@pytest.fixture
def themed(qapp):
    theme.apply(qapp, "dark")
    yield qapp
    theme.apply(qapp, "dark")


# ------------------------------------------------------------------------------------------------ figures


def test_ticks_are_round_and_inside():
    assert figures.ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert figures.ticks(0.013, 0.047, 4) == pytest.approx([0.02, 0.03, 0.04])
    assert figures.ticks(3, 3) == [] and figures.ticks(0, float("nan")) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0413, "0.0413"),
        (2637, "2,637"),
        (12500, "12.5k"),
        (3.1e6, "3.1M"),
        (1.2e-5, "1.2e-5"),
        (7.25e9, "7.25B"),
        (999_999, "1M"),
        (3e15, "3e15"),
        (float("nan"), "—"),
        (0, "0"),
    ],
)
def test_figures_are_short(value, text):
    assert figures.short(value) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0, 5000, 10000, 15000], ["0", "5k", "10k", "15k"]),
        ([0, 500_000, 1_000_000], ["0", "0.5M", "1.0M"]),
        ([0.02, 0.04], ["0.02", "0.04"]),
        ([1000, 2000], ["1,000", "2,000"]),
        ([0, 2e13, 4e13], ["0", "2e13", "4e13"]),
        ([-2e-6, 0, 2e-6], ["-2e-6", "0", "2e-6"]),
    ],
)
def test_an_axis_has_one_notation(values, texts):
    assert figures.labels(values) == texts


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1e12, 1e10, 1e8, 1e4], ["1e12", "1e10", "1e8", "1e4"]),
        ([0.01, 0.1, 1, 10, 1000], ["0.01", "0.1", "1", "10", "1,000"]),
        ([1e-6, 1e-3, 1], ["1e-6", "1e-3", "1e0"]),
    ],
)
def test_a_logarithmic_axis_has_one_notation(values, texts):
    assert figures.log_labels(values) == texts


def test_short_times_read_as_ms_and_longer_ones_as_seconds():
    assert [figures.milliseconds(v) for v in (0.82, 42.4, 12_095, 276_000)] == ["0.82 ms", "42 ms", "12.1 s", "4 m 36 s"]


@pytest.mark.parametrize(
    ("name", "title"),
    [("kl_weight", "KL weight"), ("reconstruction_nats", "reconstruction (nats)"), ("grad/denoiser", "denoiser"),
     ("cycle/a_to_b", "cycle: a to b"), ("kl", "KL"), ("nats", "nats")],
)  # fmt: skip
def test_series_are_called_by_words(name, title):
    assert figures.series_title(name) == title


def test_durations_read_like_the_bottom_bar():
    assert [figures.seconds(s) for s in (0.44, 12, 276, 7500)] == ["0.4 s", "12 s", "4 m 36 s", "2 h 05 m"]


# ---------------------------------------------------------------------------------------------- smoothing


@pytest.mark.parametrize("count", [1, 5, 64, 65, 1000])
@pytest.mark.parametrize("weight", [0.3, 0.99])
def test_smoothing_is_the_debiased_moving_average(count, weight):
    values = np.random.default_rng(count).normal(size=count)
    total = share = 0.0
    expected = []
    for value in values:
        total, share = weight * total + value, weight * share + 1
        expected.append(total / share)
    assert smoothing.smoothed(values, weight) == pytest.approx(expected)


def test_a_missing_figure_does_not_spoil_the_rest():
    values = np.full(100, 2.0)
    values[40] = np.nan
    assert smoothing.smoothed(values, 0.9) == pytest.approx(np.full(100, 2.0))


def test_thinning_keeps_the_extremes_and_both_ends():
    x = np.arange(100_000, dtype=float)
    y = np.sin(x / 900)
    y[43_210] = 9.0
    thin_x, thin_y = smoothing.thinned(x, y, 500)
    assert len(thin_x) <= 1010 and thin_y.max() == 9.0 and thin_y.min() == y.min()
    assert thin_x[0] == 0 and thin_x[-1] == 99_999 and (np.diff(thin_x) > 0).all()


def test_thinning_survives_gaps():
    y = np.full(10_000, np.nan)
    y[7000] = 1.0
    _, thin = smoothing.thinned(np.arange(10_000.0), y, 100)
    assert np.nanmax(thin) == 1.0


def test_a_million_figures_are_prepared_within_frames():
    y = np.random.default_rng(0).normal(size=1_000_000)
    start = time.process_time()
    smoothing.smoothed(y, 0.9)
    smoothing.thinned(np.arange(len(y), dtype=float), y, 800)
    assert time.process_time() - start < 0.5


# ------------------------------------------------------------------------------------------------- curves


@pytest.fixture
def curves(themed, qtbot):
    made = Curves("Loss", y_label="loss")
    qtbot.addWidget(made)
    made.resize(700, 360)
    made.show()
    steps = np.arange(1, 3001, dtype=float)
    noise = np.random.default_rng(0).normal(size=3000)
    made.set_curve("loss", steps, np.exp(-steps / 900) * (1 + 0.1 * noise) + 0.05, "train")
    made.set_curve("validation", steps[::100], np.exp(-steps[::100] / 800) + 0.06, "validation", raw=False)
    qtbot.waitUntil(made.is_drawn, timeout=8000)
    made.draw()
    return made


def test_curves_are_drawn_in_their_colours(curves, qtbot):
    qtbot.wait(80)
    shown = curves.grab().toImage()
    pixels = np.frombuffer(shown.constBits(), np.uint8).reshape(shown.height(), shown.bytesPerLine() // 4, 4)[..., :3]
    for position in (0, 1):
        colour = theme.series_color(position)
        near = np.abs(pixels.astype(int) - [colour.blue(), colour.green(), colour.red()]).sum(axis=-1) < 60
        assert near.sum() > 100


def test_a_chip_hides_its_curve(curves):
    curves._chips["validation"].click()
    curves.draw()
    assert set(curves.axes._lines) == {"loss"}
    assert "validation" not in curves.reading(100) and "train" in curves.reading(100)


def test_marks_stand_at_their_step_with_their_text(curves):
    curves.set_marks([(1200, "lr 2e-4 → 1e-4")])
    line = curves.axes._marks[0]
    assert line.value() == 1200 and line.label.format == "lr 2e-4 → 1e-4"


@pytest.mark.parametrize("width", [320, 700])
def test_the_words_of_marks_lie_inside_the_plot_and_not_on_each_other(curves, width):
    told = "trained on to 3,000 steps; the learning rate goes on at 0.51 of its peak"
    marks = [(1, told), (40, "lr {2e-4} → 1e-4"), (1500, told), (2960, "batch 16"), (3000, told)]
    curves.set_marks(marks)
    curves.resize(width, 360)
    curves.layout().activate()
    curves.grab()
    axes = curves.axes
    inside = axes.getViewBox().sceneBoundingRect().adjusted(-1, -1, 1, 1)
    words = [mark.label.textItem for mark in axes._marks]
    places = [one.mapRectToScene(one.boundingRect()) for one in words]
    assert [one.toPlainText() for one in words] == [text for _, text in marks] and all(one.isVisible() for one in words)
    assert all(inside.contains(place) for place in places), (inside, places)
    cut = [place.adjusted(1, 1, -1, -1) for place in places]
    assert not [(a, b) for n, a in enumerate(cut) for b in cut[:n] if a.intersects(b)]


def test_a_low_plot_gives_the_room_of_its_words_to_the_curves(curves):
    curves.set_marks([(1200, "lr 2e-4 → 1e-4")])
    axes = curves.axes
    words = [axes.getAxis("left").label, axes.getAxis("bottom").label, axes._marks[0].label]
    assert all(word.isVisible() for word in words)
    curves.resize(700, 120)
    curves.layout().activate()
    assert not any(word.isVisible() for word in words)
    curves.resize(700, 360)
    curves.layout().activate()
    assert all(word.isVisible() for word in words)


def test_a_log_axis_needs_positive_values(curves):
    assert curves.log()
    curves.set_curve("loss/critic", np.arange(5.0), -np.ones(5))
    assert not curves.log()
    curves.keep_only(["loss"])
    assert curves.log() and curves.names() == ["loss"]
    curves.set_curve("loss", np.arange(3.0), np.array([4.0, 1.0, -2.0]))
    assert not curves.log(), "a likelihood falls below zero: on a logarithmic axis its line would end there"


def test_the_chip_of_a_log_axis_is_lit_only_where_the_axis_is_one(curves, qtbot):
    chip = curves.log_chip
    curves.set_curve("loss", np.arange(3.0), np.array([4.0, 1.0, 2.0]))
    curves.draw()
    assert chip.isChecked() and chip.isEnabled() and not chip.toolTip()
    curves.set_curve("loss", np.arange(3.0), np.array([4.0, 1.0, -2.0]))
    curves.draw()
    assert not chip.isChecked() and not chip.isEnabled() and "below 0" in chip.toolTip()
    curves.set_curve("loss", np.arange(3.0), np.array([4.0, 1.0, 2.0]))
    curves.draw()
    assert chip.isChecked() and chip.isEnabled() and curves.log(), "the wish is kept"


def test_curves_follow_the_theme(curves, themed, qtbot):
    theme.apply(themed, "light")
    qtbot.wait(80)
    assert curves.axes.backgroundBrush().color() == theme.color("bg0")
    assert curves.grab().toImage().pixelColor(curves.width() - 3, curves.height() - 3).lightness() > 200


def test_curves_follow_the_text_size_without_another_theme(curves, themed, qtbot):
    for scale in (19 / 13, 11 / 13):
        theme.apply(themed, "dark", scale)
        qtbot.wait(20)
        font = curves.axes.getAxis("left").style["tickFont"]
        assert font.pixelSize() == theme.px(10) and curves.axes.getAxis("left").maximumWidth() == theme.px(46)


def test_one_redraw_takes_less_than_a_frame(curves):
    steps = np.arange(30_000, dtype=float)
    curves.set_curve("loss", steps, np.exp(-steps / 9000) + 0.1, "train")
    curves.draw()
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        curves.draw()
        best = min(best, time.process_time() - start)
    assert best < 0.016


def test_the_drawing_library_is_not_loaded_with_the_module():
    code = "import nexus_studio.plots.curves, nexus_studio.plots.small, sys; print('pyqtgraph' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


# -------------------------------------------------------------------------------------------------- small


def test_a_histogram_counts_and_reads_a_bar(themed, qtbot):
    plot = Histogram(x_label="noise level")
    qtbot.addWidget(plot)
    plot.resize(300, 160)
    plot.set_values(np.array([0.0, 0.1, 0.9, 1.0, np.nan]), bins=2)
    assert plot.heights().tolist() == [2, 2]
    assert plot.reading(1) == "0.5 to 1: 2"
    plot.set_bars(np.array([1.0, np.nan, 3.0]))
    assert not plot.grab().isNull()


def test_a_heat_map_finds_the_cell_under_a_point(themed, qtbot):
    plot = HeatMap()
    qtbot.addWidget(plot)
    plot.resize(300, 200)
    plot.set_values(np.arange(12.0).reshape(3, 4))
    room = plot._room()
    assert plot.cell_at(room.topLeft() + QPointF(1, 1)) == (0, 0)
    assert plot.cell_at(room.bottomRight() - QPointF(1, 1)) == (2, 3)
    assert plot.cell_at(QPointF(1, 1)) == (-1, -1)
    assert plot.grab().toImage().pixelColor(int(room.right()) - 2, int(room.bottom()) - 2).lightness() > 100


def test_small_curves_scrub_in_x_units(themed, qtbot):
    plot = SmallCurves()
    qtbot.addWidget(plot)
    plot.resize(220, 100)
    squares = Line("σ", np.arange(11.0), np.arange(11.0) ** 2, theme.series_color(0), log=True)
    plot.set_lines([squares])
    plot.set_cursor(5.0)
    assert plot._x_at(plot._room().center().x()) == pytest.approx(5.0)
    assert plot._told(squares) == "σ 25", "what is told is the value, not its logarithm"
    assert not plot.grab().isNull()
    spark = Spark()
    spark.resize(80, 24)
    qtbot.addWidget(spark)
    before = spark.grab().toImage()
    spark.set_values(np.arange(30.0))
    assert spark.grab().toImage() != before


def test_the_words_above_small_curves_fit_at_every_text_size(themed, qtbot):
    plot = SmallCurves()
    qtbot.addWidget(plot)
    plot.resize(290, 100)
    plot.set_lines(
        [Line(name, np.arange(9.0), np.arange(9.0) / 7, theme.series_color(0)) for name in ("σ", "A |Δx̂₀|", "B |Δx̂₀|")]
    )
    plot.set_cursor(3.0)
    for scale in theme.TEXT_SIZES:
        theme.apply(themed, "dark", scale)
        assert plot.words_width(plot.words_font()) <= plot.width() - 20
    theme.apply(themed, "dark")
    assert plot.words_font().pixelSize() == theme.px(11), "no smaller than it has to be"
