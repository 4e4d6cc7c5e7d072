"""Fuzzy matching for the command palette."""

from __future__ import annotations

BOUNDARY, RUN, SKIP = 8.0, 5.0, 0.15


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
