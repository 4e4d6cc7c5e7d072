"""No size follows text: every workspace in its states, with the longest names, at three window sizes and three text sizes."""

import os
import shutil
import subprocess
import sys
import time

import msgspec
import pytest
from layout_faults import layout_faults
from long_names import HUGE, NO_SPACE, REAL, give_long_names, name
from PySide6.QtCore import QEvent, QMargins, QPoint, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QFormLayout, QStyle
from scripted_window import scripted_window, settle, turn

from models_backend.contract.messages import Metrics, Trouble
from models_backend.contract.run_layout import StudyAnswer, StudyItem, StudyPair, StudyRecord, StudySide
from nexus_studio import theme
from nexus_studio.main_window import WORKSPACES, within

SIZES = ((1024, 700), (1440, 900), (1920, 1080))
TROUBLE = Trouble(HUGE, REAL, "Everything is kept. " * 20, NO_SPACE, "Traceback\n" + "  at the end of a line " * 400)


async def faults_at_every_size(window, state: str, sizes=SIZES) -> list[str]:
    found = []
    for width, height in sizes:
        window.resize(width, height)
        wrong = await lasting_faults(window)
        if (window.width(), window.height()) != (width, height):
            wrong.append(f"the window became {window.width()} x {window.height()}")
        found += [f"{state} at {width} x {height}: {fault}" for fault in wrong]
    return found


async def faults_in(window, states, where: str = "") -> list[str]:
    """What is wrong in each of some states of a window."""
    found = []
    async for state in states(window):
        found += await faults_at_every_size(window, where + state)
    return found


async def lasting_faults(window) -> list[str]:
    """What is wrong once the window has come to rest."""
    wrong: list[str] = []
    for pause in (0.04, 0.2, 0.5, 2.0, 4.0):  # on a busy machine it takes long to come to rest
        await turn(pause)
        wrong = layout_faults(window)
        if not wrong:
            break
    return wrong


@pytest.fixture
def text_size(qapp):
    """Sets a text size, in steps of pixels; the usual one comes back."""
    yield lambda step: theme.apply(qapp, "dark", (theme.BASE_PX + step) / theme.BASE_PX)
    theme.apply(qapp, "dark")


# ------------------------------------------------------------------------------------------------------- states


async def notices(window):
    """Three notices, one with its details open."""
    window.notices.show_line("Making “" + HUGE + "” again from its own record.")
    window.notices.show_trouble(TROUBLE)
    window.notices.show_trouble(Trouble("the run has failed", NO_SPACE))
    window.notices.notices[1]._toggle()
    yield "with notices"
    window.notices.dismiss_all()


async def jobs(window):
    """The list of jobs, with one that runs, waiting ones, a failed one, and something that the studio does itself."""
    activity = window.session.jobs.begin(REAL, lambda: None)
    window.toggle_jobs()
    yield "with the jobs"
    window.toggle_jobs()
    window.session.jobs.end(activity)


async def palette(window):
    window.open_palette()
    window.palette_box.field.setText("t")
    yield "with the palette"
    window.palette_box.close_palette()


async def data(window):
    window.show_workspace("data")
    session = window.session
    kinds = {record.modality: record.id for record in session.datasets.records}
    session.datasets.set_current(kinds["points"])
    yield "data: points"
    session.datasets.set_current(kinds["image"])
    await settle(lambda: window.workspaces["data"].items.items)
    yield "data: pictures"
    window.workspaces["data"].report._show_all_notes()
    yield "data: all notes"


async def train(window):
    window.show_workspace("train")
    panel, runs = window.workspaces["train"], window.session.runs
    running = next(run for run in runs.records if run.family == "duel")
    runs.set_current(running.id)
    await settle(lambda: panel._view is not None and panel._view.health is not None)
    tell = window.session.bridge.engine.tell
    tell(running.id, Metrics(1250, {f"{part}_{NO_SPACE}": 1.0 for part in ("kl_weight", "reconstruction", "codes")}))
    yield "train: running"
    panel.runs.compare([run.id for run in runs.records])
    yield "train: every run laid over"
    panel.curves.choose("more")
    yield "train: the tab of all others"
    panel.runs.compare([])
    panel.controls.change.setChecked(True)
    panel.setup.more.fold(False)
    panel.setup.data.fold(False)
    yield "train: changing it"
    panel.curves.measures._show_figures({"fd": 1.0, "fd_floor": 2.0, f"fd_{NO_SPACE}": 1.0, f"fd_floor_{NO_SPACE}": 2.0}, REAL)
    panel.curves.measures._say(HUGE)
    panel.curves.choose("measures")
    panel.budget._say(f"{REAL} {NO_SPACE}", "error")
    panel.begin.show_problem(f"{REAL} {NO_SPACE}")
    yield "train: measured, and refused"
    panel.curves.choose("loss")
    tell(running.id, TROUBLE)
    yield "train: with a trouble"
    runs.set_current(next(run for run in runs.records if run.family == "coder").id)
    await settle(lambda: panel._view is not None and panel._view.health is not None)
    panel.controls.further.setChecked(True)
    yield "train: further"


