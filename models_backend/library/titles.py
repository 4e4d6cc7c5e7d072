"""Titles that tell one from another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models_backend.contract import names
from models_backend.contract.run_layout import LibraryLayout

from . import folders


def free(layout: LibraryLayout, kind: str, title: str, but: str = "") -> str:
    """The title, with a number after it where another of that kind than ``but`` has it already: "birds (2)"."""
    known = {names.folded(record.title) for record in folders.scan(layout, kind) if record.id != but}
    numbered = (f"{title} ({number})" for number in range(2, len(known) + 3))
    return title if names.folded(title) not in known else next(one for one in numbered if names.folded(one) not in known)


def taken(title: str, given: str) -> str:
    """That a data set could not have a title, and which it was given."""
    return f"There is another data set called “{title}”: this one is called “{given}”"


LONGEST = 48  # letters of a condition in a title
SEVERAL = 4  # values of one kind that a title names


def of_sample(run: str, seed: int, conditions: Mapping[str, Any], classes: tuple[str, ...] = (), sampler: str = "") -> str:
    """What a sample is called where nobody says: what was asked for, which tells it from others, its run, its ``sampler`` where
    that matters, and the seed: "a red boat, night, seed 3", "class boat, night, heun, seed 3"."""
    told = {kind: text for kind, value in conditions.items() if (text := _asked(kind, value, classes))}
    asked = [text if kind == "text" else f"{kind} {text}" for kind, text in told.items()]
    return ", ".join(filter(None, [*asked, run, sampler, f"seed {seed}"]))


def _asked(kind: str, value: Any, classes: tuple[str, ...]) -> str:
    """A condition in a few words; nothing where none is asked for, or where it is no text (pictures, masks)."""
    if kind not in ("class", "text", "attributes"):
        return ""
    if kind == "class" and names.is_every(value, classes):
        return "all"
    several = list(value) if isinstance(value, list | tuple) else [value]
    texts = [text for one in several[:SEVERAL] if (text := _value(kind, one, classes))]
    told = " | ".join(texts) + (" | …" if texts and len(several) > SEVERAL else "")
    return told if len(told) <= LONGEST else told[: LONGEST - 1].rstrip() + "…"


def _value(kind: str, value: Any, classes: tuple[str, ...]) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={f'{number:g}' if isinstance(number, float) else number}" for name, number in value.items())
    value = names.class_name(value, classes) if kind == "class" else value
    return " ".join(str(value).split()) if value is not None else ""
