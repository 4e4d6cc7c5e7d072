"""The Train workspace on the scripted engine: what it asks for, what it shows, and that it stays quick."""

import asyncio
import time

import msgspec
import numpy as np
import pytest
import shiboken6
from PySide6.QtCore import QEvent, QModelIndex, QObject, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QFileDialog, QLabel, QLineEdit, QMenu, QWidget
from scripted import ScriptedEngine, scripted_families

from models_backend.contract.exports import WEIGHTS
from models_backend.contract.family import Part
from models_backend.contract.losses import loss_kind
from models_backend.contract.messages import (
    Budget,
    BudgetReport,
    Evaluate,
    Export,
    Health,
    HealthLine,
    Mark,
    Metrics,
    Preview,
    Progress,
    ProveResume,
    Remedy,
    Sample,
    Saved,
    State,
    TroubleError,
)
from models_backend.contract.run_layout import JobRecord, SampleRecord
from models_backend.library import storage, trash
from models_backend.library.showing import kept_showing
from nexus_studio import figures, theme
from nexus_studio.bridge import Bridge
from nexus_studio.panels.train import TrainPanel, described
from nexus_studio.panels.train_apart import RunSettings, apart, told_apart
from nexus_studio.panels.train_cards import HealthCard
from nexus_studio.panels.train_curves import chosen, difference
from nexus_studio.panels.train_measures import RunMeasures
from nexus_studio.panels.train_models import ModelsModel
from nexus_studio.panels.train_samples import read_preview
from nexus_studio.state.preferences import Preferences
from nexus_studio.state.session import Session


async def settle(condition=lambda: True, seconds=20.0):
    """Let Qt and asyncio run until a condition holds."""
    for turn in range(int(seconds / 0.01)):
        QApplication.processEvents()
        await asyncio.sleep(0.01)
        if turn > 3 and condition():
            return
    assert condition(), "it did not happen"


class Stand:
    """A panel on a scripted engine."""

    def __init__(self, root, populated=True):
        self.engine = ScriptedEngine(root / "library", populated)
        self.bridge = Bridge(None, asyncio.get_running_loop())
        self.session = Session(self.bridge, Preferences(root / "session.json"))
        self.troubles, self.notices = [], []
        self.bridge.trouble.connect(self.troubles.append)
        self.bridge.noticed.connect(self.notices.append)
        self.panel = TrainPanel(self.session)
        self.panel.resize(1216, 734)
        self.panel.show()
        self.bridge.attach(self.engine)

    def run(self, title):
        return next(r for r in self.session.runs.records if r.title == title)

    async def choose(self, title):
        self.session.runs.set_current(self.run(title).id)
        await settle(lambda: self.panel._view is not None and self.panel._view.loaded)

    def asked(self, kind):
        return [call for call in self.engine.calls if call[0] == kind]

    async def close(self):
        self.panel.close()
        await self.bridge.close()
        self.session.preferences.close()
        shiboken6.delete(self.panel)
        shiboken6.delete(self.session)


@pytest.fixture
async def stand(qapp, tmp_path):
    theme.apply(qapp, "dark")
    made = Stand(tmp_path)
    await settle(lambda: made.session.is_ready)
    pictures = next(d for d in made.session.datasets.records if d.modality == "image")
    made.session.datasets.set_current(pictures.id)
    yield made
    await made.close()


@pytest.fixture
async def bare(qapp, tmp_path):
    theme.apply(qapp, "dark")
    made = Stand(tmp_path, populated=False)
    await settle(lambda: made.session.is_ready)
    yield made
    await made.close()


# ------------------------------------------------------------------------------------------------- models


async def test_models_stand_below_their_groups_and_the_filter_narrows(stand):
    model: ModelsModel = stand.panel.models.model
    rows = [row if isinstance(row, str) else row.title for row in model.rows]
    assert rows[:2] == ["Diffusion", "Denoiser"] and "Adversarial" in rows
    stand.panel.models.filter.setText("critic")
    assert [row.key for row in model.rows] == ["duel"]
    stand.panel.models.filter.clear()
    assert not model.flags(model.index(0)) & Qt.ItemFlag.ItemIsSelectable


async def test_choosing_a_model_builds_its_forms(stand):
    models = stand.panel.models
    models.list.setCurrentIndex(models.model.index(models.model.row_of("duel")))
    setup = stand.panel.setup
    assert stand.session.catalogue.current == "duel" and setup.family.key == "duel"
    assert "latent" in setup.values("config") and setup.values("training")["batch_size"] == 64


async def test_a_model_that_cannot_learn_the_data_says_why(stand):
    family = stand.session.catalogue.get("denoiser")
    text, tint, words = stand.panel.models.mark(family)
    assert tint != "text3"
    narrow = type(family)(**{name: getattr(family, name) for name in family.__struct_fields__} | {"modalities": ("points",)})
    text, tint, words = stand.panel.models.mark(narrow)
    assert (text, tint) == ("–", "text3") and "points" in words and "pictures" in words
    model = stand.panel.models.model
    model.set_families([narrow])
    assert model.data(model.index(1), Qt.ItemDataRole.ToolTipRole).endswith("Learns points; these are pictures")


class Paints(QObject):
    """Counts how often a widget is painted."""

    count = 0

    def eventFilter(self, _watched, event):
        self.count += event.type() == QEvent.Type.Paint
        return False


async def test_marks_and_what_can_be_started_follow_what_of_the_data_is_to_be_learned(stand):
    panel, datasets, paints = stand.panel, stand.session.datasets, Paints()
    few = msgspec.structs.replace(panel.setup.family, classes_needed=(0, 1))
    assert len(datasets.current_record.classes) > 1
    panel.setup.family = few
    panel.models.list.viewport().installEventFilter(paints)
    assert panel.models.mark(few)[0] == "–" and "at most one class" in panel.setup.guidance()
    for learned, suits in (("none", True), ("auto", False)):
        before, settings = paints.count, datasets.settings(datasets.current)
        datasets.set_settings(stand.session.undo, datasets.current, settings | {"conditions": learned})
        assert (panel.models.mark(few)[0] != "–") is suits and ("at most one class" not in panel.setup.guidance()) is suits
        await settle(lambda before=before: paints.count > before)


# -------------------------------------------------------------------------------------------------- setup


async def test_how_often_previews_are_made_follows_the_steps_but_for_what_was_set_by_hand(stand):
    setup = stand.panel.setup
    setup.preset.setCurrentIndex(setup.preset.findData("tiny"))
    setup.take_preset()

    def every():
        return tuple(setup.values("training")[name] for name in ("preview_every", "validate_every", "checkpoint_every"))

    def put(section, name, value):
        section.put({name: value})
        section.changed.emit()

    assert every() == (33, 33, 33), "of 100 steps"
    put(setup.training, "steps", 6)
    put(setup.training, "steps", 60)
    assert every() == (20, 20, 20)
    put(setup.training, "steps", "")
    put(setup.training, "preview_every", 50)
    put(setup.training, "steps", 6000)
    assert every() == (50, 200, 500)
    assert setup.wish()["training"]["preview_every"] == 50


async def test_a_preset_is_laid_over_the_defaults(stand):
    setup = stand.panel.setup
    stand.session.catalogue.set_current("denoiser")
    setup.preset.setCurrentIndex(setup.preset.findData("tiny"))
    setup.take_preset()
    assert setup.values("config")["net"]["channels"] == 16 and setup.values("training")["steps"] == 100
    setup.preset.setCurrentIndex(setup.preset.findData("paper"))
    setup.take_preset()
    assert setup.values("config")["net"]["channels"] == 128 and setup.values("training")["steps"] == 800_000


async def test_every_training_field_reaches_the_wish_whichever_section_it_stands_in(stand):
    setup = stand.panel.setup
    setup.more.set_values({"clip": 0.5})
    setup.training.set_values({"batch_size": 8})
    assert setup.more.form is None
    training = setup.wish()["training"]
    assert training["clip"] == 0.5 and training["batch_size"] == 8
    setup.more.fold(False)
    assert setup.wish()["training"] == training and setup.more.form is not None


async def test_edits_of_a_family_are_kept_while_another_is_looked_at(stand):
    setup, catalogue = stand.panel.setup, stand.session.catalogue
    catalogue.set_current("duel")
    setup.sections["config"].set_values({"latent": 7})
    catalogue.set_current("denoiser")
    assert "latent" not in setup.values("config")
    catalogue.set_current("duel")
    assert setup.values("config")["latent"] == 7


async def test_starting_makes_a_run_and_submits_it_in_front(stand):
    await settle(lambda: not stand.panel.setup.problems())
    stand.panel.begin.start.click()
    await settle(lambda: stand.asked("submit"))
    (_, family, dataset, _, _, training, data, _), (_, run, after, front) = (
        stand.asked("create_run")[0],
        stand.asked("submit")[0],
    )
    assert family == stand.session.catalogue.current and dataset == stand.session.datasets.current
    assert front is True and after == () and stand.session.runs.current == run
    assert training["steps"] > 0 and data["resolution"] == 16
    stand.panel.begin.queue.click()
    await settle(lambda: len(stand.asked("submit")) == 2)
    assert stand.asked("submit")[1][3] is False


