"""Studies: who meets whom, kept at every answer, exported, and sound for fsck, backups and the trash."""

from __future__ import annotations

import csv
import json
from collections import Counter

import msgspec
import pytest
from library import records, studied

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import StudyAnswer, StudySide
from models_backend.library import backup, faults, pairing, studies, trash
from models_backend.library.fsck import fsck
from models_backend.library.library import Library

SIDES = (StudySide("run-a", "run", "A"), StudySide("run-b", "run", "B"))


@pytest.fixture
def library(library_root):
    with Library.open(library_root) as opened:
        yield opened
        faults.disarm()


def offered(name, count=12, classes=(), together=False, **changes):
    return pairing.offers(records.sample_record(name, count=count, **changes), together, classes)


def ends(pair):
    """The two items, side 0 first."""
    return sorted((pair.left, pair.right), key=lambda item: item.side)


def test_items_of_one_condition_and_seed_meet_before_those_of_one_condition():
    prompts = {"text": ["a red disc", "a blue square", "a green cross"]}
    pairs = pairing.draw([offered("a", conditions=prompts), offered("b", conditions=prompts)], 40, 0)
    kinds = Counter(pair.by for pair in pairs)
    assert kinds == {"condition and seed": 12, "condition": 28}
    assert all(pair.left.caption == pair.right.caption != "" for pair in pairs)
    assert all(pair.left.item == pair.right.item for pair in pairs if pair.by == "condition and seed")
    assert len({tuple(end.item for end in ends(pair)) for pair in pairs}) == 40


def test_classes_by_name_number_and_all_are_the_same_conditions():
    classes = ("cat", "dog")
    named, numbered = (
        offered("a", conditions={"class": "all"}, classes=classes),
        offered("b", conditions={"class": 1}, classes=classes),
    )
    assert [o.caption for o in named[:3]] == ["class cat", "class dog", "class cat"]
    partly = pairing.offers(
        records.sample_record("d", count=3, conditions={"class": "all"}), False, (*classes, "cow"), ("dog",)
    )
    assert [o.caption for o in partly] == ["class cat", "class cow", "class cat"], "nothing was made of a class without items"
    pairs = pairing.draw([named, numbered], 20, 0)
    assert {pair.left.caption for pair in pairs} == {pair.right.caption for pair in pairs} == {"class dog"}
    assert offered("c", conditions={"class": None, "text": ""})[0].condition == ""


def test_without_conditions_seeds_meet_then_chance():
    pairs = pairing.draw([offered("a", 4), offered("b", 4)], 10, 0)
    assert Counter(pair.by for pair in pairs) == {"seed": 4, "chance": 6}
    other = pairing.draw([offered("a", 4), offered("b", 4, seed=9)], 10, 0)
    assert {pair.by for pair in other} == {"chance"}
    whole = pairing.draw([offered("a", 500, together=True), offered("b", 500, together=True)], 10, 0)
    assert [(pair.by, pair.left.item) for pair in whole] == [("seed", -1)]


def test_left_and_right_are_by_chance_and_pairs_are_shared_among_sides():
    pairs = pairing.draw([offered(name, 30) for name in "abc"], 90, 3)
    meetings = Counter(tuple(end.side for end in ends(pair)) for pair in pairs)
    assert meetings == {(0, 1): 30, (0, 2): 30, (1, 2): 30}
    assert 25 < sum(pair.left.side < pair.right.side for pair in pairs) < 65
    assert pairs == pairing.draw([offered(name, 30) for name in "abc"], 90, 3)
    assert pairs != pairing.draw([offered(name, 30) for name in "abc"], 90, 4)


def begun(library):
    records.fill(library)
    pairs = pairing.draw([offered("sample-a", 2), offered("sample-a", 2)], 4, 0)
    return studies.create(library.layout, "image", SIDES, pairs, 0)


def test_a_study_is_kept_at_every_answer_and_a_failed_write_loses_only_itself(library):
    study = begun(library)
    assert len(study.pairs) == 4
    one = msgspec.structs.replace(study, answers=(StudyAnswer(0, "left", 5.0),))
    studies.write(library.layout, one)
    faults.arm(1, "ENOSPC", persistent=True)
    with pytest.raises(TroubleError, match="Answers before it are kept"):
        studies.write(library.layout, msgspec.structs.replace(one, answers=(*one.answers, StudyAnswer(1, "tie", 6.0))))
    faults.disarm()
    assert studies.read(library.layout, study.id) == one
    assert studies.listed(library.layout) == [one]


def test_fsck_backups_and_trash_know_studies(library):
    study = begun(library)
    root = library.layout.root
    assert not [found for found in fsck(root) if found.item != "index.sqlite"]
    saved = backup.make(library)
    entry = studies.delete(library.layout, study)
    assert studies.listed(library.layout) == []
    assert trash.restore(library, entry.id).title == study.title
    assert studies.read(library.layout, study.id) == study
    trash.delete(library, "sample", "sample-a")
    assert any(f.level == "note" and "sample-a was deleted" in f.text for f in fsck(root) if "studies" in f.item)
    library.layout.study(study.id).write_bytes(b"{")
    assert any(f.level == "error" and "studies" in f.item for f in fsck(root))
    library.close()
    assert all(f.repaired or f.level == "note" for f in fsck(root, repair=True))
    assert studies.read(library.layout, study.id) == study
    assert backup.file_in(saved, f"studies/{study.id}.json")


def test_exports_hold_answers_and_result(tmp_path):
    study = studied.two(3, 1, 1)
    (path,) = studies.export(study, tmp_path / "study.json", "json")
    whole = json.loads(path.read_text())
    assert msgspec.convert(whole["study"], type(study)) == study
    assert whole["result"]["standings"][0]["wins"] == 3
    assert "Fisher" in whole["result"]["method"]
    answers, runs = studies.export(study, tmp_path / "study.csv", "csv")
    rows = list(csv.DictReader(answers.open()))
    assert [row["preferred"] for row in rows] == ["Run A", "Run A", "Run A", "Run B", ""]
    assert [row["choice"] for row in rows[:2]] == ["left", "right"]
    table = list(csv.DictReader(runs.open()))
    assert [(row["title"], row["wins"], row["losses"], row["ties"]) for row in table] == [
        ("Run A", "3", "1", "1"),
        ("Run B", "1", "3", "1"),
    ]
    with pytest.raises(TroubleError, match="csv or json"):
        studies.export(study, tmp_path / "study.xls", "xls")
    with pytest.raises(TroubleError, match="there is no folder"):
        studies.export(study, tmp_path / "gone" / "study.json", "json")
    assert not (tmp_path / "gone").exists()


def test_nothing_to_compare_is_refused(library):
    with pytest.raises(TroubleError, match="at least two runs"):
        studies.create(library.layout, "image", SIDES[:1], (), 0)
