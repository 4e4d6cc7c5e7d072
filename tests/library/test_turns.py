"""Whoever changes something at the same time as others loses none of their changes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from library import records

from models_backend import cli
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import Item
from models_backend.engine import processes
from models_backend.library import storage, trash, turns
from models_backend.library.library import Library

MANY = 6


@pytest.fixture
def dataset(library_root):
    items = [Item(f"/photos/b{n}.jpg", f"{n:064x}", n % 2, width=8, height=8) for n in range(MANY)]
    with Library.open(library_root) as library:
        record = records.dataset_record(items, title="Photos")
        library.create_dataset(record, items)
        library.create_run(records.run_record("run-a"))
        library.create_sample(records.sample_record("sample-a"), records.pictures(2))
    return record.id


def at_once(work, many=MANY):
    """Does ``work(n)`` in threads that all begin together; what they raise is raised."""
    begin = threading.Barrier(many)

    def one(n):
        begin.wait()
        work(n)

    with ThreadPoolExecutor(many) as pool:
        list(pool.map(one, range(many)))


def test_commands_at_the_same_time_all_leave_their_edits(library_root, dataset):
    command = [sys.executable, "-P", "-m", "models_backend.cli", "edit", dataset, "--library", str(library_root)]
    running = [
        subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL, env=processes.environment())
        for more in [["--caption", f"b{n}.jpg=y{n}"] for n in range(MANY)] + [["--leave-out", "b1.jpg"], ["--title", "Prints"]]
    ]
    assert [one.wait() for one in running] == [0] * (MANY + 2)
    edits = Library.open(library_root, own=False).dataset(dataset).edits()
    assert edits.captions == {n: f"y{n}" for n in range(MANY)} and list(edits.left_out) == [1]
    assert edits.title == "Prints"


def test_what_others_wrote_after_the_reading_is_kept(library_root, dataset):
    library = Library.open(library_root, own=False)
    at_once(lambda n: library.dataset(dataset).edit(n, caption=f"y{n}"))
    assert library.dataset(dataset).edits().captions == {n: f"y{n}" for n in range(MANY)}
    at_once(lambda n: library.dataset(dataset).leave_out([n]))
    assert library.dataset(dataset).record().left_out == MANY


@pytest.mark.parametrize("kind", ["run", "sample"])
def test_title_star_and_tags_given_at_the_same_time_are_all_kept(library_root, dataset, kind):
    library = Library.open(library_root, own=False)
    changes = [{"title": "new"}, {"starred": True}, {"tags": ("a",)}]
    for _ in range(10):
        folder = getattr(library, kind)(f"{kind}-a")
        folder.update_record(title="old", starred=False, tags=())
        at_once(lambda n: getattr(library, kind)(f"{kind}-a").update_record(**changes[n]), 3)
        record = folder.record()
        assert (record.title, record.starred, record.tags) == ("new", True, ("a",))


def test_an_edit_that_cannot_have_its_turn_says_so_and_changes_nothing(library_root, dataset, monkeypatch, capsys):
    monkeypatch.setattr(turns, "WAIT_S", 0.05)
    folder = Library.open(library_root, own=False).dataset(dataset)
    with turns.Turn(folder.layout.turn_lock).taken("elsewhere"):
        assert cli.main(["edit", "Photos", "--caption", "b1.jpg=y", "--library", str(library_root), "--json"]) == 1
        [told] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert told["kind"] == "error" and told["what"] == "another process is changing it and does not end"
        assert cli.main(["edit", "Photos", "--library", str(library_root)]) == 0, "looking needs no turn"
    assert not folder.layout.edits.exists()


def test_a_turn_may_be_taken_again_within_and_ends_with_the_outermost(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "WAIT_S", 0.05)
    turn, other = turns.Turn(tmp_path / "turn.lock"), turns.Turn(tmp_path / "turn.lock")
    with turn.taken("it"):
        with turn.taken("it"):
            pass
        with pytest.raises(TroubleError, match="another process"), other.taken("it"):
            pass
    with other.taken("it"):
        pass


def test_clearing_up_the_trash_leaves_alone_what_is_just_being_put_there(library_root, dataset, monkeypatch):
    """An entry stands before its content lies in it: at that moment somebody else opens the library."""
    library = Library.open(library_root, own=False)
    replace, other = storage.replace, []

    def slow(source, target):
        if target.name == "sample-a":
            other.append(threading.Thread(target=trash.settle, args=(library.layout,)))
            other[0].start()
            assert trash._empties(library.layout), "the entry is there, its content is not"
            other[0].join(0.3)  # it waits for its turn; without turns it has cleared the entry away by now
        replace(source, target)

    monkeypatch.setattr(storage, "replace", slow)
    entry = trash.delete(library, "sample", "sample-a")
    other[0].join()
    assert [one.id for one in trash.entries(library.layout)] == [entry.id]