async def test_a_new_run_is_called_by_the_next_free_number(stand):
    setup, session = stand.panel.setup, stand.session
    family, data = setup.family.title, session.datasets.current_record.title
    mine = [record for record in session.runs.records if record.family == setup.family.key]
    assert mine and setup.wish()["title"] == f"{family} 1 · {data}", "runs with names of their own take no number"
    mine[0] = stand.engine.library.folders[mine[0].id].update_record(title=f"{family} 1 · old data")
    await session.runs.load()
    assert setup.wish()["title"] == setup.title.placeholderText() == f"{family} 2 · {data}"
    layout = stand.engine.library.layout
    layout.run("gone").root.mkdir(parents=True)
    trash.put_away(layout, "run", f"{family} 2 · {data}", layout.run("gone").root)
    await session.runs.load()
    assert setup.wish()["title"] == setup.title.placeholderText() == f"{family} 3 · {data}"


async def test_a_value_out_of_bounds_stops_the_start_and_names_the_field(stand):
    section = stand.panel.setup.training
    section.set_values({"batch_size": 0})
    section.changed.emit()
    assert not stand.panel.begin.start.isEnabled() and "Batch size" in stand.panel.begin.why.text()
    stand.panel.start(True)
    await settle()
    assert not stand.asked("create_run")


async def test_points_have_no_picture_settings(stand):
    points = next(d for d in stand.session.datasets.records if d.modality == "points")
    assert "data" in stand.panel.setup.sections
    stand.session.datasets.set_current(points.id)
    assert "data" not in stand.panel.setup.sections and stand.panel.setup.wish()["data"] == {}
    assert stand.panel.setup.wish()["training"]["preview_count"] == 256


async def test_the_settings_of_a_run_come_back_into_the_forms(stand):
    run = stand.run("duel-03")
    stand.panel.setup.take_run(run.id, {"latent": 32}, {"learning_rate": 1e-3})
    assert stand.session.catalogue.current == "duel"
    assert stand.panel.setup.values("config")["latent"] == 32
    assert stand.panel.setup.values("training")["learning_rate"] == 1e-3


async def test_using_a_run_s_settings_fills_the_set_up_and_starts_nothing(stand):
    await stand.choose("duel-03")
    session, setup, run = stand.session, stand.panel.setup, stand.run("denoiser-small")
    run.config["schedule"], run.training["batch_size"], run.data["resolution"] = {"type": "linear", "first": 1e-3}, 24, 48
    session.catalogue.set_current("duel")
    session.datasets.set_current(next(one.id for one in session.datasets.records if one.modality == "points"))
    menu = menu_of(stand, "denoiser-small")
    next(one for one in menu.actions() if one.text() == "Use these settings").trigger()
    menu.close()
    await settle(lambda: stand.notices)
    wish = setup.wish()
    assert (wish["family"], wish["dataset"], wish["preset"]) == (run.family, run.dataset, run.preset)
    assert wish["config"]["schedule"]["type"] == "linear" and wish["config"]["schedule"]["first"] == 1e-3
    assert wish["training"]["batch_size"] == 24 and wish["data"]["resolution"] == 48
    said = "The settings of “denoiser-small” stand in the set-up of a new run; nothing was started."
    assert stand.notices == [said] and not stand.asked("create_run") and not stand.asked("submit")
    assert session.runs.current == stand.run("duel-03").id, "the selection stays"


async def test_what_of_a_run_s_settings_cannot_be_taken_is_said(stand):
    session, run = stand.session, stand.run("coder-small")
    chosen = session.datasets.current_record.title
    layout = stand.engine.library.layout
    layout.dataset("gone").root.mkdir(parents=True)
    trash.put_away(layout, "dataset", "Old photos", layout.dataset("gone").root)
    run.dataset, run.preset, run.training["batch_size"] = "gone", "giant", -3
    before = session.datasets.settings(session.datasets.current)
    session.runs.set_current(run.id)
    next(one for one in stand.panel.commands() if one.key == "run.again").run()
    await settle(lambda: stand.notices)
    assert stand.notices[-1].split("nothing was started. ")[1] == (
        f"Its data set “Old photos” is in the trash: “{chosen}” stays chosen, as it is shown. "
        "Its preset “giant” is not there any more: its settings were taken one by one. "
        "Settings that do not fit this version stay as the preset has them: Batch size."
    )
    assert session.catalogue.current == "coder" and session.datasets.settings(session.datasets.current) == before
    run.family, run.dataset = "unheard", "lost"
    stand.panel.use_settings(run.id)
    await settle(lambda: len(stand.notices) == 2)
    assert stand.notices[-1].split("nothing was started. ")[1] == (
        f"Its data set is not in the library any more: “{chosen}” stays chosen, as it is shown. "
        "Its model “unheard” is not installed: preset and settings stay as they were."
    )
    assert session.catalogue.current == "coder" and not stand.troubles and not stand.asked("create_run")


async def test_what_acts_on_a_run_stands_by_its_title_and_what_starts_one_with_its_setup(stand):
    panel = stand.panel
    await stand.choose("duel-03")
    await settle(lambda: panel.controls.change.isVisible())
    right, middle = panel.docks["train.setup"], panel.centralWidget()
    acting = [panel.controls.title, *panel.controls.findChildren(QAbstractButton), panel.edited.anew]
    assert panel.controls.title.text() == "duel-03" and all(middle.isAncestorOf(one) for one in acting)
    assert not any(right.isAncestorOf(one) for one in acting)
    assert all(right.isAncestorOf(one) for one in (panel.begin.start, panel.begin.queue, panel.setup, panel.budget))
    data = stand.session.datasets.current_record.title
    stand.session.catalogue.set_current("duel")
    assert panel.begin.what.text() == f"New run: Duel on “{data}”"
    assert panel.begin.start.accessibleName() == f"Start training Duel on “{data}”"
    panel.controls.menu.click()
    assert "Use these settings" in [one.text() for one in panel.runs.findChildren(QMenu)[-1].actions()]
    panel.runs.findChildren(QMenu)[-1].close()
    buttons = (panel.controls.pause, panel.controls.stop, panel.controls.further, panel.controls.prove)

    def seen():
        return [one.text() for one in buttons if one.isVisible()]

    assert seen() == ["Pause", "Stop"]
    await stand.choose("denoiser-small")
    await settle(lambda: seen() == ["Train further…", "Verify resume"])
    assert panel.controls.title.text() == "denoiser-small"


# ------------------------------------------------------------------------------------------------- budget


async def test_the_budget_is_measured_for_what_is_set_up(stand):
    stand.panel.budget.button.click()
    await settle(lambda: stand.panel.budget.report is not None)
    request = stand.asked(Budget)[0][1]
    assert request.family == stand.session.catalogue.current and request.training == stand.panel.setup.values("training")
    shown = {name: label.text() for name, label in stand.panel.budget.values.items()}
    assert shown["memory"] == "6.1 GB / 15.6 GB" and "12 m 08 s" in shown["time"] and shown["parameters"] == "35.7M"
    assert stand.panel.models.mark(stand.panel.setup.family)[:2] == ("✓", "ok")


async def test_a_run_that_does_not_fit_is_said_in_words(stand):
    stand.engine.answers[Budget] = lambda request: BudgetReport("CPU", 50, 100, 40_000, 16_000, 10, 20, {"a": 1}, fits=False)
    stand.panel.budget.button.click()
    await settle(lambda: stand.panel.budget.report is not None)
    assert "does not fit" in stand.panel.budget.words.text() and stand.panel.budget.words.isVisible()
    assert stand.panel.models.mark(stand.panel.setup.family)[0] == "!"


async def test_a_failed_measurement_stays_in_the_card(stand):
    stand.engine.failures[Budget] = TroubleError("the network is too deep for 16 px", "levels", "", "Take fewer levels.")
    stand.panel.budget.button.click()
    await settle(lambda: stand.panel.budget.words.isVisible())
    assert "Take fewer levels" in stand.panel.budget.words.text() and not stand.troubles


async def test_a_measurement_says_how_far_it_is_and_can_be_stopped(stand):
    gate, whole, card = asyncio.Event(), stand.engine.call, stand.panel.budget

    async def slow(request, tell=None):
        tell(Progress(5, 16, "measuring a few steps"))
        await gate.wait()
        return await whole(request, tell)

    stand.engine.call = slow
    card.button.click()
    await settle(lambda: card.words.isVisible())
    assert card.words.text().startswith("Measuring a few steps · 5 of 16")  # and for how long
    assert card.button.text() == "Stop" and card.under_way
    card.button.click()
    gate.set()
    await settle()
    assert not card.under_way and card.note.text() == "not measured" and not card.words.isVisible()
    assert card.button.text() == "Measure" and card.report is None and not stand.asked(Budget) and not stand.troubles
    card.button.click()
    await settle(lambda: card.report is not None)
    assert card.button.text() == "Measure"


