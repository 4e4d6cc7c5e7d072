"""No code but the program's own: neither the current folder nor PYTHONPATH gives a module to any process of the studio.

Who works in a folder of a stranger's pictures has that folder as the current one, and a ``msgspec.py`` may lie in it. The one
door for code of others is NEXUS_FAMILIES. This module is imported before all others and needs only what Python itself
has loaded already.
"""

from __future__ import annotations

import os
import sys

#: Where the program lies: the folder of its sources, or that of the installed packages.
HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  nothing further is imported here
#: Folders in which child processes find further modules. Only tests put anything here: their scripted workers.
FURTHER: list[str] = []


def isolate() -> None:
    """Takes the current folder and what PYTHONPATH names off this process's path, and off that of its children."""
    named = os.environ.pop("PYTHONPATH", "")
    foreign = {os.path.abspath(one) for one in named.split(os.pathsep)} if named else set()  # noqa: PTH100
    if not sys.flags.safe_path and sys.path and os.path.abspath(sys.path[0]) == _current():  # noqa: PTH100
        foreign.add(_current())
    sys.path[:] = [one for one in sys.path if one and (one == HOME or os.path.abspath(one) not in foreign)]  # noqa: PTH100
    os.environ.pop("PYTHONSTARTUP", None)
    os.environ["PYTHONSAFEPATH"] = "1"


def _current() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""  # it was deleted


def python(*arguments: str) -> list[str]:
    """The command line of another Python of ours, which does not look for modules in the current folder."""
    return [sys.executable, "-P", *arguments]


def environment() -> dict[str, str]:
    """The variables of our processes: as they are, but modules come from the program alone; grandchildren inherit it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSTARTUP")}
    installed = os.path.basename(HOME) in ("site-packages", "dist-packages")  # noqa: PTH119
    places = [*FURTHER, *(() if installed else (HOME,))]
    return kept | {"PYTHONSAFEPATH": "1"} | ({"PYTHONPATH": os.pathsep.join(places)} if places else {})
