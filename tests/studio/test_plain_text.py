"""Names and titles of others are shown as the letters that they are, never read as HTML, in labels and tooltips."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from models_backend.contract.family import Attribute, Condition, DataSpec
from models_backend.contract.run_layout import Unreadable
from nexus_studio.forms.conditions import CONDITION_EDITORS
from nexus_studio.panels.data_report import Unread

FOREIGN = ["<img src=/dev/zero>", "<b>x</b>", "<a href='file:///etc'>x</a>", "a & <i>b</i>", "&lt;"]


@pytest.mark.parametrize("name", FOREIGN)
def test_attributes_in_the_form_of_conditions(qapp, name):
    form = CONDITION_EDITORS["attributes"](Condition("attributes"), spec_with(name))
    labels = form.findChildren(QLabel)
    assert name in [label.text() for label in labels]
    assert all(label.textFormat() == Qt.TextFormat.PlainText for label in labels if label.text())
    for widget in form.findChildren(QWidget):
        assert "<" not in name or name not in widget.toolTip()


def spec_with(name):
    return DataSpec("image", (3, 16, 16), 4, (), False, "", (Attribute(name, 0.0, 1.0),))


@pytest.mark.parametrize("name", FOREIGN)
def test_tooltips_of_what_was_not_read(qapp, name):
    model = Unread()
    model.show([Unreadable(f"/x/{name}.png", "damaged", "it is damaged")])
    told = model.data(model.index(0), Qt.ItemDataRole.ToolTipRole)
    assert "<img" not in told and "<b>" not in told and "<a " not in told and "<i>" not in told