async def test_starting_gives_up_a_measurement_and_says_so(stand):
    gate = asyncio.Event()
    whole = stand.engine.call

    async def slow(request, tell=None):
        await gate.wait()
        return await whole(request, tell)

    stand.engine.call = slow
    stand.panel.budget.button.click()
    await settle()
    assert "measuring" in stand.panel.budget.note.text()
    stand.panel.begin.start.click()
    await settle(lambda: stand.asked("submit"))
    assert "measuring" not in stand.panel.budget.note.text() and not stand.asked(Budget)


async def test_the_budget_never_shows_another_models_figures(stand):
    card, catalogue = stand.panel.budget, stand.session.catalogue
    first = catalogue.current
    card.button.click()
    await settle(lambda: card.report is not None)
    figures = {name: label.text() for name, label in card.values.items()}
    catalogue.set_current("duel" if first != "duel" else "denoiser")
    assert {label.text() for label in card.values.values()} == {"—"} and card.report is None
    assert card.note.text() == "not measured" and card.meter.value() == 0 and not card.values["parameters"].toolTip()
    catalogue.set_current(first)
    assert {name: label.text() for name, label in card.values.items()} == figures
    stand.panel.setup.training.form.group.lines["batch_size"].editor.set_value(7)
    stand.panel.setup.changed.emit()
    assert {label.text() for label in card.values.values()} == {"—"}


async def test_an_answer_for_a_setting_that_was_left_is_not_shown(stand):
    gate, whole = asyncio.Event(), stand.engine.call

    async def slow(request, tell=None):
        await gate.wait()
        return await whole(request, tell)

    stand.engine.call = slow
    stand.panel.budget.button.click()
    await settle()
    stand.session.catalogue.set_current("duel")
    gate.set()
    await settle()
    assert stand.panel.budget.values["memory"].text() == "—"


async def test_what_does_not_fit_is_called_by_its_title(stand):
    stand.panel.setup.training.form.group.lines["batch_size"].editor.set_value(0)
    stand.panel.setup.changed.emit()
    assert stand.panel.setup.problems() == ["Batch size must be a whole number from 1 to 65,536"]
    assert stand.panel.begin.why.text() == "Batch size must be a whole number from 1 to 65,536"
    assert not stand.panel.begin.start.isEnabled()


async def test_nothing_is_measured_unasked_while_a_run_trains(stand):
    stand.panel.setup.settled.emit()
    await settle()
    assert not stand.asked(Budget)


async def test_nothing_is_measured_beside_a_run_that_is_about_to_start(bare):
    record, made = await bare.engine.make_builtin("digits"), asyncio.Event()
    await bare.session.datasets.load()
    bare.session.datasets.set_current(record.id)
    create = bare.engine.create_run

    async def slowly(*given, **named):
        await made.wait()
        return await create(*given, **named)

    bare.engine.create_run = slowly
    bare.panel.setup.training.set_values(bare.panel.setup.training.values() | {"steps": 77})
    bare.panel.start(front=True)
    asked = len(bare.asked(Budget))
    bare.panel.setup.settled.emit()
    await settle()
    assert len(bare.asked(Budget)) == asked and bare.session.jobs.active is None
    made.set()
    await settle(lambda: bare.asked("submit"))


async def test_an_idle_machine_measures_unasked(bare):
    record = await bare.engine.make_builtin("digits")
    await bare.session.datasets.load()
    bare.session.datasets.set_current(record.id)
    await settle(lambda: not bare.panel.setup.problems())
    bare.panel.setup.settled.emit()
    await settle(lambda: bare.asked(Budget))
    assert len(bare.asked(Budget)) == 1


async def test_what_was_set_up_while_nobody_looked_is_measured_when_the_panel_is_shown(bare):
    bare.panel.hide()
    record = await bare.engine.make_builtin("digits")
    await bare.session.datasets.load()
    bare.session.datasets.set_current(record.id)
    bare.panel.setup.settled.emit()
    await settle()
    assert not bare.asked(Budget)
    bare.panel.show()
    await settle(lambda: bare.asked(Budget))


async def test_a_missing_part_is_trained_first_and_waited_for(stand):
    stand.session.catalogue.set_current("flow")
    await settle(lambda: "teacher" in stand.panel.setup.parts)
    chooser = stand.panel.setup.parts["teacher"]
    place = chooser.findData("new:denoiser")
    assert chooser.itemText(place).startswith("train ") and chooser.itemText(place).endswith(" first")
    chooser.setCurrentIndex(place)
    chooser.activated.emit(place)
    assert stand.panel.setup.budget_request() is None and not stand.panel.budget.button.isEnabled()
    stand.panel.begin.start.click()
    await settle(lambda: len(stand.asked("submit")) == 2)
    first, then = stand.asked("create_run")
    assert first[1] == "denoiser" and then[1] == "flow" and first[2] == then[2]
    assert then[-1] == {"teacher": stand.asked("submit")[0][1]}


async def test_a_model_of_latents_without_its_codec_says_pixel_space_in_form_title_and_list(stand):
    families, coder = stand.session.catalogue.families, stand.run("coder-small")
    given = {"denoiser": {"uses": (Part("codec", "image codec", True, "", "pixel space"),)},
             "coder": {"provides": ("image codec",)}}  # fmt: skip
    described = [msgspec.structs.replace(family, **given.get(family.key, {})) for family in families]
    stand.session.catalogue.families = described
    stand.session.catalogue.changed.emit()
    stand.session.datasets.set_current(coder.dataset)
    stand.session.catalogue.set_current("denoiser")
    setup = stand.panel.setup
    await settle(lambda: "codec" in setup.parts and coder.id in stand.session.runs.states)
    chooser, (line,) = setup.parts["codec"], setup._part_lines
    setup._soon()
    assert not line.instead.isHidden() and "in pixel space" in line.instead.text() and coder.title in line.instead.text()
    assert setup.wish()["title"].endswith(" · pixel space")
    place = chooser.findData(coder.id)
    chooser.setCurrentIndex(place)
    chooser.activated.emit(place)
    assert line.instead.isHidden() and "pixel space" not in setup.wish()["title"]
    other = next(record for record in stand.session.runs.records if record.family == "denoiser")
    assert stand.session.catalogue.works_in(other) == "pixel space"
    stand.panel.runs.update_row(other.id)
    assert "pixel space" in stand.panel.runs._rows[other.id].line.text()


# --------------------------------------------------------------------------------------------- watching


async def test_the_running_run_is_shown_at_the_start(stand):
    await settle(lambda: stand.session.runs.current == stand.run("duel-03").id)
    await settle(lambda: stand.panel._view.loaded)
    assert stand.panel.pages.currentIndex() == 0
    assert "1,240 / 2,000" in described(stand.panel._view)


async def test_live_figures_reach_curve_cards_and_line(stand):
    await stand.choose("duel-03")
    await settle(lambda: "loss" in stand.panel.curves.curves.names())
    before = len(stand.panel.curves.curves._curves["loss"].steps)
    run = stand.run("duel-03").id
    stand.engine.tell(run, Metrics(1250, {"loss": 0.5, "validation": 0.25, "rate": 999.0}))
    stand.engine.tell(run, Mark(1250, "preview every 100"))
    await settle(lambda: stand.panel.cards.speed.figure.text() == "999")
    assert len(stand.panel.curves.curves._curves["loss"].steps) == before + 1
    assert stand.panel.cards.validation.figure.text() == "0.25"
    assert (1250, "preview every 100") in stand.panel.curves.curves.marks()


@pytest.mark.parametrize("width", [1000, 1024, 1440])
async def test_the_state_of_a_run_is_seen_whole_beside_or_below_the_tabs(stand, width):
    await stand.choose("duel-03")
    stand.panel.resize(width - 72, 640)  # what the rail leaves of such a window
    state, run = stand.panel.curves.state, stand.run("duel-03").id
    stand.engine.tell(run, State("paused", 1640))
    await settle(lambda: state.text().startswith("paused"))
    assert state.text() == "paused · 1,640 / 2,000" and not state.is_elided()
    places = set()
    stand.engine.tell(run, State("running", 1640))
    for step in (1641, 1700, 1999):
        stand.engine.tell(run, Metrics(step, {"loss": 0.1}))
        await settle(lambda step=step: f"{step:,}" in state.text())
        assert not state.is_elided()
        places.add(state.y())
    assert len(places) == 1, "it does not come and go with its figures"
    tabs = stand.panel.curves.tabs.geometry()
    assert not tabs.intersects(state.geometry()) and stand.run("duel-03").title in state.toolTip()


