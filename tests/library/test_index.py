"""The index repeats the folders: complete, quick, and never missed when it is lost."""

from __future__ import annotations

import time

import apsw
import msgspec
import pytest
from library import records

from models_backend.contract.run_layout import JobRecord, SampleRecord
from models_backend.library import datasets, exports, faults, following, samples, storage, trash
from models_backend.library.index import Filter, Index
from models_backend.library.library import Library


@pytest.fixture
def library(library_root):
    with Library.open(library_root) as opened:
        yield opened
        faults.disarm()


def made(library, name, **changes):
    return library.create_sample(records.sample_record(name, **changes), records.pictures())


def ids(found):
    return [record.id for record in found]


def test_pages_are_newest_first_and_complete(library):
    for n in range(7):
        made(library, f"s{n}", created=float(n % 5))
    expected = ["s4", "s3", "s2", "s6", "s1", "s5", "s0"]
    assert ids(library.samples(0, 100)) == expected
    assert [ids(library.samples(at, 3)) for at in (0, 3, 6, 9)] == [expected[:3], expected[3:6], expected[6:], []]
    assert library.count() == 7


FILTERS = [
    Filter(run="r1"), Filter(family="vae"), Filter(dataset="d"), Filter(kind="path"), Filter(modality="points"),
    Filter(starred=True), Filter(tag="best"), Filter(text="blue"), Filter(text="squ BLU"), Filter(text="nothing like it"),
    Filter(text='"quote* OR ('), Filter(text="blue", starred=True), Filter(run="r1", tag="best"), Filter(),
    Filter(grid="grid-a"), Filter(gathered=True), Filter(text="steps", gathered=True), Filter(starred=True, gathered=True),
]  # fmt: skip


@pytest.mark.parametrize("narrowed", FILTERS, ids=str)
def test_filters_say_the_same_with_and_without_the_index(library, narrowed):
    made(library, "a", run="r1", title="Blue squares", starred=True, created=3.0)
    made(library, "b", run="r2", family="vae", title="Red squares", tags=("best", "blue"), created=2.0)
    made(library, "c", dataset="d", kind="path", modality="points", title="Other", created=1.0)
    made(library, "e", run="r1", title="quote or", tags=("best",), created=0.5)
    for record in [*records.grid(), msgspec.structs.replace(records.grid()[0], id="twin")]:
        library.create_sample(record, records.pictures(1))
    worker = Library.open(library.layout.root, own=False)
    assert ids(library.samples(0, 99, narrowed)) == ids(worker.samples(0, 99, narrowed))
    assert library.count(narrowed) == worker.count(narrowed) == len(library.samples(0, 99, narrowed))
    assert not narrowed.gathered or sum(record.grid is not None for record in library.samples(0, 99, narrowed)) <= 1


def test_a_grid_is_one_entry_which_the_first_cell_that_is_there_stands_for(library):
    made(library, "alone", created=1.0)
    cells = records.grid()
    for record in reversed(cells):
        library.create_sample(record, records.pictures(1))
    for seen in (library, Library.open(library.layout.root, own=False)):
        assert ids(seen.samples(narrowed=Filter(gathered=True))) == [cells[0].id, "alone"]
        assert seen.count(Filter(gathered=True)) == 2 and seen.count() == 7
        assert seen.cells(seen.sample(cells[4].id).record()) == [seen.sample(one.id).record() for one in cells]
        assert ids(seen.cells(seen.sample("alone").record())) == ["alone"]
    trash.delete(library, "sample", cells[0].id)
    assert ids(library.samples(narrowed=Filter(gathered=True))) == [cells[1].id, "alone"]
    for record in cells[1:]:
        trash.delete(library, "sample", record.id)
    assert ids(library.samples(narrowed=Filter(gathered=True))) == ["alone"]


def test_an_index_from_before_grids_is_used_as_it_is(library_root):
    with Library.open(library_root) as library:
        records.fill(library)
        library.index.put_exports([exports.Exported("/out/only-in-the-index.png", "sample-a", "png", 1.0)])
        before = library.samples()
    db = apsw.Connection(str(library.layout.index))
    db.execute("DROP TABLE cells; PRAGMA user_version = 1")
    db.close()
    with Library.open(library_root) as library:
        assert library.samples() == before and library.index.exports(), "it was not made anew"
        for record in records.grid():
            library.create_sample(record, records.pictures(1))
    with Library.open(library_root) as library:
        assert library.count(Filter(gathered=True)) == len(before) + 1 and library.count() == len(before) + 6


