"""The window is killed with SIGKILL while it trains: the run goes on without it, the next start shows it with no gap."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models_backend.contract.messages import Metrics
from models_backend.library.fsck import fsck
from models_backend.library.library import Library

if not hasattr(signal, "SIGKILL"):
    pytest.skip("there is no SIGKILL here", allow_module_level=True)

WINDOW = Path(__file__).with_name("window.py")


class Window:
    """A window in a process of its own, and what it has noted so far."""

    def __init__(self, act, library, notes):
        self._notes, self._errors = notes, notes.with_suffix(".errors")
        command = [sys.executable, str(WINDOW), act, "--library", str(library), "--notes", str(notes)]
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(command, cwd=WINDOW.parents[2], stderr=errors, stdin=subprocess.DEVNULL)

    def notes(self):
        lines = self._notes.read_bytes().splitlines(keepends=True) if self._notes.exists() else []
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def of(self, name):
        return [note[name] for note in self.notes() if name in note]

    def until(self, condition, seconds=120.0):
        end = time.monotonic() + seconds
        while not condition(self):
            assert self.process.poll() is None, f"the window ended: {self._errors.read_text()}"
            assert time.monotonic() < end, f"not in time; {self.notes()[-3:]} {self._errors.read_text()}"
            time.sleep(0.05)


@pytest.fixture
def open_window(library_root, tmp_path):
    opened = []

    def open_one(act):
        opened.append(Window(act, library_root, tmp_path / f"notes-{len(opened)}"))
        return opened[-1]

    yield open_one
    for window in opened:
        window.process.kill()
        window.process.wait()
    library = Library.open(library_root, own=False)
    for record in library.runs():
        if pid := library.run(record.id).worker_pid():
            os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(300)
def test_the_run_goes_on_and_the_next_start_shows_it_without_a_gap(open_window, library_root):
    first = open_window("train")
    first.until(lambda window: window.of("shown") and window.of("seq")[-1] > 12)
    first.process.kill()
    assert first.process.wait() == -signal.SIGKILL
    seen = first.of("seq")
    assert seen == list(range(1, len(seen) + 1))

    library = Library.open(library_root, own=False)
    (record,) = library.runs()
    run = library.run(record.id)
    assert run.state()[0] == "running" and run.alive(), "the run must go on without its window"
    end = time.monotonic() + 60
    while run.last_seq() < seen[-1] + 5 and time.monotonic() < end:
        time.sleep(0.05)
    assert run.alive() and run.last_seq() >= seen[-1] + 5, "the run must go on telling"

    second = open_window("watch")
    second.until(lambda window: window.of("end"), seconds=200)
    assert second.process.wait(timeout=60) == 0
    ((state, live),) = [(note["shown"], note["live"]) for note in second.notes() if "shown" in note]
    assert (state, live) == ("running", [record.id]), "the next start must find the run in training and attach to it"
    print(f"killed after event {seen[-1]}, shown again at {[n['step'] for n in second.notes() if 'shown' in n]}")
    (ended,) = [note for note in second.notes() if "end" in note]
    assert ended["end"] == "finished" and ended["step"] == record.training["steps"] and ended["queue"] == 0

    events = list(run.events())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert second.of("seq") == [event.seq for event in events], "each event once and in order"
    figures = [event.body.step for event in events if isinstance(event.body, Metrics) and "loss" in event.body.values]
    assert ended["curve"] == figures and ended["numbers"] == len(figures), "the curve has no gap"
    assert ended["saved"][-1] == record.training["steps"]
    assert [str(finding) for finding in fsck(library_root) if finding.level != "note"] == []