async def test_tabs_are_there_for_the_figures_that_are(stand):
    await stand.choose("duel-03")
    tabs = stand.panel.curves.tabs
    await settle(lambda: tabs.count() > 2)
    keys = [tabs.tabData(n) for n in range(tabs.count())]
    assert keys == ["loss", "levels", "grad", "lr", "rate", "measures"]
    stand.panel.curves.choose("levels")
    assert np.isfinite(stand.panel.curves.levels.heights()).sum() == 16
    stand.panel.curves.choose("grad")
    assert stand.panel.curves.curves.names() == ["grad/net"]
    stand.engine.tell(stand.run("duel-03").id, Metrics(1260, {"loss/critic": -0.5, "loss/maker": 1.0, "skipped": 0.0}))
    await settle(lambda: tabs.count() == 8)
    assert tabs.tabData(1) == "networks" and tabs.tabData(6) == "more"


def texts(widget):
    return [label.text() for label in widget.findChildren(QLabel)]


async def test_a_run_is_measured_with_the_chosen_features_which_are_remembered(stand):
    found = {"fd": 21.5, "fd_floor": 6.8, "sure": 0.9, "health_loss_trend": 0.0, "fd_clip": 3.25, "fd_floor_clip": 1.75}
    stand.engine.answers[Evaluate] = lambda request: found
    await stand.choose("denoiser-small")
    stand.panel.curves.choose("measures")
    measures = stand.panel.curves.measures
    measures.features._take("/models/clip")
    measures.button.click()
    await settle(lambda: measures.found)
    request = stand.asked(Evaluate)[0][1]
    assert (request.run, request.features) == (stand.run("denoiser-small").id, "/models/clip")
    assert stand.session.preferences.get("measure/features") == "/models/clip"
    assert RunMeasures(stand.session).folder() == "/models/clip"
    left, right = (measures.area.widget().layout().itemAt(place).widget() for place in (0, 1))
    assert texts(left) == ["own reader", "CLIP", "Frechet distance", "21.5", "3.25", "floor: real items", "6.8", "1.75"]
    assert texts(right) == ["Sure of a class", "0.9"] and "step 2,000" in measures.note.whole()
    assert not stand.session.jobs.activities and measures.button.isEnabled()


async def test_shares_stand_beside_those_of_real_items_and_doubts_are_said(stand):
    found = {"held_out": 20.0, "sure": 0.6, "sure_real": 0.8, "sure_ratio": 0.75, "precision": 0.5, "precision_real": 0.7,
             "precision_ratio": 0.71, "classifier_accuracy": 0.4, "temperature": 1.5}  # fmt: skip
    stand.engine.answers[Evaluate] = lambda request: found
    await stand.choose("denoiser-small")
    stand.panel.curves.choose("measures")
    measures = stand.panel.curves.measures
    assert not measures.warned.isVisible()
    measures.button.click()
    await settle(lambda: measures.found)
    left, right = (measures.area.widget().layout().itemAt(place).widget() for place in (0, 1))
    assert texts(left) == ["Precision", "0.5", "of real items", "0.7"]
    assert texts(right)[:3] == ["made", "real", "ratio"] and texts(right)[-8:-4] == ["Sure of a class", "0.6", "0.8", "0.75"]
    assert "Only 20 items are held out" in measures.warned.text() and "reads only 40 %" in measures.warned.text()


async def test_what_was_measured_before_is_shown_and_a_failure_stays_in_the_page(stand):
    run = stand.run("flow-points")
    kept = {"figures": {"w2": 0.2, "w2_floor": 0.17}, "step": 400, "count": 1000}
    storage.make_folder(stand.engine.library.layout.run(run.id).root)
    storage.write_json(stand.engine.library.layout.run(run.id).evaluation, kept)
    stand.session.preferences.set("measure/features", "/models/clip")
    await stand.choose("flow-points")
    stand.panel.curves.choose("measures")
    measures = stand.panel.curves.measures
    await settle(lambda: measures.found == kept["figures"])
    assert "step 400" in measures.note.whole() and not measures.features.isVisible()
    stand.engine.failures[Evaluate] = TroubleError("there is no room", advice="Free some")
    measures.button.click()
    await settle(lambda: measures.words.isVisible())
    assert stand.asked(Evaluate)[0][1].features == "", "points are not looked at by a vision model"
    assert "Free some" in measures.words.text() and measures.found == kept["figures"] and not stand.troubles
    assert measures.note.whole().endswith("step 400") and measures.button.isEnabled()


def test_series_belong_to_the_first_tab_that_claims_them():
    from nexus_studio.panels.train_curves import PLOTS

    names = ["loss", "loss/a", "validation", "grad/a", "lr", "rate", "kl"]
    shown = {plot.key: chosen(plot, names) for plot in PLOTS}
    assert shown["loss"] == ["loss", "validation"] and shown["networks"] == ["loss/a"] and shown["more"] == ["kl"]


def test_a_difference_is_taken_where_both_curves_are():
    steps = np.array([0.0, 10, 20, 30])
    x, y = difference(steps, np.array([5.0, 5, 5, 5]), (np.array([5.0, 25]), np.array([1.0, 3])))
    assert x.tolist() == [10, 20] and y == pytest.approx([3.5, 2.5])


async def test_runs_are_laid_over_and_subtracted(stand):
    await stand.choose("denoiser-small")
    other = stand.run("flow-points").id
    stand.panel.runs._rows[other].box.click()
    await settle(lambda: f"{other}/loss" in stand.panel.curves.curves.names())
    assert stand.panel.curves.subtract.isVisible() and "loss" in stand.panel.curves.curves.names()
    stand.panel.curves.subtract.click()
    assert stand.panel.curves.curves.names() == [f"{other}/loss"]
    stand.panel.runs.compare([])
    assert not stand.panel.curves.subtract.isVisible()


async def test_what_sets_runs_apart_is_told_where_they_are_laid_over_one_another(stand):
    await stand.choose("denoiser-small")
    curves, own = stand.panel.curves, stand.run("denoiser-small")
    assert not curves.apart.isVisible()
    faster = msgspec.structs.replace(
        own,
        id="faster",
        title="Faster",
        training=own.training | {"learning_rate": 2e-3},
        data=own.data | {"conditions": "text"},
    )
    same = msgspec.structs.replace(own, id="same", title="The same")
    rows = dict(apart(stand.session, [own, faster]))
    assert (
        set(rows) == {"Learning rate", "Conditions"} and rows["Learning rate"][1] == "0.002" and rows["Conditions"][1] == "text"
    )
    line, whole = told_apart(stand.session, [own, faster])
    assert line.startswith("Differ in: ") and f"Learning rate {rows['Learning rate'][0]} | 0.002" in line
    assert whole.splitlines()[0] == "denoiser-small | Faster" and len(whole.splitlines()) == 3
    assert told_apart(stand.session, [own, same])[0] == "Same settings, same data"
    other = stand.run("flow-points")
    stand.panel.runs.compare([other.id])
    assert curves.apart.isVisible() and curves.apart.text() == told_apart(stand.session, [own, other])[0]
    assert "Model" in curves.apart.text() and curves.apart.toolTip()
    curves.subtract.click()
    await settle(lambda: [chip.text() for chip in curves.curves._chips.values()] == ["flow-points minus denoiser-small"])
    stand.panel.runs.compare([])
    assert not curves.apart.isVisible()


async def test_the_settings_of_a_run_are_read_from_its_menu(stand):
    run = stand.run("duel-03")
    menu = menu_of(stand, "duel-03")
    next(action for action in menu.actions() if action.text() == "Settings of this run…").trigger()
    dialog = stand.panel.runs.findChild(RunSettings)
    assert dialog.isVisible() and dialog.windowTitle() == "Settings of duel-03"
    facts = dict(dialog.facts)
    assert (
        facts["Data set"] == stand.session.title_of(run.dataset)
        and float(facts["Learning rate"]) == run.training["learning_rate"]
    )
    texts = {label.text() for label in dialog.findChildren(QLabel)}
    assert {*facts, *facts.values()} <= texts
    assert not dialog.findChildren(QLineEdit), "they are there to be read"
    dialog.reject()
    menu.close()


async def test_losses_of_different_kinds_are_said_to_be_so_and_not_subtracted(stand):
    await stand.choose("denoiser-small")
    curves, flow, duel = stand.panel.curves, stand.run("flow-points").id, stand.run("duel-03").id
    stand.panel.runs.compare([flow])
    assert curves.subtract.isEnabled() and not curves.unlike.isVisible(), "both predict noise"
    curves.subtract.click()
    stand.panel.runs.compare([flow, duel])
    words = "The losses of “denoiser-small” and “duel-03” are of different kinds: their heights cannot be compared"
    assert curves.unlike.isVisible() and curves.unlike.text() == curves.subtract.toolTip() == words
    assert not curves.subtract.isEnabled() and not curves.subtract.isChecked()
    assert curves.subtract.palette().buttonText().color().name() == theme.token("text3"), "it looks switched off"
    await settle(lambda: {"loss", f"{flow}/loss", f"{duel}/loss"} <= set(curves.curves.names()))
    curves.choose("lr")
    assert curves.plot.key == "lr" and curves.subtract.isEnabled() and not curves.unlike.isVisible(), "rates have one scale"
    curves.choose("loss")
    stand.panel.runs.compare([flow])
    assert curves.subtract.isEnabled() and not curves.unlike.isVisible()
    assert curves.subtract.toolTip() == "Show the compared runs minus the chosen one"


