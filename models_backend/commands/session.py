"""What every command has: the library, an engine that leaves the queue to the window, and the reporter."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models_backend.contract import names
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout
from models_backend.engine.engine import Engine
from models_backend.engine.terminal import Reporter
from models_backend.library.library import Library
from models_backend.library.lock import HeldError
from models_backend.library.opening import READ_ONLY, default_root, only_readable

#: The commands that make a library where none stands; the others look into one.
MAKERS = ("listing:families", "bringing:import_", "training:train", "proving:proof")
#: The commands that last: they own the library for a moment only, so that a window can open it meanwhile.
LONG = ("training:train", "training:resume", "proving:proof", "proving:prove_resume")


@dataclass
class Session:
    """An open library and its engine, for as long as a command runs."""

    library: Library
    engine: Engine
    reporter: Reporter


@contextlib.asynccontextmanager
async def session(options: argparse.Namespace, reporter: Reporter) -> AsyncIterator[Session]:
    """Opens the library, beside a window that has it open if need be."""
    library = open_library(options, reporter)
    engine = Engine(library, schedule=False)
    try:
        await engine.start()
        yield Session(library, engine, reporter)
    finally:
        await engine.close()
        library.close()
        if getattr(options, "act", "") in LONG:
            with contextlib.suppress(TroubleError):  # a window has it now, and has followed
                Library.open(library.layout.root).close()  # the index learns what was made meanwhile


def open_library(options: argparse.Namespace, reporter: Reporter) -> Library:
    """The library as its owner, or as a guest where a window owns it or may want to. Raises TroubleError, also for a library
    that was named and is not there, unless the command puts something into it."""
    root, act = getattr(options, "library", None), getattr(options, "act", "")
    if root is not None and act not in MAKERS:
        must_stand(root)
    layout = LibraryLayout(Path(root).expanduser().absolute() if root else default_root())
    if only_readable(layout):
        reporter.note(READ_ONLY, "read-only")
        return Library.open(layout.root, own=False)
    try:
        library = Library.open(root)
    except HeldError as held:
        reporter.note(f"another process ({held.pid}) has this library open; working beside it")
        return Library.open(root, own=False)
    if act not in LONG:
        return library
    library.abandon()  # the next to own it compares all: what a guest makes is not in the index
    return Library.open(root, own=False)


def must_stand(root: Path) -> None:
    """Raises TroubleError where there is no library at ``root``: a mistyped path is not made into an empty one."""
    if not LibraryLayout(root).record.exists():
        advice = "Check --library; `nexus-studio import` or `train` makes a new one"
        raise TroubleError("there is no library here", str(root), advice=advice)


def found(kind: str, records: list[Any], text: str) -> Any:
    """The record whose id, title, or unique start of an id ``text`` is, in this order: a title is a title, also one that is a
    number or begins as an id does. Raises TroubleError where none or several are, naming those."""
    fits = fitting(records, text)
    if not fits:
        raise TroubleError(
            f"there is no such {kind}", text, advice=f"`nexus-studio {kind.replace(' ', '')}s` lists what there is"
        )
    if len(fits) > 1:
        listed = "; ".join(f"{r.id} ({r.title})" for r in fits[:5]) + ("; ..." if len(fits) > 5 else "")
        raise TroubleError(f"{len(fits)} {kind}s fit", text, advice=f"Name one by its id: {listed}")
    return fits[0]


def fitting(records: list[Any], text: str) -> list[Any]:
    """The records that a text may mean."""
    whole = [r for r in records if text in (r.id, getattr(r, "builtin", None))][:1]
    titled = names.places([r.title for r in records], text)
    return whole or [records[place] for place in titled] or [r for r in records if text and r.id.startswith(text)]
