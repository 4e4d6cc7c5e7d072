"""The confined decoder: it can decode and nothing else, and whatever kills it costs one picture."""

import os
import subprocess
import sys
import textwrap
import time

import pytest
from bad_files import encoded

from models_backend.contract.messages import TroubleError
from models_backend.data import pool
from models_backend.data.decoding import Target
from models_backend.data.pool import Pool, Work

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and Landlock are Linux's")


def confined(code):
    """Runs code in a confined process; its standard output."""
    body = f"""
import ctypes, os, resource, socket, sys
from models_backend.workers.decoder import confine
granted = confine()
def attempt(action):
    try:
        action()
        return "done"
    except (OSError, ValueError, MemoryError) as error:
        return type(error).__name__
{textwrap.dedent(code)}
"""
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@linux
def test_a_confined_process_can_neither_open_nor_connect_nor_start_anything(tmp_path):
    (tmp_path / "secret").write_text("x")
    said = confined(f"""
        print(attempt(lambda: open({str(tmp_path / "secret")!r})), attempt(lambda: open({str(tmp_path / "new")!r}, "w")))
        print(attempt(lambda: os.listdir("/")), attempt(lambda: socket.socket()), attempt(lambda: os.pipe()))
        print(attempt(lambda: bytearray(8 << 30)))
        print(attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))))
        print(attempt(lambda: os.execv("/bin/true", ["true"])))
    """)
    assert "done" not in said
    assert os.listdir(tmp_path) == ["secret"]  # noqa: PTH208


@linux
def test_landlock_alone_denies_files_where_the_kernel_has_it(tmp_path):
    (tmp_path / "secret").write_text("x")
    granted, opened, removed = confined(f"""
        fd = 0
        os.close(0)
        print(granted["landlock"], attempt(lambda: os.open({str(tmp_path / "secret")!r}, os.O_RDONLY)),
              attempt(lambda: os.unlink({str(tmp_path / "secret")!r})))
    """)
    if granted == "False":
        pytest.skip("this kernel has no Landlock")
    assert (opened, removed) == ("OSError", "PermissionError") or (opened, removed) == ("PermissionError", "PermissionError")
    assert (tmp_path / "secret").exists()


HOSTILE = """
import os, time
import models_backend.workers.decoder as decoder
sound = decoder.decode
GOOD = bytes.fromhex(os.environ["GOOD_PICTURE"])
def decode(data, *more):
    if data == b"crash":
        os.kill(os.getpid(), 11)
    if data == b"hang":
        while True:
            time.sleep(1)
    if data == b"spin":
        while True:
            pass
    if data == b"starved":
        time.sleep(2.5)
        return sound(GOOD, *more)
    if data == b"lie":
        return decoder.Decoded(arrays=[b"too short"])
    return sound(data, *more)
decoder.decode = decode
decoder.main()
"""


@pytest.fixture
def hostile_decoder(monkeypatch):
    monkeypatch.setattr(pool, "_command", lambda *_: [sys.executable, "-c", HOSTILE])
    monkeypatch.setattr(pool, "_environment", lambda: {**os.environ, "GOOD_PICTURE": encoded("PNG", 1, 16).hex()})


@linux
def test_a_crash_a_hang_and_a_lie_cost_only_their_picture(hostile_decoder):
    good = encoded("PNG", 1, 16)
    with Pool(1) as decoders, pool._Keeper(decoders._nursery) as keeper:
        work = Work([good, b"crash", good, b"lie", b"hang", good, b"crash"], [Target(16)], seconds=1.0)
        answers = decoders._decode(keeper, work)
    assert [answer.code for answer in answers] == ["", "crashed", "", "crashed", "too-slow", "", "crashed"]
    assert answers[5].arrays == answers[0].arrays


@linux
def test_computing_counts_and_not_the_clock_of_a_busy_machine(hostile_decoder, monkeypatch):
    monkeypatch.setattr(pool, "PATIENCE", 200)  # by the clock alone it would take longer than a test may
    with Pool(1) as decoders, pool._Keeper(decoders._nursery) as keeper:
        (spun,) = decoders._decode(keeper, Work([b"spin"], [Target(16)], seconds=1.5))
        work = Work([b"starved"], [Target(16)], seconds=1.0)
        (late,) = decoders._decode(keeper, work)
    assert spun.code == "too-slow"
    assert late.code == "", "2.5 s by the clock and hardly any of computing"


@linux
def test_many_crashes_in_a_row_are_the_pictures_fault_while_the_decoder_works(hostile_decoder):
    with Pool(2) as decoders:
        answers = decoders.decode([b"crash"] * 8 + [encoded("PNG", 1, 16)], [Target(16)])
    assert [answer.code for answer in answers] == ["crashed"] * 8 + [""]


@linux
def test_a_decoder_that_never_works_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(pool, "_command", lambda *_: [sys.executable, "-c", "raise SystemExit(1)"])
    with Pool(1) as decoders, pytest.raises(TroubleError, match="decoder"):
        decoders.decode([encoded("PNG", 1, 16)] * 5, [Target(16)])


@linux
def test_the_children_end_with_their_parent():
    parent = """
import time
from models_backend.data.pool import Pool
pool = Pool(2)
pool.decode([b""], [])
print(pool._nursery._process.pid, flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    nursery = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while os.path.exists(f"/proc/{nursery}") and time.monotonic() < deadline:  # noqa: PTH110
        if "Z" in open(f"/proc/{nursery}/stat").read().split()[2]:  # noqa: PTH123, SIM115
            break
        time.sleep(0.05)
    assert time.monotonic() < deadline


def test_a_child_of_its_own_process_answers_the_same(monkeypatch):
    good = encoded("JPEG", 3, 64)
    with Pool(1) as decoders:
        forked = decoders.decode([good, b""], [Target(32)])
    monkeypatch.delattr(os, "fork")
    with Pool(1) as decoders:
        alone = decoders.decode([good, b""], [Target(32)])
    assert alone == forked


def test_an_exception_in_reading_or_taking_ends_the_run():
    with Pool(2) as decoders:
        with pytest.raises(ZeroDivisionError):
            decoders.run(range(10), lambda i: [b""] * (1 // (i - 3) if i == 3 else 1), [], lambda *_: None)
        with pytest.raises(KeyError):
            decoders.run(range(10), lambda i: [b""], [], lambda batch, answers: {}[batch])