async def test_every_loss_of_another_kind_is_named(stand):
    await stand.choose("denoiser-small")
    stand.panel.runs.compare([stand.run(title).id for title in ("duel-03", "coder-small")])
    await settle(lambda: stand.panel.curves.unlike.isVisible())
    words = stand.panel.curves.unlike.text()
    assert words.startswith("The losses of “denoiser-small”, “") and "duel-03" in words and "coder-small" in words


async def test_the_kind_of_a_loss_is_what_is_predicted_or_the_family(stand):
    record = stand.run("duel-03")
    families = {family.key: family for family in scripted_families()}
    kinds = [
        loss_kind(msgspec.structs.replace(record, family=key, config=config), families.get(key))
        for key, config in (("denoiser", {}), ("flow", {"prediction": "epsilon"}), ("flow", {"prediction": "v"}), ("duel", {}),
                            ("coder", {}), ("gone", {}))
    ]  # fmt: skip
    assert kinds[0] == kinds[1] and all(kinds.index(kind) == place for place, kind in enumerate(kinds) if place != 1)


def click(stand, title, button=Qt.MouseButton.LeftButton, keys=Qt.KeyboardModifier.NoModifier):
    """Click the title of a run in the list."""
    runs = stand.panel.runs
    runs.list.scrollToItem(runs._items[stand.run(title).id])
    label = runs._rows[stand.run(title).id].title
    QTest.mouseClick(label, button, keys, label.rect().center())
    return runs.list.viewport().mapFromGlobal(label.mapToGlobal(label.rect().center()))


def menu_of(stand, title):
    """Right-click a run: its menu."""
    stand.panel.runs._open_menu(click(stand, title, Qt.MouseButton.RightButton))
    return stand.panel.runs.findChildren(QMenu)[-1]


async def test_a_run_is_compared_by_its_menu(stand):
    await stand.choose("duel-03")
    other, told = stand.run("coder-small").id, []
    stand.panel.runs.compared.connect(told.append)
    for words, over in (("Compare with the selected run", [other]), ("Stop comparing", [])):
        menu = menu_of(stand, "coder-small")
        assert stand.session.runs.current == stand.run("duel-03").id, "a right click leaves the selection"
        action = menu.actions()[0]
        assert action.text() == words and action.isEnabled()
        action.trigger()
        assert told.pop() == over
        menu.close()
        await settle()
    own = menu_of(stand, "duel-03").actions()[0]
    assert own.text() == "Compare with the selected run" and not own.isEnabled()
    assert own.toolTip() == "This is the selected run: compare another run with it"


async def test_the_page_of_another_run_is_shown_when_the_chosen_one_is_deleted(stand, monkeypatch):
    await stand.choose("coder-small")
    gone = stand.session.runs.current
    left = [record for record in stand.session.runs.records if record.id != gone]
    monkeypatch.setattr(stand.bridge.library, "runs", lambda: left)
    await stand.session.runs.load()
    assert stand.session.runs.current not in ("", gone) and stand.session.runs.current_view is not None
    assert stand.panel.pages.currentIndex() == 0


async def test_the_model_of_a_run_is_exported_from_its_menu(stand, tmp_path):
    run = stand.run("duel-03")
    menu = menu_of(stand, "duel-03")
    export = next(action for action in menu.actions() if action.text() == "Export the model…")
    assert export.isEnabled() and "safetensors" in export.toolTip()
    export.trigger()
    menu.close()
    dialog = stand.panel.runs.findChild(QFileDialog)
    assert dialog.nameFilters() == [f"{form} (*.{form})" for form in WEIGHTS] and dialog.defaultSuffix() in WEIGHTS
    path, said = str(tmp_path / "duel.safetensors"), []
    stand.bridge.proposed.connect(lambda text, _ways: said.append(text))
    dialog.fileSelected.emit(path)
    dialog.close()
    await settle(lambda: said)
    (request,) = [one for kind, *rest in stand.engine.calls for one in rest if isinstance(one, Export)]
    assert (request.source, request.path, request.format, request.what) == (run.id, path, "safetensors", "weights")
    assert said == [f"Exported {path}"]
    fresh = next(r for r in stand.session.runs.records if stand.session.runs.states[r.id].step == 0)
    locked = next(action for action in menu_of(stand, fresh.title).actions() if action.text() == "Export the model…")
    assert not locked.isEnabled() and locked.toolTip() == "The run has learned nothing yet"


async def test_ctrl_click_compares_a_run_and_keeps_the_selection(stand):
    await stand.choose("duel-03")
    other, own = stand.run("coder-small").id, stand.run("duel-03").id
    rows = stand.panel.runs._rows
    for compared in (True, False):
        click(stand, "coder-small", keys=Qt.KeyboardModifier.ControlModifier)
        assert rows[other].box.isChecked() == compared and stand.session.runs.current == own
    click(stand, "duel-03", keys=Qt.KeyboardModifier.ControlModifier)
    assert not rows[own].box.isChecked() and stand.panel.runs.list.currentItem().isSelected()
    click(stand, "coder-small")
    assert stand.session.runs.current == other


async def test_the_button_of_a_comparison_says_what_it_does(stand):
    await stand.choose("duel-03")
    own, other = (stand.panel.runs._rows[stand.run(title).id].box for title in ("duel-03", "coder-small"))
    assert not own.isEnabled() and own.toolTip() == "This is the selected run: compare another run with it"
    assert other.toolTip().startswith("Compare with the selected run")
    other.click()
    assert other.toolTip().startswith("Stop comparing")
    await stand.choose("coder-small")
    assert own.isEnabled() and own.toolTip().startswith("Compare with the selected run") and not other.isEnabled()


async def test_the_rows_of_runs_tell_state_in_words_and_shape(stand):
    rows = stand.panel.runs._rows
    finished, running = stand.run("coder-small").id, stand.run("duel-03").id
    await settle(lambda: "finished" in rows[finished].line.whole() and "running" in rows[running].line.whole())
    assert rows[finished].shape.text() != rows[running].shape.text()
    stand.engine.tell(running, State("paused", 1240))
    await settle(lambda: "paused" in rows[running].line.whole())


# ------------------------------------------------------------------------------------------------- health


def line(level, text, remedy=None):
    return HealthLine("balance", level, text, remedy)


async def test_the_worst_line_stands_on_the_card_with_its_remedy(themed_card):
    halve = Remedy("Halve the rate", training={"learning_rate": 1e-4}, live=True)
    themed_card.show_health(Health(5, [line("ok", "fine"), line("bad", "collapsed", halve), line("warn", "flat")]))
    assert themed_card.worst.text == "collapsed" and "trouble" in themed_card.verdict.text()
    told = []
    themed_card.applied.connect(told.append)
    themed_card.remedy.click()
    assert told == [halve]
    popup = themed_card.open()
    assert popup.isVisible()
    popup.close()


async def test_every_monitor_is_told_inside_the_window(qapp, qtbot):
    theme.apply(qapp, "dark")
    window, card = QWidget(), HealthCard()
    qtbot.addWidget(window)
    card.setParent(window)
    window.resize(900, 420)
    card.setGeometry(620, 300, 260, 110)
    window.show()
    card.show_health(Health(5, [line("warn", "the loss has been flat for a long time " * 3) for _ in range(9)]))
    popup = card.open()
    inside = QRect(window.mapFromGlobal(popup.pos()), popup.size())
    assert popup.isVisible() and window.rect().contains(inside), inside
    popup.close()


@pytest.fixture
def themed_card(qapp, qtbot):
    theme.apply(qapp, "dark")
    card = HealthCard()
    qtbot.addWidget(card)
    card.show()
    return card


async def test_a_live_remedy_is_one_click_on_the_running_run(stand):
    await stand.choose("duel-03")
    await settle(lambda: stand.panel.cards.health.remedy.isVisible())
    stand.panel.cards.health.remedy.click()
    await settle(lambda: stand.asked("set_live"))
    assert stand.asked("set_live")[0][1:] == (stand.run("duel-03").id, {"learning_rate": 1e-4})


async def test_a_live_remedy_of_a_run_that_has_ended_queues_a_changed_one(stand):
    run = stand.run("coder-small")
    stand.panel.actions_of_runs.apply(run.id, Remedy("Halve the rate", training={"learning_rate": 1e-4}, live=True))
    await settle(lambda: stand.asked("submit"))
    assert not stand.asked("set_live") and stand.asked("create_run")[0][5]["learning_rate"] == 1e-4


async def test_another_remedy_queues_a_changed_run(stand):
    run = stand.run("duel-03")
    stand.panel.actions_of_runs.apply(run.id, Remedy("Smooth labels", config={"smoothing": 0.1}, training={"steps": 50}))
    await settle(lambda: stand.asked("submit"))
    _, family, dataset, _, config, training, _, _ = stand.asked("create_run")[0]
    assert (family, dataset) == (run.family, run.dataset)
    assert config["smoothing"] == 0.1 and training["steps"] == 50 and training["batch_size"] == run.training["batch_size"]


