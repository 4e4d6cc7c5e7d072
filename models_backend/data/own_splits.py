"""The user's own splits: folders named train, val and test at any level, tables named so, and split columns of tables.

Folders are splits where all folders beside each other have such names and one is for training, another is not: a class that
happens to be called "train", among "bus" and "car", is a class. ``trainA trainB testA testB`` are two classes, A and B.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

TRAIN, VALIDATION, TEST = "train", "validation", "test"
HELD_OUT = (VALIDATION, TEST)

_WORDS = {
    "train": TRAIN, "training": TRAIN, "trn": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION,
    "validate": VALIDATION, "dev": VALIDATION, "devel": VALIDATION, "eval": VALIDATION, "evaluation": VALIDATION,
    "test": TEST, "testing": TEST, "tst": TEST, "holdout": TEST, "held_out": TEST, "heldout": TEST,
}  # fmt: skip
_VALUES = {**_WORDS, "restval": TRAIN, "publictest": VALIDATION, "privatetest": TEST}
_MORE = r"(?:set|images?|imgs?|pictures|photos|data|split|full|all|\d{1,4})"
_NAME = re.compile(rf"(?:(?:{_MORE}|seg)[ _.-]?)?({'|'.join(_WORDS)})(?:[ _.-]?{_MORE})*", re.IGNORECASE)
_KIND = re.compile(r"(train|training|val|valid|validation|test|testing)[ _.-]?([AB])", re.IGNORECASE)

COLUMNS = frozenset(("split", "partition", "subset", "usage", "phase", "image_split", "data_split", "dataset_split"))
_TRUTHS = {
    "is_train": (TRAIN, TEST), "is_training": (TRAIN, TEST), "is_valid": (VALIDATION, TRAIN), "is_val": (VALIDATION, TRAIN),
    "is_validation": (VALIDATION, TRAIN), "is_test": (TEST, TRAIN),
}  # fmt: skip
NAMES = COLUMNS | set(_TRUTHS)
#: The numbers of CelebA's partition.
_NUMBERS = {0.0: TRAIN, 1.0: VALIDATION, 2.0: TEST}

Parts = tuple[str, ...]


def split_of(name: str) -> tuple[str, str]:
    """The split that a folder's name says and its kind, A or B where that is part of the name; "" for none."""
    if kind := _KIND.fullmatch(name):
        return _WORDS[kind[1].lower()], kind[2].upper()
    said = _NAME.fullmatch(name)
    return (_WORDS[said[1].lower()], "") if said else ("", "")


def by_folders(folders: Sequence[Parts]) -> tuple[list[str], list[Parts]]:
    """The split of each picture by the folders it lies in ("" where they say none), and those folders without splits."""
    children: dict[Parts, set[str]] = defaultdict(set)
    for parts in set(folders):
        for depth, name in enumerate(parts):
            children[parts[:depth]].add(name)
    named = {parent for parent, names in children.items() if _are_splits(parent, names, children)}
    whole = {len(parent) for parent in named if _kinds(children[parent]) > {TRAIN}}
    left_out = {p for p in named if len(p) in whole or len(children[p]) > 1}
    known = {parts: _parted(parts, left_out, whole, children) for parts in set(folders)}
    return [known[parts][0] for parts in folders], [known[parts][1] for parts in folders]


def _kinds(names: Iterable[str]) -> set[str]:
    return {split_of(name)[0] for name in names} - {""}


def _are_splits(parent: Parts, names: set[str], children: dict[Parts, set[str]]) -> bool:
    """Whether the folders beside each other are splits: all are named so, or they hold the same folders."""
    said = {name for name in names if split_of(name)[0]}
    if said == names:
        return True
    inner = [children.get((*parent, name), set()) for name in said]
    return _kinds(said) > {TRAIN} and all(inner) and bool(set.intersection(*inner))


def _parted(parts: Parts, left_out: set[Parts], whole: set[int], children: dict[Parts, set[str]]) -> tuple[str, Parts]:
    """The split that a picture's folders say, and the folders that are left for classes. Within a split, folders of such names
    are classes; one alone that says the same again (``train/train``) is none."""
    split, rest = "", []
    for depth, name in enumerate(parts):
        parent = parts[:depth]
        said, kind = split_of(name)
        if split and not kind:
            rest += [name] * (said != split or len(children[parent]) > 1)
            continue
        if parent not in left_out or not said:
            rest.append(name)
            continue
        if depth in whole:
            split = split or said
        if kind and len({split_of(other)[1] for other in children[parent]} - {""}) == 2:
            rest.append(kind)
    return split, tuple(rest)


def by_table(name: str) -> str:
    """The split that a table's name says of what it lists (``captions_val2017.json``, ``train.csv``); "" for none."""
    words = re.split(r"[^a-z]+", name.rpartition(".")[0].lower())
    said = {_WORDS[word] for word in words if word in _WORDS}
    return said.pop() if len(said) == 1 else ""


def by_column(name: str, values: Iterable[object]) -> dict[str, str] | None:
    """What the values of a table's column mean as splits, by the value as text, those left out that mean nothing; None where
    those are more than a third, so that it is no column of splits."""
    counts = Counter(str(value) for value in values)
    meaning = {text: _meant(name.strip().lower(), text.strip()) for text in counts}
    good = sum(counts[text] for text in counts if meaning[text])
    return {text: split for text, split in meaning.items() if split} if good and good >= 2 * (counts.total() - good) else None


def _meant(column: str, text: str) -> str:
    if column in _TRUTHS and text.lower() in ("true", "false", "1", "0", "1.0", "0.0", "yes", "no"):
        yes, no = _TRUTHS[column]
        return yes if text.lower() in ("true", "1", "1.0", "yes") else no
    if column not in COLUMNS:
        return ""
    try:
        return _NUMBERS.get(float(text), "")
    except ValueError:
        return _VALUES.get(text.lower().replace(" ", ""), "") or split_of(text)[0]
