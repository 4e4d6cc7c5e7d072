"""No module writes behind the back of ``library/storage.py``: the source itself is read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: calls that write, with what they are called on ("*": on anything but storage)
WRITES = {
    "write_bytes": "*", "write_text": "*", "save_file": "*", "savez_compressed": "*",
    "rmtree": "shutil", "move": "shutil", "copyfile": "shutil", "copy2": "shutil", "copytree": "shutil",
    "rename": "os", "replace": "os", "truncate": "os",
}  # fmt: skip
#: file -> why it may write by itself
ALLOWED = {
    "models_backend/library/": "it is the storage",
    "models_backend/engine/sockets.py": "sockets and their folder are not data",
    "models_backend/engine/processes.py": "a worker's log is handed to it as an open file",
    "models_backend/engine/importing.py": "a worker's log is handed to it as an open file",
    "models_backend/workers/process.py": "the kernel's own file",
    "models_backend/workers/importer.py": "standard output",
    "models_backend/workers/viewing.py": "standard output",
    "models_backend/media/films.py": "encoders write into the temporary path of storage.new_file",
    "models_backend/workers/demo.py": "a copy of an exported film in the folder that the user named",
}
_MODE = re.compile(r"[rwaxbt+]{1,3}")


def writing_calls(source):
    """(line, name) of every call in some source that writes a file by itself."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [(call.lineno, what) for call in calls if (what := written_with(call))]


def written_with(call):
    """The name of the function with which a call writes; "" where it does not."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = getattr(function.value, "id", "*") if isinstance(function, ast.Attribute) else ""
    if name == "open":
        place = call.args[0 if owner else 1 :][:1] + [k.value for k in call.keywords if k.arg == "mode"]
        modes = [a.value for a in place if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        return name if any(_MODE.fullmatch(mode) and set(mode) & set("wax+") for mode in modes) else ""
    return name if owner != "storage" and WRITES.get(name) in ("*", owner) else ""


def test_every_write_goes_through_storage():
    found = {}
    for package in ("models_backend", "nexus_studio"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            calls = writing_calls(path.read_text(encoding="utf-8"))
            if calls and not name.startswith(tuple(ALLOWED)):
                found[name] = calls
    assert not found


PLANTED = [
    "open('a', 'wb')",
    "path.open('w')",
    "path.open(mode='a')",
    "path.write_bytes(b'')",
    "shutil.rmtree(x)",
    "os.rename(a, b)",
]
FINE = [
    "open('a')",
    "open('wax')",
    "path.open('rb')",
    "storage.write_bytes(p, b'')",
    "text.replace('a', 'b')",
    "widget.move(1, 2)",
]


@pytest.mark.parametrize("line", PLANTED)
def test_a_planted_write_is_seen(line):
    assert writing_calls(line)


@pytest.mark.parametrize("line", FINE)
def test_reading_and_storage_are_fine(line):
    assert not writing_calls(line)
