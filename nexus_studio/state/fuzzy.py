"""Fuzzy matching: for the command palette letters in order, for lists of named things words, initials and slips of the keys."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

BOUNDARY, RUN, SKIP = 8.0, 5.0, 0.15
#: How alike a word and what was typed must be to pass for a slip, and the letters that it takes to tell.
SLIP, SLIP_LETTERS = 0.75, 4
#: Points of a match: all of a name, its beginning, the beginning of one of its words, within it, a word beside it, a slip.
WHOLE, BEGINS, WORD, WITHIN, BESIDE, SLIPPED = 100.0, 60.0, 40.0, 25.0, 10.0, 5.0


def score(query: str, text: str) -> float:
    """How well the letters of ``query``, in order, are found in ``text``; 0 when they are not.

    Letters at word beginnings and letters that follow one another count more; skipped letters count a little less.
    Every word of the query must be found, in any order of words."""
    words = query.lower().split()
    scores = [_word_score(word, text.lower()) for word in words]
    return 1.0 if not words else sum(scores) if all(scores) else 0.0


def _word_score(word: str, text: str) -> float:
    best, start = 0.0, text.find(word[0])
    while start >= 0:
        best = max(best, _from(word, text, start))
        start = text.find(word[0], start + 1)
    return best


def _from(word: str, text: str, start: int) -> float:
    total, last = 0.0, start - 1
    for position, letter in enumerate(word):
        found = text.find(letter, last + 1)
        if found < 0:
            return 0.0
        total += 1.0 - SKIP * min(found - last - 1, 6)
        if found == 0 or not text[found - 1].isalnum():
            total += BOUNDARY
        elif position and found == last + 1:
            total += RUN
        last = found
    return max(total, 0.1) + len(word) / (len(text) + 1)


def named(query: str, names: Iterable[str], beside: str = "") -> float:
    """How well something called by ``names`` (a title, short names, those of the paper) answers a query; 0 when it does not.

    ``beside`` is what else is said of it. A name counts whole, by its beginning, by its words and by their initials; where
    nothing is found, a slip of the keys in one of its words is forgiven."""
    wanted = _plain(query)
    found = [_plain(name) for name in names if name]
    if not wanted:
        return 1.0
    whole = max((_of_name(wanted, name) for name in found), default=0.0)
    if whole:
        return whole
    said = [*(" ".join(found)).split(), *_plain(beside).split()]
    points = [max(max((_of_name(word, name) for name in found), default=0.0), _of_words(word, said)) for word in wanted.split()]
    return sum(points) / len(points) if all(points) else 0.0


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower().replace("_", " ")))


def _of_name(wanted: str, name: str) -> float:
    """Points by one name, a little more for a short one."""
    joined, run_on = wanted.replace(" ", ""), name.replace(" ", "")
    initials = "".join(word[0] for word in name.split())
    near = 1 / (1 + len(name))
    if joined == run_on or (len(initials) > 1 and joined == initials):
        return WHOLE + near
    if run_on.startswith(joined):
        return BEGINS + near
    if any(word.startswith(wanted) for word in name.split()):
        return WORD + near
    return WITHIN + near if len(joined) > 1 and joined in run_on else 0.0


def _of_words(wanted: str, words: list[str]) -> float:
    if any(word.startswith(wanted) for word in words):
        return BESIDE
    return SLIPPED if slipped(wanted, words) else 0.0


def slipped(wanted: str, words: Iterable[str]) -> bool:
    """Whether one of the words may have been meant by what was typed, with a slip of the keys."""
    return len(wanted) >= SLIP_LETTERS and any(_meant(wanted, word) for word in words)


def _meant(wanted: str, word: str) -> bool:
    """Whether a word may have been meant: all of it, or its beginning while one still types."""
    if word[0] != wanted[0] or len(word) < SLIP_LETTERS:
        return False
    return any(SequenceMatcher(None, wanted, word[:size]).ratio() >= SLIP for size in {len(word), len(wanted), len(wanted) + 1})
