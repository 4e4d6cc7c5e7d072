"""Data sets: the import never changes, edits lie beside it and can be taken back."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from library import records

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, DoctorReport, Item
from models_backend.library import datasets, faults
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
    assert stored.cached("8") == {"shape": [4, 8, 8, 1], "dtype": "uint8", "k": 1}
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
    stored.edit(0, label=2)
    stored.undo(two), stored.undo(one)
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
    with pytest.raises(TroubleError, match="no item 4"):
        stored.edit(4, caption="x")
    with pytest.raises(TroubleError, match="no item -1"):
        stored.edit(-1, caption="x")
    with pytest.raises(TroubleError, match="no class 2"):
        stored.edit(0, label=2)
    with pytest.raises(TroubleError, match="at least 2 class names"):
        stored.name_classes(["one"])
    assert not stored.layout.edits.exists()


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
    assert stored.cached("16") == {"side": 16}
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
    assert library.dataset("d").report() == DoctorReport(found=1, imported=1)


def test_sources_with_strange_names_come_back(library):
    strange = [Item("/p/line\nbreak.png"), Item("/p/" + "n" * 255), Item("/p/\udcff.png".encode("utf-8", "replace").decode())]
    found = records.dataset_record(strange, classes=())
    assert [i.source for i in library.create_dataset(found, strange).items()] == [i.source for i in strange]


def test_damaged_items_are_named(stored):
    stored.layout.items.write_bytes(b'{"source": 3}\n')
    with pytest.raises(TroubleError, match=r"items\.jsonl: it is damaged"):
        datasets.DatasetFolder(stored.layout).items()
