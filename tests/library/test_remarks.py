"""What is said of partly labelled data before they are trained on."""

from __future__ import annotations

import pytest

from models_backend.contract.family import Condition
from models_backend.contract.run_layout import DatasetRecord, DoctorReport
from models_backend.library.remarks import remarks, uncaptioned

TEXT, CLASS = (Condition("text", 0.1),), (Condition("class", 0.1),)


def data(count=27, left_out=0, captioned=17, labels=None):
    labels = labels or {"cat": 20, "dog": 7}
    record = DatasetRecord("d", "Photos", "image", "f", count, tuple(labels), captioned > 0, shape=(3, 8, 8), left_out=left_out)
    return record, DoctorReport(count, count, captioned=captioned, labels=labels)


@pytest.mark.parametrize(
    ("conditions", "told", "known", "without"),
    [
        (TEXT, "auto", {}, 10),
        (TEXT, "classes", {}, 0),
        (TEXT, "none", {}, 0),
        (CLASS, "auto", {}, 0),
        ((), "auto", {}, 0),
        (TEXT, "auto", {"captioned": 0}, 0),  # words mean nothing to it, which is said elsewhere
        (TEXT, "auto", {"captioned": 17, "left_out": 10}, 0),
        (TEXT, "auto", {"captioned": 17, "left_out": 9}, 1),
    ],
)
def test_items_without_a_caption_count_where_captions_are_learned(conditions, told, known, without):
    record, report = data(**known)
    settings = {"conditions": told, "resolution": 8, "channels": "auto"}
    assert uncaptioned(conditions, record, settings, report) == without
    said = [line for line in remarks(conditions, record, settings, report) if "caption" in line]
    assert len(said) == bool(without) and all(line.startswith(f"{without:,} of {record.kept:,} item") for line in said)


def test_small_classes_are_said_and_refuse_nothing():
    record, report = data(labels={"cat": 25, "dog": 1, "cow": 0})
    said = remarks(CLASS, record, {"resolution": 8, "channels": "auto"}, report)
    assert said == ["The class “dog” has one item only: it can be learned by heart at most.",
                    "Nothing is of the class “cow”, so it cannot be asked for."]  # fmt: skip
