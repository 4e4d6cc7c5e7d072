"""What is said of pictures: captions, classes, splits and attributes, from the folders they lie in, side files and tables.

A table names its pictures; ``text`` or ``caption`` is the caption, ``label`` or ``class`` the class, ``split`` what it is for.
Other columns that hold numbers (or true and false) are attributes. ``metadata.csv`` and ``metadata.jsonl`` win over other
tables, those over side files, and those over folder names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models_backend.conditions.text import LONGEST
from models_backend.contract.family import Attribute
from models_backend.contract.words import counted

from . import own_splits, texts
from .notes import Notes
from .places import Place

_REPEATED = re.compile(r"[1-9]\d{0,2}_\S.*")
#: What kohya's trainer calls the folders that hold such.
_TRAINER = ("img", "image", "images", "reg")
CAPTION_LIMIT = 64 << 10
CELL_LIMIT = 80
#: Columns beyond this are left out.
MOST_ATTRIBUTES = 256

CAPTIONS = ("text", "caption", "captions", "prompt", "description", "sentence", "image_caption", "txt",
            "comment", "alt_text", "alt")  # fmt: skip
TAGS = ("tags", "tag_string", "tag")
LABELS = ("label", "class", "category", "class_name", "label_name")
FILES = ("file_name", "filename", "file", "image", "image_path", "img_path", "image_file", "image_name", "image_filename",
         "img_name", "img", "path", "filepath", "file_path", "image_id", "images", "url", "image_url", "name", "id",
         "key")  # fmt: skip
_CHATS = ("conversations", "messages")
_NO_ATTRIBUTES = frozenset((*CAPTIONS, *TAGS, *LABELS, *FILES, *_CHATS, "index", "width", "height", "sha256", "md5", "hash"))


@dataclass
class Told:
    """Where something was told: a table's or side file's name and the line in it (0: the whole file)."""

    name: str
    line: int = 0
    decimal_comma: bool = False


@dataclass
class Words:
    """What is said of pictures by place, other columns of tables, and notes of what could not be understood. ``told``: where
    the last of it was told; ``sources``: where a caption was; ``by_table``: the split that a table's name says."""

    captions: dict[Place, str] = field(default_factory=dict)
    labels: dict[Place, str] = field(default_factory=dict)
    columns: dict[str, dict[Place, object]] = field(default_factory=dict)
    told: dict[Place, Told] = field(default_factory=dict)
    sources: dict[Place, Told] = field(default_factory=dict)
    by_table: dict[Place, str] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)


# ------------------------------------------------------------------------------------------------ folders


def folder_classes(folders: Sequence[tuple[str, ...]]) -> list[str]:
    """The class of each picture by its folders (those of splits left out), "" for none: the first folder below what all
    pictures share, or the one with a number of repeats in its name, which the trainer's own folder only holds. Folders are no
    classes where there is only one of them, or nearly one a picture."""
    shared, repeats = _shared(folders), _repeats(folders)
    names = [repeats.get(parts) or (parts[shared] if len(parts) > shared else "") for parts in folders]
    count = len(set(names) - {""})
    if count < 2 or (count > 20 and count > len(folders) / 2):
        return [""] * len(folders)
    return names


def note_repeats(notes: Notes, folders: Sequence[tuple[str, ...]], classes: Sequence[str]) -> None:
    """Says once what becomes of folders that are named as kohya's trainer has them, "10_cat" for ten times."""
    names = {parts[-1] if parts else "" for parts in folders}
    if not all(map(_REPEATED.fullmatch, names)):
        names = set(_repeats(folders).values())
    if not names:
        return
    one = min(names)
    use = "their whole name is the class" if names & set(classes) else "their name is neither class nor caption"
    notes.say(f"Folders such as {one}: {use}; a number of repeats before it is not used, and every picture counts once")


