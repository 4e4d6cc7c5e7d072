"""The library's folder is moved away and back while it is open: one clear word, nothing made in its place, then all goes on."""

import pytest
from library import records

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import JobRecord
from models_backend.library import standing, storage
from models_backend.library.fsck import fsck
from models_backend.library.library import Library


@pytest.fixture
def library(library_root):
    made = Library.open(library_root)
    records.fill(made)
    yield made
    made.close()


WRITES = {
    "a run": lambda library: library.create_run(records.run_record("run-new")),
    "a data set": lambda library: library.create_dataset(records.dataset_record(records.items()[:2]), records.items()[:2]),
    "a job": lambda library: library.put_job(JobRecord("job-b", "train", "", "run-a", 1.0, 2.0)),
    "a title": lambda library: library.run("run-a").update_record(title="another"),
    "a folder": lambda library: storage.make_folder(library.layout.cache / "deep" / "deeper"),
    "a record that is read": lambda library: library.run("run-a").record(),
}  # fmt: skip


@pytest.mark.parametrize("what", WRITES)
def test_nothing_is_made_where_it_was_and_one_sentence_says_so(library, library_root, tmp_path, what):
    library_root.rename(tmp_path / "away")
    with pytest.raises(TroubleError) as caught:
        WRITES[what](library)
    assert caught.value.trouble == standing.Gone(str(library_root)).trouble and not library_root.exists()
    (tmp_path / "away").rename(library_root)
    WRITES[what](library)


@pytest.mark.parametrize("what", WRITES)
def test_a_library_that_was_made_in_its_place_is_not_taken_for_it(library, library_root, tmp_path, what):
    library_root.rename(tmp_path / "away")
    with Library.open(tmp_path / "new"):
        pass
    (tmp_path / "new").rename(library_root)
    before = sorted(library_root.rglob("*"))
    with pytest.raises(TroubleError):
        WRITES[what](library)
    assert sorted(library_root.rglob("*")) == before
    library_root.rename(tmp_path / "new")
    (tmp_path / "away").rename(library_root)
    WRITES[what](library)


def test_the_record_is_read_again_only_where_its_file_is_another(library, library_root, tmp_path, monkeypatch):
    read, content = [], standing.content
    monkeypatch.setattr(standing, "content", lambda path: read.append(path) or content(path))
    assert not standing.is_gone(library_root)
    library.run("run-a").update_record(title="another")
    assert read == [], "its file is the one that was read when it was opened"
    record = library.layout.record
    record.write_bytes(record.read_bytes() + b"\n")
    assert not standing.is_gone(library_root) and not standing.is_gone(library_root) and len(read) == 1
    library_root.rename(tmp_path / "away")
    assert standing.is_gone(library_root)
    (tmp_path / "away").rename(library_root)
    read.clear()
    assert not standing.is_gone(library_root) and read == [], "it is the same file when it is back"


def test_no_checkpoint_makes_a_run_anew_that_is_gone(library, library_root, tmp_path):
    run = library.run("run-a")
    run.layout.root.rename(tmp_path / "away")
    with pytest.raises(TroubleError, match="it is gone"):
        run.save_checkpoint(7000, records.weights(7000), records.state(7000))
    assert not run.layout.root.exists()


def test_what_was_known_stays_listed_and_what_was_made_elsewhere_meanwhile_is_found(library, library_root, tmp_path):
    runs, sets = [run.id for run in library.runs()], [one.id for one in library.datasets()]
    library_root.rename(tmp_path / "away")
    assert [run.id for run in library.runs()] == runs and [one.id for one in library.datasets()] == sets
    library.notice("run", runs[0])
    assert library.refresh() == 0 and [run.id for run in library.runs()] == runs
    storage.remove_folder(tmp_path / "away" / "runs" / runs[0])
    (tmp_path / "away").rename(library_root)
    assert [run.id for run in library.runs()] == runs[1:]
    assert [str(finding) for finding in fsck(library_root) if "index" in finding.item and finding.level == "error"] == []


def test_a_library_may_be_made_anew_where_one_was_when_that_is_asked_for(library, library_root, tmp_path):
    library.close()
    library_root.rename(tmp_path / "away")
    with Library.open(library_root) as anew:
        assert anew.runs() == []
        records.fill(anew)


def test_other_libraries_and_other_folders_are_not_concerned(library, library_root, tmp_path):
    library_root.rename(tmp_path / "away")
    storage.make_folder(tmp_path / "elsewhere" / "deep")
    with Library.open(tmp_path / "other") as other:
        records.fill(other)
    (tmp_path / "away").rename(library_root)