async def sample(window):
    window.show_workspace("sample")
    panel = window.workspaces["sample"]
    yield "sample: nothing yet"
    panel.generate_or_stop()
    await settle(lambda: panel.results.batch is not None and not panel.work.is_busy)
    panel.results.choose(2)
    yield "sample: made"
    panel.controls.grid.setChecked(True)
    panel.controls.show_problem(f"{REAL} {NO_SPACE}")
    yield "sample: a grid"


async def trajectory(window):
    window.show_workspace("trajectory")
    panel = window.workspaces["trajectory"]
    for modality in ("points", "image"):
        run = next(run for run in window.session.runs.records if run.spec.modality == modality and "duel" not in run.family)
        panel.choose_run(run.id)
        panel.controls.use_b.setChecked(True)
        panel.recordings = []
        panel.sample()
        await settle(lambda: len(panel.recordings) == 2, 8)
        yield f"trajectory: {modality}"


async def latent(window):
    window.show_workspace("latent")
    panel = window.workspaces["latent"]
    coder = next(run for run in window.session.runs.records if run.family == "coder")
    panel.choose(coder.id)
    await settle(lambda: panel.stack.currentWidget() is panel.view)
    yield "latent: a map"
    panel._decode_trouble(f"{REAL} {NO_SPACE}")
    yield "latent: refused"


async def gallery(window):
    window.show_workspace("gallery")
    panel = window.workspaces["gallery"]
    await settle(lambda: panel.tiles.total and panel.tiles.record(1))
    panel.grid.set_current(0, select=True)
    await settle(lambda: panel.detail.record is not None)
    panel.detail.say(f"{REAL} {NO_SPACE}")
    yield "gallery: filled"
    panel.grid.select([0, 1])
    panel.compare()
    await settle(lambda: panel.stack.currentWidget() is panel._compare)
    yield "gallery: two compared"
    panel._compare.slider.setChecked(True)
    yield "gallery: two under a slider"
    panel.end_comparison()
    panel.blind_study()
    study = panel.study
    await turn(0.05)
    yield "gallery: a study set up"
    items = [StudyItem(side, "", 0, name(side)) for side in (0, 1)]
    pair = StudyPair(*items, "chance")
    picture = panel._compare.over.image()
    study._show_page(study.judge)
    study.judge.show_pair(picture, picture, pair, 1, 40)
    yield "gallery: a study judged"
    sides = tuple(StudySide(str(n), "run", name(n)) for n in range(2))
    answers = tuple(StudyAnswer(n, "left", 1.0) for n in range(6))
    study.result.show_study(StudyRecord("one", REAL, 1.0, "image", 0, sides, (pair,) * 8, answers, time.time()))
    study._show_page(study.result)
    yield "gallery: a study's result"
    study.close_view()


async def learn(window):
    window.show_workspace("learn")
    yield "learn"


STATES = (data, train, sample, trajectory, latent, gallery, learn)


# -------------------------------------------------------------------------------------------------------- walks


@pytest.mark.parametrize("states", STATES, ids=lambda states: states.__name__)
@pytest.mark.parametrize("step", (-2, 0, 6))
async def test_nothing_is_cut_in_any_state_of_any_workspace(qapp, tmp_path, text_size, step, states):
    async with scripted_window(tmp_path, prepare=give_long_names) as window:
        text_size(step)
        found = await faults_in(window, states)
        assert not found, "\n".join(found)


@pytest.mark.parametrize("step", (-2, 0, 6))
async def test_nothing_is_cut_while_notices_jobs_or_the_palette_are_open(qapp, tmp_path, text_size, step):
    async with scripted_window(tmp_path, prepare=give_long_names) as window:
        text_size(step)
        found = []
        for key in ("train", "gallery"):
            window.show_workspace(key)
            for states in (notices, jobs, palette):
                found += await faults_in(window, states, f"{key}: ")
        assert not found, "\n".join(found)