def _repeats(folders: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The folders of pictures in one that holds nothing but folders with repeats, and that part of each: in the trainer's own,
    or in the only one that is like it (in several they rather are parts of classes)."""
    inside: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for parts in set(folders):
        for depth in range(len(parts) + 1):
            inside[parts[:depth]].add("".join(parts[depth : depth + 1]))
    alike = [holder for holder, names in inside.items() if all(map(_REPEATED.fullmatch, names))]
    chosen = {holder for holder in alike if len(alike) == 1 or "".join(holder[-1:]).lower() in _TRAINER}
    return {parts: parts[depth] for parts in set(folders) for depth in range(len(parts)) if parts[:depth] in chosen}


def _shared(folders: Sequence[tuple[str, ...]]) -> int:
    """How many leading folders all pictures have in common."""
    if not folders:
        return 0
    low, high = min(folders), max(folders)
    return next((i for i, (a, b) in enumerate(zip(low, high)) if a != b), min(len(low), len(high)))


# ------------------------------------------------------------------------------------------------ rows


def take(row: Mapping[str, object], places: Sequence[Place], told: Told, words: Words, seen: set[Place]) -> None:
    """Takes in what a row says of pictures; ``seen``: those of which the same table has said something already."""
    values = {str(key).strip().lower(): texts.said(value) for key, value in row.items() if key is not None}
    caption, label = caption_of(values, told, words.notes), label_of(values, told, words.notes)
    for place in places:
        if place in seen and (caption or label):
            words.notes.add(told.name, "the picture has a caption or class already; the first is taken", told.line)
            continue
        seen.add(place)
        words.told[place] = told
        if caption:
            words.captions[place], words.sources[place] = caption, told
        if label:
            words.labels[place] = label
        for key, value in row.items():
            _take_cell(str(key).strip(), value, place, told, words)


def _take_cell(column: str, value: object, place: Place, told: Told, words: Words) -> None:
    if column.lower() in _NO_ATTRIBUTES or texts.said(value) is None:
        return
    known = texts.number(value, told.decimal_comma)
    kept = value if known is None or column.lower() in own_splits.NAMES else known
    if len(words.columns) < 4 * MOST_ATTRIBUTES or column in words.columns:
        words.columns.setdefault(column[:CELL_LIMIT], {})[place] = str(kept)[:CELL_LIMIT] if known is None else kept


def caption_of(values: Mapping[str, object], told: Told, notes: Notes) -> str:
    """The caption in a row: of several the first, tags together; "" for none."""
    for name in CAPTIONS:
        if values.get(name) is not None:
            return _as_caption(values[name], "", told, notes)
    for name in TAGS:
        if values.get(name) is not None:
            return _as_caption(values[name], ", ", told, notes)
    return next((_answer(values[name]) for name in _CHATS if isinstance(values.get(name), list)), "")[:CAPTION_LIMIT]


def _as_caption(value: object, between: str, told: Told, notes: Notes) -> str:
    value = texts.listed(value)
    if isinstance(value, list):
        parts = [part for part in map(_plain, value) if part]
        if len(parts) > 1 and not between:
            notes.add(told.name, "a picture has several captions; the first is taken", told.line)
        value = (between.join(parts) if between else parts[0]) if parts else None
        if value is None:
            notes.add(told.name, "a list that holds no text is no caption", told.line)
    elif isinstance(value, dict | bool):
        notes.add(told.name, "the caption is no text", told.line)
        value = None
    return _plain(value)[:CAPTION_LIMIT]


def _plain(value: object) -> str:
    """Text, a number, or the text in an object ("" for anything else)."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("text", "caption", "raw", "value", "content", "name") if key in value), None)
    known = texts.said(value)
    return " ".join(str(known).split("\0")).strip() if isinstance(known, str | int | float) else ""


def _answer(turns: list) -> str:
    """The first answer in a conversation: what a model is to say of the picture."""
    for turn in turns:
        if isinstance(turn, dict) and turn.get("from", turn.get("role")) in ("gpt", "assistant", "model", "bot"):
            said = turn.get("value", turn.get("content"))
            return " ".join(filter(None, map(_plain, said))) if isinstance(said, list) else _plain(said)
    return ""


def label_of(values: Mapping[str, object], told: Told, notes: Notes) -> str:
    """The class in a row; "" for none."""
    value = next((values[name] for name in LABELS if values.get(name) is not None), None)
    value = texts.listed(value)
    if isinstance(value, list):
        if len(value) > 1:
            notes.add(told.name, "a picture has several classes; the first is taken", told.line)
        value = value[0] if value else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).lower() if isinstance(value, bool) else _plain(value)
    return " ".join(text.split())[:CAPTION_LIMIT]


