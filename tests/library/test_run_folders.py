"""Run folders: events without a gap, checkpoints that stand whole, states that tell the truth."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time

import msgspec
import pytest
from library import records

from models_backend.contract.messages import (
    Event,
    Health,
    HealthLine,
    Levels,
    Mark,
    Metrics,
    Remedy,
    State,
    Trouble,
    TroubleError,
)
from models_backend.contract.run_layout import CheckpointState, RunLayout
from models_backend.library import checkpoints, events, faults, runs
from models_backend.library.lock import HeldError
from models_backend.library.runs import RunFolder


@pytest.fixture
def run(tmp_path):
    folder = runs.create(RunLayout(tmp_path / "runs" / "run-a"), records.run_record())
    yield folder
    faults.disarm()
    folder.close()


def figures(run, count, first=1):
    for step in range(first, first + count):
        run.append(Metrics(step, {"loss": 1.0 / step}))


# ------------------------------------------------------------------------------------------------- record


def test_the_record_comes_back_and_only_its_labels_change(run):
    assert run.record() == records.run_record()
    assert run.update_record(title="Better", starred=True, tags=("a",)).title == "Better"
    assert run.record().config == records.run_record().config
    assert run.record().tags == ("a",)
    with pytest.raises(ValueError, match="config is fixed"):
        run.update_record(config={})


def test_a_full_disk_keeps_the_old_record(run):
    faults.arm(1, "ENOSPC", persistent=True)
    with pytest.raises(TroubleError, match="the disk is full"):
        run.update_record(title="Better")
    faults.disarm()
    assert run.record().title == "Run run-a"


# ------------------------------------------------------------------------------------------------- events


def test_events_are_numbered_from_one_without_a_gap(run):
    figures(run, 5)
    run.close()
    again = RunFolder(run.layout)
    again.append(Mark(5, "rate halved"))
    assert [e.seq for e in run.events()] == [1, 2, 3, 4, 5, 6]
    assert again.last_seq() == 6
    assert all(e.source == "run-a" and abs(e.time - time.time()) < 60 for e in run.events())
    again.close()


def test_events_since_a_number(run):
    figures(run, 3000)
    for since in (0, 1, 1499, 2999, 3000, 4000):
        assert [e.seq for e in run.events(since)] == list(range(since + 1, 3001))


def test_reading_the_end_of_a_long_log_does_not_read_its_beginning(run):
    line = msgspec.json.encode(Event(0, 1.0, "run-a", Metrics(1, {"loss": 0.5})))[8:]
    run.layout.events.write_bytes(b"".join(b'{"seq":%d' % n + line + b"\n" for n in range(1, 200_001)))
    began = time.thread_time()
    assert [e.seq for e in run.events(199_998)] == [199_999, 200_000]
    assert run.last_seq() == 200_000
    end = time.thread_time() - began
    began = time.thread_time()
    assert sum(1 for _ in run.events()) == 200_000
    assert end < (time.thread_time() - began) / 10


def test_a_thousand_figures_take_little_more_than_a_thousand_plain_writes(run, tmp_path):
    run.append(State("running"))
    kept, plain = math.inf, math.inf
    for attempt in range(5):  # in turns: both are met by the same machine
        began = time.thread_time()
        figures(run, 1000, 1 + attempt * 1000)
        kept = min(kept, time.thread_time() - began)
        began = time.thread_time()
        for step in range(1000):
            with (tmp_path / "plain").open("ab") as file:
                file.write(msgspec.json.encode(Event(step, 1.0, "run-a", Metrics(step, {"loss": 0.5}))) + b"\n")
        plain = min(plain, time.thread_time() - began)
    assert kept < 3 * plain


def test_figures_are_not_fsynced_but_states_are(run):
    run.append(State("running"))
    trace = faults.record()
    figures(run, 10)
    assert {operation for operation, _ in trace} == {"write"}
    run.append(State("paused"))
    run.append(Trouble("out of memory"))
    assert [operation for operation, _ in trace][-4:] == ["write", "fsync", "write", "fsync"]


def test_a_torn_tail_is_left_out_and_then_overwritten(run):
    figures(run, 3)
    run.close()
    with run.layout.events.open("ab") as file:
        file.write(b'{"seq":4,"time":1.0,"sou')
    assert [e.seq for e in run.events()] == [1, 2, 3]
    assert run.last_seq() == 3
    run.append(Mark(3, "again"))
    assert [e.seq for e in run.events()] == [1, 2, 3, 4]


def test_a_failed_event_leaves_no_gap(run):
    figures(run, 3)
    for kind in ("ENOSPC", "EIO"):
        for n in (1, 2):
            faults.arm(n, kind, persistent=True)
            with pytest.raises(TroubleError, match="an event cannot be written"):
                run.append(State("running"))
            faults.disarm()
    figures(run, 2, 4)
    told = list(run.events())
    assert [e.seq for e in told] == list(range(1, len(told) + 1))
    assert [e.body.step for e in told if isinstance(e.body, Metrics)] == [1, 2, 3, 4, 5]


def test_two_writers_share_one_numbering(run):
    other = RunFolder(run.layout)
    for step in range(20):
        (run if step % 3 else other).append(Metrics(step, {}))
    other.close()
    assert [e.seq for e in run.events()] == list(range(1, 21))


def test_threads_share_one_numbering(run):
    threads = [threading.Thread(target=figures, args=(run, 100)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.seq for e in run.events()] == list(range(1, 401))


def test_empty_bins_and_strange_figures_come_back(run):
    run.append(Levels(3, [math.nan, 0.5]))
    run.append(Metrics(3, {"loss": math.inf}))
    run.append(Health(3, [HealthLine("kl", "warn", "falls", Remedy("halve", {"type": "state"}))], {"kl": [math.nan, 1.0]}))
    levels, metrics, health = (e.body for e in run.events())
    assert math.isnan(levels.losses[0])
    assert levels.losses[1] == 0.5
    assert not math.isfinite(metrics.values["loss"])
    assert math.isnan(health.series["kl"][0])
    assert health.lines[0].remedy.config == {"type": "state"}


def test_a_damaged_line_names_the_run(run):
    figures(run, 2)
    run.layout.events.write_bytes(run.layout.events.read_bytes() + b"rubbish\n")
    with pytest.raises(TroubleError, match=r"run-a/events\.jsonl: a line is damaged"):
        list(run.events())


# -------------------------------------------------------------------------------------------------- state


def test_state_is_the_last_one_told_with_the_last_step(run):
    assert run.state() == ("queued", 0)
    run.append(State("running", 0))
    run.append(Metrics(7, {"loss": 1.0}))
    run.append(Mark(8, 'odd text with "type":"state" in it'))
    assert run.state() == ("interrupted", 8)
    with run.lock_worker():
        assert run.alive()
        assert run.worker_pid() == os.getpid()
        assert run.state() == ("running", 8)
    assert not run.alive()
    run.append(State("finished", 8))
    assert run.state() == ("finished", 8)


def test_a_state_before_many_figures_is_found(run):
    run.append(State("running"))
    figures(run, 2000)
    run.append(Trouble("no step here"))
    assert events.last_state(run.layout.events) == (State("running"), 2000)


def test_a_lookalike_inside_a_remedy_is_not_a_state(run):
    run.append(State("stopped", 4))
    run.append(Health(5, [HealthLine("a", "ok", "fine", Remedy("do", {"type": "state"}))]))
    assert run.state() == ("stopped", 5)


def test_a_new_worker_removes_what_a_killed_one_left(run):
    (run.layout.checkpoints / ".tmp-999999999-ab").mkdir()
    (run.layout.root / ".tmp-999999999-cd").touch()
    with run.lock_worker():
        assert not list(run.layout.root.rglob(".tmp-*"))


def test_a_run_has_one_worker_and_it_is_named(run):
    program = f"""
