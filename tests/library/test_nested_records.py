"""A record that is nested deeper than any of ours, or holds numbers beyond all bounds, is that one thing's trouble."""

import pytest
from library import records

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout, RunRecord
from models_backend.library import folders, storage
from models_backend.library.fsck import clean, fsck
from models_backend.library.library import Library

ABSURD = {
    "lists": b'{"id":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects": b'{"config":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "unclosed": b"[" * 1_000_000,
    "a number": b'{"created":' + b"9" * 5000 + b"}",
    "an exponent": b'{"format":1e400}',
}
PLACES = ("runs/run-a/run.json", "samples/sample-a/sample.json", "datasets/DATA/dataset.json", "datasets/DATA/edits.json",
          "datasets/DATA/items.jsonl")  # fmt: skip


@pytest.fixture
def layout(library_root):
    with Library.open(library_root) as library:
        records.fill(library)
    return LibraryLayout(library_root)


CASES = [(place, kind) for place in PLACES for kind in ABSURD if "edits" not in place or kind[:2] not in ("a ", "an")]


@pytest.mark.parametrize("name, kind", CASES)
def test_the_rest_of_the_library_is_listed_and_fsck_names_it(layout, name, kind):
    name = name.replace("DATA", records.dataset_record().id)
    (layout.root / name).write_bytes(ABSURD[kind])
    layout.index.unlink()
    with Library.open(layout.root) as library:
        found = [*library.runs(), *library.datasets(), *library.samples()]
    told = fsck(layout.root)
    assert len(found) >= 2 and not clean(told) and any(one.item == name for one in told)
    assert all("damaged" in one.text or "format" in one.text for one in told if one.item == name)
    fsck(layout.root, repair=True)


def test_reading_it_is_one_clear_trouble(tmp_path):
    for data in ABSURD.values():
        (tmp_path / "run.json").write_bytes(data)
        with pytest.raises(TroubleError, match=r"run\.json"):
            storage.read_json(tmp_path / "run.json", RunRecord)
    assert folders.RECORDS["run"] is RunRecord
