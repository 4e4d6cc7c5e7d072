"""What samples and runs can be written as: the one place that says it for commands, window and writers."""

from __future__ import annotations

import re

#: In bytes: a number and a suffix still go behind it.
LONGEST_NAME = 150
STILLS = ("png", "webp", "gif")
FILMS = ("mp4", "webm")
#: They show what moves where nobody says what of a sample is wanted.
MOVING = (*FILMS, "gif", "apng")
WEIGHTS = ("safetensors",)
#: Of points.
NUMBERS = ("csv", "npy")
#: Every format, each once.
FORMATS = tuple(dict.fromkeys((*STILLS, *MOVING, *NUMBERS, *WEIGHTS)))
#: What of a sample is written.
PARTS = ("items", "sheet", "trace", "path")


def plain(text: str) -> str:
    """A format as it is listed: ".PNG" is png."""
    return text.lower().lstrip(".")


def file_name(title: str) -> str:
    """A title as the name of a file or folder that every system takes; "" where nothing of it is left."""
    safe = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "-", title).encode()[:LONGEST_NAME].decode(errors="ignore")
    return safe.strip(" .")