@pytest.mark.parametrize("step", (-2, 0, 6))
async def test_nothing_is_cut_in_an_empty_library(qapp, tmp_path, text_size, step):
    async with scripted_window(tmp_path, populated=False) as window:
        text_size(step)
        found = []
        for key, _, _ in WORKSPACES:
            window.show_workspace(key)
            found += await faults_at_every_size(window, f"{key}: empty", SIZES[:2])
        assert not found, "\n".join(found)


# ------------------------------------------------------------------------------------------- what a page is for


def seen_plot(panel) -> float:
    """How much of the height of the loss curves' own area is on the screen; 0 while they are not drawn."""
    axes = panel.curves.curves.axes
    if axes is None or axes.visibleRegion().boundingRect().height() < axes.height():
        return 0
    return axes.plotItem.getViewBox().height()


@pytest.mark.parametrize(
    ("width", "height", "step"), [(1024, 700, 0), *((1440, 900, step) for step in theme.TEXT_STEPS)], ids=str
)
async def test_the_loss_plot_is_tall_enough_to_read(qapp, tmp_path, text_size, width, height, step):
    async with scripted_window(tmp_path) as window:
        text_size(step)
        window.resize(width, height)
        window.show_workspace("train")
        panel, runs = window.workspaces["train"], window.session.runs
        chosen = next(run for run in runs.records if run.family == "duel")
        runs.set_current(chosen.id)
        await settle(lambda: panel.samples.known() and seen_plot(panel) >= 140)
        assert panel.samples.isVisible() and set(panel.curves.curves.names()) == {"loss", "validation"}
        others = [run.id for run in runs.records if run.id != chosen.id][-2:]
        panel.runs.compare(others)
        await settle(lambda: len(panel.curves.curves.names()) == 4)
        await turn(0.3)
        assert seen_plot(panel) >= 140
        chips = [panel.curves.curves._chips[name] for name in ("loss", "validation")]
        assert all(chip.visibleRegion().boundingRect() == chip.rect() for chip in chips)


