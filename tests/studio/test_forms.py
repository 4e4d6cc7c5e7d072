"""Forms: every kind of field builds, reads back, says what is wrong, and greys what does not count."""

import math
from typing import Annotated

import msgspec
import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtWidgets import QLabel, QLineEdit
from scripted import scripted_families

from models_backend.contract.family import CONDITION_KINDS, Attribute, Condition, DataSpec
from models_backend.contract.fields import FIELD_KINDS, Field, FieldSpec, Problem, defaults, describe, merged
from models_backend.contract.settings import DataSettings, TrainingSettings
from nexus_studio import number_boxes, pieces
from nexus_studio.forms.compound import EDITORS
from nexus_studio.forms.conditions import CONDITION_EDITORS, ConditionsForm, of_item
from nexus_studio.forms.editors import Pick
from nexus_studio.forms.form import SettingsForm, help_text
from nexus_studio.forms.numbers import TICKS, Scale, listed, parsed, shown
from nexus_studio.number_boxes import DecimalBox, decimals_of
from nexus_studio.panels.train_forms import title_of

FAMILIES = {family.key: family for family in scripted_families()}
SPECS = [family.config for family in FAMILIES.values()] + [family.sampling for family in FAMILIES.values()]
SPECS += [describe(TrainingSettings, "training"), describe(DataSettings, "data")]


def form_of(qtbot, spec, values=None, **more):
    form = SettingsForm(spec, values, **more)
    qtbot.addWidget(form)
    form.resize(360, 600)
    form.show()
    return form


def typed(form, name, text):
    """Types into the text field of a top-level field, as a person would."""
    field = form.group.lines[name].editor.findChild(QLineEdit)
    field.setText(text)
    field.textEdited.emit(text)


def test_both_sides_know_the_same_kinds():
    assert set(EDITORS) == set(FIELD_KINDS)
    assert set(CONDITION_EDITORS) == set(CONDITION_KINDS)


@pytest.mark.parametrize("spec", SPECS, ids=range(len(SPECS)))
def test_a_form_shows_the_defaults_and_reads_them_back(qtbot, spec):
    form = form_of(qtbot, spec)
    assert form.values() == defaults(spec)
    assert form.valid and form.problems() == []


@pytest.mark.parametrize("key", FAMILIES)
def test_a_form_reads_back_every_preset(qtbot, key):
    family = FAMILIES[key]
    form = form_of(qtbot, family.config)
    for preset in family.presets:
        form.set_values(preset.config)
        assert form.values() == merged(defaults(family.config), preset.config)


def test_a_value_that_does_not_fit_is_said_below_its_field_and_goes_when_it_fits(qtbot):
    form = form_of(qtbot, FAMILIES["denoiser"].config)
    line = form.group.lines["timesteps"]
    typed(form, "timesteps", "5")
    assert not form.valid and line.below.isVisible() and "from 10 to 4,000" in line.below.text()
    assert form.problems()[0].field == "timesteps"
    typed(form, "timesteps", "many")
    assert form.values()["timesteps"] == "many" and line.below.isVisible()
    typed(form, "timesteps", "1,500")
    assert form.values()["timesteps"] == 1500 and not line.below.isVisible() and form.valid


def test_an_error_deep_inside_a_choice_stands_at_its_own_field(qtbot):
    form = form_of(qtbot, FAMILIES["denoiser"].config, {"schedule": {"type": "linear", "first": 2.0, "last": 0.02}})
    line = form.group.line_at("schedule.first")
    assert line.spec.name == "first" and line.below.isVisible() and "0.1" in line.below.text()


class Bounded(msgspec.Struct, frozen=True):
    """Two that belong together, within a group and in the form itself."""

    class Net(msgspec.Struct, frozen=True):
        """A network."""

        width: Annotated[int, Field("Width", low=8, high=64, multiple_of="groups")] = 16
        groups: Annotated[int, Field("Groups", low=1, high=64)] = 8

    network: Annotated[Net, Field("Network")] = Net()
    least: Annotated[float, Field("Least", low=0.0, high=9.0, at_most="most")] = 1.0
    most: Annotated[float, Field("Most", low=0.0, high=9.0)] = 8.0


