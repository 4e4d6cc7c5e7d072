"""``edit DATA``: captions, classes, attributes, what is left out, and how pictures are shown: the same edits as in the window's
Data panel. Sources and import stay as they are; edits lie beside them and can be taken back."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

from models_backend.contract import names
from models_backend.contract.fields import FieldError
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import LEFT_OUT, DatasetRecord, Item
from models_backend.contract.words import counted
from models_backend.engine import creation
from models_backend.engine.terminal import Reporter
from models_backend.library import attributes, titles
from models_backend.library.datasets import DatasetFolder
from models_backend.library.showing import changes_of, data_settings, written

from . import settings, taking_back
from .bringing import data_of, tell_missing
from .session import alters, session

NAMED = 3  # items that one name means
SHOWN = 5  # items left out that are named on a terminal


async def edit(options: argparse.Namespace, reporter: Reporter) -> int:
    """Edits a data set, and tells what it then is."""
    async with session(options, reporter) as now:
        record = await data_of(now, options.data)
        stored = now.library.dataset(record.id)
        if alters(options):
            with stored.changing():
                _change(stored, options, reporter)
        if options.title is not None and options.title != (given := stored.record().title):
            reporter.note(titles.taken(options.title, given), "title")
        tell_missing(stored, reporter)
        tell(stored, reporter)
    return 0


def _change(stored: DatasetFolder, options: argparse.Namespace, reporter: Reporter) -> None:
    before = taking_back.Stand(stored.record(), stored.items())
    taken_back = stored.reset() if options.as_imported else None
    try:
        record, items = before if taken_back is None else (stored.record(), stored.items())
        changes = changes_for(options, record, items, len(stored.imported_record().classes))
        if changes:
            stored.edit_many(**changes)
    except (TroubleError, FieldError):
        if taken_back is not None:
            stored.undo(taken_back)
        raise
    for name in options.leave_out_class:
        label = _class(record.classes, name)
        if not any(item.label == label for item in items):
            reporter.note(f"nothing is of the class “{record.classes[label]}”: leaving it out changes nothing", "empty")
    if back := taking_back.command(before, taking_back.Stand(stored.record(), stored.items())):
        reporter.note(f"`{back}` takes that back", "back", command=back)


def tell(stored: DatasetFolder, reporter: Reporter) -> None:
    """What a data set is with its edits."""
    record, report, edited = stored.record(), stored.report(), stored.edited()
    shown = data_settings(record)
    for name, count in report.labels.items():
        reporter.result(f"  class {name}: {count:,}", class_name=name, count=count)
    if record.modality == "image":
        changed = changes_of(record, shown) or {}
        said = ", ".join(f"{name} {written(value)}" for name, value in shown.items())
        reporter.result(f"  shown to models: {said}", settings=shown, changed=changed)
    for attribute in record.attributes:
        reporter.result(f"  attribute {attribute.name}: {attribute.span}", attribute=attribute.name,
                        low=attribute.low, high=attribute.high)  # fmt: skip
    gone = [item.source for item in stored.items() if item.split == LEFT_OUT]
    for source in gone[: None if reporter.as_json else SHOWN]:
        reporter.result(f"  left out: {source}", left_out=source)
    if len(gone) > SHOWN and not reporter.as_json:
        reporter.result(f"  left out: and {len(gone) - SHOWN:,} more")
    out = f", {record.left_out:,} left out" if record.left_out else ""
    text = (
        f"{record.title}: {counted(record.kept, 'item')}{out}, {report.captioned:,} with a caption, {report.train:,} to train, "
        f"{report.validation:,} held out. {'Edited: ' + ', '.join(edited) if edited else 'As imported'}"
    )
    reporter.done(
        text, id=record.id, title=record.title, count=record.kept, left_out=record.left_out, captioned=report.captioned,
        train=report.train, held_out=report.validation, classes=record.classes, edited=edited,
    )  # fmt: skip


def changes_for(options: argparse.Namespace, record: DatasetRecord, items: list[Item], own: int) -> dict[str, Any]:
    """The arguments of ``DatasetFolder.edit_many`` that the options mean; empty where nothing is to change. ``own``: how many
    classes were imported."""
    gone = {_class(record.classes, name) for name in options.remove_class}
    left = tuple(name for label, name in enumerate(record.classes) if label not in gone)
    classes = named(left, options.rename_class, options.add_class)
    moved = {
        place(items, item): _class(classes, name, left) for item, name in (_labelled(items, pair) for pair in options.label)
    }
    changes: dict[str, Any] = {
        "captions": {place(items, item): text for item, text in (_caption(items, pair) for pair in options.caption)},
        "labels": without(record, items, gone, moved, own) | moved,
        "attributes": attributed(record, items, options.attribute),
        "left_out": out(options, record, items),
    }
    if classes != record.classes:
        changes["classes"] = classes
    if options.title is not None:
        changes["title"] = options.title
    if options.set:
        changes["settings"] = shown(record, options.set)
    return {name: value for name, value in changes.items() if value or name in ("settings", "title")}


def without(record: DatasetRecord, items: list[Item], gone: set[int], moved: Collection[int], own: int) -> dict[int, int]:
    """Position -> class of items that get another number once the classes ``gone`` are, but for those that are ``moved``."""
    for label in (label for label in gone if label < own):
        advice = "--leave-out-class leaves its items out, --class moves one to another class"
        raise TroubleError("the class was imported", record.classes[label], attributes.UNCHANGED, advice)
    shifted = {n: item.label - sum(label < item.label for label in gone) for n, item in enumerate(items) if n not in moved}
    for label in gone:
        if held := sum(items[n].label == label for n in shifted):
            what = f"{counted(held, 'item is', 'items are')} of the class"
            raise TroubleError(what, record.classes[label], attributes.UNCHANGED, "Move them with --class to another first")
    return {n: label for n, label in shifted.items() if label != items[n].label}


def attributed(record: DatasetRecord, items: list[Item], told: list[str]) -> dict[int, tuple[float | None, ...]]:
    """Position of an item -> its attributes as they shall be, of texts such as ``cat.png=age=3``."""
    found: dict[int, tuple[float | None, ...]] = {}
    known = tuple(attribute.name for attribute in record.attributes)
    for text in told:
        if not known:
            raise TroubleError("the data have no attributes", record.title, attributes.UNCHANGED)
        written = "--attribute cat.png=age=3", "ITEM=NAME=VALUE"
        item, pair = _sides(text, *written, lambda name: bool(_called(items, name)))
        name, value = _sides(pair, *written, lambda name: bool(names.places(known, name)))
        index, position = place(items, item), names.place(known, name, "attribute")
        values = {position: attributes.given(record.attributes[position], value)}
        found[index] = attributes.laid_over(found.get(index, items[index].attributes), values, len(known))
    return found


def _caption(items: list[Item], pair: str) -> tuple[str, str]:
    return _sides(pair, "--caption cat.png='a grey cat'", "ITEM=TEXT", lambda name: bool(_called(items, name)))


def _labelled(items: list[Item], pair: str) -> tuple[str, str]:
    return _sides(pair, "--class cat.png=cats", "ITEM=CLASS", lambda name: bool(_called(items, name)))


def _sides(pair: str, example: str, form: str, known: Callable[[str], bool]) -> tuple[str, str]:
    """Both sides of ``name=text``; names may hold signs of equality, so the first with a known name before it counts."""
    signs = [at for at, sign in enumerate(pair) if sign == "="]
    at = next((at for at in signs[:8] if known(pair[:at].strip())), None) if len(signs) > 1 else None
    return settings.split(pair, example, form) if at is None else (pair[:at].strip(), pair[at + 1 :].strip())


def _class(classes: tuple[str, ...], name: str, before: tuple[str, ...] = ()) -> int:
    """The number of a class by its name, or by the name it had ``before``; -1 for no name."""
    if not name:
        return -1
    called = next((known for known in (classes, before) if names.places(known, name)), classes)
    try:
        return names.place(called, name, "class")
    except TroubleError:
        if names.places(called, name):
            raise
    advice = f"There are {', '.join(classes)}; --add-class makes another" if classes else "Make it with --add-class"
    raise TroubleError("there is no such class", name, advice=advice)


def named(classes: tuple[str, ...], renamed: Iterable[str], added: Iterable[str]) -> tuple[str, ...]:
    """The classes' names after renaming and adding."""
    found = list(classes)
    for pair in renamed:
        old, new = _sides(pair, "--rename-class old=new", "OLD=NEW", lambda name: bool(names.places(found, name)))
        found[_class(tuple(found), old)] = new
    return (*found, *added)