# ----------------------------------------------------------------------------------------------- samples


async def test_previews_fill_the_grid_by_step_and_item(stand):
    await stand.choose("duel-03")
    samples = stand.panel.samples
    await settle(lambda: samples.grid.count() == 36)
    await settle(lambda: samples.grid.image(0) is not None)
    samples.grid.setFocus()
    samples.grid.set_current(0)
    assert samples.place(0) == (400, 0)
    seen = []
    samples.pointed.connect(lambda step, item: seen.append((step, item)))
    from PySide6.QtTest import QTest

    QTest.keyClick(samples.grid, Qt.Key.Key_Down)
    QTest.keyClick(samples.grid, Qt.Key.Key_Right)
    assert seen == [(800, 0), (800, 1)]
    QTest.keyClick(samples.grid, Qt.Key.Key_Return)
    assert samples.large.isVisible() and samples.large.caption == "step 800 · item 2"


async def test_points_stand_as_one_density_a_step(stand):
    await stand.choose("flow-points")
    samples = stand.panel.samples
    await settle(lambda: samples.together and samples.grid.count() == 5)
    assert samples.place(2) == (1200, -1)


async def test_a_new_preview_arrives_in_the_grid(stand):
    await stand.choose("duel-03")
    run = stand.run("duel-03")
    folder = stand.engine.library.folders[run.id]
    folder.layout.previews.mkdir(parents=True, exist_ok=True)
    np.savez(folder.layout.preview(1300), items=np.full((12, 16, 16, 3), 250, np.uint8))
    stand.engine.tell(run.id, Preview(1300, "previews/step-000001300.npz", 12))
    await settle(lambda: stand.panel.samples.grid.count() == 48)
    await settle(lambda: stand.panel.samples.grid.image(47) is not None)
    assert stand.panel.samples.grid.image(47).pixelColor(3, 3).red() == 250


async def test_a_broken_preview_is_one_notice_and_the_window_lives(stand):
    await stand.choose("duel-03")
    run = stand.run("duel-03")
    path = stand.engine.library.folders[run.id].layout.preview(1400)
    path.write_bytes(b"not an archive")
    stand.engine.tell(run.id, Preview(1400, f"previews/{path.name}", 12))
    await settle(lambda: stand.panel.samples.grid.count() == 48)
    stand.panel.samples.grid.image(47)
    await settle(lambda: stand.troubles)
    assert stand.troubles[0].item == path.name and "cannot be read" in stand.troubles[0].what


def test_reading_a_preview_never_unpickles(tmp_path):
    path = tmp_path / "step.npz"
    np.savez(path, items=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TroubleError, match=r"step\.npz"):
        read_preview(path)


# -------------------------------------------------------------------------------------------- steering


async def test_pause_resume_stop_and_live_changes_reach_the_engine(stand):
    await stand.choose("duel-03")
    run, controls = stand.run("duel-03").id, stand.panel.controls
    await settle(lambda: controls.pause.isEnabled() and controls.pause.text() == "Pause")
    controls.pause.click()
    await settle(lambda: stand.asked("pause") and controls.pause.text() == "Resume")
    controls.pause.click()
    await settle(lambda: stand.asked("resume") and controls.pause.text() == "Pause")
    controls.change.click()
    form = controls.live.form
    form.set_values(form.values() | {"learning_rate": 5e-5})
    form.changed.emit()
    controls.live.button.click()
    await settle(lambda: stand.asked("set_live"))
    assert stand.asked("set_live")[0][1:] == (run, {"learning_rate": 5e-5})
    controls.stop_asked.emit(False)
    await settle(lambda: stand.asked("stop"))
    assert stand.asked("stop")[0][1:] == (run, False) and not controls.change.isEnabled()


async def test_the_filter_of_models_goes_on_into_the_list_and_takes_the_best_at_return(stand):
    models, catalogue = stand.panel.models, stand.session.catalogue
    catalogue.set_current("scripted-none")
    models.filter.setText("critic")
    wanted = models.model.rows[0].key
    assert catalogue.current != wanted
    models.filter.setFocus()
    QTest.keyClick(models.filter, Qt.Key.Key_Return)
    assert catalogue.current == wanted
    catalogue.set_current("scripted-none")
    models.list.setCurrentIndex(QModelIndex())
    QTest.keyClick(models.filter, Qt.Key.Key_Down)
    assert catalogue.current == wanted and stand.panel.window().focusWidget() is models.list
    models.filter.clear()


async def test_the_model_of_settings_that_are_used_again_is_selected_though_a_filter_hid_it(stand):
    models = stand.panel.models
    stand.session.catalogue.set_current("flow")
    models.filter.setText("flow")
    assert models.model.row_of("denoiser") < 0
    stand.panel.use_settings(stand.run("denoiser-small").id)
    assert models.filter.text() == ""
    assert models.list.currentIndex().row() == models.model.row_of("denoiser") >= 0
    assert stand.session.catalogue.current == "denoiser"


async def test_a_run_that_never_began_and_waits_for_nothing_is_not_started_and_can_be(stand):
    run = stand.engine.library.add_run("denoiser", stand.session.datasets.current, title="left over").id
    await stand.session.runs.load()
    await stand.choose("left over")
    controls, line = stand.panel.controls, stand.panel.curves.state
    await settle(lambda: line.whole().startswith("not started · 0 / "))
    await settle(lambda: stand.panel.runs._rows[run].line.whole().startswith("not started"))
    assert controls.pause.isEnabled() and controls.pause.text() == "Start" and not controls.stop.isVisible()
    controls.pause.click()
    await settle(lambda: stand.asked("resume"))
    assert stand.asked("resume")[0][1:] == (run,)
    await settle(lambda: line.whole().startswith("running"))


async def test_a_resumed_run_that_has_to_wait_says_so_at_once(stand):
    run = stand.engine.library.add_run("denoiser", stand.session.datasets.current, title="ended early").id
    stand.engine.library.train(run, 800, "stopped")
    await stand.session.runs.load()
    await stand.choose("ended early")
    controls, line, row = stand.panel.controls, stand.panel.curves.state, stand.panel.runs._rows[run].line
    await settle(lambda: line.whole().startswith("stopped") and controls.pause.isEnabled())

    async def resume(which):
        job = JobRecord("job-again", "train", "ended early", which, 0.0, -1.0, state="queued")
        stand.engine._jobs.insert(0, job)

    stand.engine.resume = resume
    controls.pause.click()
    await settle(lambda: line.whole().startswith("queued (1st in the queue) · ") and row.whole().startswith("queued"))
    assert controls.pause.isVisible() and not controls.pause.isEnabled() and controls.pause.text() == "Resume"
    assert controls.pause.toolTip() == "The run waits in the queue already: it is the 1st"
    assert controls.stop.isVisible() and not controls.further.isEnabled()
    stand.engine._jobs.pop(0)
    stand.session.jobs.refresh()
    await settle(lambda: line.whole().startswith("stopped") and controls.pause.isEnabled())


async def test_an_interrupted_run_says_from_where_it_goes_on(stand):
    run = stand.engine.library.add_run("denoiser", stand.session.datasets.current, title="killed")
    folder = stand.engine.library.folders[run.id]
    for body in (State("running", 0), Saved(50, "checkpoints/step-50"), Metrics(129, {"loss": 0.5}), State("interrupted", 129)):
        folder.append(body)
    await stand.session.runs.load()
    await stand.choose("killed")
    line = stand.panel.curves.state
    await settle(lambda: "129" in line.whole())
    assert line.whole().startswith("interrupted · 129 / ")
    assert line.whole().endswith(" · it goes on from the checkpoint at step 50; 79 steps are done again")
    stand.engine.tell(run.id, Saved(129, "checkpoints/step-129"))
    await settle(lambda: "goes on" not in line.whole())


async def test_a_pause_is_acknowledged_before_the_step_is_over(stand):
    await stand.choose("duel-03")
    run, controls, line = stand.run("duel-03").id, stand.panel.controls, stand.panel.curves.state
    await settle(lambda: controls.pause.isEnabled() and controls.pause.text() == "Pause")
    asked = []

    async def pause(which):
        asked.append(which)

    stand.engine.pause = pause
    controls.pause.click()
    assert line.whole().startswith("pausing after this step · 1,240 / 2,000")
    assert controls.pause.toolTip() == "It pauses after this step; go on without a pause"
    assert controls.stop.isVisible() and controls.stop.isEnabled()
    await settle(lambda: asked == [run] and "pausing" in stand.panel.runs._rows[run].line.whole())
    stand.engine.tell(run, State("paused", 1240))
    await settle(lambda: line.whole().startswith("paused") and controls.pause.isEnabled())
    assert controls.pause.text() == "Resume" and controls.pause.toolTip() == ""


