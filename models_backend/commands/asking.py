"""What is to be said of what a run is asked to make, before it does: words that it never read, pictures that it turns alike."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable
from typing import Any

from models_backend.contract import names
from models_backend.contract.family import FamilyDescription, heard, translates
from models_backend.contract.fields import merged
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import RunRecord
from models_backend.contract.words import series
from models_backend.library import attributes
from models_backend.library.edits import known_to
from models_backend.library.library import Library

_WORD = re.compile(r"[^\W\d_]+")
#: Words that are named of a longer prompt.
NAMED = 8


def said_of(
    library: Library, record: RunRecord, family: FamilyDescription | None, given: dict[str, Any], sampling: dict[str, Any],
    count: int,
) -> list[str]:  # fmt: skip
    """A sentence each."""
    found = [
        sentence for one in _several(given.get("attributes", "")) for sentence in attributes.beyond(record.spec.attributes, one)
    ]
    if family is None:
        return found
    if "text" in given and "text" in heard(family.conditions, record.spec) and not _read_elsewhere(library, record):
        found += unheard(_several(given["text"]), _captions(library, record))
    if translates(family.conditions):
        found += _translated(record, given, merged(record.sampling, sampling), count)
    return found


def _several(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def words(text: str) -> list[str]:
    """The words of a text: letters, as they are written."""
    return _WORD.findall(text)


def unheard(asked: Iterable[str], captions: Iterable[str]) -> list[str]:
    """The words that stand in no caption, in one sentence; none where there are no captions to know."""
    known = {word.lower() for caption in captions for word in words(caption)}
    new = list(dict.fromkeys(word for text in asked for word in words(text) if word.lower() not in known)) if known else []
    if not new:
        return []
    named = series(f"“{word}”" for word in new[:NAMED])
    more = f" (and {len(new) - NAMED} more)" if len(new) > NAMED else ""
    stand, they = ("stands", "it means") if len(new) == 1 else ("stand", "they mean")
    return [f"{named}{more} {stand} in no caption that the run has learned from: it cannot know what {they}"]


def _captions(library: Library, record: RunRecord) -> list[str]:
    """The captions that a run knew when it was made; none where its data are gone."""
    try:
        data = library.dataset(record.dataset)
        edits = known_to(library.layout.run(record.id), record, data.imported_record().classes)
        return [item.caption for item in data.items(edits) if item.split == "train"]
    except TroubleError:
        return []


def _read_elsewhere(library: Library, record: RunRecord) -> bool:
    """Whether a text encoder that was trained on other texts reads the words, its own or that of a run it uses."""
    if record.config.get("text", {}).get("type") == "frozen":
        return True
    try:
        return any(_read_elsewhere(library, library.run(part).record()) for part in record.parts.values() if part)
    except TroubleError:
        return True  # who reads them cannot be told


def _translated(record: RunRecord, given: dict[str, Any], sampling: dict[str, Any], count: int) -> list[str]:
    """From what to what pictures are turned, and how many of them differ."""
    said, kinds, asked = [], record.spec.classes, _several(given["class"]) if "class" in given else []
    if not asked and len(kinds) == 2:
        start, goal = kinds if sampling.get("direction") == "a_to_b" else reversed(kinds)
        source = "the picture that is given" if "image" in given else "noise"
        picture = "" if "image" in given else "; --condition image=photo.png translates a picture"
        turned = shlex.quote(f"class={start}")
        said.append(f"{source} is translated from “{start}” to “{goal}”; --condition {turned} turns it round{picture}")
    if "image" in given:
        turns = len(kinds) if any(names.is_every(one, kinds) for one in asked) else max(1, len(asked))
        differ = math.lcm(len(_several(given["image"])), turns)
        if differ < count:
            only = "it is the same one each time" if differ == 1 else f"only {differ} of them differ"
            said.append(f"{count} are made, and a picture is always translated alike: {only}")
    return said