async def test_the_sampling_form_has_more_room_than_the_item_and_keeps_it(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        window.resize(1024, 700)
        window.show_workspace("sample")
        panel = window.workspaces["sample"]
        form, item = panel.docks["sample.setup"], panel.docks["sample.item"]
        await settle(lambda: item.height() >= 200)
        assert form.height() > 1.5 * item.height() and panel._scroll.height() >= 280, (form.height(), panel._scroll.height())
        places = form.geometry(), item.geometry()
        panel.generate_or_stop()
        await settle(lambda: panel.results.batch is not None and not panel.work.is_busy)
        panel.results.choose(2)
        await turn(0.2)
        assert (form.geometry(), item.geometry()) == places


@pytest.mark.parametrize("step", (-2, 0, 6))
async def test_a_row_of_the_runs_is_as_tall_as_its_title(qapp, tmp_path, text_size, step):
    async with scripted_window(tmp_path) as window:
        text_size(step)
        window.show_workspace("train")
        runs = window.workspaces["train"].runs
        row = next(iter(runs._rows.values()))
        for width in (1024, 1440):
            window.resize(width, 900)
            await turn(0.1)
            for letters in range(8, 60):
                row.title.setText(("A run of many " * 5)[:letters])
                await turn(0.01)
                title = row.title
                assert title.height() >= title.heightForWidth(title.width()), (width, title.text())


async def test_what_is_said_of_a_sample_takes_one_line_each(qapp, tmp_path):
    async with scripted_window(tmp_path, prepare=give_long_names) as window:
        window.resize(1024, 700)
        async for state in gallery(window):
            assert state == "gallery: filled"
            await turn(0.3)
            break
        table = window.workspaces["gallery"].detail._facts
        values = [table.itemAt(place, QFormLayout.ItemRole.FieldRole).widget() for place in range(table.rowCount())]
        assert any(value.is_elided() for value in values)
        for value in values:
            assert value.height() < 2 * value.fontMetrics().height()
            assert not value.is_elided() or value.text() in value.toolTip()


# ------------------------------------------------------------------------------------------- the window's own size


async def test_the_buttons_of_the_bottom_bar_stay_where_they_are_whatever_the_figures(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        running, runs = window.bottom.running, window.session.runs
        run = next(run for run in runs.records if run.family == "duel")
        view = runs.view(run.id)
        await settle(lambda: running._view is view)
        places = set()
        for title, step, rate in (("a", 1241, 2600.0), (HUGE, 100_000, 0.25), (REAL, 999_999_999, 41.2), ("", 1242, 1e7)):
            view.record = msgspec.structs.replace(run, title=title)
            window.session.bridge.engine.tell(run.id, Metrics(step, {"loss": 0.1, "rate": rate}))
            await turn(0.15)
            places |= {(button.mapTo(window, QPoint(0, 0)).x(), button.width()) for button in (running._pause, running._stop)}
        assert len(places) == 2, places


async def test_what_widened_nothing_is_kept_and_what_the_user_arranged_is(qapp, tmp_path):
    async with scripted_window(tmp_path, prepare=give_long_names) as window:
        window.resize(1280, 800)
        async for _ in train(window):
            await turn(0.05)
        keep = window.session.preferences
        assert keep.get("layout/train") is None
        panel = window.workspaces["train"]
        widths = {key: dock.width() for key, dock in panel.docks.items()}
        assert 230 <= widths["train.models"] <= 260 and 310 <= widths["train.setup"] <= 340
        edge = QPoint(panel.docks["train.models"].geometry().right() + 1, 200)
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        for kind, by, button, held in (
            ("MouseButtonPress", 0, left, left), ("MouseMove", 60, none, left), ("MouseButtonRelease", 60, left, none),
        ):  # fmt: skip
            at = QPointF(edge + QPoint(by, 0))
            what = QEvent.Type[kind], at, panel.mapToGlobal(at), button, held, Qt.KeyboardModifier.NoModifier
            QApplication.sendEvent(panel, QMouseEvent(*what))
            await turn(0.05)
        await settle(lambda: keep.get("layout/train"))
        arranged = panel.docks["train.models"].width()
        assert arranged > widths["train.models"] + 30
        window.resize(1100, 700)
        await turn(0.1)
        assert panel.docks["train.models"].width() == arranged


def test_a_window_that_is_larger_than_its_screen_is_brought_onto_it():
    screen = QRect(0, 24, 1366, 744)
    for place in (QRect(4000, -300, 1900, 1200), QRect(-500, 10, 1280, 800), QRect(1300, 700, 1000, 640)):
        found = within(place, screen)
        assert screen.contains(found) and found.width() == min(place.width(), 1364), (place, found)
    assert within(QRect(100, 100, 1000, 640), screen) == QRect(100, 100, 1000, 640)


async def test_the_window_s_frame_stands_on_its_screen_at_the_first_start_and_after(qapp, tmp_path):
    async with scripted_window(tmp_path) as window:
        room = window.screen().availableGeometry()
        assert window.geometry().top() >= room.top() + window.style().pixelMetric(QStyle.PixelMetric.PM_TitleBarHeight)
        frame = QMargins(5, 31, 5, 5)
        for place in (QRect(room.topLeft(), QSize(700, 600)), QRect(-200, -90, 2000, 2000)):
            window.setGeometry(place)
            window.fit_frame(frame)
            assert room.contains(window.geometry().marginsAdded(frame)), place


SHOWN = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from nexus_studio.bridge import Bridge
from nexus_studio.main_window import MainWindow
from nexus_studio.state.preferences import Preferences
from nexus_studio.state.session import Session
app = QApplication([])
window = MainWindow(Session(Bridge(), Preferences(Path(sys.argv[1]))))
window.show()
def tell():
    shown, room, frame = window.frameGeometry(), window.screen().availableGeometry(), window.windowHandle().frameMargins()
    print(*shown.getRect(), *room.getRect(), frame.top(), flush=True)
    app.exit()
QTimer.singleShot(1500, tell)
app.exec()
"""


@pytest.mark.xvfb
@pytest.mark.skipif(not (shutil.which("Xvfb") and shutil.which("openbox")), reason="there is no window manager here")
def test_a_window_manager_s_title_bar_is_seen_at_the_first_start(tmp_path):
    read, write = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1440x900x24", "-nolisten", "tcp"],
                              pass_fds=[write], stderr=subprocess.DEVNULL)  # fmt: skip
    os.close(write)
    with os.fdopen(read) as told:
        display = f":{told.readline().strip()}"
    environment = {name: value for name, value in os.environ.items() if name != "QT_QPA_PLATFORM"} | {"DISPLAY": display}
    manager = subprocess.Popen(["openbox", "--sm-disable"], env=environment, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        command = [sys.executable, "-c", SHOWN, str(tmp_path / "session.json")]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait(timeout=10)
    figures = [int(one) for one in told.split()]
    shown, room, title = QRect(*figures[:4]), QRect(*figures[4:8]), figures[8]
    assert title > 0 and room.contains(shown) and abs(shown.center().x() - room.center().x()) < 20, told
