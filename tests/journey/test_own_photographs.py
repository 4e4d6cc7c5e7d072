"""Own photographs brought to an export, in the real window on the real engine and its workers, by mouse and keyboard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import photographs
import pytest
from photographs import CAPTION, CLASS, RESOLUTION, SECOND, TITLE
from PIL import Image

from models_backend.contract.messages import Metrics
from models_backend.library.fsck import fsck
from models_backend.library.library import Library

HERE = Path(__file__).parent


class Journey:
    """Windows in processes of their own on one library, and what was noted in them."""

    def __init__(self, tmp_path: Path, library: Path):
        self.library, self.folder, self.out = library, tmp_path / "holiday", tmp_path / "exported.png"
        self._tmp, self.processes = tmp_path, []
        self.made = photographs.make(self.folder)

    def open(self, act: str) -> None:
        self._notes, self._errors = self._tmp / f"{act}.notes", self._tmp / f"{act}.errors"
        pictures = os.environ.get("NEXUS_PICTURES")
        command = [sys.executable, str(HERE / "traveller.py"), act, "--library", self.library, "--notes", self._notes]
        command += ["--photographs", self.folder, "--out", self.out]
        command += ["--picture", f"{pictures}/journey-{act}.png"] if pictures else []
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [str(one) for one in command], cwd=HERE.parents[1], stderr=errors, stdin=subprocess.DEVNULL
            )
        self.processes.append(self.process)

    def notes(self) -> dict:
        lines = self._notes.read_bytes().splitlines(keepends=True) if self._notes.exists() else []
        return {name: value for line in lines if line.endswith(b"\n") for name, value in json.loads(line).items()}

    def until(self, name: str, seconds: float = 480.0) -> dict:
        end = time.monotonic() + seconds
        while name not in (notes := self.notes()):
            assert self.process.poll() is None or name in self.notes(), self._errors.read_text()
            assert time.monotonic() < end, f"not in time; {notes} {self._errors.read_text()}"
            time.sleep(0.05)
        return notes

    def kill(self) -> None:
        self.process.kill()
        assert self.process.wait() == -signal.SIGKILL

    def end(self) -> dict:
        notes = self.until("end")
        assert self.process.wait(timeout=60) == 0 and "Traceback" not in self._errors.read_text(), self._errors.read_text()
        assert notes["troubles"] == []
        return notes


@pytest.fixture
def journey(tmp_path, library_root):
    if not hasattr(signal, "SIGKILL"):
        pytest.skip("there is no SIGKILL here")
    made = Journey(tmp_path, library_root)
    yield made
    for process in made.processes:
        process.kill()
        process.wait()
    library = Library.open(library_root, own=False)
    for record in library.runs():
        if pid := library.run(record.id).worker_pid():
            os.kill(pid, signal.SIGKILL)


def check_run(journey: Journey, notes: dict, record) -> None:
    """The run's spec is what Data showed: its size, classes and number, none of the left out, the new caption."""
    stored = Library.open(journey.library, own=False).dataset(record.dataset)
    items, dataset = stored.items(), stored.record()
    assert record.family == notes["model"] and record.preset == "tiny" and record.training["threads"] == 1
    assert record.data["resolution"] == RESOLUTION and record.spec.shape == (3, RESOLUTION, RESOLUTION)
    assert record.data == notes["shown"], "the run sees what the Data page showed"
    expected = tuple(CLASS if name == notes["renamed"] else name for name in sorted(photographs.CLASSES))
    assert record.spec.classes == dataset.classes == expected
    out = {item.source for item in items if item.split == "left out"}
    assert out == set(notes["left_out"]) and record.spec.count == len(items) - len(out) == 110
    captions = {item.source: item.caption for item in items if item.caption}
    written = {str(journey.folder / name): text for name, text in journey.made.captions.items()}
    assert captions == written | {notes["captioned"]: CAPTION}
    assert not stored.changes_since(Library.open(journey.library, own=False).run(record.id).layout, record)


@pytest.mark.timeout(600)
def test_from_a_folder_to_samples(journey):
    journey.open("short")
    notes = journey.end()
    library = Library.open(journey.library, own=False)
    (record,) = library.runs()
    check_run(journey, notes, record)
    assert library.run(record.id).told_state().state == "finished"
    check_export(journey, notes, library)
    assert [str(finding) for finding in fsck(journey.library) if finding.level != "note"] == []


def check_export(journey: Journey, notes: dict, library: Library) -> None:
    """The sheet is the four items in two rows with a pixel between, every pixel magnified by the same whole number."""
    items, sheet = library.sample(notes["sample"]).items(), np.asarray(Image.open(journey.out).convert("RGB"))
    pitch = RESOLUTION + 1
    zoom = sheet.shape[0] // (2 * pitch + 1)
    small = sheet[::zoom, ::zoom]
    assert small.shape == (2 * pitch + 1, 2 * pitch + 1, 3)
    assert np.array_equal(sheet, small.repeat(zoom, 0).repeat(zoom, 1))
    assert items.shape == (4, RESOLUTION, RESOLUTION, 3)
    for n, item in enumerate(items):
        top, left = 1 + n // 2 * pitch, 1 + n % 2 * pitch
        assert np.array_equal(small[top : top + RESOLUTION, left : left + RESOLUTION], item)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_journey_through_a_kill(journey):
    journey.open("first")
    before = journey.until("kill")
    journey.kill()
    library = Library.open(journey.library, own=False)
    (record,) = library.runs()
    check_run(journey, before, record)
    assert library.run(record.id).alive(), "the run goes on without its window"
    journey.open("second")
    notes = before | journey.end()
    runs = {one.title: one for one in library.runs()}
    assert set(runs) == {TITLE, SECOND} and runs[TITLE].steps == 70
    check_run(journey, notes, runs[TITLE])
    assert runs[SECOND].data == runs[TITLE].data and runs[SECOND].spec == runs[TITLE].spec
    steps = [event.body.step for event in library.run(record.id).events() if isinstance(event.body, Metrics)]
    assert sorted(set(steps))[-1] == 70 and len(notes["compared"]) >= 2
    check_export(journey, notes, library)
    assert [str(finding) for finding in fsck(journey.library) if finding.level != "note"] == []