def test_changes_reach_the_index(library):
    sample = made(library, "a", tags=("one",))
    sample = library.sample("a")
    sample.update_record(title="Renamed", starred=True, tags=("two",))
    assert ids(library.samples(0, 9, Filter(text="renamed", starred=True, tag="two"))) == ["a"]
    assert library.samples(0, 9, Filter(tag="one")) == []
    assert library.index.tags() == [("two", 1)]
    assert library.search("sampl") == [("sample", "a", "Renamed")]


def test_search_finds_every_kind_and_titles_first(library):
    found = records.dataset_record()
    library.create_dataset(found, records.items())
    library.create_run(records.run_record("ra", title="Something", dataset="shapes"))
    made(library, "sa", title="Shapes at night")
    assert {kind for kind, _, _ in library.search("shapes")} == {"dataset", "run", "sample"}
    assert library.search("shapes")[-1][0] == "run"
    assert library.search("night shap") == [("sample", "sa", "Shapes at night")]
    assert library.search("") == library.search("  ' \" *") == []


def test_what_a_worker_makes_is_listed_without_a_word(library):
    worker = Library.open(library.layout.root, own=False)
    samples.SampleFolder.create(worker, records.sample_record("w"), records.pictures())
    assert ids(library.samples()) == ["w"]
    library.layout.sample("w").root.rename(library.layout.root / "elsewhere")
    assert library.samples() == []


def test_what_changes_while_nobody_looks_is_found_after_a_crash(library_root):
    library = Library.open(library_root)
    made(library, "a")
    library.abandon()
    record = records.sample_record("a", title="Changed outside")
    storage.write_json(library.layout.sample("a").record, record)
    with Library.open(library_root) as again:
        assert again.samples()[0].title == "Changed outside"


@pytest.mark.parametrize("harm", ["removed", "rubbish", "other version", "truncated"])
def test_a_lost_index_is_made_again_from_the_folders(library_root, harm):
    with Library.open(library_root) as library:
        records.fill(library)
        library.note_export("/out/a.png", "sample-a", "png")
        before = [library.runs(), library.datasets(), library.samples(), library.jobs(), library.index.exports()]
    path = library.layout.index
    if harm == "removed":
        path.unlink()
    elif harm == "rubbish":
        path.write_bytes(b"rubbish" * 1000)
    elif harm == "truncated":
        path.write_bytes(path.read_bytes()[:4096])
    else:
        apsw.Connection(str(path)).execute("PRAGMA user_version = 99")
    with Library.open(library_root) as library:
        after = [library.runs(), library.datasets(), library.samples(), library.jobs(), library.index.exports()]
        assert after == before
        assert library.search("shapes")


def test_an_edited_data_set_shows_its_new_title(library_root):
    with Library.open(library_root) as library:
        name = library.create_dataset(records.dataset_record(), records.items()).id
        token = library.dataset(name).rename("Better")
        assert library.datasets()[0].title == "Better"
        library.dataset(name).undo(token)
        assert library.datasets()[0].title == "Shapes"


def test_a_full_disk_does_not_stop_the_listing(library_root):
    with Library.open(library_root) as library:
        made(library, "a")
        steps = None
        for n in range(1, 40):
            name = f"s{n:02d}"
            faults.arm(n, "ENOSPC", persistent=True)
            try:
                made(library, name)
                steps = n
            except Exception as error:
                assert "disk is full" in str(error)
            listed = ids(library.samples())
            faults.disarm()
            assert "a" in listed
            assert set(listed) == {p.name for p in library.layout.samples.iterdir() if not p.name.startswith(".")}
        assert steps, "no trial got past the folder"


def test_a_library_opens_on_a_full_disk(library_root):
    with Library.open(library_root) as library:
        made(library, "a")
    faults.arm(1, "ENOSPC", persistent=True)
    with Library.open(library_root) as library:
        assert ids(library.samples()) == ["a"]
        assert library.index.path.name == following.IN_MEMORY
    faults.disarm()
    with Library.open(library_root) as library:
        assert ids(library.samples()) == ["a"]
        assert library.index.path == library.layout.index


