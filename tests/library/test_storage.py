"""Whole or not at all: what storage promises of files, folders and logs."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest
from library.naive import naive_writes

from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import RunRecord, TrashEntry
from models_backend.library import faults, primitives, storage
from models_backend.library.appending import Appender
from models_backend.library.trouble import explained


@pytest.fixture(autouse=True)
def nothing_stays_armed():
    yield
    faults.disarm()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_bytes_come_back(tmp_path):
    for data in (b"", b"abc", bytes(range(256)) * 10_000, memoryview(b"view"), bytearray(b"array")):
        storage.write_bytes(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == bytes(data)
    assert names(tmp_path) == ["file"]


def test_written_files_and_folders_are_private(tmp_path):
    storage.write_bytes(tmp_path / "file", b"x")
    storage.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("kind", ["ENOSPC", "EIO", "EROFS"])
def test_a_failed_write_leaves_the_old_file_and_no_leftover(tmp_path, kind):
    target = tmp_path / "file"
    storage.write_bytes(target, b"old")
    faults.record()
    storage.write_bytes(target, b"old")
    steps = storage.operations()
    for n in range(1, steps + 1):
        faults.arm(n, kind)
        with pytest.raises(OSError) as caught:
            storage.write_bytes(target, b"new" * 1000)
        faults.disarm()
        assert caught.value.errno == getattr(errno, kind)
        assert target.read_bytes() in (b"old", b"new" * 1000)
        assert names(tmp_path) == ["file"]
        storage.write_bytes(target, b"old")


@pytest.mark.parametrize("persistent", [False, True])
def test_short_writes_are_finished_or_told(tmp_path, persistent):
    faults.arm(2, "SHORT", persistent)  # operation 1 creates, 2 writes
    if persistent:
        with pytest.raises(OSError, match="No space"):
            storage.write_bytes(tmp_path / "file", b"0123456789")
        faults.disarm()
        assert not (tmp_path / "file").exists()
    else:
        storage.write_bytes(tmp_path / "file", b"0123456789")
        assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_open_new_appears_only_when_the_block_ends_well(tmp_path):
    with storage.open_new(tmp_path / "file") as file:
        file.write(b"head")
        file.seek(0)
        file.write(b"H")
        assert not (tmp_path / "file").exists()
    assert (tmp_path / "file").read_bytes() == b"Head"
    with pytest.raises(KeyError), storage.open_new(tmp_path / "other") as file:
        file.write(b"half")
        raise KeyError
    assert names(tmp_path) == ["file"]


def test_new_file_keeps_the_suffix_for_encoders_and_long_names_fit(tmp_path):
    target = tmp_path / ("n" * 251 + ".mp4")
    with storage.new_file(target) as temp:
        assert temp.suffix == ".mp4"
        assert len(temp.name) < 64
        temp.write_bytes(b"film")
    assert target.read_bytes() == b"film"
    with pytest.raises(ValueError), storage.new_file(tmp_path / "b.mp4") as temp:
        temp.write_bytes(b"half")
        raise ValueError
    assert names(tmp_path) == [target.name]


def test_new_folder_stands_whole_or_not(tmp_path):
    with storage.new_folder(tmp_path / "a") as folder:
        storage.write_bytes(folder / "one", b"1")
        assert not (tmp_path / "a").exists()
    assert names(tmp_path / "a") == ["one"]
    with pytest.raises(KeyError), storage.new_folder(tmp_path / "b") as folder:
        storage.write_bytes(folder / "one", b"1")
        raise KeyError
    assert names(tmp_path) == ["a"]


def test_new_folder_replaces_an_older_one_in_one_step(tmp_path):
    for content in (b"old", b"new"):
        with storage.new_folder(tmp_path / "a") as folder:
            storage.write_bytes(folder / content.decode(), content)
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["new"]


def test_exchange_without_the_system_call_swaps_too(tmp_path, monkeypatch):
    from models_backend.library import exchanging

    monkeypatch.setattr(exchanging, "_atomic", lambda one, other: False)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    exchanging.exchange(tmp_path / "one", tmp_path / "other")
    assert names(tmp_path / "one") == ["other"]
    assert names(tmp_path / "other") == ["one"]


def test_remove_folder_does_not_follow_links(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").touch()
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "outside")
    storage.remove_folder(tmp_path / "a")
    assert names(tmp_path) == ["outside"]
    assert names(tmp_path / "outside") == ["precious"]
    storage.remove_folder(tmp_path / "a")  # one that is gone is fine


def test_a_folder_that_cannot_be_freed_vanishes_all_the_same(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    faults.arm(3, "EIO", persistent=True)  # the rename and the fsync go through, nothing after
    storage.remove_folder(tmp_path / "a")
    faults.disarm()
    assert not (tmp_path / "a").exists()
    assert storage.sweep(tmp_path) == 1
    assert names(tmp_path) == []


def test_sweep_takes_only_what_the_dead_left(tmp_path):
    (tmp_path / ".tmp-999999999-aa").touch()
    (tmp_path / f".tmp-{os.getppid()}-aa").touch()
    (tmp_path / f".tmp-{os.getpid()}-aa").mkdir()
    (tmp_path / "mine").touch()
    with storage.open_new(tmp_path / "now") as file:
        file.write(b"x")
        assert storage.sweep(tmp_path) == 2
    assert names(tmp_path) == [f".tmp-{os.getppid()}-aa", "mine", "now"]
    assert storage.leftovers(tmp_path / "nowhere") == []


def test_in_a_folder_of_the_users_only_files_of_exactly_our_names_are_swept(tmp_path):
    ours = [".tmp-999999999-0123456789ab", ".tmp-999999999-0123456789ab.webm"]
    others = [
        ".tmp-999999999-aa",
        ".tmp-999999999-0123456789ab.tar.gz",
        ".tmp-999999999-notes",
        f".tmp-{os.getppid()}-0123456789ab",
    ]
    for name in (*ours, *others):
        (tmp_path / name).touch()
    (tmp_path / ".tmp-999999998-0123456789ab").mkdir()
    assert storage.sweep_among_others(tmp_path) == 2
    assert names(tmp_path) == sorted([*others, ".tmp-999999998-0123456789ab"])


def test_json_is_readable_and_comes_back(tmp_path):
    entry = TrashEntry("id", "run", "Grüße", "runs/a", 1.5)
    storage.write_json(tmp_path / "entry.json", entry)
    assert "\n" in (tmp_path / "entry.json").read_text()
    assert storage.read_json(tmp_path / "entry.json", TrashEntry) == entry
    assert storage.read_json(tmp_path / "entry.json")["title"] == "Grüße"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[]", b'{"id": 3}', b'{"id": "a"}'])
def test_damaged_json_names_the_file(tmp_path, data):
    (tmp_path / "entry.json").write_bytes(data)
    with pytest.raises(TroubleError) as caught:
        storage.read_json(tmp_path / "entry.json", TrashEntry)
    assert caught.value.trouble.item.endswith("entry.json")
    assert "damaged" in caught.value.trouble.what


def test_a_missing_file_is_told_as_gone(tmp_path):
    with pytest.raises(TroubleError, match="it is gone"):
        storage.read_json(tmp_path / "entry.json", TrashEntry)


def test_a_record_of_a_newer_version_is_refused_in_plain_words(tmp_path):
    from library import records

    for data in (b'{"format": 99, "strange": true}', msgspec.json.encode(records.run_record(format=99))):
        (tmp_path / "run.json").write_bytes(data)
        with pytest.raises(TroubleError, match="newer version") as caught:
            storage.read_json(tmp_path / "run.json", RunRecord)
        assert caught.value.trouble.advice == "Update the studio"


# ------------------------------------------------------------------------------ what a power cut would leave


def assert_ordered(trace, target):
    """The file's bytes reach the disk before its name, and its name before the call returns."""
    operations = [operation for operation, _ in trace]
    rename = next(i for i, (operation, path) in enumerate(trace) if operation == "rename" and path == str(target))
    assert "fsync" in operations[:rename], "renamed before its content was on the disk"
    assert "write" not in operations[operations.index("fsync") : rename], "written after the fsync"
    assert ("fsync folder", str(target.parent)) in trace[rename:], "the new name was never made durable"


