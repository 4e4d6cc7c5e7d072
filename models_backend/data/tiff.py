"""The first directory of a TIFF: what is in the file, before any pixel is decoded."""

from __future__ import annotations

import struct

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, SUBFILE, SUB_IFDS, FORMAT = 256, 257, 258, 259, 262, 277, 254, 330, 339
_DNG, _MAX_SAMPLE = 50706, 281
_SIZES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_RAW_PHOTOMETRIC, _RAW_COMPRESSION = (32803, 34892), (32767, 34713, 34892, 65000, 65535)
_SPACES = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "LAB", 9: "LAB", 10: "LAB"}
_NUMBERS = {1: "whole numbers", 2: "signed numbers", 3: "floating point"}

Tags = dict[int, tuple[int, ...]]


def first_directory(data: bytes) -> Tags:
    """Whole-number tags of the first directory, at most 16 values each; empty where it cannot be read."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    try:
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
        at, entry = at + (8 if big else 2), 20 if big else 12
        return dict(filter(None, (_tag(data, at + entry * i, order, big) for i in range(min(count, 500)))))
    except struct.error:
        return {}


def _tag(data: bytes, at: int, order: str, big: bool) -> tuple[int, tuple[int, ...]] | None:
    tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, at)
    if kind not in _SIZES or not count:
        return None
    at += 12 if big else 8
    form = f"{order}{min(count, 16)}{_SIZES[kind]}"
    if count * struct.calcsize(order + _SIZES[kind]) > (8 if big else 4):
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, at)
    return (tag, struct.unpack_from(form, data, at)) if at + struct.calcsize(form) <= len(data) else None


def is_raw(tags: Tags) -> bool:
    """Whether it is a camera's raw file: DNG says so, others keep a small picture first and the data in directories below."""
    first = {tag: values[0] for tag, values in tags.items()}
    small = first.get(SUBFILE, 0) & 1 and SUB_IFDS in tags
    known = first.get(PHOTOMETRIC) in _RAW_PHOTOMETRIC or first.get(COMPRESSION) in _RAW_COMPRESSION
    return _DNG in tags or bool(small) or known


def described(tags: Tags) -> str:
    """ "RGB, 32-bit floating point": the kind in words."""
    numbers = _NUMBERS.get(tags.get(FORMAT, (1,))[0], "unusual numbers")
    space = _SPACES.get(tags.get(PHOTOMETRIC, (-1,))[0], "unusual colours")
    return f"{space}, {tags.get(BITS, (1,))[0]}-bit {numbers}"


def deep_colour(tags: Tags) -> bool:
    """Colours of more than 8 bits, as whole numbers or floating point."""
    rgb = tags.get(PHOTOMETRIC) == (2,) and tags.get(SAMPLES, (1,))[0] in (3, 4)
    return rgb and tags.get(BITS, (8,))[0] > 8


def whitest(tags: Tags) -> int:
    """The value that stands for white as the file says it; 0 where it does not."""
    stated, bits = tags.get(_MAX_SAMPLE, (0,))[0], tags.get(BITS, (8,))[0]
    fewer = (1 << bits) - 1 if 8 < bits < 16 else 0
    return fewer or (stated if 255 < stated < 65535 else 0)