async def test_a_pause_is_withdrawn_before_the_step_is_over(stand):
    await stand.choose("duel-03")
    run, controls, line = stand.run("duel-03").id, stand.panel.controls, stand.panel.curves.state
    await settle(lambda: controls.pause.isEnabled() and controls.pause.text() == "Pause")
    asked = []

    async def pause(which):
        asked.append(("pause", which))

    async def resume(which):
        asked.append(("resume", which))
        if len(asked) > 2:
            raise TroubleError("the worker does not answer", which)

    stand.engine.pause, stand.engine.resume = pause, resume
    controls.pause.click()
    assert controls.pause.text() == "Go on" and controls.pause.isEnabled()
    controls.pause.click()
    assert line.whole().startswith("running") and controls.pause.text() == "Pause" and controls.pause.toolTip() == ""
    await settle(lambda: asked == [("pause", run), ("resume", run)])
    controls.pause.click()
    controls.pause.click()
    await settle(lambda: stand.troubles and len(asked) == 4)
    assert controls.pause.text() == "Go on", "what could not be withdrawn still stands"


async def test_a_pause_that_fails_is_taken_back(stand):
    await stand.choose("duel-03")
    controls, line = stand.panel.controls, stand.panel.curves.state
    await settle(lambda: controls.pause.isEnabled() and controls.pause.text() == "Pause")

    async def pause(which):
        raise TroubleError("the run is not in training any more", which)

    stand.engine.pause = pause
    controls.pause.click()
    await settle(lambda: stand.troubles and line.whole().startswith("running") and controls.pause.isEnabled())


async def test_sampling_now_adds_a_row(stand):
    await stand.choose("duel-03")
    await settle(stand.panel.controls.sample.isEnabled)
    await settle(lambda: stand.panel._view.loaded and stand.panel.samples.known() == len(stand.panel._view.previews))
    rows = len(stand.panel.samples._rows)
    stand.panel.controls.sample.click()
    await settle(lambda: len(stand.panel.samples._rows) == rows + 1)
    request = stand.asked(Sample)[0][1]
    assert request.run == stand.run("duel-03").id
    await settle(lambda: stand.panel.samples._rows[-1][0] == "1,240")
    assert stand.panel.samples._rows[-1][1] == 1240, "it is told by its step, as the rows beside it"


async def test_samples_made_on_demand_are_there_again_after_another_run_was_looked_at(stand):
    await stand.choose("duel-03")
    rows, samples = lambda: [row[0] for row in stand.panel.samples._rows], stand.panel.samples
    made = lambda: [n for n, row in enumerate(samples._rows) if isinstance(row[2], SampleRecord)]  # noqa: E731
    stand.panel.sample_now()
    await stand.choose("coder-small")  # they arrive while another run is looked at
    await settle(lambda: stand.asked(Sample) and not stand.session.jobs.activities)
    assert not made() and "coming" not in rows(), "they are another run's"
    await stand.choose("duel-03")
    await settle(lambda: len(made()) == 1 and "coming" not in rows())
    (at,) = made()
    await settle(lambda: samples._picture(at, 0) is not None)


async def test_samples_made_on_demand_are_there_again_in_another_window_at_their_step(stand, tmp_path):
    await stand.choose("duel-03")
    run, library = stand.run("duel-03"), stand.engine.library
    stand.panel.sample_now()
    await settle(lambda: library.samples()[0].preview and not stand.session.jobs.activities)
    kept = library.samples()[0]
    library.add_sample(Sample(run.id, 3), run, np.zeros((3, 16, 16, 3), np.uint8))  # made in Sample: none of its previews
    stand.engine.tell(run.id, Metrics(1300, {"loss": 0.1}))
    bridge = Bridge(None, asyncio.get_running_loop())
    session = Session(bridge, Preferences(tmp_path / "another.json"))
    panel = TrainPanel(session)
    panel.show()
    bridge.attach(stand.engine)
    await settle(lambda: session.is_ready)
    session.runs.set_current(run.id)
    made = lambda: [(at, step) for at, step, source in panel.samples._rows if source == kept]  # noqa: E731
    await settle(made)
    assert made() == [(figures.short(1240), 1240)] and len([row for row in panel.samples._rows if row[1] == 1240]) == 1
    place = panel.samples._rows.index((figures.short(1240), 1240, kept))
    await settle(lambda: panel.samples._picture(place, 11) is not None)
    assert len(panel.samples._rows) == panel.samples.known() + 1
    panel.close()
    await bridge.close()
    session.preferences.close()
    shiboken6.delete(panel)
    shiboken6.delete(session)


async def test_a_failed_measurement_is_said_of_its_own_run_alone(stand):
    await stand.choose("duel-03")
    measures = stand.panel.curves.measures
    await settle(measures.button.isEnabled)
    stand.engine.failures[Evaluate] = TroubleError("no memory for this", "duel-03")
    measures.measure()
    stand.session.runs.set_current(stand.run("coder-small").id)
    await settle(lambda: stand.session.verdicts.records)
    assert "no memory" not in measures.words.text()


async def test_a_proof_of_resuming_is_told(stand):
    await stand.choose("coder-small")
    stand.engine.answers[ProveResume] = lambda request: {"identical": True, "steps": 20}
    await settle(stand.panel.controls.prove.isEnabled)
    stand.panel.controls.prove.click()
    told = stand.session.verdicts
    await settle(lambda: told.of("proof"))
    said = told.of("proof")[0].trouble.what  # it stays with the run, until it is dismissed
    assert said == "Resuming is exact: 20 steps were replayed, and all are equal bit by bit"
    await settle(lambda: stand.panel.troubles.verdicts.isVisible())
    apart = ["net.safetensors: a", "net.safetensors: b", "ema: c", "ema: d"]
    answer = {"identical": False, "steps": 1, "tensors": 90, "differences": apart}
    stand.engine.answers[ProveResume] = lambda request: answer
    stand.panel.controls.prove.click()
    await settle(lambda: stand.troubles)
    assert stand.troubles[-1].what.startswith("Resuming is not exact: 1 step was replayed, 90 tensors were compared; different")
    assert stand.troubles[-1].what.endswith("ema: c and 1 more") and not told.of("proof")[0].good


async def test_a_run_that_has_to_wait_says_in_which_place(stand):
    await stand.choose("coder-small")
    stand.panel.setup.take_run(stand.run("coder-small").id)
    stand.panel.start(front=False)
    await settle(lambda: any("waits" in text for text in stand.notices))
    assert "3 of 3rd" not in stand.notices[-1] and "3rd of 3 in the queue. “duel-03” is in training." in stand.notices[-1]


async def test_a_run_behind_a_paused_one_says_so_and_offers_what_lets_it_go_on(stand):
    await stand.choose("duel-03")
    active = stand.session.jobs.active.run
    await stand.session.jobs.ask("pause", active)
    await settle(lambda: stand.session.is_held(stand.session.jobs.active))
    offered = []
    stand.bridge.proposed.connect(lambda text, ways: offered.append((text, ways)))
    stand.panel.setup.take_run(stand.run("coder-small").id)
    stand.panel.start(front=False)
    await settle(lambda: offered)
    text, ways = offered[0]
    assert "“duel-03” is paused and keeps its place." in text and "in training" not in text
    assert [way.words for way in ways] == ["Resume the paused run", "Stop the paused run"]
    for way, verb in zip(ways, ("resume", "stop")):
        way.act()
        await settle(lambda verb=verb: stand.asked(verb))
        assert stand.asked(verb)[0][1] == active


async def test_samples_that_are_asked_for_are_seen_coming_at_once(stand):
    await stand.choose("duel-03")
    seen = []
    actions = stand.panel.actions_of_runs
    actions.coming.connect(lambda run, step: seen.append((step, [row[0] for row in stand.panel.samples._rows][-1])))
    told, jobs = [], stand.session.jobs
    jobs.activities_changed.connect(lambda: told.extend(one.progress.what for one in jobs.activities if one.progress))
    stand.panel.sample_now()
    await settle(lambda: seen)
    assert seen == [(1240, "coming")]
    await settle(lambda: told)
    assert told[0] == "waiting for the training step to end"
    await settle(lambda: "1,240" in [row[0] for row in stand.panel.samples._rows])
    assert "coming" not in [row[0] for row in stand.panel.samples._rows] and not stand.session.jobs.activities


async def test_samples_of_a_run_in_training_are_told_at_the_step_that_they_were_made_at(stand):
    await stand.choose("duel-03")
    run, whole = stand.run("duel-03").id, stand.engine.call

    async def later(request, tell=None):
        stand.engine.tell(run, Metrics(1300, {"loss": 0.1}))  # training goes on until the worker answers
        return await whole(request, tell)

    stand.engine.call = later
    stand.panel.sample_now()
    made = lambda: [row[2] for row in stand.panel.samples._rows if isinstance(row[2], SampleRecord)]  # noqa: E731
    await settle(made)
    assert [one.step for one in made()] == [1300] and "step" not in made()[0].title


async def test_renaming_a_run_can_be_undone(stand):
    run = stand.run("coder-small").id
    stand.panel.runs.rename(run, "my coder")
    await settle(lambda: stand.session.runs.get(run).title == "my coder")
    stand.session.undo.undo()
    await settle(lambda: stand.session.runs.get(run).title == "coder-small")


