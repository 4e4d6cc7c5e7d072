"""What a name means among runs, samples and data sets; ``rename`` gives one of them another title, as the window does."""

from __future__ import annotations

import argparse
from typing import Any

from models_backend.contract import names
from models_backend.contract.messages import TroubleError
from models_backend.contract.words import series
from models_backend.engine.terminal import Reporter
from models_backend.library import titles
from models_backend.library.library import Library

from .parsing import written
from .session import WORDS, every, fitting, of_one_grid, one_of, open_library, refuse_deleted


async def rename(options: argparse.Namespace, reporter: Reporter) -> int:
    """Gives a run, a sample or a data set another title; of a data set that is an edit like any other."""
    library = open_library(options, reporter)
    try:
        kind, record = chosen(library, [options.name], options.kind, KEPT)[0]
        grid = getattr(record, "grid", None)  # whose cells have one title
        title = options.title.strip()
        if not title:
            raise TroubleError(f"a {WORDS[kind]} needs a title", record.title, KEPT)
        renamed = library.cells(record) if grid else [record]
        for folder in (getattr(library, kind)(one.id) for one in renamed):
            folder.rename(title) if kind == "dataset" else folder.update_record(title=title)
        given = folder.record().title
        if given != title:
            reporter.note(titles.taken(title, given), "title")
        also = {one.id for one in every(library, kind) if one.title == given} - {one.id for one in renamed}
        if also and not grid:
            reporter.note(f"Others are called so too: this {WORDS[kind]} is named by its id, {record.id}", "title")
        back = f"`{written('rename', grid.id if grid else record.id, record.title)}` takes that back"
        text = f"The {WORDS[kind]} “{record.title}” is called “{given}” now; {back}"
        text = text if given != record.title else f"The {WORDS[kind]} is called “{given}” already"
        reporter.done(text, id=record.id, of=kind, before=record.title, title=given)
    finally:
        library.close()
    return 0


KEPT = "Nothing was changed"


def chosen(library: Library, wanted: list[str], only: str, kept: str) -> list[tuple[str, Any]]:
    """(kind, record) of what is named, each once; of a grid all cells. TroubleError, saying what is ``kept``, for a name that
    means nothing, or several things."""
    records = {kind: every(library, kind) for kind in WORDS if only in ("", kind)}
    found = {}
    for text in wanted:
        kind = only or _kind(library, records, text, kept)
        fits = fitting(records[kind], text)
        if not fits:
            refuse_deleted(library, text, kind, kept)
        record = one_of(WORDS[kind], records[kind], text)
        found |= {(kind, one.id): (kind, one) for one in (fits if of_one_grid(fits) else [record])}
    return list(found.values())


def _kind(library: Library, records: dict[str, list[Any]], text: str, kept: str) -> str:
    """The one kind of thing that has such a title or id, or else an id that begins so."""
    whole = [k for k, some in records.items() if names.places([name for r in some for name in (r.title, r.id)], text)]
    kinds = whole or [kind for kind, some in records.items() if fitting(some, text)]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        what = f"{series(f'a {WORDS[kind]}' for kind in kinds)} are named so"
        advice = f"Say which with {' or '.join(f'--kind {kind}' for kind in kinds)}"
        raise TroubleError(what, text, kept, advice)
    refuse_deleted(library, text, kept=kept)
    meant = names.meant(text, [name for some in records.values() for r in some for name in (r.title, r.id)])
    advice = f"{meant}`nexus-studio runs`, `samples` and `datasets` list what there is"
    raise TroubleError("there is no such run, sample or data set", text, kept, advice)
