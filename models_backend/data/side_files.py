"""Files beside pictures that say something of them: a.txt, a.caption, a.json (or a.png.txt) of a.png; texts also in a folder
of their own that lies as the pictures' does (captions/a.txt of images/a.png).

Where several say something of one picture, text files win over ``.caption`` and those over JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from . import json_tables, labels, texts
from .archives import Refused
from .labels import Told, Words
from .places import Pictures, Place, place_of
from .sources import SIDE_EXTENSIONS, Source

LIMIT = 1 << 20
_BOXES = re.compile(r"\s*(\d+(\s+-?\d*\.?\d+([eE]-?\d+)?){4,}\s*)+")


def read(sources: Iterable[Source], pictures: Pictures, load: Callable[[Source], bytes], words: Words) -> set[Place]:
    """Takes in what side files say; returns the places of those that belong to a picture."""
    used = set()
    beside = {place_of(source): pictures.beside(place_of(source)) for source in sources}
    for source in sorted(
        sources, key=lambda source: (bool(beside[place_of(source)]), SIDE_EXTENSIONS.index(suffix_of(source)))
    ):
        places = beside[place_of(source)]
        if not places and suffix_of(source) != ".json":
            places = pictures.in_parallel(place_of(source))
            words.notes.of_files("read for the picture of its name in another folder", source.name) if places else None
        if not places:
            continue
        used.add(place_of(source))
        try:
            text, encoding = texts.decoded(load(source)[:LIMIT])
        except Refused as refused:
            words.notes.say(f"{source.name} cannot be read: {refused.reason}")
            continue
        if encoding:
            words.notes.of_files(f"no UTF-8, read as {encoding}", source.name)
        row = _json(text, source, words) if suffix_of(source) == ".json" else _plain(text, source, words)
        before = [words.captions[place] for place in places if place in words.captions]
        labels.take(row, places, Told(source.name), words, set())
        if before and before != [words.captions[place] for place in places]:
            words.notes.of_files("another side file has a caption too; this one is taken", source.name)
    return used


def suffix_of(source: Source) -> str:
    """The lower-case extension of a side file."""
    return "." + source.name.lower().rpartition(".")[2]


def _plain(text: str, source: Source, words: Words) -> dict[str, object]:
    text = text[: labels.CAPTION_LIMIT].strip()
    if _BOXES.fullmatch(text):
        words.notes.of_files("boxes, no caption; passed over", source.name)
        return {}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        words.notes.of_files("several lines, read as one caption", source.name)
    return {"text": " ".join(lines)} if lines else {}


def _json(text: str, source: Source, words: Words) -> dict[str, object]:
    """The object of a JSON side file; of its numbers only those that are written as such are attributes."""
    try:
        value = json_tables.loaded(text)
    except json_tables.Unfit as unfit:
        words.notes.of_files(str(unfit), source.name)
        return {}
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, dict):
        words.notes.of_files("it says neither caption nor tags nor label", source.name)
        return {}
    known = (*labels.CAPTIONS, *labels.TAGS, *labels.LABELS)
    words_of = {key: told for key, told in value.items() if str(key).strip().lower() in known}
    numbers = {key: told for key, told in value.items() if isinstance(told, int | float) and key not in words_of}
    return words_of | numbers
