"""A library that can only be read is looked at, and stays as it was."""

import os

import pytest
from library import records

from models_backend import cli
from models_backend.contract.run_layout import LibraryLayout
from models_backend.library import opening
from models_backend.library.library import Library
from models_backend.library.opening import READ_ONLY, only_readable


@pytest.fixture
def sealed(library_root, monkeypatch):
    """A library with a data set that may not be written: by its mode, or, for root, by what the system says of it."""
    with Library.open(library_root) as library:
        library.create_dataset(records.dataset_record(title="mine"), records.items())
    folders = [library_root, *(path for path in library_root.rglob("*") if path.is_dir())]
    plain = os.access
    if os.geteuid() == 0:
        monkeypatch.setattr(opening.os, "access", lambda path, mode: not mode & os.W_OK and plain(path, mode))
    for folder in folders:
        folder.chmod(0o500)
    yield library_root
    for folder in folders:
        folder.chmod(0o700)


def state_of(folder):
    return sorted((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*"))


def test_it_is_told_from_one_that_can_be_written(library_root, tmp_path, sealed):
    assert only_readable(LibraryLayout(sealed))
    assert not only_readable(LibraryLayout(tmp_path / "none")), "one that is not there can be made"


@pytest.mark.parametrize("command", ["runs", "datasets", "samples", "jobs"])
def test_commands_that_look_say_one_sentence_and_change_nothing(sealed, capsys, command):
    before = state_of(sealed)
    assert cli.main([command, "--library", str(sealed)]) == 0
    told = capsys.readouterr()
    assert (told.out + told.err).count(READ_ONLY) == 1 and ("mine" in told.out) == (command == "datasets")
    assert state_of(sealed) == before


@pytest.mark.parametrize(
    "command",
    [
        "rename mine other",
        "edit mine --title other",
        "delete mine",
        "trash --empty",
        "trash --restore mine",
        "sample mine",
        "train --family ddpm --data mine",
        "resume mine",
        "import here",
        "proof x",
    ],
)
def test_commands_that_keep_something_are_not_begun_and_say_one_sentence(sealed, capsys, command):
    before = state_of(sealed)
    assert cli.main([*command.split(), "--library", str(sealed)]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert READ_ONLY in told.err and "Name another one with --library" in told.err
    assert state_of(sealed) == before


def test_looking_at_a_data_set_of_one_is_not_refused(sealed, capsys):
    assert cli.main(["edit", "mine", "--library", str(sealed)]) == 0
    assert "As imported" in capsys.readouterr().out
