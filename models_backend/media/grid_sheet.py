"""A grid over one or two settings as one picture: its cells, under the values of the columns and beside those of the rows.

No heading is cut: what is longer than its column is wrapped, and a column is widened for a long word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models_backend.contract.grids import GridCell

from .charts import font
from .pictures import GROUND, rgb

GAP, MARGIN = 6, 12
TEXT_PX, LINE_PX = 15, 20
#: A column or the headings of rows are not widened beyond this for their words.
WIDEST = 320
EMPTY, VALUE, NAME = (27, 31, 38), (222, 225, 232), (150, 157, 171)


def grid_sheet(pictures: Mapping[int, np.ndarray], grid: GridCell) -> np.ndarray:
    """Pictures uint8 (H, W, 1 or 3), all of one size, by the place of their cell -> (H', W', 3). Cells without one are left
    empty. ``grid``: any cell of the grid, for its axes."""
    high, wide = next(iter(pictures.values())).shape[:2]
    letters = font("Inter", TEXT_PX)
    columns = [_plain(text) for text in grid.across.labels()]
    rows = [_plain(text) for text in grid.down.labels()] if grid.down else [""]
    side, name = _plain(grid.down.title) if grid.down else "", _plain(grid.across.title)
    longest = max(*(_word_px(text, letters) for text in columns), _word_px(name, letters) // len(columns))
    across = max(wide, min(WIDEST, longest))
    whole = len(columns) * (across + GAP) - GAP
    beside = min(WIDEST, max(int(letters.getlength(text)) + 1 for text in (*rows, side))) if grid.down else 0
    top = [wrapped(text, across, letters) for text in columns]
    left = [wrapped(text, beside, letters) for text in rows]
    corner, over = wrapped(side, beside, letters), wrapped(name, whole, letters)
    head = LINE_PX * max(len(over) + max(map(len, top)), len(corner)) + GAP
    pitch = max(high, LINE_PX * max(map(len, left))) + GAP
    first = MARGIN + (beside + 2 * GAP if grid.down else 0), MARGIN + head
    size = first[0] + whole + MARGIN, first[1] + len(rows) * pitch - GAP + MARGIN
    sheet = Image.new("RGB", size, GROUND)
    write = partial(_write, ImageDraw.Draw(sheet), letters)
    write(over, first[0], MARGIN, whole, NAME)
    write(corner, MARGIN, first[1] - GAP - LINE_PX * len(corner), beside, NAME, right=True)
    for column, lines in enumerate(top):
        write(lines, first[0] + column * (across + GAP), first[1] - GAP - LINE_PX * len(lines), across, VALUE)
    for row, lines in enumerate(left):
        write(lines, MARGIN, first[1] + row * pitch + (pitch - GAP - LINE_PX * len(lines)) // 2, beside, VALUE, right=True)
    blank = np.full((high, wide, 3), EMPTY, np.uint8)
    for place in range(len(rows) * len(columns)):
        row, column = divmod(place, len(columns))
        at = first[0] + column * (across + GAP) + (across - wide) // 2, first[1] + row * pitch + (pitch - GAP - high) // 2
        sheet.paste(Image.fromarray(rgb(pictures.get(place, blank))), at)
    return np.asarray(sheet)


def wrapped(text: str, wide: int, letters: ImageFont.FreeTypeFont) -> list[str]:
    """The lines of a text that is ``wide`` pixels at most; a word that is longer is broken inside."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if letters.getlength(longer) <= wide:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if lines[-1] and letters.getlength(lines[-1] + letter) > wide:
                lines.append("")
            lines[-1] += letter
    return lines


def _plain(text: str) -> str:
    return " ".join(text.split())


def _word_px(text: str, letters: ImageFont.FreeTypeFont) -> int:
    return max((int(letters.getlength(word)) + 1 for word in text.split()), default=0)


def _write(draw: ImageDraw.ImageDraw, letters: ImageFont.FreeTypeFont, lines: Sequence[str], x: int, y: int, wide: int,
           ink: tuple[int, int, int], right: bool = False) -> None:  # fmt: skip
    """Lines in a box that is ``wide`` pixels from ``x`` on, in its middle or at its right."""
    for number, line in enumerate(lines):
        at = x + wide if right else x + wide / 2
        draw.text((at, y + number * LINE_PX + LINE_PX / 2), line, fill=ink, font=letters, anchor="rm" if right else "mm")
