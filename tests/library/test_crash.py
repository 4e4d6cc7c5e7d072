"""Every action of the library broken at every operation in every way; and the proof that the harness finds damage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from library import records
from library.crash import MAIN_WAYS, OTHER_WAYS, command_loop, crash_loop, random_kills, scratch, template
from library.naive import naive_writes

from models_backend.contract.messages import Metrics, Saved
from models_backend.contract.run_layout import Item
from models_backend.library import backup, datasets, trash
from models_backend.library.index import Filter
from models_backend.library.library import Library

NEW_ITEMS = [Item(f"/new/{n}.png", sha256=f"{n + 100:064x}", label=n % 2) for n in range(3)]


def save_checkpoint(root):
    run = Library.open(root, own=False).run("run-a")
    run.lock_worker()
    try:
        run.append(Metrics(7, {"loss": 0.1}))
        layout = run.save_checkpoint(7, records.weights(7), records.state(7))
        run.append(Saved(7, f"checkpoints/{layout.name}"))
    finally:
        run.close()
        run.lock_worker().release()


def replace_checkpoint(root):
    run = Library.open(root, own=False).run("run-a")
    run.save_checkpoint(6, {**records.weights(6), "extra.safetensors": b"live"}, records.state(6))


def create_sample(root):
    with Library.open(root) as library:
        trace = {"x": np.zeros((3, 2, 1, 8, 8), np.float16)}
        library.create_sample(records.sample_record("sample-b", "run-a"), records.pictures(2, 1), trace)


def create_run(root):
    with Library.open(root) as library:
        library.create_run(records.run_record("run-b", records.dataset_record().id))


def create_dataset(root):
    with Library.open(root) as library:
        library.create_dataset(records.dataset_record(NEW_ITEMS), NEW_ITEMS, arrays={"8": records.pictures(3)})


def edit_dataset(root):
    with Library.open(root) as library:
        library.dataset(records.dataset_record().id).edit(1, caption="a square", label=0)


def write_index(root):
    with Library.open(root) as library:
        library.sample("sample-a").update_record(starred=True, tags=("best",))
        library.put_job(msgspec.structs.replace(library.jobs()[0], order=2.0, state="running"))
        library.note_export("/out/a.png", "sample-a", "png")


def move_to_trash(root):
    with Library.open(root) as library:
        trash.delete(library, "sample", "sample-a")


def delete_and_restore(root):
    with Library.open(root) as library:
        trash.restore(library, trash.delete(library, "sample", "sample-a").id)


def empty_trash(root):
    with Library.open(root) as library:
        trash.delete(library, "sample", "sample-a")
        trash.empty(library)


def make_backup(root):
    with Library.open(root) as library:
        backup.make(library)


def standing(root, finished, sample_may_go=False):
    """Everything that ``records.fill`` committed, whole."""
    with Library.open(root) as library:
        run = library.run("run-a")
        kept = [e.body.step for e in run.events() if isinstance(e.body, Metrics)][:6]
        assert kept == [1, 2, 3, 4, 5, 6]
        layout, _ = run.newest_good()
        step = int(layout.name.removeprefix("step-"))
        assert step >= 6
        assert layout.network("net").read_bytes() == records.weights(step)["net.safetensors"]
        if not sample_may_go:
            assert np.array_equal(library.sample("sample-a").items(), records.pictures())
            assert [s.id for s in library.samples(0, 10, Filter(run="run-a"))][-1] == "sample-a"
        assert [i.source for i in library.dataset(records.dataset_record().id).items()] == [i.source for i in records.items()]
        assert [job.id for job in library.jobs()] == ["job-a"]
        run.close()


def checkpoint_stands(root, finished):
    standing(root, finished)
    if finished:
        assert Library.open(root, own=False).run("run-a").checkpoint().name == "step-000000007"


def replaced(root, finished):
    standing(root, finished)
    if finished:
        layout = Library.open(root, own=False).run("run-a").checkpoint("step-000000006")
        assert layout.network("extra").read_bytes() == b"live"


def sample_stands(root, finished):
    standing(root, finished)
    with Library.open(root) as library:
        made = {s.id for s in library.samples()}
        assert finished <= ("sample-b" in made)
        if "sample-b" in made:
            assert np.array_equal(library.sample("sample-b").items(), records.pictures(2, 1))
            assert library.sample("sample-b").trace()["x"].shape == (3, 2, 1, 8, 8)


def run_stands(root, finished):
    standing(root, finished)
    with Library.open(root) as library:
        assert finished <= ("run-b" in {r.id for r in library.runs()})


def dataset_stands(root, finished):
    standing(root, finished)
    name = records.dataset_record(NEW_ITEMS).id
    with Library.open(root) as library:
        made = {d.id for d in library.datasets()}
        assert finished <= (name in made)
        if name in made:
            assert np.array_equal(np.load(library.dataset(name).cache_path("8")), records.pictures(3))


def edit_stands(root, finished):
    standing(root, finished)
    item = datasets.DatasetFolder(Library.open(root, own=False).layout.dataset(records.dataset_record().id)).items()[1]
    assert (item.caption, item.label) in ([("a square", 0)] if finished else [("a square", 0), ("", 1)])


def index_stands(root, finished):
    standing(root, finished)
    with Library.open(root) as library:
        starred = library.sample("sample-a").record().starred
        assert [s.id for s in library.samples(0, 9, Filter(starred=True))] == (["sample-a"] if starred else [])
        assert finished <= starred
        assert finished <= bool(library.index.exports("sample-a"))


def trash_stands(root, finished):
    standing(root, finished, sample_may_go=True)
    with Library.open(root) as library:
        inside = [entry.id for entry in trash.entries(library.layout)]
        present = [s.id for s in library.samples()] == ["sample-a"]
        assert present != bool(inside)
        for entry in inside:
            trash.restore(library, entry)
        assert np.array_equal(library.sample("sample-a").items(), records.pictures())


def trash_emptied(root, finished):
    standing(root, finished, sample_may_go=True)
    with Library.open(root) as library:
        assert finished <= (not trash.entries(library.layout))


def backup_stands(root, finished):
    standing(root, finished)
    layout = Library.open(root, own=False).layout
    assert finished <= bool(backup.backups(layout))
    for path in backup.backups(layout):
        assert b"sample-a" in backup.record_in(path, "sample", "sample-a")


ACTIONS = [
    (save_checkpoint, checkpoint_stands),
    (replace_checkpoint, replaced),
    (create_sample, sample_stands),
    (create_run, run_stands),
    (create_dataset, dataset_stands),
    (edit_dataset, edit_stands),
    (write_index, index_stands),
    (move_to_trash, trash_stands),
    (delete_and_restore, trash_stands),
    (empty_trash, trash_emptied),
    (make_backup, backup_stands),
]


each_action = pytest.mark.parametrize(("action", "verify"), ACTIONS, ids=[action.__name__ for action, _ in ACTIONS])


@each_action
def test_nothing_is_lost_at_any_operation(action, verify):
    fresh = template(records.fill)
    report = crash_loop(action, fresh, verify, MAIN_WAYS)
    assert not report.damages, str(report)
    assert report.struck > 5 * len(MAIN_WAYS)
    report = crash_loop(action, fresh, verify, [("SHORT", False), ("EIO", True)], stride=7)
    assert not report.damages, str(report)


@pytest.mark.slow
@each_action
def test_nothing_is_lost_in_any_way(action, verify):
    report = crash_loop(action, template(records.fill), verify, OTHER_WAYS)
    assert not report.damages, str(report)
    assert report.struck > 5 * len(OTHER_WAYS)


@pytest.mark.parametrize("way", [("KILL", False), ("SHORT", False)])
@pytest.mark.parametrize(("action", "verify"), ACTIONS[:6], ids=[action.__name__ for action, _ in ACTIONS[:6]])
def test_the_harness_finds_what_naive_writes_break(action, verify, way):
    with naive_writes():
        report = crash_loop(action, template(records.fill), verify, [way], enough=1)
    assert report.damages, f"naive writes went unnoticed in {report.trials} trials"


STEPS = """
import sys
sys.path[:0] = {paths!r}
from library import records
from models_backend.library.library import Library
run = Library.open(sys.argv[1], own=False).run("run-a")
with run.lock_worker():
    first = int(run.checkpoint().name.removeprefix("step-")) + 1
    for step in range(first, first + int(sys.argv[2])):
        records.train(run, step, step)
"""


def steps(root, count):
    program = STEPS.format(paths=[str(path) for path in Path(__file__).resolve().parents[1:3]])
    return [sys.executable, "-c", program, str(root), str(count)]


def test_a_program_is_broken_at_its_operations_too():
    report = command_loop(lambda root: steps(root, 1), template(records.fill), standing, stride=9, limit=2)
    assert not report.damages, str(report)
    assert report.struck == 2


def test_random_kills_leave_a_run_that_goes_on():
    with scratch() as folder:
        root = template(records.fill)(folder)
        start = lambda where: subprocess.Popen(steps(where, 10_000), start_new_session=True)  # noqa: E731
        report = random_kills(start, root, standing, times=6, longest_s=1.2, shortest_s=0.3)
        assert not report.damages, str(report)
        assert report.struck == 6
        told = [event.seq for event in Library.open(root, own=False).run("run-a").events()]
        assert told == list(range(1, len(told) + 1))
