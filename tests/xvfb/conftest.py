"""A virtual screen for the tests of the real window."""

import os
import shutil
import subprocess

import pytest


@pytest.fixture
def screen(tmp_path):
    """The name of a virtual screen; its number is told by Xvfb itself, so that two never meet."""
    if shutil.which("Xvfb") is None:
        pytest.skip("there is no Xvfb here")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    with (tmp_path / "xvfb.log").open("wb") as log:
        server = subprocess.Popen(command, pass_fds=[write], stdout=log, stderr=log)
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(timeout=10)
