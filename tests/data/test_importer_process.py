"""The importer's process: its protocol, its cancellation, and what a kill leaves behind."""

import json
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from bad_files import make_good

from models_backend.contract.messages import Failure, Message, Progress, Reply, Told
from models_backend.contract.run_layout import DatasetRecord
from models_backend.library import storage


def start(job):
    process = subprocess.Popen(
        [sys.executable, "-m", "models_backend.workers.importer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdin.write(json.dumps(job).encode() + b"\n")
    process.stdin.flush()
    return process


def frames(stream):
    while len(head := stream.read(4)) == 4:
        yield msgspec.msgpack.decode(stream.read(int.from_bytes(head, "big")), type=Message)


def finish(process):
    with process:
        said = list(frames(process.stdout))
    return said, process.returncode


def test_progress_and_then_the_record(library_root, tmp_path):
    make_good(tmp_path / "set", 80)
    job = {
        "library": str(library_root),
        "paths": [str(tmp_path / "set")],
        "title": "Mine",
        "settings": {"resolution": 16},
        "source": "job-1",
    }
    process = start(job)
    said = []
    for message in frames(process.stdout):
        said.append(message)
    process.stdin.close()
    process.stdout.close()
    assert process.wait() == 0
    told = [message.event for message in said if isinstance(message, Told)]
    assert all(event.source == "job-1" and isinstance(event.body, Progress) for event in told)
    assert isinstance(said[-1], Reply) and sum(isinstance(m, Reply | Failure) for m in said) == 1
    record = msgspec.msgpack.decode(said[-1].value, type=DatasetRecord)
    assert (record.count, record.title) == (80, "Mine")
    assert storage.read_json(library_root / "datasets" / record.id / "dataset.json", DatasetRecord) == record
    assert (library_root / "datasets" / record.id / "cache" / "16-rgb-centre.json").exists()


@pytest.mark.parametrize(
    ("job", "said"),
    [({"paths": ["/nowhere/at/all"]}, "no file or folder"), ({"builtin": "nothing"}, "no such built-in"),
     ({"paths": ["."], "settings": {"resolution": 3}}, "resolution"), ({"paths": 7}, "cannot be read")],
)  # fmt: skip
def test_a_job_that_cannot_be_done_fails_in_plain_words(library_root, job, said):
    process = start({"library": str(library_root), **job})
    (failure,) = list(frames(process.stdout))
    process.communicate()
    assert process.returncode == 1 and said in str(failure.trouble)


@pytest.mark.parametrize("how", ["end of input", "signal"])
def test_cancelling_answers_and_leaves_nothing(library_root, tmp_path, how):
    make_good(tmp_path / "set", 900, side=160)
    process = start({"library": str(library_root), "paths": [str(tmp_path / "set")]})
    messages = frames(process.stdout)
    next(m for m in messages if isinstance(m, Told) and m.event.body.what == "Reading pictures")
    process.stdin.close() if how == "end of input" else process.send_signal(signal.SIGTERM)
    last = list(messages)[-1]
    process.stdout.close()
    assert process.wait() == 1 and last.trouble.what == "cancelled"
    assert list((library_root / "datasets").iterdir()) == []


def test_a_killed_import_leaves_nothing_that_counts_and_no_process(library_root, tmp_path):
    make_good(tmp_path / "set", 900, side=160)
    process = start({"library": str(library_root), "paths": [str(tmp_path / "set")]})
    next(m for m in frames(process.stdout) if isinstance(m, Told) and m.event.body.what == "Reading pictures")
    children = descendants(process.pid)
    process.kill()
    process.communicate()
    assert children
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in children)
    storage.sweep(library_root / "datasets")
    assert list((library_root / "datasets").iterdir()) == []


def descendants(pid):
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def alive(pid):
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_importer_and_viewer_never_load_torch():
    names = ("workers.importer", "workers.viewing", "data.importing", "data.builtin")
    modules = ", ".join(f"models_backend.{name}" for name in names)
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