def test_a_value_that_its_sibling_forbids_is_said_below_its_field(qtbot):
    form = form_of(qtbot, describe(Bounded, "config"), {"network": {"width": 13}})
    assert [problem.field for problem in form.problems()] == ["network.width"]
    assert form.group.line_at("network.width").below.text() == "Must be a multiple of groups (8): take 16"
    form.set_values({"least": 8.5})
    assert form.group.line_at("least").below.text() == "Must be at most most (8)"
    form.set_values({})
    assert form.valid and not form.group.line_at("least").below.isVisible()


def test_a_field_that_does_not_count_is_greyed_with_its_reason(qtbot):
    form = form_of(qtbot, FAMILIES["denoiser"].config)
    line = form.group.lines["clip_x0"]
    assert not line.editor.isEnabled() and line.below.text() == "Counts only for x0 prediction" and line.below.isVisible()
    form.set_values({"prediction": "x0"})
    assert line.editor.isEnabled() and not line.below.isVisible()
    sampling = form_of(qtbot, FAMILIES["denoiser"].sampling, {"sampler": "heun"})
    assert not sampling.group.lines["eta"].editor.isEnabled()


def test_changing_the_variant_of_a_choice_shows_its_fields_and_keeps_what_was_typed(qtbot):
    form = form_of(qtbot, FAMILIES["denoiser"].config)
    editor, told = form.group.lines["schedule"].editor, []
    form.changed.connect(lambda: told.append(1))
    editor.box.setCurrentIndex(editor.box.findData("linear"))
    assert form.values()["schedule"] == {"type": "linear", "first": 1e-4, "last": 0.02} and told
    editor.group().lines["last"].editor.field.setText("0.05")
    editor.box.setCurrentIndex(editor.box.findData("cosine"))
    editor.box.setCurrentIndex(editor.box.findData("linear"))
    assert form.values()["schedule"]["last"] == 0.05


def test_an_optional_field_is_empty_until_it_is_switched_on(qtbot):
    form = form_of(qtbot, FAMILIES["denoiser"].config)
    editor = form.group.lines["min_snr"].editor
    assert form.values()["min_snr"] is None
    editor.box.setChecked(True)
    assert form.values()["min_snr"] == 0.1 and form.valid
    form.set_values({"min_snr": 5.0})
    assert form.values()["min_snr"] == 5.0
    editor.box.setChecked(False)
    assert form.values()["min_snr"] is None


def test_a_list_takes_commas_and_says_which_item_is_wrong(qtbot):
    form = form_of(qtbot, FAMILIES["denoiser"].config)
    editor = form.group.lines["net"].editor.lines["levels"].editor
    editor.field.setText("1, 2,4")
    assert form.values()["net"]["levels"] == [1, 2, 4]
    editor.field.setText("1, two")
    assert not form.valid and form.problems()[0].field == "net.levels.1"


def test_a_run_field_offers_the_runs_of_its_kind_and_keeps_one_that_is_gone(qtbot):
    offered = {"denoiser": [("run-a", "denoiser-small"), ("run-b", "another")]}
    form = form_of(qtbot, FAMILIES["denoiser"].config, runs=lambda kind: offered.get(kind, []))
    box = form.group.lines["teacher"].editor.box
    assert [box.itemData(n) for n in range(box.count())] == [None, "run-a", "run-b"]
    form.set_values({"teacher": "run-z"})
    assert form.values()["teacher"] == "run-z" and "not in the library" in box.currentText()


def test_only_some_fields_are_shown_and_the_others_keep_their_values(qtbot):
    form = form_of(qtbot, describe(TrainingSettings), {"steps": 777, "seed": 5}, only=["learning_rate", "seed"])
    assert set(form.group.lines) == {"learning_rate", "seed"}
    assert form.values()["steps"] == 777 and form.values()["seed"] == 5


