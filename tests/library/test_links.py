"""Links, pipes and devices inside a library are neither followed nor opened, whatever is done with it."""

import errno
import os

import pytest
from library import records

from models_backend.contract.messages import Mark, TroubleError
from models_backend.contract.run_layout import LibraryLayout
from models_backend.library import exports, guarding, storage
from models_backend.library.appending import Appender
from models_backend.library.fsck import clean, fsck
from models_backend.library.library import Library
from models_backend.library.lock import Lock, holder

SECRET = b"very secret line, not ended"
pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="making links needs a privilege there")


@pytest.fixture
def layout(library_root):
    with Library.open(library_root) as library:
        records.fill(library)
    return LibraryLayout(library_root)


@pytest.fixture
def mine(tmp_path):
    """A file of the user's in a folder of the user's."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "key").write_bytes(SECRET)
    return tmp_path / "mine"


def linked(place, target):
    if place.is_dir():
        place.rename(place.with_name("moved away"))
    else:
        place.unlink(missing_ok=True)
    place.symlink_to(target)


def names(folder):
    return [path.name for path in folder.iterdir()]


def run_of(layout):
    return layout.run(next(name for name in names(layout.runs) if not name.startswith(".")))


FILES = ("owner.lock", "exports.jsonl", "index.sqlite", "runs/RUN/events.jsonl", "runs/RUN/worker.lock", "runs/RUN/run.json",
         "runs/RUN/log.txt", "runs/RUN/notes.md", "trash/deleted.jsonl")  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_link_in_place_of_a_file_leaves_what_it_leads_to(layout, mine, name):
    """Opened, written to, checked and repaired: the user's file stays, byte by byte."""
    run = run_of(layout)
    place = layout.root / name.replace("RUN", run.id)
    linked(place, mine / "key")
    for act in (
        lambda: Library.open(layout.root).close(),
        lambda: Library.open(layout.root, own=False).run(run.id).append(Mark(1, "x")),
        lambda: Appender(place).append(b"line\n"),
        lambda: Lock(place).acquire(),
        lambda: exports.note(layout, "/x.png", run.id, "png"),
        lambda: fsck(layout.root),
        lambda: fsck(layout.root, repair=True),
    ):
        try:
            act()
        except (TroubleError, OSError) as error:
            assert not isinstance(error, FileExistsError)
        assert (mine / "key").read_bytes() == SECRET and sorted(names(mine)) == ["key"]


def test_fsck_names_links_pipes_and_devices_and_sets_them_aside(layout, mine):
    run = run_of(layout)
    linked(run.events, mine / "key")
    os.mkfifo(run.root / "log.txt")
    found = fsck(layout.root)
    told = {one.item: one.text for one in found if "no place in a library" in one.text}
    assert told.keys() == {f"runs/{run.id}/events.jsonl", f"runs/{run.id}/log.txt"} and not clean(found)
    fsck(layout.root, repair=True)
    assert not run.events.is_symlink() and (mine / "key").read_bytes() == SECRET
    assert not [one for one in fsck(layout.root) if "no place in a library" in one.text]


@pytest.mark.parametrize("inner", ["checkpoints", "previews", "derived"])
def test_a_folder_that_is_a_link_is_neither_written_to_nor_emptied(layout, mine, inner):
    run = run_of(layout)
    linked(run.root / inner, mine)
    (mine / f"{storage.TEMPORARY}1-abc").write_bytes(b"x")
    with pytest.raises(OSError) as refused:
        storage.write_bytes(run.root / inner / "x.npz", b"x")
    assert refused.value.errno == errno.ELOOP
    with pytest.raises(OSError):
        storage.remove_folder(run.root / inner / "key")
    fsck(layout.root, repair=True)
    Library.open(layout.root).close()
    assert sorted(names(mine)) == [f"{storage.TEMPORARY}1-abc", "key"]


def test_a_library_behind_a_link_works_and_a_linked_run_is_none(layout, mine, tmp_path):
    (tmp_path / "short").symlink_to(layout.root)
    run = run_of(layout)
    (layout.runs / "another").symlink_to(run.root)
    with Library.open(tmp_path / "short") as library:
        assert [record.id for record in library.runs()].count(run.id) == 1 and "another" not in {r.id for r in library.runs()}
        library.run(run.id).append(Mark(1, "x"))


MAKERS = (os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to("nowhere"))


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_no_file_is_refused_at_once(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(OSError):
        guarding.content(tmp_path / "x")
    assert holder(tmp_path / "x") is None
    with pytest.raises(TroubleError):
        storage.read_json(tmp_path / "x")
