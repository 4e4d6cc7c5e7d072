"""What became of every file of an import: counts, and in words with the names of the first few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import NamedTuple

from models_backend.contract.run_layout import LEFT_OUT, DoctorReport, Item
from models_backend.contract.words import counted

#: Files that are named.
NAMED = 3
#: The code of a name that leads to the same file as another one, which is imported.
SAME_FILE = "same-file"


def counts(report: DoctorReport) -> dict[str, int]:
    """Pictures that were there, imported, other names of imported files, unreadable; and other files, passed over."""
    same = sum(line.code == SAME_FILE for line in report.ignored)
    return {
        "pictures": report.found + same,
        "imported": report.imported,
        "same_file": same,
        "failed": report.found - report.imported,
        "passed_over": len(report.ignored) - same,
    }


class Copies(NamedTuple):
    """Exact copies: the first few, each with what it is a copy of; and what is odd about them, in sentences."""

    named: Sequence[str] = ()
    odd: Sequence[str] = ()


def copies(items: Sequence[Item], classes: Sequence[str]) -> Copies:
    """What there is to say of the items that are exact copies of others, but for those that are left out."""
    first: dict[str, Item] = {}
    for item in items:
        first.setdefault(item.sha256, item)
    pairs = [(item, _original(item, items, first)) for item in items if item.exact and item.split != LEFT_OUT]
    both = [pair for pair in pairs if pair[1].split != LEFT_OUT]
    captioned = [sorted(pair, key=_silent) for pair in both if _silent(pair[0]) != _silent(pair[1])]
    classed = [pair for pair in both if pair[0].label != pair[1].label]

    def told(what: str, found: Sequence[Sequence[Item]], words: Callable[[Item, Item], str]) -> list[str]:
        more = f"; and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
        return [f"{what}: {'; '.join(words(*pair) for pair in found[:NAMED])}{more}"] if found else []

    def name(item: Item) -> str:
        return _tail(item.source, items)

    def placed(item: Item) -> str:
        return f"{name(item)} in {f'class {classes[item.label]}' if item.label >= 0 else 'no class'}"

    odd = told("the same picture is in different classes", classed, lambda one, other: f"{placed(one)}, {placed(other)}")
    odd += told("the same picture has a caption and has none", captioned,
                lambda one, other: f"{name(one)} has one, {name(other)} has none")  # fmt: skip
    return Copies([f"{name(item)} of {name(original)}" for item, original in pairs[:NAMED]], odd)


def _original(item: Item, items: Sequence[Item], first: dict[str, Item]) -> Item:
    """What an exact copy is a copy of: the first of the same content, else the first of its look-alikes."""
    same = first[item.sha256]
    return same if same is not item else items[item.duplicate_of]


def _silent(item: Item) -> bool:
    return not item.caption.strip()


def _tail(source: str, items: Sequence[Item]) -> str:
    """A source by its name, with as many folders before it as tell it apart from the others."""
    parts = source.replace("\\", "/").split("/")
    tails = ("/".join(parts[-count:]) for count in range(1, len(parts)))
    return next((tail for tail in tails if sum(_ends(item.source, tail) for item in items) == 1), source)


def _ends(source: str, tail: str) -> bool:
    return source.replace("\\", "/").endswith(f"/{tail}")


def outcome(report: DoctorReport, modality: str = "image", copied: Sequence[str] = ()) -> str:
    """ "Imported 109 of 120 pictures: 3 could not be read (a.jpg, b.jpg, c.jpg)...", and what of the imported are copies."""
    known, thing = counts(report), "point" if modality == "points" else "picture"
    lost = [
        _told(known["same_file"], "is the same file as another", "are the same files as others",
              [PurePath(line.source).name for line in report.ignored if line.code == SAME_FILE]),
        _told(known["failed"], "could not be read", "could not be read",
              [PurePath(line.source).name for line in report.unreadable]),
    ]  # fmt: skip
    whole = counted(known["pictures"], thing)
    said = [f"Imported {known['imported']:,} of {whole}: {', '.join(filter(None, lost))}" if any(lost) else f"Imported {whole}"]
    twins = [
        _told(report.exact_duplicates, "is an exact copy", "are exact copies", copied),
        _told(report.near_duplicates, "looks almost like another", "look almost like others", ()),
    ]
    if any(twins):
        said.append(f"Of the imported, {' and '.join(filter(None, twins))}")
    if known["passed_over"]:
        said.append(f"{counted(known['passed_over'], 'other file was', 'other files were')} passed over")
    return ". ".join(said) + "."


def colours(report: DoctorReport) -> list[str]:
    """Sentences on the pictures that are transparent somewhere or have no colour, and on what models see of them."""
    said = []
    if report.alpha:
        have = counted(report.alpha, "picture has", "pictures have")
        said.append(f"{have} transparency: models see white where it is transparent; the files stay as they are")
    if report.grey and report.grey == report.imported:
        said.append("All pictures are grey: unless asked otherwise, models see one channel")
    elif report.grey:
        are = "is" if report.grey == 1 else "are"
        whole = counted(report.imported, "picture")
        said.append(f"{report.grey:,} of {whole} {are} grey: models see three equal channels there, as the others have colour")
    return said


def _told(number: int, one: str, many: str, every: Sequence[str]) -> str:
    """ "3 could not be read (a.jpg, b.jpg and 1 more)"; "" for none."""
    if not number:
        return ""
    names = every[:NAMED]
    more = f" and {number - len(names):,} more" if number > len(names) else ""
    return f"{number:,} {one if number == 1 else many}" + (f" ({', '.join(names)}{more})" if names else "")