def write_one(target: Path):
    storage.write_bytes(target, b"x")


def open_one(target: Path):
    with storage.open_new(target) as file:
        file.write(b"x")


def encode_one(target: Path):
    with storage.new_file(target) as temp:
        temp.write_bytes(b"x")


@pytest.mark.parametrize("write", [write_one, open_one, encode_one])
def test_content_then_name_then_folder(tmp_path, write):
    trace = faults.record()
    write(tmp_path / "file")
    assert_ordered(trace, tmp_path / "file")


def test_a_folder_is_synced_inside_before_it_is_renamed(tmp_path):
    trace = faults.record()
    with storage.new_folder(tmp_path / "a") as folder:
        storage.write_bytes(folder / "one", b"1")
    inner = [i for i, (operation, path) in enumerate(trace) if operation == "fsync folder" and path == str(folder)]
    rename = trace.index(("rename", str(tmp_path / "a")))
    assert inner[-1] < rename < len(trace) - 1
    assert trace[-1] == ("fsync folder", str(tmp_path))


def test_naive_writes_fail_the_order(tmp_path):
    trace = faults.record()
    with naive_writes(), pytest.raises((StopIteration, AssertionError)):
        storage.write_bytes(tmp_path / "file", b"x")
        assert_ordered(trace, tmp_path / "file")


