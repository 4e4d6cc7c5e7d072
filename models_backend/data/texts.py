"""Text and values as strangers write them: unknown encodings, cells that say nothing, numbers with commas."""

from __future__ import annotations

import ast
import json
import math
import re
from itertools import pairwise

_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_UNKNOWN = frozenset(("", "nan", "null", "none", "n/a", "na", "#n/a", "#na", "<na>", "nil", "undefined", "-", "?"))
_TRUTHS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")


def decoded(data: bytes) -> tuple[str, str]:
    """Text of unknown encoding, and the name of the encoding where it is no plain UTF-8. Zero bytes are dropped."""
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), "") or _unmarked(data)
    if mark:
        return data.decode(mark, "replace").replace("\0", ""), mark.partition("-le")[0].partition("-be")[0].upper()
    try:
        return data.decode("utf-8-sig").replace("\0", ""), ""
    except UnicodeDecodeError:
        name, words = _legacy(data)
        return data.decode(name, "replace").replace("\0", ""), words


def _unmarked(data: bytes) -> str:
    """UTF-16 without its mark: of plain text every other byte is zero."""
    head = data[:4096]
    even, odd, half = head[::2].count(0), head[1::2].count(0), max(1, len(head) // 2)
    if odd > 0.3 * half > 8 * even or (len(head) < 8 and odd == half > even == 0):
        return "utf-16-le"
    return "utf-16-be" if even > 0.3 * half > 8 * odd else ""


def _legacy(data: bytes) -> tuple[str, str]:
    """The codec and the name of what is no UTF-8, guessed from how its high bytes stand."""
    head = data[: 1 << 16]
    high = [byte for byte in head if byte >= 0x80]
    mended = head.decode("utf-8", "replace")
    if sum(c > "\x7f" and c != "\ufffd" for c in mended) > mended.count("\ufffd"):
        return "utf-8", "UTF-8 with damaged bytes"
    if _reads_as(head, "cp932", "\u3041", "\u30ff", 0.3):
        return "cp932", "Shift-JIS"
    together = sum(a >= 0x80 and b >= 0x80 for a, b in pairwise(head))
    if together > len(high) / 2:  # letters of Western languages stand alone among ASCII
        if sum(byte >= 0xE0 for byte in high) > 0.6 * len(high):
            return "cp1251", "Windows-1251"
        if sum(0xC0 <= byte < 0xE0 for byte in high) > 0.6 * len(high):
            return "koi8-r", "KOI8-R"
        if _reads_as(head, "gb18030", "\u4e00", "\u9fff", 0.6):
            return "gb18030", "GB18030"
    return ("cp1252", "Windows-1252") if not set(high) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else ("latin-1", "Latin-1")


def _reads_as(data: bytes, codec: str, first: str, last: str, share: float) -> bool:
    """Whether the bytes are whole in a codec, and so large a share of what is not ASCII lies in a range."""
    for end in (len(data), len(data) - 1):  # the last letter may be cut
        try:
            letters = [c for c in data[:end].decode(codec) if c > "\x7f"]
        except UnicodeDecodeError:
            continue
        return bool(letters) and sum(first <= c <= last for c in letters) >= share * len(letters)
    return False


def said(value: object) -> object | None:
    """A value of a table, or None where it says nothing: an empty cell, nan, null, none, n/a."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return None if isinstance(value, str) and value.strip().lower() in _UNKNOWN else value


def listed(value: object) -> object:
    """A list where text is one as JSON or Python write it; anything else as it is."""
    if not isinstance(value, str) or not (value.startswith("[") and value.endswith("]")) or len(value) > 64 << 10:
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else value
    return value


def number(value: object, comma: bool = False) -> float | None:
    """What a table says as a number (truths are 1 and 0), None where it is none; ``comma``: decimals stand behind a comma."""
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _TRUTHS:
            return _TRUTHS[text.lower()]
        if "," in text:
            text = _without_commas(text, comma)
        value = text if "_" not in text and len(text) < 400 else None
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _without_commas(text: str, comma: bool) -> str:
    if not comma and _THOUSANDS.fullmatch(text):
        return text.replace(",", "")
    return text.replace(".", "").replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text