def test_an_enum_value_that_no_option_has_is_kept_and_said(qtbot):
    form = form_of(qtbot, FAMILIES["denoiser"].config, {"prediction": "score"})
    assert form.values()["prediction"] == "score" and not form.valid
    form.group.lines["prediction"].editor.box.setCurrentIndex(1)
    assert form.values()["prediction"] == "v" and form.valid


def test_problems_that_the_engine_found_are_shown_until_the_next_edit(qtbot):
    form = form_of(qtbot, FAMILIES["denoiser"].config)
    form.show_problems([Problem("config.timesteps", 1000, "no more than the teacher's 500")])
    line = form.group.lines["timesteps"]
    assert line.below.isVisible() and "teacher" in line.below.text()
    typed(form, "timesteps", "400")
    assert not line.below.isVisible()


def test_the_slider_and_the_number_move_together(qtbot):
    form = form_of(qtbot, describe(TrainingSettings))
    editor = form.group.lines["learning_rate"].editor
    before = editor.slider.value()
    qtbot.keyClick(editor.slider, Qt.Key.Key_Right)
    assert editor.slider.value() > before and form.values()["learning_rate"] > 2e-4
    typed(form, "learning_rate", "1e-3")
    assert editor.scale.value(editor.slider.value()) == pytest.approx(1e-3, rel=0.03)


def test_the_help_line_tells_of_the_field_that_has_the_focus(qtbot, qapp):
    form = SettingsForm(describe(TrainingSettings), help_line=pieces.label("", "hint", wrap=True))
    qtbot.addWidget(form)
    qtbot.addWidget(form.help)
    form.activateWindow()
    editor = form.group.lines["learning_rate"].editor
    form._focus_moved(None, editor.field)
    assert "Peak learning rate" in form.help.text() and "Can be changed while the run goes on" in form.help.text()
    said = help_text(form.group.lines["batch_size"].spec)
    assert said.startswith("Batch size: Items a training step. A whole number from 1 to 65,536")


def test_every_part_that_takes_the_focus_has_a_name(qtbot):
    form = form_of(qtbot, FAMILIES["denoiser"].config)
    for line in form.group.all_lines():
        for field in line.editor.findChildren(QLineEdit):
            assert field.accessibleName(), line.spec.name


# ------------------------------------------------------------------------------------------------ numbers


SCALES = [(0, 1, False, False), (1e-7, 1, True, False), (0, 1, True, False), (1, 65536, True, True), (2, 1024, False, True)]


@pytest.mark.parametrize("low, high, log, whole", [*SCALES, (0, 0.99999, False, False)])
def test_a_slider_is_monotone_keeps_its_bounds_and_finds_its_place_again(low, high, log, whole):
    scale = Scale(low, high, log, whole)
    values = [scale.value(position) for position in range(0, TICKS + 1, 10)]
    assert values == sorted(values) and values[0] == low and values[-1] == high
    assert all(low <= value <= high for value in values)
    for value in values[::10]:
        assert scale.value(scale.position(value)) == pytest.approx(value, rel=0.04, abs=(high - low) * 2e-3)


@pytest.mark.parametrize("value", [0, 1, 64, 30_000, 1e-4, 2e-4, 0.9995, 0.02, 1e-8, 2.5, 123456.75, -3, 0.1])
def test_a_number_reads_back_as_it_is_shown(value):
    assert parsed(shown(value), isinstance(value, int)) == pytest.approx(value, rel=1e-5)


def test_numbers_are_shown_as_people_write_them():
    assert [shown(v) for v in (30_000, 1e-4, 0.9995, 2e-4, 1.0, None)] == ["30,000", "1e-4", "0.9995", "2e-4", "1", ""]
    assert [shown(v) for v in (1e7, 1e-7, 4096.0, 1e8, 0.0001234567)] == [
        "10,000,000",
        "1e-7",
        "4,096",
        "100,000,000",
        "1.23457e-4",
    ]
    assert parsed("2,5x", False) == "2,5x" and parsed("", True) is None and parsed("3.5", True) == 3.5
    assert parsed("1e3", True) == 1000 and math.isinf(parsed("inf", False))