def out(options: argparse.Namespace, record: DatasetRecord, items: list[Item]) -> dict[int, bool]:
    """Position -> whether the item is left out, for those that change."""
    changes = {n: False for n, item in enumerate(items) if options.bring_back_all and item.split == LEFT_OUT}
    if options.leave_out_uncaptioned:
        changes |= {n: True for n, item in enumerate(items) if not item.caption.strip()}
    for name in options.leave_out_class:
        label = _class(record.classes, name)
        changes |= {n: True for n, item in enumerate(items) if item.label == label}
    changes |= {n: True for item in options.leave_out for n in several(items, item)}
    if options.leave_out_duplicates:
        changes |= dict.fromkeys(spare(items, changes), True)
    return changes | {n: False for item in options.bring_back for n in several(items, item)}


def spare(items: list[Item], changes: dict[int, bool]) -> list[int]:
    """Of every group of copies and look-alikes that ``changes`` leave in, all but one: the first with a caption, else the first
    with a class, else the first."""
    groups: dict[int, list[int]] = {}
    for n, item in enumerate(items):
        if not changes.get(n, item.split == LEFT_OUT):
            groups.setdefault(item.duplicate_of if item.duplicate_of >= 0 else n, []).append(n)
    ranked = (sorted(group, key=lambda n: (not items[n].caption.strip(), items[n].label < 0, n)) for group in groups.values())
    return [n for group in ranked for n in group[1:]]


