"""``nexus-studio``: with no command the window, with a command the command line."""

from __future__ import annotations

from models_backend import isolation

isolation.isolate()  # before any import that a file in the current folder could answer

import argparse  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from . import system_packages  # noqa: E402


def no_window() -> str:
    """Why a window cannot be shown, and what to do; "" where it can. Qt itself would abort without saying it."""
    if not system_packages.has_display() and not os.environ.get("QT_QPA_PLATFORM"):
        return "there is no display. Try `nexus-studio demo --out DIR`, or `nexus-studio --help`."
    absent = system_packages.missing(window=True)
    if absent:
        return system_packages.what_is_missing(absent)
    if silent := system_packages.silent_display():
        return f"the display {silent} does not answer. Set DISPLAY to one that does, or try `nexus-studio --help`."
    return ""


def _window_arguments(arguments: list[str]) -> argparse.Namespace | None:
    """The arguments of the window, or None when there is a command."""
    parser = argparse.ArgumentParser("nexus-studio", add_help=False, exit_on_error=False)
    parser.add_argument("--library", type=Path)
    parser.add_argument("paths", nargs="*")
    try:
        known, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError:
        return None
    openable = not rest and all(Path(path).exists() for path in known.paths)
    return known if openable else None


def _is_command(arguments: list[str]) -> bool:
    """Whether the first word is a command: it goes before a file or folder of that name."""
    if not arguments or arguments[0].startswith("-"):
        return False
    from models_backend.cli import command_names

    return arguments[0] in command_names()


def main(argv: list[str] | None = None) -> int:
    """Shows the window, or hands the command to the command line."""
    arguments = sys.argv[1:] if argv is None else argv
    window = None if _is_command(arguments) else _window_arguments(arguments)
    if window is None:
        from models_backend.cli import main as command_line

        return command_line(arguments)
    if reason := no_window():
        print(f"nexus-studio: {reason}", file=sys.stderr)
        return 2
    from .app import run

    return run(window.library, window.paths)


if __name__ == "__main__":
    sys.exit(main())
