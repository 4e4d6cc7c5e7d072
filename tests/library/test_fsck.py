"""fsck finds every kind of damage, names it, repairs what can be, and throws nothing away."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import numpy as np
import pytest
from library import records

from models_backend.contract.messages import Metrics, Saved
from models_backend.contract.run_layout import JobRecord, LibraryLayout
from models_backend.library import backup, datasets, faults, storage, trash
from models_backend.library.fsck import clean, fsck
from models_backend.library.library import Library
from models_backend.library.lock import HeldError


@pytest.fixture
def layout(library_root):
    with Library.open(library_root) as library:
        records.fill(library)
        backup.make(library)
    return LibraryLayout(library_root)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def rubbish(path):
    path.write_bytes(b"\x00rubbish")


def gap(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))


def doubled(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[1:]))


def line_of_rubbish(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\xff\xfe\n", *lines[2:]]))


DATASET = records.dataset_record().id
#: (file below the library, what happens to it, whether repair puts everything right)
HARMS = [
    ("runs/run-a/run.json", rubbish, True),
    ("runs/run-a/run.json", cut, True),
    ("runs/run-a/events.jsonl", gap, True),
    ("runs/run-a/events.jsonl", doubled, True),
    ("runs/run-a/events.jsonl", line_of_rubbish, True),
    ("runs/run-a/checkpoints/step-000000003/net.safetensors", flip, True),
    ("runs/run-a/checkpoints/step-000000003/net.safetensors", cut, True),
    ("runs/run-a/checkpoints/step-000000003/manifest.json", rubbish, True),
    ("runs/run-a/checkpoints/step-000000003/state.json", rubbish, True),
    (f"datasets/{DATASET}/dataset.json", rubbish, True),
    (f"datasets/{DATASET}/items.jsonl", cut, False),
    (f"datasets/{DATASET}/items.jsonl", gap, False),
    (f"datasets/{DATASET}/cache/8.npy", cut, True),
    (f"datasets/{DATASET}/cache/8.npy", rubbish, True),
    (f"datasets/{DATASET}/cache/8.json", rubbish, True),
    ("samples/sample-a/sample.json", rubbish, True),
    ("samples/sample-a/items.npz", flip, True),
    ("samples/sample-a/items.npz", cut, True),
    ("jobs/job-a.json", rubbish, True),
    ("index.sqlite", rubbish, True),
    ("index.sqlite", cut, True),
]


def test_a_whole_library_has_nothing_to_say(layout):
    assert fsck(layout.root) == []
    assert clean([])


@pytest.mark.parametrize(("name", "harm", "mended"), HARMS, ids=[f"{h.__name__} {n.split('/')[-1]}" for n, h, _ in HARMS])
def test_damage_is_found_named_and_repaired(layout, name, harm, mended):
    harm(layout.root / name)
    found = fsck(layout.root)
    assert not clean(found)
    folder = "/".join(name.split("/")[:2]).removesuffix(".json")
    assert any(f.level == "error" and f.item.startswith(folder) for f in found), [str(f) for f in found]
    repaired = fsck(layout.root, repair=True)
    left = [f for f in fsck(layout.root) if f.level == "error"]
    assert bool(left) != mended, [str(f) for f in left]
    assert all(f.repaired for f in repaired if f.level == "error") == mended
    with Library.open(layout.root) as library:
        if mended and not name.startswith(("samples/sample-a/items", "index")):
            assert [r.title for r in library.runs()] == ["Run run-a"]
            assert [j.id for j in library.jobs()] == ["job-a"]


def test_a_checkpoint_that_was_told_and_is_gone_is_an_error_unless_a_newer_one_stands(layout):
    run = Library.open(layout.root, own=False).run("run-a")
    newest = run.checkpoints()[0]
    run.append(Saved(newest.step, f"checkpoints/{newest.name}"))
    assert fsck(layout.root) == []
    for step in (newest.step + 1, newest.step + 2):  # two workers died between saving and telling; the second pruned
        run.save_checkpoint(step, records.weights(step), records.state(step))
    assert not newest.root.exists() and fsck(layout.root) == []
    run.append(Saved(newest.step + 3, f"checkpoints/step-{newest.step + 3:09d}"))
    (found,) = fsck(layout.root)
    assert found.level == "error" and "is not there; 2 others are" in str(found)


def test_repair_sweeps_and_cuts_what_a_crash_left(layout):
    (layout.run("run-a").checkpoints / ".tmp-999999999-ab").mkdir()
    (layout.samples / ".tmp-999999999-cd").touch()
    with layout.run("run-a").events.open("ab") as file:
        file.write(b'{"seq":')
    assert [f.level for f in fsck(layout.root)] == ["note"] * 3
    assert all(f.repaired for f in fsck(layout.root, repair=True))
    assert fsck(layout.root) == []


def test_a_record_is_restored_from_a_backup_when_the_index_is_lost_too(layout):
    rubbish(layout.run("run-a").record)
    layout.index.unlink()
    storage.write_bytes(layout.backups / "20990101-000000.zip", b"rubbish")  # the newest backup is damaged
    fsck(layout.root, repair=True)
    assert fsck(layout.root) == []
    assert Library.open(layout.root, own=False).run("run-a").record().title == "Run run-a"


def test_a_damaged_preview_and_proof_go_to_the_trash(layout):
    run = layout.run("run-a")
    for path in (run.preview(3), run.proof):
        storage.write_bytes(path, b"rubbish")
    assert len([f for f in fsck(layout.root) if f.level == "error"]) == 2
    fsck(layout.root, repair=True)
    assert fsck(layout.root) == []
    assert len(list(layout.trash.rglob("proof.json"))) == 1


def test_repair_keeps_a_copy_of_what_was_damaged(layout):
    gap(layout.run("run-a").events)
    damaged = layout.run("run-a").events.read_bytes()
    fsck(layout.root, repair=True)
    kept = list(layout.trash.rglob("events.jsonl"))
    assert [p.read_bytes() for p in kept] == [damaged]
    run = Library.open(layout.root, own=False).run("run-a")
    told = list(run.events())
    assert [e.seq for e in told] == list(range(1, len(told) + 1))
    assert [e.body.step for e in told if isinstance(e.body, Metrics)] == [1, 3, 4, 5, 6]
    assert run.checkpoint().name == "step-000000006"


def test_a_damaged_sample_goes_to_the_trash_whole(layout):
    flip(layout.sample("sample-a").items)
    fsck(layout.root, repair=True)
    assert not layout.sample("sample-a").root.exists()
    assert len(list(layout.trash.rglob("sample.json"))) == 1
    with Library.open(layout.root) as library:
        assert library.samples() == []
        assert trash.entries(library.layout)[0].kind == "damaged"


def test_a_checkpoint_without_a_manifest_is_an_error(layout):
    layout.run("run-a").checkpoint(6).manifest.unlink()
    assert any("manifest.json" in f.text or "manifest" in f.text or "gone" in f.text for f in fsck(layout.root))
    assert not clean(fsck(layout.root))


def test_a_vanished_newest_checkpoint_is_an_error(layout):
    storage.remove_folder(layout.run("run-a").checkpoint(6).root)
    assert [f.level for f in fsck(layout.root)] == ["error"]


def test_a_file_in_place_of_a_checkpoint_is_an_error_and_goes_to_the_trash(layout):
    root = layout.run("run-a").checkpoint(6).root
    storage.remove_folder(root)
    root.write_bytes(b"x")
    words = [f.text for f in fsck(layout.root)]
    assert words[0] == "a file stands in place of a checkpoint's folder" and "is not there" in words[1]
    fsck(layout.root, repair=True)
    assert not root.exists() and [f.text for f in fsck(layout.root) if f.level == "error"] == words[1:]


def test_dangling_references_warn_but_the_users_own_deletions_do_not(layout):
    with Library.open(layout.root) as library:
        library.create_run(records.run_record("run-b", "nowhere", parts={"teacher": "gone"}))
        library.put_job(JobRecord("job-b", "train", "", "run-x", 1.0, 2.0))
    found = fsck(layout.root)
    assert [f.level for f in found] == ["warning"] * 3
    assert {f.item for f in found} == {"runs/run-b", "jobs/job-b.json"}
    with Library.open(layout.root) as library:
        library.remove_job("job-b")
        trash.delete(library, "run", "run-b")
        trash.delete(library, "dataset", DATASET)
    assert [f.level for f in fsck(layout.root)] == ["note"]
    with Library.open(layout.root) as library:
        trash.empty(library)
    assert [f.level for f in fsck(layout.root)] == ["note"]


def test_the_index_is_compared_with_the_folders(layout):
    storage.write_json(layout.sample("sample-a").record, records.sample_record("sample-a", "run-a", title="Outside"))
    layout.run("run-a").root.rename(layout.runs / "run-c")
    texts = "\n".join(str(f) for f in fsck(layout.root))
    assert "its record of the sample sample-a is not the folder's" in texts
    assert "it lists the run run-a, which is not there" in texts
    assert "it does not list the run" not in texts  # its record says another id: told as a damaged run
    assert "its id is 'run-a'" in texts


@pytest.mark.parametrize("change, level", [({}, set()), ({"title": "Other"}, {"error"})])
def test_a_record_known_before_a_field_was_added_is_no_difference(layout, change, level):
    with contextlib.closing(sqlite3.connect(layout.index)) as db, db:
        (told,) = db.execute("SELECT record FROM runs WHERE id = 'run-a'").fetchone()
        known = json.loads(told)
        assert "tags" in known
        del known["tags"]
        db.execute("UPDATE runs SET record = ? WHERE id = 'run-a'", [json.dumps(known | change).encode()])
    assert {finding.level for finding in fsck(layout.root)} == level


def test_edits_out_of_range_and_damaged_edits(layout):
    edits = layout.dataset(DATASET).edits
    storage.write_json(edits, datasets.Edits(captions={99: "x"}))
    assert any("item 100" in f.text for f in fsck(layout.root))
    rubbish(edits)
    assert not clean(fsck(layout.root))
    fsck(layout.root, repair=True)
    assert clean(fsck(layout.root))


def test_edits_are_restored_from_a_backup(layout):
    with Library.open(layout.root) as library:
        library.dataset(DATASET).edit(0, caption="precious")
        for path in backup.backups(layout):
            path.unlink()
        backup.make(library)
    rubbish(layout.dataset(DATASET).edits)
    fsck(layout.root, repair=True)
    assert Library.open(layout.root, own=False).dataset(DATASET).items()[0].caption == "precious"


def test_a_library_that_is_open_is_not_repaired_and_its_index_left_alone(layout):
    with Library.open(layout.root):
        assert [f.level for f in fsck(layout.root)] == ["note"]
        with pytest.raises(HeldError):
            fsck(layout.root, repair=True)


def test_quick_looks_do_not_hash(layout):
    flip(layout.run("run-a").checkpoint(6).network("net"))
    assert not clean(fsck(layout.root))
    assert clean(fsck(layout.root, deep=False))


def test_something_else_is_not_a_library(tmp_path):
    assert fsck(tmp_path)[0].level == "error"


def test_a_repair_on_a_full_disk_loses_nothing(layout):
    gap(layout.run("run-a").events)
    damaged = layout.run("run-a").events.read_bytes()
    faults.arm(1, "ENOSPC", persistent=True)
    with pytest.raises(Exception, match="disk is full"):
        fsck(layout.root, repair=True)
    faults.disarm()
    assert layout.run("run-a").events.read_bytes() == damaged


def test_looking_changes_nothing(layout):
    def everything():
        return {p: (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in sorted(layout.root.rglob("*"))}

    flip(layout.sample("sample-a").items)
    before = everything()
    fsck(layout.root)
    assert everything() == before
    assert np.array_equal(np.load(layout.dataset(DATASET).cache / "8.npy"), records.pictures(4))


def test_what_a_run_knew_of_its_data_is_checked_and_restored_from_a_backup(layout):
    knew = datasets.Edits(captions={0: "as it was"}, left_out=(1,))
    storage.write_json(layout.run("run-a").known, knew)
    assert clean(fsck(layout.root))
    with Library.open(layout.root) as library:
        for path in backup.backups(layout):
            path.unlink()
        backup.make(library)
    rubbish(layout.run("run-a").known)
    assert any("run-a/data.json" in finding.item for finding in fsck(layout.root))
    fsck(layout.root, repair=True)
    assert storage.read_json(layout.run("run-a").known, datasets.Edits) == knew


def test_a_changed_byte_anywhere_in_a_cached_array_is_told_and_it_goes(layout):
    cache = layout.dataset(DATASET).cache
    arrays = sorted(cache.glob("*.npy"))
    assert arrays
    for path in arrays:
        whole = path.read_bytes()
        for place in (len(whole) - 1, len(whole) // 2 + 40):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            (found,) = [one for one in fsck(layout.root) if one.level == "error"]
            assert found.text == "its content does not match its checksum" and path.name in found.item
            assert not [one for one in fsck(layout.root, deep=False) if one.level == "error"]
        fsck(layout.root, repair=True)
        assert not path.exists() and clean(fsck(layout.root))