def shown(record: DatasetRecord, pairs: list[str]) -> dict[str, Any]:
    """The data settings that differ from those to begin with, once ``key=value`` pairs are laid over those in force."""
    split = [settings.split(pair, "--set resolution=32") for pair in pairs]
    given = [(key.removeprefix("data."), text) for key, text in split]
    values = settings.put_all(data_settings(record), creation.DATA, given)
    return changes_of(record, creation.settled(creation.DATA, values)) or {}


def several(items: list[Item], text: str) -> list[int]:
    """The positions of items that are named as one or by numbers, as #3,5-9."""
    if not _SEVERAL.fullmatch(text) or _called(items, text):
        return [place(items, text)]
    ends = [[int(end) for end in part.split("-")] for part in text[1:].split(",")]
    if (most := max(end for pair in ends for end in pair)) >= len(items):
        return [place(items, f"#{most}")]  # which says that there is none
    return [n for pair in ends for n in range(pair[0], pair[-1] + 1)]


_SEVERAL = re.compile(r"#[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*")


def place(items: list[Item], text: str) -> int:
    """The position of an item that is named by its path or the end of it, or by its number as #17 (from 0)."""
    fits = _called(items, text)
    if not fits and text[:1] == "#" and text[1:].isdecimal() and int(text[1:]) < len(items):
        return int(text[1:])
    if len(fits) != 1:
        more = f" and {len(fits) - NAMED:,} more" if len(fits) > NAMED else ""
        several = f"They are {', '.join(items[n].source for n in fits[:NAMED])}{more}" if fits else ""
        what = f"{counted(len(fits), 'item')} are named so" if fits else "no item is named so"
        advice = (
            several
            or "Give the end of its path, or its number as #17 (the first is #0); `nexus-studio datasets DATA` lists them"
        )
        raise TroubleError(what, text, advice=advice)
    return fits[0]


def _called(items: list[Item], text: str) -> list[int]:
    """The items whose paths end so; else those that do but for case and the ways in which Unicode writes a letter."""
    name = text.replace("\\", "/").strip("/")
    exact = [n for n, item in enumerate(items) if _ends(item.source.replace("\\", "/"), name)]
    folded = names.folded(name)
    return exact or [n for n, item in enumerate(items) if _ends(names.folded(item.source.replace("\\", "/")), folded)]


def _ends(source: str, name: str) -> bool:
    return bool(name) and (source.strip("/") == name or source.endswith((f"/{name}", f"!/{name}")))