# ---------------------------------------------------------------------------------------------------- faults


def test_faults_strike_once_or_for_good(tmp_path):
    faults.arm(2, "EIO")
    primitives.sync_folder(tmp_path)
    with pytest.raises(OSError):
        primitives.sync_folder(tmp_path)
    primitives.sync_folder(tmp_path)
    assert (faults.operations(), faults.struck()) == (3, 1)
    faults.arm(1, "EIO", persistent=True)
    for _ in range(3):
        with pytest.raises(OSError):
            primitives.sync_folder(tmp_path)
    assert faults.struck() == 3


def test_a_full_disk_still_lets_go_of_files(tmp_path):
    (tmp_path / "file").touch()
    faults.arm(1, "ENOSPC")
    storage.remove(tmp_path / "file")
    assert names(tmp_path) == []


def test_faults_are_read_from_the_environment():
    assert faults.from_environment("") is None
    assert faults.from_environment("7:EIO") == faults.Plan(7, "EIO", False)
    assert faults.from_environment("1:ENOSPC:persistent") == faults.Plan(1, "ENOSPC", True)
    with pytest.raises(ValueError, match="no fault kind"):
        faults.arm(1, "FIRE")


def test_errors_become_plain_words():
    with pytest.raises(TroubleError) as caught, explained("the sample cannot be saved", "blue", "The old one stays"):
        raise OSError(errno.ENOSPC, "No space left on device")
    trouble = caught.value.trouble
    assert (
        str(trouble) == "blue: the sample cannot be saved: the disk is full. The old one stays. Free some space and try again"
    )
    assert "No space left" in trouble.detail


# ------------------------------------------------------------------------------------------------------ logs


def test_appended_lines_stand(tmp_path):
    log = Appender(tmp_path / "log")
    for n in range(100):
        log.append(b"%d\n" % n)
    log.close()
    assert (tmp_path / "log").read_bytes().split() == [b"%d" % n for n in range(100)]


@pytest.mark.parametrize("torn", [b"", b"half", b"half" * 50_000])
def test_a_torn_last_line_is_cut_at_opening(tmp_path, torn):
    (tmp_path / "log").write_bytes(b"one\ntwo\n" + torn)
    Appender(tmp_path / "log").close()
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


def test_a_log_of_one_torn_line_becomes_empty(tmp_path):
    (tmp_path / "log").write_bytes(b"half" * 40_000)
    Appender(tmp_path / "log").close()
    assert (tmp_path / "log").read_bytes() == b""


@pytest.mark.parametrize("kind", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("persistent", [False, True])
def test_a_failed_line_leaves_the_log_as_it_was(tmp_path, kind, persistent):
    log = Appender(tmp_path / "log")
    log.append(b"one\n")
    faults.arm(1, kind, persistent)
    with pytest.raises(OSError):
        log.append(b"second line\n")
    faults.disarm()
    log.append(b"three\n", durable=True)
    log.close()
    assert (tmp_path / "log").read_bytes() == b"one\nthree\n"


def test_two_writers_take_turns(tmp_path):
    one, other = Appender(tmp_path / "log"), Appender(tmp_path / "log")
    for n in range(10):
        (one if n % 2 else other).append(b"%d\n" % n)
    with one.held() as moved:
        assert not moved
    other.append(b"10\n")
    with one.held() as moved:
        assert moved
    one.close(), other.close()
    assert (tmp_path / "log").read_bytes().split() == [b"%d" % n for n in range(11)]