def whole_numbers(names: Mapping[Place, str]) -> dict[Place, str]:
    """The classes that tables say; where all are numbers like 3.0, as spreadsheets write them beside empty cells, as 3."""
    told = set(names.values())
    written = bool(told) and all(name.endswith(".0") and name[:-2].isdecimal() for name in told)
    return {place: name[:-2] if written else name for place, name in names.items()}


def note_long_captions(words: Words, places: Sequence[Place]) -> None:
    """Names the captions that are longer than models read."""
    what = f"the caption is longer than the {LONGEST} bytes that models read; they learn from its beginning"
    for place in places:
        if len(words.captions.get(place, "")) * 4 > LONGEST < len(words.captions[place].encode()):
            told = words.sources[place]
            if told.line:
                words.notes.add(told.name, what, told.line)
            else:
                words.notes.of_files(what, told.name)


# ------------------------------------------------------------------------------------------------ columns


def splits_of(words: Words, places: Sequence[Place]) -> dict[Place, str]:
    """The splits that tables say: their columns, or the names of several of which one is for training and another is not."""
    several = own_splits.TRAIN in (kinds := set(words.by_table.values())) and len(kinds) > 1
    found = dict(words.by_table) if several else {}
    for name in [name for name in words.columns if name.lower() in own_splits.NAMES]:
        column = {place: words.columns[name][place] for place in places if place in words.columns[name]}
        meaning = own_splits.by_column(name, column.values())
        if meaning is None:
            numbers = {place: texts.number(value) for place, value in words.columns[name].items()}
            words.columns[name] = {p: v if numbers[p] is None else numbers[p] for p, v in words.columns[name].items()}
            continue
        del words.columns[name]
        for place, value in column.items():
            if str(value) in meaning:
                found[place] = meaning[str(value)]
            else:
                told = words.told[place]
                words.notes.add(told.name, f"“{name}” names no split here: {value}", told.line)
    return found


def attributes_of(words: Words, places: Sequence[Place]) -> tuple[tuple[Attribute, ...], list[tuple[float | None, ...]]]:
    """The attributes that tables tell of pictures, and each picture's values. A cell that is no number is unknown; a column
    that holds mostly other things, or the same number everywhere, is none."""
    found, rows, texts_only, constant = [], [], [], []
    for name, column in words.columns.items():
        cells = [(place, column[place]) for place in places if place in column]
        bad = [(place, value) for place, value in cells if isinstance(value, str)]
        known = [value for _, value in cells if not isinstance(value, str)]
        if len(known) < 2 * len(bad) or not known:
            texts_only += [name] * bool(cells)
        elif min(known) == max(known):
            constant.append(f"{name} ({known[0]:g})")
        else:
            for place, value in bad:
                told = words.told[place]
                words.notes.add(told.name, f"“{name}” is no number here and counts as unknown: {value}", told.line)
            found.append(Attribute(name, min(known), max(known)))
            own = {place: value for place, value in cells if not isinstance(value, str)}
            rows.append([own.get(place) for place in places])
    _note_columns(words.notes, texts_only, "hold text and are passed over")
    _note_columns(words.notes, constant, "say the same of every picture, which tells nothing: no attributes")
    if len(found) > MOST_ATTRIBUTES:
        words.notes.say(f"{counted(len(found), 'column')} of numbers; the first {MOST_ATTRIBUTES} are attributes")
    return tuple(found[:MOST_ATTRIBUTES]), list(zip(*rows[:MOST_ATTRIBUTES], strict=True)) if found else [()] * len(places)


def _note_columns(notes: Notes, names: Sequence[str], what: str) -> None:
    if names:
        more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
        notes.say(f"Columns that {what}: {', '.join(names[:5])}{more}")
