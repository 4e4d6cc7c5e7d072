"""``exports.jsonl``: which files were exported from what, a line each."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from models_backend.contract.run_layout import LibraryLayout

from . import guarding, storage
from .appending import Appender
from .trouble import explained

NAME = "exports.jsonl"


class Exported(msgspec.Struct):
    """One exported file; ``source`` is the id of the sample or run, ``time`` in seconds since 1970."""

    path: str
    source: str
    format: str
    time: float


def note(layout: LibraryLayout, path: str | Path, source: str, form: str) -> Exported:
    """Remember an exported file. Any process may call it."""
    exported = Exported(str(path), source, form, time.time())
    with explained("the export cannot be remembered", Path(path).name, "The exported file is whole"):
        log = Appender(layout.root / NAME)
        try:
            log.append(msgspec.json.encode(exported) + b"\n")
        finally:
            log.close()
    return exported


def read(layout: LibraryLayout) -> list[Exported]:
    """Every exported file, oldest first; lines that cannot be read are left out (a torn last one, say)."""
    path = layout.root / NAME
    found = []
    for line in guarding.content(path).splitlines() if guarding.is_file(path) else ():
        try:
            found.append(msgspec.json.decode(line, type=Exported))
        except storage.UNFIT:
            continue
    return found
