"""PAM, the one of the portable maps (PNM) that Pillow does not read: any number of channels of 8 or 16 bits."""

from __future__ import annotations

import re

import numpy as np

from . import depth
from .formats import BadPicture, check_size

_LINE = re.compile(rb"(WIDTH|HEIGHT|DEPTH|MAXVAL)\s+(\d{1,9})")


def read(data: bytes) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """(H, W, 3) RGB or (H, W, 4) with transparency. Raises BadPicture."""
    head, mark, body = data.partition(b"ENDHDR\n")
    said = {name: int(value) for name, value in _LINE.findall(head)}
    if not mark or len(said) < 4 or not all(said.values()):
        raise BadPicture("damaged", "the header of the PAM is not complete")
    width, height, channels, white = (said[name] for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    check_size(width, height)
    if channels > 4 or white > 65535:
        raise BadPicture("unsupported", f"PAM pictures of {channels} channels up to {white:,} are not read; convert it to PNG")
    kind = np.dtype(np.uint8 if white < 256 else ">u2")
    if len(body) < width * height * channels * kind.itemsize:
        raise BadPicture("truncated", "the PAM ends before its last line")
    values = np.frombuffer(body, kind, width * height * channels).reshape(height, width, channels)
    notes: list[tuple[str, str]] = []
    if white != 255:
        values, words = depth.to_bytes(values.astype(np.uint16), white)
        notes = [("depth", words)] if white > 255 else []
    colours = values[..., : 1 if channels < 3 else 3]
    colours = np.repeat(colours, 3, axis=2) if channels < 3 else colours
    return (np.concatenate([colours, values[..., -1:]], axis=2) if channels in (2, 4) else colours), notes