async def test_a_run_in_training_is_not_deleted(stand):
    await stand.choose("duel-03")
    stand.panel.actions_of_runs.delete(stand.run("duel-03").id)
    await settle(lambda: stand.troubles)
    assert "in training" in stand.troubles[0].what


# ----------------------------------------------------------------------------------- empty, commands, pace


async def test_an_empty_library_offers_the_first_thing(bare):
    assert bare.panel.pages.currentIndex() == 1
    bare.panel.empty.button.click()
    await settle(lambda: bare.session.datasets.current)
    assert bare.asked("make_builtin")[0][1] == "digits"
    await settle(lambda: bare.panel.empty.button.text() == "Start training")
    bare.panel.empty.button.click()
    await settle(lambda: bare.asked("submit"))
    await settle(lambda: bare.panel.pages.currentIndex() == 0)


async def test_commands_know_when_they_make_sense(stand):
    await stand.choose("coder-small")
    commands = {command.key: command for command in stand.panel.commands()}
    assert not commands["run.stop"].enabled() and commands["run.start"].enabled()
    await stand.choose("duel-03")
    assert commands["run.stop"].enabled()
    commands["run.again"].run()
    assert stand.session.catalogue.current == "duel"


async def test_every_control_has_an_accessible_name(stand):
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSlider

    for kind in (QAbstractButton, QComboBox, QLineEdit, QSlider):
        for widget in stand.panel.findChildren(kind):
            named = widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text()) or widget.toolTip()
            inner = widget.objectName().startswith("qt_") or isinstance(widget.parent(), (QComboBox,))
            assert named or inner or widget.parent().accessibleName(), (type(widget), widget.parent())


async def test_a_burst_of_figures_is_repainted_at_most_ten_times_a_second(stand):
    await stand.choose("duel-03")
    await settle(stand.panel.curves.curves.is_drawn)
    refreshed = []
    stand.panel._view.changed.connect(lambda: refreshed.append(time.perf_counter()))
    run = stand.run("duel-03").id
    for step in range(1300, 1800):
        stand.engine.tell(run, Metrics(step, {"loss": 0.1}))
    start = time.process_time()
    await settle(lambda: stand.panel._view.last("loss") == 0.1 and len(refreshed) >= 1)
    assert len(refreshed) <= 3 and time.process_time() - start < 0.5


# --------------------------------------------------------------------------------- the data as Data shows them


async def test_how_pictures_are_seen_is_one_setting_of_the_data_set(stand):
    """What Data shows is what a run gets, whichever of the two panels it was set in; another data set keeps its own."""
    from nexus_studio.panels.data_preview import ModelView

    session, setup = stand.session, stand.panel.setup
    view, prints = ModelView(session), session.datasets.current_record
    view.show_dataset(prints)
    other = stand.engine.library.add_pictures("Photos", ["/photos"], count=30, size=64)
    await session.datasets.load()
    view.form.set_values(view.form.values() | {"resolution": 24, "flip": True})
    view.form.changed.emit()
    assert setup.wish()["data"]["resolution"] == 24 and setup.wish()["data"]["flip"]
    assert "24 × 24 px" in setup.shown.text()
    setup.data.fold(False)
    setup.data.form.set_values(setup.data.form.values() | {"resolution": 40})
    setup.data.form.changed.emit()
    assert view.form.values()["resolution"] == 40
    session.datasets.set_current(other.id)
    assert setup.wish()["data"]["resolution"] == 64 and not setup.wish()["data"]["flip"]
    session.datasets.set_current(prints.id)
    assert setup.wish()["data"]["resolution"] == 40
    await settle(lambda: session.datasets.get(prints.id).settings == {"resolution": 40, "flip": True})
    session.undo.undo()
    await settle(lambda: setup.wish()["data"]["resolution"] == 16 and view.form.values()["resolution"] == 16)
    view.deleteLater()


async def test_a_run_s_picture_settings_are_shown_in_data_once_they_are_taken(stand):
    run, session = stand.run("denoiser-small"), stand.session
    run.data["resolution"] = 48
    stand.panel.setup.take_run(run.id)
    assert stand.panel.setup.wish()["data"]["resolution"] == 48
    await settle(lambda: session.datasets.get(run.dataset).settings == {"resolution": 48})


async def test_what_has_no_caption_is_said_with_ways_out(stand):
    from models_backend.contract.family import Condition
    from nexus_studio.panels.data_gaps import CaptionGap

    session = stand.session
    datasets, dataset = session.datasets, session.datasets.current
    gap, text = CaptionGap(session, for_training=True), (Condition("text", 0.1), Condition("class", 0.1))
    datasets.edit(session.undo, dataset, "Clear", captions={0: "", 1: " "})
    await settle(lambda: dataset in datasets.reports and datasets.reports[dataset].captioned == 238)
    gap.show_dataset(datasets.current_record, text)
    assert gap.said.text() == "2 of 240 items have no caption. They are learned without words."
    assert (gap.leave_out.isHidden(), gap.instead.isHidden(), gap.look.isHidden()) == (False, False, True)
    assert gap.instead.text() == "Learn classes instead"
    gap.instead.click()
    assert stand.panel.setup.wish()["data"]["conditions"] == "classes"
    gap.show_dataset(datasets.current_record, text)
    assert gap.isHidden(), "captions are not learned any more"
    await settle(lambda: datasets.get(dataset).settings == {"conditions": "classes"})
    session.undo.undo()
    await settle(lambda: datasets.get(dataset).settings == {})
    gap.show_dataset(datasets.current_record, text)
    gap.leave_out.click()
    await settle(lambda: datasets.current_record.kept == 238)
    await settle(lambda: datasets.reports[dataset].left_out == 2)
    gap.show_dataset(datasets.current_record, text)
    assert gap.isHidden() and not stand.panel.setup.problems()
    gap.deleteLater()


async def test_a_run_whose_data_were_edited_says_so_and_can_be_begun_anew(stand):
    await stand.choose("denoiser-small")
    edited, session = stand.panel.edited, stand.session
    await settle()
    assert edited.isHidden()
    session.datasets.edit(
        session.undo, stand.run("denoiser-small").dataset, "Edit", captions={0: "x"}, left_out={1: True, 2: True}
    )
    await settle(lambda: not edited.isHidden())
    said = "Since this run was made: 1 caption changed, 2 items left out. This run goes on with what it knew."
    assert edited.said.text() == said
    edited.anew.click()
    await settle(lambda: stand.asked("begin_anew") and stand.asked("submit"))
    await settle(lambda: session.runs.get(session.runs.current).title == "denoiser-small · anew")
    assert not any("Pictures are shown" in text for text in stand.notices), "as the data set says"
    await stand.choose("denoiser-small")
    session.undo.undo()
    await settle(lambda: edited.isHidden())


async def test_a_run_begun_anew_says_which_picture_settings_it_keeps(stand):
    run, session = stand.run("denoiser-small"), stand.session
    shown = session.datasets.settings(run.dataset) | {"resolution": 48, "flip": True}
    session.datasets.set_settings(session.undo, run.dataset, shown)
    session.datasets.keep_settings()
    await settle(lambda: session.datasets.get(run.dataset).settings)
    run.data["flip"] = False
    stand.panel.actions_of_runs.begin_anew(run.id)
    await settle(lambda: stand.asked("submit") and stand.notices)
    kept = "resolution 16 (of the data set: 48), flip no (of the data set: yes)"
    assert stand.notices[-1].endswith(f" Pictures are shown as the run showed them: {kept}.")
    folder = session.bridge.library.dataset(run.dataset)
    assert kept_showing(folder.record(), run.data)[0].endswith(kept), "the words of the command line"


async def test_the_state_of_a_run_that_has_ended_stands_beside_the_tabs_where_it_fits(qapp, tmp_path):
    stand = Stand(tmp_path)
    await settle(lambda: stand.session.is_ready)
    await stand.choose("denoiser-small")
    curves = stand.panel.curves
    await settle(lambda: curves.state.text() == "finished" and curves.tabs.count() > 3)
    curves.resize(curves.tabs.sizeHint().width() + curves.state.sizeHint().width() + 80, 400)
    await settle(lambda: abs(curves.state.geometry().center().y() - curves.tabs.geometry().center().y()) < 8)
    assert curves.state.geometry().left() >= curves.tabs.geometry().right()
    await stand.choose("duel-03")  # what it says grows and shrinks while it runs
    await settle(lambda: curves.state.geometry().top() >= curves.tabs.geometry().bottom())
    await stand.close()


def test_the_verdict_of_health_is_whole_where_its_name_has_no_room(qapp):
    card = HealthCard()
    card.show_health(Health(5, (HealthLine("loss", "warn", "the loss has been flat"),)))
    for width, named in ((260, True), (120, False)):
        card.resize(width, 110)
        card.show()
        QApplication.processEvents()
        assert card.name.isVisible() == named and not card.verdict.is_elided()
    card.close()
    shiboken6.delete(card)
