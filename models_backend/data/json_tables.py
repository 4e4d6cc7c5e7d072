"""Tables in JSON: lines of objects, and one whole value in the layouts that are about.

A list of objects (also as LLaVA and other chat data); pairs of name and class, as StyleGAN's ``dataset.json``; objects by file
name, as kohya's ``meta_cap.json``; columns; COCO's pictures and captions; Karpathy's splits.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from .csv_tables import BROKEN, Row

BOXES = "boxes of several things in a picture are no captions and no class"


class Unfit(Exception):
    """JSON that cannot be read, or is no table."""


def loaded(text: str | bytes) -> object:
    """JSON, with NaN and Infinity as Python writes them. Raises Unfit, however deep or long it is."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unfit(BROKEN) from error


def lines(text: Iterator[str]) -> Iterator[Row]:
    """The objects of JSON lines."""
    for number, line in enumerate(text, 1):
        if line.strip():
            try:
                value = loaded(line)
            except Unfit:
                value = None
            row = value if isinstance(value, dict) else None
            yield Row(number, row, "" if row is not None else BROKEN)


def entries(value: object, files: Sequence[str]) -> Iterator[Row]:
    """The rows of one whole JSON value, numbered from 1. Raises Unfit where it is no table that is known."""
    for number, entry in enumerate(_rows_of(value, files), 1):
        yield Row(number, entry, "" if entry is not None else BROKEN)


def _rows_of(value: object, files: Sequence[str]) -> Iterator[dict | None]:
    if isinstance(value, list):
        yield from map(_entry, value)
    elif not isinstance(value, dict) or not value:
        raise Unfit("no table")
    elif "labels" in value and isinstance(value["labels"], list | None):
        yield from map(_entry, value["labels"] or [])
    elif isinstance(value.get("images"), list):
        yield from _pictures_with_annotations(value)
    elif any(str(key).lower() in files and isinstance(part, list | dict) for key, part in value.items()):
        yield from _columns(value)
    elif lists := [part for part in value.values() if isinstance(part, list) and part and isinstance(part[0], dict)]:
        yield from map(_entry, max(lists, key=len))
    else:
        yield from (_named(name, told) for name, told in value.items())


def _entry(entry: object) -> dict | None:
    if isinstance(entry, dict):
        return entry
    if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str):
        return _named(entry[0], entry[1])
    return None


def _named(name: str, told: object) -> dict | None:
    """What is told of a file of that name: an object, a caption or several, the number of a class or a 1 in its place."""
    if isinstance(told, dict):
        return {**told, "file_name": name}
    if isinstance(told, str) or (isinstance(told, list) and told and isinstance(told[0], str)):
        return {"file_name": name, "text": told}
    if isinstance(told, list) and sorted(map(str, set(map(float_of, told)))) in (["0.0", "1.0"], ["1.0"]) and sum(told) == 1:
        return {"file_name": name, "label": list(map(float_of, told)).index(1.0)}
    return {"file_name": name, "label": told} if told is None or isinstance(told, int | float) else None


def float_of(value: object) -> float | None:
    """A plain number as float, None for anything else."""
    return float(value) if isinstance(value, int | float) else None


def _columns(value: Mapping[str, object]) -> Iterator[dict]:
    """A table by columns: lists, or objects with the same keys."""
    columns = {name: list(part.values()) if isinstance(part, dict) else part for name, part in value.items()}
    columns = {name: part for name, part in columns.items() if isinstance(part, list)}
    for i in range(max(map(len, columns.values()), default=0)):
        yield {name: part[i] for name, part in columns.items() if i < len(part)}


def _pictures_with_annotations(value: Mapping[str, object]) -> Iterator[dict | None]:
    """COCO's layout, or Karpathy's with sentences in each picture."""
    captions, things, names = defaultdict(list), defaultdict(Counter), {}
    for category in _objects(value.get("categories")):
        names[category.get("id")] = category.get("name")
    for note in _objects(value.get("annotations")):
        if isinstance(note.get("caption"), str):
            captions[note.get("image_id")].append(note["caption"])
        elif note.get("category_id") in names:
            things[note.get("image_id")][names[note["category_id"]]] += 1
    one_each = all(len(found) == 1 for found in things.values())
    for picture in value["images"]:
        if not isinstance(picture, dict):
            yield None
            continue
        told, own = dict(picture), picture.get("id")
        told |= {"captions": captions[own]} if own in captions else {}
        told |= {"label": next(iter(things[own]))} if own in things and one_each else {}
        sentences = [s.get("raw") for s in _objects(picture.get("sentences")) if isinstance(s.get("raw"), str)]
        yield told | ({"captions": sentences} if sentences else {})


def _objects(value: object) -> list[dict]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