WRITTEN = {
    "1,5": 1.5, "0,0002": 2e-4, "0,002": 2e-3, "30,000": 30_000, "1.234,5": 1234.5, "1,234.5": 1234.5, "1 234": 1234,
    "1'000": 1000, "1’000.25": 1000.25, "1\u202f234,5": 1234.5, "1\u00a0234": 1234, "1.234.567": 1_234_567, "1,50,000": 150_000,
    "12,34": 12.34, "1234,567": 1234.567,
    ",5": 0.5, "−3": -3, "1e−4": 1e-4, "1,5e-4": 1.5e-4, "1_000": 1000, "+4": 4, " 7 ": 7, "30.000": 30,
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), WRITTEN.items())
def test_a_number_is_read_as_it_is_written_in_any_country(text, value):
    assert parsed(text, False) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", ["1 5", "1,5,2", "1.5.2", "1,234,56", "2,5x", "- 4", "--4", "e5", "1,2 3", "0,000,5"])
def test_what_may_mean_several_numbers_is_refused(text):
    assert parsed(text, False) == text and parsed(text, True) == text


def test_in_a_field_of_whole_numbers_a_dot_may_group_and_a_fraction_stays_one():
    assert parsed("30.000", True) == 30_000 and parsed("30,000", True) == 30_000
    assert parsed("1,5", True) == 1.5 and parsed("1.25", True) == 1.25  # not whole: the field refuses them


def test_lists_of_numbers_may_have_commas_in_them():
    assert listed("1,2,4", False) == listed("1, 2,4", True) == listed("1; 2; 4", True) == ["1", "2", "4"]
    assert listed("0,9, 0,999", False) == listed("0,9;0,999", False) == ["0,9", "0,999"]


@pytest.mark.parametrize("language", ["en_US", "de_DE", "fr_FR", "de_CH"])
def test_boxes_with_arrows_read_numbers_as_fields_do_in_any_locale(qtbot, language):
    before = QLocale()
    QLocale.setDefault(QLocale(language))
    try:
        whole, real = pieces.spin_box("Items", 0, 10_000, 7), DecimalBox()
        real.setDecimals(4)
        for box, text, value in ((whole, "1,5", 7), (whole, "3,000", 3000), (whole, "1'200", 1200), (real, "1,5", 1.5),
                                 (real, "0.25", 0.25), (real, "0,0002", 0.0002)):  # fmt: skip
            qtbot.addWidget(box)
            box.lineEdit().selectAll()
            qtbot.keyClicks(box, text)
            qtbot.keyClick(box, Qt.Key.Key_Return)
            assert box.value() == pytest.approx(value) and "," not in box.text()
    finally:
        QLocale.setDefault(before)


