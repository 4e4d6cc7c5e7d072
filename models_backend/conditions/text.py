"""Captions as bytes: UTF-8, one token a byte, so that nothing has to be learned, downloaded or kept to read any language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: Token 0 fills up, token 1 begins every caption, byte b is token b + 2. The null condition is a caption of no bytes.
PAD, BEGIN, OFFSET = 0, 1, 2
VOCABULARY = 256 + OFFSET
#: Bytes of the longest caption that is read.
LONGEST = 255
#: A prompt's token may weigh more or less than 1: its weight less 1, in millionths, stands above its byte.
ABOVE, MILLION = 512, 1_000_000


def cut(caption: str) -> str:
    """As much of a caption as is read, to the end of a word where one ends near."""
    if len(caption) <= LONGEST and len(data := caption.encode()) <= LONGEST:
        return caption
    data = caption[: LONGEST + 1].encode()
    whole = data[:LONGEST].decode(errors="ignore")
    words, space, rest = whole.rpartition(" ")
    at_an_end = caption[len(whole) : len(whole) + 1].isspace()
    return whole if at_an_end or not space or len(rest) > 40 else words


def tokens(captions: Sequence[str], length: int = 0) -> np.ndarray:
    """Captions as int64 (N, L): L of the longest with its begin, or ``length``. Raises ValueError that names one too long."""
    rows = [caption.encode() for caption in captions]
    for caption, row in zip(captions, rows, strict=True):
        if len(row) > LONGEST:
            raise ValueError(f"a caption of {len(row)} bytes is longer than {LONGEST}: “{caption[:40]}…”")
    length = max(length, 1 + max((len(row) for row in rows), default=0))
    made = np.zeros((len(rows), length), np.int64)
    made[:, 0] = BEGIN
    for line, row in zip(made, rows, strict=True):
        line[1 : len(row) + 1] = np.frombuffer(row, np.uint8).astype(np.int64) + OFFSET
    return made


def weigh(row: np.ndarray, weights: Sequence[float]) -> None:
    """Gives the bytes of one row of tokens (L,) their weights, in place."""
    row[1 : len(weights) + 1] += ABOVE * np.rint((np.asarray(weights) - 1) * MILLION).astype(np.int64)


def split(tokens: Any) -> tuple[Any, Any]:
    """Tokens of any shape, an array or a tensor, as plain tokens and their weights."""
    return tokens % ABOVE, 1 + (tokens // ABOVE) / MILLION


def text(row: np.ndarray) -> str:
    """The caption of one row of tokens (L,), without its weights."""
    said = row % ABOVE
    said = said[said >= OFFSET] - OFFSET
    return bytes(said.astype(np.uint8)).decode(errors="replace")
