"""Nothing that lies in the current folder, or where PYTHONPATH points, runs: files with the names of modules that we import."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_backend import isolation

STUDIO = Path(sys.executable).with_name("nexus-studio")
NAMES = "msgspec numpy PIL cv2 apsw psutil torch safetensors models_backend nexus_studio resources argparse secrets decimal"


@pytest.fixture
def strangers(tmp_path):
    """A stranger's folder: one picture, and a look-alike of many a module that leaves a mark where it runs."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(np.full((16, 16, 3), 90, np.uint8)).save(folder / "0.png")
    for name in NAMES.split():
        mark = tmp_path / "ran" / name
        text = f"import os; os.makedirs({str(mark)!r}, exist_ok=True)\nraise ImportError('stranger')\n"
        (folder / f"{name}.py").write_text(text)
    return folder


def ran(folder):
    return sorted(mark.name for mark in (folder.parent / "ran").glob("*"))


def start(folder, *command, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command, cwd=folder, env=kept | variables, capture_output=True, text=True, errors="replace", timeout=120
    )


@pytest.mark.parametrize("path", [None, "", ".", f"{os.pathsep}/nowhere", "HERE"])
def test_an_import_from_the_folder_where_look_alikes_lie_runs_none(strangers, library_root, path):
    """With every way in which a shell's profile puts the current folder on the path, beginning with the console script."""
    variables = {} if path is None else {"PYTHONPATH": path.replace("HERE", str(strangers))}
    if path in (".", f"{os.pathsep}/nowhere", "HERE"):  # there Python itself looks for our package in that folder first
        for name in ("nexus_studio", "models_backend"):
            (strangers / f"{name}.py").unlink()
    done = start(strangers, STUDIO, "import", ".", "--library", str(library_root), **variables)
    assert (done.returncode, ran(strangers)) == (0, []), done.stderr


def test_neither_workers_nor_decoder_nor_programs_look_there(strangers):
    """Each module that is started as a process, asked for its help or given no input."""
    for module in ("workers", "workers.importer", "workers.viewing", "workers.decoder", "workers.bench", "workers.demo"):
        command = isolation.python("-m", f"models_backend.{module}", "--help")
        start(strangers, *command, **isolation.environment())
    start(
        strangers,
        *isolation.python("-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import numpy'])"),
        **isolation.environment(),
    )  # fmt: skip  a grandchild, as torch's compiler starts them
    assert ran(strangers) == []


def test_a_child_finds_the_program_and_what_tests_add_and_nothing_of_pythonpath(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setattr(isolation, "FURTHER", [str(tmp_path)])
    path = isolation.environment()["PYTHONPATH"].split(os.pathsep)
    assert path[0] == str(tmp_path) and "/somewhere" not in path and isolation.environment()["PYTHONSAFEPATH"] == "1"


def test_isolate_keeps_the_path_of_the_program_itself(monkeypatch):
    monkeypatch.setattr(sys, "path", [isolation.HOME, "", "/named", "/usr/lib/python"])
    monkeypatch.setenv("PYTHONPATH", f"/named{os.pathsep}{isolation.HOME}")
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    isolation.isolate()
    assert sys.path == [isolation.HOME, "/usr/lib/python"] and "PYTHONPATH" not in os.environ