@pytest.mark.parametrize("language", ["en_US", "de_DE"])
def test_a_number_beyond_the_range_of_a_box_is_refused_with_its_range_and_never_another_one(qtbot, language):
    before, said = QLocale(), []
    QLocale.setDefault(QLocale(language))
    number_boxes.signals.refused.connect(said.append)
    try:
        whole, real = pieces.spin_box("Items", 8, 1024, 64, " frames"), DecimalBox()
        real.setRange(0, 1)
        real.setValue(0.5)
        real.setAccessibleName("Age")
        told = ("“Items” must be a whole number from 8 to 1,024. It stays as it was: 64.",
                "“Age” must be a number from 0 to 1. It stays as it was: 0.5.")  # fmt: skip
        for box, texts, old, why in ((whole, ("5000", "1", "1025", "5.000", "99999999999", "x"), 64, told[0]),
                                     (real, ("1.25", "1,25", "-1", "0.25x"), 0.5, told[1])):  # fmt: skip
            qtbot.addWidget(box)
            for text in texts:
                for finish in (lambda box: qtbot.keyClick(box, Qt.Key.Key_Return), lambda box: box.interpretText()):
                    box.lineEdit().selectAll()
                    qtbot.keyClicks(box.lineEdit(), text)
                    assert box.cleanText() == text and box.value() == old, "it can be typed, and counts for nothing"
                    finish(box)
                    assert said == [why] and box.value() == old and box.lineEdit().text().startswith(str(old)), text
                    said.clear()
        for text, value in (("500", 500), ("1.024", 1024), ("1,000", 1000)):
            whole.lineEdit().selectAll()
            qtbot.keyClicks(whole.lineEdit(), text)
            qtbot.keyClick(whole, Qt.Key.Key_Return)
            assert whole.value() == value and not said
        whole.lineEdit().selectAll()
        qtbot.keyClick(whole.lineEdit(), Qt.Key.Key_Delete)
        qtbot.keyClick(whole, Qt.Key.Key_Return)
        assert whole.value() == 1000 and not said, "an emptied box comes back in silence"
    finally:
        number_boxes.signals.refused.disconnect(said.append)
        QLocale.setDefault(before)


def test_attributes_of_a_small_range_can_be_told_apart():
    assert [decimals_of(span) for span in (100, 20, 5, 1, 0.02, 0.0003)] == [0, 0, 2, 2, 4, 6]


# --------------------------------------------------------------------------------------------- conditions


def test_conditions_build_read_back_and_leave_out_what_is_not_asked_for(qtbot):
    spec = DataSpec("image", (3, 16, 16), 10, ("cat", "dog"))
    conditions = tuple(Condition(kind) for kind in CONDITION_KINDS if kind != "text")
    form = ConditionsForm(conditions, spec)
    qtbot.addWidget(form)
    assert form.values() == {}
    given = {"class": 1, "phonemes": "dɒɡ", "image": "/a.png", "audio": "/a.wav", "melody": "/m.mid",
             "mask": "/m.png"}  # fmt: skip
    form.set_values(given)
    assert form.values() == given
    form.set_values({"class": "all"})
    assert form.values() == {"class": "#all"}


def test_conditions_that_items_take_in_turn_are_kept(qtbot):
    """As the command line asks for them: several of one kind, classes by name."""
    spec = DataSpec("image", (3, 16, 16), 10, ("cat", "dog"), attributes=(Attribute("age", 20, 60),))
    form = ConditionsForm(tuple(Condition(kind) for kind in ("class", "attributes", "image")), spec)
    qtbot.addWidget(form)
    given = {"class": [1, 0, None]}
    for _ in range(2):
        form.set_values(given)
        assert form.values() == given
    box = form.editors["class"].box
    assert box.currentText() == "dog, cat, any" and box.count() == 6
    form.set_values({"class": "dog", "attributes": [{"age": 30}, {"age": 50}], "image": ["/a.png", "/b.png"]})
    assert form.values() == {"class": 1, "attributes": {"age": 30}, "image": "/a.png"}
    captioned = DataSpec("image", (3, 16, 16), 10, ("cat", "dog"), captioned=True)
    words = ConditionsForm((Condition("class"), Condition("text")), captioned)
    qtbot.addWidget(words)
    assert list(words.editors) == ["text"], "captions take the place of classes"
    for text in ("a dog", ["a dog", "", "a cat"]):
        words.set_values({"text": text})
        assert words.values() == {"text": text}


def test_what_is_asked_of_one_item_is_what_went_to_it():
    spec = DataSpec("image", (3, 16, 16), 10, ("cat", "dog"))
    given = {"class": "all", "text": ["a", "b", "c"], "attributes": {"age": 30}, "image": "/a.png"}
    assert of_item(given, 3, spec) == {"class": 1, "text": "a", "attributes": {"age": 30}, "image": "/a.png"}
    assert of_item({"class": [None, 1]}, 2, spec) == {} and of_item({}, 5, spec) == {}


