"""A checkpoint is what its manifest lists: what lies beside it unlisted, or is listed elsewhere, makes it no checkpoint."""

import json

import pytest
from library import records

from models_backend.contract.run_layout import LibraryLayout
from models_backend.library import checkpoints
from models_backend.library.fsck import clean, fsck
from models_backend.library.library import Library


@pytest.fixture
def layout(library_root):
    with Library.open(library_root) as library:
        records.fill(library)
    return LibraryLayout(library_root)


def rewritten(change):
    def act(root):
        manifest = json.loads((root / "manifest.json").read_text())
        change(manifest["files"])
        (root / "manifest.json").write_text(json.dumps(manifest))

    return act


def weights_of(files):
    return next(file for file in files if file["name"].endswith(".safetensors"))


HARMS = {
    "no files": (rewritten(lambda files: files.clear()), "names no weights"),
    "only the state": (rewritten(lambda files: files.remove(weights_of(files))), "does not stand in manifest.json"),
    "weights beside": (lambda root: (root / "ema-net.safetensors").write_bytes(b"x"), "does not stand in manifest.json"),
    "state unlisted": (rewritten(lambda files: files.pop()), "state.json does not stand"),
    "an absolute name": (rewritten(lambda files: files[0].update(name="/dev/zero")), "names '/dev/zero'"),
    "a name above": (rewritten(lambda files: files[0].update(name="../x.safetensors")), "which is no file of the checkpoint"),
}


@pytest.mark.parametrize("act, words", HARMS.values(), ids=HARMS.keys())
def test_it_is_not_used_and_fsck_says_why(layout, act, words):
    run = layout.run("run-a")
    newest = checkpoints.every(run)[0]
    act(newest.root)
    assert words in checkpoints.flaw(newest, deep=False) and words in checkpoints.flaw(newest)
    used, reasons = checkpoints.newest_good(run)
    assert used.step < newest.step and words in reasons[0]
    found = fsck(layout.root)
    assert not clean(found) and any(words in one.text for one in found)


def test_what_a_file_manager_leaves_is_no_harm(layout):
    newest = checkpoints.every(layout.run("run-a"))[0]
    (newest.root / ".DS_Store").write_bytes(b"x")
    assert checkpoints.flaw(newest) == ""
