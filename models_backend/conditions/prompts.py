"""Prompts with weights, as they are commonly written: (word) counts 1.1 times, [word] 1 / 1.1 times, (word:1.4) 1.4 times.

Brackets nest and multiply; one that is meant as it stands has a backslash before it. Captions of data are no prompts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from . import text

STEP, HIGHEST = 1.1, 10.0
_CLOSES = {"(": ")", "[": "]"}
_PIECES = re.compile(
    r"\\(?P<escaped>[()\[\]])|(?P<open>[(\[])|(?::(?P<number>[-+.,\d\s]*))?(?P<close>[)\]])|[^()\[\]:\\]+|.", re.DOTALL
)


def tokens(prompts: Sequence[str]) -> np.ndarray:
    """Prompts as int64 (N, L) of ``text``, weighed; those without weights as captions are. Raises ValueError that names the
    place of what is written badly, or the prompt that is too long."""
    said = [pieces(prompt) for prompt in prompts]
    made = text.tokens(["".join(words for words, _ in one) for one in said])
    for row, one in zip(made, said, strict=True):
        text.weigh(row, [weight for words, weight in one for _ in words.encode()])
    return made


def pieces(prompt: str) -> list[tuple[str, float]]:
    """A prompt's words and what each piece of them weighs. Raises ValueError that names the place of what is written badly."""
    words: list[str] = []
    weights: list[float] = []
    opened: list[tuple[str, int, int]] = []  # bracket, its place, pieces before it
    for match in _PIECES.finditer(prompt):
        if match["open"]:
            opened.append((match["open"], match.start("open"), len(words)))
        elif match["close"]:
            first, factor = _closed(prompt, opened, match)
            weights[first:] = [weight * factor for weight in weights[first:]]
        else:
            words.append(match["escaped"] or match.group())
            weights.append(1.0)
    if opened:
        raise _bad(prompt, opened[-1][1], f"“{opened[-1][0]}” is never closed")
    return list(zip(words, weights, strict=True))


def _closed(prompt: str, opened: list[tuple[str, int, int]], match: re.Match[str]) -> tuple[int, float]:
    """The first piece inside the bracket that is closed, and the factor on its weight."""
    close, number = match["close"], match["number"]
    if not opened or _CLOSES[opened[-1][0]] != close:
        raise _bad(prompt, match.start("close"), f"“{close}” closes nothing that is open")
    bracket, _, first = opened.pop()
    if number is None:
        return first, STEP if bracket == "(" else 1 / STEP
    if bracket == "[":
        raise _bad(prompt, match.start("number"), "a number stands in round brackets, (word:0.8)")
    try:
        factor = float(number)
    except ValueError:
        factor = -1.0
    if not 0 <= factor <= HIGHEST:
        raise _bad(prompt, match.start("number"), f"a weight is a number from 0 to {HIGHEST:g}, (word:1.4)")
    return first, factor


def _bad(prompt: str, place: int, what: str) -> ValueError:
    at = prompt[place : place + 20]
    return ValueError(f"character {place + 1} of the prompt, “{at}”: {what}; a bracket as it stands is written \\( or \\[")


def escaped(caption: str) -> str:
    """The prompt that says a caption, brackets and all."""
    return re.sub(r"([()\[\]])", r"\\\1", caption)
