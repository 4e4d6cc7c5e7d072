"""What the user changed of a data set after its import, and what of that a run knew when it was made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from models_backend.contract.run_layout import LEFT_OUT, Item, RunLayout, RunRecord
from models_backend.contract.words import counted

from . import storage

_encoder = msgspec.json.Encoder()


class Edits(msgspec.Struct, omit_defaults=True):
    """``edits.json``: what was changed after the import, by item position. ``settings``: data settings that differ."""

    captions: dict[int, str] = {}
    labels: dict[int, int] = {}
    title: str | None = None
    classes: tuple[str, ...] | None = None
    left_out: tuple[int, ...] = ()
    settings: dict[str, Any] | None = None
    attributes: dict[int, tuple[float | None, ...]] = {}


class Undo(msgspec.Struct, frozen=True):
    """A change of the edits, and what brings them back: pass it to :meth:`DatasetFolder.undo`. A None takes an edit back; what
    stands in a tuple is the new value."""

    dataset: str
    captions: dict[int, str | None] = {}
    labels: dict[int, int | None] = {}
    title: tuple[str | None] | None = None
    classes: tuple[tuple[str, ...] | None] | None = None
    left_out: dict[int, bool] = {}
    settings: tuple[dict[str, Any] | None] | None = None
    attributes: dict[int, tuple[float | None, ...] | None] = {}


def changed(edits: Edits, change: Undo) -> Edits:
    """The edits with a change laid over them."""
    out = {**dict.fromkeys(edits.left_out, True), **change.left_out}
    return Edits(
        _overlaid(edits.captions, change.captions),
        _overlaid(edits.labels, change.labels),
        change.title[0] if change.title else edits.title,
        change.classes[0] if change.classes else edits.classes,
        tuple(sorted(index for index, on in out.items() if on)),
        change.settings[0] if change.settings else edits.settings,
        _overlaid(edits.attributes, change.attributes),
    )


def reverting(edits: Edits, change: Undo) -> Undo:
    """The change that brings these edits back once ``change`` has been laid over them."""
    out = set(edits.left_out)
    return Undo(
        change.dataset,
        {index: edits.captions.get(index) for index in change.captions},
        {index: edits.labels.get(index) for index in change.labels},
        (edits.title,) if change.title else None,
        (edits.classes,) if change.classes else None,
        {index: index in out for index in change.left_out},
        (edits.settings,) if change.settings else None,
        {index: edits.attributes.get(index) for index in change.attributes},
    )


def emptied(dataset: str, edits: Edits) -> Undo:
    """The change that takes all edits back but for the title."""
    return Undo(
        dataset, dict.fromkeys(edits.captions), dict.fromkeys(edits.labels), None, (None,) if edits.classes else None,
        dict.fromkeys(edits.left_out, False), (None,) if edits.settings else None, dict.fromkeys(edits.attributes),
    )  # fmt: skip


def _overlaid(values: dict[int, Any], change: Mapping[int, Any]) -> dict[int, Any]:
    laid = {**values, **change}
    return {index: value for index, value in laid.items() if value is not None}


def needed(edits: Edits, imported: Sequence[Item], classes: tuple[str, ...]) -> Edits:
    """The edits without those that say what the import said."""
    return msgspec.structs.replace(
        edits,
        captions={i: caption for i, caption in edits.captions.items() if caption != imported[i].caption},
        labels={i: label for i, label in edits.labels.items() if label != imported[i].label},
        classes=None if edits.classes == classes else edits.classes,
        attributes={i: values for i, values in edits.attributes.items() if values != imported[i].attributes},
    )


def applied(imported: Sequence[Item], edits: Edits) -> list[Item]:
    """The items as the edits make them. One that is left out keeps its place, so that cached arrays still fit; an edit of an
    item that is not there (fsck names it) changes nothing."""
    items = list(imported)
    changes = (
        *((index, {"caption": caption}) for index, caption in edits.captions.items()),
        *((index, {"label": label}) for index, label in edits.labels.items()),
        *((index, {"attributes": values}) for index, values in edits.attributes.items()),
        *((index, {"split": LEFT_OUT}) for index in edits.left_out),
    )
    for index, change in changes:
        if 0 <= index < len(items):
            items[index] = msgspec.structs.replace(items[index], **change)
    return items


def fingerprint_of(imported: str, edits: Edits) -> str:
    """The data as a model sees them: the import's fingerprint, and the edits of items where there are any."""
    captions, labels, attributes = (dict(sorted(of.items())) for of in (edits.captions, edits.labels, edits.attributes))
    seen = Edits(captions, labels, left_out=edits.left_out, attributes=attributes)
    if seen == Edits():
        return imported
    return hashlib.sha256(imported.encode() + _encoder.encode(seen)).hexdigest()


# ------------------------------------------------------------------------------------------- what a run knew


def of_items(edits: Edits) -> Edits:
    """The part of the edits that decides what a model learns."""
    return Edits(edits.captions, edits.labels, classes=edits.classes, left_out=edits.left_out, attributes=edits.attributes)


def keep_known(run: RunLayout, edits: Edits) -> None:
    """Writes down beside a run's record what it knows of its data beyond the import."""
    if of_items(edits) != Edits():
        storage.write_json(run.known, of_items(edits))


def known_to(run: RunLayout, record: RunRecord, imported_classes: tuple[str, ...]) -> Edits:
    """What a run knew when it was made. Without a note of it the data were as imported, with the classes of its spec."""
    if run.known.exists():
        return storage.read_json(run.known, Edits)
    own = record.spec.classes
    return Edits(classes=own if own and own != imported_classes else None)


def differences(before: Edits, after: Edits, imported: Sequence[Item], classes: tuple[str, ...]) -> list[str]:
    """What has changed of a data set between two states of its edits, in words."""
    then, now = applied(imported, before), applied(imported, after)
    pairs = list(zip(then, now, strict=True))
    old, new = before.classes or classes, after.classes or classes
    counts = (
        (sum(a.caption != b.caption for a, b in pairs), "caption changed", "captions changed"),
        (sum(a.label != b.label for a, b in pairs), "item moved to another class", "items moved to other classes"),
        (sum(a.attributes != b.attributes for a, b in pairs), "item with other attributes", "items with other attributes"),
        (len(set(after.left_out) - set(before.left_out)), "item left out", "items left out"),
        (len(set(before.left_out) - set(after.left_out)), "item brought back", "items brought back"),
        (sum(a != b for a, b in zip(old, new, strict=False)), "class renamed", "classes renamed"),
        (max(0, len(new) - len(old)), "class added", "classes added"),
        (max(0, len(old) - len(new)), "class removed", "classes removed"),
    )
    return [counted(n, one, many) for n, one, many in counts if n]


def in_words(edits: Edits, imported: Sequence[Item], classes: tuple[str, ...]) -> list[str]:
    """What edits change of a data set as it was imported."""
    said = differences(Edits(), of_items(edits), imported, classes)
    return [*said, "how pictures are shown"] if edits.settings else said