from models_backend.contract.run_layout import RunLayout
from models_backend.library.runs import RunFolder
RunFolder(RunLayout({str(run.layout.root)!r})).lock_worker()
print("locked", flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"locked\n"
        assert run.worker_pid() == worker.pid
        with pytest.raises(HeldError, match=f"by process {worker.pid}") as caught:
            run.lock_worker()
        assert caught.value.pid == worker.pid
        worker.kill()
        worker.wait()
    assert not run.alive()
    run.lock_worker().release()


@pytest.mark.skipif(os.name == "nt", reason="a child cannot inherit a lock there")
def test_a_run_is_handed_over_to_a_worker_without_a_gap(run):
    program = f"""
import sys
from models_backend.contract.run_layout import RunLayout
from models_backend.library.runs import RunFolder
input()
lock = RunFolder(RunLayout({str(run.layout.root)!r})).lock_worker(int(sys.argv[1]))
print("locked", flush=True)
input()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with run.lock_for_worker() as lock:
        command = [sys.executable, "-c", program, str(lock)]
        worker = subprocess.Popen(command, pass_fds=(lock,), **pipes)
    with worker:
        assert run.alive()
        assert run.worker_pid() == 0  # it has not said yet who it is; it must not be taken for this process
        with pytest.raises(HeldError, match="by another process"):
            run.lock_worker()
        worker.stdin.write(b"\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == b"locked\n"
        assert run.worker_pid() == worker.pid
        worker.kill()
        worker.wait()
    assert not run.alive()


def test_a_run_is_free_again_where_its_worker_did_not_start(run):
    with pytest.raises(OSError), run.lock_for_worker():
        raise OSError("no process")
    assert not run.alive()
    run.lock_worker().release()


# -------------------------------------------------------------------------------------------- checkpoints


def save(run, *steps, keep=2):
    for step in steps:
        run.save_checkpoint(step, records.weights(step), records.state(step), keep)


def names(layouts):
    return [int(layout.name.removeprefix("step-")) for layout in layouts]


def test_checkpoints_come_back_byte_for_byte(run):
    save(run, 5)
    layout = run.checkpoint()
    assert layout.name == "step-000000005"
    for name, data in records.weights(5).items():
        assert (layout.root / name).read_bytes() == data
    assert msgspec.json.decode(layout.state.read_bytes(), type=CheckpointState) == records.state(5)
    assert run.checkpoint("step-000000005").root == layout.root


def test_the_manifest_is_written_last(run):
    trace = faults.record()
    save(run, 5)
    renamed = [path.rsplit("/", 1)[1] for operation, path in trace if operation == "rename"]
    assert renamed == [*records.weights(5), "state.json", "manifest.json", "step-000000005"]


def test_old_checkpoints_go_and_at_least_two_stay(run):
    save(run, 1, 2, 3, 4, 5, keep=3)
    assert names(run.checkpoints()) == [5, 4, 3]
    save(run, 6, keep=0)
    assert names(run.checkpoints()) == [6, 5]
    assert sorted(p.name for p in run.layout.checkpoints.iterdir()) == ["step-000000005", "step-000000006"]


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_is_found_and_the_older_checkpoint_taken(run):
    save(run, 1, 2)
    damage(run.layout.checkpoint(2).network("net"))
    layout, reasons = run.newest_good()
    assert layout.name == "step-000000001"
    assert len(reasons) == 1
    assert "net.safetensors" in reasons[0]
    assert "step 2 (" in reasons[0]
    assert run.usable()[1] == f"the checkpoint of {reasons[0]} is damaged; that of step 1 is used"
    with pytest.raises(TroubleError, match="checksum"):
        run.checkpoint("step-000000002")


@pytest.mark.parametrize("name", ["manifest.json", "state.json", "net.safetensors"])
@pytest.mark.parametrize("how", ["gone", "short", "empty"])
def test_every_missing_or_cut_file_is_found(run, name, how):
    save(run, 1, 2)
    path = run.layout.checkpoint(2).root / name
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:10] if how == "short" else b"")
    assert run.newest_good()[0].name == "step-000000001"
    assert names(run.checkpoints()) == [1]


def test_a_damaged_checkpoint_is_replaced_when_its_step_comes_again(run):
    save(run, 1, 2)
    damage(run.layout.checkpoint(2).network("net"))
    save(run, 2)
    assert run.checkpoint().name == "step-000000002"
    assert names(run.checkpoints()) == [2, 1]


def test_pruning_never_counts_damaged_checkpoints(run):
    save(run, 1, 2)
    run.layout.checkpoint(2).manifest.unlink()
    save(run, 3)
    assert names(run.checkpoints()) == [3, 1]


def test_no_checkpoint_is_told_in_plain_words(run):
    with pytest.raises(TroubleError, match="no checkpoint that can be used"):
        run.checkpoint()
    with pytest.raises(TroubleError, match="there is no checkpoint step-000000009"):
        run.checkpoint("step-000000009")
    with pytest.raises(TroubleError):
        run.checkpoint("../../../etc")


def test_a_checkpoint_that_is_not_there_is_answered_with_those_that_are_and_the_nearest(run):
    def advice(name):
        with pytest.raises(TroubleError, match=f"there is no checkpoint {name}") as told:
            run.checkpoint(name)
        return told.value.trouble.advice

    assert advice("step-5") == "It has none that can be used; train it first"
    save(run, 1)
    assert advice("step-5") == "There is step-000000001"
    save(run, 2, 3, 4, 5, 6, 7, 8)
    kept = [layout.name for layout in reversed(run.checkpoints())]
    assert all(name in advice("step-99") for name in kept[:3] + kept[-3:])
    assert advice("step-99").endswith(f"The nearest is {kept[-1]}") and ("..." in advice("x")) == (len(kept) > 6)


def test_a_full_disk_keeps_the_earlier_checkpoints(run):
    save(run, 1, 2)
    faults.arm(4, "ENOSPC", persistent=True)
    with pytest.raises(TroubleError, match="Earlier checkpoints are kept"):
        save(run, 3)
    faults.disarm()
    assert names(run.checkpoints()) == [2, 1]
    save(run, 3)
    assert names(run.checkpoints()) == [3, 2]


def test_a_disk_that_will_not_prune_does_not_lose_the_save(run, monkeypatch):
    save(run, 1, 2)

    def refuse(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checkpoints.storage, "remove_folder", refuse)
    save(run, 3)
    assert names(run.checkpoints()) == [3, 2, 1]


def test_a_state_of_another_step_is_refused(run):
    with pytest.raises(ValueError, match="step 4 with the state of step 5"):
        run.save_checkpoint(4, {}, records.state(5))


# ------------------------------------------------------------------------------------------------- socket


def test_a_long_path_gets_a_short_private_socket(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    short, long = tmp_path / "r", tmp_path / ("d" * 100) / "run"
    assert len(os.fsencode(runs.socket_path("/tmp/run"))) <= 100
    assert runs.socket_path("/tmp/run").name == "socket"
    path = runs.socket_path(long)
    assert path == runs.socket_path(long)
    assert path != runs.socket_path(tmp_path / ("d" * 100) / "other")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert short.name not in path.name


def test_a_temporary_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    runs.private_temporary().chmod(0o777)
    with pytest.raises(TroubleError, match="belongs to somebody else"):
        runs.private_temporary()
