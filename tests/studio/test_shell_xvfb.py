"""The real program in a real window on a virtual screen."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nexus_studio.shell.single import ask_first

pytestmark = [pytest.mark.xvfb, pytest.mark.skipif(shutil.which("Xvfb") is None, reason="there is no Xvfb here")]


@pytest.fixture
def screen(tmp_path):
    """A virtual screen; its number is told by Xvfb itself, so that two never meet."""
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


def test_the_program_opens_its_window_answers_a_second_start_and_ends_when_asked(qapp, screen, tmp_path):
    root, errors = tmp_path / "library", tmp_path / "errors.txt"
    environment = {name: value for name, value in os.environ.items() if name != "QT_QPA_PLATFORM"} | {"DISPLAY": screen}
    command = [sys.executable, "-m", "nexus_studio", "--library", str(root)]
    with errors.open("wb") as file:
        studio = subprocess.Popen(command, env=environment, stderr=file, cwd=Path(__file__).parents[2])
    try:
        end = time.time() + 45
        while time.time() < end and studio.poll() is None and not ask_first(root, ""):
            time.sleep(0.1)
        assert studio.poll() is None, errors.read_text()
        second = subprocess.run(command, env=environment, timeout=45, check=False)
        assert second.returncode == 0 and studio.poll() is None, "the second start raised the first window and ended"
        while time.time() < end and not (root / "library.json").exists():
            time.sleep(0.1)
        assert (root / "library.json").exists()
        studio.terminate()
        assert studio.wait(timeout=30) == 0
    finally:
        studio.kill()
        studio.wait()
    assert "Traceback" not in errors.read_text()
