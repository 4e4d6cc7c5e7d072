"""Names in place of ids: what workers say names runs, data sets and samples by their ids, people know them by their titles."""

from __future__ import annotations

import re
from collections.abc import Callable

from models_backend.contract.messages import Trouble
from models_backend.contract.words import sentence

#: An id of the library: a run, a sample or a job (time, word, four hex digits), or a data set (16 hex digits).
ID = re.compile(r"\b(?:\d{8}-\d{4}-[a-z0-9-]+-[0-9a-f]{4}|[0-9a-f]{16})\b")
UNKNOWN = "it"

TitleOf = Callable[[str], str]


def named(text: str, title_of: TitleOf) -> str:
    """``text`` with titles in place of ids; ids that nothing here has become a plain word."""
    return ID.sub(lambda found: title_of(found[0]) or UNKNOWN, text)


def plain(trouble: Trouble, title_of: TitleOf) -> Trouble:
    """A trouble as people read it: no ids, its item once, sentences that begin with capitals."""
    item = ID.sub(lambda found: title_of(found[0]), trouble.item).strip()
    what, kept, advice = (named(part, title_of) for part in (trouble.what, trouble.kept, trouble.advice))
    return Trouble(sentence(without(what, item)), item, sentence(kept), sentence(advice), trouble.detail)


def without(text: str, item: str) -> str:
    """``text`` without the item's name before it: whoever shows it names the item already."""
    while item and text.startswith(f"{item}: "):
        text = text[len(item) + 2 :]
    return text
