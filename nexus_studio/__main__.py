"""``nexus-studio``: with no command the window, with a command the command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def no_display() -> bool:
    """Whether a window cannot be shown: no display on a Unix and no Qt platform named."""
    if os.environ.get("QT_QPA_PLATFORM") or sys.platform in ("win32", "darwin"):
        return False
    return not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


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
    if no_display():
        print(
            "nexus-studio: there is no display. Try `nexus-studio demo --out DIR`, or `nexus-studio --help`.", file=sys.stderr
        )
        return 2
    from .app import run

    return run(window.library, window.paths)


if __name__ == "__main__":
    sys.exit(main())
