"""Paths of sources as they are shown."""

from __future__ import annotations

import os


def dropped_folder(roots: tuple[str, ...]) -> str:
    """The folder that all dropped paths lie in; the dropped folder itself where it was one."""
    try:
        return os.path.commonpath(roots) if roots else ""
    except ValueError:  # on several drives
        return ""


def below(source: str, folder: str) -> str:
    """A path without the folder that was dropped."""
    if source == folder:
        return source.rpartition("/")[2]
    return source[len(folder) + 1 :] if folder and source.startswith((f"{folder}/", f"{folder}\\")) else source


def shown_name(source: str) -> str:
    """A path in one line: control characters visible, so that a newline in a name stays in its row."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in source)
