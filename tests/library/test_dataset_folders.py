"""Data sets: the import never changes, edits lie beside it and can be taken back."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
import pytest
from library import records

from models_backend.contract.fields import FieldError
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LEFT_OUT, DatasetRecord, DoctorReport, Item
from models_backend.library import datasets, faults
from models_backend.library.edits import Edits
from models_backend.library.library import Library


@pytest.fixture
def library(library_root):
    with Library.open(library_root) as opened:
        yield opened
        faults.disarm()


@pytest.fixture
def stored(library):
    report = DoctorReport(found=5, imported=4, notes=("one is unreadable",))
    return library.create_dataset(
        records.dataset_record(), records.items(), report, {"8": records.pictures(4)}, {"8": {"k": 1}}
    )


def test_it_comes_back(stored):
    assert stored.record() == records.dataset_record()
    assert stored.items() == records.items()
    assert stored.report().found == 5
    assert np.array_equal(np.load(stored.cache_path("8"), mmap_mode="r"), records.pictures(4))
    known = stored.cached("8")
    assert known.pop("sha256") == hashlib.sha256(stored.cache_path("8").read_bytes()).hexdigest()
    assert known == {"shape": [4, 8, 8, 1], "dtype": "uint8", "k": 1}
    assert stored.cached("16") is None


def test_the_same_content_is_the_same_data_set(library, stored):
    again = library.create_dataset(records.dataset_record(title="Another title"), records.items())
    assert again.record().title == "Shapes"
    assert len(library.datasets()) == 1


def test_the_fingerprint_is_of_contents_labels_and_captions_in_order():
    items = records.items()
    mark = datasets.fingerprint(items)
    assert datasets.fingerprint(records.items()) == mark
    assert datasets.fingerprint(items[::-1]) != mark
    other = [*items[:-1], Item("/elsewhere/3.png", sha256=items[3].sha256, label=0)]
    assert datasets.fingerprint(other) != mark
    moved = [Item(f"/moved/{n}", sha256=item.sha256, label=item.label) for n, item in enumerate(items)]
    assert datasets.fingerprint(moved) == mark
    captioned = [*items[:-1], msgspec.structs.replace(items[-1], caption="a red circle")]
    assert datasets.fingerprint(captioned) != mark, "captions that were mended make other data"


def test_edits_lie_beside_the_import_and_are_taken_back(stored):
    imported = stored.layout.items.read_bytes()
    first = stored.edit(1, caption="a square")
    second = stored.edit(1, caption="a red square", label=0)
    assert (stored.items()[1].caption, stored.items()[1].label) == ("a red square", 0)
    assert stored.record().captioned
    again = stored.undo(second)
    assert (stored.items()[1].caption, stored.items()[1].label) == ("a square", 1)
    stored.undo(first)
    assert stored.items() == records.items()
    stored.undo(again)
    assert stored.items()[1].caption == "a red square"
    assert stored.layout.items.read_bytes() == imported


def test_many_edits_are_one_step(stored):
    token = stored.edit_many({0: "x", 2: "y"}, {3: 0})
    assert [i.caption for i in stored.items()] == ["x", "", "y", ""]
    assert stored.items()[3].label == 0
    stored.undo(token)
    assert stored.items() == records.items()


def test_titles_and_class_names_are_edits_too(stored):
    one, two = stored.rename("Forms"), stored.name_classes(["disc", "box", "star"])
    assert (stored.record().title, stored.record().classes) == ("Forms", ("disc", "box", "star"))
    moved = stored.edit(0, label=2)
    with pytest.raises(TroubleError, match="no class 2; it has 2"):
        stored.undo(two)
    stored.undo(moved), stored.undo(two), stored.undo(one)
    assert (stored.record().title, stored.record().classes) == ("Shapes", ("round", "square"))


def test_edits_that_a_model_sees_change_the_fingerprint(stored):
    mark = stored.fingerprint()
    assert mark == records.dataset_record().fingerprint
    stored.rename("Other")
    assert stored.fingerprint() == mark
    token = stored.edit(2, label=1)
    changed = stored.fingerprint()
    assert changed != mark
    stored.undo(token)
    assert stored.fingerprint() == mark
    stored.edit(2, label=1)
    assert stored.fingerprint() == changed


def test_edits_of_what_is_not_there_are_refused(stored):
    with pytest.raises(TroubleError, match="no item 5"):
        stored.edit(4, caption="x")
    with pytest.raises(TroubleError, match="no item 0"):
        stored.edit(-1, caption="x")
    with pytest.raises(TroubleError, match="no class 2"):
        stored.edit(0, label=2)
    with pytest.raises(TroubleError, match="at least 2 class names"):
        stored.name_classes(["one"])
    assert not stored.layout.edits.exists()


def test_items_are_left_out_and_brought_back(stored):
    mark = stored.fingerprint()
    token = stored.leave_out([1, 3])
    assert [i.split for i in stored.items()] == ["train", LEFT_OUT, "train", LEFT_OUT]
    assert (stored.record().count, stored.record().kept, stored.record().left_out) == (4, 2, 2)
    assert stored.fingerprint() != mark, "a model sees other data"
    back = stored.undo(token)
    assert stored.items() == records.items() and stored.fingerprint() == mark
    stored.undo(back)
    stored.leave_out([1], False)
    assert [n for n, i in enumerate(stored.items()) if i.split == LEFT_OUT] == [3]
    with pytest.raises(TroubleError, match="no item 5"):
        stored.leave_out([0, 4])


def test_an_edit_that_says_what_the_import_said_is_none(stored):
    mark = stored.fingerprint()
    stored.edit(1, caption="a square", label=0)
    stored.edit(1, caption="", label=1)
    assert stored.edits() == Edits() and stored.fingerprint() == mark, "typed back by hand, the data are as imported"
    stored.name_classes(["disc", "square"])
    stored.name_classes(["round", "square"])
    assert stored.edits() == Edits()


def test_a_class_is_added_and_filled_in_one_step_that_undo_takes_back(stored):
    token = stored.edit_many(labels={0: 2, 1: 2}, classes=("round", "square", "rocks"))
    assert stored.record().classes == ("round", "square", "rocks") and [i.label for i in stored.items()] == [2, 2, 0, 1]
    stored.undo(token)
    assert stored.record().classes == ("round", "square") and stored.items() == records.items()


@pytest.mark.parametrize(
    ("classes", "words"), [(("round", "round"), "there is a class “round” already"), (("round", " "), "a class needs a name")]
)
def test_classes_without_a_name_of_their_own_are_refused(stored, classes, words):
    with pytest.raises(TroubleError, match=words):
        stored.name_classes(classes)
    assert stored.record().classes == ("round", "square")


def test_settings_are_kept_with_the_data_set(stored):
    mark = stored.fingerprint()
    token = stored.edit_many(settings={"resolution": 16, "flip": True})
    assert stored.record().settings == {"resolution": 16, "flip": True} and stored.fingerprint() == mark
    with pytest.raises(FieldError, match="resolution"):
        stored.edit_many(settings={"resolution": 4})
    stored.undo(token)
    assert stored.record().settings == {}


def test_the_report_follows_the_edits(stored):
    assert stored.report() == DoctorReport(5, 4, notes=("one is unreadable",)), "unedited, it is what the doctor wrote"
    stored.edit_many({0: "a disc", 1: " "}, {3: 2}, ("round", "square", "rocks"), {2: True})
    report = stored.report()
    assert report.labels == {"round": 1, "square": 1, "rocks": 1} and report.captioned == 1
    assert (report.found, report.imported, report.left_out, report.train, report.validation) == (5, 4, 1, 3, 0)
    assert report.sizes == {"8 × 8": 3} and report.notes == ("one is unreadable",)


def test_without_its_captioned_items_a_data_set_is_not_captioned(library):
    items = [msgspec.structs.replace(item, caption="a disc" if n == 2 else "") for n, item in enumerate(records.items())]
    stored = library.create_dataset(records.dataset_record(items, captioned=True), items)
    assert stored.record().captioned
    token = stored.leave_out([2])
    assert not stored.record().captioned
    stored.undo(token)
    stored.edit(2, caption="")
    assert not stored.record().captioned and not library.datasets()[0].captioned


def test_what_changed_since_a_run_was_made_is_told_in_words(library, stored):
    stored.edit(0, caption="a disc")
    record = records.run_record("run-a", stored.id)
    run = library.create_run(record, stored.edits())
    assert stored.changes_since(run.layout, record) == []
    stored.edit_many({0: "x", 1: "y"}, {3: 0}, ("disc", "square", "rocks"), {2: True})
    told = ["2 captions changed", "1 item moved to another class", "1 item left out", "1 class renamed", "1 class added"]
    assert stored.changes_since(run.layout, record) == told
    stored.reset()
    assert stored.changes_since(run.layout, record) == ["1 caption changed"]


def test_a_run_of_an_older_version_knows_the_data_as_imported(library, stored):
    record = records.run_record("run-a", stored.id)
    run = library.create_run(record)
    assert not run.layout.known.exists() and stored.changes_since(run.layout, record) == []
    stored.edit(0, caption="a disc")
    assert stored.changes_since(run.layout, record) == ["1 caption changed"]


def test_a_full_disk_keeps_the_edits_before(stored):
    stored.edit(0, caption="kept")
    faults.arm(1, "ENOSPC", persistent=True)
    with pytest.raises(TroubleError, match="Earlier edits are kept"):
        stored.edit(1, caption="lost")
    faults.disarm()
    assert [i.caption for i in stored.items()] == ["kept", "", "", ""]


def test_a_cache_counts_only_once_it_is_whole(stored):
    with pytest.raises(KeyError), stored.new_cache("16", {"side": 16}) as path:
        path.write_bytes(b"half")
        raise KeyError
    assert stored.cached("16") is None
    with stored.new_cache("16", {"side": 16}) as path:
        np.save(path.open("wb"), records.pictures(4))
    assert stored.cached("16")["side"] == 16
    assert np.array_equal(np.load(stored.cache_path("16")), records.pictures(4))


def test_a_draft_that_fails_leaves_nothing(library):
    record = DatasetRecord("d", "D", "image", "d", 1)
    with pytest.raises(KeyError), datasets.draft(library.layout, "d") as inside:
        datasets.finish(inside, record, [Item("a")])
        raise KeyError
    assert list(library.layout.datasets.iterdir()) == []
    with datasets.draft(library.layout, "d") as inside:
        datasets.finish(inside, record, [Item("a")])
    library.notice("dataset", "d")
    assert [d.id for d in library.datasets()] == ["d"]
    assert library.dataset("d").report() == DoctorReport(found=1, imported=1, train=1)


def test_sources_with_strange_names_come_back(library):
    strange = [Item("/p/line\nbreak.png"), Item("/p/" + "n" * 255), Item("/p/\udcff.png".encode("utf-8", "replace").decode())]
    found = records.dataset_record(strange, classes=())
    assert [i.source for i in library.create_dataset(found, strange).items()] == [i.source for i in strange]


def test_damaged_items_are_named(stored):
    stored.layout.items.write_bytes(b'{"source": 3}\n')
    with pytest.raises(TroubleError, match=r"items\.jsonl: it is damaged"):
        datasets.DatasetFolder(stored.layout).items()
