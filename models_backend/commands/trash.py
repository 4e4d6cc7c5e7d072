"""``trash``: what was deleted, brought back or freed."""

from __future__ import annotations

import argparse
import time

from models_backend.contract.messages import TroubleError
from models_backend.engine.terminal import Reporter
from models_backend.library import trash

from .session import open_library

KINDS = {"dataset": "data set"}
DAY_S = 86400


async def trash_(options: argparse.Namespace, reporter: Reporter) -> int:
    """Lists what lies in the trash; brings things back by title or id; frees the disk of what was deleted."""
    library = open_library(options, reporter)
    try:
        for wanted in options.restore:
            entry = trash.restore(library, _found(library, wanted).id)
            word = KINDS.get(entry.kind, entry.kind)
            reporter.result(f"restored the {word} “{entry.title}”", restored=entry.title, of=entry.kind)
        if options.empty:
            gone = trash.empty(library, options.older_than * DAY_S)
            reporter.result(f"{len(gone)} things were freed for good", emptied=len(gone))
        left = trash.entries(library.layout)
        for entry in left:
            told = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.deleted))
            text = f"{told}  {KINDS.get(entry.kind, entry.kind):9} {entry.title}  ({entry.id})"
            reporter.result(text, id=entry.id, of=entry.kind, title=entry.title, deleted=entry.deleted)
        advice = "`nexus-studio trash --restore TITLE` brings one back" if left else "nothing lies in the trash"
        reporter.done(f"{len(left)} in the trash; {advice}" if left else advice, count=len(left))
    finally:
        library.close()
    return 0


def _found(library, wanted: str):
    """The entry of that id or title, the last deleted of several."""
    entries = trash.entries(library.layout)
    found = next((e for e in entries if wanted in (e.id, e.path.rsplit("/", 1)[-1])), None)
    found = found or next((e for e in entries if e.title.casefold() == wanted.casefold()), None)
    if found is None:
        raise TroubleError("it is not in the trash", wanted, advice="`nexus-studio trash` lists what is")
    return found
