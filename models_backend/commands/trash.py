"""``delete`` and ``trash``: what is deleted, brought back or freed."""

from __future__ import annotations

import argparse
import time

from models_backend.contract import names
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import TrashEntry
from models_backend.contract.words import counted
from models_backend.engine.terminal import Reporter
from models_backend.library import remarks, trash
from models_backend.library.library import Library
from models_backend.library.runs import LIVE_STATES

from .renaming import chosen
from .session import WORDS, open_library

DAY_S = 86400


async def delete(options: argparse.Namespace, reporter: Reporter) -> int:
    """Moves runs, samples and data sets to the trash: all that are named, or none where one is refused."""
    library = open_library(options, reporter)
    try:
        every = chosen(library, options.names, options.kind, "Nothing was deleted")
        for kind, record in every:
            trash.deletable(library.layout, kind, record.id)
        going = {record.id for _, record in every}
        runs, live = library.runs(), lambda run: library.run(run).state()[0] in LIVE_STATES
        for kind, record in every:
            users = remarks.users(kind, record.id, runs, live, going)
            trash.delete(library, kind, record.id)
            text = f"The {WORDS[kind]} “{record.title}” is in the trash"
            reporter.result(text, deleted=record.id, of=kind, title=record.title)
            if needed := users.needing():
                reporter.note(f"{record.title}: {needed}", "needed", runs=[*users.trained, *users.built_on])
            if told := users.trouble(record.title, "Bring it back"):
                reporter.note(str(told), "trouble")
        back = " ".join(f"--restore {record.id}" for _, record in every)
        them = "it" if len(every) == 1 else "them"
        reporter.done(f"`nexus-studio trash {back}` brings {them} back", count=len(every))
    finally:
        library.close()
    return 0


async def trash_(options: argparse.Namespace, reporter: Reporter) -> int:
    """Lists what lies in the trash; brings things back by title or id; frees the disk of what was deleted."""
    library = open_library(options, reporter)
    try:
        for wanted in options.restore:
            entry = trash.restore(library, _found(library, wanted).id)
            word = WORDS.get(entry.kind, entry.kind)
            reporter.result(f"restored the {word} “{entry.title}”", restored=entry.title, of=entry.kind)
        if options.empty:
            gone = trash.empty(library, options.older_than * DAY_S)
            if gone or reporter.as_json:
                reporter.result(f"{counted(len(gone), 'thing was', 'things were')} freed for good", emptied=len(gone))
        left = trash.entries(library.layout)
        if left and options.empty and not gone:
            reporter.note(f"Nothing has lain in the trash for {counted(options.older_than, 'day')}", "kept")
        for entry in left:
            told = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.deleted))
            text = f"{told}  {WORDS.get(entry.kind, entry.kind):9} {entry.title}  ({entry.id})"
            reporter.result(text, id=entry.id, of=entry.kind, title=entry.title, deleted=entry.deleted)
        advice = "`nexus-studio trash --restore TITLE` brings one back" if left else "The trash is empty"
        reporter.done(f"{len(left)} in the trash; {advice}" if left else advice, count=len(left))
    finally:
        library.close()
    return 0


def _found(library: Library, wanted: str) -> TrashEntry:
    found = trash.named(library.layout, wanted)
    if found is None:
        meant = names.meant(wanted, [entry.title for entry in trash.entries(library.layout)])
        raise TroubleError("it is not in the trash", wanted, advice=f"{meant}`nexus-studio trash` lists what is")
    return found
