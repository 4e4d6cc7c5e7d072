"""The options of ``edit`` that make a data set again what it was before an edit."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from models_backend.contract.run_layout import LEFT_OUT, DatasetRecord, Item
from models_backend.library.attributes import laid_over
from models_backend.library.showing import data_settings, written


class Stand(NamedTuple):
    """A data set at some time: its record and items with the edits of then."""

    record: DatasetRecord
    items: Sequence[Item]


def command(before: Stand, after: Stand) -> str:
    """The command, quoted for a shell; "" where nothing changed."""
    options = [*_of_classes(before.record.classes, after.record.classes), *_of_items(before, after)]
    if before.record.title != after.record.title:
        options.append(("--title", before.record.title))
    were, now = data_settings(before.record), data_settings(after.record)
    options += (("--set", f"{name}={written(value)}") for name, value in were.items() if now.get(name) != value)
    words = (word for pair in options for word in _words(*pair))
    return f"nexus-studio edit {before.record.id} {' '.join(words)}" if options else ""


def _words(option: str, value: str) -> list[str]:
    text = quoted(value)
    return [f"{option}={text}"] if value.startswith("-") else list(filter(None, (option, value and text)))


def quoted(value: str) -> str:
    """A text as one word of a shell; breaks of lines and the like, which no terminal shows, as bash and zsh write them."""
    if value.isprintable():
        return shlex.quote(value)
    signs = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return f"$'{''.join(signs.get(c, c if c.isprintable() else f'{chr(92)}U{ord(c):08x}') for c in value)}'"


def _of_classes(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from (("--remove-class", name) for name in after[len(before) :])
    left, names = [(old, new) for old, new in zip(before, after, strict=False) if old != new], list(after[: len(before)])
    while left:
        pair = next((one for one in left if one[0] not in names), left[0])  # two classes never have one name
        left.remove(pair)
        names[names.index(pair[1])] = pair[0]
        yield "--rename-class", f"{pair[1]}={pair[0]}"
    yield from (("--add-class", name) for name in before[len(after) :])


def _of_items(before: Stand, after: Stand) -> Iterator[tuple[str, str]]:
    names, classes = [one.name for one in before.record.attributes], before.record.classes
    out, back = [], []
    for n, (was, now) in enumerate(zip(before.items, after.items, strict=True)):
        if was.caption != now.caption:
            yield "--caption", f"#{n}={was.caption}"
        if was.label != now.label:
            yield "--class", f"#{n}={classes[was.label] if was.label >= 0 else ''}"
        then, here = laid_over(was.attributes, {}, len(names)), laid_over(now.attributes, {}, len(names))
        for name, old, new in zip(names, then, here, strict=True):
            if old != new:
                yield "--attribute", f"#{n}={name}={'' if old is None else repr(old)}"
        if (was.split == LEFT_OUT) != (now.split == LEFT_OUT):
            (out if was.split == LEFT_OUT else back).append(n)
    if out:
        yield "--leave-out", _numbers(out)
    if back:
        whole = len(back) == sum(item.split == LEFT_OUT for item in after.items)
        yield ("--bring-back-all", "") if whole else ("--bring-back", _numbers(back))


def _numbers(found: Sequence[int]) -> str:
    """Positions that rise, in short: "#3,5-9"."""
    runs: list[list[int]] = []
    for n in found:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return "#" + ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)
