"""What every command has: the library, an engine that leaves the queue to the window, and the reporter."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models_backend.contract import names
from models_backend.contract.family import FamilyDescription, works_in
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LibraryLayout, RunRecord
from models_backend.contract.words import counted
from models_backend.engine.engine import Engine
from models_backend.engine.terminal import Reporter
from models_backend.library import trash
from models_backend.library.library import Library
from models_backend.library.lock import HeldError
from models_backend.library.opening import READ_ONLY, default_root, named_root, only_readable, unmake, usual_root

#: The commands that make a library where none stands; the others look into one, also these with an option that looks.
MAKERS = ("bringing:import_", "training:train", "proving:proof")
LOOKING = ("look_for", "again")
#: The commands that list what there is, unless they name something.
LISTS = ("listing:runs", "listing:datasets", "listing:samples", "listing:jobs", "trash:trash_")
NAMING = ("run", "data", "restore")
#: The commands that leave something in the library: none of them is begun where it can only be read.
KEEPERS = ("bringing:import_", "training:train", "training:resume", "making:sample", "proving:proof",
           "renaming:rename", "trash:delete")  # fmt: skip
#: The commands that do so where an option says what, and else tell how things stand.
CHANGERS = ("editing:edit", "trash:trash_")
#: What every one of them is given.
GIVEN = ("library", "json", "act", "data")
#: The commands that last: they own the library for a moment only, so that a window can open it meanwhile.
LONG = ("training:train", "training:resume", "proving:proof", "proving:prove_resume")

#: Letters of an id that are shown at least.
SHORT = 6


@dataclass
class Session:
    """An open library and its engine, for as long as a command runs."""

    library: Library
    engine: Engine
    reporter: Reporter


@contextlib.asynccontextmanager
async def session(options: argparse.Namespace, reporter: Reporter) -> AsyncIterator[Session]:
    """Opens the library, beside a window that has it open if need be. One that is made for the command goes with it where
    nothing came into it."""
    layout = _layout(getattr(options, "library", None))
    stood, folder_stood = layout.record.exists(), layout.root.exists()
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
        if not stood:
            unmake(library.layout, folder_too=not folder_stood)


def open_library(options: argparse.Namespace, reporter: Reporter) -> Library:
    """The library as its owner, or as a guest where a window owns it or may want to. Raises TroubleError, also for a library
    that is not there, unless the command puts something into it."""
    root, act = getattr(options, "library", None), getattr(options, "act", "")
    if act not in MAKERS or _asked(options, LOOKING):
        must_stand(root)
    layout = _layout(root)
    if only_readable(layout):
        if act in KEEPERS or (act in CHANGERS and alters(options)):
            advice = "Name another one with --library, or copy this one to a folder that can be written"
            raise TroubleError(READ_ONLY, str(layout.root), "Nothing was begun", advice)
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


def alters(options: argparse.Namespace) -> bool:
    """Whether a command of ``CHANGERS`` is given any option that changes something."""
    return any(value not in (None, False, []) for name, value in vars(options).items() if name not in GIVEN)


def _asked(options: argparse.Namespace, names: tuple[str, ...]) -> bool:
    return any(getattr(options, name, None) for name in names)


def _layout(root: Path | None) -> LibraryLayout:
    return LibraryLayout(Path(root).expanduser().absolute() if root else default_root())


def stands(options: argparse.Namespace) -> bool:
    """Whether there is a library where the command looks for it."""
    return _layout(getattr(options, "library", None)).record.exists()


def nothing_yet(options: argparse.Namespace) -> str:
    """What a command that lists says where nobody named a library and the usual place has none; else ""."""
    named = getattr(options, "library", None) or named_root()
    if options.act not in LISTS or named or _asked(options, NAMING) or stands(options):
        return ""
    return f"There is no library at {usual_root()} yet; {HOW_TO_MAKE_ONE}"


HOW_TO_MAKE_ONE = "`nexus-studio import` or `train` makes one"


def must_stand(root: Path | None) -> None:
    """Raises TroubleError where there is no library at ``root`` (None: where it lies by default): it is not made."""
    layout = _layout(root)
    if not layout.record.exists():
        named = "Check --library; " if root else "Check NEXUS_LIBRARY; " if named_root() else ""
        raise TroubleError("there is no library here", str(layout.root), advice=named + HOW_TO_MAKE_ONE)


#: What the library calls things, and what commands do.
WORDS = {"run": "run", "sample": "sample", "dataset": "data set"}
KINDS = {word: kind for kind, word in WORDS.items()}


def described(now: Session, record: RunRecord) -> FamilyDescription | None:
    """The family of a run, where it is known without asking the worker."""
    return next((one for one in now.engine.descriptions() if one.key == record.family), None)


def works_in_of(now: Session, record: RunRecord) -> str:
    """Where a run works that does without parts it could have ("pixel space"), or ""."""
    family = described(now, record)
    return works_in(family.uses, record.parts, record.spec.modality) if family else ""


def found(library: Library, kind: str, text: str, others: Iterable[str] = ()) -> Any:
    """The run, sample or data set that a text means. Raises TroubleError, also where it lies in the trash; ``others``: what may
    have been meant too."""
    records = every(library, KINDS[kind])
    if not fitting(records, text):
        refuse_deleted(library, text, KINDS[kind])
    return one_of(kind, records, text, others)


def every(library: Library, kind: str) -> list[Any]:
    """Every record of a kind, as the library calls it."""
    return library.samples(limit=1_000_000) if kind == "sample" else getattr(library, f"{kind}s")()


def refuse_deleted(library: Library, text: str, kind: str = "", kept: str = "") -> None:
    """Raises TroubleError where what a text means lies in the trash."""
    entry = trash.named(library.layout, text, kind)
    if entry is not None:
        word = WORDS.get(entry.kind, entry.kind)
        advice = f"`nexus-studio trash --restore {Path(entry.path).name}` brings it back"
        raise TroubleError(f"the {word} “{entry.title}” is in the trash", text, kept, advice)


def one_of(kind: str, records: list[Any], text: str, others: Iterable[str] = ()) -> Any:
    """The record whose id, title, or unique start of an id ``text`` is, in this order: a title is a title, also one that is a
    number or begins as an id does. Raises TroubleError where none or several are, naming those."""
    fits = fitting(records, text)
    if not fits:
        meant = names.meant(text, [*others, *(name for record in records for name in (record.title, record.id))])
        advice = f"{meant}`nexus-studio {kind.replace(' ', '')}s` lists what there is"
        raise TroubleError(f"there is no such {kind}", text, advice=advice)
    grid = of_one_grid(fits)
    if len(fits) > 1 and not grid:
        listed = "; ".join(_told_apart(r, records) for r in fits[:5]) + ("; ..." if len(fits) > 5 else "")
        raise TroubleError(f"{len(fits)} {kind}s fit", text, advice=f"Name one by its id: {listed}")
    return min(fits, key=lambda record: record.grid.place) if grid else fits[0]


def of_one_grid(records: list[Any]) -> bool:
    """Whether all are cells of the same grid."""
    grids = {cell.id if (cell := getattr(record, "grid", None)) else "" for record in records}
    return len(grids) == 1 and "" not in grids


def _told_apart(record: Any, records: list[Any]) -> str:
    """A record as an id short enough to type, its title, how many items it has, and when it was made."""
    lengths = range(SHORT, len(record.id) + 1)
    short = next((n for n in lengths if fitting(records, record.id[:n]) == [record]), len(record.id))
    count, created = getattr(record, "kept", getattr(record, "count", None)), getattr(record, "created", None)
    told = [record.title, counted(count, "item") if count is not None else "",
            time.strftime("%d %B %Y, %H:%M", time.localtime(created)) if created else ""]  # fmt: skip
    return f"{record.id[:short]} ({', '.join(filter(None, told))})"


def fitting(records: list[Any], text: str) -> list[Any]:
    """The records that a text may mean: of a grid, which its id or title names, all cells."""
    return named_so(records, text) or [r for r in records if text and r.id.startswith(text)]


def named_so(records: list[Any], text: str) -> list[Any]:
    """The record of that whole id, else the cells of the grid of that id, else the records of that title."""
    whole = [r for r in records if text in (r.id, getattr(r, "builtin", None))][:1]
    whole = whole or [r for r in records if (cell := getattr(r, "grid", None)) and cell.id == text]
    return whole or [records[place] for place in names.places([r.title for r in records], text)]