def test_a_list_of_groups_adds_and_takes_out(qtbot):
    item = FieldSpec("item", "group", fields=(FieldSpec("size", "int", "Size", default=3, low=1, high=9),))
    spec = FieldSpec("root", "group", fields=(FieldSpec("blocks", "list", "Blocks", default=[{"size": 2}], item=item),))
    form = form_of(qtbot, spec)
    editor = form.group.lines["blocks"].editor
    editor._add_one()
    assert form.values() == {"blocks": [{"size": 2}, {"size": 3}]} and form.valid
    editor._remove(editor._editors[0])
    assert form.values() == {"blocks": [{"size": 3}]}


def test_a_choice_too_long_for_its_box_ends_in_an_ellipsis(qapp):
    box = Pick()
    box.addItems(["v", "Added to the time, and to everything else"])
    box.resize(150, 28)
    assert box.shown_text() == "v"
    box.setCurrentIndex(1)
    assert box.shown_text().startswith("Added") and box.shown_text().endswith("…")
    assert not box.grab().isNull()


def test_attributes_are_asked_by_name_and_left_open_below_their_lowest(qapp):
    known = (Attribute("smiling"), Attribute("age", 20, 60))
    told = (Condition("attributes"), Condition("mask"))
    form = ConditionsForm(told, DataSpec("image", (3, 8, 8), attributes=known))
    assert form.values() == {} and form.editors["attributes"].boxes["age"].text() == "any"
    assert {"smiling", "0 to 1", "age", "20 to 60"} <= {told.text() for told in form.editors["attributes"].findChildren(QLabel)}
    form.editors["attributes"].boxes["age"].setValue(40)
    assert form.values() == {"attributes": {"age": 40}}
    form.set_values({"attributes": {"smiling": 0}})
    assert form.values() == {"attributes": {"smiling": 0}}
    said = (Condition("class"), Condition("text"))
    assert not ConditionsForm(said, DataSpec("image", (3, 8, 8))).editors, "data without classes and captions told it neither"
    assert not ConditionsForm(told, DataSpec("points", (2,))).editors, "points have no masks, and nothing is known of these"


def test_classes_called_as_the_entries_above_them_or_as_numbers_are_chosen_by_name(qapp):
    classes = ("any", "all", "3", "Any class", "caf\u00e9")
    form = ConditionsForm((Condition("class"),), DataSpec("image", (3, 8, 8), classes=classes))
    assert form.values() == {}
    for position, name in enumerate(classes):
        form.set_values({"class": name})
        assert form.values() == {"class": position} and form.editors["class"].box.currentText() == name
    for asked, kept in (("#3", 3), (2, 2), ("#all", "#all"), ("CAFE\u0301", 4), (["3", 0], ["3", 0])):
        form.set_values({"class": asked})
        assert form.values() == {"class": kept}
    assert form.editors["class"].box.currentText() == "3, any"
    partly = DataSpec("image", (3, 8, 8), classes=("a", "EMPTY", "b"), unseen=("EMPTY",))
    seen = ConditionsForm((Condition("class"),), partly)
    entries = seen.editors["class"].box
    assert [entries.itemText(n) for n in range(3, entries.count())] == ["a", "b"], "nothing was ever of the other"
    for asked, kept in (("b", {"class": 2}), ("EMPTY", {}), (0, {"class": 0})):
        seen.set_values({"class": asked})
        assert seen.values() == kept
    assert of_item({"class": "#all"}, 1, partly) == {"class": 2}
    plain = ConditionsForm((Condition("class"),), DataSpec("image", (3, 8, 8), classes=("a", "b")))
    plain.set_values({"class": "all"})
    assert plain.values() == {"class": "#all"} and of_item({"class": "all"}, 3, plain.editors["class"].spec) == {"class": 1}


def test_a_path_is_told_by_titles():
    assert title_of(describe(TrainingSettings), "optimiser.beta1") == "Optimiser, beta 1"
    assert title_of(describe(TrainingSettings), "steps") == "Training steps"
