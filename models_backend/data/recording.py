"""From what an import found to items, record and report."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from models_backend.contract.family import Attribute
from models_backend.contract.messages import TroubleError
from models_backend.contract.run_layout import DatasetRecord, DoctorReport, Item, Unreadable
from models_backend.contract.words import counted
from models_backend.library.datasets import fingerprint
from models_backend.library.remarks import nothing_in
from models_backend.library.source_paths import as_text

from . import doctor, labels, noted, own_splits
from .decoded import Decoded
from .formats import EXTENSIONS
from .intake import Intake
from .places import place_of
from .sources import Found

NOTES = 50

#: Files that are named where nothing could be imported.
NAMED = 3


def items_of(
    intake: Intake, good: Sequence[int], words: labels.Words
) -> tuple[tuple[str, ...], tuple[Attribute, ...], list[Item]]:
    """Classes, attributes and items of the pictures that can be used."""
    pictures = [intake.found.pictures[p] for p in good]
    lying = [place_of(source) for source in pictures]
    by_folder, folders = own_splits.by_folders([source.where[:-1] for source in pictures])
    told = labels.whole_numbers(words.labels)
    names = [told.get(place, name) for place, name in zip(lying, labels.folder_classes(folders))]
    classes = tuple(sorted(set(names) - {""}, key=_in_numeric_order))
    number = {name: i for i, name in enumerate(classes)}
    labels.note_repeats(words.notes, folders, classes)
    by_table = labels.splits_of(words, lying)
    attributes, known = labels.attributes_of(words, lying)
    labels.note_long_captions(words, lying)
    items = []
    for position, source, place, name, values, split in zip(good, pictures, lying, names, known, by_folder):
        answer = intake.answers[position]
        items.append(
            Item(
                source.name, intake.hashes[position], number.get(name, -1), words.captions.get(place, ""), answer.width,
                answer.height, attributes=values, given=by_table.get(place, split),
            )
        )  # fmt: skip
    return classes, attributes, items


def _in_numeric_order(name: str) -> tuple[int, int, str]:
    return (0, int(name), name) if name.isdecimal() and name.isascii() and len(name) < 19 else (1, 0, name)


def record_of(paths: Sequence[str | Path], title: str, items: list[Item], classes: tuple[str, ...],
            attributes: tuple[Attribute, ...], answers: Sequence[Decoded]) -> DatasetRecord:  # fmt: skip
    mark = fingerprint(items)
    channels = 1 if all(answer.grey for answer in answers) else 3
    sizes = {(item.height, item.width) for item in items}
    shape = (channels, *sizes.pop()) if len(sizes) == 1 else ()
    roots = tuple(_root_text(path) for path in paths)
    return DatasetRecord(
        mark[:16], title or _title(roots), "image", mark, len(items), classes, any(item.caption for item in items),
        channels, roots=roots, created=time.time(), shape=shape, attributes=attributes, side=_side(items),
    )  # fmt: skip


def _side(items: Sequence[Item]) -> int:
    """What nine in ten pictures are at least wide and high."""
    sides = sorted(min(item.width, item.height) for item in items)
    return sides[len(sides) // 10] if sides else 0


def _root_text(path: str | Path) -> str:
    """A dropped path as stored in the record."""
    return as_text(Path(path).absolute())


def _title(roots: Sequence[str]) -> str:
    """Named after what was dropped; many files of one folder after the folder."""
    folders = {os.path.dirname(root) for root in roots}  # noqa: PTH120
    if len(roots) > 2 and len(folders) == 1:
        roots = [folders.pop() or roots[0]]
    names = [Path(root).stem if Path(root).suffix else Path(root).name for root in roots]
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    joined = ", ".join(name or "pictures" for name in names[:2]) + more
    return " ".join(joined.split())[:120]


def report_of(intake: Intake, items: Sequence[Item], classes: Sequence[str], unreadable: tuple[Unreadable, ...],
            words: labels.Words) -> DoctorReport:  # fmt: skip
    report = doctor.summary(items, classes)
    answers = [answer for answer in intake.answers.values() if not answer.code]
    report.found = len(items) + len(unreadable)
    report.unreadable, report.ignored = unreadable, tuple(intake.found.ignored)
    report.grey, report.alpha = sum(a.grey for a in answers), sum(a.alpha for a in answers)
    values = noted.lines((intake.found.pictures[p].name, intake.answers[p].notes) for p in intake.good())
    notes = values + _mislabelled(intake) + words.notes.texts()
    if len(notes) > NOTES:
        notes = notes[:NOTES] + [f"and {counted(len(notes) - NOTES, 'more note')} of this kind"]
    report.notes = tuple(notes)
    return report


def _mislabelled(intake: Intake) -> list[str]:
    """Pictures whose extension says another format than their content: imported by their content, and told."""
    notes = []
    for position in intake.good():
        source, kind = intake.found.pictures[position], intake.answers[position].format
        if not source.name.lower().endswith(EXTENSIONS[kind]):
            notes.append(f"{source.name} is in truth a {kind.upper()} picture and was read as one")
    return notes


def nothing_imported(paths: Sequence[str | Path], unreadable: Sequence[Unreadable], found: Found) -> TroubleError:
    """Why nothing was imported: the first few files with their reasons, and what can be read."""
    lines = [*unreadable, *sorted(found.ignored, key=lambda line: line.code == "hidden")]
    if not lines:
        return nothing_in(paths)
    if len(lines) == 1 and len(paths) == 1 and lines[0].source == _root_text(paths[0]):
        what = lines[0].reason
    else:
        more = f"; and {counted(len(lines) - NAMED, 'more file')}" if len(lines) > NAMED else ""
        named = "; ".join(f"{os.path.basename(line.source)}: {line.reason}" for line in lines[:NAMED])  # noqa: PTH119
        what = f"nothing in it can be read: {named}{more}"
    return nothing_in(paths, what, "\n".join(f"{line.source}: {line.reason}" for line in lines[:1000]))
