"""The way back: the record that every exported file carries, found again without decoding the file.

A marker is ``nexus-studio/1 `` and the sample's record as ASCII JSON. It stands as it is in a PNG text chunk, a WebP
or MP4 or WebM tag, and escaped inside another JSON text (safetensors' header, a JSON file); GIF cuts comments into
blocks of at most 255 bytes. All of these are undone here. Only the first and the last 4 MiB are looked at.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec

from models_backend.contract.run_layout import SampleRecord

from .trouble import explained

SIGN = "nexus-studio/1 "
WINDOW = 4 << 20
_GIF_COMMENT = b"\x21\xfe"
_BLOCK = 255  # the longest piece of a GIF comment
_ATTEMPTS = 16
_STRING_END = re.compile(rb'[^\\](?:\\\\)*"')


def marker(record: SampleRecord) -> str:
    """The text to write into an exported file: ASCII, one line, without a NUL."""
    return SIGN + json.dumps(msgspec.to_builtins(record), ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def read(path: str | Path) -> SampleRecord | None:
    """The record that a file carries; None where it carries none (or none that can be read).

    Any file may come from a stranger: nothing is decoded but this JSON, and a bounded part of the file is read."""
    path = Path(path)
    with explained("it cannot be read", path), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(WINDOW)
        file.seek(max(len(head), size - WINDOW))
        tail = file.read(WINDOW)
    whole = head + tail if size <= 2 * WINDOW else None
    return next((r for r in map(find, (whole,) if whole is not None else (head, tail)) if r is not None), None)


def find(data: bytes) -> SampleRecord | None:
    """The first readable record in some bytes."""
    sign, at = SIGN.encode(), -1
    for _ in range(_ATTEMPTS):
        at = data.find(sign, at + 1)
        if at < 0:
            break
        record = _record(data[at + len(sign) : at + WINDOW])
        if record is None and data.startswith(b"GIF8"):
            record = _record(_comment(data, at)[len(sign) :])
        if record is not None:
            return record
    return _in_comments(data) if data.startswith(b"GIF8") else None


def _record(data: bytes) -> SampleRecord | None:
    """A record from the beginning of some bytes, be it plain JSON or JSON escaped inside a JSON string."""
    if not data.startswith(b"{"):
        return None
    if data.startswith(b'{\\"'):
        data = _unescaped(data)
    text = data.decode("latin-1")
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
        return msgspec.convert(value, SampleRecord)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None


def _unescaped(data: bytes) -> bytes:
    end = _STRING_END.search(data)
    if end is None:
        return b""
    try:
        return json.loads(b'"' + data[: end.end()]).encode("latin-1", "replace")
    except ValueError:
        return b""


def _comment(data: bytes, at: int) -> bytes:
    """The GIF comment whose first block holds position ``at``, its blocks joined, from ``at`` on."""
    start = data.rfind(_GIF_COMMENT, max(0, at - _BLOCK - 3), at)
    if start < 0:
        return b""
    joined = _joined(data, start + 2)
    return joined[at - start - 3 :]


def _joined(data: bytes, at: int) -> bytes:
    """GIF sub-blocks from ``at`` on (each a length byte and as many bytes, until a length of 0) as one."""
    parts: list[bytes] = []
    while at < len(data) and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts)


def _in_comments(data: bytes) -> SampleRecord | None:
    """A marker that itself lies across two blocks of a GIF comment."""
    at, sign = -1, SIGN.encode()
    for _ in range(_ATTEMPTS):
        at = data.find(_GIF_COMMENT, at + 1)
        if at < 0:
            return None
        joined = _joined(data, at + 2)
        if sign in joined:
            return _record(joined[joined.index(sign) + len(sign) :])
    return None
