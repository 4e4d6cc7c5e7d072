"""Text that gives way, and the walk over a window's sizes: it finds every fault that is planted."""

import pytest
from layout_faults import layout_faults
from long_names import HUGE, NO_SPACE, REAL, name
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from models_backend.contract.messages import Trouble
from nexus_studio.fitting import ElidedButton
from nexus_studio.forms.editors import Pick
from nexus_studio.layouts import Flow, Footed, Strip
from nexus_studio.pieces import Header, button, chip, chip_button, label
from nexus_studio.shell.notices import NoticeBar


@pytest.mark.parametrize("text", (HUGE, NO_SPACE, "word " * 4000, name(2), name(3), name(4), name(5)))
def test_no_notice_label_button_or_choice_asks_for_room_because_of_its_text(qapp, text):
    bar = NoticeBar()
    bar.show_line(text)
    bar.show_trouble(Trouble(text, text, text, text, text))
    qapp.processEvents()
    pick = Pick()
    pick.addItem(text)
    buttons, header = (button(text), chip_button(text), ElidedButton(text)), Header(text, chip(text), hint=text)
    for widget in (bar, label(text), label(text, wrap=True), label(text, lines=2), pick, header, *buttons):
        hint = widget.minimumSizeHint()
        assert hint.width() <= 420 and hint.height() <= 300, (type(widget), hint)
        if isinstance(widget, QLabel | QPushButton):
            assert widget.text() == text


def test_a_cut_text_stands_whole_in_its_tooltip_and_for_screen_readers(qapp):
    for made in (label(REAL), label(REAL, lines=1), ElidedButton(REAL)):
        made.resize(90, 24)
        made.show()
        qapp.processEvents()
        assert made.is_elided() and made.text() == REAL and REAL in made.toolTip() and made.accessibleName() == REAL
        made.resize(2000, 24)
        qapp.processEvents()
        assert not made.is_elided() and made.toolTip() == ""
        made.close()


def test_a_tooltip_shows_the_letters_of_a_name_not_what_they_mean_in_html(qapp):
    made = label("<img src=/dev/zero> " * 20)
    made.resize(60, 20)
    made.show()
    qapp.processEvents()
    assert "&lt;img" in QLabel.toolTip(made) and "<img" not in QLabel.toolTip(made)
    made.close()


# ------------------------------------------------------------------------------------- the checker is checked itself


def plant_a_cut_label(parent):
    made = QLabel("These words need more room than they have", parent)
    made.setGeometry(10, 10, 80, 20)


def plant_a_cut_button(parent):
    QPushButton("Sample now", parent).setGeometry(10, 10, 40, 26)


def plant_a_flat_label(parent):
    QLabel("Title", parent).setGeometry(10, 10, 80, 8)


def plant_a_wrapped_label_without_height(parent):
    made = QLabel("words over several lines " * 6, parent)
    made.setWordWrap(True)
    made.setGeometry(10, 10, 120, 30)


def plant_something_outside(parent):
    QWidget(parent).setGeometry(parent.width() - 10, 10, 40, 20)


def plant_an_overlap(parent):
    QWidget(parent).setGeometry(10, 10, 40, 20)
    QWidget(parent).setGeometry(30, 10, 40, 20)


def plant_something_wider_than_its_scroll_area(parent):
    area, inner = QScrollArea(parent), QWidget()
    inner.setMinimumWidth(300)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inner)
    area.setGeometry(10, 10, 200, 100)


def plant_a_minimum_that_follows_a_text(parent):
    layout = QVBoxLayout(parent)
    layout.addWidget(QLabel("W" * 200))


def plant_a_column_crushed_to_nothing(parent):
    made = label(REAL)
    made.setParent(parent)
    made.setGeometry(10, 10, 12, 20)


def plant_a_cut_name_without_its_tooltip(parent):
    made = label(REAL)
    made.setParent(parent)
    made.setGeometry(10, 10, 90, 20)
    made.toolTip = lambda: ""


@pytest.mark.parametrize(
    ("plant", "word"),
    (
        (plant_a_cut_label, "cut"), (plant_a_cut_button, "cut"), (plant_a_flat_label, "cut"),
        (plant_a_wrapped_label_without_height, "cut"), (plant_something_outside, "outside"), (plant_an_overlap, "overlap"),
        (plant_something_wider_than_its_scroll_area, "outside"), (plant_a_minimum_that_follows_a_text, "asks for"),
        (plant_a_column_crushed_to_nothing, "unreadable"), (plant_a_cut_name_without_its_tooltip, "no tooltip"),
    ),
)  # fmt: skip
def test_the_walk_finds_a_planted_fault(qapp, plant, word):
    window = QWidget()
    window.resize(400, 300)
    good = QLabel("Fine", window)
    good.setGeometry(300, 250, 80, 24)
    window.show()
    qapp.processEvents()
    assert layout_faults(window) == []
    plant(window)
    for child in window.findChildren(QWidget):
        child.show()
    qapp.processEvents()
    window.resize(400, 300)
    assert any(word in fault for fault in layout_faults(window)), layout_faults(window)
    window.close()


def test_a_strip_of_chips_that_once_scrolled_shows_all_of_them_where_there_is_room(qapp):
    strip = Strip(rows=1)
    strip.resize(60, 24)
    strip.show()
    for text in ("train", "validation", "another run"):
        strip.add(chip_button(text))
    for _ in range(3):
        qapp.processEvents()
    assert strip.verticalScrollBar().isVisible()
    strip.resize(strip.flow.sizeHint().width(), strip.sizeHint().height())
    for _ in range(3):
        qapp.processEvents()
    chips = [strip.flow.itemAt(place).widget() for place in range(3)]
    assert not strip.verticalScrollBar().isVisible() and len({one.y() for one in chips}) == 1
    strip.close()


def test_a_foot_of_buttons_is_no_taller_than_their_rows_after_it_was_narrow(qapp):
    buttons = [button(text) for text in ("Pause", "Sample now", "Stop", "Change…", "Verify resume")]
    foot = QWidget()
    foot.setLayout(Flow(*buttons, spacing=8, spread=True))
    whole = Footed(QWidget(), foot)
    whole.resize(130, 600)
    whole.show()
    for _ in range(3):
        qapp.processEvents()
    tall = foot.height()
    for width in (330, 700):
        whole.resize(width, 600)
        for _ in range(3):
            qapp.processEvents()
        assert foot.height() == foot.layout().heightForWidth(foot.width()) < tall
    assert len({one.y() for one in buttons}) == 1
    whole.close()
