"""The library as a whole: one owner, clear refusals, the trash, and what opening puts in order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading

import pytest
from library import records

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout
from models_backend.library import backup, faults, folders, lock, storage, trash
from models_backend.library.fsck import fsck
from models_backend.library.library import Library
from models_backend.library.lock import HeldError, Lock
from models_backend.library.opening import default_root


@pytest.fixture
def library(library_root):
    with Library.open(library_root) as opened:
        yield opened
        faults.disarm()


# ------------------------------------------------------------------------------------------------ opening


def test_a_new_library_is_made_and_opened_again(library_root):
    with Library.open(library_root) as library:
        assert library.owned
        first = library.layout.record.read_bytes()
    with Library.open(library_root) as library:
        assert library.layout.record.read_bytes() == first
    assert fsck(library_root) == []


def test_one_process_owns_it_and_the_second_is_told_who(library, library_root):
    program = f"""
from models_backend.library.library import Library
from models_backend.library.lock import HeldError
try:
    Library.open({str(library_root)!r})
except HeldError as error:
    print(error.pid, error)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.startswith(f"{os.getpid()} ")
    assert f"in use by process {os.getpid()}" in told
    with pytest.raises(HeldError):
        Library.open(library_root)


def test_a_killed_owner_leaves_no_lock(library_root):
    program = f"""
from models_backend.library.library import Library
Library.open({str(library_root)!r})
print(1, flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        owner.stdout.readline()
        with pytest.raises(HeldError) as caught:
            Library.open(library_root)
        assert caught.value.pid == owner.pid
        owner.kill()
        owner.wait()
    Library.open(library_root).close()


def test_a_folder_with_something_else_is_refused_untouched(tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(TroubleError, match="holds something else"):
        Library.open(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["diary.txt"]
    with pytest.raises(TroubleError, match="a file, not a folder"):
        Library.open(tmp_path / "diary.txt")


def test_a_library_of_a_newer_version_is_refused_untouched(library_root):
    Library.open(library_root).close()
    record = LibraryLayout(library_root).record
    record.write_bytes(b'{"id": "x", "created": 1.0, "format": 99, "new": {}}')
    for own in (True, False):
        with pytest.raises(TroubleError, match="newer version"):
            Library.open(library_root, own=own)
    assert b"99" in record.read_bytes()


def test_without_owning_nothing_is_made(library_root):
    with pytest.raises(TroubleError, match="no library in this folder"):
        Library.open(library_root, own=False)
    assert not library_root.exists()


def test_a_read_only_disk_is_told(library_root, monkeypatch):
    Library.open(library_root).close()

    def refuse(path, *rest, **named):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(lock, "_opened", refuse)
    with pytest.raises(TroubleError, match="the disk is read-only"):
        Library.open(library_root)
    monkeypatch.undo()
    faults.arm(1, "EROFS", persistent=True)
    with pytest.raises(TroubleError, match="the disk is read-only"):
        Library.open(library_root / "new")
    faults.disarm()


def test_opening_after_a_crash_removes_leftovers_everywhere(library_root):
    library = Library.open(library_root)
    records.fill(library)
    library.abandon()
    layout = library.layout
    inside = [
        layout.root,
        layout.runs,
        layout.run("run-a").root,
        layout.run("run-a").checkpoints,
        layout.sample("sample-a").root,
    ]
    for folder in inside:
        (folder / ".tmp-999999999-ab").mkdir()
    assert {f.level for f in fsck(library_root)} == {"note"}
    Library.open(library_root).close()
    assert fsck(library_root) == []


def test_the_default_place_follows_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert default_root() == tmp_path / "nexus-studio"
    monkeypatch.setenv("NEXUS_LIBRARY", str(tmp_path / "own"))
    assert default_root() == tmp_path / "own"
    with Library.open() as library:
        assert library.layout.root == tmp_path / "own"


# ---------------------------------------------------------------------------------------------------- ids


def test_ids_say_when_and_what_and_are_new(library, monkeypatch):
    name = library.new_id("Größe & Co: ../x")
    assert re.fullmatch(r"\d{8}-\d{4}-gr-e-co-x-[0-9a-f]{4}", name)
    assert "item" in library.new_id("///")
    assert len(library.new_id("x" * 300)) < 64
    drawn = iter(["0000", "0000", "0001"])
    monkeypatch.setattr("models_backend.library.library.secrets.token_hex", lambda size: next(drawn))
    monkeypatch.setattr("models_backend.library.library.time.strftime", lambda form: "20260102-0304")
    library.layout.run(library.new_id("run")).root.mkdir(parents=True)
    assert library.new_id("run") == "20260102-0304-run-0001"  # the first is taken


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b", "a\nb", "x" * 200])
def test_strange_ids_are_refused(library, name):
    for find in (library.run, library.dataset, library.sample):
        with pytest.raises(TroubleError, match="is not the id"):
            find(name)


def test_what_is_missing_is_named(library):
    with pytest.raises(TroubleError, match="no such run"):
        library.run("nowhere")
    with pytest.raises(TroubleError, match="no such data set"):
        library.dataset("nowhere")


def test_a_run_is_never_made_over_another(library):
    library.create_run(records.run_record())
    with pytest.raises(TroubleError, match="already"):
        library.create_run(records.run_record(title="Other"))
    assert library.run("run-a").record().title == "Run run-a"


def test_runs_are_listed_newest_first_by_owner_and_worker(library):
    for n in range(3):
        library.create_run(records.run_record(f"r{n}", created=float(n)))
    worker = Library.open(library.layout.root, own=False)
    assert [r.id for r in library.runs()] == [r.id for r in worker.runs()] == ["r2", "r1", "r0"]
    with pytest.raises(TroubleError, match="only the process that owns"):
        worker.search("r")


def test_what_is_made_while_a_folder_is_listed_stays_listed(library, monkeypatch):
    library.create_sample(records.sample_record("first"), records.pictures())
    names, made = folders.names, []

    def listed(layout, kind):
        there = list(names(layout, kind))
        if kind == "sample" and not made:
            made.append("second")
            library.create_sample(records.sample_record("second"), records.pictures())
        return there

    monkeypatch.setattr(folders, "names", listed)
    library.refresh()
    assert made and library.count() == 2


def test_what_another_process_makes_beside_is_seen_at_the_next_look(library):
    library.create_sample(records.sample_record("own"), records.pictures())
    with Library.open(library.layout.root, own=False) as other:
        other.create_sample(records.sample_record("foreign"), records.pictures())
    library.create_sample(records.sample_record("own-2"), records.pictures())  # noticed: the folder's time is known by that
    assert library.count() == 3


def test_threads_may_use_it_together(library):
    def work(n):
        for k in range(10):
            library.create_sample(records.sample_record(f"s{n}-{k}"), records.pictures())
            library.samples(0, 10)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert library.count() == 40


# ----------------------------------------------------------------------------------------------- the lock


def test_a_lock_is_held_once_and_given_back(tmp_path):
    one, other = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert lock.holder(tmp_path / "lock") is None
    with one:
        one.acquire()
        assert lock.holder(tmp_path / "lock") == os.getpid()
        with pytest.raises(HeldError, match=f"it is in use by process {os.getpid()}"):
            other.acquire()
    assert lock.holder(tmp_path / "lock") is None
    with other:
        assert other.held
    one.release()


def test_looking_who_holds_it_does_not_get_in_the_way(tmp_path):
    path, stop = tmp_path / "lock", threading.Event()
    path.touch()

    def look():
        while not stop.is_set():
            lock.holder(path)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(30):
            with Lock(path):
                pass
    finally:
        stop.set()
        watcher.join()


# ---------------------------------------------------------------------------------------------- the trash


def test_deleting_moves_and_restoring_moves_back(library):
    records.fill(library)
    before = sorted(p.relative_to(library.layout.root) for p in library.layout.run("run-a").root.rglob("*"))
    entry = trash.delete(library, "run", "run-a")
    assert library.runs() == []
    assert (entry.kind, entry.title, entry.path) == ("run", "Run run-a", "runs/run-a")
    with pytest.raises(TroubleError, match=r"“Run run-a” was deleted on .*Restore it from the trash") as told:
        library.run("run-a")
    assert told.value.trouble.command == "`nexus-studio trash --restore run-a` brings it back"
    assert {f.level for f in fsck(library.layout.root)} == {"note"}
    trash.restore(library, entry.id)
    assert sorted(p.relative_to(library.layout.root) for p in library.layout.run("run-a").root.rglob("*")) == before
    assert library.run("run-a").checkpoint()
    assert trash.entries(library.layout) == []


def test_a_live_run_is_not_deleted(library):
    run = library.create_run(records.run_record())
    with run.lock_worker(), pytest.raises(TroubleError, match="Stop it first"):
        trash.delete(library, "run", "run-a")
    assert library.run("run-a")


def test_a_taken_place_is_not_overwritten(library):
    library.create_run(records.run_record())
    entry = trash.delete(library, "run", "run-a")
    library.create_run(records.run_record(title="New"))
    with pytest.raises(TroubleError, match="its place in the library is taken"):
        trash.restore(library, entry.id)
    assert library.run("run-a").record().title == "New"
    assert len(trash.entries(library.layout)) == 1


def test_emptying_frees_the_disk_and_remembers(library):
    library.create_run(records.run_record())
    trash.delete(library, "run", "run-a")
    assert trash.empty(library, older_than_s=3600) == []
    assert len(trash.empty(library)) == 1
    assert not any(p.is_dir() for p in library.layout.trash.iterdir())
    with pytest.raises(TroubleError, match="Import or make it again"):
        library.run("run-a")


def test_what_is_not_there_is_not_deleted(library):
    for kind, name in (("run", "nowhere"), ("dataset", "nowhere"), ("job", "nowhere")):
        with pytest.raises(TroubleError, match="no such"):
            trash.delete(library, kind, name)
    with pytest.raises(TroubleError, match="not in the trash"):
        trash.restore(library, "nothing")


def test_a_damaged_thing_can_be_deleted(library):
    library.create_run(records.run_record())
    library.layout.run("run-a").record.write_bytes(b"{")
    assert trash.delete(library, "run", "run-a").title == "run-a"


# ------------------------------------------------------------------------------------------------- backup


def test_backups_roll_and_hold_every_small_record(library):
    records.fill(library)
    library.dataset(records.dataset_record().id).edit(0, caption="kept")
    assert backup.due(library.layout)
    path = backup.make(library)
    assert not backup.due(library.layout)
    assert backup.due(library.layout, every_s=-1)
    for kind, name in (("run", "run-a"), ("sample", "sample-a"), ("job", "job-a"), ("dataset", records.dataset_record().id)):
        assert name.encode() in backup.record_in(path, kind, name)
    assert backup.record_in(path, "run", "nowhere") is None
    assert b"kept" in backup.file_in(path, f"datasets/{records.dataset_record().id}/edits.json")
    assert backup.file_in(path, "nothing") is None
    for n in range(1, 8):
        storage.write_bytes(path.with_name(f"2020010{n}-000000.zip"), path.read_bytes())
    backup.make(library, keep=3)
    assert len(backup.backups(library.layout)) == 3


def test_a_damaged_backup_is_named(library):
    path = library.layout.backups / "20200101-000000.zip"
    path.write_bytes(b"rubbish")
    with pytest.raises(TroubleError, match=r"20200101-000000\.zip: the backup is damaged"):
        backup.record_in(path, "run", "run-a")


def test_importing_the_library_loads_nothing_heavy():
    program = "import sys, models_backend.library.library; print('loaded', {'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "loaded set()"
