"""What Qt lacks is said before Qt aborts: by the studio and by the installer, from one table."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nexus_studio import __main__, system_packages
from nexus_studio.system_packages import QT_LIBRARIES, WAYLAND_LIBRARIES, X11_LIBRARIES, missing, what_is_missing

ROOT = Path(__file__).parent.parent.parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Qt brings all that it needs")
X, WAYLAND = {"DISPLAY": ":0"}, {"WAYLAND_DISPLAY": "wayland-0"}


def without(*libraries):
    return lambda library: library not in libraries


@linux
def test_each_missing_library_names_its_package():
    for library, package in (QT_LIBRARIES | X11_LIBRARIES).items():
        assert missing(True, X, without(library)) == {library: package}
    assert missing(True, X, lambda library: True) == {}


@linux
def test_only_what_the_screen_needs_is_asked_for():
    def nothing(library):
        return False

    assert set(missing(False, {}, nothing)) == set(QT_LIBRARIES)
    assert set(missing(True, WAYLAND, nothing)) == {*QT_LIBRARIES, *WAYLAND_LIBRARIES}
    assert missing(True, X | WAYLAND, without("libxcb-cursor.so.0")) == {}  # the other way works
    assert set(missing(True, X | {"QT_QPA_PLATFORM": "offscreen"}, nothing)) == set(QT_LIBRARIES)
    assert set(missing(True, {"QT_QPA_PLATFORM": "xcb:a=b"}, without("libxcb-shm.so.0"))) == {"libxcb-shm.so.0"}


def test_the_sentence_says_what_to_run(monkeypatch):
    monkeypatch.setattr(system_packages.shutil, "which", lambda name: "/usr/bin/apt-get")
    assert what_is_missing({"libxcb-cursor.so.0": "libxcb-cursor0"}) == (
        "the window needs a system package that is missing here. Run:\n    sudo apt-get install libxcb-cursor0"
    )
    monkeypatch.setattr(system_packages.shutil, "which", lambda name: None)
    assert "libxcb-cursor.so.0, libGL.so.1" in what_is_missing({"libxcb-cursor.so.0": "libxcb-cursor0", "libGL.so.1": "libgl1"})


@linux
def test_the_studio_says_it_and_qt_is_not_imported(monkeypatch, capsys):
    monkeypatch.setattr(system_packages, "loads", without("libxcb-cursor.so.0", "libxcb-icccm.so.4"))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    assert __main__.main([]) == 2
    said = capsys.readouterr().err
    assert "libxcb-cursor0 libxcb-icccm4" in said and "Traceback" not in said


def started(**environment):
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    command = [sys.executable, "-m", "nexus_studio"]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=60, cwd=ROOT)


@linux
def test_no_display_and_one_that_does_not_answer_are_one_clear_line():
    for environment, words in (({}, "there is no display"), ({"DISPLAY": ":4711"}, "the display :4711 does not answer")):
        done = started(**environment)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1) and words in done.stderr


@linux
def test_for_real_a_hidden_library_is_named(tmp_path):
    """A file of the library's name that is no library, found first, is what a missing one is to the loader."""
    (tmp_path / "libxcb-cursor.so.0").write_bytes(b"")
    done = started(DISPLAY=":4711", LD_LIBRARY_PATH=str(tmp_path))
    assert done.returncode == 2 and "libxcb-cursor0" in done.stderr and "Traceback" not in done.stderr


def test_neither_imports_qt():
    code = "import sys, nexus_studio.system_packages, nexus_studio.__main__; sys.exit(any('PySide' in m for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
    tree = ast.parse((ROOT / "nexus_studio" / "system_packages.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert names <= sys.stdlib_module_names


def test_the_installer_asks_the_same_table():
    code = (
        "import sys; sys.path.insert(0, 'installer'); import bootstrap; bootstrap.qt_packages.loads = lambda name: False; "
        "print(*bootstrap.missing_packages(True))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert {*QT_LIBRARIES.values(), *X11_LIBRARIES.values()} <= set(done.stdout.split()), done.stderr