def test_damaged_records_do_not_hide_the_others(library_root):
    with Library.open(library_root) as library:
        made(library, "good")
        made(library, "bad")
        library.create_dataset(records.dataset_record(), records.items())
    library.layout.sample("bad").record.write_bytes(b"{")
    library.layout.dataset(records.dataset_record().id).edits.write_bytes(b"{")
    library.layout.index.unlink()
    with Library.open(library_root) as library:
        assert ids(library.samples()) == ["good"]
        assert library.datasets()[0].title == "Shapes"
    assert ids(Library.open(library_root, own=False).samples()) == ["good"]


def test_jobs_keep_their_order(library):
    for n, place in enumerate((3.0, 1.0, 2.0)):
        library.put_job(JobRecord(f"j{n}", "train", "", "", 1.0, place))
    assert ids(library.jobs()) == ["j1", "j2", "j0"]
    library.put_job(msgspec.structs.replace(library.jobs()[0], order=9.0))
    assert ids(library.jobs()) == ["j2", "j0", "j1"]
    library.remove_job("j2")
    library.remove_job("j2")
    assert ids(library.jobs()) == ["j0", "j1"]
    assert ids(Library.open(library.layout.root, own=False).jobs()) == ["j0", "j1"]


def many(count):
    for n in range(count):
        yield (
            records.sample_record(f"s{n:06d}", "run", created=float(n), starred=n % 100 == 0, tags=("x",) * (n % 50 == 0)),
            "stamp",
        )


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_hundred_thousand_samples_page_within_a_frame(tmp_path, count):
    index = Index(tmp_path / "index.sqlite")
    index.put_all("sample", many(count))
    for narrowed in (Filter(), Filter(run="run"), Filter(starred=True)):
        total = index.count("sample", narrowed)
        for offset in (0, total // 2, total - 60):
            times = []
            for _ in range(5):
                began = time.thread_time()
                page = index.samples(offset, 60, narrowed)
                times.append(time.thread_time() - began)
            assert len(page) == 60
            assert page[0].created == sorted((r.created for r in page), reverse=True)[0]
            assert min(times) < 0.016
    index.close()


def test_opening_a_library_of_ten_thousand_samples_reads_no_record(library_root, monkeypatch):
    with Library.open(library_root) as library:
        template = msgspec.json.encode(records.sample_record("x"))
        for n in range(10_000):
            folder = library.layout.samples / f"s{n:05d}"
            folder.mkdir()
            (folder / "sample.json").write_bytes(template.replace(b'"id":"x"', b'"id":"s%05d"' % n))
        assert library.count() == 10_000
    read = []
    monkeypatch.setattr(following, "read", lambda *args: read.append(args))
    began = time.thread_time()
    with Library.open(library_root) as library:
        took = time.thread_time() - began
        assert library.count() == 10_000
    assert not read
    assert took < 0.5


def test_exports_are_remembered_with_their_source(library):
    library.note_export("/out/a.png", "sample-a", "png")
    library.note_export("/out/b.png", "sample-b", "png")
    assert [row[:3] for row in library.index.exports("sample-a")] == [("/out/a.png", "sample-a", "png")]
    assert len(library.index.exports()) == 2


def test_records_survive_the_index_unchanged(library):
    record = records.sample_record("a", conditions={"class": [1, 2], "text": "ü"}, start={"sample": "b", "step": 3})
    library.create_sample(record, records.pictures())
    stored: SampleRecord = library.samples()[0]
    assert stored == library.sample("a").record()
    assert msgspec.structs.replace(stored, items_sha256="") == record


def test_refresh_finds_changes_of_content(library):
    made(library, "a")
    storage.write_json(library.layout.sample("a").record, records.sample_record("a", title="Outside"))
    assert library.samples()[0].title == "Sample a"
    assert library.refresh() == 1
    assert library.samples()[0].title == "Outside"


def test_rebuild_counts_what_it_found(library_root):
    with Library.open(library_root) as library:
        records.fill(library)
    assert following.rebuild(library.layout) == 4
    assert datasets.fingerprint(records.items())[:16] == records.dataset_record().id
