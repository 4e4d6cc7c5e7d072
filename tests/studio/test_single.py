"""Where a studio listens is this user's alone, and a name that somebody else holds neither hears anything nor stops a start."""

import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from nexus_studio.shell import single

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes have no files there")


@pytest.fixture
def place(monkeypatch):
    """The system's temporary folder; its path is short, as that of a socket must be."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_it_lies_in_a_folder_that_only_this_user_enters(place, qapp, tmp_path):
    address = Path(single.address(tmp_path / "library"))
    assert place in address.parents and stat.S_IMODE(address.parent.stat().st_mode) == 0o700
    listener, heard = single.Listener(tmp_path / "library"), []
    listener.asked.connect(heard.append)
    assert address.is_socket()
    listener.close()
    assert single.address(tmp_path / "library") != single.address(tmp_path / "other")


@pytest.mark.parametrize("held", ["open to all", "a link", "a file"])
def test_a_folder_that_another_user_holds_is_not_used(place, qapp, held):
    library, name = place / "library", place / f"nexus-studio-{os.getuid()}"
    library.mkdir()
    if held == "open to all":
        name.mkdir()
        name.chmod(0o777)
    elif held == "a link":
        (place / "theirs").mkdir(mode=0o700)
        name.symlink_to(place / "theirs")
    else:
        name.write_text("x")
    assert Path(single.address(library)).parent == library
    listener = single.Listener(library)
    assert Path(single.address(library)).is_socket()
    listener.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_socket_of_another_user_is_not_asked(place, qapp, tmp_path):
    address = single.address(tmp_path / "library")
    listener = single.Listener(tmp_path / "library")
    os.chown(address, 65534, 65534)
    assert single.ask_first(tmp_path / "library", "/secret.png") is False
    listener.close()
